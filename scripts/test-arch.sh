#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The KUnit suite on another architecture, whose kernel is built with a cross
# compiler and runs in QEMU. i386 has 32 bits, s390 is big-endian and has NUMA,
# arm64 has cache lines of 128 bytes for DMA. The last line has the sum.
#
# ARCH= is the architecture, KERNEL_SRC= another tree.

. "$(dirname "$0")/common.sh"

arch=${ARCH:-}
case $arch in
i386) cross=i686-linux-gnu qemu=qemu-system-i386:qemu-system-x86 ;;
s390) cross=s390x-linux-gnu qemu=qemu-system-s390x:qemu-system-misc ;;
arm64) cross=aarch64-linux-gnu qemu=qemu-system-aarch64:qemu-system-arm ;;
*) die "ARCH=$arch is not supported: use ARCH=i386, ARCH=s390 or ARCH=arm64" ;;
esac
# make hands its variables and its job server down to this script. The make that
# kunit.py starts must not take ARCH from there.
unset ARCH MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

say "wsheap tests: KUnit on $arch under QEMU (about 10 minutes on a bare machine, 1 when run again)"
need gcc:gcc make:make flex:flex bison:bison bc:bc python3:python3 \
	/usr/include/stdio.h:libc6-dev "$cross-gcc:gcc-$cross" "$qemu"
get_uml_source
build=$cache/$arch-$(basename "$source")
[ -e "$build/vmlinux" ] || say "building a kernel for $arch (5 to 10 minutes, once); progress is in $build.log"

# A panic ends the guest, which would otherwise wait for the timeout.
boot=(--arch="$arch" --cross_compile="$cross-" --timeout=900
	--kernel_args=panic=-1)
run_kunit "$build" "as it boots by default" run --jobs="$jobs" \
	--kunitconfig="$top/.kunitconfig" "${boot[@]}"
run_kunit "$build" "with init_on_alloc=1 and slabs that are poisoned" exec \
	--kernel_args=init_on_alloc=1 --kernel_args=slub_debug=P "${boot[@]}"
run_kunit "$build" "with init_on_free=1" exec \
	--kernel_args=init_on_free=1 "${boot[@]}"

say "the log of the last guest is in $build/test.log"
# The last line is for programs to read.
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
