#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws what share.py has measured: share_pictures.py FIGURES.json FOLDER writes the pictures of docs/scheduling.md."""

import json
import pathlib
import sys

WIDTH = 720
LEFT = 150
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#9467bd")
GREY = "#888888"


class Picture:
    """Shapes and words on white, in the order in which they were put there."""

    def __init__(self, title, height):
        self.height = height
        self.parts = [f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
        self.text(WIDTH / 2, 20, title, size=14, anchor="middle")

    def text(self, x, y, words, size=12, anchor="start", colour="black"):
        words = words.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'fill="{colour}">{words}</text>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.4):.1f}" height="{height:.1f}" '
                          f'fill="{colour}"/>')

    def line(self, points, colour=GREY, width=1, dashes=""):
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes}/>')

    def write(self, path):
        body = "\n".join(self.parts)
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" '
                        f'font-family="sans-serif">\n{body}\n</svg>\n', encoding="utf-8")


def across(value, most):
    return LEFT + (WIDTH - LEFT - 30) * value / most


def axis(picture, y, most, step, unit):
    picture.line([(across(0, most), y), (across(most, most), y)])
    for at in range(int(most / step) + 1):
        x = across(at * step, most)
        picture.line([(x, y), (x, y + 4)])
        picture.text(x, y + 17, f"{at * step:g}{unit}", size=10, anchor="middle", colour=GREY)


def turns(found, path):
    """Who had the device, for a moment of a run of two."""
    picture = Picture("Turns: two sessions that always have more waiting", 150)
    for at, asked in enumerate(found["asked"]):
        picture.text(10, 58 + 40 * at, f"asked for {asked:g}")
        picture.line([(LEFT, 66 + 40 * at), (WIDTH - 30, 66 + 40 * at)], colour="#dddddd")
    for at, start, end in found["turns"]:
        x = across(start, 60)
        picture.box(x, 40 + 40 * at, across(end, 60) - x, 26, COLOURS[at])
    axis(picture, 118, 60, 10, " ms")
    picture.write(path)


def shares(all_found, path):
    """What each asked for, and what it got."""
    rows = [(asked, got, at) for found in all_found for at, (asked, got) in enumerate(zip(found["asked"], found["got"]))]
    picture = Picture("Asked for (line), and had (bar) of the device's work in ten seconds", 60 + 24 * len(rows) + 12 * len(all_found))
    y, before = 36, -1
    for asked, got, at in rows:
        y += 12 if at <= before else 0
        before = at
        picture.text(10, y + 13, f"{asked:g}: {got:.4f}")
        picture.box(LEFT, y, across(got, 1) - LEFT, 16, COLOURS[at])
        x = across(asked, 1)
        picture.line([(x, y - 3), (x, y + 19)], colour="black", width=2)
        y += 24
    axis(picture, y + 4, 1, 0.1, "")
    picture.write(path)


def resize(all_found, path):
    """A session's part, before and after its numbers were changed."""
    picture = Picture("Other numbers while both run: the first session's part of each 50 ms", 260)

    def height(part):
        return 220 - 170 * part

    for part in (0, 0.25, 0.5, 0.75, 1):
        picture.line([(LEFT, height(part)), (WIDTH - 30, height(part))], colour="#dddddd")
        picture.text(LEFT - 8, height(part) + 4, f"{part:g}", size=10, anchor="end", colour=GREY)
    for found, colour in zip(all_found, COLOURS):
        parts = found["parts"]
        points = []
        for at, part in enumerate(parts):
            points += [(across(at, len(parts)), height(part)), (across(at + 1, len(parts)), height(part))]
        picture.line(points, colour=colour, width=2)
        picture.text(10, height(found["wanted_after"]) + 4,
                     f"{found['wanted_before']:.2f} to {found['wanted_after']:.2f}", colour=colour)
    x = across(0.5, 1)
    picture.line([(x, 40), (x, 225)], colour="black", dashes="4 3")
    picture.text(x, 244, "farlane session resize", size=11, anchor="middle")
    picture.write(path)


def priority(found, path):
    """What requests take."""
    rows = [(side, which, found[side][f"{which}_ms"]) for side in ("alone", "beside") for which in ("p50", "p99")]
    most = 5 * (int(max(row[2] for row in rows)) // 5 + 1)
    picture = Picture("A guaranteed session's requests of 2 ms, alone and beside best-effort kernels of 5 ms", 60 + 26 * len(rows))
    for at, (side, which, took) in enumerate(rows):
        y = 36 + 26 * at
        picture.text(10, y + 13, f"{side}, {which}: {took:.2f} ms")
        picture.box(LEFT, y, across(took, most) - LEFT, 18, COLOURS[side == "beside"])
    axis(picture, 36 + 26 * len(rows), most, 5, " ms")
    picture.write(path)


def main():
    figures, folder = (pathlib.Path(word) for word in sys.argv[1:3])
    measured = json.loads(figures.read_text(encoding="utf-8"))["measured"]
    folder.mkdir(parents=True, exist_ok=True)
    turns(measured["shares"][0], folder / "turns.svg")
    shares(measured["shares"], folder / "shares.svg")
    resize(measured["resize"], folder / "resize.svg")
    priority(measured["priority"][0], folder / "priority.svg")


if __name__ == "__main__":
    main()
