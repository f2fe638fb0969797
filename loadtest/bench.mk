# `make bench`: included by the Makefile.
# BENCH_FLAGS: --quick, --entities N, --rounds N, --only SUBJECT, --out FILE.

BENCH_PACKAGES = redis-server redis-tools default-jdk-headless libgrpc++-dev
BENCH_FLAGS ?=
BENCH_VENV = $(BUILD)/bench-venv

# The load at fixed rates. It takes no part of the server.
$(BUILD)/replay: $(call object,loadtest/replay.c)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lhiredis $(MALLOC)

# What sockets alone cost.
$(BUILD)/floor: $(call object,loadtest/floor.c)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^

# Calls in a closed loop, over RPC and the Redis protocol.
$(BUILD)/rpc_load: $(call object,loadtest/rpc_load.c)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lhiredis -lnghttp2 $(MALLOC)

# What gRPC's own library costs.
$(BUILD)/grpcpp_constant: loadtest/peers/grpcpp/constant.cc
	$(call say,CXX $@)
	$(Q)$(CXX) -std=c++17 $(CFLAGS) -o $@ $< -lgrpc++ -lgrpc -lgpr -labsl_synchronization

$(BENCH_VENV)/.done: loadtest/requirements.txt client/python/pyproject.toml
	python3 -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	$(BENCH_VENV)/bin/pip install --quiet --disable-pip-version-check ./client/python
	@touch $@

bench: setup ## measure against redis-server, Kafka Streams, DuckDB and Feast, write docs/benchmarks.md
	@tools/install_packages.sh $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all $(BUILD)/replay $(BUILD)/floor $(BUILD)/rpc_load \
		$(BUILD)/grpcpp_constant $(BENCH_VENV)/.done
	@ASOFD=$(abspath $(BUILD)/asofd) ASOF=$(abspath $(BUILD)/asof) REPLAY=$(abspath $(BUILD)/replay) FLOOR=$(abspath $(BUILD)/floor) \
		RPC_LOAD=$(abspath $(BUILD)/rpc_load) GRPCPP_CONSTANT=$(abspath $(BUILD)/grpcpp_constant) \
		$(BENCH_VENV)/bin/python loadtest/bench.py $(BENCH_FLAGS)

.PHONY: bench
