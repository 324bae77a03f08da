# SPDX-License-Identifier: GPL-2.0-only
"""What was aimed at, and whether the figures are there."""


def flat(figures, keys):
    """How much more the most costly of them is than the cheapest"""
    values = [figures[key] for key in keys if key in figures]
    return max(values) / min(values) if values else None


def value_of(figures, key):
    children = max(int(k.split("_")[3]) for k in figures
                   if k.startswith("attach_instructions_child_"))
    if key == "attach, by size":
        return flat(figures, [k for k in figures if k.startswith("size_")
                              and k.endswith("_4k_attach")])
    if key == "attach, by number of children":
        return flat(figures, ["attach_instructions_child_1",
                              f"attach_instructions_child_{children}"])
    return figures.get(key)


# What, its key, the sign of the comparison, the target, digits to show
TARGETS = [
    ("re-capture, 1 % written, single pages", "recapture_1pct_vs_fork",
     "<=", 0.05, 3),
    ("the same in runs of 16 pages", "recapture_1pct_runs_vs_fork",
     "<=", 0.05, 3),
    ("the same in one run", "recapture_1pct_contiguous_vs_fork",
     "<=", 0.05, 3),
    ("pre-armed, 1 % written, single pages", "prearmed_1pct_vs_fork",
     "<=", 0.05, 3),
    ("the same in runs of 16 pages", "prearmed_1pct_runs_vs_fork",
     "<=", 0.05, 3),
    ("the same in one run", "prearmed_1pct_contiguous_vs_fork",
     "<=", 0.05, 3),
    ("first capture, 4 KiB pages", "first_capture_4k_vs_fork", "<=", 4, 3),
    ("first capture, huge pages", "first_capture_thp_vs_fork", "<=", 0.5, 3),
    ("reset of 100 written pages", "reset_100_vs_fork", "<", 0.01, 4),
    ("attach: the dearest size over the cheapest", "attach, by size",
     "<=", 1.1, 2),
    ("attach: the last child over the first, or the other way round",
     "attach, by number of children", "<=", 1.1, 2),
    ("sequential read after a first capture, instructions a page",
     "seq_read_after_capture_4k", "<=", 400, 0),
    ("the pause of a full copy over that of a pre-armed capture",
     "fullcopy_vs_capture", ">=", 50, 0),
    ("kernel memory of a mapping that is idle, bytes",
     "kernel_bytes_per_idle_mapping", "<=", 65536, 0),
    ("what a recording costs a guest that takes 10,000 faults, percent",
     "record_overhead_pct", "<=", 5, 2),
    ("tracepoints that nobody listens to: the most they add to a cost, percent",
     "tracepoints_off_overhead_pct", "<=", 2, 2),
    ("host faults that a working set spares a clone in its first second, "
     "percent", "prefault_fault_reduction_pct", ">=", 95, 1),
    ("100 lines of a clone's output without a working set, over those with",
     "prefault_speedup", ">=", 3, 2),
    ("how long a stock QEMU's guest stands still while QEMU saves it to a file, "
     "over that while it is forked", "qemu_gap_vs_migrate_to_file", ">=", 20, 1),
    ("a QEMU's guest's boot, over the time until a child's first line of "
     "output", "qemu_child_vs_boot", ">=", 20, 1),
    ("memory of an idle child of a QEMU, over what its parent has",
     "qemu_child_memory_fraction", "<", 0.1, 4),
]


def is_met(value, sign, target):
    return {"<=": value <= target, "<": value < target,
            ">=": value >= target}[sign]


def rows(figures):
    for what, key, sign, target, digits in TARGETS:
        value = value_of(figures, key)
        if value is None:
            yield what, "not measured", f"{sign} {target}", "no"
            continue
        yield (what, f"{value:.{digits}f}", f"{sign} {target}",
               "yes" if is_met(value, sign, target) else "**no**")
