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

mkdir -p "$tree/lib/wsheap/bench/traces"
# Only what changed, so that make builds only what changed.
for file in Kbuild Kconfig wsheap.c wsheap.h wsheap_compat.h wsheap_pool.c \
	wsheap_private.c wsheap_kunit.c wsheap_private_kunit.c bench/Kbuild bench/wsheap_bench.c \
	bench/traces/soap.trace bench/traces/json.trace \
	bench/traces/x509.trace; do
	cmp -s "$here/$file" "$tree/lib/wsheap/$file" ||
		cp "$here/$file" "$tree/lib/wsheap/$file"
done
grep -q 'lib/wsheap/Kconfig' "$tree/lib/Kconfig" ||
	echo 'source "lib/wsheap/Kconfig"' >> "$tree/lib/Kconfig"
grep -q 'CONFIG_WSHEAP' "$tree/lib/Makefile" ||
	echo 'obj-$(CONFIG_WSHEAP) += wsheap/' >> "$tree/lib/Makefile"
