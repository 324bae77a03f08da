# SPDX-License-Identifier: GPL-2.0
"""Whether world_test.c's SVG is XML, and has a mark for each row, in view."""
import sys
import xml.etree.ElementTree as ET

SVG = '{http://www.w3.org/2000/svg}'
path, snapshots, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

root = ET.parse(path).getroot()
assert root.tag == SVG + 'svg', root.tag
width, height = int(root.get('width')), int(root.get('height'))
circles = root.findall(SVG + 'circle')
squares = [r for r in root.findall(SVG + 'rect') if r.get('data-pid')]
assert len(circles) == snapshots, len(circles)
assert len(circles) + len(squares) == rows, len(squares)
assert {int(c.get('data-snapshot')) for c in circles} == set(range(1, snapshots + 1))
heights = {int(c.get('cy')) for c in circles} | {int(s.get('y')) + 4 for s in squares}
assert len(heights) == rows and max(heights) < height, (max(heights), height)
assert all(int(c.get('cx')) < width for c in circles)
# A line leads to everything but the roots.
assert rows - snapshots <= len(root.findall(SVG + 'path')) < rows
