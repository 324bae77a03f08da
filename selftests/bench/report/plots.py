# SPDX-License-Identifier: GPL-2.0-only
"""The plots of the page.  Each is a file, drawn if there are figures for it."""

import re

import gnuplot
from methods import COLOURS, KINDS, NAMES

INSTRUCTIONS = "instructions"
SIZES = ["fork", "fullcopy", "uffd_wp", "park", "capture", "recapture",
         "prearmed", "attach"]
CHILDREN = ["fork", "fullcopy", "uffd_missing", "capture"]
AFTER = ["fork", "fullcopy", "uffd_wp", "capture", "recapture"]
CHILD = ["fork", "fullcopy", "uffd_missing", "capture"]
TOUCHES = {"process_read": "reads", "process_write": "writes",
           "guest_read": "guest reads", "guest_write": "guest writes"}


def points(figures, pattern):
    """[(x, y)] of the keys that match; the pattern's group is x."""
    found = []
    for key, value in figures.items():
        match = re.fullmatch(pattern, key)
        if match:
            found.append((int(match.group(1)), value))
    return sorted(found)


def size_text(mib):
    return f"{mib // 1024} GiB" if mib >= 1024 else f"{mib} MiB"


def ticks(series, text):
    return {x: text(x) for _, _, found in series for x, _ in found}


def against_size(figures, kind, path):
    series = []
    for method in SIZES:
        found = points(figures, rf"size_(\d+)_{kind}_{method}")
        if found:
            series.append((NAMES[method], COLOURS[method], found))
    gnuplot.lines(path, f"The pause against size, {KINDS[kind]}",
                  "resident memory", INSTRUCTIONS, series,
                  ticks(series, size_text))


def against_dirty(figures, kind, path):
    shades = {"single": "#2171b5", "runs": "#6baed6", "contiguous": "#c6dbef"}
    names = {"single": "single pages", "runs": "runs of 16",
             "contiguous": "one run"}
    series = []
    for pattern, colour in shades.items():
        # All pages are all pages, in any pattern
        found = points(figures,
                       rf"dirty_(\d+)_(?:{pattern})_{kind}_recapture")
        all_pages = points(figures, rf"dirty_(1000)_\w+_{kind}_recapture")
        series.append((f"re-capture, {names[pattern]}", colour,
                       sorted({*found, *all_pages})))
    found = points(figures, rf"dirty_(\d+)_single_{kind}_prearmed")
    if found:
        series.append(("pre-armed, single pages", COLOURS["prearmed"], found))
    mib = int(figures["standard_mib"])
    for method in ["fork", "fullcopy", "uffd_wp", "capture"]:
        level = figures[f"size_{mib}_{kind}_{method}"]
        series.append((NAMES[method], COLOURS[method],
                       [(1, level), (1000, level)]))
    gnuplot.lines(path, "The pause against what was written, "
                  f"{size_text(mib)}, {KINDS[kind]}",
                  "pages written since the last capture", INSTRUCTIONS, series,
                  {1: "0.1 %", 10: "1 %", 100: "10 %", 1000: "100 %"})


def against_children(figures, path):
    series = []
    for method in CHILDREN:
        found = points(figures, rf"children_(\d+)_{method}")
        name = "vmfork" if method == "capture" else NAMES[method]
        series.append((name, COLOURS[method], found))
    gnuplot.lines(path, "A child attaches", "which child it is", INSTRUCTIONS,
                  series, ticks(series, str))


def against_reset(figures, path):
    ways = {"vmfork": ("VMFORK_RESET", "#08306b"),
            "vmfork_dontneed": ("MADV_DONTNEED, of a snapshot", "#9ecae1"),
            "fullcopy_dontneed": ("MADV_DONTNEED, of a full copy", "#c23b22")}
    series = []
    for way, (name, colour) in ways.items():
        found = points(figures, rf"reset_(\d+)_4k_{way}")
        if found:
            series.append((name, colour, found))
    gnuplot.lines(path, "Memory is put back to its snapshot",
                  "pages written since", INSTRUCTIONS, series,
                  ticks(series, str))


def touched(figures, who, kind, methods, title, path):
    series = []
    for method in methods:
        heights = [figures.get(f"{who}_{kind}_{method}_{touch}")
                   for touch in TOUCHES]
        name = NAMES[method]
        if who == "child" and method == "capture":
            name = "vmfork"
        series.append((name, COLOURS[method], heights))
    gnuplot.bars(path, f"{title}, {KINDS[kind]}",
                 "instructions for each page", list(TOUCHES.values()), series)


def draw_all(figures, directory):
    """Draws them into the directory; returns their names."""
    directory.mkdir(parents=True, exist_ok=True)
    drawn = []

    def path(name):
        drawn.append(name)
        return directory / f"{name}.svg"

    for kind in KINDS:
        against_size(figures, kind, path(f"size-{kind}"))
        against_dirty(figures, kind, path(f"dirty-{kind}"))
        touched(figures, "after", kind, AFTER,
                "First touches by the parent", path(f"after-{kind}"))
        touched(figures, "child", kind, CHILD,
                "First touches by a child", path(f"child-{kind}"))
    against_children(figures, path("children"))
    against_reset(figures, path("reset"))
    return drawn
