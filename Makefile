# asof: build, test, demo. `make help` lists the targets.

BUILD ?= build
DUCKDB := $(BUILD)/duckdb
PREFIX ?= /usr/local
V ?= 0
CC = gcc

WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Wno-missing-field-initializers
HARDENING = -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
# No fused multiply-add: doubles are the same bits on every machine.
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -ffp-contract=off $(CFLAGS) $(WARNINGS) $(HARDENING) -MMD -MP -I. -Iserver -Iclient
GENERATED = -I$(BUILD)/gen -isystem $(DUCKDB)
LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
MALLOC = -ljemalloc

# make SAN=address,undefined   or SAN=thread: everything again, in a directory of its own.
comma := ,
ifdef SAN
BUILD := $(BUILD)/san-$(subst $(comma),-,$(SAN))
ALL_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-U_FORTIFY_SOURCE -DASOF_DEBUG
LDFLAGS += -fsanitize=$(SAN)
MALLOC =
endif

SERVER_LIBS = -lrocksdb -lrdkafka -levent_core -lnghttp2 -lyaml -lyajl -lsqlite3 -lcrypto $(MALLOC) -lpthread -ldl -lm
CLIENT_LIBS = -lyajl -lcrypto -lpthread -lm

SERVER_SOURCES = $(filter-out server/main.c,$(wildcard server/*/*.c)) $(wildcard migrations/*.c)
LIBASOF_SOURCES = $(filter-out client/libasof/example.c,$(wildcard client/libasof/*.c))
CLIENT_SOURCES = $(filter-out client/main.c,$(wildcard client/*.c)) $(LIBASOF_SOURCES)
UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SECONDS ?= 10
JOBS ?= $(shell nproc)

Q = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@echo "  $(1)")
object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(BUILD)/asofd $(BUILD)/asof $(BUILD)/libasof.a $(BUILD)/libasof.so $(BUILD)/libduckdb.so ## build asofd, asof and libasof

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1 /' | \
		awk '{ name = $$1; $$1 = ""; printf "  make %-12s%s\n", name, $$0 }'

# ---- what is built ----

$(BUILD)/asofd: $(call object,server/main.c) $(BUILD)/server.a
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS)

# The command takes texts of times, numbers and names from base and model of the server.
$(BUILD)/asof: $(call object,client/main.c) $(BUILD)/client.a $(BUILD)/server.a
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

$(BUILD)/server.a: $(call object,$(SERVER_SOURCES))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/client.a: $(call object,$(CLIENT_SOURCES))
	$(Q)rm -f $@ && ar rcs $@ $^

# libasof, with what it takes of the server's rooms; nothing but asof_* is seen from outside, also in the archive.
LIBASOF_SONAME = libasof.so.0
LIBASOF_TAKES = $(patsubst %,server/base/%.c,arena buffer bytes check clock number status) server/protocol/protobuf.c
LIBASOF_OBJECTS = $(patsubst %.c,$(BUILD)/obj/pic/%.o,$(LIBASOF_SOURCES) $(LIBASOF_TAKES))
LIBASOF_FLAGS = $(filter-out -fPIE,$(ALL_CFLAGS)) -fPIC -fvisibility=hidden

$(BUILD)/obj/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC $@)
	$(Q)$(CC) $(LIBASOF_FLAGS) -c -o $@ $<

$(BUILD)/libasof.so: $(LIBASOF_OBJECTS)
	$(call say,LD $@)
	$(Q)$(CC) $(filter-out -pie,$(LDFLAGS)) -shared -Wl,-soname,$(LIBASOF_SONAME) -o $@ $^ -lpthread -lm
	$(Q)ln -sf libasof.so $(BUILD)/$(LIBASOF_SONAME)

$(BUILD)/libasof.a: $(LIBASOF_OBJECTS)
	$(call say,AR $@)
	$(Q)ld -r -o $(BUILD)/obj/pic/libasof.o $^
	$(Q)objcopy --localize-hidden $(BUILD)/obj/pic/libasof.o
	$(Q)rm -f $@ && ar rcs $@ $(BUILD)/obj/pic/libasof.o

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) $(GENERATED) -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/client.a $(BUILD)/server.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -lprotobuf-c $(SERVER_LIBS)

$(BUILD)/tests/cost: $(BUILD)/obj/tests/cost/cost.o $(BUILD)/server.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS)

# Fuzzers are clang's, with all rooms compiled for coverage.
FUZZ_FLAGS = -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined \
	-fno-sanitize-recover=all -MMD -MP -I. -Iserver -Iclient
fuzz_object = $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,$(1))

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,FUZZ-CC $<)
	$(Q)clang $(FUZZ_FLAGS) $(GENERATED) -fsanitize=fuzzer-no-link -c -o $@ $<

$(BUILD)/fuzz/rooms.a: $(call fuzz_object,$(SERVER_SOURCES) $(CLIENT_SOURCES))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/%.o $(BUILD)/fuzz/rooms.a
	$(call say,LD $@)
	$(Q)clang -fsanitize=fuzzer,address,undefined -o $@ $^ -lrocksdb -lrdkafka -levent_core -lnghttp2 -lyaml -lyajl \
		-lsqlite3 -lcrypto -lpthread -ldl -lm

# What protoc makes of proto/: the descriptors that reflection tells, and, for a test, protobuf-c's code.
PROTOS = $(shell find proto -name '*.proto' | sort)
DESCRIPTORS = $(BUILD)/gen/asof/descriptors.inc
PROTO_TEST = $(BUILD)/gen/asof/v1/feature_store.pb-c

$(DESCRIPTORS): $(PROTOS)
	@mkdir -p $(@D)
	$(call say,PROTOC $@)
	$(Q)protoc -Iproto -o $@.set $(PROTOS)
	$(Q)od -An -v -tu1 $@.set | sed -E 's/^ +//; s/ +/,/g; s/$$/,/' >$@

$(call object,server/protocol/rpc_reflection.c): $(DESCRIPTORS)
$(call fuzz_object,server/protocol/rpc_reflection.c): $(DESCRIPTORS)

# DuckDB is not linked: asofd opens it beside itself when an export begins, and so do the tests.
$(DUCKDB)/libduckdb.so: tools/take_duckdb.sh
	$(call say,FETCH $@)
	$(Q)tools/take_duckdb.sh $(@D)

DUCKDB_USERS = $(wildcard server/export/*.c)
$(call object,$(DUCKDB_USERS)) $(call fuzz_object,$(DUCKDB_USERS)): | $(DUCKDB)/libduckdb.so

$(BUILD)/libduckdb.so: $(DUCKDB)/libduckdb.so
	$(Q)ln -sf $(abspath $<) $@

$(PROTO_TEST).c: proto/asof/v1/feature_store.proto
	@mkdir -p $(@D)
	$(Q)protoc-c -Iproto --c_out=$(BUILD)/gen $<

$(PROTO_TEST).o: $(PROTO_TEST).c
	$(Q)$(CC) -O1 -fPIE -I$(BUILD)/gen -c -o $@ $<

$(call object,tests/unit/rpc_message_test.c): $(PROTO_TEST).c
$(BUILD)/tests/rpc_message_test: $(PROTO_TEST).o

-include $(shell find $(BUILD)/obj $(BUILD)/fuzz -name '*.d' 2>/dev/null)
.SECONDARY:

# ---- set-up ----

PACKAGES = build-essential librocksdb-dev librdkafka-dev libevent-dev libyaml-dev libyajl-dev libsqlite3-dev \
	libnghttp2-dev libssl-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler \
	libxxhash-dev libjemalloc-dev libhiredis-dev libcmocka-dev pkg-config redis-tools python3 python3-dev python3-venv \
	python3-pip clang clang-format libclang-rt-14-dev valgrind default-jre-headless maven
VENV = $(BUILD)/venv
PROMTOOL = $(BUILD)/promtool

setup: ## install what is needed: Debian packages, Python packages for the tests
	@tools/install_packages.sh $(PACKAGES)
	@$(MAKE) --no-print-directory $(VENV)/.done $(PROMTOOL) $(DUCKDB)/libduckdb.so

$(VENV)/.done: tests/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r tests/requirements.txt
	@touch $@

$(VENV)/.long: tests/requirements-long.txt | $(VENV)/.done
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# Checks what /metrics says. Of the package prometheus, which would start a service, only this is taken.
$(PROMTOOL): tools/take_from_package.sh
	@tools/take_from_package.sh prometheus usr/bin/promtool $@

# ---- a Kafka broker, for the tests and the demo ----

KAFKA_JARS = $(BUILD)/cache/kafka/done

$(KAFKA_JARS): tools/kafka/pom.xml
	@mkdir -p $(@D)
	tools/kafka/broker.py fetch --cache $(BUILD)/cache
	@touch $@

kafka-jars: $(KAFKA_JARS) ## fetch the jars of a Kafka broker, once

# ---- the Python package ----

PYTHON_CLIENT = $(BUILD)/python/.done
PYTHON_SOURCES = $(wildcard client/python/*.py client/python/*.toml client/python/asof/* client/python/native/*)
LIBASOF_HEADERS = $(wildcard client/libasof/*.h server/base/*.h server/protocol/*.h)

python: $(PYTHON_CLIENT) ## the wheel of client/python, and the package installed into build/python

$(PYTHON_CLIENT): $(PYTHON_SOURCES) $(LIBASOF_SOURCES) $(LIBASOF_TAKES) $(LIBASOF_HEADERS) | $(VENV)/.done
	$(call say,WHEEL $(@D))
	$(Q)rm -rf $(@D) client/python/build
	$(Q)$(VENV)/bin/pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps -w $(@D)/wheel ./client/python
	$(Q)$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --target $(@D) $(@D)/wheel/*.whl
	$(Q)touch $@

# ---- the demo ----

FLIGHTS = $(BUILD)/flights

$(FLIGHTS)/arrivals.ndjson: tools/flights.py | $(VENV)/.done
	$(VENV)/bin/python tools/flights.py --cache $(BUILD)/cache --out $(FLIGHTS)
	@touch $@

demo: setup ## load a year of New York flights and read their features, live and as of the past
	@$(MAKE) --no-print-directory -j$(JOBS) all $(FLIGHTS)/arrivals.ndjson
	@tools/demo.sh $(BUILD)

demo-kafka: setup ## a real broker, the flights produced while you watch: lag and features, live
	@$(MAKE) --no-print-directory -j$(JOBS) all $(FLIGHTS)/arrivals.ndjson $(KAFKA_JARS)
	@$(VENV)/bin/python tools/demo_kafka.py $(BUILD)

leak: all $(FLIGHTS)/arrivals.ndjson ## measure and draw what a join leaks that is not point-in-time, for docs/training-sets.md
	@$(VENV)/bin/python tools/leak.py --build $(BUILD)

# ---- tests ----

PYTEST = $(VENV)/bin/python -m pytest -q -p no:cacheprovider --durations=10 -n $(JOBS) --dist loadfile
PYTEST_FLAGS ?=

test: setup ## set up, build, and run the tests
	@$(MAKE) --no-print-directory check

# Compiles for all of them side by side; then they run one after the other, as they measure and wait.
check: ## the tests, without set-up
	@$(MAKE) --no-print-directory -j$(JOBS) checks-built
	@$(MAKE) --no-print-directory check-house check-unit check-cost check-fuzz check-system check-sanitized check-threads

checks-built: all $(UNIT_TESTS) $(FUZZERS) $(BUILD)/tests/cost $(BUILD)/replay
	@$(MAKE) --no-print-directory SAN=address,undefined all unit-tests
	@$(MAKE) --no-print-directory SAN=thread all thread-tests

unit-tests: $(UNIT_TESTS) $(BUILD)/libduckdb.so

check-house:
	@tests/check_house.sh
	@clang-format --dry-run --Werror $(C_FILES)

check-unit: $(UNIT_TESTS) $(BUILD)/libduckdb.so
	@tests/run_unit.sh $(UNIT_TESTS)

COST = python3 tests/cost/check_cost.py $(BUILD)/tests/cost loadtest/payments.yaml $(BUILD)/cost

check-cost: $(BUILD)/tests/cost
	@$(COST)

record-cost: $(BUILD)/tests/cost ## record what an operation costs now, for check-cost
	@$(COST) --record

check-fuzz: $(FUZZERS)
	@tests/run_fuzzers.sh $(JOBS) $(FUZZ_SECONDS) $(FUZZERS)

check-system: all $(PYTHON_CLIENT) $(BUILD)/replay $(PROMTOOL) $(FLIGHTS)/arrivals.ndjson $(KAFKA_JARS)
	@PROMTOOL=$(abspath $(PROMTOOL)) ASOFD=$(abspath $(BUILD)/asofd) ASOF=$(abspath $(BUILD)/asof) REPLAY=$(abspath $(BUILD)/replay) ASOF_PYTHON=$(abspath $(BUILD)/python) \
		ASOF_FLIGHTS=$(abspath $(FLIGHTS)) ASOF_LANGUAGES=$(abspath $(BUILD)/languages) $(PYTEST) $(PYTEST_FLAGS) tests/system

# The unit tests, bad input and random calls again, under the address and undefined-behaviour sanitizers.
check-sanitized: $(VENV)/.done
	@$(MAKE) --no-print-directory SAN=address,undefined all check-unit
	@ASOFD=$(abspath $(BUILD)/san-address-undefined/asofd) \
		ASOF=$(abspath $(BUILD)/san-address-undefined/asof) ASOF_FLIGHTS=$(abspath $(FLIGHTS)) \
		$(PYTEST) $(PYTEST_FLAGS) tests/system/test_bad_input.py tests/system/test_libasof.py \
		tests/system/test_rpc_random.py tests/system/test_rpc_values.py

# What threads share, under the thread sanitizer.
THREAD_TESTS = epoch_test hot_test network_test storage_heal_test
thread-tests: $(patsubst %,$(BUILD)/tests/%,$(THREAD_TESTS))

check-threads: $(VENV)/.done
	@$(MAKE) --no-print-directory SAN=thread all thread-tests
	@tests/run_unit.sh $(patsubst %,$(BUILD)/san-thread/tests/%,$(THREAD_TESTS))
	@TSAN_OPTIONS=suppressions=$(abspath tests/thread_suppressions.txt) \
		ASOFD=$(abspath $(BUILD)/san-thread/asofd) ASOF=$(abspath $(BUILD)/san-thread/asof) \
		$(PYTEST) $(PYTEST_FLAGS) tests/system/test_workers.py

# For the clients in other languages, and for Spark.
LANGUAGE_PACKAGES = default-jdk-headless maven nodejs npm

test-all: test ## the tests, and the long ones
	@tools/install_packages.sh $(LANGUAGE_PACKAGES)
	@$(MAKE) --no-print-directory $(VENV)/.long
	@ASOF_LONG=1 $(MAKE) --no-print-directory check-system FUZZ_SECONDS=300 check-fuzz

include loadtest/bench.mk

# ---- the rest ----

C_FILES = $(wildcard $(addsuffix /*.[ch],server server/* migrations client client/libasof client/python/native tests/unit tests/fuzz tests/cost \
	tests/system loadtest))

format: ## lay out the C code by .clang-format
	clang-format -i $(C_FILES)

install: all install-libasof ## install below PREFIX (and DESTDIR): binaries, libasof, man pages, examples, a systemd unit
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 \
		$(DESTDIR)$(PREFIX)/share/man/man8 $(DESTDIR)$(PREFIX)/share/asof \
		$(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/asof
	install -m 644 $(DUCKDB)/libduckdb.so $(DESTDIR)$(PREFIX)/lib/asof
	install -m 755 $(BUILD)/asofd $(BUILD)/asof $(DESTDIR)$(PREFIX)/bin
	install -m 644 docs/man/asof.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 docs/man/asofd.8 $(DESTDIR)$(PREFIX)/share/man/man8
	cp -r examples $(DESTDIR)$(PREFIX)/share/asof
	sed 's|@PREFIX@|$(PREFIX)|' tools/asofd.service.in \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/asofd.service

install-libasof: $(BUILD)/libasof.a $(BUILD)/libasof.so ## install only the C library
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 client/libasof/asof.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(BUILD)/libasof.a $(DESTDIR)$(PREFIX)/lib
	install -m 755 $(BUILD)/libasof.so $(DESTDIR)$(PREFIX)/lib/$(LIBASOF_SONAME)
	ln -sf $(LIBASOF_SONAME) $(DESTDIR)$(PREFIX)/lib/libasof.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|'$$(sed -n 's/.*ASOF_VERSION "\(.*\)"/\1/p' server/base/version.h)'|' \
		client/libasof/libasof.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libasof.pc
	install -m 644 docs/man/libasof.3 $(DESTDIR)$(PREFIX)/share/man/man3

clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: all help setup python kafka-jars demo demo-kafka leak test check checks-built unit-tests thread-tests check-house check-unit \
	check-cost record-cost check-fuzz check-system check-sanitized check-threads test-all format install install-libasof clean
