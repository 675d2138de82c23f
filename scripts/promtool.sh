#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Prints the path of a promtool, Prometheus' checker of metrics. If none is
# installed, it is taken out of Debian's package, which is not installed itself:
# that would start a server.
#
#	PROMTOOL=$(scripts/promtool.sh) python3 scripts/test_tools.py

. "$(dirname "$0")/common.sh"

# Only the path goes to standard output.
exec 3>&1 >&2

if promtool=$(command -v promtool); then
	echo "$promtool" >&3
	exit
fi
promtool=$cache/promtool/usr/bin/promtool
if [ ! -x "$promtool" ]; then
	say "fetching promtool (about 20 MB, once)"
	new=$cache/promtool.$$
	trap 'rm -rf "$new"' EXIT
	fetch_package "$new/all" prometheus
	[ -x "$new/all/usr/bin/promtool" ] ||
		die "the package prometheus has no usr/bin/promtool"
	mkdir -p "$new/part/usr/bin"
	cp "$new/all/usr/bin/promtool" "$new/part/usr/bin/"
	# Another run may have been faster.
	mv -T "$new/part" "$cache/promtool" 2>/dev/null || [ -x "$promtool" ]
fi
echo "$promtool" >&3
