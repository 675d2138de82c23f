# SPDX-License-Identifier: GPL-2.0
# For "make doc". The extension that reads kernel-doc comments is the kernel's.
import os
import sys

kernel = os.environ["KERNEL_SRC"]
sys.path.insert(0, os.path.join(kernel, "Documentation", "sphinx"))

project = "wsheap"
extensions = ["kerneldoc"]
root_doc = "index"
primary_domain = "c"
highlight_language = "none"
html_theme = "alabaster"
html_show_sphinx = False
html_show_copyright = False

# What the extension reads, and from where.
kerneldoc_bin = os.path.join(kernel, "scripts", "kernel-doc")
kerneldoc_srctree = os.path.abspath("..")
kerneldoc_verbosity = 1

# Attributes that the C domain does not know.
c_id_attributes = ["__printf", "__always_inline", "__user"]
