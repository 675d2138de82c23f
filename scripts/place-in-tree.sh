#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Places wsheap into a kernel tree, as lib/wsheap/, with its Kconfig entry.
# Can be run again after a change here; "-r" takes it out of the tree again.
#
# usage: scripts/place-in-tree.sh [-r] KERNEL_TREE
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
remove=
if [ "${1-}" = -r ]; then
	remove=yes
	shift
fi
tree=${1-}
if [ ! -f "$tree/lib/Kconfig" ] || [ ! -f "$tree/lib/Makefile" ]; then
	echo "usage: $0 [-r] KERNEL_TREE (the top of a kernel's sources)" >&2
	exit 2
fi

if [ -n "$remove" ]; then
	sed -i '/lib\/wsheap\/Kconfig/d' "$tree/lib/Kconfig"
	sed -i '/CONFIG_WSHEAP/d' "$tree/lib/Makefile"
	rm -rf "$tree/lib/wsheap"
	exit 0
fi

# Only what changed, so that make builds only what changed.
(cd "$here" && ls Kbuild Kconfig ./*.[ch] tests/kunit.h tests/*_kunit.c tests/wsheap_mistakes.c \
	samples/httpd/http.[ch] samples/httpd/http_kunit.c \
	bench/Kbuild bench/*.c bench/traces/*.trace) | grep -v '\.mod\.c$' |
while read -r file; do
	mkdir -p "$tree/lib/wsheap/$(dirname "$file")"
	cmp -s "$here/$file" "$tree/lib/wsheap/$file" ||
		cp "$here/$file" "$tree/lib/wsheap/$file"
done
grep -q 'lib/wsheap/Kconfig' "$tree/lib/Kconfig" ||
	echo 'source "lib/wsheap/Kconfig"' >> "$tree/lib/Kconfig"
# shellcheck disable=SC2016 # Make expands it.
grep -q 'CONFIG_WSHEAP' "$tree/lib/Makefile" ||
	echo 'obj-$(CONFIG_WSHEAP) += wsheap/' >> "$tree/lib/Makefile"
