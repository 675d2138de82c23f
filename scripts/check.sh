#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Static checks: W=1 and sparse against Debian's 6.1 and 6.12 headers (or
# KERNEL_DIR's), and the kernel tree's own checkpatch and kernel-doc. All are
# to be silent.

. "$(dirname "$0")/common.sh"

failed=0

# silent WHAT COMMAND ...: fails if it prints anything, or fails.
silent() {
	local what=$1 out
	shift
	if out=$("$@" 2>&1) && [ -z "$out" ]; then
		echo "    ok: $what"
	else
		failed=$((failed + 1))
		echo "    FAILED: $what"
		printf '%s\n' "$out"
	fi
}

# Debian's headers come without vmlinux, and some say so.
build_strictly() {
	local build=$cache/check-$release part
	rm -rf "$build"
	copy_sources "$build"
	{
		make -s -C "$headers" M="$build" W=1 C=2 modules || return 1
		for part in samples/hello samples/httpd tests bench; do
			make -s -C "$headers" M="$build/$part" W=1 C=2 \
				KBUILD_EXTRA_SYMBOLS="$build/Module.symvers" \
				modules || return 1
		done
	} 2>&1 | { grep -v 'Skipping BTF generation' || true; }
	[ "${PIPESTATUS[0]}" = 0 ]
}

say "static checks (a minute; longer the first time)"
need sparse:sparse make:make gcc:gcc perl:perl

if [ -n "${KERNEL_DIR:-}" ]; then
	get_headers
	silent "W=1 and sparse, $release" build_strictly
else
	for series in 6.1 6.12; do
		get_headers
		silent "W=1 and sparse, $release" build_strictly
	done
fi

series=6.12
get_source
# The shim of the fuzzer defines the kernel's own macros anew.
sources=$(cd "$top" && find . -name '*.[ch]' ! -name '*.mod.c' \
	! -path './tests/fuzz/shim.h' | sort)
cd "$top"
# shellcheck disable=SC2086 # a list of file names without blanks
silent "checkpatch --strict" perl "$source/scripts/checkpatch.pl" --strict \
	--no-tree --quiet --no-summary --terse -f $sources
# The benchmark, the samples and the tests have no kernel-doc for readers.
silent "kernel-doc" "$source/scripts/kernel-doc" -none -Wall ./*.[ch]

if [ "$failed" -gt 0 ]; then
	say "static checks FAILED: $failed"
	exit 1
fi
say "static checks passed"
