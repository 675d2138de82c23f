#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# What messages cost with wsheap and with its peers: nanoseconds in a UML
# kernel without debugging, and instructions on a stock kernel in QEMU whose
# clock counts them. They are compared with the bounds, and with the figures
# of the last commit; scripts/bench-report.py does that.
#
# KERNEL=6.1 takes another series for the stock kernel, KERNEL_SRC= another
# tree for UML, KERNEL_DIR= other headers.

. "$(dirname "$0")/common.sh"

logs=$cache/bench
report=$top/scripts/bench-report.py
GUEST_TIMEOUT=${GUEST_TIMEOUT:-600}

say "wsheap benchmark: UML, then QEMU (about 10 minutes on a bare machine, 5 when run again)"
need gcc:gcc make:make flex:flex bison:bison bc:bc python3:python3 \
	qemu-system-x86_64:qemu-system-x86 cpio:cpio \
	/usr/include/stdio.h:libc6-dev
get_headers
get_image
get_busybox
build_modules
get_uml_source

uml=$cache/uml-bench-$(basename "$source")
[ -e "$uml/linux" ] || say "building a UML kernel without debugging (4 minutes, once); progress is in $uml.log"
(cd "$source" && python3 "$kunit" build --jobs="$jobs" --build_dir="$uml" \
	--kunitconfig="$top/bench/.kunitconfig") > "$uml.log" 2>&1 || {
	tail -n 30 "$uml.log"
	die "the UML kernel was not built; the whole log is $uml.log"
}

rm -rf "$logs"
mkdir -p "$logs"
work=$(mktemp -d)
# shellcheck disable=SC2046 # process ids
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT

# One after the other, as they are timed. They end when KUnit has run, which
# is after the benchmark: no case.
for name in soap json x509 unseen fixed heap worst; do
	say "nanoseconds under UML: $name"
	timeout "$GUEST_TIMEOUT" "$uml/linux" mem=1G console=tty \
		wsheap_bench.work=$name kunit.filter_glob=none \
		kunit_shutdown=halt < /dev/null > "$logs/uml-$name.log" 2>&1 ||
		say "UML did not end as it should"
done

# The kernel hands what it does not know, such as work=soap, to init. What it
# still does in the background just after it booted is not to be counted.
cat > "$work/init" <<'INIT'
sleep 5
modes=off
[ "$work" != modes ] ||
	modes=off,debug:debug,kmalloc:kmalloc,guard:guard,sample:sample=1000
insmod /modules/wsheap.ko page_heap=$modes
insmod /modules/wsheap_bench.ko work=$work
INIT
make_initrd "$work/initrd" "$work/init" "$modules"/{wsheap,wsheap_bench}.ko

# boot LOG "KERNEL ARGUMENTS" [QEMU OPTION ...], in the background, two at a
# time. Without erms and fsrm a memset is a loop: as "rep stosb" it would count
# as one instruction.
boot() {
	local log=$logs/$1
	guest_args=$2
	shift 2
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do
		wait -n || true
	done
	guest_command "$work/initrd" -nic none -cpu max,-erms,-fsrm -m 1024 "$@"
	"${guest_command[@]}" < /dev/null > "$log" 2>&1 &
}

# count_instructions INIT_ON_ALLOC WORK NUMBER
count_instructions() {
	boot "instructions-$1-$2-$3.log" "init_on_alloc=$1 work=$2" \
		-icount shift=0,sleep=off
}

accel=tcg
guest_smp=1
say "instructions on the stock kernel $release, init_on_alloc=0"
# What private heaps hold is counted meanwhile.
boot churn.log "init_on_alloc=0 work=churn"
boot shapes.log "init_on_alloc=0 work=shapes"
# kmalloc's figure depends on the boot, so there are three; its best counts.
for number in 1 2 3; do
	for name in soap json x509 unseen; do
		count_instructions 0 $name $number
	done
done
for name in fixed heap worst modes; do
	count_instructions 0 $name 1
done
say "instructions on the stock kernel $release, init_on_alloc=1"
for name in soap json x509 unseen fixed heap; do
	count_instructions 1 $name 1
done
wait

say "scaling on the stock kernel $release, two CPUs"
accel=tcg,thread=multi
guest_smp=2
boot scale.log "init_on_alloc=0 work=scale"
wait

# What UML says of its PCI before is not ours.
unclean=
for log in "$logs"/*.log; do
	sed -n '/wsheap_bench: begin/,$p' "$log" > "$work/log"
	log_is_clean "$work/log" || unclean="$unclean $log"
done

# What the last commit says, or the tree, where there is no git.
git -C "$top" show HEAD:./Documentation/performance.json \
	> "$work/recorded" 2>/dev/null ||
	cp "$top/Documentation/performance.json" "$work/recorded" 2>/dev/null ||
	rm -f "$work/recorded"
[ -z "$unclean" ] || die "a kernel complained, see above; the logs are$unclean"

python3 "$report" --logs "$logs" --recorded "$work/recorded" \
	--traces "$top/bench/traces" \
	--json "$top/Documentation/performance.json" \
	--svg "$top/Documentation/performance.svg" \
	--table "$top/Documentation/performance.txt"
