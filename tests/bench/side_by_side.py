#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two driver libraries side by side: `farlane bench` of one and of the other in turns, and one table.

    side_by_side.py --bench build/release/bin/farlane [--rounds 5] [--groups rtt,launch,bulk] \\
        'ours=LIBRARY FARLANE_SERVER=tcp://127.0.0.1:7450' 'theirs=LIBRARY VARIABLE=VALUE'

A side is a name, the path of a libcuda.so.1, and the variables it needs. Whatever else the machine does falls on
both, since they take turns; the column "ratio" is the median of the ratios of neighbours, with the least and the
greatest.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys


def read_side(text):
    name, _, rest = text.partition("=")
    library, *variables = shlex.split(rest)
    return name, library, dict(variable.split("=", 1) for variable in variables)


def measure(bench, side, groups):
    """The medians of one run by their rows, larger is worse; first use is a row, too."""
    _, library, variables = side
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FARLANE_")}
    done = subprocess.run([bench, "bench", "-o", "json", "--driver", library, *groups], env=kept | variables,
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"{side[0]}: {done.stderr.strip() or done.returncode}")
    report = json.loads(done.stdout)
    rows = {"first use until a kernel had run": (report["first_use_ns"] / 1e6, "ms")}
    return rows | {row["name"]: (row["median"], row["unit"]) for row in report["rows"]}


def ratio(first, second, unit):
    """How many times as long the second takes, of two values with that unit."""
    return first / second if unit == "GB/s" else second / first


def table(sides, runs):
    """Lines of the rows that both have."""
    yield f"{'':<42} {sides[0][0]:>10} {sides[1][0]:>10}       ratio"
    for name, (_, unit) in runs[0][0].items():
        pairs = [(one[name][0], other[name][0]) for one, other in runs if name in one and name in other]
        if len(pairs) == len(runs) and all(min(pair) > 0 for pair in pairs):
            ratios = [ratio(one, other, unit) for one, other in pairs]
            first, second = (statistics.median(side) for side in zip(*pairs))
            yield (f"{name:<42} {first:10.3f} {second:10.3f} {unit:<4} {statistics.median(ratios):6.2f} "
                   f"[{min(ratios):.2f} .. {max(ratios):.2f}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", required=True, help="the farlane program")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--groups", default="rtt,launch,bulk")
    parser.add_argument("sides", nargs=2, type=read_side, metavar="NAME='LIBRARY VARIABLE=VALUE…'")
    options = parser.parse_args()
    groups = options.groups.split(",")
    runs = []
    for turn in range(options.rounds):
        order = options.sides if turn % 2 == 0 else options.sides[::-1]
        measured = {side[0]: measure(options.bench, side, groups) for side in order}
        runs.append([measured[side[0]] for side in options.sides])
    print("\n".join(table(options.sides, runs)))


if __name__ == "__main__":
    main()
