#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Installs the packages in a fresh Debian root with the headers of two kernels, boots the
# stock kernel with that root in QEMU, upgrades the packages to a higher version, boots
# again and removes them. The last line has the sum.
#
# SECURE_BOOT=1 also boots it with Secure Boot, by firmware, shim and GRUB, and enrolls the
# key by which DKMS signs, as the guide says (4 minutes more).
#
# The root is a directory. It has processes and mounts of its own, so nothing is left
# on this machine but files in the cache.

. "$(dirname "$0")/common.sh"

say "wsheap packages: install, boot, upgrade and remove them in a fresh Debian (about 8 minutes on a bare machine, 6 when run again)"
have_apt || die "this test needs apt, which Debian has"
[ "$(id -u)" = 0 ] || die "this test makes a Debian root, which needs root: run it with sudo"
need debootstrap:debootstrap mke2fs:e2fsprogs unshare:util-linux \
	qemu-system-x86_64:qemu-system-x86

releases=
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
for series in 6.1 6.12; do
	find_release
	releases="$releases $release"
done
# The one to boot is the newest, as the boot loader would choose.
booted=$release
# A kernel that comes when the packages are there. It shares most of its headers.
new_kernel=${booted/-amd64/-cloud-amd64}
log=$cache/package-test.log
: > "$log"

root=$cache/root.$$
disk=$cache/disk.$$
qemu=
cleanup() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
	rm -rf --one-file-system "$root" "$disk" "$disk".* "$cache/base.$$"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# in_root ROOT COMMAND: by the shell, as on a machine that runs a kernel which is not
# installed, unless pretend() has said another one.
in_root() {
	unshare --mount --pid --fork --mount-proc="$1/proc" chroot "$1" /usr/bin/env -i \
		PATH=/tmp/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
		DEBIAN_FRONTEND=noninteractive sh -c "$2"
}

# pretend RELEASE: from here on, the root says that it runs that kernel.
pretend() {
	mkdir -p "$root/tmp/bin"
	printf '#!/bin/sh\n[ "$*" != -r ] || { echo %s; exit; }\nexec /usr/bin/uname "$@"\n' \
		"$1" > "$root/tmp/bin/uname"
	chmod +x "$root/tmp/bin/uname"
}

# run WHAT COMMAND: a step in the root that has to succeed.
run() {
	echo "----- $1: $2" >> "$log"
	in_root "$root" "$2" >> "$log" 2>&1 || {
		tail -n 30 "$log" >&2
		die "the step \"$1\" failed; the end of $log is above"
	}
}

# The root of a machine that has both kernels' headers and DKMS. It is kept, because
# nothing of it is under test.
base=$cache/root-$codename-${releases// /-}
if [ ! -d "$base" ]; then
	say "making a Debian root with debootstrap (3 minutes, once)"
	# shellcheck disable=SC2016 # these are for apt
	unshare --mount debootstrap --variant=minbase "$codename" "$cache/base.$$" "$(
		apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
			'Origin: Debian' "Codename: $codename" | head -n 1)" >> "$log" 2>&1 ||
		{ tail -n 20 "$log" >&2; die "debootstrap failed; the end of $log is above"; }
	for origin in Debian 'Debian Backports'; do
		# shellcheck disable=SC2016
		apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
			'Created-By: Packages' "Origin: $origin"
	done > "$cache/base.$$/etc/apt/sources.list"
	cp -L /etc/resolv.conf "$cache/base.$$/etc/"
	cp -r /etc/apt/apt.conf.d "$cache/base.$$/etc/apt/"
	# shellcheck disable=SC2086 # each release by itself
	in_root "$cache/base.$$" "set -e
		apt-get -qq update
		apt-get -qq install -y --no-install-recommends initramfs-tools \
			linux-image-$booted
		apt-get -qq install -y --no-install-recommends dkms openssl mokutil python3 \
			$(printf 'linux-headers-%s ' $releases)
		apt-get clean" >> "$log" 2>&1 ||
		{ tail -n 20 "$log" >&2; die "the root is not complete; the end of $log is above"; }
	mv "$cache/base.$$" "$base"
fi

say "copying the root"
rm -rf "$root"
mkdir "$root"
cp -a "$base/." "$root/"

# files: what is in the root, but for what any installation changes, and for the key that
# DKMS makes.
files() {
	(cd "$root" && find . -xdev \( -path ./proc -o -path ./dev -o -path ./tmp \
		-o -path ./var/log -o -path ./var/cache -o -path ./var/lib/dpkg \
		-o -path ./var/lib/apt -o -name __pycache__ -o -path './var/lib/dkms/mok.*' \
		-o -path ./checkout -o -path ./root \) -prune -o -print) | sort
}
# What depmod makes is not of the packages.
for release in $releases; do
	run "depmod" "depmod $release"
done
files > "$cache/package-test.before"

version=$(own_version)
higher=$version.1
"$top/scripts/deb.sh"
mkdir "$root/tmp/deb"
cp "$cache"/deb/*.deb "$root/tmp/deb/"
VERSION=$higher DEB_OUT=$cache/deb-higher "$top/scripts/deb.sh"
mkdir "$root/tmp/higher"
cp "$cache"/deb-higher/wsheap-*.deb "$root/tmp/higher/"

# is_built NAME VERSION RELEASE: as DKMS says, and as modprobe would find it.
is_built() {
	check "DKMS has $1 $2 installed for $3" "$1/$2, $3, x86_64: installed" \
		"$(in_root "$root" "dkms status $1/$2 -k $3" 2>> "$log" | head -n 1)"
	check "modprobe finds $1 of $3" "/lib/modules/$3/updates/dkms" \
		"$(dirname "$(in_root "$root" "modinfo -k $3 -n $1" 2>&1)")"
}

# has_symbols VERSION RELEASE: of the build that is installed.
has_symbols() {
	check "the symbols of $1 for $2 are where drivers look" yes "$(
		[ "$(readlink "$root/usr/src/wsheap/$2")" = \
			"/var/lib/dkms/wsheap/$1/$2/x86_64/module" ] &&
		in_root "$root" "grep -q '__wsheap_create.*WSHEAP' /usr/src/wsheap/$2/Module.symvers" &&
		echo yes)"
	check "hello for $2 has their versions" yes "$(in_root "$root" "
		modprobe --dump-modversions \$(modinfo -k $2 -n hello) | grep __wsheap_ |
		while read crc name; do
			grep -q \"^\$crc	\$name	\" /usr/src/wsheap/$2/Module.symvers || exit 1
		done && echo yes")"
}

say "installing the packages: DKMS builds for$releases (2 minutes)"
run "install" "apt-get -qq install -y --no-install-recommends /tmp/deb/*.deb"
for release in $releases; do
	is_built wsheap "$version" "$release"
	is_built hello 1.0 "$release"
	has_symbols "$version" "$release"
done
check "the header is where drivers look" yes \
	"$(cmp "$top/wsheap.h" "$root/usr/src/wsheap/wsheap.h" && echo yes)"
check "the tools have man pages" 2 \
	"$(find "$root/usr/share/man/man1/" -name 'wsheap-*.1.gz' | wc -l)"

say "a new kernel comes, $new_kernel: DKMS builds for it (a minute)"
run "new kernel" "apt-get -qq update &&
	apt-get -qq install -y --no-install-recommends linux-headers-$new_kernel"
is_built wsheap "$version" "$new_kernel"
is_built hello 1.0 "$new_kernel"
has_symbols "$version" "$new_kernel"

say "an initramfs with hello_parser, as a storage driver would be in it (a minute)"
run "initramfs" "cp -r /etc/initramfs-tools /tmp/initramfs &&
	echo hello_parser >> /tmp/initramfs/modules &&
	mkinitramfs -d /tmp/initramfs -o /tmp/initrd $booted"
check "it has wsheap, too" 1 \
	"$(in_root "$root" "lsinitramfs /tmp/initrd" | grep -c '/wsheap\.ko' || true)"

# What the guest runs in place of an init system. The kernel's own log is part of what
# is looked at.
cat > "$root/package-test" <<'END'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc 2>/dev/null
mount -t sysfs sys /sys 2>/dev/null
mount -t debugfs debug /sys/kernel/debug
mount -t securityfs security /sys/kernel/security
try() { echo "guest: \$ $*"; "$@" 2>&1 | sed 's/^/guest: /'; }
# The initramfs may have loaded it.
try grep -c '^hello_parser ' /proc/modules
rmmod hello_parser wsheap 2>/dev/null
try modprobe hello
try grep -c '^wsheap .* hello,' /proc/modules
try cat /sys/module/wsheap/version
try wsheap-top -o
try wsheap-advise --watch 1 --count 1
try modprobe -r hello
try grep -c wsheap /proc/modules
try modinfo -F signer wsheap
xzcat "$(modinfo -n wsheap)" > /tmp/unsigned.ko
strip -g /tmp/unsigned.ko
# What a kernel does that was booted with Secure Boot: some do the one, some the other.
echo integrity > /sys/kernel/security/lockdown
try modprobe wsheap
echo 1 > /sys/module/module/parameters/sig_enforce
try modprobe --first-time wsheap
try insmod /tmp/unsigned.ko
echo 'guest: the end'
echo o > /proc/sysrq-trigger
sleep 60
END
chmod +x "$root/package-test"

# boot WHAT: the stock kernel with the root. Sets guest, its console.
boot() {
	guest=$cache/package-test-$1.log
	rm -f "$disk"
	mke2fs -q -t ext4 -d "$root" "$disk" \
		"$(($(du -sm "$root" | cut -f 1) * 5 / 4 + 200))M" >> "$log" 2>&1
	timeout 400 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
		-display none -monitor none -serial stdio -no-reboot -nic none \
		-drive "file=$disk,format=raw,if=ide" \
		-kernel "$root/boot/vmlinuz-$booted" -initrd "$root/tmp/initrd" -append \
		"root=/dev/sda rw console=ttyS0 quiet loglevel=7 panic=-1 init=/package-test" \
		< /dev/null 2>&1 | tr -d '\r' > "$guest" || true
	rm -f "$disk"
	grep -q 'guest: the end' "$guest" || {
		tail -n 40 "$guest" >&2
		die "the guest did not come to its end; its console is above"
	}
}

# said COMMAND: what the guest printed for it.
said() {
	awk -v "asked=guest: \$ $1" '$0 == asked { on = 1; next }
		/^guest: (\$|the end)/ { on = 0 }
		on && sub(/^guest: /, "")' "$guest"
}

kernel_log() { grep '^\[' "$guest"; }
logged() { kernel_log | grep -c "$1"; }

say "booting $booted with that root (a minute)"
boot first
check "the initramfs has loaded hello_parser, and wsheap with it" 1 \
	"$(said "grep -c ^hello_parser  /proc/modules")"
check "modprobe hello says nothing" '' "$(said 'modprobe hello')"
check "it has brought wsheap along" 1 "$(said 'grep -c ^wsheap .* hello, /proc/modules')"
check "wsheap is the version installed" "$version" "$(said 'cat /sys/module/wsheap/version')"
check "hello has allocated and counted" yes \
	"$(grep -q 'hello: 12 bytes asked for, 512 held' "$guest" && echo yes)"
check "wsheap-top shows its class" yes \
	"$(said 'wsheap-top -o' | grep -q ' hello  *hello$' && echo yes)"
check "modprobe -r takes both out" 0 "$(said 'grep -c wsheap /proc/modules')"
check "DKMS has signed it" "DKMS module signing key" "$(said 'modinfo -F signer wsheap')"
check "a kernel that is locked down refuses it, since it does not know the key" \
	"modprobe: ERROR: could not insert 'wsheap': Operation not permitted" \
	"$(said 'modprobe wsheap')"
check "so does one that enforces signatures" \
	"modprobe: ERROR: could not insert 'wsheap': Key was rejected by service" \
	"$(said 'modprobe --first-time wsheap')"
check "and it refuses a module without a signature" \
	"insmod: ERROR: could not insert module /tmp/unsigned.ko: Key was rejected by service" \
	"$(said 'insmod /tmp/unsigned.ko')"
check "the kernel says why" "1 1 1" \
	"$(logged 'Lockdown: modprobe: unsigned module loading is restricted') $(
	logged 'Loading of module with unavailable key is rejected') $(
	logged 'Loading of unsigned module is rejected')"
check "a clean kernel log" '' "$(kernel_log | log_is_clean || true)"

# Keys, as a terminal has them.
down=$'\e[B'
enter=$'\r'

# await TEXT: until the guest's console has it, from where the last one was.
await() {
	local i
	for i in $(seq 600); do
		tail -c "+$((seen + 1))" "$guest" > "$guest.rest"
		if i=$(grep -a -b -o -m 1 -- "$1" "$guest.rest"); then
			seen=$((seen + ${i%%:*} + ${#1}))
			return
		fi
		kill -0 "$qemu" 2>/dev/null || break
		sleep 0.5
	done
	tail -c 2000 "$guest" >&2
	die "the guest did not say \"$1\"; its console is above"
}

# press KEY ...: with time for the firmware to draw.
press() {
	local key
	for key in "$@"; do
		printf '%s' "$key" >&3
		sleep 2
	done
}

# A machine with Secure Boot, from its firmware on. It boots twice: when the kernel does not
# know the key, and when somebody at the console has enrolled it.
secure_boot() {
	local files=$cache/secure-boot firmware=$cache/secure-boot/usr/share/OVMF part
	need mcopy:mtools mkfs.vfat:dosfstools
	if [ ! -d "$files" ]; then
		rm -rf "$files.$$"
		for part in ovmf shim-signed shim-helpers-amd64-signed grub-efi-amd64-signed; do
			fetch_package "$files.$$" "$part"
		done
		mv "$files.$$" "$files"
	fi
	cat > "$root/secure-boot" <<-'END'
		#!/bin/sh
		export PATH=/usr/sbin:/usr/bin:/sbin:/bin
		mount -t proc proc /proc 2>/dev/null
		mount -t sysfs sys /sys 2>/dev/null
		mount -t efivarfs efivarfs /sys/firmware/efi/efivars
		try() { echo "guest: \$ $*"; "$@" 2>&1 | sed 's/^/guest: /'; }
		try mokutil --sb-state
		try mokutil --test-key /var/lib/dkms/mok.pub
		try modprobe hello
		try grep -c '^wsheap ' /proc/modules
		grep -q '^wsheap ' /proc/modules || {
			mokutil --generate-hash=secret > /tmp/hash
			mokutil --import /var/lib/dkms/mok.pub --hash-file /tmp/hash
		}
		echo 'guest: the end'
		sync
		echo b > /proc/sysrq-trigger
		sleep 60
	END
	chmod +x "$root/secure-boot"
	rm -f "$disk" "$disk.esp"
	mke2fs -q -t ext4 -d "$root" "$disk" \
		"$(($(du -sm "$root" | cut -f 1) * 5 / 4 + 200))M" >> "$log" 2>&1
	rm "$root/secure-boot"
	truncate -s 200M "$disk.esp"
	mkfs.vfat -F 32 "$disk.esp" >> "$log"
	mmd -i "$disk.esp" ::EFI ::EFI/BOOT ::EFI/debian
	mcopy -i "$disk.esp" "$files/usr/lib/shim/shimx64.efi.signed" ::EFI/BOOT/BOOTX64.EFI
	mcopy -i "$disk.esp" "$files/usr/lib/shim/mmx64.efi.signed" ::EFI/BOOT/mmx64.efi
	mcopy -i "$disk.esp" "$files/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" \
		::EFI/BOOT/grubx64.efi
	mcopy -i "$disk.esp" "$root/boot/vmlinuz-$booted" ::vmlinuz
	mcopy -i "$disk.esp" "$root/boot/initrd.img-$booted" ::initrd
	mcopy -i "$disk.esp" - ::EFI/debian/grub.cfg <<-'END'
		set timeout=0
		search --set=root --file /vmlinuz
		linux /vmlinuz root=/dev/sdb rw console=ttyS0 quiet loglevel=7 panic=-1 init=/secure-boot
		initrd /initrd
		boot
	END
	cp "$firmware/OVMF_VARS_4M.ms.fd" "$disk.vars"
	guest=$cache/package-test-secure.log
	seen=0
	mkfifo "$disk.keys"
	exec 3<> "$disk.keys"
	timeout 900 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 \
		-machine q35,smm=on -global driver=cfi.pflash01,property=secure,value=on \
		-display none -monitor none -serial stdio -nic none \
		-drive "if=pflash,format=raw,unit=0,readonly=on,file=$firmware/OVMF_CODE_4M.secboot.fd" \
		-drive "if=pflash,format=raw,unit=1,file=$disk.vars" \
		-drive "file=$disk.esp,format=raw,if=none,id=esp" -device ide-hd,drive=esp,bus=ide.0 \
		-drive "file=$disk,format=raw,if=none,id=root" -device ide-hd,drive=root,bus=ide.1 \
		<&3 > "$guest" 2>&1 &
	qemu=$!
	await 'guest: the end'
	sed 's/\r//' "$guest" > "$guest.first"
	await 'Press any key to perform MOK management'
	press ' '
	press "$down" "$enter"		# Enroll MOK
	press "$down" "$enter"		# Continue
	press "$down" "$enter"		# Yes
	press "secret$enter" "$enter"	# the password, and Reboot
	await 'guest: the end'
	kill "$qemu" 2>/dev/null || true
	wait "$qemu" 2>/dev/null || true
	qemu=
	exec 3>&-
	tr -d '\r' < "$guest" | sed '1,/^guest: the end/d' > "$guest.second"
	rm -f "$disk" "$disk".* "$guest.rest"

	guest=$cache/package-test-secure.log.first
	check "Secure Boot is on" "SecureBoot enabled" "$(said 'mokutil --sb-state')"
	check "the key is not known" "/var/lib/dkms/mok.pub is not enrolled" \
		"$(said 'mokutil --test-key /var/lib/dkms/mok.pub')"
	check "the kernel refuses the modules" \
		"modprobe: ERROR: could not insert 'hello': Key was rejected by service" \
		"$(said 'modprobe hello')"
	check "it says why" 1 "$(logged 'Loading of module with unavailable key is rejected')"
	guest=$cache/package-test-secure.log.second
	check "after the enrollment the key is known" "/var/lib/dkms/mok.pub is already enrolled" \
		"$(said 'mokutil --test-key /var/lib/dkms/mok.pub')"
	check "the kernel takes the modules" 1 "$(said 'grep -c ^wsheap  /proc/modules')"
	check "and says nothing of their signatures" 0 "$(logged 'module verification failed')"
}

if [ -n "${SECURE_BOOT:-}" ]; then
	say "booting with Secure Boot, and enrolling the key of DKMS (4 minutes)"
	secure_boot
fi

say "upgrading wsheap to $higher (a minute)"
# As on a machine that runs the oldest kernel: DKMS builds an upgrade for that and for the
# newest one. Others are built when they boot.
running=${releases%" $booted"}
running=${running# }
pretend "$running"
run "upgrade" "dpkg -i /tmp/higher/wsheap-*.deb"
newest=$(in_root "$root" "dkms status wsheap/$higher" 2>> "$log" |
	sed -n 's/^wsheap[^,]*, \([^,]*\), .*: installed.*/\1/p' | grep -v -x -F "$running") || true
case $newest in
"$booted") later=$new_kernel ;;
"$new_kernel") later=$booted ;;
*) later= ;;
esac
check "DKMS has built it for the kernel that runs and the newest, and not for the third" yes \
	"${later:+yes}"
rm "$root/tmp/bin/uname"
for release in "$running" "$newest"; do
	is_built wsheap "$higher" "$release"
	is_built hello 1.0 "$release"
	has_symbols "$higher" "$release"
done
check "hello was built again, after it" yes "$(
	[ "$root/var/lib/dkms/hello/1.0/$running/x86_64/module" -nt \
		"$root/var/lib/dkms/wsheap/$higher/$running/x86_64/module" ] && echo yes)"
check "nothing is left of $version" '' \
	"$(cd "$root" && ls -d usr/src/wsheap-"$version" var/lib/dkms/wsheap/"$version" 2>/dev/null)"
run "what its boot does" "/usr/lib/dkms/dkms_autoinstaller start $later"
is_built wsheap "$higher" "$later"
is_built hello 1.0 "$later"
has_symbols "$higher" "$later"
check "no build has complained" 0 "$(grep -c 'bad exit status' "$log" || true)"
boot second
check "modprobe hello says nothing" '' "$(said 'modprobe hello')"
check "wsheap is the higher version" "$higher" "$(said 'cat /sys/module/wsheap/version')"
check "a clean kernel log" '' "$(kernel_log | log_is_clean || true)"

say "removing the packages"
rm "$root/package-test"
run "the new kernel goes" "apt-get -qq purge -y '*-$new_kernel' && apt-get -qq autoremove --purge -y"
run "remove" "apt-get -qq remove -y hello-dkms wsheap-dkms wsheap-tools"
check "no module is left" '' "$(find "$root/lib/modules/" -name 'wsheap.ko*' -o -name 'hello*.ko*')"
run "purge" "dpkg --purge hello-dkms wsheap-dkms wsheap-tools"
files > "$cache/package-test.after"
check "nothing is left" '' \
	"$(comm -13 "$cache/package-test.before" "$cache/package-test.after")"

say "the same from a checkout, by make dkms-install and by make modules_install (2 minutes)"
mkdir -p "$root/checkout"
copy_sources "$root/checkout"
(cd "$top" && cp --parents -r scripts dkms.conf "$root/checkout/")
pretend "$booted"
run "dkms-install" "make -C /checkout dkms-install"
is_built wsheap "$version" "$booted"
check "modules_install is refused meanwhile" "error: DKMS has installed wsheap" \
	"$(in_root "$root" "make -s -C /checkout modules_install" 2>&1 | sed -n 's/: remove it first.*//p')"
run "dkms-install, again" "make -C /checkout dkms-install"
is_built wsheap "$version" "$booted"
run "dkms-remove" "make -C /checkout dkms-remove"
files > "$cache/package-test.after"
check "nothing is left of dkms-install" '' \
	"$(comm -13 "$cache/package-test.before" "$cache/package-test.after")"
run "make" "make -C /checkout"
run "modules_install" "make -C /checkout modules_install"
check "the symbols are where drivers look" yes \
	"$([ -e "$root/usr/src/wsheap/$booted/Module.symvers" ] && echo yes)"
check "dkms-install is refused meanwhile" 1 "$(
	in_root "$root" "make -s -C /checkout dkms-install" 2>&1 |
		grep -c 'make modules_uninstall' || true)"
# Fedora's DKMS installs to extra, and what it finds there is its own.
run "a link for a module of DKMS" "mkdir -p /tmp/own /lib/modules/$booted/extra &&
	touch /tmp/own/Module.symvers && rm /lib/modules/$booted/updates/wsheap.ko* &&
	echo a > /tmp/own/wsheap.ko && cp /tmp/own/wsheap.ko /lib/modules/$booted/extra/ &&
	/checkout/scripts/dkms-symbols link /tmp/own $booted &&
	test -L /usr/src/wsheap/$booted && /checkout/scripts/dkms-symbols unlink $booted"
check "none for another one" 1 "$(in_root "$root" "echo b > /tmp/own/wsheap.ko
	/checkout/scripts/dkms-symbols link /tmp/own $booted > /dev/null; echo \$?")"
run "modules_uninstall" "make -C /checkout modules_uninstall &&
	rmdir --ignore-fail-on-non-empty /lib/modules/$booted/extra /lib/modules/$booted/updates"
files > "$cache/package-test.after"
check "nothing is left of modules_install" '' \
	"$(comm -13 "$cache/package-test.before" "$cache/package-test.after")"

say "what every step printed is in $log, the guests' consoles beside it"
# The last line is for programs to read.
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
