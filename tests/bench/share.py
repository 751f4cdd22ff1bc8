#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How exactly a server divides its device's time, on a device whose time is modelled and which keeps a record.

    share.py --build build/release                                  all, about three minutes
    share.py --build build/release shares priority                  some
    share.py --build build/release --requests 100000 --out FILE     the campaign, with its figures as JSON

`farlane bench share` starts it. It stays a program beside the build: what it needs is a device that keeps a record of its
own, a server that counts wrongly, and clients that take so long as they are told. Ends with 1 where a figure is not good
enough.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).resolve().parent


def use_build(build):
    """What the tests' modules look for in the environment when they are loaded."""
    build = pathlib.Path(build).resolve()
    os.environ |= {"FARLANE_CASE": str(build / "tests/client_case"), "FARLANE_GPUD": str(build / "bin/farlane-gpud"),
                   "FARLANE_COUNTING_GPUD": str(build / "tests/counting_gpud"),
                   "FARLANE_BINARY": str(build / "bin/farlane"), "FARLANE_CLIENT": str(build / "lib/farlane/client"),
                   "FARLANE_SOFT": str(build / "lib/farlane/soft/libcuda.so.1")}
    sys.path.insert(0, str(HERE.parent / "system/client"))


class Bench:
    def __init__(self, options):
        import share_scenarios  # what it needs is known now
        from model_sessions import Model
        self.scenarios, self.model = share_scenarios, Model
        self.options = options
        self.found = {}
        self.gates = []
        self.lines = sys.stderr if options.json else sys.stdout

    def gate(self, name, value, good, limit):
        passes = value is not None and good(value, limit)
        self.gates.append({"name": name, "value": value, "limit": limit, "passes": passes})
        text = "nothing" if value is None else f"{value:.4f}"
        print(f"{'ok  ' if passes else 'BAD '} {name}: {text} ({limit})", flush=True, file=self.lines)

    def most(self, name, value, limit):
        self.gate(name, value, lambda got, most: got <= most, limit)

    def least(self, name, value, limit):
        self.gate(name, value, lambda got, least: got >= least, limit)

    def note(self, name, found):
        found = {key: {word: value for word, value in one.items() if word != "latencies_ms"} if isinstance(one, dict) else one
                 for key, one in found.items()}
        self.found.setdefault(name, []).append(found)
        shown = {key: value for key, value in found.items() if key not in ("turns", "parts")}
        print(f"     {name}: {json.dumps(shown)}", flush=True, file=self.lines)
        return found

    def run_shares(self, asked, seconds, name, **server):
        with self.model(**server) as model:
            return self.note(name, self.scenarios.shares(model, asked, seconds))

    def shares(self):
        long, short, each = self.scenarios.LONG, self.scenarios.SHORT, self.scenarios.EACH
        for first in (0.7, 0.3, 0.1):
            name = f"{first} and {round(1 - first, 1)}"
            found = self.run_shares([(first, long), (round(1 - first, 1), short)], self.options.seconds, "shares")
            self.most(f"{name}, worst second", found["worst_second"], 0.02)
            self.most(f"{name}, {self.options.seconds} s", found["error"], 0.005)
        found = self.run_shares([(None, kernels) for kernels in each], self.options.seconds, "shares")
        self.most("four of a kind, worst second", found["worst_second"], 0.02)
        self.most(f"four of a kind, {self.options.seconds} s", found["error"], 0.005)
        self.least("four of a kind, Jain's index", found["jain"], 0.99)

    def tcp(self):
        """Four programs over TCP, again and again: how far one run is from the next is what the machine does."""
        asked = [(part, self.scenarios.blocks(0.5, 1, 2, 5, 10, 20)) for part in (0.4, 0.3, 0.2, 0.1)]
        runs = [self.run_shares(asked, self.options.seconds, "tcp", transport="tcp") for _ in range(self.options.repeats)]
        self.most("four over TCP, kernels up to 20 ms", max(one["error"] for one in runs), 0.05)
        spread = [max(parts) - min(parts) for parts in zip(*(one["got"] for one in runs))]
        self.most("the same run again differs by", max(spread), 0.05)

    def counted(self):
        """What the figures are worth: where launches are counted, and where nobody takes turns, they are bad."""
        asked = [(0.3, self.scenarios.LONG), (0.7, self.scenarios.SHORT)]
        counting = self.run_shares(asked, 3, "counted", program=os.environ["FARLANE_COUNTING_GPUD"])
        self.least("launches counted: wrong by", counting["error"], 0.1)
        with self.model("--no-turns") as model:
            without = self.note("without_turns", self.scenarios.shares(model, asked, 3))
        self.least("no turns: wrong by", without["error"], 0.1)

    def cap(self):
        for limit in (0.25, 0.6):
            with self.model() as model:
                found = self.note("cap", self.scenarios.cap(model, limit, 5))
            self.most(f"a cap of {limit}, the most in a second", found["most_in_a_second"], limit + 0.01)
            self.least(f"a cap of {limit}, in all", found["used"], limit - 0.01)

    def alone(self):
        for other_is_there in (False, True):
            with self.model() as model:
                found = self.note("alone", self.scenarios.alone_and_yield(model, 0.2, 3, other_is_there))
            who = "beside one that does nothing" if other_is_there else "alone"
            self.least(f"a share of 0.2, {who}", found["busy_alone"], 0.95)
            self.most(f"a share of 0.2, {who}, gives way in ms", found["yields_ms"], 50)

    def resize(self):
        for before, after in ((0.2, 0.8), (0.8, 0.2), (0.1, 0.4)):
            with self.model() as model:
                found = self.note("resize", self.scenarios.resize(model, before, after))
            self.most(f"resize from {before} to {after}, ms", found["within_ms"], 50)

    def elastic(self):
        """A share that follows its use; steps of a quarter, judged once a second."""
        with self.model() as model:
            found = self.note("elastic", self.scenarios.elastic(model))
        self.most("elastic, seconds from 0.2 to 0.8", found["up_s"], 15)
        self.most("elastic, 0.8 and 0.1: its part is off by", abs(found["got_at_most"] - found["wanted_at_most"]), 0.01)
        self.most("elastic, its share once a half is promised to another", found["share_beside_a_half"], 0.4)
        self.most("elastic, the other has its half after ms", found["half_within_ms"], 50)
        self.most("elastic, its part then is off by", abs(found["got_beside_a_half"] - 0.4), 0.02)
        self.most("elastic, seconds back to 0.2 where it does nothing", found["down_s"], 15)

    def priority(self):
        with self.model() as model:
            found = self.note("priority", self.scenarios.priority(model, self.options.requests, self.options.rate,
                                                             self.options.request_ms))
        command_ms = 5
        self.most("requests beside best effort, p99 in ms", found["beside"]["p99_ms"],
                  1.1 * found["alone"]["p99_ms"] + command_ms)
        self.most("commands before a request, of 99 in 100", found["beside"]["ahead_p99"], 1)
        self.least("best effort keeps", found["best_effort_keeps"], 0.5)


PARTS = ("shares", "tcp", "counted", "cap", "alone", "resize", "elastic", "priority")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--seconds", type=float, default=10, help="of the device's work in each run of shares")
    parser.add_argument("--repeats", type=int, default=3, help="of the runs over TCP")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=100, help="of requests, a second")
    parser.add_argument("--request-ms", type=float, default=2, help="what each takes on the device")
    parser.add_argument("--out", help="where the figures go, as JSON")
    parser.add_argument("--json", action="store_true", help="the figures on standard output, the lines on the other")
    parser.add_argument("part", nargs="*", choices=[[], *PARTS], metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    use_build(options.build)
    bench = Bench(options)
    load_before = os.getloadavg()[0]
    for part in options.part or PARTS:
        getattr(bench, part)()
    whole = {"cores": os.cpu_count(), "load": statistics.mean((load_before, os.getloadavg()[0])),
             "gates": bench.gates, "measured": bench.found}
    if options.json:
        print(json.dumps(whole, indent=1))
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return 0 if all(one["passes"] for one in bench.gates) else 1


if __name__ == "__main__":
    sys.exit(main())
