#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The documentation as HTML, by Sphinx and the kernel's own kernel-doc.

. "$(dirname "$0")/common.sh"

need sphinx-build:python3-sphinx perl:perl
series=6.12
get_source
out=$cache/html
KERNEL_SRC=$source sphinx-build -q -W --keep-going "$top/Documentation" "$out" ||
	die "Sphinx had something to say; see above"
say "the documentation is in $out/index.html"
