# SPDX-License-Identifier: GPL-2.0-only
# vmfork: the module, its tools, its tests.  Everything built goes to $(O).

O ?= build
override O := $(abspath $(O))
export O
# Downloads, unpacked kernels and the debug kernel: may outlive $(O).
VMFORK_CACHE := $(abspath $(or $(VMFORK_CACHE),$(O)/cache))
export VMFORK_CACHE
MAKEFLAGS += --no-print-directory
vm := selftests/vm
quiet := $(if $(V),,-s)

# Directories of userspace programs; each builds into $(O) by itself.
TOOLS := $(patsubst %/Makefile,%,$(wildcard tools/lib/Makefile \
	tools/vmfork/Makefile tools/forkvm/Makefile Documentation/man/Makefile))

# Which kernel.  KVER is a release, or the beginning of one that Debian has.
DEMO_KVER := $(or $(KVER),6.12)
KERNELS := $(or $(KVER),6.1 6.12)
# Also, for a whole check, some tests on the debug kernel if it is built.
WHOLE := $(if $(KVER)$(T),,y)

.PHONY: all
all: tools modules

.PHONY: help
help:
	@sed -n 's/^#: \?//p' Makefile

#: vmfork - fork the memory of running virtual machines
#:
#:   make demo       fork a running Linux guest, in a test VM; shows a table
#:   make check      run all tests, in test VMs, on Linux 6.1 and 6.12
#:
#:   make            the module for the running kernel, and the tools
#:   make debug-kernel  build a kernel with KASAN, lockdep, kmemleak and more:
#:                   12 minutes, once; KVER=debug uses it
#:   make modules    the module alone       make tools   the tools alone
#:   make bpf        the BPF programs alone (make tools builds them, too)
#:   make unit       the tests that need no VM, in seconds
#:   make static     check the source with sparse, checkpatch, clang, gcc,
#:                   coccinelle and others; CHECKERS="sparse gcc": with these
#:   make torture    a storm in a test VM: MINUTES=20 SEED=1, A="..." names what
#:                   alone is done, X="..." what is not (see testing.rst)
#:   make fuzz       fuzz the module in a test VM, then the tools' parsers:
#:                   MINUTES=10 SEED=1 (see testing.rst)
#:   make bench      measure; figures go to build/bench.json, and a page of them
#:                   to Documentation/; BENCH=quick: less memory, and no page
#:   make vm-shell   a shell in the test VM
#:   make setup      install the Debian packages that are missing (root)
#:   make install    install module, library, vmfork, manual, udev rule, systemd
#:                   units and completion (DESTDIR=, PREFIX=); make uninstall;
#:                   make install-tools: all but the module
#:   make dkms-install  have DKMS build the module, and for each new kernel again
#:   make deb        Debian packages of it all, in build/deb
#:   make clean      remove what was built; make distclean: downloads too
#:
#:   KVER=6.12       kernel: a full release, or the beginning of one that
#:                   Debian has; it is downloaded, not installed;
#:                   or debug, which make debug-kernel builds
#:   KDIR=DIR        build for the kernel with this build directory
#:   T="iso races"   (check) the tests whose names contain one of these
#:   ARGS=...        (check) arguments for each test program
#:   SMP=2 MEM=2G    size of the test VM (guests need SMP=1 under tcg)
#:   VMFORK_ACCEL=   kvm or tcg; by default kvm where KVM nests, else tcg
#:   O=build         where everything is built     V=1   show commands
#:   VMFORK_CACHE=   where downloads and kernels are kept, by default O/cache

# --- the module

ifdef KDIR
kdir = $(KDIR)
else ifdef KVER
kdir = $(shell $(vm)/kernel-headers $(KVER))
else
kdir = $(shell $(vm)/kernel-headers)
endif

.PHONY: modules
modules:
	@kdir='$(kdir)'; [ -n "$$kdir" ] || exit 1; \
	release=$$($(vm)/build-module "$$kdir" $(if $(W),W=$(W))) && \
		echo "built $(O)/$$release/vmfork.ko"

# --- the tools

.PHONY: tools $(TOOLS)
tools: $(TOOLS)
$(TOOLS):
	@$(MAKE) $(quiet) -C $@ O=$(O)

tools/vmfork tools/forkvm: $(filter tools/lib,$(TOOLS))

.PHONY: bpf
bpf:
	@$(MAKE) $(quiet) -C bpf O=$(O)

# --- the test VM

.PHONY: setup setup-static setup-deb
setup:
	@$(vm)/setup
setup-static:
	@$(vm)/setup packages-static
setup-deb:
	@$(vm)/setup packages-deb

# Test programs want kselftest_harness.h and the guests want their initramfs.
.PHONY: selftests
selftests: tools
	@$(vm)/kselftest-source >/dev/null
	@[ ! -e selftests/Makefile ] || $(MAKE) $(quiet) -C selftests O=$(O)
	@[ ! -e tools/forkvm/Makefile ] || \
		$(MAKE) $(quiet) -C tools/forkvm O=$(O) guest
	@[ ! -e selftests/qemu/Makefile ] || \
		$(MAKE) $(quiet) -C selftests/qemu O=$(O)

.PHONY: debug-kernel
debug-kernel: setup
	@dir=$$($(vm)/debug-kernel) && echo "the debug kernel is in $$dir"

# vm-VERSION: everything that a VM with that kernel needs
vm-%: selftests
	@$(MAKE) modules KDIR= KVER=$* W=1

.PHONY: check
check: setup $(if $(T),,setup-static setup-deb)
	@$(MAKE) $(KERNELS:%=vm-%)
	@[ -z "$(WHOLE)" ] || ! $(vm)/debug-kernel --cached >/dev/null || \
		$(MAKE) vm-debug
	@KERNELS='$(if $(WHOLE),,$(KERNELS))' SMP='$(SMP)' MEM='$(MEM)' \
		VMFORK_TEST_ARGS='$(ARGS)' $(vm)/check $(T)

.PHONY: unit
unit: setup
	@$(MAKE) -C selftests/unit O=$(O) run
	@$(MAKE) -C tools/lib O=$(O) check
	@$(MAKE) -C selftests/fuzz/user O=$(O) run
	@selftests/fuzz/syzlang_test.sh
	@for test in $(vm)/*_test.sh selftests/static/except_test.sh \
			selftests/unit/*_test.sh \
			selftests/install/install_test.sh; do \
		$$test || exit 1; \
	done

# What checks the source; unless it is told which, a test of them all as well.
.PHONY: static
static: setup setup-static selftests
	@[ -n "$(CHECKERS)" ] || selftests/static/plant_test.sh
	@KERNELS='$(KERNELS)' selftests/static/run $(CHECKERS)

# TCG with several CPUs on one thread delivers some of a nested guest's
# interrupts twice.
guest_smp = $(if $(filter kvm,$(shell $(vm)/accel)),2,1)

.PHONY: demo
demo: setup
	@$(MAKE) vm-$(DEMO_KVER)
	@$(vm)/run -k $(DEMO_KVER) -s $(or $(SMP),$(guest_smp)) \
		-m $(or $(MEM),3G) -n demo command /bin/forkvm-demo

.PHONY: fuzz
fuzz: setup
	@$(MAKE) vm-$(DEMO_KVER)
	@SMP='$(SMP)' MEM='$(MEM)' selftests/fuzz/run $(DEMO_KVER) \
		$(or $(MINUTES),10) $(or $(SEED),1)
	@$(MAKE) -C selftests/fuzz/user O=$(O) SEED=$(or $(SEED),1) \
		SECONDS=$$(($(or $(MINUTES),10) * 10)) fuzz

.PHONY: vm-shell
vm-shell: setup
	@$(MAKE) vm-$(DEMO_KVER)
	@$(vm)/run -k $(DEMO_KVER) -s $(or $(SMP),2) -m $(or $(MEM),2G) \
		-n shell shell

.PHONY: bench
bench: setup
	@$(vm)/setup packages-bench
	@$(MAKE) vm-$(DEMO_KVER)
	@$(MAKE) $(quiet) -C selftests/bench O=$(O)
	@selftests/bench/run $(DEMO_KVER) $(BENCH)

MINUTES ?= 20
SEED ?= 1
.PHONY: torture
torture: setup
	@$(MAKE) vm-$(DEMO_KVER)
	@$(MAKE) $(quiet) -C selftests/torture O=$(O)
	@SMP='$(SMP)' MEM='$(MEM)' selftests/torture/run $(DEMO_KVER) $(SEED) \
		$(MINUTES) $(addprefix -a ,$(A)) $(addprefix -x ,$(X))

# --- the rest

PREFIX ?= /usr/local
to := O=$(O) PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
installed := tools/lib tools/vmfork tools/install

.PHONY: install install-module install-tools
install: install-module install-tools
	@[ -n "$(DESTDIR)" ] || printf '%s\n' "installed; what comes next:" \
		"  udevadm control --reload && modprobe vmfork" \
		"  systemctl daemon-reload" \
		"  systemctl enable --now run-vmfork.mount" "  vmfork doctor"

install-module: modules
	@release=$$($(vm)/build-module "$(kdir)") && \
	install -D -m 644 $(O)/$$release/vmfork.ko \
		$(DESTDIR)/lib/modules/$$release/extra/vmfork.ko && \
	{ [ -n "$(DESTDIR)" ] || depmod $$release; }

install-tools: tools
	@for dir in $(installed); do \
		$(MAKE) $(quiet) -C $$dir $(to) install || exit 1; \
	done
	@[ -n "$(DESTDIR)" ] || ldconfig

# The module is removed for all kernels.
.PHONY: uninstall
uninstall:
	@for dir in $(installed); do \
		$(MAKE) $(quiet) -C $$dir $(to) uninstall || exit 1; \
	done
	@for ko in $(DESTDIR)/lib/modules/*/extra/vmfork.ko; do \
		[ -e "$$ko" ] || continue; \
		release=$${ko%/extra/vmfork.ko}; \
		rm "$$ko" && rmdir --ignore-fail-on-non-empty "$${ko%/*}" && \
		{ [ -n "$(DESTDIR)" ] || depmod "$${release##*/}"; } || exit 1; \
	done
	@[ -n "$(DESTDIR)" ] || ldconfig

.PHONY: dkms-install dkms-uninstall
dkms-install dkms-uninstall:
	@$(MAKE) $(quiet) -C tools/install DESTDIR= KVER=$(KVER) $@

.PHONY: deb
deb: setup setup-deb
	@tools/install/deb

.PHONY: clean
clean:
	@[ ! -d $(O) ] || find $(O) -mindepth 1 -maxdepth 1 ! -name cache \
		-exec rm -rf {} +

.PHONY: distclean
distclean:
	rm -rf $(O)
