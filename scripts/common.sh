# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts beside it: what they share of finding, fetching,
# building and booting. All that is fetched or built lies under $cache, and
# appears there complete or not at all.
# shellcheck shell=bash disable=SC2034 # What is set here is for who sources it.

set -eu -o pipefail

# Where Debian has modinfo, dkms and mke2fs, which is in root's PATH alone.
PATH=$PATH:/usr/sbin:/sbin

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/wsheap
series=${KERNEL:-6.12}
jobs=$(nproc)
say() { printf '==> %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

case $cache$top in
*[[:space:]]*) die "the build of the kernel takes no path with blanks: $top, $cache" ;;
esac
mkdir -p "$cache"

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root for: $*; run it as root, or install sudo"
	fi
}

have_apt() { command -v apt-get >/dev/null; }

# Once in a run, when something is not found: the lists may be old or absent.
apt_updated=
apt_update() {
	[ -z "$apt_updated" ] || return 0
	apt_updated=yes
	say "updating the package lists"
	as_root apt-get -qq update || say "some lists could not be updated; going on with what is there"
}

# need PROGRAM:PACKAGE ...  A "PROGRAM" with a slash is a file that must exist.
need() {
	local pair program missing=() packages=()
	for pair in "$@"; do
		program=${pair%%:*}
		case $program in
		*/*) [ -e "$program" ] && continue ;;
		*) command -v "$program" >/dev/null && continue ;;
		esac
		missing+=("${program##*/}")
		packages+=("${pair#*:}")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	have_apt || die "missing: ${missing[*]}. Only apt is known here: install these by hand, and run this again"
	say "installing ${packages[*]}"
	install_packages "${packages[@]}" ||
		die "could not install ${packages[*]}; apt's own message is above"
	for pair in "$@"; do
		program=${pair%%:*}
		case $program in
		*/*) [ -e "$program" ] ;;
		*) command -v "$program" >/dev/null ;;
		esac || die "${pair#*:} is installed, but has no $program"
	done
}

install_packages() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
		--no-install-recommends "$@" >"$cache/apt.log" 2>&1 && return 0
	apt_update
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
		--no-install-recommends "$@" >"$cache/apt.log" 2>&1 && return 0
	tail -n 5 "$cache/apt.log" >&2
	return 1
}

# fetch_package DIRECTORY PACKAGE ...: unpacks the first that apt knows.
fetch_package() {
	local to=$1 package try deb
	shift
	have_apt || die "no apt to fetch $1 with"
	for try in first again; do
		for package in "$@"; do
			rm -rf "$cache/fetch.$$"
			mkdir -p "$cache/fetch.$$"
			# apt's own user may not write here, which it warns of
			(cd "$cache/fetch.$$" && apt-get -qq download "$package") \
				>>"$cache/apt.log" 2>&1 || continue
			deb=$(ls "$cache/fetch.$$"/*.deb)
			mkdir -p "$to"
			dpkg-deb -x "$deb" "$to"
			rm -rf "$cache/fetch.$$"
			return 0
		done
		rm -rf "$cache/fetch.$$"
		[ "$try" = again ] || apt_update
	done
	die "apt has none of: $*"
}

# The newest release that Debian has of a series such as 6.12.
find_release() {
	local try package
	for try in first again; do
		for package in "linux-image-$series-amd64" linux-image-amd64; do
			release=$(apt-cache depends "$package" 2>/dev/null |
				sed -n "s/^ *Depends: linux-image-\($series\..*\)/\1/p" |
				head -n 1) || true
			[ -z "$release" ] || return 0
		done
		[ "$try" = again ] || apt_update
	done
	die "Debian has no kernel $series here; choose another with KERNEL=, or give KERNEL_DIR= and KERNEL_IMAGE="
}

# The version of wsheap. A make that calls this may print directories.
own_version() { make -s --no-print-directory -C "$top" version; }

# release_of DIRECTORY: of a kernel that is prepared there, as its modules say it.
release_of() {
	sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' "$1/include/generated/utsrelease.h" 2>/dev/null ||
		true
}

# Sets release and headers: from KERNEL_DIR, or Debian's for $series.
get_headers() {
	if [ -n "${KERNEL_DIR:-}" ]; then
		headers=$(realpath "$KERNEL_DIR")
		release=$(release_of "$headers")
		[ -n "$release" ] ||
			die "KERNEL_DIR=$headers holds no prepared kernel (no include/generated/utsrelease.h)"
		need make:make gcc:gcc
		return
	fi
	have_apt || die "set KERNEL_DIR= to a kernel's build directory: there is no apt to install headers with"
	find_release
	headers=/usr/src/linux-headers-$release
	need make:make gcc:gcc "$headers/Makefile:linux-headers-$release"
}

# Sets image, a directory with vmlinuz and e1000.ko of $release.
get_image() {
	local new=$cache/image.$$
	image=$cache/image-$release
	[ -z "${KERNEL_IMAGE:-}" ] || image=$cache/image-given
	[ -z "${KERNEL_IMAGE:-}" ] && [ -e "$image/vmlinuz" ] && return
	rm -rf "$new"
	mkdir -p "$new"
	if [ -n "${KERNEL_IMAGE:-}" ]; then
		[ -f "$KERNEL_IMAGE" ] || die "no file KERNEL_IMAGE=$KERNEL_IMAGE"
		cp "$KERNEL_IMAGE" "$new/vmlinuz"
		take_e1000 "/lib/modules/$release" "$new"
		rm -rf "$image"
	else
		say "fetching the stock kernel $release (about 100 MB, once)"
		fetch_package "$new/all" "linux-image-$release" \
			"linux-image-$release-unsigned"
		cp "$new/all/boot/vmlinuz-$release" "$new/vmlinuz"
		take_e1000 "$new/all" "$new"
		rm -rf "$new/all"
	fi
	mv "$new" "$image"
}

# take_e1000 FROM TO: the driver of the guest's network, uncompressed.
take_e1000() {
	[ ! -d "$1" ] || find "$1" -name 'e1000.ko*' -exec cp {} "$2/" \;
	if [ -e "$2/e1000.ko.xz" ]; then
		need xz:xz-utils
		xz -d "$2/e1000.ko.xz"
	fi
}

# Sets busybox, a static one. Debian's two packages of it exclude each other,
# so it is not installed.
get_busybox() {
	busybox=$cache/busybox/bin/busybox
	[ -x "$busybox" ] && return
	if ! have_apt; then
		busybox=$(command -v busybox) || die "missing: busybox (static)"
		return
	fi
	local new=$cache/busybox.$$
	rm -rf "$new"
	fetch_package "$new" busybox-static
	mv "$new" "$cache/busybox"
}

# Sets source, a kernel tree to build in: KERNEL_SRC, or Debian's.
get_source() {
	if [ -n "${KERNEL_SRC:-}" ]; then
		source=$KERNEL_SRC
		[ -f "$source/Kbuild" ] || die "KERNEL_SRC=$source is no kernel tree"
		return
	fi
	source=$cache/linux-source-$series
	[ -d "$source" ] && return
	say "fetching the kernel source $series (about 150 MB, once; half a minute)"
	need xz:xz-utils
	local new=$cache/source.$$
	rm -rf "$new"
	fetch_package "$new" "linux-source-$series"
	tar -C "$new" -xf "$new/usr/src/linux-source-$series.tar.xz"
	mv "$new/linux-source-$series" "$source"
	rm -rf "$new"
}

# Sets source and kunit: a tree for UML and other kernels that run KUnit, with
# wsheap in it. It is of the series that their configurations were tried with.
get_uml_source() {
	local series=6.12
	get_source
	kunit=$source/tools/testing/kunit/kunit.py
	"$top/scripts/place-in-tree.sh" "$source"
	[ -z "${KERNEL_SRC:-}" ] ||
		say "wsheap is now in $source/lib/wsheap; \"scripts/place-in-tree.sh -r $source\" takes it out"
}

# Sets source, kunit, uml, where the kernel for all cases is built, and uml_options for
# that.
prepare_uml() {
	get_uml_source
	uml=$cache/uml-$(basename "$source")
	uml_options=(--kunitconfig="$top/.kunitconfig"
		--kconfig_add CONFIG_DEBUG_KERNEL=y
		--kconfig_add CONFIG_PROVE_LOCKING=y
		--kconfig_add CONFIG_KASAN=y --kconfig_add CONFIG_KASAN_VMALLOC=y)
	# From 6.10 on memory is accounted by call site.
	if grep -q 'config MEM_ALLOC_PROFILING$' "$source/lib/Kconfig.debug"; then
		uml_options+=(--kconfig_add CONFIG_MEM_ALLOC_PROFILING=y
			--kconfig_add CONFIG_MEM_ALLOC_PROFILING_ENABLED_BY_DEFAULT=y
			--kconfig_add CONFIG_MEM_ALLOC_PROFILING_DEBUG=y)
	fi
}

# copy_sources DIRECTORY: what modules are built from, and nothing built. Only
# what changed, so that make builds only what changed.
copy_sources() {
	local to=$1 part
	(cd "$top" && find Kbuild Makefile ./*.[ch] samples tests bench -type f \
		! -name '*.mod.c' \( -name '*.[ch]' -o -name '*.trace' \
			-o -name Kbuild -o -name Makefile \)) |
	while read -r part; do
		mkdir -p "$to/$(dirname "$part")"
		cmp -s "$top/$part" "$to/$part" || cp "$top/$part" "$to/$part"
	done
}

# Builds the module and what uses it, in a copy: the checkout stays as it is,
# and kernels do not mix. Sets modules, where they all lie.
build_modules() {
	local build=$cache/build-$release part
	modules=$build/modules
	say "building the modules for $release"
	mkdir -p "$modules"
	copy_sources "$build"
	make -s -C "$build" KERNEL_DIR="$headers" modules
	for part in samples/hello samples/guide samples/httpd tests bench; do
		# What wsheap exports may have changed, which make does not see there.
		rm -f "$build/$part/Module.symvers"
		make -s -C "$build/$part" KERNEL_DIR="$headers" modules
	done
	cp "$build"/*.ko "$build"/samples/*/*.ko "$build"/tests/*.ko \
		"$build"/bench/*.ko "$modules/"
}

# Sets accel. KVM only where it is asked for and starts a kernel.
choose_accel() {
	accel=tcg,thread=multi
	[ "${ACCEL:-tcg}" = kvm ] || return 0
	say "trying whether KVM works here"
	if timeout 20 qemu-system-x86_64 -accel kvm -m 256 -nographic \
		-no-reboot -nic none -kernel "$image/vmlinuz" \
		-append "console=ttyS0 panic=-1" </dev/null 2>/dev/null |
		grep -q 'Unable to mount root fs'; then
		accel=kvm
	else
		say "KVM starts no kernel here; going on without it"
	fi
}

# All that a guest needs: sets release, headers, image, busybox, modules, accel.
prepare_guest() {
	get_headers
	get_image
	get_busybox
	build_modules
	choose_accel
}

# make_initrd FILE INIT MODULE ...: busybox, the modules and an init script.
make_initrd() {
	local file=$1 init=$2 root=$cache/initrd.$$
	shift 2
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,proc,sys,modules}
	cp "$busybox" "$root/bin/busybox"
	cp "$@" "$root/modules/"
	{
		echo '#!/bin/busybox sh'
		echo '/bin/busybox --install -s /bin'
		echo 'export PATH=/bin'
		echo 'mount -t proc proc /proc; mount -t sysfs sys /sys'
		echo 'mount -t devtmpfs dev /dev'
		cat "$init"
		echo 'poweroff -f'
	} > "$root/init"
	chmod +x "$root/init"
	(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) > "$file"
	rm -rf "$root"
}

# What a script may set before guest_command, besides accel.
guest_smp=2,sockets=2
guest_args=
# Without these, a guest goes on after a warning or an oops.
guest_panic='panic_on_warn=1 oops=panic'

# guest_command INITRD [QEMU OPTION ...]: sets guest_command, which runs until
# the guest powers off, with its console on standard input and output.
guest_command() {
	local initrd=$1
	shift
	guest_command=(timeout "${GUEST_TIMEOUT:-300}" qemu-system-x86_64
		-accel "$accel" -cpu max -smp "$guest_smp" -m 512 -display none
		-monitor none -serial stdio -no-reboot
		-kernel "$image/vmlinuz" -initrd "$initrd" -append
		"console=ttyS0 quiet loglevel=7 panic=-1 $guest_panic $guest_args"
		"$@")
}

# log_is_clean [LOG]: shows what a kernel complained of, if it did.
log_is_clean() {
	! grep -a -n -E \
		'BUG|WARNING|Oops|Call Trace|Kernel panic|oom-killer|Out of memory|never destroyed|[Ll]eak|Unexpected gfp|Fix(ing up| your code)' "${1:--}"
}

# What the scripts that test have counted. Their last line has the sum.
passed=0
failed=0
skipped=0

# count OUTPUT: adds what kunit.py counted.
count() {
	local line
	line=$(grep -a 'Testing complete' "$1" | tail -n 1) || true
	add() { sed -n "s/.*$1: \([0-9]*\).*/\1/p" <<<"$line"; }
	[ -n "$line" ] || { failed=$((failed + 1)); say "no result from kunit.py"; }
	passed=$((passed + $(add passed) + 0))
	failed=$((failed + $(add failed) + $(add crashed) + $(add errors) + 0))
	skipped=$((skipped + $(add skipped) + 0))
}

check() {
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
		echo "    ok: $1"
	else
		failed=$((failed + 1))
		echo "    FAILED: $1: expected $2, got $3"
	fi
}

# run_kunit BUILD WHAT COMMAND [ARGUMENT ...]: the suite, by a command of
# kunit.py, with the kernel in BUILD.
run_kunit() {
	local build=$1 what=$2
	shift 2
	say "KUnit, $what"
	# The log of an earlier run must not be taken for that of this one.
	rm -f "$build/test.log"
	if (cd "$source" && python3 "$kunit" "$@" --build_dir="$build" 'wsheap*') \
		> "$build.log" 2>&1; then
		# One run shows all cases; the others only what is wrong.
		[ "$1" = exec ] ||
			grep -a -E '\[(PASSED|SKIPPED|FAILED)\]' "$build.log"
	else
		cat "$build.log"
		say "the failures in that"
		grep -a -E '\[(FAILED|CRASHED|ERROR|NO TESTS RUN)\]' "$build.log" || true
	fi
	grep -a 'Testing complete' "$build.log" || true
	count "$build.log"
	[ -e "$build/test.log" ] || die "the kernel was not built; see above"
	# A complaint of the kernel while the cases run is a failure, too.
	# The suite wsheap_debug provokes all reports, and looks at them itself.
	sed -n '/KTAP version/,$p' "$build/test.log" |
		sed '/# Subtest: wsheap_debug$/,/ok [0-9]* wsheap_debug$/d' > "$build/cases.log"
	check "clean kernel log" '' "$(log_is_clean "$build/cases.log" || true)"
	# The cases make mistakes of these kinds, many times. Each is to be reported
	# once, but for what a module leaves behind.
	local mistake said="$build/said.log"
	grep -a '^wsheap: ' "$build/cases.log" |
		grep -a -v -E '^wsheap: (what to do:|  )|module gone leaves ' > "$said" || true
	for mistake in 'heap wsheap of .*refused: a block must not have a zone flag' \
		'heap wsheap of .*wsheap_mark() called on a private heap' \
		'heap wsheap of .*wsheap_exit() called, but the heap' \
		'group .* destroyed while' \
		'given to pool .*, but is from pool' \
		'given to its pool a second time' \
		'pool .* destroyed while'; do
		check "reported once: $mistake" 1 "$(grep -a -c "$mistake" "$said" || true)"
		sed -i "/$mistake/d" "$said"
	done
	sed -i '/refused: a block must not have a zone flag/d' "$said"
	check "nothing else said" '' "$(cat "$said")"
}
