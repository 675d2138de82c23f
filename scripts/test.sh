#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# All tests: KUnit in a User-Mode Linux kernel with KASAN and lockdep, then a
# stress on a stock kernel with two CPUs in QEMU, then all mistakes of a driver in all
# modes. The last line has the sum.
#
# KERNEL=6.1 takes another series for the stock kernel, KERNEL_SRC= another
# tree for UML, KERNEL_DIR= other headers, ACCEL=kvm KVM where that works.

. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/mistakes.sh"

say "wsheap tests: KUnit under UML, then a stress under QEMU (about 15 minutes on a bare machine, 10 when run again)"
need gcc:gcc make:make flex:flex bison:bison bc:bc python3:python3 \
	qemu-system-x86_64:qemu-system-x86 cpio:cpio \
	/usr/include/stdio.h:libc6-dev
prepare_uml
[ -e "$uml/linux" ] || say "building a UML kernel (5 minutes, once); progress is in $uml.log"
run_kunit "$uml" "as it boots by default, in the mode kmalloc" run --jobs="$jobs" "${uml_options[@]}"
# In no mode, the suite looks at where blocks lie as well.
off=(--kernel_args=wsheap.page_heap=off --kernel_args=wsheap.debug=0)
run_kunit "$uml" "in no mode" exec "${off[@]}"
run_kunit "$uml" "in no mode, with init_on_alloc=1 and slabs that are poisoned" exec \
	"${off[@]}" --kernel_args=init_on_alloc=1 --kernel_args=slub_debug=P
run_kunit "$uml" "in no mode, with init_on_free=1" exec "${off[@]}" \
	--kernel_args=init_on_free=1
run_kunit "$uml" "in the mode debug" exec --kernel_args=wsheap.page_heap=off \
	--kernel_args=wsheap.debug=1
run_kunit "$uml" "in the mode guard" exec --kernel_args=wsheap.page_heap=guard
run_kunit "$uml" "in the mode sample=3" exec --kernel_args=wsheap.page_heap=sample=3

prepare_guest

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/init" <<'INIT'
try() { "$@" 2>/dev/null && echo "guest: done: $*" || echo "guest: not done: $*"; }
try insmod /modules/wsheap.ko
try insmod /modules/hello.ko
try insmod /modules/hello_parser.ko
try insmod /modules/guide.ko
# The system asks for idle memory all the time.
while true; do echo 2 > /proc/sys/vm/drop_caches; usleep 50000; done &
try insmod /modules/wsheap_stress.ko seconds=3
kill $!
try rmmod wsheap
try rmmod hello
try rmmod hello_parser
try rmmod guide
try rmmod wsheap_stress
grep -c '\[wsheap' /proc/vmallocinfo | sed 's/^/guest: areas of vmalloc: /'
try insmod /modules/wsheap_stress.ko greedy=1
try rmmod wsheap_stress
try insmod /modules/wsheap_stress.ko exhausted=1
try rmmod wsheap_stress
try rmmod wsheap
INIT
make_initrd "$work/initrd" "$work/init" "$modules"/{wsheap,hello,hello_parser,guide,wsheap_stress}.ko

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
check "each example of the guide does what the guide says" \
	"1 $(grep -c '^	{ "' "$top/samples/guide/guide.c") 1" \
	"$(did insmod /modules/guide.ko) $(grep -a -c 'guide: .*: ok' "$cache/stress.log") $(did rmmod guide)"
check "wsheap is not unloaded under its users" 1 \
	"$(grep -a -c 'guest: not done: rmmod wsheap$' "$cache/stress.log")"
check "wsheap is unloaded after them" 1 "$(did rmmod wsheap)"
check "no memory from vmalloc is left" 0 \
	"$(sed -n 's/guest: areas of vmalloc: //p' "$cache/stress.log")"
check "blocks of no size kill a process, up to all memory" 1 \
	"$(did insmod /modules/wsheap_stress.ko greedy=1)"
check "with memory exhausted, a pool's waiter gets the next heap at once" 1 \
	"$(did insmod /modules/wsheap_stress.ko exhausted=1)"
grep -a -v 'drop_caches' "$cache/stress.log" > "$work/log"
check "clean kernel log" '' "$(log_is_clean "$work/log" || true)"

mistakes_on_stock
mistakes_under_kasan
mistakes_table

say "the whole log of the guest is in $cache/stress.log"
# The last line is for programs to read.
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
