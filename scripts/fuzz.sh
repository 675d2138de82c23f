#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Fuzzes private heaps in user space: the sources as they are, on the memory and
# the locks of tests/fuzz/shim.c, with clang's libFuzzer, AddressSanitizer and
# UndefinedBehaviorSanitizer. Needs no kernel but its source's tools/include.
#
# FUZZ_SECONDS=600 takes as long in all instead of a minute, FUZZ_MODES="fixed
# debug" some of growable, fixed, debug and attack. FUZZ_OPS=20000000 does so
# many operations in each mode with random inputs instead, for which FUZZ_CC=gcc
# does without clang. FUZZ_SOURCE= takes wsheap's sources from another directory,
# KERNEL_SRC= another kernel tree. BUILD_ONLY=1 only builds.

. "$(dirname "$0")/common.sh"

src=${FUZZ_SOURCE:-$top}
build=$cache/fuzz
found=$build/found
cc=${FUZZ_CC:-clang}
ops=${FUZZ_OPS:-}
seconds=${FUZZ_SECONDS:-60}
read -r -a modes <<<"${FUZZ_MODES:-growable fixed debug attack}"
# Longer inputs find less in the same time.
length=10248

# What tools/include has is not what wsheap means, or needs more than is there.
own='linux/(atomic|export|mm|module|sched|sched/mm|slab|spinlock)\.h'

build_fuzzer() {
	local tools=$source/tools header unit units file objects=()
	local flags=(-g -O2 -std=gnu11 -w
		-Werror=implicit-function-declaration -fno-strict-aliasing
		-fno-strict-overflow -fno-delete-null-pointer-checks
		-fno-omit-frame-pointer -I"$build/include" -I"$src"
		-I"$tools/include" -include "$top/tests/fuzz/shim.h")
	# The kernel relies on pointers that wrap, and has compilers not care.
	local sanitize=("-fsanitize=address,undefined" -fno-sanitize-recover=all
		-fno-sanitize=pointer-overflow)
	local instrument=() define=(-DSHIM_ASAN) link=()

	if [ -z "$ops" ]; then
		instrument=(-fsanitize=fuzzer-no-link)
		link=(-fsanitize=fuzzer)
		define+=(-DLIBFUZZER -Dfuzz_one_input=LLVMFuzzerTestOneInput
			-Dfuzz_initialize=LLVMFuzzerInitialize)
	fi
	# The shim is included before all else, so these need not have anything.
	rm -rf "$build/include" "$build"/*.o
	sed -n 's/^#[ \t]*include <\(.*\)>.*/\1/p' "$src"/*.[ch] | sort -u |
	while read -r header; do
		[[ ! $header =~ ^$own$ && -e $tools/include/$header ]] ||
			install -m 644 -D /dev/null "$build/include/$header"
	done
	# All but tests, pools, what loads the module, and what looks into heaps.
	mapfile -t units < <(find "$src" -maxdepth 1 -name '*.c' \
		! -name '*_kunit.c' ! -name '*.mod.c' \
		! -name main.c ! -name pool.c ! -name class.c ! -name fail.c \
		! -name page_heap.c ! -name trace.c ! -name watch.c)
	for unit in "${units[@]}" "$tools"/lib/{rbtree,find_bit}.c; do
		file=$build/$(basename "$unit" .c).o
		"$cc" "${flags[@]}" "${sanitize[@]}" "${instrument[@]}" \
			-c "$unit" -o "$file" || return 1
		objects+=("$file")
	done
	# What looks at the sources is not looked at, and tells what it touches.
	for unit in shim fuzz; do
		file=$build/fuzz-$unit.o
		"$cc" "${flags[@]}" "${define[@]}" \
			-c "$top/tests/fuzz/$unit.c" -o "$file" || return 1
		objects+=("$file")
	done
	"$cc" -g "${sanitize[@]}" "${link[@]}" "${objects[@]}" \
		-o "$build/fuzz" || return 1
}

# Whether this compiler has all that it takes; its libraries may be packages of
# their own.
can_fuzz() {
	echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' |
		"$cc" -fsanitize=fuzzer,address,undefined -x c - \
			-o "$build/probe" 2>"$build/probe.log"
}

# fuzz MODE SECONDS: leaves $build/MODE.ok if there was no finding.
fuzz() {
	local mode=$1 corpus=$build/corpus-$1 i
	if [ -n "$ops" ]; then
		"$build/fuzz" --mode="$mode" --ops="$ops" \
			--seed="$((RANDOM << 30 | RANDOM << 15 | RANDOM))" ||
			return 1
	else
		# It is long until short inputs have grown.
		rm -rf "$corpus"
		mkdir -p "$corpus"
		for i in 1 2 3 4 5 6 7 8; do
			head -c "$length" /dev/urandom > "$corpus/$i"
		done
		"$build/fuzz" --mode="$mode" -max_len="$length" -timeout=60 \
			-max_total_time="$2" -detect_leaks=0 \
			-artifact_prefix="$found/$mode-" "$corpus" || return 1
	fi
	touch "$build/$mode.ok"
}

if [ -n "$ops" ]; then
	say "fuzzing private heaps: $ops operations in each mode: ${modes[*]}"
	need "$cc:$cc"
else
	say "fuzzing private heaps: ${modes[*]} (about $seconds seconds, and half a minute to build)"
	need clang:clang llvm-symbolizer:llvm
fi
series=6.12
get_source
mkdir -p "$build"
if [ -z "$ops" ] && ! can_fuzz; then
	say "installing libclang-rt-dev"
	install_packages libclang-rt-dev || true
	can_fuzz || {
		cat "$build/probe.log" >&2
		die "$cc cannot build a fuzzer"
	}
fi
build_fuzzer || die "the fuzzer was not built"
[ -z "${BUILD_ONLY:-}" ] || { say "built: $build/fuzz"; exit 0; }

rm -rf "$found" "$build"/*.log "$build"/*.ok
mkdir -p "$found"
parallel=$((jobs < ${#modes[@]} ? jobs : ${#modes[@]}))
each=$((seconds * parallel / ${#modes[@]}))
for mode in "${modes[@]}"; do
	while [ "$(jobs -rp | wc -l)" -ge "$parallel" ]; do
		wait -n || true
	done
	fuzz "$mode" "$((each > 0 ? each : 1))" > "$build/$mode.log" 2>&1 &
done
wait

result=
findings=0
for mode in "${modes[@]}"; do
	log=$build/$mode.log
	count=$(sed -n 's/ operations$//p' "$log" | tail -n 1)
	result="$result${result:+, }$mode ${count:-?}"
	[ ! -e "$build/$mode.ok" ] || continue
	findings=$((findings + 1))
	say "a finding in mode $mode; the whole log is $log"
	grep -a -A 12 -m 1 -E '^fuzz: |ERROR: |runtime error' "$log" || tail -n 20 "$log"
	grep -a 'run it again' "$log" || true
	for input in "$found/$mode"-*; do
		[ ! -e "$input" ] ||
			say "run it again: $build/fuzz --mode=$mode $input"
	done
done
# The last line is for programs to read.
[ "$findings" = 0 ] && what='no finding' || what="findings in $findings modes"
echo "operations: $result; $what"
[ "$findings" = 0 ]
