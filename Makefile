# SPDX-License-Identifier: GPL-2.0-or-later
# make            the module, BPF and userspace
# make demo       all set-up, then the main job on real input, in the lab
# make test       all set-up, then every test; ends with "N passed, N failed, N skipped"
# make install    into the system, or below DESTDIR; make uninstall
# make test-all   the same with an Intel host, the other kernels, a debug kernel, races of
#                 two CPUs and 200 kills of roles, then a minute of each fuzzer
# make modules    [KERNELS="6.1 6.12 7.2"]: the module for the running kernel, or for Debian's
# make deb        Debian packages
# make bench      [BENCH=name] [LAB_KERNEL=6.1]: what it costs, one JSON line a figure
# make fuzz       [FUZZ=name] [SECONDS=n]: the fuzzers, 10 seconds each
# See README.md for the rest.

# What was compiled before, in whichever checkout, is not compiled again.  Set-up brings it.
CCACHE = $(if $(wildcard /usr/bin/ccache),ccache)
export CCACHE_DIR := $(or $(KVM_WARDEN_CACHE),/var/cache/kvm-warden)/ccache
export CCACHE_BASEDIR := $(CURDIR)
CC = $(CCACHE) gcc
CLANG ?= clang
CFLAGS ?= -O2 -g
KERNELS ?= running
LAB_KERNEL ?= 6.1

B := build
WARNINGS := -Wall -Wextra -Wno-unused-parameter -Werror
# Nothing made here tells where; and what was compiled elsewhere is the same.
NO_PATH := -ffile-prefix-map=$(CURDIR)=.
HARDEN := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ALL_CFLAGS = -std=gnu11 $(CFLAGS) $(WARNINGS) $(HARDEN) -D_GNU_SOURCE \
	-DWARDEN_VERSION='"$(shell cat VERSION)"' \
	-Iinclude -Iinclude/uapi -Iuserspace -I$(B)/bpf -MMD -MP $(NO_PATH)
LINK := -pie -Wl,-z,relro,-z,now

include $(wildcard userspace/*/build.mk)

LIB_SRCS := $(addprefix userspace/lib/,util.c log.c msg.c messages.c sandbox.c crypto.c lines.c config.c proc.c)
LIB_LIBS := -lsodium -lseccomp -linih
DAEMON_SRCS := $(addprefix userspace/daemon/,account.c acts.c bpf.c device.c guard.c guard_children.c guard_queue.c guests.c health.c hung.c \
	integrity.c integrity_child.c ledger.c monitor.c names.c profile.c roles.c spawn.c start.c vmm.c vmm_args.c \
	window.c)
DAEMON_LIBS := -lbpf -lsystemd

PROGRAMS := $(addprefix $(B)/bin/,wardend wardenctl warden-agent) \
	$(addprefix $(B)/libexec/,warden-engine warden-introspect warden-inspect warden-scan warden-channel warden-qmp warden-integrity)

.PHONY: all module modules bpf userspace setup demo test test-unit test-kunit test-build clean
.DELETE_ON_ERROR:
# Objects are worth keeping.
.SECONDARY:

all: module bpf userspace
userspace: $(PROGRAMS)

# ---- set-up ----

# Run once per checkout and version of the script; the script itself is idempotent.
$(B)/setup.done: scripts/setup
	@scripts/setup
	@mkdir -p $(B) && touch $@

setup: $(B)/setup.done

# ---- module ----

KMOD_FILES := Kbuild VERSION $(wildcard kmod/*.[ch] kmod/compat/*) \
	include/uapi/linux/kvm_warden.h scripts/build-module tests/lab/races/delays.c

# Which kernel that is today: after an upgrade, another one.
define kernel_today
$(B)/module/$(1)/for: FORCE | $(B)/setup.done
	@mkdir -p $$(@D)
	@$(if $(filter running,$(1)),uname -srv,scripts/fetch-kernel $(1)) >$$@.new
	@cmp -s $$@.new $$@ && rm $$@.new || mv $$@.new $$@
endef
$(foreach k,$(sort $(LAB_KERNEL) $(KERNELS)),$(eval $(call kernel_today,$(k))))
.PHONY: FORCE

$(B)/module/%/kvm_warden.ko: $(B)/module/%/for $(KMOD_FILES) | $(B)/setup.done
	+@scripts/build-module $* $(CURDIR)/$(B)/module/$*

# The lab's own, which gives a guest the marks of an encrypted one.
$(B)/module/%/mark_encrypted.ko: $(B)/module/%/for $(wildcard tests/lab/module/mark/*) | $(B)/setup.done
	+@tests/lab/guest-module "$$(scripts/fetch-kernel $*)" $(CURDIR)/tests/lab/module/mark $(CURDIR)/$(B)/module/$*/mark
	@cp $(B)/module/$*/mark/mark_encrypted.ko $@

modules: $(foreach k,$(KERNELS),$(B)/module/$(k)/kvm_warden.ko)
module: modules

# ---- BPF ----

bpf: $(addprefix $(B)/bpf/,warden.skel.h cid.skel.h guard.skel.h)

$(B)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h include/warden/*.h) include/uapi/linux/kvm_warden.h | $(B)/setup.done
	@mkdir -p $(@D)
	@echo "  BPF     $<"
	@$(CLANG) -O2 -g -Wall -Werror -target bpf -D__TARGET_ARCH_x86 -Iinclude -Iinclude/uapi \
		-Ibpf -I/usr/include/x86_64-linux-gnu -c $< -o $@
	@llvm-strip -g $@

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	@bpftool gen skeleton $< name $*_bpf >$@

$(B)/obj/userspace/daemon/bpf.o: $(B)/bpf/warden.skel.h $(B)/bpf/cid.skel.h
$(B)/obj/userspace/daemon/guard.o: $(B)/bpf/guard.skel.h

# ---- userspace ----

objects = $(patsubst %.c,$(B)/obj/%.o,$(1))

$(B)/obj/%.o: %.c VERSION | $(B)/setup.done
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(ALL_CFLAGS) -c $< -o $@

# $(call program,PATH,SOURCES,LIBRARIES[,LINK FLAGS])
define program
$(B)/$(1): $(call objects,$(2))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CC) $(or $(4),$(LINK)) $$(sort $$^) -o $$@ $(3)
endef

$(eval $(call program,bin/wardend,userspace/daemon/main.c $(DAEMON_SRCS) $(LIB_SRCS),$(DAEMON_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-engine,userspace/engine/main.c $(ENGINE_SRCS) $(LIB_SRCS),$(ENGINE_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-introspect,userspace/introspect/main.c $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-inspect,$(addprefix userspace/introspect/,inspect.c answers.c contentanswers.c) userspace/lib/task_json.c $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS) -ljansson))
$(eval $(call program,libexec/warden-scan,userspace/scan/main.c $(SCAN_SRCS) $(LIB_SRCS),$(SCAN_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-qmp,userspace/qmp/main.c $(QMP_SRCS) $(LIB_SRCS),$(QMP_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-integrity,userspace/integrity/main.c $(INTEGRITY_SRCS) $(LIB_SRCS),$(INTEGRITY_LIBS) $(LIB_LIBS)))
$(eval $(call program,libexec/warden-channel,userspace/channel/main.c $(CHANNEL_SRCS) $(CHANNEL_PROTO_SRCS) $(LIB_SRCS),$(CHANNEL_LIBS) $(LIB_LIBS)))
$(eval $(call program,bin/wardenctl,$(CLI_SRCS) $(LIB_SRCS),$(CLI_LIBS) $(LIB_LIBS)))
# The agent runs in guests of every distribution: one static file.
$(eval $(call program,bin/warden-agent,$(AGENT_SRCS) $(CHANNEL_PROTO_SRCS) $(addprefix userspace/lib/,util.c log.c crypto.c),$(AGENT_LIBS),-static-pie))

# ---- the demo's programs ----

DEMO := tests/lab/demo
$(eval $(call program,demo/plan,$(DEMO)/plan.c userspace/lib/util.c,-lsodium))
$(eval $(call program,demo/report,$(DEMO)/report.c userspace/lib/util.c,-ljansson))
# These run in the guest.
$(eval $(call program,demo/launcher,$(DEMO)/launcher.c,,-static))
$(eval $(call program,demo/sleeper,$(DEMO)/sleeper.c,,-static))
$(eval $(call program,demo/from-memfd,$(DEMO)/from-memfd.c,,-static))
$(eval $(call program,demo/decryptor,$(DEMO)/decryptor.c,,-static))
DEMO_PROGRAMS := $(addprefix $(B)/demo/,plan report launcher sleeper from-memfd decryptor)

# ---- programs of the other lab tests ----

TINYVM := tests/lab/tinyvm.c
$(eval $(call program,labtest/abi,tests/lab/module/abi.c $(TINYVM),-lpthread,-static))
$(eval $(call program,labtest/vm,tests/lab/module/vm.c $(TINYVM),))
$(eval $(call program,labtest/msr,tests/lab/integrity/msr.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/memory,tests/lab/module/memory.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/postcopy,tests/lab/module/postcopy.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/races,tests/lab/module/races.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/storm,tests/lab/module/storm.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/hooks,tests/lab/module/hooks.c $(TINYVM),-lpthread,-static))
$(eval $(call program,labtest/watch,tests/lab/module/watch.c $(TINYVM),-lpthread,-static))
$(eval $(call program,labtest/vcpus,tests/lab/freeze/vcpus.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/linux-guest,tests/lab/freeze/linux-guest.c,))
$(eval $(call program,labtest/registers,$(addprefix tests/lab/intel/,registers.c vm64.c nested.c),,-static))
$(eval $(call program,labtest/apart,tests/lab/module/apart.c $(addprefix tests/lab/intel/,vm64.c nested.c) $(TINYVM)))
$(eval $(call program,labtest/encrypted,tests/lab/module/encrypted.c $(addprefix tests/lab/intel/,vm64.c nested.c) $(TINYVM)))
$(eval $(call program,labtest/change,tests/lab/integrity/change.c))
$(eval $(call program,labtest/ask,tests/lab/integrity/ask.c $(LIB_SRCS),$(LIB_LIBS)))
$(eval $(call program,labtest/bomb,tests/lab/accounting/bomb.c,,-static))
$(eval $(call program,labtest/cids,tests/lab/accounting/cids.c $(TINYVM),))
$(eval $(call program,labtest/flood,tests/lab/accounting/flood.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/ticker,tests/lab/freeze/ticker.c,-lpthread,-static))
$(eval $(call program,labtest/guard-vmm,tests/lab/guard/vmm.c tests/lab/guard/names.c $(TINYVM),-lpthread))
$(eval $(call program,labtest/truth,$(addprefix tests/lab/introspect/,truth.c pages.c spaces.c rest.c),,-static))
$(eval $(call program,labtest/filehash,tests/lab/introspect/filehash.c,))
$(eval $(call program,labtest/seen,tests/lab/introspect/seen.c $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
FOLLOWED := tests/lab/introspect/followed.c tests/lab/tells/guest.c $(INTROSPECT_SRCS) $(LIB_SRCS)
$(eval $(call program,labtest/follow,tests/lab/introspect/follow.c $(FOLLOWED),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/reset,tests/lab/introspect/reset.c $(FOLLOWED),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/midboot,tests/lab/introspect/midboot.c $(FOLLOWED),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/fnv,tests/lab/introspect/fnv.c,))
$(eval $(call program,labtest/nokernel,tests/lab/introspect/nokernel.c tests/lab/tells/guest.c $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/spoil,tests/lab/introspect/spoil.c,))

$(eval $(call program,labtest/tell-hide,$(addprefix tests/lab/tells/,hide.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-hook,$(addprefix tests/lab/tells/,hook.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-file,$(addprefix tests/lab/tells/,file.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-rootkit,$(addprefix tests/lab/tells/,rootkit.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-suspect,$(addprefix tests/lab/tells/,suspect.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tells-filters,tests/lab/tells/filters.c,,-static))
$(eval $(call program,labtest/tells-suspects,tests/lab/tells/suspects.c,,-static))
$(eval $(call program,labtest/tell-engine,$(addprefix tests/lab/tells/,engine.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS) -lcmocka -ljansson))
$(eval $(call program,labtest/tell-usage,$(addprefix tests/lab/tells/,usage.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS) -lcmocka -ljansson))
$(eval $(call program,labtest/usage-users,tests/lab/tells/users.c,,-static))
$(eval $(call program,labtest/tell-attach,$(addprefix tests/lab/tells/,attach.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-jit,$(addprefix tests/lab/tells/,jit.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,labtest/tell-truth,$(addprefix tests/lab/tells/,truth.c guest.c) $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))

LABTESTS := tell-usage usage-users tell-attach tell-file tell-hide tell-hook tell-jit tell-rootkit tell-truth tell-engine tell-suspect tells-filters tells-suspects truth seen follow reset midboot nokernel spoil filehash fnv abi ask change vm msr memory postcopy races storm hooks watch vcpus linux-guest registers encrypted apart ticker guard-vmm flood bomb cids

# ---- programs of the benches ----

$(eval $(call program,bench/exit/exits,tests/bench/exit/exits.c $(TINYVM),))
$(eval $(call program,bench/boot/cost,tests/bench/boot/cost.c,))
$(eval $(call program,bench/memory/memory,tests/bench/memory/memory.c $(TINYVM),-lpthread))
$(eval $(call program,bench/introspect/walk,tests/bench/introspect/walk.c $(INTROSPECT_SRCS) $(LIB_SRCS),$(INTROSPECT_LIBS) $(LIB_LIBS)))
$(eval $(call program,bench/introspect/crowd,tests/bench/introspect/crowd.c,,-static))
$(eval $(call program,bench/introspect/idle,tests/bench/introspect/idle.c,,-static))
BENCH_PROGRAMS := $(addprefix $(B)/bench/,exit/exits boot/cost memory/memory introspect/walk introspect/crowd introspect/idle)

lab-ready: userspace $(B)/bench/introspect/idle $(DEMO_PROGRAMS) $(addprefix $(B)/labtest/,$(LABTESTS)) $(B)/module/$(LAB_KERNEL)/kvm_warden.ko $(B)/module/$(LAB_KERNEL)/mark_encrypted.ko
.PHONY: lab-ready

demo: lab-ready
	@tests/lab/demo/run

# ---- installation ----

PREFIX ?= /usr
DESTDIR ?=

install: userspace module
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' KERNELS='$(KERNELS)' scripts/install install

# The packages need no kernel: DKMS builds the module where they are installed.
deb: userspace
	@scripts/make-deb

uninstall:
	@DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' scripts/install uninstall
.PHONY: install uninstall deb

# ---- tests ----

# A unit test links what it tests by the first word of its name.
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
test_srcs_introspect := $(INTROSPECT_SRCS)
test_libs_introspect := $(INTROSPECT_LIBS)
test_srcs_scan := $(SCAN_SRCS)
test_libs_scan := $(SCAN_LIBS)
test_srcs_channel := $(CHANNEL_SRCS) $(CHANNEL_PROTO_SRCS)
test_libs_channel := $(CHANNEL_LIBS)
test_srcs_agent := $(filter-out %/main.c,$(AGENT_SRCS)) $(CHANNEL_PROTO_SRCS)
test_libs_agent := $(AGENT_LIBS)
test_srcs_engine := $(ENGINE_SRCS)
test_libs_engine := $(ENGINE_LIBS)
test_srcs_policy := $(ENGINE_SRCS)
test_libs_policy := $(ENGINE_LIBS)
test_srcs_journal := $(ENGINE_SRCS)
test_libs_journal := $(ENGINE_LIBS)
test_srcs_vmm := $(addprefix userspace/daemon/,vmm.c vmm_args.c hung.c)
test_srcs_jail := $(foreach r,channel engine integrity introspect qmp,userspace/$(r)/jail.c)
test_srcs_integrity := $(INTEGRITY_SRCS)
test_libs_integrity := $(INTEGRITY_LIBS)
test_srcs_qmp := $(QMP_SRCS)
test_libs_qmp := $(QMP_LIBS)
test_srcs_daemon := $(DAEMON_SRCS)
test_libs_daemon := $(DAEMON_LIBS)
test_libs_cli := -ljansson
test_srcs_doctor := userspace/cli/host.c
test_libs_doctor := -ljansson

# A module's file, by the assembler, and its memory, by the linker: with and without
# the flags that struct alt_instr has since 6.3.
INTEGRITY_SYMBOLS := __fentry__=0xffffffff81000000 exported_function=0xffffffff81000100 \
	__x86_indirect_thunk_r11=0xffffffff81000200 __x86_indirect_thunk_rax=0xffffffff81000220 \
	__x86_indirect_thunk_rdx=0xffffffff81000240 __x86_return_thunk=0xffffffff81000300 \
	__SCT__WARN_trap=0xffffffff81000600 helper_function=0xffffffffc0700000 \
	pv_ops=0xffffffff82000000 small_value=0x1234
$(B)/unit/integrity_module.o $(B)/unit/integrity_module_old.o: tests/unit/integrity_module.S
	@mkdir -p $(@D)
	@$(CC) $(if $(findstring _old,$@),-DOLD) -c $< -o $@
%.mem: %.o
	@ld -e 0 --no-relax -Ttext=0xffffffffc0100000 -Tdata=0xffffffffc0110000 \
		--section-start=.rodata=0xffffffffc0120000 \
		--section-start=.altinstr_replacement=0xffffffffc0130000 \
		--section-start=.static_call.text=0xffffffffc0140000 \
		--section-start=.init.text=0xffffffffc0150000 \
		$(addprefix --defsym=,$(INTEGRITY_SYMBOLS)) $< -o $@
$(B)/unit/test_integrity_text $(B)/unit/test_integrity_check: | $(B)/unit/integrity_module.mem $(B)/unit/integrity_module_old.mem

area = $(word 2,$(subst _, ,$(1)))
define unit_test
$(B)/unit/$(1): $(call objects,tests/unit/$(1).c $(test_srcs_$(call area,$(1))) $(LIB_SRCS))
	@mkdir -p $$(@D)
	@echo "  LINK    $$@"
	@$$(CC) $$(LINK) $$(sort $$^) -o $$@ $(test_libs_$(call area,$(1))) $(LIB_LIBS) -lcmocka
endef
# Between two looks a test changes its guest.
$(addprefix $(B)/unit/test_introspect_,checks tables watches): LINK += -Wl,--wrap=check_pause
$(B)/unit/test_introspect_extract: LINK += -Wl,--wrap=memory_refresh
# What is found is counted.
$(B)/unit/test_engine_baseline: LINK += -Wl,--wrap=signs_found
# Of whatever host.
$(B)/unit/test_doctor_host: LINK += -Wl,--wrap=uname,--wrap=access,--wrap=fopen
$(B)/unit/test_introspect_watches: LINK += -Wl,--wrap=ioctl
$(foreach t,$(notdir $(UNIT)),$(eval $(call unit_test,$(t))))

# ---- fuzzers: the real code under libFuzzer ----

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ ?= $(FUZZERS)
SECONDS ?= 10
FUZZ_CLANG ?= $(CCACHE) clang-14
FUZZ_FLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -DWARDEN_VERSION='"fuzz"' -Iinclude -Iinclude/uapi \
	-Iuserspace -MMD -MP $(NO_PATH) -fno-omit-frame-pointer -fno-sanitize-recover=all \
	-fsanitize=address,undefined
# orders.c is in fuzz_path.c, and its callers need the rest of the role.
FUZZ_SRCS := $(CHANNEL_PROTO_SRCS) $(filter-out %/orders.c,$(CHANNEL_SRCS)) \
	userspace/agent/item.c userspace/agent/meta.c \
	$(filter-out %/serve.c %/jail.c,$(INTROSPECT_SRCS)) $(filter-out %/jail.c,$(QMP_SRCS)) \
	$(filter-out %/jail.c %/check.c %/report.c %/live.c,$(INTEGRITY_SRCS)) \
	$(addprefix userspace/daemon/,vmm.c vmm_args.c hung.c monitor.c) userspace/engine/incident.c \
	$(addprefix userspace/lib/,util.c log.c msg.c messages.c crypto.c lines.c config.c proc.c)
FUZZ_LIBS := $(INTEGRITY_LIBS) -lsodium -lbpf -ljansson -linih -lcmocka
FUZZ_OBJS := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(FUZZ_SRCS))

$(B)/fuzz/obj/%.o: %.c | $(B)/setup.done
	@mkdir -p $(@D)
	@$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -c $< -o $@

$(B)/fuzz/libreal.a: $(FUZZ_OBJS)
	@echo "  AR      $@"
	@rm -f $@ && llvm-ar rcs $@ $^

$(B)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(B)/fuzz/libreal.a
	@echo "  FUZZ    $@"
	@$(FUZZ_CLANG) $(FUZZ_FLAGS) -fsanitize=fuzzer $< $(B)/fuzz/libreal.a $(FUZZ_LIBS) $(FUZZ_LINK) -o $@

# Looks follow each other without a pause.
$(B)/fuzz/fuzz_views: FUZZ_LINK := -Wl,--wrap=check_pause
# What is read of a guest is written down, and ends soon.
$(B)/fuzz/fuzz_recorded: FUZZ_LINK := -Wl,--wrap=check_pause,--wrap=memory_set_budget \
	-Wl,--wrap=memory_at,--wrap=memory_read,--wrap=memory_read_frames,--wrap=memory_read_stretch

$(eval $(call program,fuzz/seeds,tests/fuzz/seeds.c userspace/agent/item.c userspace/agent/meta.c \
	$(CHANNEL_PROTO_SRCS) $(addprefix userspace/lib/,util.c log.c msg.c messages.c crypto.c),-lsodium))

# What they begin with; the last two are the guest's that is recorded.
FUZZ_NEEDS := $(addprefix $(B)/,fuzz/seeds unit/integrity_module.o labtest/truth bench/introspect/idle)
fuzzers: $(addprefix $(B)/fuzz/fuzz_,$(FUZZERS)) $(FUZZ_NEEDS)
fuzz: $(addprefix $(B)/fuzz/fuzz_,$(FUZZ)) $(FUZZ_NEEDS)
	@tests/fuzz/run $(SECONDS) $(FUZZ)
.PHONY: fuzz fuzzers

# ---- benches: one JSON line a figure ----

BENCHES := $(notdir $(patsubst %/run,%,$(wildcard tests/bench/*/run)))
BENCH ?= $(BENCHES)

bench: lab-ready $(BENCH_PROGRAMS)
	@for bench in $(BENCH); do tests/bench/$$bench/run || exit; done
.PHONY: bench

test-unit: userspace $(UNIT)
	@tests/run unit

# The module's builds: every kernel, DKMS, signing, and what is refused.
test-build: | $(B)/setup.done
	@tests/run build

# The module's pure code, in user-mode Linux (built once into the cache).
test-kunit: | $(B)/setup.done
	@tests/run kunit

test: lab-ready $(UNIT) fuzzers
	@tests/run all

# Some of the lab's, by the names in tests/run: make test-lab LAB="guard-debug hooks-7.2"
test-lab: lab-ready $(BENCH_PROGRAMS)
	@TEST_RESUME=$(RESUME) tests/run named $(LAB)

# Parts of test-all.  RESUME=1: without what has passed in the lab with the same sources.
test-kernels test-debug test-races: test-%: lab-ready
	@TEST_RESUME=$(RESUME) tests/run $*

test-all: $(BENCH_PROGRAMS)
	@scripts/setup intel
	@TEST_ALL=1 TEST_RESUME=$(RESUME) DEMO_KILLS=200 $(MAKE) --no-print-directory test
	@$(MAKE) --no-print-directory fuzz SECONDS=60
.PHONY: test-all test-lab test-kernels test-debug test-races

clean:
	rm -rf $(B)

-include $(shell find $(B)/obj $(B)/fuzz -name '*.d' 2>/dev/null)
