# intune-nac: GNU make, pkg-config, a C11 compiler.  `make help` lists the targets.
B	?= build
BIN	?= bin
PREFIX	?= /usr/local
DESTDIR	?=
CFLAGS	?= -O2 -g
FUZZTIME ?= 20

WARN	 = -std=c11 -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes \
	   -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef
HARDEN	?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CC_ALL	 = $(CC) -D_GNU_SOURCE -Isrc $(CPPFLAGS) $(WARN) $(HARDEN) $(SAN) $(CFLAGS)
LD_ALL	 = -pie -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN) $(LDFLAGS)

# One line a program: the libraries it may carry.  A bats test compares ldd.
PKGS_certid		:= libcrypto jansson
PKGS_intune-token	:= libcurl libcrypto jansson
PKGS_intune-query	:= libcurl libcrypto jansson
PKGS_nac-decide		:= jansson
PKGS_nac-cache		:= lmdb jansson
PKGS_coa-send		:= radcli libcrypto jansson
PKGS_radius-hook	:= lmdb

# What a fresh Debian 12 lacks, to build and to test.
DEPS	:= gcc make pkg-config libc6-dev libcurl4-openssl-dev libssl-dev libjansson-dev \
	   liblmdb-dev libradcli-dev jq openssl curl python3 util-linux procps
DEPS_CHECK := bats freeradius freeradius-utils eapoltest hostapd wpasupplicant iproute2 \
	   clang libclang-rt-14-dev cppcheck shellcheck mandoc

pkg	 = $(if $(2),$(shell pkg-config --$(1) $(2)))
TOOLS	:= $(patsubst src/%.c,%,$(wildcard src/*.c))
SCRIPTS	:= nac-poll
LIBOBJ	:= $(patsubst %.c,$(B)/%.o,$(wildcard src/*/*.c))
UNITS	:= $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
ALLPKGS	:= libcurl libcrypto jansson lmdb radcli

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check unit bats asan lint fuzz bench quickstart deps install uninstall clean help werror

all: $(TOOLS:%=$(BIN)/%)	## build every program into bin/

$(B)/libnac.a: $(LIBOBJ)
	@rm -f $@
	$(AR) rcsD $@ $^
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC_ALL) -MMD -MP -c -o $@ $<
$(BIN)/%: $(B)/src/%.o $(B)/libnac.a
	@mkdir -p $(@D)
	$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(PKGS_$*))
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libnac.a
	$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(ALLPKGS))
# A fuzz target linked with a main that replays files: the corpus as a unit test.
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libnac.a
	$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(ALLPKGS))

unit: $(UNITS) $(FUZZ:%=$(B)/tests/fuzz/%)	## unit tests, and the fuzz corpora replayed
	@B=$(B) tests/run-unit
bats: all $(B)/tests/unit/.dir	## bats tests, on the programs in BIN
	@BIN="$(abspath $(BIN))" tests/run-bats $(BATS)
$(B)/tests/unit/.dir:
	@mkdir -p $(@D) && touch $@

-include $(wildcard $(B)/src/*.d $(B)/src/*/*.d $(B)/tests/*/*.d)
