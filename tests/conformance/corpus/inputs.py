# SPDX-License-Identifier: Apache-2.0
"""Makes small input files for programs whose own data is not in their repository.

Programs that compare the device with the processor on any input need no particular one. A recipe is
a word and its numbers, for example "bmp 64 64"; the same recipe always makes the same bytes. A recipe
that begins with "text:" is the text itself.
"""
import array
import random
import struct
from pathlib import Path


TEXT = "text:"


class BadRecipe(Exception):
    """A table asks for an input that nobody here can make."""


def make(recipe: str, path: Path) -> None:
    if recipe.startswith(TEXT):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(recipe[len(TEXT):])
        return
    word, *numbers = recipe.split()
    if word not in RECIPES:
        raise BadRecipe(f"no such recipe: {recipe}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(RECIPES[word](random.Random(recipe), *(float(number) for number in numbers)))


def bmp(chance: random.Random, width: float, height: float) -> bytes:
    """A picture of 24 bits per pixel; a multiple of four pixels needs no padding."""
    pixels = chance.randbytes(int(width) * int(height) * 3)
    head = struct.pack("<IiiHHIIiiII", 40, int(width), int(height), 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return struct.pack("<2sIHHI", b"BM", 54 + len(pixels), 0, 0, 54) + head + pixels


def ppm(chance: random.Random, width: float, height: float) -> bytes:
    head = f"P6\n{int(width)} {int(height)}\n255\n".encode()
    return head + chance.randbytes(int(width) * int(height) * 3)


def random_bytes(chance: random.Random, count: float) -> bytes:
    return chance.randbytes(int(count))


def numbers(chance: random.Random, count: float, low: float, high: float) -> bytes:
    """One to a line."""
    return "".join(f"{chance.uniform(low, high):.6f}\n" for _ in range(int(count))).encode()


def matrices(chance: random.Random, count: float) -> bytes:
    """Their number, then nine numbers each."""
    return f"{int(count)}\n".encode() + numbers(chance, 9 * count, -1, 1)


def radiance(chance: random.Random, width: float, height: float) -> bytes:
    """Width and height, then four positive numbers for each pixel."""
    return f"{int(width)} {int(height)}\n".encode() + numbers(chance, 4 * width * height, 0.1, 2)


def words(chance: random.Random, count: float) -> bytes:
    """Lines of text that hold one rare word now and then."""
    common = ["the", "queue", "waits", "for", "a", "kernel", "and", "an", "event"]
    lines = []
    for _ in range(int(count)):
        line = chance.choices(common, k=9)
        if chance.random() < 0.1:
            line.insert(4, "clEnqueueNDRangeKernel")
        lines.append(" ".join(line))
    return ("\n".join(lines) + "\n").encode()


def prose(chance: random.Random, size: float) -> bytes:
    """So many bytes of such text; no line of it is shorter than its nine words."""
    return words(chance, size / 18 + 1)[:int(size)]


def reads(chance: random.Random, count: float, length: float) -> bytes:
    """Pairs of sequences, tab between them; the second has a few changes."""
    lines = []
    for _ in range(int(count)):
        first = chance.choices("ACGT", k=int(length))
        second = [chance.choice("ACGT") if chance.random() < 0.03 else base for base in first]
        lines.append("".join(first) + "\t" + "".join(second) + "\n")
    return "".join(lines).encode()


def matrix_market(chance: random.Random, rows: float) -> bytes:
    """A sparse square matrix with a full diagonal."""
    size = int(rows)
    cells = {(row, row) for row in range(1, size + 1)}
    for row in range(2, size + 1):
        cells |= {(row, chance.randrange(1, row)) for _ in range(3)}
    lines = [f"{row} {column} {chance.uniform(0.5, 1.5):.4f}" for row, column in sorted(cells)]
    head = f"%%MatrixMarket matrix coordinate real general\n{size} {size} {len(cells)}\n"
    return (head + "\n".join(lines) + "\n").encode()


def cells(chance: random.Random, rows: float, columns: float, separator: float, head: float,
          name: float) -> bytes:
    """A table of numbers around four centres; with a line of headings, with a name to each row."""
    between, columns = chr(int(separator)), int(columns)
    centres = [[chance.uniform(0, 100) for _ in range(columns)] for _ in range(4)]
    lines = [[f"C{column}" for column in range(columns + int(name))]] if head else []
    for row in range(int(rows)):
        numbers_of_row = [f"{chance.gauss(middle, 5):.4f}" for middle in centres[row % 4]]
        lines.append([f"{row + 1}"] * int(name) + numbers_of_row)
    return "".join(between.join(line) + "\n" for line in lines).encode()


def clusters(chance: random.Random, rows: float, spread: float) -> bytes:
    """Points in space around three places that are far apart; with no spread, the places."""
    places = [(0, 0, 0), (200, 0, 50), (50, 250, 100)]
    lines = []
    for row in range(int(rows)):
        point = [chance.gauss(middle, spread) for middle in places[row % 3]]
        lines.append(",".join(f"{value:.4f}" for value in point) + "\n")
    return "".join(lines).encode()


def floats(chance: random.Random, count: float, low: float, high: float) -> bytes:
    """As the processor has them."""
    return array.array("f", [chance.uniform(low, high) for _ in range(int(count))]).tobytes()


def peak(_: random.Random, width: float) -> bytes:
    """A square picture as the processor has floats: highest in its middle, lower all around."""
    size = int(width)
    heights = [
        1 / (1 + (x - size // 2) ** 2 + (y - size // 2) ** 2)
        for y in range(size)
        for x in range(size)
    ]
    return array.array("f", heights).tobytes()


def sparse_rows(chance: random.Random, rows: float, columns: float) -> bytes:
    """A class, 1 or -1, then a tenth of the columns as number:value; what the class follows from."""
    lines = []
    for _ in range(int(rows)):
        chosen = sorted(chance.sample(range(1, int(columns) + 1), max(1, int(columns) // 10)))
        values = {column: chance.uniform(-1, 1) for column in chosen}
        belongs = sum(value if column % 2 else -value for column, value in values.items()) > 0
        cells_of_row = " ".join(f"{column}:{value:.5f}" for column, value in values.items())
        lines.append(f"{1 if belongs else -1} {cells_of_row}\n")
    return "".join(lines).encode()


def crystal(chance: random.Random, atoms: float) -> bytes:
    """A cubic cell: its length, a line, the number of atoms, a line, an atom to a line."""
    lines = ["25.8", "90 90 90", f"{int(atoms)}", "cell"]
    for number in range(int(atoms)):
        place = " ".join(f"{chance.random():.5f}" for _ in range(3))
        lines.append(f"{number + 1} {chance.choice(['Zn', 'O', 'C', 'H'])} {place}")
    return ("\n".join(lines) + "\n").encode()


def mesh(chance: random.Random, width: float, height: float) -> bytes:
    """A field of cells with four sides each; far away beyond its border, a wall around its middle."""
    width, height = int(width), int(height)
    solid = {(width // 2, height // 2)}
    order = [(x, y) for y in range(height) for x in range(width) if (x, y) not in solid]
    number = {cell: index + 1 for index, cell in enumerate(order)}
    lines = [f"{len(order)}"]
    for x, y in order:
        size = chance.uniform(0.9, 1.1)
        sides = []
        for way in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            beside = (x + way[0], y + way[1])
            neighbour = number.get(beside, 0 if beside in solid else -2)
            sides.append(f"{neighbour} {way[0]:.1f} {way[1]:.1f} 0.0")
        lines.append(f"{size:.5f} " + " ".join(sides))
    return ("\n".join(lines) + "\n").encode()


def edges(chance: random.Random, nodes: float, degree: float) -> bytes:
    """A graph both ways as binary numbers: nodes, edges, where each node's start, ends, weights."""
    nodes = int(nodes)
    beside = [{} for _ in range(nodes)]
    for one in range(nodes):
        for _ in range(int(degree)):
            other, weight = chance.randrange(nodes), chance.randrange(1, 100)
            if other != one:
                beside[one][other] = beside[other][one] = weight
    starts, ends, weights = [0], [], []
    for others in beside:
        ends += sorted(others)
        weights += [others[other] for other in sorted(others)]
        starts.append(len(ends))
    return array.array("i", [nodes, len(ends), *starts, *ends, *weights]).tobytes()


def whole_numbers(chance: random.Random, count: float) -> bytes:
    """Their number, then those from 1 on in no order, one to a line."""
    values = chance.sample(range(1, int(count) + 1), int(count))
    return "".join(f"{value}\n" for value in [len(values), *values]).encode()


def storms(chance: random.Random, count: float) -> bytes:
    """Records of 49 characters, with a latitude at the 29th and a longitude at the 34th."""
    line = "{:<28}{:<5.1f}{:<5.1f}{:>10}\n"
    return "".join(
        line.format(f"storm {number}", chance.uniform(10, 60), chance.uniform(10, 99), number)
        for number in range(int(count))
    ).encode()


def genome(chance: random.Random, count: float) -> bytes:
    """Four letters in no order."""
    return "".join(chance.choices("ACGT", k=int(count))).encode()


def likes(chance: random.Random, nodes: float, degree: float) -> bytes:
    """A line of headings, then who likes (1) and who does not like (-1) whom; all hang together."""
    lines = ["from,to,sign"]
    for one in range(1, int(nodes)):
        others = {one - 1} | {chance.randrange(one) for _ in range(int(degree) - 1)}
        lines += [f"{one},{other},{chance.choice((1, 1, 1, -1))}" for other in sorted(others)]
    return ("\n".join(lines) + "\n").encode()


RECIPES = {
    "bmp": bmp,
    "bytes": random_bytes,
    "cells": cells,
    "clusters": clusters,
    "crystal": crystal,
    "edges": edges,
    "floats": floats,
    "genome": genome,
    "likes": likes,
    "matrices": matrices,
    "matrix_market": matrix_market,
    "mesh": mesh,
    "numbers": numbers,
    "peak": peak,
    "ppm": ppm,
    "prose": prose,
    "radiance": radiance,
    "reads": reads,
    "sparse_rows": sparse_rows,
    "storms": storms,
    "whole_numbers": whole_numbers,
    "words": words,
}
