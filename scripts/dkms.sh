#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Has DKMS build and install wsheap from this checkout ("dkms-install"), or takes it out
# again ("dkms-remove"). It is built for the running kernel, or that of KERNEL_DIR=, and
# for those that had it before. DKMS builds it for others when they boot.

. "$(dirname "$0")/common.sh"

need dkms:dkms
if [ -d /usr/share/doc/wsheap-dkms ]; then
	die "the package wsheap-dkms is installed: it and this exclude each other"
fi

# remove_versions [BUT]: what DKMS has of wsheap, but for one version.
remove_versions() {
	local tree version
	for tree in /var/lib/dkms/wsheap/*/; do
		version=$(basename "$tree")
		if [ ! -L "${tree}source" ] || [ "$version" = "${1:-}" ]; then
			continue
		fi
		[ -e "${tree}source/dkms.conf" ] ||
			die "DKMS has wsheap $version, but its source in /usr/src/wsheap-$version is gone: put it back, or remove $tree by hand"
		as_root dkms remove "wsheap/$version" --all
		as_root rm -rf "/usr/src/wsheap-$version"
	done
}

case ${1:-} in
dkms-install)
	release=$(release_of "${KERNEL_DIR:-/lib/modules/$(uname -r)/build}")
	[ -n "$release" ] ||
		die "no kernel to build for: install linux-headers-$(uname -r), or set KERNEL_DIR="
	for module in "/lib/modules/$release"/{updates,extra}/wsheap.ko*; do
		[ ! -e "$module" ] || dkms status wsheap -k "$release" | grep -q ': installed' ||
			die "wsheap is installed as $module: \"make modules_uninstall\" takes it out"
	done
	version=$(own_version)
	releases=$(dkms status wsheap |
		sed -n 's/^wsheap[^,]*, \([^,]*\), .*: installed.*/\1/p' | sort -u)
	as_root make -s -C "$top" dkms-source
	for release in "$release" $(grep -v -x -F "$release" <<<"$releases"); do
		say "building wsheap $version for $release by DKMS (half a minute)"
		[ ! -d "/var/lib/dkms/wsheap/$version/$release" ] ||
			as_root dkms unbuild "wsheap/$version" -k "$release"
		as_root dkms install "wsheap/$version" -k "$release" ||
			die "it was not built for $release; see /var/lib/dkms/wsheap/$version/build/make.log. \"make dkms-remove\" takes all of it out"
	done
	remove_versions "$version"
	say "\"modprobe wsheap\" loads it; drivers find its header in /usr/src/wsheap"
	;;
dkms-remove)
	[ -d /var/lib/dkms/wsheap ] || die "DKMS has no wsheap here"
	remove_versions
	# "make modules_install" may have left symbols of other kernels.
	ls -d /usr/src/wsheap/*/ >/dev/null 2>&1 || as_root rm -rf /usr/src/wsheap
	;;
*)
	die "usage: $0 dkms-install | dkms-remove"
	;;
esac
