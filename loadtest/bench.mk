# `make bench`: included by the Makefile.
# BENCH_FLAGS: --quick, --entities N, --rounds N, --out FILE.

BENCH_PACKAGES = redis-server redis-tools python3
BENCH_FLAGS ?=

bench: setup ## measure against redis-server, write docs/benchmarks.md
	@tools/install_packages.sh $(BENCH_PACKAGES)
	@$(MAKE) --no-print-directory all
	@ASOFD=$(abspath $(BUILD)/asofd) ASOF=$(abspath $(BUILD)/asof) python3 loadtest/bench.py $(BENCH_FLAGS)

.PHONY: bench
