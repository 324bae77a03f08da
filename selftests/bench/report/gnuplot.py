# SPDX-License-Identifier: GPL-2.0-only
"""Two kinds of plots, drawn by gnuplot: lines on two logarithmic axes, and
groups of bars on one."""

import subprocess

HEAD = """\
set terminal svg noenhanced size 900,440 font "sans-serif,13" background "#ffffff"
set output "{path}"
set title "{title}"
set xlabel "{xlabel}"
set ylabel "{ylabel}"
set grid xtics ytics lc "#dddddd" lt 1 lw 0.5
set border 3
set tics nomirror
set key outside right top samplen 2
set logscale y
set format y "%.0s %c"
"""


def run(script):
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def block(number, rows):
    lines = "\n".join(" ".join(str(cell) for cell in row) for row in rows)
    return f"$d{number} << END\n{lines}\nEND\n"


def lines(path, title, xlabel, ylabel, series, ticks):
    """series: (name, colour, [(x, y)]); ticks: {x: text}"""
    script = HEAD.format(path=path, title=title, xlabel=xlabel, ylabel=ylabel)
    places = [x for _, _, points in series for x, _ in points]
    script += "set logscale x\n"
    script += f"set xrange [{min(places) / 1.2}:{max(places) * 1.2}]\n"
    script += "set xtics (%s)\n" % ", ".join(
        # A tick's text is a format
        '"%s" %s' % (text.replace("%", "%%"), x) for x, text in ticks.items())
    for number, (_, _, points) in enumerate(series):
        script += block(number, points)
    script += "plot " + ", ".join(
        f'$d{number} with linespoints lw 2 pt 7 ps 0.6 lc "{colour}" '
        f'title "{name}"'
        for number, (name, colour, _) in enumerate(series)) + "\n"
    run(script)


def bars(path, title, ylabel, groups, series):
    """groups: names; series: (name, colour, [a height for each group])"""
    script = HEAD.format(path=path, title=title, xlabel="", ylabel=ylabel)
    script += "set style data histogram\nset style histogram clustered\n"
    script += "set style fill solid\nset boxwidth 0.9\n"
    script += "set yrange [1:*]\n"
    rows = [[f'"{group}"'] + [heights[n] or "NaN" for _, _, heights in series]
            for n, group in enumerate(groups)]
    script += block(0, rows)
    script += "plot " + ", ".join(
        f'$d0 using {column + 2}:xtic(1) lc "{colour}" title "{name}"'
        for column, (name, colour, _) in enumerate(series)) + "\n"
    run(script)
