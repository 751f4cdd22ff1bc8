#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations of several processes and threads, with a driver that fails as planned.

Each process compares what it reads with a model (program/random_operations.cc). Here the failures that were told are
compared with those that were planned, and with the operations that have left no trace; and the daemon's ledger with
what the driver has really given out.

    random_test.py --operations 100000      so many in each run, instead of the short ones
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time
import unittest

from real_server import FARLANE, SOFT, Client, Server, client_environment, die_with_parent

PROCESSES = 4
THREADS = 8
OPERATIONS = 6_400
SEED = int(os.environ.get("FARLANE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)

# Which call of a worker's driver fails at which of its turns, and with which code: one that no mistake of ours gives,
# and no other failure of the plan. By the kind of operation that makes the call.
#
# Failures that are told later, by whatever call comes next: those of operations that leave a trace of their own
# (program/random_tape.h), and records, of which nothing else depends.
LATER = {
    "record": ("cuEventRecordWithFlags", {301: 20, 304: 50, 800: 80, 300: 110}),
    "memset16": ("cuMemsetD16Async", {302: 8, 303: 25}),
    "copy2d": ("cuMemcpy3DAsync_v2", {205: 9, 206: 27}),
    "cooperative": ("cuLaunchCooperativeKernel", {207: 10, 208: 24}),
}
# With FARLANE_SYNC=1 the call itself must tell, so any may fail: the model leaves out what was refused.
AT_ONCE = LATER | {
    "host": ("cuLaunchHostFunc", {211: 20, 212: 70}),
    "memset": ("cuMemsetD8Async", {213: 60}),
    "memset32": ("cuMemsetD32Async", {215: 30}),
    "memset2d": ("cuMemsetD2D8Async", {216: 12}),
    "send": ("cuMemcpyHtoDAsync_v2", {217: 40}),
    "copy": ("cuMemcpyDtoDAsync_v2", {219: 12}),
    "launch": ("cuLaunchKernel", {712: 50}),
    "read": ("cuMemcpyDtoHAsync_v2", {713: 70}),
    "wait": ("cuStreamWaitEvent", {705: 12}),
    "instantiate": ("cuGraphInstantiateWithFlags", {708: 6}),
    "graph": ("cuGraphLaunch", {402: 15}),
    "module": ("cuModuleLoadDataEx", {223: 10}),
}
# Graphs are recorded by the same calls of the driver, and host functions say when pinned memory may be read.
ALSO_TOLD_BY = {"memset": {"instantiate"}, "launch": {"instantiate"}, "host": {"send", "read"}}


def faults(plan):
    return ",".join(f"{call}@{turn}={code}" for call, turns in plan.values() for code, turn in turns.items())


def codes(plan):
    return {code: kind for kind, (_, turns) in plan.items() for code in turns}


class End:
    """What the last line of a process says."""

    def __init__(self, line):
        self.line = line
        # (code, the kind of the call that told it): how often
        self.told = {(int(code), kind): int(count) for code, kind, count in re.findall(r" (\d+):(\w+):(\d+)", line)}
        self.undone = {kind: int(count) for kind, count in re.findall(r" undone:(\w+):(\d+)", line)}


class Operations(Client):
    LISTEN = "tcp://127.0.0.1:0"
    TRANSPORT = "tcp"
    OPTIONS = ()
    PRIORITY = ""

    def start_server(self, faults):
        self.server = Server(*self.OPTIONS, "--mem", "512Mi", "--control", f"unix:@farlane-random-{os.getpid()}",
                             listen=self.LISTEN, FARLANE_SOFT_FAULTS=faults, FARLANE_SOFT_MEMORY="2Gi")
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())

    def run_all(self, plan, more_faults="", **environment):
        """The ends of all processes, after the ledger was compared while all of them held memory."""
        self.start_server(faults(plan) + more_faults)
        each = max(1, OPERATIONS // (PROCESSES * THREADS))
        known = "".join(f",{code}" for code in codes(plan))
        processes = [
            self.start("random-operations", self.server.address,
                       FARLANE_RANDOM=f"{SEED + 100 * number},{each},{THREADS}{known}",
                       FARLANE_PRIORITY=self.PRIORITY, **environment)
            for number in range(PROCESSES)]
        for process in processes:
            line = process.stdout.readline()
            self.assertEqual(line, "holding\n", f"seed {SEED}: {line}{process.poll()}")
        self.compare_ledger(PROCESSES)
        ends = []
        for process in processes:
            out, errors = process.communicate("go\n", timeout=120)
            self.assertEqual(process.returncode, 0, f"seed {SEED}: {out}{errors}")
            # A module that is refused is the only thing that there is a line about.
            refused = "module" in plan and "driver refuses it" in errors
            self.assertEqual(len(errors.splitlines()), 1 if refused else 0, f"seed {SEED}: {errors}")
            self.assertRegex(out, rf"^operations {each * THREADS} ", f"seed {SEED}")
            ends.append(End(out.strip()))
        self.wait_for_no_client()
        self.compare_ledger(0)
        return ends

    def ledger(self):
        done = subprocess.run([FARLANE, "session", "list", "--json", "--control",
                               f"unix:@farlane-random-{os.getpid()}"],
                              capture_output=True, text=True, check=True, timeout=20)
        return json.loads(done.stdout)["sessions"]

    def wait_for_no_client(self):
        deadline = time.monotonic() + 5
        while self.ledger() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.ledger(), [])

    def driver_used_bytes(self):
        """What all processes hold of the device, as the driver itself counts it."""
        folder = pathlib.Path(f"/proc/{self.server.pid}/fd")
        shared = next(fd for fd in folder.iterdir() if "farlane-devices" in os.readlink(fd))
        asked = subprocess.run(
            [os.environ["FARLANE_CASE"], "commanded"], input="info\n", capture_output=True, text=True,
            check=True, timeout=60, preexec_fn=die_with_parent,
            env=client_environment(None, LD_LIBRARY_PATH=str(pathlib.Path(SOFT).parent),
                                   FARLANE_SOFT_SHARED=str(shared), FARLANE_SOFT_MEMORY="2Gi"))
        free, total = map(int, asked.stdout.split()[2:4])
        return (total - free) << 20

    def compare_ledger(self, clients):
        sessions = self.ledger()
        self.assertEqual(sum(len(session["clients"]) for session in sessions), clients)
        taken = sum(memory["taken_bytes"] for session in sessions for memory in session["memory"])
        held = sum(client["memory_bytes"] for session in sessions for client in session["clients"])
        self.assertEqual(held, taken)
        self.assertEqual(self.driver_used_bytes(), taken, f"seed {SEED}: {json.dumps(sessions)}")

    def told_by_kind(self, plan, end):
        """How many failures of each kind of operation were told, each of them once, and in their order."""
        kinds = codes(plan)
        self.assertEqual(set(end.told.values()), {1}, f"seed {SEED}: {end.line}")
        told = {}
        for code, _ in end.told:
            told.setdefault(kinds[code], set()).add(code)
        for kind, seen in told.items():
            turns = plan[kind][1]
            latest = max(turns[code] for code in seen)
            self.assertEqual(seen, {code for code, turn in turns.items() if turn <= latest}, end.line)
        return {kind: len(seen) for kind, seen in told.items()}

    def test_failures_are_told_once_each_to_somebody(self):
        for end in self.run_all(LATER):
            told = self.told_by_kind(LATER, end)
            self.assertEqual(set(told), set(LATER), f"seed {SEED}: nothing was planned so early: {end.line}")
            del told["record"]  # leaves no trace
            self.assertEqual(end.undone, told, f"seed {SEED}: {end.line}")


class OverUnixSocket(Operations):
    LISTEN = f"unix:@farlane-random-server-{os.getpid()}"
    TRANSPORT = "unix"


class InTurns(Operations):
    """Streams that wait for functions and for late copies, of several sessions that share the GPU's time."""

    # Whoever asks for little needs no turns, except of this class.
    PRIORITY = "best-effort"


class OverTls(Operations):
    LISTEN = "tls://127.0.0.1:0"
    TRANSPORT = "auto"


class OverSharedMemory(Operations):
    """The way that is taken on one machine without being asked for; here also what the way does not matter to."""

    TRANSPORT = "shm"

    def test_synchronous_calls_tell_their_own_failures(self):
        for end in self.run_all(AT_ONCE, FARLANE_SYNC="1"):
            told = self.told_by_kind(AT_ONCE, end)
            # A recording that somebody's wait has spoiled is made again, and so is what was refused in it. Any other
            # failure that nobody tells has left the model behind.
            missing = set(AT_ONCE) - set(told) - {"memset", "launch"}
            self.assertEqual(missing, set(), f"seed {SEED}: nothing was planned so early: {end.line}")
            for code, teller in end.told:
                kind = codes(AT_ONCE)[code]
                self.assertIn(teller, {kind} | ALSO_TOLD_BY.get(kind, set()), f"seed {SEED}: {end.line}")
            self.assertEqual(end.undone, {}, f"seed {SEED}: {end.line}")

    def test_memory_that_the_driver_refuses_is_counted_nowhere(self):
        for end in self.run_all({}, ",".join(f"cuMemCreate@{turn}=2" for turn in (40, 41, 45, 60, 80))):
            self.assertEqual((end.told, end.undone), ({}, {}), end.line)


if __name__ == "__main__":
    if "--operations" in sys.argv:
        at = sys.argv.index("--operations")
        OPERATIONS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    print(f"seed {SEED}, {OPERATIONS} operations", flush=True)
    unittest.main()
