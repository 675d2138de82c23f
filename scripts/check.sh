#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Static checks: W=1 and sparse against Debian's 6.1 and 6.12 headers (or
# KERNEL_DIR's), an installed wsheap and a driver that is built with it, the tests
# of the tools, and the kernel tree's own checkpatch and kernel-doc. Then shellcheck,
# the spelling, and what the documents say: by check-docs.py, and as HTML. All are to
# be silent.

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
		for part in samples/hello samples/guide samples/httpd tests bench; do
			make -s -C "$headers" M="$build/$part" W=1 C=2 WSHEAP="$build" \
				KBUILD_EXTRA_SYMBOLS="$build/Module.symvers" \
				modules || return 1
		done
	} 2>&1 | { grep -v 'Skipping BTF generation' || true; }
	[ "${PIPESTATUS[0]}" = 0 ]
}

# An installed wsheap has its version, and a driver elsewhere builds with what lies
# beside it. Debian's headers have no key and no System.map, which the kernel's
# modules_install says.
install_elsewhere() {
	local build=$cache/check-$release to=$cache/check-$release.to version
	rm -rf "$to"
	make -s -C "$build" KERNEL_DIR="$headers" INSTALL_MOD_PATH="$to" \
		modules_install > "$build.log" 2>&1 ||
		{ cat "$build.log"; return 1; }
	find "$to/lib/modules/$release" -name 'wsheap.ko*' | grep . >/dev/null ||
		echo "no wsheap.ko below $to"
	version=$(tr '\0' '\n' < "$build/wsheap.ko" | sed -n 's/^version=//p')
	[ -n "$version" ] || echo "wsheap.ko has no version"
	mkdir "$to/driver"
	cp "$build"/samples/hello/*.c "$to/driver"
	cat > "$to/driver/Kbuild" <<-END
		obj-m := hello.o hello_parser.o
		ccflags-y := -I$to/usr/src/wsheap
		KBUILD_EXTRA_SYMBOLS := $to/usr/src/wsheap/\$(KERNELRELEASE)/Module.symvers
	END
	make -s -C "$headers" M="$to/driver" modules 2>&1 |
		{ grep -v 'Skipping BTF generation' || true; }
	[ "${PIPESTATUS[0]}" = 0 ]
}

# What is said of the tools, by their own tests.
test_tools() {
	local log=$cache/test-tools.log promtool
	promtool=$("$top/scripts/promtool.sh" 2>"$log") || { cat "$log"; return 1; }
	PROMTOOL=$promtool $python "$top/scripts/test_tools.py" > "$log" 2>&1 ||
		{ cat "$log"; return 1; }
}

# Pages that are no longer made would hide links to them.
build_pages() {
	rm -rf "$cache/html"
	"$top/scripts/doc.sh" > "$cache/doc.log" 2>&1 || { cat "$cache/doc.log"; return 1; }
}

# Links between pages, and to what they show. Anchors are left to check-docs.py:
# linkchecker parses a page again for each, which takes minutes. As root it goes on as
# nobody, who may not read $cache.
check_pages() {
	local pages status=0
	pages=$(mktemp -d)
	cp -r "$cache/html" "$pages"
	chmod -R a+rX "$pages"
	linkchecker --no-robots --no-status "file://$pages/html/index.html" \
		> "$cache/links.log" 2>&1 || status=1
	rm -rf "$pages"
	[ "$status" = 0 ] || cat "$cache/links.log"
	return "$status"
}

say "static checks (three minutes; longer the first time)"
need /usr/bin/python3:python3 sparse:sparse make:make gcc:gcc perl:perl \
	rst2html:python3-docutils codespell:codespell shellcheck:shellcheck \
	linkchecker:linkchecker git:git
# The one that docutils is installed for.
python=/usr/bin/python3

if [ -n "${KERNEL_DIR:-}" ]; then
	get_headers
	silent "W=1 and sparse, $release" build_strictly
	silent "modules_install, and a driver elsewhere, $release" install_elsewhere
else
	for series in 6.1 6.12; do
		get_headers
		silent "W=1 and sparse, $release" build_strictly
		silent "modules_install, and a driver elsewhere, $release" install_elsewhere
	done
fi

series=6.12
get_source
# The shim of the fuzzer defines the kernel's own macros anew. A trace header has a
# layout of its own.
sources=$(cd "$top" && find . -name '*.[ch]' ! -name '*.mod.c' \
	! -path './tests/fuzz/shim.h' ! -name trace.h | sort)
cd "$top"
# shellcheck disable=SC2086 # a list of file names without blanks
silent "checkpatch --strict" perl "$source/scripts/checkpatch.pl" --strict \
	--no-tree --quiet --no-summary --terse -f $sources
silent "wsheap-top, wsheap-advise and check-docs.py" test_tools
# The benchmark, the samples and the tests have no kernel-doc for readers.
silent "kernel-doc" "$source/scripts/kernel-doc" -none -Wall ./*.[ch]
silent "shellcheck" shellcheck -x -P SCRIPTDIR .ci/run scripts/*.sh scripts/dkms-symbols \
	samples/hello/debian/hello-dkms.postinst
# shellcheck disable=SC2046 # names without blanks
silent "spelling" codespell $(git ls-files)
silent "what the documents say" $python scripts/check-docs.py
silent "the pages" build_pages
[ ! -e "$cache/html/index.html" ] || silent "the links of the pages" check_pages

if [ "$failed" -gt 0 ]; then
	say "static checks FAILED: $failed"
	exit 1
fi
say "static checks passed"
