#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Builds the Debian packages, by dpkg-buildpackage in a copy, and has lintian look at
# them. VERSION= gives them another version than that of main.c, as for a test of
# upgrades.

. "$(dirname "$0")/common.sh"

need /usr/share/doc/build-essential:build-essential dpkg-buildpackage:dpkg-dev dh:debhelper dh_dkms:dh-dkms help2man:help2man \
	lintian:lintian git:git python3:python3

version=$(own_version)
changelog=$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version)
[ "$version" = "$changelog" ] ||
	die "main.c has the version $version, and debian/changelog $changelog: let them be the same"

# The packages appear together, when all of them are built and looked at.
out=${DEB_OUT:-$cache/deb}
new=$cache/deb.$$
trap 'rm -rf "$new"' EXIT
rm -rf "$new"

# What git does not know is no part of the source.
[ -z "$(cd "$top" && git ls-files --others --exclude-standard)" ] ||
	die "there are new files, which would not be in the packages: \"git add\" or remove them; git status lists them"

# build_package SOURCE NAME: builds the source package in a directory of the checkout.
build_package() {
	local to=$new/$2 log=$new/$2.log part
	mkdir -p "$to"
	(cd "$top/$1" && git ls-files -z) |
	while IFS= read -r -d '' part; do
		[ ! -f "$top/$1/$part" ] || (cd "$top/$1" && cp --parents -p "$part" "$to/")
	done
	if [ -n "${VERSION:-}" ]; then
		sed -i "1s/([^)]*)/($VERSION)/" "$to/debian/changelog"
		[ ! -e "$to/main.c" ] ||
			sed -i "s/^MODULE_VERSION(.*/MODULE_VERSION(\"$VERSION\");/" "$to/main.c"
	fi
	(cd "$to" && dpkg-buildpackage -us -uc) > "$log" 2>&1 ||
		{ cat "$log"; die "dpkg-buildpackage failed; its output is above"; }
	rm -rf "$to"
}

say "building the packages (half a minute)"
build_package . wsheap
build_package samples/hello hello-driver
say "lintian"
lintian --allow-root --fail-on error,warning "$new"/*.changes ||
	die "lintian found something; see above"
rm -f "$new"/*.log
[ ! -e "$out" ] || ls "$out"/*.changes >/dev/null 2>&1 ||
	die "$out is there, and has no packages that this could replace"
rm -rf "$out"
mv "$new" "$out"
say "the packages are in $out:"
(cd "$out" && ls ./*.deb)
