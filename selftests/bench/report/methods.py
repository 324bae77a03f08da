# SPDX-License-Identifier: GPL-2.0-only
"""What the methods of selftests/bench are called, and how they are drawn."""

KINDS = {"4k": "4 KiB pages", "thp": "huge pages"}

NAMES = {
    "fork": "fork(2)",
    "fullcopy": "full copy",
    "uffd_wp": "userfaultfd write-protect",
    "uffd_missing": "userfaultfd missing",
    "park": "mremap alone (parking)",
    "capture": "vmfork, first capture",
    "recapture": "vmfork, re-capture of 1 %",
    "prearmed": "vmfork, pre-armed, 1 % written",
    "attach": "vmfork, attach of a child",
}

COLOURS = {
    "fork": "#444444",
    "fullcopy": "#c23b22",
    "uffd_wp": "#e08e0b",
    "uffd_missing": "#e08e0b",
    "park": "#999999",
    "capture": "#08306b",
    "recapture": "#2171b5",
    "prearmed": "#41ab5d",
    "attach": "#9e9ac8",
}
