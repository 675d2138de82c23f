#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All tests: KUnit in a User-Mode Linux kernel with KASAN and lockdep, then a
# stress on a stock kernel with two CPUs in QEMU. The last line has the sum.
#
# KERNEL=6.1 takes another series for the stock kernel, KERNEL_SRC= another
# tree for UML, KERNEL_DIR= other headers, ACCEL=kvm KVM where that works.

. "$(dirname "$0")/common.sh"

say "wsheap tests: KUnit under UML, then a stress under QEMU (about 8 minutes on a bare machine, 2 when run again)"
need gcc:gcc make:make flex:flex bison:bison bc:bc python3:python3 \
	qemu-system-x86_64:qemu-system-x86 cpio:cpio \
	/usr/include/stdio.h:libc6-dev
get_uml_source
uml=$cache/uml-$(basename "$source")
[ -e "$uml/linux" ] || say "building a UML kernel (5 minutes, once); progress is in $uml.log"

# From 6.10 on memory is accounted by call site.
profiling=()
if grep -q 'config MEM_ALLOC_PROFILING$' "$source/lib/Kconfig.debug"; then
	profiling=(--kconfig_add CONFIG_MEM_ALLOC_PROFILING=y
		--kconfig_add CONFIG_MEM_ALLOC_PROFILING_ENABLED_BY_DEFAULT=y
		--kconfig_add CONFIG_MEM_ALLOC_PROFILING_DEBUG=y)
fi
run_kunit "$uml" "as it boots by default" run --jobs="$jobs" \
	--kunitconfig="$top/.kunitconfig" \
	--kconfig_add CONFIG_DEBUG_KERNEL=y \
	--kconfig_add CONFIG_PROVE_LOCKING=y \
	--kconfig_add CONFIG_KASAN=y --kconfig_add CONFIG_KASAN_VMALLOC=y \
	"${profiling[@]}"
run_kunit "$uml" "with init_on_alloc=1 and slabs that are poisoned" exec \
	--kernel_args=init_on_alloc=1 --kernel_args=slub_debug=P
run_kunit "$uml" "with init_on_free=1" exec --kernel_args=init_on_free=1

prepare_guest

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/init" <<'INIT'
try() { "$@" 2>/dev/null && echo "guest: done: $*" || echo "guest: not done: $*"; }
try insmod /modules/wsheap.ko
try insmod /modules/hello.ko
try insmod /modules/hello_parser.ko
# The system asks for idle memory all the time.
while true; do echo 2 > /proc/sys/vm/drop_caches; usleep 50000; done &
try insmod /modules/wsheap_stress.ko seconds=3
kill $!
try rmmod wsheap
try rmmod hello
try rmmod hello_parser
try rmmod wsheap_stress
grep -c '\[wsheap' /proc/vmallocinfo | sed 's/^/guest: areas of vmalloc: /'
try insmod /modules/wsheap_stress.ko greedy=1
try rmmod wsheap_stress
try insmod /modules/wsheap_stress.ko exhausted=1
try rmmod wsheap_stress
echo 'guest: mistakes begin'
echo 0 > /proc/sys/kernel/panic_on_warn
try insmod /modules/wsheap_stress.ko mistakes=1
try rmmod wsheap_stress
echo 1 > /proc/sys/kernel/panic_on_warn
echo 'guest: mistakes end'
try insmod /modules/wsheap_stress.ko leave_one=1
try rmmod wsheap_stress
try rmmod wsheap
dmesg | grep -c 'heap left-behind was never destroyed' | sed 's/^/guest: reports: /'
dmesg | grep -c 'pool left-behind destroyed while 1 of its heaps' | sed 's/^/guest: pools: /'
dmesg | grep -c 'pool forgotten was never destroyed: 1 of its heaps are in use and left alone, 3 idle' | sed 's/^/guest: forgotten: /'
dmesg | grep -c 'heap forgotten was never destroyed' | sed 's/^/guest: of forgotten: /'
INIT
make_initrd "$work/initrd" "$work/init" "$modules"/{wsheap,hello,hello_parser,wsheap_stress}.ko

say "stress on the stock kernel $release with two CPUs (20 seconds)"
guest_command "$work/initrd" -nic none \
	-object memory-backend-ram,id=m0,size=256M -numa node,memdev=m0,cpus=0 \
	-object memory-backend-ram,id=m1,size=256M -numa node,memdev=m1,cpus=1
"${guest_command[@]}" < /dev/null > "$work/raw" 2>&1 ||
	say "the guest did not end as it should"
tr -d '\r' < "$work/raw" > "$cache/stress.log"
python3 "$kunit" parse "$cache/stress.log" > "$work/parsed" 2>&1 || cat "$cache/stress.log"
grep -a -E '\[(PASSED|SKIPPED|FAILED)\]|Testing complete' "$work/parsed" || true
count "$work/parsed"

# did MODULE COMMAND ...: how often that command succeeded.
did() { grep -a -c "guest: done: $*\$" "$cache/stress.log" || true; }
check "insmod of wsheap, hello and the stress" "1 1 1" \
	"$(did insmod /modules/wsheap.ko) $(did insmod /modules/hello.ko) $(did insmod /modules/wsheap_stress.ko seconds=3)"
check "hello allocated and counted" 1 \
	"$(grep -a -c 'hello: 12 bytes asked for, 512 held' "$cache/stress.log")"
check "hello_parser replied to one request and refused one, and both let go" "1 1 2" \
	"$(grep -a -c 'hello_parser: reply: add 42 and not 1+x' "$cache/stress.log") $(grep -a -c 'hello_parser: refused: error -122' "$cache/stress.log") $(grep -a -c 'hello_parser: the sender is released' "$cache/stress.log")"
check "wsheap is not unloaded under its users" 1 \
	"$(grep -a -c 'guest: not done: rmmod wsheap$' "$cache/stress.log")"
check "wsheap is unloaded after them" 1 "$(did rmmod wsheap)"
check "no memory from vmalloc is left" 0 \
	"$(sed -n 's/guest: areas of vmalloc: //p' "$cache/stress.log")"
check "blocks of no size kill a process, up to all memory" 1 \
	"$(did insmod /modules/wsheap_stress.ko greedy=1)"
check "with memory exhausted, a pool's waiter gets the next heap at once" 1 \
	"$(did insmod /modules/wsheap_stress.ko exhausted=1)"
check "a pool destroyed under its heap is reported by name" 1 \
	"$(sed -n 's/guest: pools: //p' "$cache/stress.log")"
check "heaps that a module leaves behind are reported when it goes" "1 1" \
	"$(grep -a -c 'module wsheap_stress leaves heap left-behind behind: 0 bytes asked for, 0 held, left alone' "$cache/stress.log") $(grep -a -c 'module wsheap_stress leaves pool forgotten behind: 4 heaps in it or in use, left alone' "$cache/stress.log")"
check "heaps left behind are reported by name" 2 \
	"$(sed -n 's/guest: reports: //p' "$cache/stress.log")"
check "a forgotten pool is reported by name, and its heap in use" "1 1" \
	"$(sed -n 's/guest: forgotten: //p' "$cache/stress.log") $(sed -n 's/guest: of forgotten: //p' "$cache/stress.log")"
sed -n '/guest: mistakes begin/,/guest: mistakes end/p' "$cache/stress.log" > "$work/mistakes"
check "each mistake is made" 1 "$(did insmod /modules/wsheap_stress.ko mistakes=1)"
# reported WHAT: how often the log says so, and says where.
reported() { grep -a -c "$1; called from .*\[wsheap_stress\]" "$work/mistakes" || true; }
check "a foreign block is reported once" 1 "$(reported "heap mistaken: block .* does not belong to this heap")"
check "a pointer into a block is reported once" 1 "$(reported 'heap mistaken: block .* is not the start of a block')"
check "a header written over is reported once" 1 "$(reported 'heap mistaken: block .* has a corrupted header')"
check "a block freed twice is reported once" 1 "$(reported 'heap mistaken: block .* is already free')"
check "an unlock by a stranger is reported once" 1 "$(reported 'heap mistaken: wsheap_unlock() by a caller that does not hold the lock')"
check "a call for message heaps on a private heap is reported once" 1 "$(reported 'wsheap_[_a-z]*() called on private heap mistaken, but is for message heaps')"
check "a heap given to another pool is reported once" 1 "$(reported 'heap mistaken given to pool mistaken, but is from \(no pool\|pool mistaken\): left alone')"
check "a heap given to its pool twice is reported once" 1 "$(reported 'heap mistaken given to its pool a second time: left alone')"
check "a heap destroyed though it is a pool's is reported once" 1 "$(reported 'wsheap_destroy() called on heap mistaken, which belongs to a pool, use wsheap_pool_free(): left alone')"
check "a group destroyed under its heaps is reported" 1 "$(reported 'group mistaken destroyed while 4 heaps, pools or groups belong to it: left alone')"
check "a call for private heaps on a message heap is reported once" 1 "$(reported 'wsheap_[a-z]*() called on message heap wsheap_stress, but is for private heaps')"
check "an unhandled failure is a warning with its figures" 1 \
	"$(grep -a -c 'heap wsheap_stress: error -122: 65536 bytes asked for, 24 in use, limit 4096' "$work/mistakes" || true)"
grep -a -v ' \(left-behind\|forgotten\) \(was never destroyed\|behind: \)\|drop_caches' "$cache/stress.log" |
	sed '/guest: mistakes begin/,/guest: mistakes end/d' > "$work/log"
check "clean kernel log" '' "$(log_is_clean "$work/log" || true)"

say "the whole log of the guest is in $cache/stress.log"
# The last line is for programs to read.
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
