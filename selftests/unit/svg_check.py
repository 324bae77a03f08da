# SPDX-License-Identifier: GPL-2.0
"""Whether heat_test.c's SVG is XML and has the cells that it ought to have."""
import sys
import xml.etree.ElementTree as ET

SVG = '{http://www.w3.org/2000/svg}'
PAGES = (64 << 20) // 4096 + 3

root = ET.parse(sys.argv[1]).getroot()
assert root.tag == SVG + 'svg', root.tag
width, height = int(root.get('width')), int(root.get('height'))

want = {}
per_cell = 8            # 4096 cells are not enough for one page in each
for page in range(PAGES):
    cell = want.setdefault(page // per_cell, [0, 0])
    cell[0] += page % 97 == 5
    cell[1] += page % 1031 == 7

seen, places = {}, set()
for rect in root.iter(SVG + 'rect'):
    if rect.get('data-offset') is None:
        continue
    assert int(rect.get('data-length')) == per_cell * 4096
    cell, rest = divmod(int(rect.get('data-offset')), per_cell * 4096)
    assert not rest and cell not in seen
    seen[cell] = [int(rect.get('data-shared')), int(rect.get('data-private'))]
    kind = 'w' if seen[cell][1] else 'r' if seen[cell][0] else 'u'
    assert rect.get('class')[0] == kind, (cell, rect.get('class'))
    assert rect.find(SVG + 'title').text.startswith(f'0x{cell * per_cell * 4096:x}:')
    place = int(rect.get('x')), int(rect.get('y'))
    assert place not in places and place[0] < width and place[1] < height
    assert place == (130 + cell % 64 * 12, 64 + cell // 64 * 12), place
    places.add(place)

assert seen == want, f'{len(seen)} cells, not {len(want)}'
assert root.find(SVG + 'title').text == 'a <title> & "more" ??'
for link in root.iter():
    assert not any('href' in name for name in link.attrib), 'not self-contained'
