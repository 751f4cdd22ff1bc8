#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Programs beside each other on a server that divides its GPU's time, and on one that does not, in turns.

    turns_pairs.py --build build/release [--pairs 5] [--seconds 3] small 4      small synchronous programs
    turns_pairs.py --build build/release posts 1                               one that posts, and one that is idle
    turns_pairs.py --build build/release beside 1                              small ones beside one that is busy

Whatever else the machine does falls on both servers of a pair: while the programs of one work, those of the other are
stopped. The ratio is of rounds, or launches, done, with turns to without; the times are those of a round of the small
programs, in microseconds.
"""

import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

# For so long one side works before the other does, in seconds.
SLICE = 0.1


def command_lines(build):
    here = pathlib.Path(build).resolve()
    return {"gpud": [str(here / "bin/farlane-gpud"), "--listen", "tcp://127.0.0.1:0", "--warm", "2", "--driver",
                     str(here / "lib/farlane/soft/libcuda.so.1")],
            "case": str(here / "tests/client_case"), "client": str(here / "lib/farlane/client")}


class Bench:
    def __init__(self, options):
        self.options = options
        self.paths = command_lines(options.build)
        self.kept = {name: value for name, value in os.environ.items() if not name.startswith("FARLANE_")}

    def server(self, *words):
        ready, says = os.pipe()
        process = subprocess.Popen([*self.paths["gpud"], *words, "--ready-fd", str(says)], pass_fds=[says],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self.kept)
        os.close(says)
        with os.fdopen(ready, encoding="utf-8") as line:
            return process, line.readline().strip()

    def program(self, address, case, steps, **variables):
        process = subprocess.Popen(
            [self.paths["case"], case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=self.kept | {"LD_LIBRARY_PATH": self.paths["client"], "FARLANE_SERVER": address,
                             "BUSY_STEPS": str(steps)} | variables)
        if process.stdout.readline() != "ready\n":
            sys.exit(f"{case} does not begin")
        return process

    def side(self, *words):
        """A server, and the programs on it; those that count come last."""
        server, address = self.server(*words)
        others = []
        if self.options.what == "beside":
            others = [self.program(address, "busy", self.options.busy_steps)]
        elif self.options.what == "posts":
            others = [self.program(address, "asked", 1)]
        case = "busy" if self.options.what == "posts" else "rounds"
        return server, others, [self.program(address, case, self.options.steps) for _ in range(self.options.count)]

    def pair(self):
        """What is done with turns, and without: one side is stopped while the other works, a moment each."""
        sides = [self.side(), self.side("--no-turns")]
        try:
            for side in sides:
                tell(side, signal.SIGSTOP)
            for turn in range(int(self.options.seconds / SLICE)):
                for side in (sides if turn % 2 == 0 else sides[::-1]):
                    tell(side, signal.SIGCONT)
                    time.sleep(SLICE)
                    tell(side, signal.SIGSTOP)
            for side in sides:
                tell(side, signal.SIGCONT)
            return [self.end(others + programs, len(programs)) for _, others, programs in sides]
        finally:
            for server, _, _ in sides:
                server.terminate()
                server.wait()

    @staticmethod
    def end(programs, count):
        """Rounds of the last so many, and of their times the worst."""
        said = [one.communicate("")[0].split() for one in programs][-count:]
        times = [max(int(words[i]) for words in said) for i in (2, 3)] if len(said[0]) > 2 else []
        return [sum(int(words[1]) for words in said), *times]


def tell(side, what):
    for one in side[1] + side[2]:
        one.send_signal(what)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--steps", type=int, default=1000, help="of the small programs' kernels")
    parser.add_argument("--busy-steps", type=int, default=1_000_000, help="of the busy program's")
    parser.add_argument("what", choices=("small", "posts", "beside"))
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    bench = Bench(options)
    ratios = []
    print(" ratio  with turns: done, half, 99 %; without")
    for _ in range(options.pairs):
        turns, without = bench.pair()
        ratios.append(turns[0] / max(without[0], 1))
        print(f"{ratios[-1]:6.3f}  {turns}  {without}", flush=True)
    print(f"ratio {statistics.median(ratios):.3f} [{min(ratios):.3f} .. {max(ratios):.3f}]")


if __name__ == "__main__":
    main()
