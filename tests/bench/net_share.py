#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a server divides its link: programs that copy 8 MiB after 8 MiB over TCP to the same machine, with what the server
has counted of each.

    net_share.py --build build/release [--rate 100] [--seconds 5] [--out FILE]

Ends with 1 where a part is off by more than a twentieth of itself, or a cap is passed by more than a fiftieth.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

from share import use_build

MIB = 1 << 20
OFF_MOST = 0.05
OVER_MOST = 0.02
LITTLE = 0.05
SETTLE_SECONDS = 1
PATIENCE = 120


class Link:
    """A server with a link of its own, and programs that use it. With `with`: all is over at its end."""

    COUNT = 0

    def __init__(self, *options):
        from real_server import Server  # what it needs is known now
        Link.COUNT += 1
        self.service = f"unix:@farlane-net-share-{os.getpid()}-{Link.COUNT}"
        self.server = Server("--control", self.service, "--warm", "2", "--no-turns", *options)
        self.programs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.programs:
            if one.poll() is None:
                one.kill()
                one.communicate()
        self.server.stop()

    def ask(self, *words):
        from real_server import FARLANE
        return subprocess.run([FARLANE, "session", *words, "--control", self.service], capture_output=True, text=True,
                              timeout=PATIENCE, check=True).stdout

    def program(self, way, case="bulk", **asks):
        from real_server import CASE, client_environment, die_with_parent
        asked = {f"FARLANE_{name.upper()}": str(value) for name, value in asks.items()}
        one = subprocess.Popen([CASE, case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               preexec_fn=die_with_parent,
                               env=client_environment(self.server.address, FARLANE_TRANSPORT="tcp", BULK_WAY=way, **asked))
        self.programs.append(one)
        if one.stdout.readline() != "ready\n":
            raise AssertionError(one.stderr.read())
        return one

    def session_of(self, program):
        return next(one for one in json.loads(self.ask("list", "--json"))["sessions"]
                    if one["clients"] and one["clients"][0]["process"] == program.pid)

    def counted(self, programs, way):
        return time.monotonic(), [self.session_of(one)["net"][f"{way}_bytes"] / MIB for one in programs]

    def rates(self, programs, way, seconds):
        """MiB a second of each, after they are known to move something."""
        time.sleep(SETTLE_SECONDS)
        began, before = self.counted(programs, way)
        time.sleep(seconds)
        ended, after = self.counted(programs, way)
        return [(now - was) / (ended - began) for now, was in zip(after, before)]


class Bench:
    def __init__(self, options):
        self.rate, self.seconds = options.rate, options.seconds
        self.rows, self.good = [], True

    def judge(self, name, value, most):
        passes = value <= most
        self.good = self.good and passes
        print(f"{'ok  ' if passes else 'BAD '} {name}: {value:.4f} ({most})", flush=True)

    def row(self, name, way, got, wanted):
        self.rows.append({"name": name, "way": way, "got_mib_s": [round(one, 2) for one in got], "wanted_mib_s": wanted})
        print(f"     {name}, {way}: {', '.join(f'{one:.1f}' for one in got)} MiB/s", flush=True)

    def divided(self, name, asks, parts, **change):
        """All of them always have more to move; their parts of the link."""
        for way in ("in", "out"):
            with Link("--net-rate", f"{self.rate}M/s") as link:
                programs = [link.program(way, **one) for one in asks]
                for at, share in change.items():
                    link.ask("resize", link.session_of(programs[int(at[1:])])["id"], "--share", str(share))
                got = link.rates(programs, way, self.seconds)
            self.row(name, way, got, [part * self.rate for part in parts])
            # Best effort has more where the other was not ready in time: that is nobody's loss.
            self.judge(f"{name}, {way}: a part is off by, of itself",
                       max(abs(one / sum(got) - part) / part for one, part in zip(got, parts) if part > LITTLE), OFF_MOST)
            self.judge(f"{name}, {way}: together, of the link", sum(got) / self.rate, 1 + OVER_MOST)

    def capped(self, limit):
        for way in ("in", "out"):
            with Link() as link:
                got = link.rates([link.program(way, net_limit=f"{limit}M/s")], way, self.seconds)
            self.row(f"alone, --net-limit {limit}M/s", way, got, [limit])
            self.judge(f"a cap of {limit} MiB/s, {way}: of it", got[0] / limit, 1 + OVER_MOST)

    def free(self, asks):
        """What the rows above are worth."""
        with Link() as link:
            got = link.rates([link.program("in", **one) for one in asks], "in", self.seconds)
        self.row("no rate, 0.75 and 0.25", "in", got, None)

    def small(self):
        """Rounds of a kernel that is waited for, in microseconds: half of them, 99 of 100."""
        for name, options, others in (("alone", (), 0), ("beside two each way, with a rate", ("--net-rate", f"{self.rate}M/s"), 2),
                                      ("beside two each way, without", (), 2)):
            with Link(*options) as link:
                for way in ("in", "out") * others:
                    link.program(way)
                rounds = link.program("", case="rounds")
                time.sleep(self.seconds)
                _, count, half, most, _ = rounds.communicate("")[0].split()
            self.rows.append({"name": f"small rounds {name}", "rounds": int(count), "p50_us": float(half), "p99_us": float(most)})
            print(f"     small rounds {name}: {half} us, {most} us in one of 100", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rate", type=int, default=100, help="of the link, in MiB a second")
    parser.add_argument("--seconds", type=float, default=5, help="of each run")
    parser.add_argument("--out", help="where the figures go, as JSON")
    options = parser.parse_args()
    use_build(options.build)
    bench = Bench(options)
    load = os.getloadavg()[0]
    bench.divided("0.75 and 0.25", [{"share": 0.75}, {"share": 0.25}], [0.75, 0.25])
    bench.divided("four of a kind", [{}] * 4, [0.25] * 4)
    bench.divided("best effort beside standard", [{"priority": "best-effort"}, {}], [1 / 21, 20 / 21])
    bench.divided("resized to 0.9 and 0.1", [{"share": 0.5}, {"share": 0.3}], [0.9, 0.1], _1=0.1, _0=0.9)
    bench.capped(20)
    bench.free([{"share": 0.75}, {"share": 0.25}])
    bench.small()
    if options.out:
        whole = {"cores": os.cpu_count(), "load": [load, os.getloadavg()[0]], "rate_mib_s": options.rate,
                 "seconds": options.seconds, "rows": bench.rows}
        pathlib.Path(options.out).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return 0 if bench.good else 1


if __name__ == "__main__":
    sys.exit(main())
