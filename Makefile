# intune-nac: GNU make, pkg-config, a C11 compiler.  `make help` lists the targets.
B	?= build
BIN	?= bin
PREFIX	?= /usr/local
DESTDIR	?=
CFLAGS	?= -O2 -g
FUZZTIME ?= 20
# V=1 shows the commands whole.
Q	 = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),,echo "  $@";) )

WARN	 = -std=c11 -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes \
	   -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef
HARDEN	?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
CC_FLAGS = -D_GNU_SOURCE -DNAC_SHARE='"$(PREFIX)/share/intune-nac"' -Isrc $(CPPFLAGS) $(WARN) $(WERROR) $(HARDEN) $(SAN) $(CFLAGS)
CC_ALL	 = $(CC) $(CC_FLAGS)
LD_ALL	 = $(or $(STATIC_$*),-pie) -Wl,-z,relro,-z,now -Wl,--as-needed $(SAN) $(LDFLAGS)

# One line a program: the libraries it may carry.  A bats test compares ldd.
PKGS_certid		:= libcrypto
PKGS_intune-token	:= libcurl libssl libcrypto jansson expat
PKGS_intune-query	:= libcurl libcrypto jansson expat
PKGS_nac-decide		:= jansson
# hiredis of Debian 12 (0.14) has no TLS of its own
PKGS_nac-cache		:= lmdb jansson hiredis libssl libcrypto
PKGS_coa-send		:= radcli libcrypto jansson
PKGS_radius-hook	:=
PKGS_nac-serve		:= libmicrohttpd lmdb jansson libcrypto

# radius-hook is started for each login: linked whole, with a memory of its own, and
# by musl where that is (musl-tools), as the start of glibc takes longer than all the
# work.  So it is made of these files and no others.  Sanitizers cannot do that.
HOOK_OF	 = $(foreach f,$(2),src/$(1)/$(f).c)
HOOK_SRC := src/radius-hook.c src/radius/hook/pool.c $(wildcard src/base/*.c) \
	   $(call HOOK_OF,device,answer identity session words) \
	   $(call HOOK_OF,policy,advice condition decide decision eval fields good lexer list parser policy reply setting values) \
	   $(call HOOK_OF,radius,acct env hook hook_args reply rescue safe_exit vendor) \
	   $(call HOOK_OF,store,find journal keys lmdb_read once pack)
STATIC_radius-hook := $(if $(SAN),,-static-pie -s)
MUSL_GCC ?= $(if $(SAN),,$(shell command -v musl-gcc))
# The wrapper says where its C library is.
MUSL	:= $(if $(MUSL_GCC),$(shell sed -n 's/.*-specs "*\([^"]*\)\/musl-gcc.specs.*/\1/p' $(MUSL_GCC)))
MUSL	:= $(if $(wildcard $(MUSL)/rcrt1.o),$(MUSL))

# What a fresh Debian 12 lacks, to build and to test.
DEPS	:= gcc make pkg-config libc6-dev libcurl4-openssl-dev libssl-dev libjansson-dev libexpat1-dev \
	   liblmdb-dev libhiredis-dev libradcli-dev libmicrohttpd-dev musl-tools jq openssl curl python3 util-linux procps
DEPS_QUICK := freeradius freeradius-utils eapoltest iproute2
DEPS_CHECK := bats faketime freeradius-rest freeradius-python3 nginx-light hostapd \
	   wpasupplicant tshark nodejs clang libclang-rt-14-dev strace cppcheck shellcheck mandoc lmdb-utils libsqlite3-dev sqlite3 redis-server redis-sentinel \
	   softhsm2 libengine-pkcs11-openssl gnutls-bin

pkg	 = $(if $(2),$(shell pkg-config --$(1) $(2)))
TOOLS	:= $(patsubst src/%.c,%,$(wildcard src/*.c))
SCRIPTS	:= nac-poll nac-setup nac-appconfig
LIBOBJ	:= $(patsubst %.c,$(B)/%.o,$(wildcard src/*/*.c))
UNITS	:= $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ	:= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
ALLPKGS	:= libcurl libssl libcrypto jansson lmdb hiredis radcli expat
ASAN	:= B=build-asan BIN=build-asan/bin HARDEN= CFLAGS='-O1 -g -fno-omit-frame-pointer' \
	   SAN='-fsanitize=address,undefined -fno-sanitize-recover=all'
# What the inner loops do on processors other than the x86.
PLAIN	:= CC=clang MUSL_GCC= B=build-clang BIN=build-clang/bin WERROR=-Werror CPPFLAGS=-U__SSE2__
SHELLS	:= $(filter-out %.c,$(wildcard $(SCRIPTS:%=bin/%) tests/run-* tests/lib/*.bash tests/lib/npm tests/bats/*.bats \
	   tests/bats/*.bash tests/quickstart tests/soak tests/soak-kill tests/soak-poll tests/freeradius-next tests/hostapd-sqlite $(filter-out %.c,$(wildcard bench/*)) .ci/run share/deps share/hostapd/nac-*))

# What is installed: "mode file destination" for each, under PREFIX.
PUT	 = $(foreach f,$(2),$(1) $(f) $(3)/$(notdir $(f)))
INSTALL	 = $(call PUT,755,$(TOOLS:%=$(BIN)/%) $(SCRIPTS:%=bin/%) share/emulator/intune-emulator,bin) \
	   $(foreach n,1 5 7 8,$(call PUT,644,$(wildcard man/*.$(n)),share/man/man$(n))) \
	   $(call PUT,644,$(wildcard share/emulator/intune_emulator/*.py),share/intune-nac/intune_emulator) \
	   $(call PUT,644,$(wildcard share/rules/*),share/intune-nac/rules) \
	   $(call PUT,644,$(wildcard share/profiles/*),share/intune-nac/profiles) \
	   $(call PUT,644,$(wildcard share/dictionary*),share/intune-nac) \
	   $(call PUT,755,$(wildcard share/hostapd/nac-*),share/intune-nac/hostapd) \
	   644 share/hostapd/README.md share/intune-nac/hostapd/README.md \
	   $(foreach f,$(shell find share/freeradius share/systemd share/cron share/vim -type f 2>/dev/null),644 $(f) share/intune-nac/$(f:share/%=%)) \
	   $(call PUT,644,$(wildcard share/completions/*),share/bash-completion/completions) \
	   $(call PUT,644,README.md LICENSE doc/scale.md doc/benchmarks.md,share/doc/intune-nac)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all check unit bats asan lint fuzz bench property soak soak-logins soak-kill soak-poll soak-share quickstart check-freeradius-next \
	check-hostapd-sqlite deps deps-quick install uninstall clean help werror objects \
	asan-build asan-unit asan-bats unit-plain

all: $(TOOLS:%=$(BIN)/%)	## build every program into bin/

$(B)/libnac.a: $(LIBOBJ)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $^
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC_ALL) -MMD -MP -c -o $@ $<
$(BIN)/%: $(B)/src/%.o $(B)/libnac.a
	@mkdir -p $(@D)
	$(Q)$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(PKGS_$*))
ifneq ($(MUSL),)
gcc_file = $(shell $(MUSL_GCC) -print-file-name=$(1))
$(BIN)/radius-hook: $(HOOK_SRC:%.c=$(B)/musl/%.o)
	@mkdir -p $(@D)
	$(Q)$(CC) -static-pie -nostdlib -s -Wl,-z,relro,-z,now -o $@ $(MUSL)/rcrt1.o $(MUSL)/crti.o $(call gcc_file,crtbeginS.o) \
		$^ -L$(MUSL) -Wl,--start-group -lc $(call gcc_file,libgcc.a) -Wl,--end-group $(call gcc_file,crtendS.o) $(MUSL)/crtn.o
$(B)/musl/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(MUSL_GCC) $(CC_FLAGS) -MMD -MP -c -o $@ $<
else
$(BIN)/radius-hook: $(if $(SAN),,$(B)/src/radius/hook/pool.o)
endif
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libnac.a
	$(Q)$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(ALLPKGS))
$(B)/bench/%: $(B)/bench/%.o $(B)/libnac.a
	$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(ALLPKGS))
# A fuzz target linked with a main that replays files: the corpus as a unit test.
$(B)/tests/fuzz/%: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(B)/libnac.a
	$(Q)$(CC_ALL) $(LD_ALL) -o $@ $^ $(call pkg,libs,$(ALLPKGS))

unit: $(UNITS) $(FUZZ:%=$(B)/tests/fuzz/%)	## unit tests, and the fuzz corpora replayed
	@B=$(B) tests/run-unit
unit-plain:
	@$(MAKE) -s $(PLAIN) unit
bats: all $(B)/tests/unit/.dir	## bats tests, on the programs in BIN
	@B="$(B)" BIN="$(abspath $(BIN))" tests/run-bats $(BATS)
$(B)/tests/unit/.dir:
	@mkdir -p $(@D) && touch $@

werror:		## build everything with gcc and with clang, warnings being errors
	@$(MAKE) -s CC=gcc B=build-gcc BIN=build-gcc/bin WERROR=-Werror objects
	@$(MAKE) -s $(PLAIN) objects
objects: all $(UNITS) $(FUZZ:%=$(B)/tests/fuzz/%)
asan:		## unit and bats tests under AddressSanitizer and UBSan
	@$(MAKE) -s asan-unit
	@$(MAKE) -s asan-bats
asan-build:
	@$(MAKE) -s $(ASAN) objects
asan-unit:
	@$(MAKE) -s $(ASAN) unit
# Those in which no program of C runs, or only a hook that is logged in through elsewhere,
# and the benchmarks, say nothing under a sanitizer.
NO_C	:= $(patsubst %,tests/bats/%.bats,bench-% emulator% harness nac-setup scale)
asan-bats:
	@$(MAKE) -s $(ASAN) bats BATS="$(or $(BATS),$(filter-out $(NO_C),$(shell ls -S tests/bats/*.bats)))"
lint:		## mandoc -Tlint, cppcheck, shellcheck
	@tests/run-lint $(SHELLS)
fuzz:		## each fuzz target for FUZZTIME seconds (clang)
	@FUZZTIME=$(FUZZTIME) tests/run-fuzz $(FUZZ)
check: deps	## install what is missing, build, and run every test
	@MAKE="$(MAKE)" tests/run-check
check-freeradius-next: all	## log in through FreeRADIUS 3.2.7, in a chroot of the next Debian (root, debootstrap)
	@BIN="$(abspath $(BIN))" tests/freeradius-next $(NEXT)
property: all	## CASES random cases (100000) of the rules against a slow reference
	@PATH="$(abspath $(BIN)):$$PATH" tests/property-policy --cases $(or $(CASES),100000)
quickstart: deps-quick all	## the main job, for real, on loopback, in under a minute
	@BIN="$(abspath $(BIN))" tests/quickstart
soak-kill: all	## kill intune-query 200 times at random: all files stay whole
	@BIN="$(abspath $(BIN))" ROUNDS=$${ROUNDS:-200} tests/soak-kill
soak-share: all	## kill Redis 50 times and share 200 times at random: equal stores, one CoA
	@B="$(B)" BIN="$(abspath $(BIN))" REDIS_ROUNDS=$${REDIS_ROUNDS:-50} ROUNDS=$${ROUNDS:-200} \
		tests/run-bats tests/bats/nac-share-kill.bats tests/bats/nac-share.bats
soak-poll: all	## kill nac-poll ROUNDS (500) times at random: one CoA for each change
	@BIN="$(abspath $(BIN))" tests/soak-poll
bench: all	## the benchmarks; each prints a ratio against a named peer
	@for b in bench/*; do [ -x $$b ] || continue; BIN="$(abspath $(BIN))" $$b || exit 1; done
soak: all	## RATE (50) logins a second for SPAN (7200) seconds, with changes, faults and restarts
	@BIN="$(abspath $(BIN))" tests/soak
check-hostapd-sqlite: all	## hostapd from Debian's source with CONFIG_SQLITE, and its tests
	@BIN="$(abspath $(BIN))" tests/hostapd-sqlite
soak-logins: all	## 10,000 logins, 32 at a time, through FreeRADIUS and radius-hook: none may be wrong
	@BIN="$(abspath $(BIN))" bench/radius --count 10000 --nothing 0 --rest 0
deps:		## install missing Debian packages (apt-get, sudo when not root)
	@[ -n "$(NODEPS)" ] || share/deps $(DEPS) $(DEPS_QUICK) $(DEPS_CHECK)
deps-quick:
	@[ -n "$(NODEPS)" ] || share/deps $(DEPS) $(DEPS_QUICK)

install: all	## into DESTDIR/PREFIX (default /usr/local)
	@set -- $(INSTALL); while [ $$# -gt 0 ]; do \
		install -D -m $$1 $$2 "$(DESTDIR)$(PREFIX)/$$3" || exit 1; shift 3; done
uninstall:	## remove what install put there
	@set -- $(INSTALL); while [ $$# -gt 0 ]; do \
		rm -f "$(DESTDIR)$(PREFIX)/$$3"; \
		rmdir -p --ignore-fail-on-non-empty "$(DESTDIR)$(PREFIX)/$${3%/*}" 2>/dev/null || :; shift 3; done
clean:		## remove everything built
	rm -rf build build-* $(TOOLS:%=bin/%)
help:		## this list
	@sed -n 's/^\([a-z-]*\):[^#]*##/\1	/p' Makefile | expand -t 14

-include $(wildcard $(B)/src/*.d $(B)/src/*/*.d $(B)/tests/*/*.d $(B)/musl/src/*.d $(B)/musl/src/*/*.d $(B)/musl/src/*/*/*.d)
