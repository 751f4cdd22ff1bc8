#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the gate costs a command: instructions, system calls and nanoseconds, with sharing off and on, in turns.

    gate_cost.py --build build/release [--pairs 30] [--out FILE]

The session of a worker, with the software GPU as its driver and one that does nothing, is given 20 000 commands by a client
in the same process (GateCost in tests/unit/gpu-server/session/gate_cost_test.cc): without the pages by which turns are given;
with them, alone; and with them, while others are there. callgrind counts instructions and system calls. Times are of the
processor, of pairs one after the other.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

COMMANDS = 20_000
SIDES = {"off": "WithoutPagesNothingIsLookedAt", "alone": "AloneNothingIsMeasuredAndNobodyTold",
         "beside others": "ALightSessionIsMeasuredAndTellsNobody"}
# callgrind's time is no device's: whoever has turns would be stopped for it.
TIMELESS = ("off", "alone")
RATIO_MOST = 1.05
GATE_NS_MOST = 100
GRANT_US_MOST = 100


class Bench:
    def __init__(self, build):
        build = pathlib.Path(build).resolve()
        self.program = str(build / "tests/server_session_test")
        self.soft = {"FARLANE_COST_DRIVER": str(build / "lib/farlane/soft/libcuda.so.1"), "FARLANE_SOFT_NULL": "1"}
        self.kept = {name: value for name, value in os.environ.items() if not name.startswith("FARLANE_")}

    def run(self, side, before=(), soft=False, may_fail=False):
        done = subprocess.run([*before, self.program, f"--gtest_filter=GateCost.{SIDES.get(side, side)}"], text=True,
                              capture_output=True, env=self.kept | (self.soft if soft else {}), timeout=300, check=False)
        if done.returncode != 0 and not may_fail:
            sys.exit(f"{side}: {done.stdout}{done.stderr}")
        return done.stdout

    def counted(self, side, soft):
        """Instructions and system calls of a whole run, client and session, by command."""
        with tempfile.NamedTemporaryFile() as counts:
            self.run(side, ("valgrind", "--tool=callgrind", "--collect-systime=yes", "-q",
                            f"--callgrind-out-file={counts.name}"), soft)
            totals = re.search(r"^(?:totals|summary): (\d+) (\d+)", pathlib.Path(counts.name).read_text(encoding="utf-8"),
                               re.MULTILINE)
            return [int(totals[1]) / COMMANDS, int(totals[2]) / COMMANDS]

    def nanoseconds(self, side):
        return float(re.search(r"(\d+) ns for each command", self.run(side))[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--out", help="where the figures go, as JSON")
    options = parser.parse_args()
    bench = Bench(options.build)
    found = {"commands": COMMANDS, "pairs": options.pairs, "load": os.getloadavg()[0]}
    for name, soft in (("a driver that does nothing", False), ("the software GPU, null kernels", True)):
        found[name] = {side: bench.counted(side, soft) for side in SIDES if side in TIMELESS or not soft}
        for side, (instructions, calls) in found[name].items():
            print(f"{name}, {side}: {instructions:.0f} instructions, {calls:.3f} system calls", flush=True)
    soft = found["the software GPU, null kernels"]
    ratios = []
    for _ in range(options.pairs):
        off, on = (bench.counted(side, True)[0] for side in ("off", "alone"))
        ratios.append(on / off)
    found["instructions, alone to off"] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    times = [(bench.nanoseconds("off"), bench.nanoseconds("alone")) for _ in range(options.pairs)]
    found["gate_ns"] = statistics.median(on - off for off, on in times)
    found["grant"] = bench.run("AGrantIsFollowedByTheFirstCommandAtOnce", may_fail=True).split("\n")
    found["grant"] = next(line for line in found["grant"] if "from a grant" in line)
    grant_us = float(found["grant"].split()[0])
    gates = {"instructions for each command, of 1 with sharing off": (statistics.median(ratios), RATIO_MOST),
             "system calls more for each command": (soft["alone"][1] - soft["off"][1], 0.01),
             "gate, ns": (found["gate_ns"], GATE_NS_MOST), "grant to first command, us": (grant_us, GRANT_US_MOST)}
    for name, (value, most) in gates.items():
        print(f"{'ok  ' if value <= most else 'BAD '} {name}: {value:.3f} ({most})")
    found["gates"] = {name: {"value": value, "limit": most} for name, (value, most) in gates.items()}
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if all(value <= most for value, most in gates.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
