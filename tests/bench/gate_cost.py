#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the gate costs a command: instructions, system calls and nanoseconds, with sharing off and on, in turns.

    gate_cost.py --build build/release [--pairs 30] [--out FILE]

In a server: a program launches 20 000 kernels, and what its worker does for them is counted, with the pages by which turns
are given and without (tests/bench/no_turn_desk.cc). The program is counted, too: both together are what a launch takes.

In one process: the session of a worker, with the software GPU as its driver and one that does nothing, is given 20 000 commands
by a client in the same process (GateCost in tests/unit/gpu-server/session/gate_cost_test.cc): without those pages; with them,
alone; and with them, while others are there.

callgrind counts instructions and system calls. Times are of the processor, of pairs one after the other.
"""

import argparse
import json
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

from share import use_build

COMMANDS = 20_000
WARM_UP = 100  # of the launches, before they count
COUNTING = ("valgrind", "--tool=callgrind", "-q", "--collect-systime=yes")
SIDES = {"off": "WithoutPagesNothingIsLookedAt", "alone": "AloneNothingIsMeasuredAndNobodyTold",
         "beside others": "ALightSessionIsMeasuredAndTellsNobody"}
# callgrind's time is no device's: whoever has turns would be stopped for it.
TIMELESS = ("off", "alone")
RATIO_MOST = 1.05
GATE_NS_MOST = 100
GRANT_US_MOST = 100


def totals(path, commands):
    """Instructions and system calls in callgrind's table, for each command."""
    found = re.search(r"^(?:totals|summary): (\d+) (\d+)", pathlib.Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    return [int(found[1]) / commands, int(found[2]) / commands]


class Launches:
    """Counted in the worker of a real server, from one stream that the program makes to the next."""

    SERVERS = {"off": "counted_gpud_off", "on": "counted_gpud"}
    MARK = "cuStreamCreateWithPriority"  # of the worker's driver
    SHARED = {"FARLANE_SOFT_NULL": "1", "FARLANE_SOFT_MEMORY": "64Mi"}

    def __init__(self, build):
        use_build(build)
        import real_server  # what it needs is known now
        self.real = real_server
        self.servers = {side: str(pathlib.Path(build).resolve() / "tests/bench" / name) for side, name in self.SERVERS.items()}

    def counted(self, side):
        """(instructions, system calls) of the worker for each launch, and of the program."""
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "gpud"
            words = [*COUNTING, "--trace-children=yes", f"--dump-before={self.MARK}",
                     f"--callgrind-out-file={folder}/worker.%p", self.servers[side]]
            program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="ascii")
            program.chmod(0o700)
            server = self.real.Server("--warm", "1", program=str(program), **self.SHARED)
            try:
                subprocess.run([*COUNTING, "--toggle-collect=cuLaunchKernel", f"--callgrind-out-file={folder}/program",
                                self.real.CASE, "counted-launches"], env=self.real.client_environment(server.address),
                               check=True, timeout=300, preexec_fn=self.real.die_with_parent)
            finally:
                server.stop()
            # One part up to each mark; what comes after the last one has no number.
            parts = sorted(pathlib.Path(folder).glob("worker.*.*"), key=lambda path: int(path.suffix[1:]))
            return totals(parts[-1], COMMANDS), totals(f"{folder}/program", COMMANDS + WARM_UP)


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
            self.run(side, (*COUNTING, f"--callgrind-out-file={counts.name}"), soft)
            return totals(counts.name, COMMANDS)

    def nanoseconds(self, side):
        return float(re.search(r"(\d+) ns for each command", self.run(side))[1])


def spread(ratios):
    return {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}


def count_launches(build, pairs):
    """Pairs one after the other: what a launch takes of the worker, and of worker and program, with sharing off and on."""
    launches = Launches(build)
    sides = [[launches.counted(side) for side in ("off", "on")] for _ in range(pairs)]
    found = {name: {side: [statistics.median(pair[at][end][what] for pair in sides) for what in (0, 1)]
                    for at, side in enumerate(("off", "on"))} for end, name in enumerate(("worker", "program"))}
    found["worker, on to off"] = spread([on[0][0] / off[0][0] for off, on in sides])
    found["worker and program, on to off"] = spread([(on[0][0] + on[1][0]) / (off[0][0] + off[1][0]) for off, on in sides])
    for name, figures in found.items():
        print(f"launches in a server, {name}: {json.dumps(figures)}", flush=True)
    return found


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
    found["launches in a server"] = launched = count_launches(options.build, options.pairs)
    soft = found["the software GPU, null kernels"]
    ratios = []
    for _ in range(options.pairs):
        off, on = (bench.counted(side, True)[0] for side in ("off", "alone"))
        ratios.append(on / off)
    found["instructions, alone to off"] = spread(ratios)
    times = [(bench.nanoseconds("off"), bench.nanoseconds("alone")) for _ in range(options.pairs)]
    found["gate_ns"] = statistics.median(on - off for off, on in times)
    found["grant"] = bench.run("AGrantIsFollowedByTheFirstCommandAtOnce", may_fail=True).split("\n")
    found["grant"] = next(line for line in found["grant"] if "from a grant" in line)
    grant_us = float(found["grant"].split()[0])
    gates = {"instructions for each launch in a server, worker and program, of 1 with sharing off":
             (launched["worker and program, on to off"]["median"], RATIO_MOST),
             "instructions for each command, of 1 with sharing off": (statistics.median(ratios), RATIO_MOST),
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
