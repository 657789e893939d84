# sanct - Certificate Transparency, indexed by name.
#
#   make            build everything into build/
#   make demo       set up, build, backfill a log, answer for 1.1.1.1
#   make check      set up, build with sanitizers, run every test
#   make bench      every figure that README claims; also bench-index,
#                   bench-ingest, bench-query alone
#   make install    PREFIX=/usr/local DESTDIR=
#
# BORINGSSL_ROOT=/prefix builds against a BoringSSL of your own.

BUILD ?= build
PREFIX ?= /usr/local
CC ?= cc
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
WERROR ?=

bindir = $(PREFIX)/bin
libdir = $(PREFIX)/lib
includedir = $(PREFIX)/include
mandir = $(PREFIX)/share/man
completionsdir = $(PREFIX)/share/bash-completion/completions
# Units and the user go where systemd says it looks, when the prefix is one of
# the system's; empty: none are installed.
ifneq (,$(filter /usr /usr/local,$(PREFIX)))
systemdsystemunitdir ?= $(shell pkg-config --variable=systemdsystemunitdir systemd 2>/dev/null || \
  { test -d /lib/systemd/system && echo /lib/systemd/system; })
sysusersdir ?= $(shell pkg-config --variable=sysusersdir systemd 2>/dev/null || \
  { test -d /usr/lib/sysusers.d && echo /usr/lib/sysusers.d; })
endif

# ---------------------------------------------------------------- BoringSSL
#
# By full path: a stray -lssl would silently pick OpenSSL.

MULTIARCH := $(shell dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -print-multiarch 2>/dev/null)
ifdef BORINGSSL_ROOT
ssl_cppflags = -isystem $(BORINGSSL_ROOT)/include
ssl_libs = $(firstword $(wildcard $(BORINGSSL_ROOT)/lib/libssl.a $(BORINGSSL_ROOT)/lib/libssl.so)) \
  $(firstword $(wildcard $(BORINGSSL_ROOT)/lib/libcrypto.a $(BORINGSSL_ROOT)/lib/libcrypto.so)) \
  -Wl,-rpath,$(BORINGSSL_ROOT)/lib -Wl,--exclude-libs,ALL -lstdc++
else
ssl_dir = /usr/lib/$(MULTIARCH)/android
ssl_cppflags = -isystem /usr/include/android
ssl_libs = $(ssl_dir)/libssl.so $(ssl_dir)/libcrypto.so -Wl,-rpath,$(ssl_dir)
endif

# ---------------------------------------------------------------- flags

VERSION := 0.1.0
std = -std=c17 -D_GNU_SOURCE -DSANCT_VERSION='"$(VERSION)"'
warnings = -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wvla -Wpointer-arith -Wwrite-strings $(WERROR)
# Text is cut to its buffer on purpose where it is a sentence for a person.
ifeq (,$(findstring clang,$(shell $(CC) --version 2>/dev/null)))
warnings += -Wno-format-truncation
endif
# Objects serve the programs and the library: what is hidden costs no detour.
harden = -fPIC -fvisibility=hidden -fstack-protector-strong -fstack-clash-protection \
  -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
harden_link = -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
sanitize = -fsanitize=address,undefined -fno-sanitize-recover=undefined \
  -fno-omit-frame-pointer -O1 -g

libs_index = -llmdb -lzstd -lidn2 -luring -ljansson $(ssl_libs) -lpthread
libs_ingest = -ldeflate

compile = $(CC) $(std) $(CPPFLAGS) -I. $(ssl_cppflags) $(warnings) $(CFLAGS) -MMD -MP

# ---------------------------------------------------------------- sources

mains = $(wildcard */*_main.c tests/*/*_main.c)
sources_in = $(filter-out $(mains),$(sort $(wildcard $(1)/*.c $(1)/*/*.c)))
index_sources := $(call sources_in,index)
ingest_sources := $(call sources_in,ingest)
query_sources := $(call sources_in,query)
support_sources := $(filter-out $(mains) tests/support/test_%.c,$(sort $(wildcard tests/support/*.c)))
# What needs cmocka, itself or by a header: for the tests, not for the test log.
includers = $(shell grep -lsE 'support/($(subst $() ,|,$(basename $(notdir $(1)))))\.h"' $(2))
closure = $(eval more := $(sort $(1) $(notdir $(call includers,$(1),tests/support/*.h))))$(if $(filter-out $(1),$(more)),$(call closure,$(more)),$(more))
unit_headers := $(call closure,check.h)
unit_sources := $(call includers,$(unit_headers),tests/support/*.c)
test_sources := $(sort $(wildcard tests/*/test_*.c tests/*/*/test_*.c))
fuzz_sources := $(sort $(wildcard tests/fuzz/fuzz_*.c))
bench_sources := $(sort $(wildcard bench/bench_*.c))
benches = $(patsubst %.c,$(BUILD)/%,$(bench_sources))
bench_library := $(filter-out $(bench_sources),$(sort $(wildcard bench/*.c)))

programs = $(BUILD)/sanct-ingest $(BUILD)/sanct-index $(BUILD)/sanct-query \
  $(BUILD)/sanctd $(BUILD)/sanct
tools = $(BUILD)/testlog
# Rises when a program built against an older one would not run any more.
SONAME = libsanct.so.0
libraries = $(BUILD)/libsanct.a $(BUILD)/libsanct.so $(BUILD)/sanct.pc

Q = @
ifdef V
Q =
endif

.PHONY: all demo check test bench bench-index bench-ingest bench-query fuzz install uninstall clean setup tools FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: $(programs) $(libraries)
tools: $(tools)

# ---------------------------------------------------------------- release

rel = $(patsubst %.c,$(BUILD)/pic/%.o,$(1))

$(BUILD)/pic/%.o: %.c | $(BUILD)/boringssl.ok
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(compile) $(harden) -c -o $@ $<

$(BUILD)/pic/libindex.a: $(call rel,$(index_sources))
$(BUILD)/pic/libingest.a: $(call rel,$(ingest_sources))
$(BUILD)/pic/libquery.a: $(call rel,$(query_sources))
# Without what needs cmocka.
$(BUILD)/pic/libsupport.a: $(call rel,$(filter-out $(unit_sources),$(support_sources)))
$(BUILD)/pic/libbench.a: $(call rel,$(bench_library))

%.a:
	@mkdir -p $(@D)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

link_rel = $(CC) $(CFLAGS) $(harden_link) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)

$(BUILD)/sanct-ingest: $(BUILD)/pic/ingest/ingest_main.o $(BUILD)/pic/libingest.a $(BUILD)/pic/libindex.a
	@echo "  LD    $@"
	$(Q)$(link_rel) $(libs_ingest) $(libs_index)

$(BUILD)/sanct-index: $(BUILD)/pic/index/index_main.o $(BUILD)/pic/libindex.a
	@echo "  LD    $@"
	$(Q)$(link_rel) $(libs_index)

$(BUILD)/sanct-query $(BUILD)/sanctd: $(BUILD)/%: $(BUILD)/pic/libquery.a $(BUILD)/pic/libindex.a
	@echo "  LD    $@"
	$(Q)$(link_rel) $(libs_index)
$(BUILD)/sanct-query: $(BUILD)/pic/query/query_main.o
$(BUILD)/sanctd: $(BUILD)/pic/query/sanctd_main.o

$(BUILD)/sanct: scripts/sanct
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

# The log of our own that tests, demo and bench read.
$(BUILD)/testlog: $(BUILD)/pic/tests/support/testlog_main.o $(BUILD)/pic/libbench.a $(BUILD)/pic/libsupport.a $(BUILD)/pic/libindex.a
	@echo "  LD    $@"
	$(Q)$(link_rel) $(libs_ingest) $(libs_index)

# The client library: one object of all that sanct.h reaches, its insides local,
# so that they meet no name of a program that takes the archive.
$(BUILD)/pic/libsanct.o: $(BUILD)/pic/query/sanct.o $(BUILD)/pic/libquery.a $(BUILD)/pic/libindex.a
	$(Q)$(CC) -r -nostdlib -o $@ $^
	$(Q)$(OBJCOPY) --localize-hidden $@
$(BUILD)/libsanct.a: $(BUILD)/pic/libsanct.o
libs_sanct = -llmdb -lzstd -lidn2 -ljansson $(ssl_libs) -lpthread
$(BUILD)/libsanct.so: $(BUILD)/pic/libsanct.o query/libsanct.map
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=query/libsanct.map \
	  -Wl,-z,defs -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(LDFLAGS) -o $@ $< $(libs_sanct)
	$(Q)ln -sf libsanct.so $(BUILD)/$(SONAME)
$(BUILD)/sanct.pc: scripts/sanct.pc.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's,@prefix@,$(PREFIX),' -e 's,@libdir@,$(libdir),' -e 's,@version@,$(VERSION),' \
	  -e 's|@private@|$(strip $(libs_sanct))|' $< > $@

# It must be BoringSSL that was found: said once, before anything is compiled.
$(BUILD)/boringssl.ok: scripts/boringssl_probe.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(ssl_cppflags) -c -o $(BUILD)/boringssl_probe.o $< 2>$(BUILD)/boringssl.log || { \
	  echo "BoringSSL was not found. On Debian and Ubuntu: apt-get install android-libboringssl-dev" >&2; \
	  echo "(or 'make setup'); elsewhere build it and say make BORINGSSL_ROOT=/prefix. The compiler said:" >&2; \
	  head -n 5 $(BUILD)/boringssl.log >&2; exit 1; }
	@touch $@

# ---------------------------------------------------------------- tests
#
# Everything once more, with sanitizers, in a tree of its own.

san = $(patsubst %.c,$(BUILD)/san/%.o,$(1))

$(BUILD)/san/%.o: %.c | $(BUILD)/boringssl.ok
	@mkdir -p $(@D)
	@echo "  CC    $< (sanitized)"
	$(Q)$(compile) $(sanitize) -c -o $@ $<

$(BUILD)/san/libindex.a: $(call san,$(index_sources))
$(BUILD)/san/libingest.a: $(call san,$(ingest_sources))
$(BUILD)/san/libquery.a: $(call san,$(query_sources))
$(BUILD)/san/libsupport.a: $(call san,$(support_sources))
$(BUILD)/san/libbench.a: $(call san,$(bench_library))
san_libs = $(BUILD)/san/libbench.a $(BUILD)/san/libsupport.a $(BUILD)/san/libquery.a \
  $(BUILD)/san/libingest.a $(BUILD)/san/libindex.a

tests = $(patsubst %.c,$(BUILD)/%,$(test_sources))

$(BUILD)/tests/%: $(BUILD)/san/tests/%.o $(san_libs)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(CFLAGS) $(sanitize) $(LDFLAGS) -o $@ $< $(san_libs) -lcmocka $(libs_ingest) $(libs_index)

# One test: make build/tests/index/base/test_text.run
%.run: %
	$<

# The programs with sanitizers, as the crash loops and the demo's test use them.
san_link = $(CC) $(CFLAGS) $(sanitize) $(LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^)
$(BUILD)/san/bin/sanct-ingest: $(BUILD)/san/ingest/ingest_main.o $(BUILD)/san/libingest.a $(BUILD)/san/libindex.a
$(BUILD)/san/bin/sanct-index: $(BUILD)/san/index/index_main.o $(BUILD)/san/libindex.a
$(BUILD)/san/bin/sanct-query: $(BUILD)/san/query/query_main.o $(BUILD)/san/libquery.a $(BUILD)/san/libindex.a
$(BUILD)/san/bin/sanctd: $(BUILD)/san/query/sanctd_main.o $(BUILD)/san/libquery.a $(BUILD)/san/libindex.a
san_programs = $(addprefix $(BUILD)/san/bin/,sanct-ingest sanct-index sanct-query sanctd)
$(san_programs):
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(san_link) $(libs_ingest) $(libs_index)
$(BUILD)/san/bin/sanct: scripts/sanct
	@mkdir -p $(@D)
	$(Q)install -m 755 $< $@

test: all tools $(benches) $(tests) $(san_programs) $(BUILD)/san/bin/sanct
	$(Q)BUILD=$(BUILD) scripts/run_tests $(tests)

# Sets itself up: the compiler too may be missing, hence make inside make.
check:
	$(Q)scripts/setup check
	$(Q)$(MAKE) --no-print-directory WERROR=-Werror test

demo:
	$(Q)scripts/setup build
	$(Q)$(MAKE) --no-print-directory all tools
	$(Q)BUILD=$(BUILD) scripts/demo $(if $(LOG),"$(LOG)")

setup:
	$(Q)scripts/setup check

# ---------------------------------------------------------------- fuzzing
#
# libFuzzer needs clang; a third tree.  FUZZ_SECONDS for each target.

FUZZ_CC ?= clang
FUZZ_SECONDS ?= 10
fuzz_flags = -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -O1 -g

$(BUILD)/fuzz/%.o: %.c | $(BUILD)/boringssl.ok
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(std) $(CPPFLAGS) -I. $(ssl_cppflags) $(filter-out -Wno-format-truncation,$(warnings)) $(fuzz_flags) -MMD -MP -c -o $@ $<

fuzz_objects = $(patsubst %.c,$(BUILD)/fuzz/%.o,$(query_sources) $(ingest_sources) $(index_sources))
$(BUILD)/fuzz/libsanct.a: $(fuzz_objects)

fuzzers = $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(fuzz_sources))
$(fuzzers): $(BUILD)/fuzz/%: $(BUILD)/fuzz/tests/fuzz/%.o $(BUILD)/fuzz/libsanct.a
	@echo "  LD    $@"
	$(Q)$(FUZZ_CC) $(fuzz_flags) -fsanitize=fuzzer -o $@ $^ $(libs_ingest) $(libs_index)

fuzz: $(fuzzers)
	$(Q)BUILD=$(BUILD) FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/run_fuzzers $(fuzzers)

# ---------------------------------------------------------------- bench

$(BUILD)/bench/%: $(BUILD)/pic/bench/%.o $(BUILD)/pic/libbench.a $(BUILD)/pic/libsupport.a $(BUILD)/pic/libquery.a $(BUILD)/pic/libingest.a $(BUILD)/pic/libindex.a
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(link_rel) $(libs_ingest) $(libs_index) -lm

# Each prints its table of goals; bench runs them all at modest size.
bench-index bench-ingest bench-query bench:
	$(Q)scripts/setup build
	$(Q)$(MAKE) --no-print-directory all tools $(benches)
	$(Q)BUILD=$(BUILD) scripts/$@

# ---------------------------------------------------------------- install

man_pages = $(sort $(wildcard */*.1))
man3_pages = $(sort $(wildcard */*.3))
so_file = libsanct.so.$(VERSION)
units = $(BUILD)/systemd/sanct-query.service $(BUILD)/systemd/sanct-query.socket \
  $(BUILD)/systemd/sanct-ingest.service
commands = sanct sanct-ingest sanct-query sanct-index sanctd

# Units bear the place that the programs are installed to.
$(BUILD)/systemd/%: scripts/systemd/% FORCE
	@mkdir -p $(@D)
	$(Q)sed 's,@bindir@,$(bindir),' $< > $@
$(BUILD)/sanct.bash: scripts/completion query/options.c ingest/options.c index/index_main.c query/sanctd_main.c
	@mkdir -p $(@D)
	$(Q)scripts/completion > $@
FORCE:

install: all $(units) $(BUILD)/sanct.bash
	install -d $(DESTDIR)$(bindir) $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man3 $(DESTDIR)$(completionsdir) \
	  $(DESTDIR)$(libdir)/pkgconfig $(DESTDIR)$(includedir)
	install -m 755 $(programs) $(DESTDIR)$(bindir)
	install -m 644 $(man_pages) $(DESTDIR)$(mandir)/man1
	install -m 644 $(man3_pages) $(DESTDIR)$(mandir)/man3
	install -m 644 query/sanct.h $(DESTDIR)$(includedir)
	install -m 644 $(BUILD)/libsanct.a $(DESTDIR)$(libdir)
	install -m 755 $(BUILD)/libsanct.so $(DESTDIR)$(libdir)/$(so_file)
	ln -sf $(so_file) $(DESTDIR)$(libdir)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(libdir)/libsanct.so
	install -m 644 $(BUILD)/sanct.pc $(DESTDIR)$(libdir)/pkgconfig
	install -m 644 $(BUILD)/sanct.bash $(DESTDIR)$(completionsdir)/sanct
	for command in $(filter-out sanct,$(commands)); do ln -sf sanct $(DESTDIR)$(completionsdir)/$$command; done
ifneq (,$(systemdsystemunitdir))
	install -d $(DESTDIR)$(systemdsystemunitdir)
	install -m 644 $(units) $(DESTDIR)$(systemdsystemunitdir)
endif
ifneq (,$(sysusersdir))
	install -d $(DESTDIR)$(sysusersdir)
	install -m 644 scripts/systemd/sanct.sysusers $(DESTDIR)$(sysusersdir)/sanct.conf
endif

uninstall:
	rm -f $(addprefix $(DESTDIR)$(bindir)/,$(notdir $(programs)))
	rm -f $(addprefix $(DESTDIR)$(mandir)/man1/,$(notdir $(man_pages)))
	rm -f $(addprefix $(DESTDIR)$(mandir)/man3/,$(notdir $(man3_pages)))
	rm -f $(addprefix $(DESTDIR)$(completionsdir)/,$(commands))
	rm -f $(DESTDIR)$(includedir)/sanct.h $(DESTDIR)$(libdir)/pkgconfig/sanct.pc
	rm -f $(addprefix $(DESTDIR)$(libdir)/,libsanct.a libsanct.so $(SONAME) $(so_file))
ifneq (,$(systemdsystemunitdir))
	rm -f $(addprefix $(DESTDIR)$(systemdsystemunitdir)/,$(notdir $(units)))
endif
ifneq (,$(sysusersdir))
	rm -f $(DESTDIR)$(sysusersdir)/sanct.conf
endif

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
