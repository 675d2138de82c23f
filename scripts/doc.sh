#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The documentation as HTML, by Sphinx and the kernel's own kernel-doc.

. "$(dirname "$0")/common.sh"

need sphinx-build:python3-sphinx perl:perl \
	/usr/lib/python3/dist-packages/furo/__init__.py:furo
series=6.12
get_source
out=$cache/html
say "building the pages (some seconds)"
# All pages each time (-E): a page that has not changed may have a link that is wrong now.
KERNEL_SRC=$source sphinx-build -q -E -W --keep-going "$top/Documentation" "$out" ||
	die "Sphinx had something to say; see above"
say "the documentation is in $out/index.html"
