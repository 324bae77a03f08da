# SPDX-License-Identifier: GPL-2.0-only
"""report BENCH.JSON DIRECTORY: the page of the figures, and its plots.

Everything on the page that is a number, or follows from one, comes out of the
file; the words around it are in page.rst.in.
"""

import json
import pathlib
import sys

import page
import plots


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0].join(["usage: ", ""]))
    source, directory = map(pathlib.Path, sys.argv[1:])
    figures = json.loads(source.read_text())
    drawn = plots.draw_all(figures, directory / "plots")
    (directory / "performance.rst").write_text(page.text(figures, drawn))


main()
