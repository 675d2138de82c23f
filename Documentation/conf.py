# SPDX-License-Identifier: GPL-2.0
# For "make doc". The extensions that read kernel-doc comments and that link functions
# in running text are the kernel's.
import functools
import os
import sys

from docutils import nodes
from sphinx.util import logging

kernel = os.environ["KERNEL_SRC"]
sys.path.insert(0, os.path.join(kernel, "Documentation", "sphinx"))

import automarkup  # noqa: E402 (it is in the path above)

project = "wsheap"
extensions = ["kerneldoc", "automarkup"]
root_doc = "index"
primary_domain = "c"
highlight_language = "none"
pygments_style = "default"
pygments_dark_style = "github-dark"
html_theme = "furo"
html_title = "wsheap"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

# What the extension reads, and from where.
kerneldoc_bin = os.path.join(kernel, "scripts", "kernel-doc")
kerneldoc_srctree = os.path.abspath("..")
kerneldoc_verbosity = 1

# Attributes that the C domain does not know.
c_id_attributes = ["__printf", "__always_inline", "__user"]

# Sphinx cannot tell a structure from a function of the same name, so the reference has
# such structures in a namespace. The extension looks there only on the page that has
# the namespace, and for functions, too. Here, structures are looked for there on every
# page, and functions never.
STRUCTURES = "structures"
automarkup.get_c_namespace = lambda app, page: STRUCTURES
link_function = automarkup.markup_func_ref_sphinx3


def link_function_alone(page, app, match):
    automarkup.c_namespace = ""
    try:
        return link_function(page, app, match)
    finally:
        automarkup.c_namespace = STRUCTURES


automarkup.markup_func_ref_sphinx3 = link_function_alone


# Links between pages are written as "debugging.rst#modes", which sites that host code
# understand.

@functools.lru_cache(maxsize=None)
def anchors(env, page):
    return {anchor for node in env.get_doctree(page).findall(nodes.Element)
            for anchor in node.get("ids", ())}


def link_pages(app, doctree, page):
    log = logging.getLogger(__name__)
    for node in list(doctree.findall(nodes.reference)):
        uri = node.get("refuri", "")
        if not uri or ":" in uri or node.get("internal"):
            continue
        path, _, anchor = uri.partition("#")
        to = os.path.splitext(path)[0] if path else page
        if path and not (path.endswith(".rst") and to in app.env.found_docs):
            if not os.path.exists(os.path.join(app.srcdir, path)):
                log.warning("link to a missing file: %s", path, location=node)
            # A file of the repository has no place in HTML.
            node.replace_self(nodes.literal("", node.astext()))
            continue
        if anchor and anchor not in anchors(app.env, to):
            log.warning("link to a missing anchor: %s", uri, location=node)
        node["refuri"] = app.builder.get_relative_uri(page, to) + uri[len(path):]
        node["internal"] = True


def setup(app):
    app.connect("doctree-resolved", link_pages)
