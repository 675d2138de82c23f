#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Has DKMS build and install wsheap from this checkout ("dkms-install"), or takes it out
# again ("dkms-remove"). KERNEL_DIR= builds for another kernel than the running one;
# for new kernels DKMS builds it by itself.

. "$(dirname "$0")/common.sh"

command -v dkms >/dev/null ||
	die "DKMS is not installed here: install your distribution's package dkms and the headers of your kernel"
if [ -d /usr/share/doc/wsheap-dkms ]; then
	die "the package wsheap-dkms is installed: it and this exclude each other"
fi

# Each version that DKMS knows, and where it has its source.
remove_all() {
	local source version
	for source in /var/lib/dkms/wsheap/*/source; do
		[ -e "$source" ] || continue
		version=$(basename "$(dirname "$source")")
		as_root dkms remove "wsheap/$version" --all
		as_root rm -rf "/usr/src/wsheap-$version"
	done
	as_root rm -rf /usr/src/wsheap
}

case ${1:-} in
dkms-install)
	release=$(cat "${KERNEL_DIR:-/lib/modules/$(uname -r)/build}/include/config/kernel.release") ||
		die "no kernel to build for: install linux-headers-$(uname -r), or set KERNEL_DIR="
	found=$(modinfo -k "$release" -n wsheap 2>/dev/null || true)
	case $found in
	''|*/dkms/*) ;;
	*) die "wsheap is installed as $found, by \"make modules_install\" or by the kernel: remove that first" ;;
	esac
	remove_all
	as_root make -s -C "$top" dkms-source
	version=$(make -s -C "$top" version)
	say "building wsheap $version for $release by DKMS (half a minute)"
	as_root dkms install "wsheap/$version" -k "$release"
	say "\"modprobe wsheap\" loads it; drivers find its header in /usr/src/wsheap"
	;;
dkms-remove)
	[ -d /var/lib/dkms/wsheap ] || die "DKMS has no wsheap here"
	remove_all
	;;
*)
	die "usage: $0 dkms-install | dkms-remove"
	;;
esac
