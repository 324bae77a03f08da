# SPDX-License-Identifier: GPL-2.0-only
"""The page: page.rst.in with its tables and plots."""

import pathlib
import string

import plots
import targets
from methods import KINDS, NAMES

# fork(2) of 1 GiB in 4 KiB pages on hardware, in ms (Redis users' figures)
FORK_MS = (6.5, 20)

PAUSES = ["fork", "fullcopy", "uffd_wp", "park", "capture", "recapture",
          "prearmed"]


def table(head, rows):
    """A table of reStructuredText; every cell is a text."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[n]) for row in [head, *rows])
              for n in range(len(head))]
    rule = "  ".join("=" * width for width in widths)
    lines = [rule]
    for row in [head, *rows]:
        lines.append("  ".join(cell.ljust(width) for cell, width
                               in zip(row, widths)).rstrip())
        if row is head:
            lines.append(rule)
    return "\n".join([*lines, rule])


def digits(value, n=3):
    """So many digits that count, and no exponent"""
    return f"{float(f'{value:.{n}g}'):.10f}".rstrip("0").rstrip(".")


def milliseconds(nanoseconds):
    return "\\-" if nanoseconds is None else digits(nanoseconds / 1e6)


def count(value):
    if value is None:
        return "\\-"
    for unit, name in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= unit:
            return digits(value / unit) + name
    return digits(value)


def size(value):
    if value is None:
        return "\\-"
    for unit, name in ((1 << 30, " GiB"), (1 << 20, " MiB"), (1 << 10, " KiB")):
        if value >= unit:
            return digits(value / unit) + name
    return digits(value)


def ratio(value, base):
    return "\\-" if value is None else digits(value / base)


def with_guest(figures, kind, method):
    """A full copy does not touch page tables: it is the same as without."""
    mib = int(figures["standard_mib"])
    key = (f"size_{mib}_{kind}_{method}" if method == "fullcopy"
           else f"live_{kind}_{method}")
    return ratio(figures.get(key), figures[f"size_{mib}_{kind}_fork"])


def pauses(figures):
    mib = int(figures["standard_mib"])
    rows = []
    for method in PAUSES:
        row = [NAMES[method]]
        for kind in KINDS:
            value = figures.get(f"size_{mib}_{kind}_{method}")
            row += [count(value),
                    ratio(value, figures[f"size_{mib}_{kind}_fork"]),
                    with_guest(figures, kind, method)]
        rows.append(row)
    return table(["pause", "4 KiB", "/ fork", "with guest", "huge", "/ fork ",
                  "with guest "], rows)


def phases(figures):
    mib = int(figures["standard_mib"])
    rows = []
    for kind in KINDS:
        for method in ["capture", "recapture", "prearmed"]:
            key = f"size_{mib}_{kind}_{method}"
            if key not in figures:
                continue
            parts = [figures[f"{key}_{phase}"] for phase
                     in ["prepare", "collect", "unmap", "steal"]]
            rows.append([f"{NAMES[method]}, {KINDS[kind]}",
                         *map(count, parts),
                         count(figures[key] - sum(parts))])
    return table(["capture", "prepare", "collect", "unmap", "steal", "rest"],
                 rows)


def touches(figures, who, methods):
    rows = []
    for kind in KINDS:
        for method in methods:
            name = NAMES[method]
            if who == "child" and method == "capture":
                name = "vmfork"
            rows.append([f"{name}, {KINDS[kind]}"] + [
                count(figures.get(f"{who}_{kind}_{method}_{touch}"))
                for touch in plots.TOUCHES])
    return table(["first touch of a page", *plots.TOUCHES.values()], rows)


def memory(figures):
    rows = []
    for method in ["fork", "fullcopy", "uffd_wp", "uffd_missing", "capture"]:
        name = "vmfork" if method == "capture" else NAMES[method]
        per_page = [figures.get(f"child_bytes_per_page_{what}_{method}")
                    for what in ("read", "written")]
        rows.append([name, size(figures.get(f"snapshot_bytes_{method}")),
                     size(figures.get(f"child_bytes_{method}")),
                     *map(size, per_page)])
    return table(["", "snapshot", "idle child", "page read", "page written"],
                 rows)


def prefaults(figures):
    rows = []
    names = {"vmfork": "VMFORK_PREFAULT",
             "vmfork_populate": "vmfork, MADV_POPULATE",
             "fullcopy": "full copy, MADV_POPULATE",
             "uffd_missing": "one UFFDIO_COPY"}
    for kind in KINDS:
        for way, name in names.items():
            both = [figures.get(f"prefault_{kind}_{way}_{what}")
                    for what in ("read", "write")]
            if any(both):
                rows.append([f"{name}, {KINDS[kind]}", *map(count, both)])
    return table(["filling 1 page, of many at once", "read", "write"], rows)


def others(figures):
    """Figures that have no plot"""
    rows = [["a full copy over our first capture, " + KINDS[kind],
             count(figures[f"fullcopy_vs_first_capture_{kind}"])]
            for kind in KINDS]
    rows += [["userfaultfd write-protect over our pre-armed capture",
              count(figures.get("uffd_wp_vs_capture"))]]
    rows += [["userfaultfd write-protect over our first capture, " +
              KINDS[kind],
              count(figures[f"uffd_wp_vs_first_capture_{kind}"])]
             for kind in KINDS]
    rows += [[f"capturing ahead for the first time, {KINDS[kind]}",
              count(figures.get(f"prearm_first_{kind}"))] for kind in KINDS]
    rows += [[f"of this, the longest that the lock was held, {KINDS[kind]}",
              count(figures.get(f"prearm_first_{kind}_longest"))]
             for kind in KINDS]
    rows += [["a diff of two snapshots, 1 % written, " + KINDS[kind],
              count(figures.get(f"diff_10_{kind}"))] for kind in KINDS]
    return table(["", "instructions, or ratio"], rows)


def wakes(figures):
    """A clone with a working set, and without"""
    names = {"cold": "none", "lines": "of 100 lines",
             "second": "of two seconds"}
    rows = []
    for key, name in names.items():
        pages = [figures.get(f"wake_{key}_{what}_pages")
                 for what in ("read", "written")]
        rows.append([name, *map(count, pages)] + [
            count(figures.get(f"wake_{key}_{what}"))
            for what in ("apply_memory", "apply_second_level", "100_lines",
                         "all_lines", "faults", "second_level_faults")])
    return table(["working set", "read", "written", "memory", "KVM",
                  "100 lines", "a second's", "faults", "KVM's"], rows)


def qemus(figures):
    """A stock QEMU is saved, and forked: the longest gap of its guest"""
    ways = {"nothing": "of_nothing", "``savevm``": "savevm",
            "``migrate`` to a file, guest stopped": "migrate_to_file",
            "``migrate`` to a file, guest running": "migrate_to_file_live",
            "``background-snapshot`` to a file": "background_snapshot",
            "``vmfork qemu fork``, the longest": "fork"}
    rows = [[way, milliseconds(figures.get(f"qemu_gap_{key}"))]
            for way, key in ways.items()]
    rows += [["``vmfork qemu fork``: STOP to RESUME, the first",
              milliseconds(figures.get("qemu_stop_fork_1"))],
             ["boot to the first line of output",
              milliseconds(figures.get("qemu_boot"))],
             ["a child's QEMU, to its first line of output",
              milliseconds(figures.get("qemu_child_first_line"))],
             ["``vmfork qemu fork --start``, to that line",
              milliseconds(figures.get("qemu_fork_to_first_line"))]]
    return table(["", "milliseconds"], rows)


def estimates(figures):
    mib = int(figures["standard_mib"])
    base = figures[f"size_{mib}_4k_fork"]
    rows = []
    for method in PAUSES:
        if method == "fullcopy":  # it copies
            continue
        row = [NAMES[method]]
        for kind in KINDS:
            value = figures.get(f"size_{mib}_{kind}_{method}")
            row.append("\\-" if value is None else " to ".join(
                digits(value / base * ms, 2) for ms in FORK_MS) + " ms")
        rows.append(row)
    return table(["estimate", *KINDS.values()], rows)


def text(figures, drawn):
    template = string.Template(
        pathlib.Path(__file__).with_name("page.rst.in").read_text())
    images = {"plot_" + name.replace("-", "_"):
              f".. image:: plots/{name}.svg\n   :alt: {name}"
              for name in drawn}
    mib = int(figures["standard_mib"])
    return template.substitute(
        images,
        size=plots.size_text(mib),
        slice=f"{int(figures['slice_mib'])} MiB",
        copied=int(figures["copied_pages"]),
        background=count(figures.get("uffd_wp_background")),
        fork_low=FORK_MS[0], fork_high=FORK_MS[1],
        targets=table(["what", "figure", "target", "met"],
                      targets.rows(figures)),
        pauses=pauses(figures),
        phases=phases(figures),
        after=touches(figures, "after", plots.AFTER),
        child=touches(figures, "child", plots.CHILD),
        memory=memory(figures),
        prefaults=prefaults(figures),
        others=others(figures),
        wakes=wakes(figures),
        wake_total=digits(figures.get("prefault_speedup_with_apply", 0)),
        wake_lines=count(figures.get("wake_lines_in_second")),
        wake_file=count(figures.get("wake_lines_read_file")),
        qemus=qemus(figures),
        qemu_parent=count(figures.get("qemu_parent_resident_bytes")),
        qemu_child=count(figures.get("qemu_child_bytes")),
        estimates=estimates(figures))
