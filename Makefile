# SPDX-License-Identifier: GPL-2.0
# For people; the kernel's build reads Kbuild. "make help" lists what there is.

version = $(shell sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' main.c)
KERNEL_DIR ?= /lib/modules/$(shell uname -r)/build
# As the module will say. Debian's headers have another one in include/config.
release = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' \
	$(KERNEL_DIR)/include/generated/utsrelease.h)
to = $(and $(INSTALL_MOD_PATH),$(abspath $(INSTALL_MOD_PATH)))
ifneq ($(word 2,$(CURDIR))$(word 2,$(KERNEL_DIR))$(word 2,$(INSTALL_MOD_PATH)),)
$(error the build of the kernel takes no path with blanks: $(CURDIR), KERNEL_DIR=$(KERNEL_DIR), INSTALL_MOD_PATH=$(INSTALL_MOD_PATH))
endif
export KERNEL_SRC KERNEL KERNEL_IMAGE ACCEL PORT KEEP SECURE_BOOT

modules clean: kernel
	$(MAKE) -C $(KERNEL_DIR) M=$(CURDIR) $@

# What modules that use wsheap are built with, besides its symbols.
headers := wsheap.h wsheap_compat.h

# The directory of symbols has the name of the kernel that they are of.
modules_install: kernel
	@test ! -e $(to)/var/lib/dkms/wsheap || { \
		echo 'error: DKMS has installed wsheap: remove it first, by' \
			'"make dkms-remove" or with the package wsheap-dkms' >&2; \
		exit 1; }
	$(MAKE) -C $(KERNEL_DIR) M=$(CURDIR) INSTALL_MOD_PATH=$(to) $@
	install -D -m 644 -t $(to)/usr/src/wsheap $(headers)
	install -D -m 644 -t $(to)/usr/src/wsheap/$(release) Module.symvers

# Kernels of different age have different directories for it.
modules_uninstall: kernel
	rm -f $(foreach d,updates extra,$(to)/lib/modules/$(release)/$(d)/wsheap.ko*)
	test -L $(to)/usr/src/wsheap/$(release) || rm -rf $(to)/usr/src/wsheap/$(release)
	@test -e $(to)/var/lib/dkms/wsheap || ls -d $(to)/usr/src/wsheap/*/ >/dev/null 2>&1 || \
		rm -rf $(to)/usr/src/wsheap

# What DKMS builds from, where it looks for it.
dkms_source = $(DESTDIR)/usr/src/wsheap-$(version)
dkms-source:
	install -D -m 644 -t $(dkms_source) Kbuild \
		$(filter-out wsheap_kunit.c %.mod.c,$(wildcard *.c *.h))
	install -D -m 755 -t $(dkms_source)/scripts scripts/dkms-symbols
	sed 's/#MODULE_VERSION#/$(version)/' dkms.conf > $(dkms_source)/dkms.conf
	install -D -m 644 -t $(DESTDIR)/usr/src/wsheap $(headers)

version:
	@echo $(version)

dkms-install dkms-remove:
	@scripts/dkms.sh $@

kernel:
	@test -n '$(release)' || { \
		echo 'error: no kernel to build for at $(KERNEL_DIR):' \
			'install linux-headers-$(shell uname -r), or set KERNEL_DIR=' >&2; \
		exit 1; }

demo test mistakes test-arch bench fuzz check doc deb package-test: export KERNEL_DIR := \
	$(if $(filter file,$(origin KERNEL_DIR)),,$(KERNEL_DIR))
demo test mistakes test-arch bench fuzz check doc deb package-test:
	@scripts/$@.sh

help:
	@echo 'make                  build wsheap.ko for the running kernel'
	@echo 'make modules_install  install it, and what drivers are built with'
	@echo 'make modules_uninstall  take that out again'
	@echo 'make dkms-install     have DKMS build it, also for kernels that come later'
	@echo 'make dkms-remove      take that out again'
	@echo 'make deb              Debian packages of the module, the tools and a driver'
	@echo 'make clean            remove what the build made'
	@echo 'make demo             boot a stock kernel with it and talk to it by curl'
	@echo 'make test             all tests: KUnit under UML, stress under QEMU'
	@echo 'make mistakes         what is said of each mistake of a driver, in each mode'
	@echo 'make test-arch        KUnit in QEMU on ARCH=i386, s390 or arm64'
	@echo 'make bench            what messages cost with wsheap and its peers'
	@echo 'make fuzz             a fuzzer in user space on private heaps'
	@echo 'make check            static checks: sparse, checkpatch, kernel-doc, documents'
	@echo 'make package-test     install, upgrade and remove the packages in a fresh Debian'
	@echo 'make doc              the documentation as HTML'
	@echo
	@echo 'KERNEL_DIR=   build directory of another kernel'
	@echo 'INSTALL_MOD_PATH=  modules_install puts everything below this'
	@echo 'KERNEL_SRC=   kernel source for test and bench, instead of Debian'\''s'
	@echo 'KERNEL=6.1    series of the stock kernel for demo, test, bench'
	@echo 'ACCEL=kvm     KVM for demo and test, where it works'
	@echo 'KEEP=1        make demo leaves the guest running; PORT= its port'
	@echo 'SECURE_BOOT=1 make package-test enrolls the key of DKMS, too'

.PHONY: modules modules_install modules_uninstall clean kernel version \
	dkms-source dkms-install dkms-remove \
	demo test mistakes test-arch bench fuzz check doc deb package-test help
