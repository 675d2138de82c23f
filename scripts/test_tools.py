#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of wsheap-top, wsheap-advise and check-docs.py. They need no kernel module.

With the path of a promtool in the environment, metrics are checked by it, too:

    PROMTOOL=$(scripts/promtool.sh) python3 scripts/test_tools.py

The last line is for programs to read.
"""

import contextlib
import fcntl
import importlib.machinery
import io
import json
import math
import os
import pty
import random
import re
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import types
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "wsheap-top")
ADVISE = os.path.join(HERE, "wsheap-advise")
CHECK_DOCS = os.path.join(HERE, "check-docs.py")
PROMTOOL = os.environ.get("PROMTOOL")

# Loading a file without an extension would leave its bytecode beside it.
sys.dont_write_bytecode = True


def load(path):
    name = os.path.basename(path).replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = types.ModuleType(name)
    loader.exec_module(module)
    return module


top = load(TOP)
advise = load(ADVISE)
check_docs = load(CHECK_DOCS)

CLASSES = r"""# class module heaps messages asked in_use held retained largest most_held waste chunks debug_bytes no_quota no_group no_memory no_size no_sense
httpd httpd 12 120345 345678901 4321 98304 65536 60000 131072 1234567 2345 0 12 1 0 0 0
odd\040\134"name"\012\011x my_mod 1 0 0 0 0 0 0 0 0 0 4096 0 0 0 0 0
json json 3 1000 2000000 1 1048576 1024000 2097152 1048576 12345 2000 0 0 0 7 0 1
"""
ODD = 'odd \\"name"\n\tx'
HEAPS = """# heap class module kind asked held max_size trim_size messages group mode
0000000012345678 httpd httpd message 4321 65536 65536 8192 1000 server -
00000000deadbeef json json private 1 1048576 - - 9 - debug
0000000011111111 httpd httpd message 0 512 65536 8192 20 server guard
"""
POOLS = """# pool module heaps idle reserve reserved waits max_idle group
conn httpd 20 5 4 3 17 64 server
spare httpd 2 2 0 0 0 - -
"""
GROUPS = """# group parent size max_size users refused
server - 1048576 67108864 12 3
client server 1000 - 1 0
client server 5000 - 1 2
"""
FILES = {"classes": CLASSES, "heaps": HEAPS, "pools": POOLS, "groups": GROUPS}


def run(*command, **more):
    """Runs a command as a user would. No terminal, and no surprises of one."""
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False, errors="surrogateescape", **more)


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = directory.name
        self.files = os.path.join(self.dir, "files")
        os.mkdir(self.files)
        for name, text in FILES.items():
            self.write(os.path.join("files", name), text)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode) as file:
            file.write(text)
        return path

    def good(self, *command, **more):
        done = run(*command, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def bad(self, *command, says, **more):
        """An error is one line that begins with the program's name."""
        done = run(*command, **more)
        self.assertEqual(done.returncode, 2, done)
        self.assertNotIn("Traceback", done.stderr)
        last = done.stderr.strip().split("\n")[-1]
        self.assertRegex(last, "^" + os.path.basename(command[0]) + ": ")
        self.assertRegex(last, says)
        return done

    def top(self, *more):
        return self.good(TOP, "--from", self.files, *more)


def body(text):
    """The rows below the header of the table, as lists of words."""
    lines = text.rstrip("\n").split("\n")
    return [line.split() for line in lines[lines.index("") + 2:]]


class Parsing(Case):
    def test_escapes(self):
        rows = top.parse(CLASSES, "classes", "x")
        self.assertEqual(rows[1]["class"], ODD)
        self.assertEqual(rows[0]["held"], 98304)

    def test_columns_are_found_by_name(self):
        rows = top.parse("# new module held more class\n"
                         "7x httpd 512 - a\\040b\n", "classes", "x")
        self.assertEqual(rows, [{"new": "7x", "module": "httpd", "held": 512,
                                 "more": "-", "class": "a b"}])

    def test_unlimited(self):
        rows = top.parse(HEAPS, "heaps", "x")
        self.assertIsNone(rows[1]["max_size"])
        self.assertEqual(rows[0]["max_size"], 65536)

    def test_serial_line_ends(self):
        rows = top.parse(CLASSES.replace("\n", "\r\n"), "classes", "x")
        self.assertEqual(rows[2]["no_sense"], 1)

    def test_other_blanks_are_parts_of_names(self):
        rows = top.parse("# class held\na\u00a0b\u2028c 1\n", "classes", "x")
        self.assertEqual(rows[0]["class"], "a\u00a0b\u2028c")

    def test_both_tools_read_alike(self):
        for text, kind in ((CLASSES, "classes"), (HEAPS, "heaps")):
            ours = top.parse(text, kind, "x")
            theirs = advise.parse_table(text, "x")
            for row, other in zip(ours, theirs, strict=True):
                for name in ("class", "held", "messages", "max_size"):
                    self.assertEqual(row.get(name), other.get(name))

    def test_figures(self):
        for value, shown in ((0, "0"), (1023, "1023"), (1024, "1.0K"),
                             (10 * 1024, "10K"), (1048575, "1.0M"),
                             (5 << 40, "5.0T"), (None, "-")):
            self.assertEqual(top.as_size(value), shown)
        for value, shown in ((99999, "99999"), (123456, "123k"),
                             (1999999, "2.0M"), (999999, "1.0M")):
            self.assertEqual(top.as_count(value), shown)
        self.assertEqual(top.as_rate(0.25), "0.2")
        self.assertEqual(top.as_ratio(0.0194), "0.02")


class Batch(Case):
    def test_classes(self):
        text = self.top()
        self.assertIn("Held:     1.1M, of that retained 1.0M; in use 4.2K; "
                      "for debugging 4.0K more", text)
        self.assertIn("Heaps:    16 of 3 classes", text)
        self.assertIn("Messages: 121k, 332M asked, 0.04 chunks each", text)
        self.assertIn("Refused:  21 (quota 12, group 1, memory 7, argument 1)",
                      text)
        self.assertEqual(body(text)[0], "1.0M 1000K 3 1000 - 8 2.0M 1.0M 1 2.00 "
                         "12K 0 json json".split())
        self.assertIn('odd \\"name"??x', text)
        # All columns, though there is no terminal to say how wide.
        self.assertRegex(text, "CHUNK/M +WASTE DEBUG MODULE CLASS\n")

    def test_control_characters_do_not_come_through(self):
        self.write("files/classes", "# class held\n\x1b[31m\x07evil 1\n")
        text = self.top()
        self.assertNotIn("\x1b", text)
        self.assertIn("?[31m?evil", text)

    def test_heaps(self):
        rows = body(self.top("--what", "heaps"))
        self.assertEqual(rows[0], "1.0M 1 - - 9 - private debug "
                         "00000000deadbeef - json json".split())
        self.assertEqual(rows[1][:5], "64K 4.2K 64K 8.0K 1000".split())

    def test_pools(self):
        rows = body(self.top("-w", "pools"))
        self.assertEqual(rows[0], "20 12 5 17 3 4 64 server httpd conn".split())
        self.assertEqual(rows[1], "2 0 2 0 0 0 - - httpd spare".split())

    def test_groups(self):
        rows = body(self.top("-w", "groups"))
        self.assertEqual(rows[0], "1.0M 64M 2% 12 3 - server".split())
        self.assertEqual(rows[1], "4.9K - - 1 2 server client".split())

    def test_exact_bytes(self):
        self.assertEqual(body(self.top("-b"))[1][:3], "98304 65536 12".split())

    def test_rows(self):
        self.assertEqual(len(body(self.top("-n", "2"))), 2)

    def test_missing_columns(self):
        self.write("files/classes", "# class heaps\na 1\n")
        self.assertEqual(body(self.top())[0], "- - 1 - - 0 - - - - - - - a".split())

    def test_no_rows(self):
        self.write("files/classes", CLASSES.split("\n")[0] + "\n")
        self.assertIn("no driver has created a heap yet", self.top())

    def test_help(self):
        text = self.good(TOP, "--help")
        for word in ("--openmetrics", "sort keys", "CHUNK/M", "exit status"):
            self.assertIn(word, text)
        self.assertLessEqual(max(map(len, text.split("\n"))), 80)

    def test_a_reader_that_leaves(self):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            for words in ([TOP, "--from", self.files],
                          [TOP, "--from", self.files, "--openmetrics"],
                          [ADVISE, os.path.join(self.files, "classes")]):
                done = subprocess.run(words, stdout=gone, check=False,
                                      stderr=subprocess.PIPE, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, b""))


class Sorting(Case):
    def names(self, *more):
        return [row[-1] for row in body(self.top(*more))]

    def test_figures_downwards(self):
        self.assertEqual(self.names("-s", "m")[:2], ["httpd", "json"])
        self.assertEqual(self.names("-s", "l")[:2], ["json", "httpd"])
        self.assertEqual(self.names("-s", "h")[:2], ["json", "httpd"])

    def test_names_upwards(self):
        self.assertEqual(self.names("-s", "n")[:2], ["httpd", "json"])
        self.assertEqual(self.names("-s", "O"), self.names("-s", "o"))

    def test_no_limit_is_more_than_any(self):
        self.assertEqual(self.names("-w", "heaps", "-s", "l")[0], "json")

    def test_every_key_of_every_table(self):
        for kind, table in top.TABLES.items():
            keys = [column.key for column in table]
            self.assertEqual(len(keys), len(set(keys)), kind)
            for key in keys:
                self.assertEqual(len(self.names("-w", kind, "-s", key)),
                                 {"classes": 3, "heaps": 3, "pools": 2,
                                  "groups": 3}[kind])
            # On the screen these would not reach the table.
            self.assertNotIn("q", keys)

    def test_unknown_key(self):
        self.bad(TOP, "--from", self.files, "-s", "z", says=r"h \(HELD\)")


class Widths(Case):
    def lines(self, width, key="h"):
        rows = top.parse(CLASSES, "classes", "x")
        top.add_figures("classes", rows)
        return top.table_lines("classes", top.sort_rows("classes", rows, key),
                               key, width)

    def test_narrow(self):
        lines = self.lines(40)
        self.assertLessEqual(max(map(len, lines)), 40)
        self.assertTrue(lines[0].endswith(" CLASS"))
        self.assertIn("HELD", lines[0])
        self.assertNotIn("WASTE", lines[0])
        self.assertTrue(lines[1].endswith(" json"))

    def test_wide(self):
        for name in (column.header for column in top.TABLES["classes"]):
            self.assertIn(name, self.lines(200)[0])

    def test_what_is_sorted_by_is_always_there(self):
        lines = self.lines(40, "w")
        self.assertIn("WASTE", lines[0])
        self.assertLessEqual(max(map(len, lines)), 40)

    def test_no_width_at_all(self):
        for width in (1, 2, 12, 20):
            self.assertLessEqual(max(map(len, self.lines(width))), width)


class Rates(unittest.TestCase):
    def test_rates(self):
        counts = iter((100, 400, 50, 50))
        source = types.SimpleNamespace(read=lambda kind: [
            {"class": "a", "module": "m", "messages": next(counts)}])
        clock = iter((10.0, 12.0, 13.0, 15.0))
        sampler = top.Sampler(source, lambda: next(clock))
        rates = [sampler.take("classes")[0].get("rate") for _ in range(4)]
        # The first has nothing before it; the third counts anew.
        self.assertEqual(rates, [None, 150, None, 0])


class Errors(Case):
    def test_no_file(self):
        os.unlink(os.path.join(self.files, "classes"))
        self.bad(TOP, "--from", self.files, says="No such file.*--from takes")

    def test_empty(self):
        self.write("files/classes", "")
        self.bad(TOP, "--from", self.files, says="is missing")

    def test_garbage(self):
        for text in (b"\x00\xff\xfe\x80" * 50, b"hello\nworld\n", b"# \n",
                     b"# class held\nonly\n", b"# class held\na x1\n",
                     b"# class held\na 1 2\n", b"# class held\na -1\n",
                     CLASSES.encode()[:-20]):
            self.write("files/classes", text)
            self.bad(TOP, "--from", self.files, says="classes")

    def test_another_file(self):
        self.write("files/classes", POOLS)
        self.bad(TOP, "--from", self.files, says="no list of classes")

    def test_what_to_do_next(self):
        source = top.Source(None)
        path = top.DIRECTORY + "/classes"
        gone = FileNotFoundError(2, "No such file or directory")
        self.assertIn("mount -t debugfs none " + self.dir,
                      source.explain(path, gone, debugfs=self.dir))
        self.assertIn("modprobe wsheap",
                      source.explain(path, gone, debugfs="/", module="/none"))
        self.assertIn("debugfs=off",
                      source.explain(path, gone, debugfs="/", module="/"))
        self.assertIn("as root",
                      source.explain(path, PermissionError(13, "Denied")))

    def test_usage(self):
        for words in (("-d", "0"), ("-n", "0"), ("-n", "x"), ("-d", "nan"),
                      ("-w", "slabs"), ("--command", ""), ("--command", "'")):
            self.bad(TOP, *words, says="error")


class Command(Case):
    def test_command(self):
        text = self.good(TOP, "--from", self.files, "--command", "cat --")
        self.assertEqual(text, self.top())

    def test_path_is_the_last_argument(self):
        log = os.path.join(self.dir, "log")
        script = self.write("cat.sh", 'echo "$#:$1:$2" >>"$LOG"\n'
                            'cat "$FILES/${2##*/}"\n')
        self.good(TOP, "-w", "pools", "--command", f"sh {script} 'a guest'",
                  env={**os.environ, "LOG": log, "FILES": self.files})
        with open(log) as file:
            self.assertEqual(file.read(), "".join(
                f"2:a guest:{top.DIRECTORY}/{name}\n"
                for name in ("classes", "pools")))

    def test_failures(self):
        self.bad(TOP, "--command", "cat", "--from", "/nowhere",
                 says="cat /nowhere/classes failed with status 1.*No such file")
        self.bad(TOP, "--command", "no-such-program-here", says="cannot run")
        self.bad(TOP, "--command", "echo", says="no list of classes")


class Terminal:
    """wsheap-top in a terminal of its own."""

    def __init__(self, rows, columns, *words, term="xterm"):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(TERM=term, LC_ALL="C.UTF-8")
            os.environ.pop("LINES", None)
            os.environ.pop("COLUMNS", None)
            time.sleep(0.1)     # until the size is set
            os.execv(TOP, [TOP, *words])
        self.resize(rows, columns)

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.fd, keys.encode())

    def shows(self, wanted, seconds=10):
        """What was drawn until @wanted, a pattern, was there; None if never."""
        text = ""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not select.select([self.fd], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                break
            text += data.decode("utf-8", "replace")
            if re.search(wanted, text, re.S):
                return text
        return None

    def ends(self, seconds=10):
        """The exit status, or None. What is still drawn is read meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self.fd)
                return os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                if select.select([self.fd], [], [], 0.05)[0]:
                    os.read(self.fd, 65536)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        return None


class OnScreen(Case):
    def test_draws_sorts_and_quits(self):
        for columns in (40, 80, 200):
            with self.subTest(columns=columns):
                terminal = Terminal(24, columns, "--from", self.files)
                first = terminal.shows("classes by HELD.*httpd.*odd")
                terminal.press("n")
                by_name = terminal.shows("CLASS")
                terminal.press("\t")
                heaps = terminal.shows("heaps.*TRIM")
                terminal.press("q")
                status = terminal.ends()
                self.assertIsNotNone(first)
                self.assertIsNotNone(by_name)
                self.assertIsNotNone(heaps)
                self.assertEqual("WASTE" in first, columns > 80)
                self.assertEqual(status, 0)

    def test_small_and_poor_terminals(self):
        for rows, columns, term in ((1, 1, "xterm"), (2, 5, "xterm"),
                                    (24, 80, "vt100"), (24, 80, "dumb"),
                                    (24, 80, "linux")):
            with self.subTest(rows=rows, term=term):
                terminal = Terminal(rows, columns, "--from", self.files,
                                    term=term)
                self.assertIsNotNone(terminal.shows("H"))
                terminal.resize(30, 100)
                terminal.press(" zQ")
                self.assertEqual(terminal.ends(), 0)

    def test_unknown_terminal(self):
        terminal = Terminal(24, 80, "--from", self.files, term="no-such")
        self.assertIsNotNone(terminal.shows("set TERM to"))
        self.assertEqual(terminal.ends(), 2)

    def test_refreshes_and_survives_errors(self):
        terminal = Terminal(24, 80, "--from", self.files, "-d", "0.2")
        self.assertIsNotNone(terminal.shows("httpd"))
        self.write("files/new", CLASSES.replace("120345", "220345"))
        os.rename(os.path.join(self.files, "new"),
                  os.path.join(self.files, "classes"))
        self.assertIsNotNone(terminal.shows("220k|2[0-9]k"))
        os.unlink(os.path.join(self.files, "classes"))
        self.assertIsNotNone(terminal.shows("cannot read"))
        self.write("files/classes", CLASSES)
        self.assertIsNotNone(terminal.shows("classes by"))
        terminal.press("q")
        self.assertEqual(terminal.ends(), 0)

    def test_interrupt(self):
        terminal = Terminal(24, 80, "--from", self.files)
        self.assertIsNotNone(terminal.shows("httpd"))
        terminal.press("\x03")
        self.assertEqual(terminal.ends(), 0)

    def test_error_at_the_start(self):
        terminal = Terminal(24, 80, "--from", "/nowhere")
        self.assertIsNotNone(terminal.shows("wsheap-top: cannot read"))
        self.assertEqual(terminal.ends(), 2)


class Metrics(Case):
    def metrics(self, *more):
        return self.good(TOP, "--from", self.files, "--openmetrics", *more)

    def test_samples(self):
        lines = self.metrics().split("\n")
        for line in ('wsheap_held_bytes{class="httpd",module="httpd"} 98304',
                     'wsheap_messages_total{class="json",module="json"} 1000',
                     'wsheap_refused_total{class="httpd",module="httpd",'
                     'reason="quota"} 12',
                     "# TYPE wsheap_messages_total counter",
                     "# TYPE wsheap_held_bytes gauge",
                     'wsheap_pool_used_heaps{pool="conn",module="httpd"} 12',
                     'wsheap_group_max_bytes{group="server",parent=""} 67108864'
                     ):
            self.assertIn(line, lines)

    def test_labels_are_escaped(self):
        self.assertIn('class="odd \\\\\\"name\\"\\n\tx",module="my_mod"',
                      self.metrics())

    def test_names(self):
        text = self.metrics()
        types_ = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        helped = re.findall(r"^# HELP (\S+) \S", text, re.M)
        self.assertEqual(sorted(types_), sorted(helped))
        for name, kind in types_.items():
            self.assertEqual(name.endswith("_total"), kind == "counter", name)
        samples = re.findall(r"^(\w+)\{", text, re.M)
        self.assertEqual(set(samples), set(types_))

    def test_a_series_occurs_once(self):
        text = self.metrics()
        series = [line.rsplit(" ", 1)[0] for line in text.split("\n")
                  if line and line[0] != "#"]
        self.assertEqual(len(series), len(set(series)))
        self.assertIn('wsheap_group_bytes{group="client",parent="server"} 6000',
                      text)

    def test_peaks_are_not_added_up(self):
        self.write("files/classes", "# class module held largest\n"
                   "a m 1 10\na m 2 30\na m 4 20\n")
        text = self.metrics()
        self.assertIn('wsheap_held_bytes{class="a",module="m"} 7\n', text)
        self.assertIn('largest_message_bytes{class="a",module="m"} 30\n', text)

    def test_to_a_file(self):
        path = self.write("wsheap.prom", "old")
        old = os.stat(path).st_ino
        self.assertEqual(self.metrics(path), "")
        with open(path) as file:
            self.assertEqual(file.read(), self.metrics())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        # Replaced, not written to, and nothing is left beside it.
        self.assertNotEqual(os.stat(path).st_ino, old)
        self.assertEqual(sorted(os.listdir(self.dir)), ["files", "wsheap.prom"])

    def test_errors_leave_the_file(self):
        path = self.write("wsheap.prom", "old")
        self.write("files/classes", "garbage")
        self.bad(TOP, "--from", self.files, "--openmetrics", path,
                 says="no list of classes")
        with open(path) as file:
            self.assertEqual(file.read(), "old")

    def test_no_folder(self):
        self.bad(TOP, "--from", self.files, "--openmetrics",
                 self.dir + "/none/x.prom", says="cannot write.*has to exist")

    def test_a_folder_in_place_of_the_file(self):
        path = os.path.join(self.dir, "taken")
        os.mkdir(path)
        self.bad(TOP, "--from", self.files, "--openmetrics", path,
                 says="cannot write")
        self.assertEqual(sorted(os.listdir(self.dir)), ["files", "taken"])

    def test_classes_alone(self):
        os.unlink(os.path.join(self.files, "pools"))
        done = run(TOP, "--from", self.files, "--openmetrics")
        self.assertEqual(done.returncode, 0)
        self.assertIn("no metrics of pools", done.stderr)
        self.assertIn("wsheap_held_bytes", done.stdout)
        self.assertNotIn("wsheap_pool_", done.stdout)

    @unittest.skipUnless(PROMTOOL, "PROMTOOL is not set; scripts/promtool.sh "
                         "prints the path of one")
    def test_promtool(self):
        for text in (CLASSES, CLASSES.split("\n")[0] + "\n"):
            self.write("files/classes", text)
            done = run(PROMTOOL, "check", "metrics", stdin=None,
                       input=self.metrics())
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (0, "", ""))

    @unittest.skipUnless(PROMTOOL, "PROMTOOL is not set; scripts/promtool.sh "
                         "prints the path of one")
    def test_promtool_finds_mistakes(self):
        """If it were silent about everything, the test above would say nothing."""
        done = run(PROMTOOL, "check", "metrics", stdin=None,
                   input=self.metrics().replace("messages_total", "messages"))
        self.assertNotEqual(done.returncode, 0)


# Three blocks of 200 bytes. The first chunk of 512 bytes has 472 after its
# header, so two blocks fit; the third one is in a chunk of 1024: 1536 held.
#
# trim 0: 2 chunks each time.
# trim 1536: the first message leaves both. The second obtains one of
#	1024 for 40 + 600 bytes. The others none: 3 chunks in 4 messages; retained
#	are 1536, then 1024 three times, 1152 on average.
# adaptive: the newest chunk alone is enough, so it alone stays: 2 chunks, and
#	1024 bytes each time.
SMALL = "# three\na 0 200\nz 1 200\nf 0\na 2 200\nm\n"
FIXED = (1152, 1536, 1536, 0.75, 1)
ADAPTIVE = (1024, 1024, 1024, 0.5, 1)
YES = "WSHEAP_ADAPTIVE"


def reset(heap, asked, held=1536, kept=1024, name="httpd", stamp=1.0):
    return (f"           httpd-77    [001] d..1.  {stamp:.6f}: reset: "
            f"heap={heap:016x} class={name} asked={asked} held={held} "
            f"kept={kept} caller=parse+0x12/0x40 [httpd]\n")


def event(text):
    return f"  a b c-1   [000] .....    99.000001: {text}\n"


class Model(unittest.TestCase):
    """The model gives what was measured on a kernel."""

    @staticmethod
    def performance():
        with open(os.path.join(HERE, "..", "Documentation",
                               "performance.json")) as file:
            return json.load(file)

    def test_retention(self):
        """As measure_retention() of bench/wsheap_bench.c."""
        for kind, adaptive in (("fixed", False), ("adaptive", True)):
            heap = advise.Heap(2 << 20, adaptive)
            obtained, kept = 0, {}
            for n in range(1, 101):
                before = heap.held
                heap.message([(64, 32)] + [(1024, 1024)] * (n == 10))
                obtained += n != 10 and heap.held != before
                heap.reset()
                kept[n] = [n, heap.held, obtained]
            for measured in self.performance()["kept"][kind]:
                self.assertEqual(kept[measured[0]], measured)

    def test_held(self):
        """As measure_held(): what warm heaps hold for the recorded traces."""
        for name in ("soap", "json", "x509"):
            inputs = advise.Inputs(64)
            path = os.path.join(HERE, "..", "bench", "traces", name + ".trace")
            inputs.add(advise.read_file(path), path)
            ratios = []
            for _, runs in inputs.stories[path].steps:
                heap = advise.Heap(math.inf)
                for _ in range(5):
                    heap.reset()
                    heap.message(runs)
                ratios.append(heap.held / sum(size for size, _ in runs))
            measured = self.performance()["held"][name]
            self.assertEqual(len(ratios), measured["messages"])
            self.assertAlmostEqual(statistics.median(ratios), measured["median"],
                                   places=3)
            self.assertAlmostEqual(max(ratios), measured["highest"], places=3)

    def test_first_message(self):
        heap = advise.Heap(0)
        heap.message([(200, 3)])
        self.assertEqual((heap.held, heap.refills), (1536, 2))
        heap.reset()
        self.assertEqual(heap.held, 0)

    def test_large_block_has_its_own_chunk(self):
        heap = advise.Heap(math.inf)
        heap.message([(10000, 1)])
        # Three pages, and a header of its own.
        self.assertEqual((heap.held, heap.refills), (12288 + 64, 1))

    def test_growth_ends(self):
        heap = advise.Heap(0)
        heap.message([(64, 40000)])
        self.assertEqual(max(chunk.size for chunk in heap.used), 256 << 10)

    def test_never_above_trim(self):
        for trim in (0, 512, 3000, 10000):
            for adaptive in (False, True):
                heap = advise.Heap(trim, adaptive)
                for asked in (100, 9000, 500, 70000, 20, 4000) * 5:
                    heap.message([(64, asked // 64), (asked % 64, 1)])
                    heap.reset()
                    self.assertLessEqual(heap.held, trim)

    def test_never_above_trim_at_random(self):
        chance = random.Random(1)
        for _ in range(300):
            trim = chance.randrange(40000)
            heap = advise.Heap(trim, chance.random() < 0.5,
                               chance.choice((0, 0, 100, 5000)))
            for _ in range(30):
                heap.message([(chance.choice((50, 200, 3000, 9000, 20000)),
                               chance.randrange(4)) for _ in range(3)])
                heap.reset()
                self.assertLessEqual(heap.held, trim)
                self.assertEqual(heap.held, sum(
                    chunk.actual for chunk in heap.used + heap.free))

    def test_no_one_chunk_that_could_not_stay(self):
        heap = advise.Heap(700)
        for _ in range(3):
            heap.message([(200, 3)])
            heap.reset()
            # One of 1024 would be released, and nothing would be left.
            self.assertEqual(heap.held, 512)

    def test_initial_memory(self):
        heap = advise.Heap(4096, initial=600)
        heap.message([(200, 3)])
        heap.reset()
        self.assertEqual((heap.held, heap.refills), (1024, 0))
        # It stays, and not the newest chunk.
        heap = advise.Heap(1024, initial=600)
        heap.message([(200, 3), (400, 1)])
        heap.reset()
        self.assertEqual((heap.held, heap.refills), (1024, 1))

    def test_replay_by_hand(self):
        steps = [("heap", [(200, 3)])] * 4
        self.assertEqual(advise.replay(steps, advise.Setting("", 0)),
                         (0, 0, 0, 2, 1))
        self.assertEqual(advise.replay(steps, advise.Setting("", 1536)), FIXED)
        self.assertEqual(advise.replay(steps, advise.Setting("", 1536, True)),
                         ADAPTIVE)
        # Two heaps retain together what each does.
        both = [(n % 2, [(200, 3)]) for n in range(8)]
        self.assertEqual(advise.replay(both, advise.Setting("", 1536)),
                         (1152, 1536, 3072, 0.75, 2))
        # A heap that ends begins anew.
        ends = (steps[:1] + [("heap", None)]) * 4
        self.assertEqual(advise.replay(ends, advise.Setting("", 1536)),
                         (1536, 1536, 1536, 2, 4))

    def test_percentile(self):
        values = list(range(1, 101))
        self.assertEqual([advise.percentile(values, p) for p in (50, 99, 100)],
                         [50, 99, 100])
        self.assertEqual(advise.percentile([3, 1, 2], 50), 2)
        self.assertEqual(advise.percentile([7], 50), 7)


class Advice(Case):
    def advise(self, *words):
        return self.good(ADVISE, *words)

    def advised(self, text):
        """max_size, trim_size, adaptive and initial_size of the last class."""
        words = dict(re.findall(r"^    (\w+) +(\w+): ", text, re.M))
        return [words[name] for name in ("max_size", "trim_size", "adaptive",
                                         "initial_size")]

    def row(self, text, label):
        line = re.search("^    " + re.escape(label) + "  +(.*)$", text, re.M)
        self.assertIsNotNone(line, (label, text))
        return line[1].split()

    def test_allocations_by_hand(self):
        text = self.advise(self.write("small.trace", SMALL * 4))
        self.assertIn("class small: list of allocations, 4 messages of 1 heap",
                      text)
        self.assertEqual(self.row(text, "trim 0"),
                         "0 0 / 0 0 2.000".split())
        self.assertEqual(self.row(text, "p50 = p99 = max"),
                         "1536 1.1K / 1.5K 1.5K 0.750".split())
        self.assertEqual(self.row(text, "adaptive"),
                         "1536 1.0K / 1.0K 1.0K 0.500".split())
        # 600 and a half are 900: 1024, which is below trim_size.
        self.assertEqual(self.advised(text), ["1536", "1536", YES, "0"])
        self.assertIn("nothing would ever be trimmed", " ".join(text.split()))
        self.assertIn("caution", text)

    def test_repeat(self):
        text = self.advise("--repeat", "100",
                           self.write("small.trace", SMALL * 4))
        self.assertEqual(self.row(text, "trim 0")[-1], "2.000")
        self.assertEqual(self.row(text, "p50 = p99 = max")[-1], "0.007")
        self.assertEqual(self.advised(text)[2], "no")

    def test_recorded_traces(self):
        names = ("soap", "json", "x509")
        text = self.advise(*(os.path.join(HERE, "..", "bench", "traces",
                                          name + ".trace") for name in names))
        for name, messages in zip(names, (40, 16, 8)):
            self.assertIn(f"class {name}: list of allocations, {messages} "
                          "messages", text)
        self.assertEqual(text.count("recommended\n"), 3)

    def test_ftrace_by_hand(self):
        text = "# tracer: nop\n#\n" + event(
            "create: heap=0000000000000001 class=httpd module=httpd "
            "kind=message max_size=65536 trim_size=0")
        for n in range(40):
            text += reset(1, 600, stamp=1 + n / 10)
        text += event("obtain: heap=0000000000000001 class=httpd size=512") * 10
        text = self.advise("--block", "200", self.write("trace", text))
        self.assertIn("class httpd: traced, 40 messages of 1 heap in 98.0 s",
                      text)
        self.assertIn("measured, max_size 65536, trim_size 0", text)
        self.assertIn("p50 600, p99 600, most 600", text)
        self.assertIn("mean 1.0K, most 1.0K by a heap; most 1.0K by all", text)
        self.assertIn("0.250 obtained a message", text)
        # As in Model.test_replay_by_hand(), and none from the third on.
        self.assertEqual(self.row(text, "p50 = p99 = max")[-1], "0.075")
        self.assertEqual(self.row(text, "as set, fixed")[-1], "2.000")
        self.assertEqual(self.advised(text), ["1536", "1536", "no", "0"])

    def test_a_huge_message_now_and_then(self):
        text = "".join(reset(1, 100000 if n % 500 == 100 else 2000)
                       for n in range(2000))
        text = self.advise(self.write("trace", text))
        self.assertEqual(self.advised(text), ["262144", "3584", "no", "0"])

    def test_phases_are_for_adaptive(self):
        text = "".join(reset(1, 100000 if n % 1000 < 100 else 2000)
                       for n in range(2000))
        text = self.advise(self.write("trace", text))
        self.assertEqual(self.advised(text)[2], YES)
        self.assertIn("less memory than a fixed", text)

    def test_short_lives_are_for_initial_memory(self):
        text = ""
        for n in range(200):
            n %= 2      # The address of a heap that is gone comes again.
            text += event(f"create: heap={n:016x} class=httpd module=m "
                          "kind=message max_size=65536 trim_size=8192")
            text += reset(n, 600)
            text += event(f"destroy: heap={n:016x} class=httpd asked=0 "
                          "held=512 messages=1")
        text = self.advise("--block", "200", self.write("trace", text))
        # 40 + 600 bytes fit a chunk of 1024, and 984 are what it has room for.
        self.assertEqual(self.advised(text), ["1024", "1024", "no", "984"])
        self.assertIn("most 1.0K by a heap; most 1.0K by all", text)
        text = " ".join(text.split())
        self.assertIn("retains 1.0K on average and obtains 0.000 chunks", text)
        self.assertIn("only 1.0 messages. Without it there are 2.000 chunks",
                      text)

    def test_refusals(self):
        text = reset(1, 60000) * 5 + event(
            "refuse: heap=0000000000000001 class=httpd code=-122 asked=10000 "
            "in_use=60000 limit=65536 caller=x+0x1/0x2") * 3 + event(
            "refuse: heap=0000000000000001 class=httpd code=-12 asked=1 "
            "in_use=0 limit=65536 caller=x+0x1/0x2")
        text = " ".join(self.advise(self.write("trace", text)).split())
        self.assertIn("refused 3 with -122, 1 with -12", text)
        self.assertIn("3 blocks exceeded the quota", text)
        self.assertIn("70000 bytes with the block refused: 131072 is enough",
                      text)

    def test_refusals_of_a_group_say_nothing_of_messages(self):
        text = event("create: heap=0000000000000001 class=httpd module=m "
                     "kind=message max_size=65536 trim_size=0")
        text += reset(1, 600) + event(
            "refuse: heap=0000000000000001 class=httpd code=-122 asked=10 "
            "in_use=9999999 limit=10000000 caller=x")
        text = " ".join(self.advise(self.write("trace", text)).split())
        self.assertIn("refused 1 with -122", text)
        self.assertNotIn("10000009", text)

    def test_what_is_not_whole(self):
        text = ("# entries-in-buffer/entries-written: 205/250   #P:2\n"
                "CPU:1 [LOST 7 EVENTS]\n" + reset(1, 600) * 3
                + event("create: heap=0000000000000009 class=s module=m "
                        "kind=private max_size=0 trim_size=0")
                + event("destroy: heap=0000000000000009 class=s asked=0 held=0 "
                        "messages=0")
                + "x-1 [000] ... 5.0: reset: heap=00000\n")
        text = self.advise(self.write("trace", text))
        self.assertIn("the kernel lost 52 events", text)
        self.assertIn("1 events could not be read", text)
        self.assertIn("private heaps are left out (1)", text)
        self.assertIn("not known: there is no event wsheap:obtain", text)
        self.assertNotIn("class s:", text)

    def test_classes_of_a_trace(self):
        text = (reset(1, 600, name="a b\\040c") * 3 + reset(2, 50) * 4
                + "x-1 [0] 5.0: wsheap:reset: heap=3 class=perf asked=1 held=512 "
                "kept=0 more=1 caller=y\n")
        text = self.advise(self.write("trace", text))
        self.assertIn("class a b c: traced, 3 messages", text)
        self.assertIn("class httpd: traced, 4 messages", text)
        self.assertIn("class perf: traced, 1 message of", text)

    def test_resets_without_blocks(self):
        text = self.advise(self.write("trace", reset(1, 0) * 3))
        self.assertIn("nothing can be recommended", text)
        text = self.advise(self.write("trace", (reset(1, 0) + reset(1, 9)) * 3))
        self.assertIn("3 messages of", text)
        text = self.advise(self.write("a.trace", "m\nm\n"))
        self.assertIn("nothing can be recommended", text)

    def later(self, **change):
        """A copy of classes in which httpd has gone on."""
        names = CLASSES.split("\n")[0].split()[1:]
        row = dict(zip(names, CLASSES.split("\n")[1].split()))
        for name, more in change.items():
            row[name] = str(int(row[name]) + more)
        return "\n".join([CLASSES.split("\n")[0], " ".join(row.values()), ""])

    def test_copies(self):
        paths = [self.write("1", CLASSES),
                 self.write("2", self.later(messages=1000, asked=2000000)),
                 self.write("3", self.later(messages=4000, asked=20000000,
                                            chunks=100)),
                 os.path.join(self.files, "heaps")]
        text = self.advise(*paths)
        said = " ".join(text.split())
        self.assertIn("class httpd, module httpd: in 3 copies", said)
        self.assertIn("messages 4000, of 12 heaps at most", said)
        self.assertIn("mean 4.9K (from 2.0K to 5.9K between copies), largest "
                      "60000", said)
        self.assertIn("0.025 obtained a message with what is set now (max_size "
                      "65536, trim_size 8192)", said)
        self.assertIn("12 quota, 1 a group", said)
        self.assertIn("12 blocks exceeded the quota", said)
        self.assertIn("not known from sums and peaks", said)
        # 60000 and a half are 90000; most_held covers the largest message.
        httpd = text[:text.index("class json")]
        self.assertEqual(self.advised(httpd), ["131072", "131072", YES, "0"])
        self.assertIn("12.0 times the mean", said)

    def test_one_copy(self):
        text = self.advise(os.path.join(self.files, "classes"))
        self.assertIn("since the module was loaded", text)
        self.assertIn("no message ended so far", text)
        self.assertIn('class odd \\"name"??x, module my_mod', text)

    def test_even_messages_need_no_adaptive_heap(self):
        text = self.advise(self.write("1", "# class messages asked held largest "
                                      "most_held heaps\na 10 5000 0 600 1536 2\n"))
        self.assertEqual(self.advised(text)[2], "no")
        self.assertIn("2 heaps x 1.5K", text)

    def test_counts_that_begin_anew(self):
        text = self.advise(self.write("1", self.later(messages=500)),
                           self.write("2", self.later(messages=-1000)),
                           self.write("3", self.later(messages=-400)))
        self.assertIn("began anew", text)
        self.assertIn("messages     600,", text)

    def test_watch(self):
        done = run(ADVISE, "--watch", "0.05", "--count", "3", "--from",
                   self.files)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("in 3 copies", done.stdout)
        self.assertIn("every 0.05 s, 3 times", done.stderr)
        done = run(ADVISE, "--watch", "0.05", "--count", "1", "--from",
                   self.files, "--command", "cat")
        self.assertIn("in one copy", done.stdout)

    def test_watch_that_is_interrupted(self):
        with subprocess.Popen([ADVISE, "--watch", "0.05", "--from", self.files],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as process:
            process.stderr.readline()   # It is running.
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate(timeout=20)
        self.assertEqual((process.returncode, errors), (0, ""))
        self.assertRegex(text, r"in \d+ copies")

    def test_watch_without_a_module(self):
        self.bad(ADVISE, "--watch", "1", "--from", "/nowhere",
                 says="No such file.*is the module loaded")
        self.bad(ADVISE, "--watch", "1", "--command", "false", says="failed")

    def test_standard_input(self):
        done = run(ADVISE, "-", stdin=None, input=SMALL * 4)
        self.assertEqual(self.advised(done.stdout)[0], "1536")

    def test_options(self):
        path = self.write("small.trace", SMALL * 4)
        self.assertEqual(self.advised(self.advise("--headroom", "4", path))[0],
                         "4096")
        self.assertEqual(self.advised(self.advise("--refills", "9", path))[1:3],
                         ["0", "no"])

    def test_size_of_blocks(self):
        path = self.write("trace", reset(1, 10000) * 4)
        # Chunks of 512, 1024, 2048, 4096 and 8192; or two of 8192.
        self.assertEqual(self.row(self.advise(path), "trim 0")[-1], "5.000")
        self.assertEqual(self.row(self.advise("--block", "5000", path),
                                  "trim 0")[-1], "2.000")

    def test_bad_inputs(self):
        for text, says in (
                (b"", "is empty"), (b"\n\n", "is empty"),
                (b"\x00\xff\xfe\x80" * 50, "neither"),
                (b"hello\nworld\n", "neither"), (POOLS.encode(), "neither"),
                (b"# tracer: nop\n# nothing\n", "events/wsheap/enable"),
                (b"a 0 10\nhello\nm\n", "line 2"), (b"a 0 10\na 1\nm\n", "line 2"),
                (b"a 0 10\n", 'no line "m"'), (b"a 0 10\na 1 -5\nm\n", "line 2"),
                (b"# class messages held\na 1\n", "line 2"),
                (b"# class messages held\na x 1\n", "column messages"),
                (b"# class held\n", "no column messages"),
                (HEAPS.encode(), "copies of heaps alone")):
            with self.subTest(text=text[:40]):
                self.bad(ADVISE, self.write("input", text), says=says)
        self.bad(ADVISE, "/nowhere", says="No such file")
        self.bad(ADVISE, self.dir, says="Is a directory")

    def test_cut_anywhere(self):
        """Whatever is missing at the end: a report or an error, no traceback."""
        whole = {"trace": event("create: heap=0000000000000001 class=httpd "
                                "module=m kind=message max_size=1 trim_size=0")
                 + reset(1, 600), "small": SMALL, "classes": CLASSES}
        for text in whole.values():
            for end in range(1, len(text), 7):
                with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())), \
                     contextlib.redirect_stderr(io.StringIO()):
                    path = self.write("input", text[:end])
                    self.assertIn(advise.main([path]), (0, 2))

    def test_usage(self):
        self.bad(ADVISE, says="give files, or --watch")
        self.bad(ADVISE, "x", "--count", "3", says="go with --watch")
        self.bad(ADVISE, "x", "--block", "0", says="number above 0")
        text = self.good(ADVISE, "--help")
        self.assertIn("the model:", text)
        self.assertLessEqual(max(map(len, text.split("\n"))), 80)

    def test_lines_are_not_long(self):
        text = self.advise(self.write("1", CLASSES)) + self.advise(
            self.write("trace", reset(1, 5000) * 30))
        self.assertLessEqual(max(map(len, text.split("\n"))), 80)


GUIDE = """\
=====
Guide
=====

Read `Modes`_, `the reference <reference.rst#calls>`__, ``samples/hello/hello.c`` and
``Documentation/fault-injection/fault-injection.rst``. Then ``make demo KEEP=1``, or
``scripts/wsheap-top --once``.

.. code-block:: c

\tint hello(void)
\t{
\t\treturn 0;
\t}

A part of it::

\t$ scripts/demo.sh && wsheap-top -o
\t# make sure that nothing else runs

Modes
=====

``wsheap_alloc()`` takes ``WSHEAP_FLAG`` and a ``struct wsheap``.

.. image:: picture.svg

Cheat sheet
===========

.. list-table::

   * - Call
     - Arguments
   * - ``wsheap_alloc(heap)``
     - heap
   * - ``wsheap_reset()``
     - heap

What the log says
=================

.. list-table::

   * - ``heap`` *name*\\ ``: not reset in`` *n* ``ms, and``
       *n* ``bytes are left``
     - a mistake
"""
SMALL_TREE = {
    "Makefile": "KEEP ?=\ndemo test: demo.o\n\tscripts/$@.sh\n",
    "main.c": 'MODULE_VERSION("1.2");\n',
    "misuse.c": """\
/**
 * wsheap_reset - end a message
 * @heap: the heap.
 */
void wsheap_reset(struct wsheap *heap)
{
\tpr_err("heap %s: not reset in %5u ms, "
\t       "and %zu bytes are left\\n", heap->name, ms, left);
\tseq_printf(m, "%s of other words\\n", name(m));
}
EXPORT_SYMBOL_NS_GPL(wsheap_reset, WSHEAP_NS);
""",
    "wsheap.h": """\
#define WSHEAP_FLAG 1
struct wsheap;
/* What wsheap_gone() was. */
void wsheap_reset(struct wsheap *heap);
/**
 * wsheap_alloc - take a block
 * @heap: the heap.
 */
static __always_inline void *
wsheap_alloc(struct wsheap *heap)
{
\twsheap_bump(heap);
}
static __always_inline void wsheap_bump(struct wsheap *heap)
""",
    "samples/hello/Kbuild": "obj-m := hello.o\n",
    "samples/hello/hello.c": """\
// SPDX-License-Identifier: GPL-2.0
/* Hello. */

int hello(void)
{
\treturn 0;
}
""",
    "samples/hello/other.c": "int other;\n",
    "scripts/demo.sh": "#!/bin/sh\n",
    "scripts/wsheap-top": "#!/bin/sh\necho '  -o, --once  one time'\n",
    "Documentation/index.rst": ".. toctree::\n\n   wsheap\n",
    "Documentation/reference.rst": """\
Calls
=====

.. kernel-doc:: wsheap.h
   :identifiers: wsheap_alloc

.. c:function:: void wsheap_reset(struct wsheap *heap)

   Ends a message.
""",
    "Documentation/picture.svg": "<svg/>\n",
    "Documentation/wsheap.rst": GUIDE,
    "README.md": """\
# wsheap

See [the guide](Documentation/wsheap.rst#modes), [install it](#install-it-please),
[elsewhere](https://example.org/a?b=c#d) and ![a picture](Documentation/picture.svg).

## Install `it`, please

    make demo    # or make test

puts it to `/usr/src/wsheap-1.2`, see `mm/slub.c` and `samples/hello/hello.ko`.

```c
int hello(void)
```
""",
}


class Documents(Case):
    """Each check of check-docs.py finds what it is for, and where it is."""

    def setUp(self):
        super().setUp()
        for name, text in SMALL_TREE.items():
            path = self.write(name, text)
            if text.startswith("#!"):
                os.chmod(path, 0o755)

    def write(self, name, text):
        os.makedirs(os.path.dirname(os.path.join(self.dir, name)), exist_ok=True)
        return super().write(name, text)

    def edit(self, name, old, new):
        """Puts one thing for another. Without a name, the guide is meant."""
        path = os.path.join(self.dir, name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(text.count(old), 1, old)
        self.write(name, text.replace(old, new))

    def finds(self, *expected):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = check_docs.main([self.dir])
        self.assertEqual(said.getvalue().splitlines(), list(expected))
        self.assertEqual(status, 1 if expected else 0)

    def guide(self, old, new, *expected):
        """An edit of the guide, and the line and text of what is found in that."""
        self.edit("Documentation/wsheap.rst", old, new)
        self.finds(*(f"Documentation/wsheap.rst:{text}" for text in expected))

    def readme(self, old, new, *expected):
        self.edit("README.md", old, new)
        self.finds(*(f"README.md:{text}" for text in expected))

    def test_nothing_to_find(self):
        self.assertEqual(self.good(CHECK_DOCS, self.dir), "")

    def test_exit_status(self):
        self.edit("README.md", "#modes", "#mode")
        done = run(CHECK_DOCS, self.dir)
        self.assertEqual((done.returncode, done.stderr, done.stdout), (
            1, "", "README.md:3: link to a missing anchor: Documentation/wsheap.rst#mode\n"))

    def test_roles_of_sphinx(self):
        self.guide("`the reference <reference.rst#calls>`__", ":doc:`reference`",
                   '5: Unknown interpreted text role "doc".')

    def test_directives_of_sphinx(self):
        self.guide(".. image:: picture.svg", ".. literalinclude:: picture.svg",
                   '26: Unknown directive type "literalinclude".')

    def test_directives_that_are_elsewhere(self):
        self.guide(".. image:: picture.svg", ".. kernel-doc:: wsheap.h",
                   '26: Unknown directive type "kernel-doc".')

    def test_syntax(self):
        self.guide("Modes\n=====", "Modes\n====", "22: Title underline too short.")

    def test_links_within_a_page(self):
        self.guide("`Modes`_", "`Models`_", '5: Unknown target name: "models".')

    def test_links_between_pages(self):
        self.guide("reference.rst#calls", "reference.rst#call",
                   "5: link to a missing anchor: reference.rst#call")

    def test_links_to_files(self):
        self.guide("reference.rst#calls", "../samples/hullo.c",
                   "5: link to a missing file: ../samples/hullo.c")

    def test_links_that_leave(self):
        self.guide("reference.rst#calls", "../..", "5: link to a missing file: ../..")

    def test_links_to_lines_of_files(self):
        self.guide("reference.rst#calls", "../main.c#here",
                   "5: link to a missing anchor: ../main.c#here")

    def test_images(self):
        self.guide(":: picture.svg", ":: pictures.svg",
                   "26: link to a missing file: pictures.svg")

    def test_includes(self):
        self.edit("Documentation/wsheap.rst", ".. image:: picture.svg", ".. include:: x.txt")
        done = run(CHECK_DOCS, self.dir)
        self.assertRegex(done.stdout, r"^Documentation/wsheap.rst:26: Problems with \"include")

    def test_addresses(self):
        self.readme("https://example.org/a?b=c#d", "https:/example.org",
                    "4: no valid address: https:/example.org")

    def test_readme_anchor(self):
        self.readme("#install-it-please", "#install-it",
                    "3: link to a missing anchor: #install-it")

    def test_readme_anchors_of_equal_titles(self):
        self.edit("README.md", "# wsheap\n", "# wsheap\n\n## Install it please\n")
        self.readme("#install-it-please", "#install-it-please-1")

    def test_readme_image(self):
        self.readme("picture.svg", "x.svg", "4: link to a missing file: Documentation/x.svg")

    def test_readme_html(self):
        self.readme("## Install", '<img alt="a b"\n  src="a/b.png">\n\n## Install',
                    "7: link to a missing file: a/b.png")

    def test_code_has_no_links(self):
        self.readme("`mm/slub.c`", "`[a](b.c)`")
        self.readme("    make demo", "    [a](b)")

    def test_paths(self):
        self.guide("``samples/hello/hello.c``", "``samples/hello/hallo.c``",
                   "5: no file samples/hello/hallo.c")

    def test_paths_in_tables(self):
        self.guide("a mistake", "a mistake in ``hello.c`` or ``misused.c``",
                   "47: no file misused.c")

    def test_paths_of_places_that_are_gone(self):
        self.readme("mm/slub.c", "sample/hello.c", "10: no file sample/hello.c")

    def test_paths_of_modules(self):
        self.readme("hello.ko", "other.ko", "10: no file samples/hello/other.ko")

    def test_paths_in_sessions(self):
        self.guide("$ scripts/demo.sh", "$ cat out.txt < samples/in.txt",
                   "18: no file samples/in.txt")

    def test_scripts(self):
        self.guide("scripts/demo.sh", "scripts/demos.sh", "18: no file scripts/demos.sh")

    def test_scripts_that_cannot_run(self):
        os.chmod(os.path.join(self.dir, "scripts/demo.sh"), 0o644)
        self.finds("Documentation/wsheap.rst:18: scripts/demo.sh is not executable")

    def test_options(self):
        self.guide("--once", "--twice", "7: no option --twice of wsheap-top")

    def test_options_in_sessions(self):
        self.guide("wsheap-top -o", "sudo wsheap-top -o -x --command 'ssh -p 22'",
                   "18: no option --command of wsheap-top",
                   "18: no option -x of wsheap-top")

    def test_options_alone(self):
        self.guide("``WSHEAP_FLAG``", "``--once`` and ``--twice``",
                   "24: no option --twice of wsheap-top")

    def test_targets(self):
        self.guide("make demo", "make demos", "6: no target demos in Makefile")

    def test_targets_in_sessions(self):
        self.readme("make demo ", "cd wsheap && sudo make install ",
                    "8: no target install in Makefile")

    def test_variables(self):
        self.guide("KEEP=1", "KEPT=1", "6: nothing reads KEPT=")
        self.guide("make demo KEPT=1", "KEPT=1 make demo", "6: nothing reads KEPT=")
        self.guide("KEPT=1 make demo", "KEPT=1", "6: nothing reads KEPT=")

    def test_make_elsewhere(self):
        self.readme("make demo ", "make -C /usr/src modules ")

    def test_calls(self):
        self.readme("`mm/slub.c`", "`wsheap_gone()`", "10: no function wsheap_gone()")

    def test_names(self):
        self.readme("`mm/slub.c`", "`struct wsheap_x`, `WSHEAP_FLAGS`",
                    "10: no WSHEAP_FLAGS in the sources",
                    "10: no struct wsheap_x in the sources")

    def test_calls_that_the_cheat_sheet_has_not(self):
        self.guide("- ``wsheap_alloc(heap)``", "- ``reset()``",
                   "28: wsheap_alloc() is 0 times in the cheat sheet")

    def test_calls_that_the_cheat_sheet_has_twice(self):
        self.guide("- ``wsheap_alloc(heap)``", "- ``wsheap_alloc(heap)``, ``wsheap_reset()``",
                   "28: wsheap_reset() is 2 times in the cheat sheet")

    def test_arguments_that_are_others(self):
        self.guide("``wsheap_reset()``\n     - heap", "``wsheap_reset()``\n     - heap, gfp",
                   "37: the arguments of wsheap_reset() are heap")

    def test_no_cheat_sheet(self):
        self.guide("Cheat sheet\n====", "Other sheet\n====", '1: no section "Cheat sheet"')

    def test_reference(self):
        self.edit("Documentation/reference.rst", "wsheap_alloc", "wsheap_allot")
        self.edit("Documentation/reference.rst", "wsheap_reset", "wsheap_alloc")
        self.finds("Documentation/reference.rst:1: wsheap_reset() is not in the reference")

    def test_identifiers(self):
        self.edit("Documentation/reference.rst", "wsheap_alloc", "wsheap_allot")
        self.finds("Documentation/reference.rst:1: wsheap_alloc() is not in the reference")

    def test_identifiers_without_kernel_doc(self):
        self.edit("wsheap.h", "/**\n * wsheap_alloc", "/**\n * wsheap_allot")
        self.edit("wsheap.h", "static __always_inline void *\n", "static inline void *\n")
        self.finds("Documentation/reference.rst:1: wsheap_alloc() is not in the reference")

    def test_calls_without_kernel_doc(self):
        self.edit("wsheap.h", "struct wsheap;", "int wsheap_age(void);\nstruct wsheap;")
        self.edit("Documentation/wsheap.rst", "* - ``wsheap_reset()``",
                  "* - ``wsheap_age()``\n     - none\n   * - ``wsheap_reset()``")
        self.finds("Documentation/reference.rst:1: wsheap_age() is not in the reference")
        self.edit("Documentation/reference.rst", "Ends a message", "See wsheap_age()")
        self.finds()

    def test_exports(self):
        self.edit("misuse.c", " * wsheap_reset - ", " * wsheap_reset: ")
        self.finds("misuse.c:11: wsheap_reset has no kernel-doc")

    def test_exports_of_inline_calls(self):
        self.edit("misuse.c", "(wsheap_reset,", "(__wsheap_alloc,")
        self.finds()

    def test_examples(self):
        self.readme("int hello", "long hello",
                    "13: this example is in no sample that is built")

    def test_examples_of_what_is_not_built(self):
        self.readme("int hello(void)", "int other;",
                    "13: this example is in no sample that is built")

    def test_examples_keep_tabs(self):
        self.edit("README.md", "int hello(void)", "        return 0;")
        self.finds()
        self.readme("        return 0;", "{\n        return 0;\n}",
                    "13: this example is in no sample that is built")

    def test_the_whole_of_hello(self):
        self.edit("samples/hello/hello.c", "int hello", "\nint more;\nint hello")
        self.finds("samples/hello/hello.c:1: no example shows the whole of it")

    def test_log(self):
        self.edit("misuse.c", "bytes are left", "bytes are gone")
        self.finds('misuse.c:7: not in "What the log says": bytes are gone')

    def test_log_in_a_variable(self):
        self.edit("misuse.c", "\tpr_err", '\twhat = "lost in the \\"post\\"";\n\tpr_err')
        self.finds('misuse.c:7: not in "What the log says": lost in the "post')

    def test_log_has_no_comments(self):
        self.guide("   * - ``heap``", "   * - ``heaps``")
        self.edit("Documentation/wsheap.rst", ": not reset in`` *n* ``ms", ":`` *n* ``ms")
        self.edit("Documentation/wsheap.rst", ".. list-table::\n\n   * - ``heaps``",
                  ".. not reset in\n\n.. list-table::\n\n   * - ``heaps``")
        self.finds('misuse.c:7: not in "What the log says": not reset in')

    def test_no_log(self):
        self.guide("What the log says", "What the dog says",
                   '1: no chapter "What the log says"')

    def test_versions(self):
        self.readme("wsheap-1.2", "wsheap-1.1", "10: version 1.1 is not 1.2")
        self.readme("wsheap-1.1", "wsheap/6.1.5-amd64")

    def test_no_version(self):
        self.edit("main.c", "1.2", "1.3")
        self.finds("README.md:10: version 1.2 is not 1.3")

    def test_packages(self):
        self.write("dkms.conf", 'PACKAGE_VERSION="#MODULE_VERSION#"\n')
        self.write("debian/changelog", "wsheap (1.2-3) unstable; urgency=low\n")
        self.finds()
        self.write("dkms.conf", 'PACKAGE_VERSION="1.2"\n')
        self.write("debian/changelog", "wsheap (1.3-1) unstable\n\nwsheap (1.2-1) x\n")
        self.finds("debian/changelog:1: the newest entry is not of 1.2",
                   "dkms.conf:1: PACKAGE_VERSION is not #MODULE_VERSION#")


def main():
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2)
    result = unittest.main(argv=sys.argv, exit=False, testRunner=runner).result
    bad = {getattr(test, "test_case", test).id()
           for test, _ in result.failures + result.errors}
    skipped = len(result.skipped)
    for reason in sorted({reason for _, reason in result.skipped}):
        print(f"skipped: {reason}")
    passed = result.testsRun - len(bad) - skipped
    print(f"{passed} passed, {len(bad)} failed, {skipped} skipped")
    return 1 if bad or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
