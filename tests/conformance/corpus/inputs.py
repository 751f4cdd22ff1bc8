# SPDX-License-Identifier: Apache-2.0
"""Makes small input files for programs whose own data is not in their repository.

Programs that compare the device with the processor on any input need no particular one. A recipe is
a word and its numbers, for example "bmp 64 64"; the same recipe always makes the same bytes.
"""
import random
import struct
from pathlib import Path


class BadRecipe(Exception):
    """A table asks for an input that nobody here can make."""


def make(recipe: str, path: Path) -> None:
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


RECIPES = {
    "bmp": bmp,
    "bytes": random_bytes,
    "matrices": matrices,
    "matrix_market": matrix_market,
    "numbers": numbers,
    "ppm": ppm,
    "radiance": radiance,
    "reads": reads,
    "words": words,
}
