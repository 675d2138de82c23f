#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks what the documents say of the repository.

    scripts/check-docs.py [TREE]

Prints "file:line: what is wrong" for each finding, and nothing else: links, paths,
commands, calls, examples, lines of the log and versions. Exits with 1 if there is any.
"""

import collections
import functools
import io
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from urllib.parse import unquote, urlsplit

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives
from docutils.parsers.rst.directives.body import CodeBlock

# Sphinx's own directives, and where they are welcome. Sites that host code show none.
SPHINX = {"reference.rst": ("kernel-doc", "c:function", "c:namespace"),
          "index.rst": ("toctree",)}
# What looks like a file of the repository, and is not, with the reason.
ELSEWHERE = {
    "Documentation/fault-injection/fault-injection.rst": "of the kernel's tree",
    "scripts/checkpatch.pl": "of the kernel's tree",
    "scripts/faddr2line": "of the kernel's tree",
    "scripts/kernel-doc": "of the kernel's tree",
    "scripts/sign-file": "of the kernel's tree",
    "kunit.py": "of the kernel's tree",
    "driver.c": "of an example",
}
# What begins with these is of the kernel's tree, too, or a variable of it or of DKMS.
KERNEL = re.compile(r"(arch|block|drivers|fs|include|init|kernel|lib|linux|mm|net|tools)/"
                    r"|CONFIG_|KBUILD_|KCFLAGS|BUILD_DEPENDS")
FILE = re.compile(r".+\.(c|h|sh|py|rst|md|svg|json|txt)")
CALL = re.compile(r"(?<!\w)((?:__)?(?:devm_)?wsheap_\w+)\(")
DOCUMENTED = re.compile(r"^ \* (\w+)(?:\(\))? - ", re.M)
STRING = r'"(?:[^"\\\n]|\\.)*"'
CONVERSION = r"%[-+ #0]*(?:\*|\d+)?(?:\.(?:\*|\d+))?(?:hh?|ll?|z|t|j)?(?:p[A-Z]\w?|[a-z%])"

Block = collections.namedtuple("Block", "line language text")


def line_at(text, at):
    return text.count("\n", 0, at) + 1


class Code(CodeBlock):
    """Says where its lines are in the file: docutils itself has blanks for tabs."""

    def run(self):
        made = super().run()
        made[0].line = self.content_offset + 1
        made[0]["lines"] = len(self.content)
        return made


class Foreign(Directive):
    """A directive of Sphinx, which is noted where it is welcome."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec = collections.defaultdict(lambda: directives.unchanged, any=str)

    def run(self):
        settings = self.state.document.settings
        if self.name not in SPHINX.get(settings.page, ()):
            raise self.error(f'Unknown directive type "{self.name}".')
        settings.foreign.append((self.name, "".join(self.arguments), self.options))
        node = nodes.container()
        if self.name == "c:function":
            self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


class Doc:
    """A document: its links, literals and blocks with their lines, and its anchors."""

    def __init__(self, tree, name):
        self.tree, self.name = tree, name
        self.text = tree.read(name)
        self.lines = self.text.split("\n")
        self.links, self.literals, self.blocks = [], [], []
        self.anchors, self.foreign = set(), []
        self.doctree = nodes.container()
        (self.read_rst if name.endswith(".rst") else self.read_md)()

    def line_of(self, node, text):
        """Most nodes know only where their paragraph begins."""
        while not node.line and node.parent:
            node = node.parent
        line, first = node.line or 1, (text.split() or [""])[0]
        return next((i + 1 for i in range(max(line - 2, 0), len(self.lines))
                     if first in self.lines[i]), line)

    def read_rst(self):
        said = io.StringIO()
        self.doctree = publish_doctree(
            self.text, str(self.tree.top / self.name), settings_overrides={
                "report_level": 2, "halt_level": 5, "warning_stream": said,
                "syntax_highlight": "none", "_disable_config": True,
                "page": os.path.basename(self.name), "foreign": self.foreign})
        for where, line, what in re.findall(r"^(.+?):(\d*): \(\w+/\d\) (.*)",
                                            said.getvalue(), re.M):
            self.tree.find(os.path.relpath(where, self.tree.top), int(line or 1), what)
        for node in list(self.doctree.findall(nodes.comment)):
            node.parent.remove(node)
        for node in self.doctree.findall(nodes.Element):
            self.anchors.update(node.get("ids", ()))
            uri, text, lines = node.get("refuri") or node.get("uri"), node.astext(), None
            if uri:
                self.links.append((self.line_of(node, uri), uri))
            if isinstance(node, nodes.literal):
                self.literals.append((self.line_of(node, text), text))
            if isinstance(node, nodes.literal_block):
                if "lines" in node:
                    lines = self.lines[node.line - 1:node.line - 1 + node["lines"]]
                self.blocks.append(Block(
                    node.line if lines else self.line_of(node, text),
                    "".join(node["classes"][1:2]),
                    textwrap.dedent("\n".join(lines)) if lines else text))

    def read_md(self):
        """The standard library has no parser of these. What they use is not much."""
        text = self.text

        def take(pattern):
            """What matches, and is blank from then on."""
            nonlocal text
            whole = text
            text = re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, 0, re.M | re.S)
            return [(line_at(whole, m.start()), m)
                    for m in re.finditer(pattern, whole, re.M | re.S)]

        for line, m in take(r"^ *(```+|~~~+)([^\n`]*)\n(.*?)^ *\1[ \t]*$"):
            self.blocks.append(Block(line + 1, "".join(m[2].split()[:1]), textwrap.dedent(m[3])))
        for line, m in take(r"(?<=\n\n)(?:(?: {4}|\t)[^\n]*\n|\n(?= {4}|\t))+"):
            self.blocks.append(Block(line, "", textwrap.dedent(m[0])))
        seen = collections.Counter()
        for m in re.finditer(r"^#{1,6} +(.*?)(?: +#+)?$|^(\w.*)\n(?:=+|-+)$", text, re.M):
            title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", m[1] or m[2]).strip().lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            self.anchors.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        self.anchors.update(re.findall(r'<\w+[^>]* (?:id|name)="([^"]+)"', text))
        self.literals = [(line, m[2]) for line, m in take(r"(`+)((?:(?!\n\n|`).)+)\1")]
        self.links = [(line, "".join(filter(None, m.groups()))) for line, m in take(
            r"\]\(\s*<?([^)\s>]+)|^\[[^\]\n]+\]:\s*<?([^\s>]+)|<(https?:[^>]*)>"
            r'|(?<=\s)(?:src|href|srcset)="([^"]*)"')]

    def section(self, title):
        return next((node for node in self.doctree.findall(nodes.section)
                     if node[0].astext() == title), None)

    def find(self, line, what):
        self.tree.find(self.name, line, what)


class Tree:
    """The repository: its files, its sources, and what was found."""

    def __init__(self, top):
        self.top = Path(top).resolve()
        self.findings = set()
        git = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=self.top,
                             capture_output=True, text=True, check=False)
        names = git.stdout.splitlines() if git.returncode == 0 else [
            str(path.relative_to(self.top)) for path in self.top.rglob("*")]
        self.files = {name for name in names if (self.top / name).is_file()}
        self.roots = {name.split("/")[0] for name in self.files}
        self.sources = {name: self.read(name) for name in self.files
                        if re.fullmatch(r"\w+(?<!kunit)\.[ch]", name)}
        # Without comments, and with the same lines.
        self.c = {name: re.sub(rf"({STRING})|/\*.*?\*/|//[^\n]*", lambda m: m[1] or
                               "\n" * m[0].count("\n"), text, flags=re.S)
                  for name, text in self.sources.items()}
        self.all_c = "\n".join(self.c.values())
        self.scripts = "\n".join(map(self.read, (name for name in self.files if re.match(
            r"Makefile$|scripts/|\.ci/", name))))
        self.docs = {name: Doc(self, name) for name in sorted(self.files)
                     if re.fullmatch(r".*\.md|Documentation/.*\.rst", name)}

    def read(self, name):
        path = self.top / name
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def find(self, name, line, what):
        self.findings.add((name, line, what))

    @functools.lru_cache(maxsize=None)
    def options(self, tool):
        said = subprocess.run([self.top / "scripts" / tool, "--help"], text=True,
                              capture_output=True, check=False).stdout
        return set(re.findall(r"(?<![\w-])(--?[a-z][\w-]*)", said))

    def builds(self, name):
        """Whether the Kbuild beside it makes that object or module."""
        path = Path(name)
        return re.search(rf"\b{path.stem}\.o\b", self.read(path.parent / "Kbuild"))


def check_link(doc, line, uri):
    """Of addresses elsewhere only the syntax: a check needs no network."""
    url = urlsplit(uri)
    path = unquote(url.path)
    name = os.path.normpath(os.path.join(os.path.dirname(doc.name), path)) if path else doc.name
    if url.scheme or url.netloc:
        if not (url.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+(:\d+)?", url.netloc)
                or url.scheme == "mailto" and "@" in path):
            doc.find(line, f"no valid address: {uri}")
    elif re.match(r"/|\.\.(/|$)", name) or not (doc.tree.top / name).exists():
        doc.find(line, f"link to a missing file: {uri}")
    elif url.fragment and (name not in doc.tree.docs or
                           url.fragment not in doc.tree.docs[name].anchors):
        doc.find(line, f"link to a missing anchor: {uri}")


def check_path(doc, line, word, in_block):
    """What looks like a file of the repository is one."""
    tree = doc.tree
    word = re.sub(r":\d+$", "", word.strip("()[],;:'\"").rstrip(".").removeprefix("./"))
    if word in ELSEWHERE or not re.fullmatch(r"(?!\.\.)[\w.+-][\w./+-]*", word):
        return
    if "/" in word and word.split("/")[0] in tree.roots:
        bad = not (tree.top / word).exists() and not (
            re.search(r"\.k?o$", word) and tree.builds(word))
    else:
        # Files in the blocks of a session are the reader's.
        bad = not in_block and FILE.fullmatch(word) and not KERNEL.match(word) and not any(
            name == word or name.endswith("/" + word) for name in tree.files)
    if bad:
        doc.find(line, f"no file {word}")
    elif word.startswith("scripts/") and tree.read(word).startswith("#!") and not os.access(
            tree.top / word, os.X_OK):
        doc.find(line, f"{word} is not executable")


def check_variable(doc, line, name):
    # A dkms.conf is read by DKMS.
    if not KERNEL.match(name) and not re.search(
            rf"\$[({{]*{name}\b|\b{name} *\?=|environ.*\b{name}\b", doc.tree.scripts) and \
            not re.search(rf"^{name}\b", doc.tree.read("dkms.conf"), re.M):
        doc.find(line, f"nothing reads {name}=")


def check_make(doc, line, words):
    where = "".join(words[words.index("-C"):][1:2]) if "-C" in words else ""
    name = os.path.join(where, "Makefile")
    rules = re.findall(r"^([\w. -]+):(?!=)", doc.tree.read(name), re.M)
    for word in words if name in doc.tree.files else ():
        if word[0] in "#>&":
            break
        if re.match(r"[A-Z_]+=", word):
            check_variable(doc, line, word.split("=")[0])
        elif re.fullmatch(r"[a-z][\w.-]*", word) and word not in " ".join(rules).split():
            doc.find(line, f"no target {word} in {name}")


def check_command(doc, line, text):
    """The targets and variables of make, and the options of the tools."""
    tools = {name.split("/")[1] for name in doc.tree.files
             if re.fullmatch(r"scripts/wsheap-\w+", name)}
    for part in re.split(r"&&|\|\||[;|]", text):
        try:
            words = shlex.split(part)
        except ValueError:      # A quotation that goes on in the next part.
            words = part.split()
        while words and re.match(r"\$$|sudo$|nice$|[A-Z_]+=", words[0]):
            word = words.pop(0)
            if "=" in word and (not words or words[0] == "make"):
                check_variable(doc, line, word.split("=")[0])
        if words[:1] == ["make"]:
            check_make(doc, line, words[1:])
        known = [word.split("/")[-1] for word in words if word.split("/")[-1] in tools][:1]
        if not known and not text.startswith("--"):
            continue
        for option in re.findall(r"(?<!\S)--?[a-z][\w-]*", " ".join(
                word for word in words if " " not in word)):
            if not any(option in doc.tree.options(tool) for tool in known or tools):
                doc.find(line, f"no option {option} of {' or '.join(known or sorted(tools))}")


def check_uses(doc):
    """Links, paths, commands, and the names of the interface."""
    for line, uri in doc.links:
        check_link(doc, line, uri)
    blocks = [(block.line + i, text) for block in doc.blocks if block.language != "c"
              for i, text in enumerate(block.text.split("\n"))]
    for texts in (doc.literals, blocks):
        for line, text in texts:
            for word in text.split():
                check_path(doc, line, word, texts is blocks)
            check_command(doc, line, text)
    for line, text in enumerate(doc.lines, 1):
        for name in CALL.findall(text):
            if not re.search(rf"\b{name}\(", doc.tree.all_c):
                doc.find(line, f"no function {name}()")
        for name in re.findall(r"\b(?:struct|enum) wsheap_\w+|\bWSHEAP_[A-Z0-9_]+\b", text):
            if not re.search(rf"\b{name}", doc.tree.all_c):
                doc.find(line, f"no {name} in the sources")


def check_calls(tree):
    """Each public call is once in the cheat sheet, and in the reference."""
    header = tree.sources.get("wsheap.h", "")
    # What is __always_inline and has no kernel-doc is a part of other calls.
    public = {m[2] for m in re.finditer(
        r"^(?!\s)((?:__\w+\([^)]*\))?[^;{}()]*?)\b((?:devm_)?wsheap_\w+)\(",
        tree.c.get("wsheap.h", ""), re.M)
        if "__always_inline" not in m[1] or m[2] in DOCUMENTED.findall(header)}
    guide = tree.docs.get("Documentation/wsheap.rst")
    sheet = guide and guide.section("Cheat sheet")
    if not sheet:
        tree.find("Documentation/wsheap.rst", 1, 'no section "Cheat sheet"')
    counted = collections.Counter(name for row in (sheet.findall(nodes.row) if sheet else ())
                                  for name in CALL.findall(row[0].astext()))
    arguments = {m[1]: ", ".join(re.findall(r"^ \* @(\w+|\.\.\.):", m[2], re.M))
                 for text in tree.sources.values()
                 for m in re.finditer(r"/\*\*\n \* (\w+) - (.*?)\*/", text, re.S)}
    for row in sheet.findall(nodes.row) if sheet else ():
        for name in CALL.findall(row[0].astext()):
            if name in arguments and len(row) > 1 and \
                    " ".join(row[1].astext().split()) != arguments[name]:
                guide.find(guide.line_of(row, name),
                           f"the arguments of {name}() are {arguments[name]}")
    for name in public if sheet else ():
        if counted[name] != 1:
            guide.find(guide.line_of(sheet, "Cheat"),
                       f"{name}() is {counted[name]} times in the cheat sheet")
    reference = tree.docs.get("Documentation/reference.rst")
    if not reference:
        tree.find("Documentation/reference.rst", 1, "no such page")
    # What has no kernel-doc is described there by hand.
    shown = set(CALL.findall(reference.text) if reference else ()) - {
        name for text in tree.sources.values() for name in DOCUMENTED.findall(text)}
    for kind, argument, options in reference.foreign if reference else ():
        shown.update(re.findall(r"(\w+)\(", argument) if kind == "c:function" else
                     set(options.get("identifiers", "").split()) &
                     set(DOCUMENTED.findall(tree.sources.get(argument, ""))))
    for name in public - shown if reference else ():
        reference.find(1, f"{name}() is not in the reference")
    for file, text in tree.sources.items():
        for m in re.finditer(r"^EXPORT_SYMBOL\w*\((\w+)", text, re.M):
            # The kernel-doc of an inline call is for the exported part of it, too.
            if m[1] not in DOCUMENTED.findall(text) and \
                    m[1].lstrip("_") not in DOCUMENTED.findall(header):
                tree.find(file, line_at(text, m.start()), f"{m[1]} has no kernel-doc")


def check_examples(tree):
    """Each is a part of a sample that is built: so it compiles, and runs."""
    samples = [tree.read(name).split("\n") for name in tree.files if re.match(
        r"samples/.*(\.[ch]|/dkms\.conf)$", name) and (
            not name.endswith(".c") or tree.builds(name))]
    whole = set()
    for doc in tree.docs.values():
        for block in doc.blocks:
            # A dkms.conf has no other use than to be copied.
            if not re.fullmatch(r"Documentation/wsheap\.rst|.*\.md", doc.name) or not (
                    block.language == "c" or block.text.lstrip().startswith("PACKAGE_NAME=")):
                continue
            text = block.text.strip("\n")
            lines = text.split("\n")
            whole.add(text.strip())
            if not any(textwrap.dedent("\n".join(sample[i:i + len(lines)])) == text
                       for sample in samples for i, line in enumerate(sample)
                       if line.endswith(lines[0])):
                doc.find(block.line, "this example is in no sample that is built")
    hello = tree.read("samples/hello/hello.c")
    heads = (r"", r"//[^\n]*\n", r"(//[^\n]*\n)?\s*/\*.*?\*/")
    if hello and not whole & {re.sub(rf"\A{head}", "", hello, flags=re.S).strip()
                              for head in heads}:
        tree.find("samples/hello/hello.c", 1, "no example shows the whole of it")


def enclosing(text):
    """The function or macro that has the end of a text among its arguments."""
    depth = 0
    for i in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[i], 0)
        if depth < 0:
            return re.search(r"\w*$", text[:i])[0]
        if not depth and text[i] in ";{}":
            break
    return ""


def check_log(tree):
    """The fixed words of what the module says, wherever it puts them together."""
    title = "What the log says"
    found = [doc.section(title) for doc in tree.docs.values() if doc.section(title)]
    if not found:
        tree.find("Documentation/wsheap.rst", 1, f'no chapter "{title}"')
    chapter = " ".join(" ".join(section.astext() for section in found).split())
    for file, text in tree.c.items() if found else ():
        # One word is a name. Others are for debugfs, traces and modinfo.
        for m in re.finditer(rf"{STRING}(?:\s*{STRING})*", text):
            if " " not in m[0] or re.match("seq_|MODULE_|TP_", enclosing(text[:m.start()])):
                continue
            said = re.sub(r'"\s*"', "", m[0][1:-1]).replace("\\n", " ").replace('\\"', '"')
            for words in re.split(CONVERSION, said):
                words = " ".join(words.split()).strip("()\"':;, ")
                if len(re.findall(r"[A-Za-z]", words)) >= 8 and words not in chapter:
                    tree.find(file, line_at(text, m.start()), f'not in "{title}": {words}')


def check_version(tree):
    """MODULE_VERSION() is the one place. All others agree, where they are."""
    version = "".join(re.findall(r'^MODULE_VERSION\("(.*)"\);', tree.read("main.c"), re.M))
    if not version:
        tree.find("main.c", 1, "no MODULE_VERSION()")
    dkms, changelog = tree.read("dkms.conf"), tree.read("debian/changelog")
    if dkms and not re.search(r'^PACKAGE_VERSION="#MODULE_VERSION#"$', dkms, re.M):
        tree.find("dkms.conf", 1, "PACKAGE_VERSION is not #MODULE_VERSION#")
    newest = re.match(r"\S+ \((?:\d+:)?([^)-]+)", changelog)
    if changelog and (not newest or newest[1] != version):
        tree.find("debian/changelog", 1, f"the newest entry is not of {version}")
    for doc in tree.docs.values():
        for line, text in enumerate(doc.lines, 1):
            for other in re.findall(
                    r"(?:\bwsheap(?:-dkms)?[-_]|(?<![\w/])wsheap/)v?(\d+(?:\.\d+)+)", text):
                if other != version:
                    doc.find(line, f"version {other} is not {version}")


def main(arguments):
    for name in ("code", "code-block", "sourcecode"):
        directives.register_directive(name, Code)
    for name in sum(SPHINX.values(), ()):
        directives.register_directive(name, Foreign)
    tree = Tree(arguments[0] if arguments else Path(__file__).parent.parent)
    for doc in tree.docs.values():
        check_uses(doc)
    for check in (check_calls, check_examples, check_log, check_version):
        check(tree)
    for name, line, what in sorted(tree.findings):
        print(f"{name}:{line}: {what}")
    return 1 if tree.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
