# asof: build, test, demo. `make help` lists the targets.

BUILD ?= build
V ?= 0
PREFIX ?= /usr/local
CC = gcc

WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wformat=2 -Wundef -Wvla -Wno-missing-field-initializers
HARDENING = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(CFLAGS) $(WARNINGS) $(HARDENING) -MMD -MP -Iserver -Iclient
LDFLAGS = -pie -Wl,-z,relro,-z,now -Wl,--as-needed
MALLOC = -ljemalloc

# make SAN=address,undefined   or SAN=thread: everything again, in a directory of its own.
ifdef SAN
BUILD := $(BUILD)/san-$(subst $(comma),-,$(SAN))
ALL_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all -U_FORTIFY_SOURCE -DASOF_DEBUG
LDFLAGS += -fsanitize=$(SAN)
MALLOC =
endif
comma := ,

SERVER_LIBS = -lrocksdb -levent_core -lyaml -lyajl -lsqlite3 -lxxhash $(MALLOC) -lpthread -lm
CLIENT_LIBS = -lhiredis -lyajl -lpthread -lm

SERVER_SOURCES = $(filter-out server/main.c,$(wildcard server/*/*.c))
CLIENT_SOURCES = $(wildcard client/*.c)
UNIT_TESTS = $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/*_test.c))
FUZZERS = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))
Q = $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@echo "  $(1)")
object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

all: $(BUILD)/asofd $(BUILD)/asof ## build/asofd and build/asof

$(BUILD)/asofd: $(call object,server/main.c) $(BUILD)/server.a
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(SERVER_LIBS)

# The command needs base and model of the server: texts of times, numbers and names.
$(BUILD)/asof: $(call object,$(CLIENT_SOURCES)) $(BUILD)/server.a
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(CLIENT_LIBS) -lxxhash

$(BUILD)/server.a: $(call object,$(SERVER_SOURCES))
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC $<)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o $(BUILD)/server.a
	@mkdir -p $(@D)
	$(call say,LD $@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(SERVER_LIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

.PHONY: all
