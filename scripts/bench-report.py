#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the logs of scripts/bench.sh, and judges and records their figures.

A figure is what one message costs: a pass over a trace, or a message of 32
blocks of one size. "net" is what is left of it without the loop's own cost,
which the rows "nothing" and "nothing,freed" measure.
"""

import argparse
import json
import os
import re
import statistics
import sys

TRACES = ("soap", "json", "x509")
# Traces that the benchmark makes, in work unseen.
UNSEEN = ("attributes", "nodes", "lines", "mixed")
WORKS = TRACES + ("unseen", "fixed", "heap", "worst", "modes")
FIXED = ("fixed-8", "fixed-64", "fixed-256", "fixed-1000", "fixed-4000")
COUNTED = ("instructions, init_on_alloc=0", "instructions, init_on_alloc=1")
TIMED = "nanoseconds"
FREED = ("kmalloc", "kmalloc,late", "gen_pool", "page_frag",
         "wsheap,private", "wsheap,private,serialized")
# What private heaps are to take at most, for each instruction of kmalloc's. It
# is an aim: what is missed is shown, and fails nothing.
PRIVATE = (("wsheap,private", 0.30), ("wsheap,private,serialized", 0.65))
# What a private heap may hold for each byte alive: the mean of all seeds, and
# any of them.
SEEDS = 5
CHURN = {
    ("mix", 512): (1.60, 1.75),
    ("soap", 5000): (1.26, None),
    ("soap", 30000): (1.18, None),
    ("json", 5000): (1.58, None),
    ("json", 30000): (1.54, None),
    ("x509", 5000): (1.78, None),
    ("x509", 30000): (1.70, None),
    ("all", 5000): (1.42, None),
    ("all", 30000): (1.33, None),
    ("phases", 0): (2.55, None),
}
# The same for any seed of other sizes, from so many bytes alive on.
CHURN_OTHERS = (1.75, 100 * 1024)
# Half of these blocks are below 32 bytes, for which nothing is promised.
CHURN_TINY = "1-64"
WORST = ("growable,all", "growable,most", "fixed,all", "fixed,most")
RISE = 1.03
# What a timer's interrupt adds here and there is no change.
SAME = 0.0005

# Rows of work heap that depend on the system's allocators, too.
SYSTEM = re.compile(r"message,first$|live-")
BLOCKS = re.compile(r"blocks-(\d+)$")


def logs_of(place, work):
    if place == TIMED:
        return [f"uml-{work}.log"] if work != "modes" else []
    init = place[-1]
    if init == "1" and work in ("worst", "modes"):
        return []
    boots = 3 if init == "0" and work in TRACES + ("unseen",) else 1
    return [f"instructions-{init}-{work}-{n + 1}.log" for n in range(boots)]


class Logs:
    """What the logs say, and what they should say and do not."""

    def __init__(self, directory):
        self.directory = directory
        self.errors = []
        self.notes = []
        self.about = {}     # place: (kernel, compiler)
        # place: work: row: [(minimum, median, mean) of a boot]
        self.boots = {}
        self.held = {}      # trace: [(asked, held)]
        self.kept = {}      # kind: [[message, held, obtained]]
        self.scale = {}     # (kind, cpus): [(messages, ns)]
        self.churn = {}     # (sizes, slots): [(operations, peak, most)]
        for place in COUNTED + (TIMED,):
            self.boots[place] = {}
            for work in WORKS:
                for name in logs_of(place, work):
                    self.read(place, work, name)
        self.read("scale", "scale", "scale.log")
        for work in ("churn", "shapes"):
            self.read(work, work, work + ".log")

    def read(self, place, work, name):
        path = os.path.join(self.directory, name)
        ended = False
        lines = 0
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read().replace("\r", "")
        except OSError:
            text = ""
        # Each boot prints these; the first of them counts.
        held, kept = {}, {}
        for line in re.findall(r"wsheap_bench: +(\S.*)", text):
            words = line.split()
            if words[0] == "begin":
                self.about.setdefault(place, tuple(words[2:4]))
            elif words[0] == "end":
                ended = words[1:] == [work]
            elif self.read_line(place, words, held, kept):
                lines += 1
            else:
                self.errors.append(f'cannot read "{line}" in {path}')
        self.held = {**held, **self.held}
        self.kept = {**kept, **self.kept}
        if not ended:
            self.errors.append(f"no result of {work} ({place}): "
                               f"there is no \"end {work}\" in {path}")
        elif not lines:
            self.errors.append(f"no figures of {work} ({place}) in {path}")

    def read_line(self, place, words, held, kept):
        try:
            if words[0] == "held":
                held.setdefault(words[1], []).append(
                    (int(words[3]), int(words[4])))
            elif words[0] == "kept":
                kept.setdefault(words[1], []).append(
                    [int(word) for word in words[2:5]])
            elif words[0] == "churn":
                self.churn.setdefault((words[1], int(words[2])), []).append(
                    tuple(int(word) for word in words[4:7]))
            elif words[0] == "scale":
                self.scale.setdefault((words[1], int(words[2])), []).append(
                    (int(words[3]), int(words[4])))
            else:
                rows = self.boots[place].setdefault(words[0], {})
                boots = rows.setdefault(words[1], [])
                if words[2] != "cannot":
                    messages, *figures = [int(word) for word in words[2:6]]
                    blocks = BLOCKS.match(words[1])
                    if blocks:
                        messages *= int(blocks[1])
                    boots.append(tuple(f / messages for f in figures))
        except (IndexError, KeyError, ValueError, ZeroDivisionError):
            return False
        return True

    def figures(self, place):
        """work: row: {"minimum", "median", "mean", "net", "net mean"}, or None
        for "cannot"."""
        result = {}
        for work, rows in self.boots[place].items():
            result[work] = {}
            for row, boots in rows.items():
                figure = None
                if boots:
                    low = [boot[0] for boot in boots]
                    best = min(low)
                    if row.startswith("wsheap") and len(set(low)) > 1:
                        # Nothing that ours depends on differs.
                        best = max(low)
                        self.notes.append(
                            f"{place}: {work} {row} differs between boots: "
                            + " ".join(number(f) for f in low))
                    figure = {"minimum": best,
                              "median": min(boot[1] for boot in boots),
                              "mean": max(boot[-1] for boot in boots)}
                result[work][row] = figure
            for row, figure in result[work].items():
                loop = result[work].get(
                    "nothing,freed" if row in FREED else "nothing")
                off = loop["minimum"] if loop and row != "memset" else 0
                if figure:
                    figure["net"] = figure["minimum"] - off
                    figure["net mean"] = figure["mean"] - off
        return result


def number(figure):
    if figure is None:
        return "-"
    return f"{figure:.0f}" if abs(figure) >= 1000 else f"{figure:.1f}"


def table(title, columns, rows, gap="  "):
    """Lines of a table: the first column to the left, the others right."""
    cells = [[""] + list(columns)] + [list(row) for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    lines = [title, ""]
    for row in cells:
        line = row[0].ljust(widths[0])
        for cell, width in zip(row[1:], widths[1:]):
            line += gap + cell.rjust(width)
        lines.append("  " + line.rstrip())
    return lines + [""]


class Report:
    def __init__(self, logs, recorded, blocks, peaks, tiles):
        self.logs = logs
        self.recorded = recorded or {}
        self.blocks = blocks
        self.peaks = peaks
        self.tiles = tiles
        self.places = {place: logs.figures(place)
                       for place in COUNTED + (TIMED,)}
        self.met = self.missed = self.rows = self.risen = 0
        self.judged = []
        self.lines = []

    def get(self, place, work, row, kind="minimum"):
        figure = self.places[place].get(work, {}).get(row)
        return figure[kind] if figure else None

    # The tables.

    def add(self, title, columns, rows, **options):
        self.lines += table(title, columns, rows, **options) if rows else [
            title, "", "  no figures", ""]

    def allocators(self, title, place, works, trace_kind, fixed_kind):
        works = [work for work in works if work in self.places[place]]
        names = []
        for work in works:
            names += [row for row in self.places[place][work]
                      if row not in names]

        def kind(work, name):
            return (trace_kind if work not in FIXED and
                    not name.startswith("nothing") else fixed_kind)

        self.add(title, works, [
            [name] + [number(self.get(place, work, name, kind(work, name)))
                      for work in works]
            for name in names], gap=" ")

    def heap(self):
        names = []
        for place in self.places:
            names += [row for row in self.places[place].get("heap", {})
                      if row not in names]
        columns = [(place, "minimum") for place in self.places]
        columns.append((TIMED, "median"))
        self.add("Heaps: what one operation costs; for blocks-N, one block of a "
                 "message of N",
                 ["init_on_alloc=0", "init_on_alloc=1", "ns, minimum",
                  "ns, median"],
                 [[name] + [number(self.get(place, "heap", name, kind))
                            for place, kind in columns] for name in names
                  if name != "size-of-heap"])

    def modes(self):
        """What the debugging modes cost, for a block."""
        zero = COUNTED[0]
        off = {"": "off", ",serialized": "off,serialized",
               ",private": "off,private"}
        rows = []
        for name in self.places[zero].get("modes", {}):
            figure = self.get(zero, "modes", name)
            kind = name[name.index(","):] if "," in name else ""
            plain = self.get(zero, "modes", off[kind])
            rows.append([name, number(self.divide(figure, 32)),
                         number(self.divide(figure - plain, 32))])
        self.add("Modes: instructions of a block of 64 bytes with its part of the "
                 "reset; of a private heap,\nwith its end. A sample is one block "
                 "in 1000", ["a block", "more than off"], rows)

    def held_ratios(self):
        result = {}
        everything = []
        for trace in sorted(self.logs.held,
                            key=lambda t: (TRACES + UNSEEN + (t,)).index(t)):
            pairs = [pair for pair in self.logs.held[trace] if pair[0]]
            if not pairs:
                continue
            if trace in TRACES:
                everything += pairs
            result[trace] = self.ratios(pairs)
        if everything:
            result["all recorded"] = self.ratios(everything)
        return result

    @staticmethod
    def ratios(pairs):
        each = [held / asked for asked, held in pairs]
        return {"messages": len(pairs),
                "median": statistics.median(each),
                "highest": max(each),
                "of the sums": sum(p[1] for p in pairs) /
                sum(p[0] for p in pairs)}

    def speed(self, kind, cpus):
        """Messages in a millisecond, in the round that was disturbed least."""
        return max((messages / max(ns, 1) * 1e6 for messages, ns in
                    self.logs.scale.get((kind, cpus), [])), default=None)

    def gain(self, kind):
        """What the second CPU brings."""
        return self.divide(self.speed(kind, 2), self.speed(kind, 1))

    def churned(self):
        """"sizes, slots": what private heaps held, of all seeds"""
        result = {}
        for (sizes, slots), seeds in self.logs.churn.items():
            each = [most / max(peak, 1) for _, peak, most in seeds]
            result[f"{sizes}, {slots} slots" if slots else sizes] = {
                "operations": max(seed[0] for seed in seeds),
                "alive": statistics.mean(seed[1] for seed in seeds),
                "held": statistics.mean(seed[2] for seed in seeds),
                "mean": statistics.mean(each),
                "worst": max(each),
                # Headers and rounding alone.
                "tiles": self.tiles.get(sizes)}
        return result

    def fresh(self):
        """A private heap for each message, by kmalloc's same blocks."""
        rows = []
        for place in COUNTED:
            for trace in TRACES + UNSEEN:
                ours, kmalloc = (self.get(place, trace, row, "net") for row in
                                 ("private,fresh", "kmalloc,late"))
                ratio = self.divide(ours, kmalloc)
                rows.append([f"{place[-1]}  {trace}", number(ours),
                             number(kmalloc), f"{ratio:.3f}" if ratio else "-"])
        self.add("A private heap created for each message, and destroyed with "
                 "its blocks: instructions",
                 ["heap", "kmalloc and kfree", "ratio"],
                 [["init_on_alloc", "", "", ""]] + rows)

    def worst(self):
        """The longest call by its size, in instructions and nanoseconds."""
        sizes = []
        for row in self.places[COUNTED[0]].get("worst", {}):
            size = row.split(",")[-1]
            if size not in sizes:
                sizes.append(size)
        for title, place in (("instructions", COUNTED[0]),
                             ("nanoseconds under UML", TIMED)):
            self.add("The longest call after 300,000 small blocks were freed, "
                     f"all or most of them: {title}", WORST,
                     [[size] + [number(self.get(place, "worst",
                                                f"{heap},{size}"))
                                for heap in WORST] for size in sizes])

    def retention(self):
        rows = []
        for kind, lines in sorted(self.logs.kept.items()):
            shown = [line for i, line in enumerate(lines)
                     if i in (0, len(lines) - 1) or
                     line[1:] != lines[i - 1][1:]]
            if len(shown) > 14:
                step = (len(shown) - 1) / 13
                shown = [shown[round(i * step)] for i in range(14)]
            rows += [[kind] + [str(value) for value in line]
                     for line in shown]
        self.add("Retention: what a heap keeps after a message, and how often it "
                 "took memory", ["message", "bytes held", "taken"], rows)

    def tables(self):
        about = self.logs.about
        for what, place in (("Instructions", COUNTED[0]),
                            ("Nanoseconds", TIMED)):
            self.lines.append("{}: kernel {}, {}".format(
                what, *about.get(place, ("unknown", "unknown"))))
        self.lines += ["Blocks of a pass: " + ", ".join(
            f"{trace} {blocks}" for trace, blocks in self.blocks.items()), ""]
        for place in COUNTED:
            self.allocators(place[0].upper() + place[1:] +
                            ": a trace without the loop, which is "
                            "\"nothing\"; 32 blocks with it",
                            place, TRACES + FIXED, "net", "minimum")
            self.allocators(place[0].upper() + place[1:] +
                            ": traces that are made, without the loop",
                            place, UNSEEN, "net", "minimum")
        for kind in ("minimum", "median"):
            self.allocators(f"Nanoseconds under UML, {kind}: all with the loop",
                            TIMED, TRACES + FIXED, kind, kind)
        self.allocators("Nanoseconds under UML, minimum: traces that are made, "
                        "with the loop", TIMED, UNSEEN, "minimum", "minimum")
        self.fresh()
        self.worst()
        self.heap()
        self.modes()
        self.add("Bytes held for each byte asked for",
                 ["messages", "median", "highest", "of the sums",
                  "asked / alive at once, median"],
                 [[trace, str(r["messages"])] +
                  [f"{r[k]:.3f}" for k in ("median", "highest", "of the sums")] +
                  [f"{self.peaks[trace]:.3f}" if trace in self.peaks else "-"]
                  for trace, r in self.held_ratios().items()])
        self.add("Scaling: messages in a millisecond, the best of the rounds",
                 ["1 CPU", "2 CPUs", "gain"],
                 [[kind] + [number(self.speed(kind, cpus)) for cpus in (1, 2)] +
                  [f"{self.gain(kind) or 0:.3f}"]
                  for kind in sorted({key[0] for key in self.logs.scale})])
        self.retention()
        self.add(f"Private heaps while blocks come and go: bytes held at most, "
                 f"of {SEEDS} seeds",
                 ["operations", "most alive", "held", "held / alive, mean",
                  "worst", "of which headers and rounding"],
                 [[name] + [f"{r[k]:.0f}" for k in ("operations", "alive",
                                                    "held")] +
                  [f"{r[k]:.3f}" if r[k] else "-"
                   for k in ("mean", "worst", "tiles")]
                  for name, r in self.churned().items()])

    # The bounds.

    def judge(self, name, figure, bound, least=False, only_warn=False):
        if figure is None:
            verdict = "MISSED"
            shown = "no figure"
        else:
            good = figure >= bound if least else figure <= bound
            verdict = "met" if good else "MISSED"
            shown = f"{figure:.3f}" if bound < 10 else f"{figure:.1f}"
        if verdict == "met":
            self.met += 1
        elif only_warn and figure is not None:
            verdict = "warning"
        else:
            self.missed += 1
        self.judged.append([name, shown, (">= " if least else "<= ") +
                            f"{bound:g}", verdict])

    @staticmethod
    def divide(a, b):
        return None if a is None or not b else a / b

    def bounds(self):
        zero, one = COUNTED
        get, divide, judge = self.get, self.divide, self.judge

        judge("fixed-64: wsheap / bump, with the loop",
              divide(get(zero, "fixed-64", "wsheap"),
                     get(zero, "fixed-64", "bump")), 1.10)
        for work in TRACES:
            judge(f"{work}: wsheap / bump",
                  divide(get(zero, work, "wsheap", "net"),
                         get(zero, work, "bump", "net")), 1.05)
        for work, least in zip(TRACES, (17, 15, 15)):
            judge(f"{work}: kmalloc / wsheap",
                  divide(get(zero, work, "kmalloc", "net"),
                         get(zero, work, "wsheap", "net")), least, least=True)
        for work in TRACES + FIXED:
            kind = "net" if work in TRACES else "minimum"
            ours, fill = (get(zero, work, row, kind)
                          for row in ("wsheap", "memset"))
            figure = None
            if ours is not None and fill is not None:
                figure = divide(get(one, work, "wsheap", kind), ours + fill)
            name = f"{work}, init_on_alloc=1: wsheap / (wsheap at 0 + memset)"
            if work != "fixed-8":
                judge(name, figure, 1.10)
            elif figure is not None:
                # A memset of 8 bytes is a store, one of 256 is a loop.
                self.judged.append([name, f"{figure:.3f}", "", "not judged"])
        judge("reset,one-chunk", get(zero, "heap", "reset,one-chunk"), 30)
        judge("fixed-64: wsheap,serialized / bump,locked, with the loop",
              divide(get(zero, "fixed-64", "wsheap,serialized"),
                     get(zero, "fixed-64", "bump,locked")), 1.20)
        for work in TRACES:
            judge(f"{work}: wsheap,serialized / bump,locked",
                  divide(get(zero, work, "wsheap,serialized", "net"),
                         get(zero, work, "bump,locked", "net")), 1.20)
        judge("pool,message", get(zero, "heap", "pool,message"), 150)
        for row, most in (("mark,rollback", 60), ("action,add", 20),
                          ("action,run", 15), ("extend", 25),
                          ("init,exit", 150)):
            judge(row, get(zero, "heap", row), most)
        judge("a block among 10000000 / a block among 100",
              divide(get(zero, "heap", "blocks-10000000"),
                     get(zero, "heap", "blocks-100")), 1.10)
        for what in ("live", "property"):
            judge(f"{what}-100000 / {what}-10",
                  divide(get(zero, "heap", f"{what}-100000"),
                         get(zero, "heap", f"{what}-10")), 1.10)
        judge("size-of-heap, bytes", get(zero, "heap", "size-of-heap"), 192)
        held = self.held_ratios().get("all recorded")
        judge("bytes held / asked for, median of all messages",
              held["median"] if held else None, 1.35)
        for work in TRACES:
            peers = [get(TIMED, work, row) for row in
                     ("kmalloc", "page_frag", "gen_pool", "devm_kmalloc")]
            peers = [figure for figure in peers if figure is not None]
            judge(f"{work} under UML: wsheap / the fastest peer that frees",
                  divide(get(TIMED, work, "wsheap"), min(peers))
                  if len(peers) == 4 else None, 1)
        # The mean: some pass does what the others have put off.
        for work in TRACES + UNSEEN:
            for row, most in PRIVATE:
                judge(f"{work}: {row}, mean / kmalloc (an aim: warns)",
                      divide(get(zero, work, row, "net mean"),
                             get(zero, work, "kmalloc", "net")), most,
                      only_warn=True)
        self.churn_bounds()
        judge("gain of a second CPU: wsheap / bump (noisy: warns)",
              divide(self.gain("wsheap"), self.gain("bump")), 0.95, least=True,
              only_warn=True)
        self.add("Bounds", ["figure", "bound", ""], self.judged)

    def churn_bounds(self):
        for (sizes, slots), bounds in CHURN.items():
            name = f"{sizes}, {slots} slots" if slots else sizes
            each = self.churned().get(name)
            if len(self.logs.churn.get((sizes, slots), [])) != SEEDS:
                each = None
            for kind, most in zip(("mean", "worst"), bounds):
                if most:
                    self.judge(f"{name}: a private heap held / alive, {kind}",
                               each and each[kind], most)
        bound, least = CHURN_OTHERS
        for key, seeds in self.logs.churn.items():
            if key in CHURN:
                continue
            name = f"{key[0]}, {key[1]} slots"
            each = self.churned()[name]
            name += ": a private heap held / alive, worst"
            if len(seeds) != SEEDS:
                self.judge(name, None, bound)
            elif each["alive"] >= least and key[0] != CHURN_TINY:
                self.judge(name, each["worst"], bound)
            else:
                self.judged.append([name, f"{each['worst']:.3f}", "",
                                    "not judged"])

    # The comparison with what is recorded.

    def compare(self, data):
        old = self.recorded
        if not old:
            self.lines += ["No figures are recorded: nothing to compare with",
                           ""]
            return
        same = all(old.get(key) == data[key] for key in ("kernel", "compiler"))
        title = "Against the recorded figures"
        if not same:
            title += (f", by the ratio to the bump: those are of kernel "
                      f"{old.get('kernel')},\n{old.get('compiler')}")
        changes = []
        for place in COUNTED:
            for work in TRACES + UNSEEN + FIXED + ("heap",):
                rows = data.get(place, {}).get(work, {})
                for row in rows:
                    self.compare_row(place, work, row, same, data, changes)
                for row in old.get(place, {}).get(work, {}):
                    if row not in rows and (work == "heap" or
                                            row.startswith("wsheap")):
                        changes.append([f"{place[-1]}  {work} {row}", "", "",
                                        "gone"])
        if changes:
            self.add(title, ["recorded", "now", ""],
                     [["init_on_alloc", "", "", ""]] + changes)
        else:
            self.lines += [title + f": nothing changed in {self.rows} rows", ""]

    def compare_row(self, place, work, row, same, data, changes):
        if work != "heap" and not row.startswith("wsheap"):
            return
        figures = []
        for source in (self.recorded, data):
            works = source.get(place, {})
            figure = works.get(work, {}).get(row)
            if not figure:
                break
            # What a structure takes does not depend on how fast code is.
            if not same and row != "size-of-heap":
                bump = works.get("soap" if work == "heap" else work,
                                 {}).get("bump")
                if not bump or not bump["net"]:
                    break
                figures.append(figure["net"] / bump["net"])
            else:
                figures.append(figure["net"])
        name = f"{place[-1]}  {work} {row}"
        if len(figures) < 2:
            if data[place][work][row]:
                changes.append([name, "", number(data[place][work][row]["net"]),
                                "new"])
            return
        was, now = figures
        # Another kernel's clock and allocators are in a heap's rows, and there
        # is no bump for the same work to set them against.
        guarded = work != "heap" or same and not SYSTEM.match(row)
        self.rows += guarded
        if abs(now - was) <= abs(was) * SAME:
            return
        change = (now / was - 1) * 100 if was else float("inf")
        verdict = f"{change:+.1f} %"
        if guarded and now > was * RISE:
            self.risen += 1
            verdict += " RISEN"
        elif not guarded:
            verdict += " (the system's)"
        elif now < was:
            verdict += " gain"
        form = number if same or row == "size-of-heap" else "{:.4g}".format
        changes.append([name, form(was), form(now), verdict])

    # What is recorded.

    def data(self):
        about = self.logs.about
        unknown = ("unknown", "unknown")
        kernel, compiler = about.get(COUNTED[0], unknown)
        uml = about.get(TIMED, unknown)
        result = {
            "kernel": kernel,
            "compiler": compiler,
            "UML": {"kernel": uml[0], "compiler": uml[1]},
            "blocks": self.blocks,
            "held": self.held_ratios(),
            "kept": self.logs.kept,
            "churn": self.churned(),
            "scale": {kind: {cpus: self.speed(kind, cpus) for cpus in (1, 2)}
                      for kind in ("bump", "wsheap")},
        }
        for place, works in self.places.items():
            result[place] = {}
            for work, rows in works.items():
                result[place][work] = {
                    row: figure and (
                        {key: figure[key] for key in ("minimum", "median", "net")}
                        if place == TIMED else
                        {"figure": figure["minimum"], "net": figure["net"]})
                    for row, figure in rows.items()}
        return rounded(result)


def rounded(value):
    """As it is recorded: what a float adds is noise."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, float):
        value = round(value, 3)
        return int(value) if value == int(value) else value
    return value


def to_json(data):
    text = json.dumps(data, indent=1, sort_keys=True)
    # A row is a line, for git diff.
    return re.sub(r"[{\[]\n[^][{}]*?[}\]]", lambda match:
                  re.sub(r"\n *", " ", match[0]), text) + "\n"


# Readable on a page of either scheme, and where the page is as wide as a phone.
STYLE = """<style>
text { font: 14px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1b1b1a; }
.title { font-size: 16px; font-weight: bold; }
.small { font-size: 13px; fill: #4d4d4a; }
.own { font-weight: bold; }
.panel { fill: #fcfcfb; stroke: #d4d4d0; }
.axis { stroke: #62625e; }
.soap { fill: #0b5c8e; }
.json { fill: #c56a00; }
.x509 { fill: #3f7d2e; }
@media (prefers-color-scheme: dark) {
text { fill: #e2e3e4; }
.small { fill: #b4b7ba; }
.panel { fill: #1b1e21; stroke: #3a3f44; }
.axis { stroke: #a4a8ac; }
.soap { fill: #6cb6ea; }
.json { fill: #f0a64b; }
.x509 { fill: #86c770; }
}
</style>"""


# What the picture shows, in this order. All rows are in the tables.
DRAWN = (("kmalloc", "kmalloc and kfree"), ("wsheap,private", "wsheap, private heap"),
         ("wsheap,serialized", "wsheap, serialized"), ("wsheap", "wsheap"),
         ("bump", "a bump allocator by hand"))


def to_svg(report, about):
    """Two columns of bars, for what kernels do by default and for the least work."""
    columns = ((COUNTED[1], "init_on_alloc=1, Debian's default"),
               (COUNTED[0], "init_on_alloc=0"))
    values = {}
    for place, _ in columns:
        for row, _ in DRAWN:
            for trace in TRACES:
                net = report.get(place, trace, row, "net")
                if net is not None and report.blocks[trace]:
                    values[place, row, trace] = net / report.blocks[trace]
    # A name is above its bars, and behind the longest bar is room for its figure.
    name, bar, gap, left, top, width, column = 20, 14, 8, 18, 128, 220, 296
    full = left + 2 * column
    base = top + len(DRAWN) * (name + len(TRACES) * bar + gap)
    height = base + 26
    scale = width / max(values.values(), default=1)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{full}" '
        f'height="{height}" viewBox="0 0 {full} {height}">',
        "<title>Instructions for a block, by allocator and trace</title>",
        STYLE,
        f'<rect class="panel" x="0.5" y="0.5" width="{full - 1}" '
        f'height="{height - 1}" rx="6"/>',
        f'<text class="title" x="{left}" y="30">'
        "Instructions for a block, its release included</text>",
        f'<text class="small" x="{left}" y="52">Traces of real messages on kernel '
        f"{about[0]}, {about[1]}</text>",
    ]
    x = left
    for trace in TRACES:
        out.append(f'<rect class="{trace}" x="{x}" y="68" width="12" '
                   'height="12"/>')
        out.append(f'<text x="{x + 18}" y="79">{trace}</text>')
        x += 80
    for x, (place, what) in zip((left, left + column), columns):
        out.append(f'<text class="own" x="{x}" y="112">{what}</text>')
        out.append(f'<path class="axis" d="M{x} {top - 4}V{base - gap}"/>')
        y = top
        for row, text in DRAWN:
            if row == "bump" and place == COUNTED[1]:
                text += "*"
            own = ' class="own"' if row.startswith("wsheap") else ""
            out.append(f'<text{own} x="{x + 6}" y="{y + name - 6}">{text}</text>')
            y += name
            for trace in TRACES:
                value = values.get((place, row, trace))
                if value is not None:
                    out.append(f'<rect class="{trace}" x="{x}" y="{y}" '
                               f'width="{value * scale:.1f}" height="{bar - 1}"/>')
                    label = f"{value:.1f}" if value < 100 else f"{value:.0f}"
                    out.append(f'<text class="small" x="{x + value * scale + 6:.1f}" '
                               f'y="{y + bar - 2}">{label}</text>')
                y += bar
            y += gap
    out.append(f'<text class="small" x="{left}" y="{base + 12}">'
               "* It gives out old bytes, where the others zero their blocks.</text>")
    return "\n".join(out) + "\n</svg>\n"


def count_blocks(directory):
    result = {}
    for trace in TRACES:
        path = os.path.join(directory, trace + ".trace")
        with open(path, encoding="utf-8") as file:
            result[trace] = sum(1 for line in file if line[:2] in
                                ("a ", "z ", "r "))
    return result


def count_peaks(directory):
    """trace: [bytes asked for / most of them alive at once] of each message"""
    result = {}
    for trace in TRACES:
        ratios, live, asked, peak = [], {}, 0, 0
        with open(os.path.join(directory, trace + ".trace"),
                  encoding="utf-8") as file:
            for line in file:
                words = line.split()
                if words[0] in ("a", "z", "r"):
                    live[words[1]] = int(words[2])
                    asked += int(words[2])
                    peak = max(peak, sum(live.values()))
                elif words[0] == "f":
                    live.pop(words[1], None)
                elif words[0] == "m":
                    ratios.append(asked / max(peak, 1))
                    live, asked, peak = {}, 0, 0
        result[trace] = statistics.median(ratios)
    return result


def count_tiles(directory):
    """sizes: what blocks take with a header of 8, rounded up to 16 / asked"""
    result, everything = {}, []
    for trace in TRACES:
        with open(os.path.join(directory, trace + ".trace"),
                  encoding="utf-8") as file:
            sizes = [int(line.split()[2]) for line in file
                     if line[:2] in ("a ", "z ", "r ")]
        everything += sizes
        result[trace] = sizes
    result["all"] = everything
    return {name: sum((size + 23) // 16 * 16 for size in sizes) / sum(sizes)
            for name, sizes in result.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for option in ("logs", "recorded", "traces", "json", "svg", "table"):
        parser.add_argument("--" + option, required=True)
    args = parser.parse_args()

    try:
        with open(args.recorded, encoding="utf-8") as file:
            recorded = json.load(file)
    except FileNotFoundError:
        recorded = None
    except ValueError as error:
        sys.exit(f"error: the recorded figures are no JSON: {error}")

    logs = Logs(args.logs)
    report = Report(logs, recorded, count_blocks(args.traces),
                    count_peaks(args.traces), count_tiles(args.traces))
    data = report.data()
    report.tables()
    report.bounds()
    judged_lines = len(report.lines)
    report.compare(data)

    print("\n".join(report.lines))
    for note in logs.notes:
        print(f"note: {note}")
    for error in logs.errors:
        print(f"error: {error}")
    if logs.errors:
        print("==> results are missing, so none are recorded")
    else:
        # Not the comparison, which would differ when nothing else does.
        for path, text in ((args.json, to_json(data)),
                           (args.svg, to_svg(report, logs.about[COUNTED[0]])),
                           (args.table,
                            "\n".join(report.lines[:judged_lines]))):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        print(f"==> written to {os.path.dirname(args.json)}: \"git diff\" "
              "shows what changed, and a commit records it")
    print(f"bench: {report.met} bounds met, {report.missed} missed; "
          f"{report.rows} rows compared, {report.risen} risen")
    return 1 if logs.errors or report.missed or report.risen else 0


if __name__ == "__main__":
    sys.exit(main())
