#!/usr/bin/env python3
"""Draws docs/architecture.svg: the floors that docs/architecture.md lists, an arrow for each that includes another.

With --check it draws nothing, and fails where the drawing is not the present one.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE, DRAWING = ROOT / "docs/architecture.md", ROOT / "docs/architecture.svg"
LEFT, TOP, WIDTH, HEIGHT, GAP, LANE = 10, 10, 350, 38, 22, 34  # of a box; what a box is wider than the one above

STYLE = """
  .page { fill: #ffffff }
  text { fill: #1f2328; font: 13px sans-serif }
  .name { font: bold 14px monospace }
  .box { fill: #eef3fa; stroke: #57606a }
  .line { fill: none; stroke: #1b6ca8; stroke-width: 1.5 }
  .end { fill: #1b6ca8 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 }
    text { fill: #e6edf3 }
    .box { fill: #1c2733; stroke: #8b949e }
    .line { stroke: #6cb6ff }
    .end { fill: #6cb6ff }
  }
"""


def floors():
    """The rows `folder` | subject of the page's table, from the top down."""
    table = PAGE.read_text().split("| folder | subject |")[1].split("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \| ([^|]+?) \|", table, re.M)


def includes(folders):
    """Pairs of numbers: a floor, and another that a file of it includes a header of; <xgrad/xgrad.hpp> does not count."""

    def floor(path):
        for i, folder in enumerate(folders):
            if path.startswith(folder + "/"):
                return i
        sys.exit(f"architecture.py: {path} is in no folder of the table in {PAGE.name}; add a row")

    pairs = set()
    for path in (p for folder in folders for p in (ROOT / folder).rglob("*.[ch]pp")):
        for header in re.findall(r"^#include <xgrad/(.+/.+)>", path.read_text(), re.M):
            pairs.add((floor(path.relative_to(ROOT).as_posix()), floor(header)))
    return sorted((upper, lower) for upper, lower in pairs if upper != lower)


def draw(rows, pairs):
    def top(row):
        return TOP + row * (HEIGHT + GAP)

    def right(row):  # each box comes out from under the one above, for the lane that ends on it
        return LEFT + WIDTH + row * LANE

    def lane(row):
        return right(row) - LANE // 2

    upward = [f"{rows[a][0]} includes {rows[b][0]}" for a, b in pairs if a > b]
    if upward:
        sys.exit(f"architecture.py: an arrow would point up: {', '.join(upward)}")
    shapes = []
    for row, (folder, subject) in enumerate(rows):
        y = top(row)
        shapes.append(f'<rect class="box" x="{LEFT}" y="{y}" width="{right(row) - LEFT}" height="{HEIGHT}" rx="4"/>')
        shapes.append(f'<text class="name" x="{LEFT + 12}" y="{y + 24}">{folder}/</text>')
        shapes.append(f'<text x="{LEFT + 172}" y="{y + 24}">{subject}</text>')
        below = [b for a, b in pairs if a == row]
        middle = y + HEIGHT // 2
        if below:
            shapes.append(f'<path class="line" d="M{right(row)} {middle}H{lane(max(below))}"/>')
        shapes += [f'<circle class="end" cx="{lane(b)}" cy="{middle}" r="3.5"/>' for b in below]
        if above := [a for a, b in pairs if b == row]:
            shapes.append(f'<path class="line" d="M{lane(row)} {top(min(above)) + HEIGHT // 2}V{y - 7}"/>')
            shapes.append(f'<path class="end" d="M{lane(row)} {y}l-4.5 -9h9z"/>')
    legend = top(len(rows)) + 4
    shapes.append(f'<circle class="end" cx="{LEFT + 5}" cy="{legend - 4}" r="3.5"/>')
    shapes.append(f'<text x="{LEFT + 16}" y="{legend}">includes headers of the folder at the foot of the line</text>')
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right(len(rows) - 1) + 10} {legend + 12}">',
                      f"<style>{STYLE}</style>", '<rect class="page" width="100%" height="100%"/>', *shapes, "</svg>", ""])


rows = floors()
drawing = draw(rows, includes([folder for folder, _ in rows]))
if "--check" not in sys.argv:
    DRAWING.write_text(drawing)
elif not DRAWING.exists() or DRAWING.read_text() != drawing:
    sys.exit("docs/architecture.svg is not what the #include lines say; run scripts/architecture.py and commit it")
