#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations of several processes and threads, with a driver that fails as planned.

Each process compares what it reads with a model (program/random_operations.cc). Here the failures that were told are
compared with those that were planned, and the daemon's ledger with what the driver has really given out.

    random_test.py --operations 100000      so many in all, instead of the short run
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

# Codes that no mistake of ours gives, at which call of a worker they come.
PLAN = {301: 40, 304: 90, 800: 150, 300: 210}


class Operations(Client):
    def start_server(self, faults):
        self.server = Server("--mem", "512Mi", "--control", f"unix:@farlane-random-{os.getpid()}",
                             FARLANE_SOFT_FAULTS=faults, FARLANE_SOFT_MEMORY="2Gi")
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())

    def run_all(self, faults, **environment):
        """The last line of each process, after the ledger was compared while all of them held memory."""
        self.start_server(faults)
        each = max(1, OPERATIONS // (PROCESSES * THREADS))
        processes = [
            self.start("random-operations", self.server.address,
                       FARLANE_RANDOM=f"{SEED + 100 * number},{each},{THREADS}", **environment)
            for number in range(PROCESSES)]
        for process in processes:
            line = process.stdout.readline()
            self.assertEqual(line, "holding\n", f"seed {SEED}: {line}{process.poll()}")
        self.compare_ledger(PROCESSES)
        ends = []
        for process in processes:
            out, errors = process.communicate("go\n", timeout=120)
            self.assertEqual((process.returncode, errors), (0, ""), f"seed {SEED}: {out}")
            ends.append(out.strip())
        for line in ends:
            self.assertRegex(line, rf"^operations {each * THREADS} ", f"seed {SEED}")
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

    def codes(self, line):
        return {int(code): int(count) for code, count in re.findall(r" (\d+):(\d+)", line)}

    def faults(self):
        return ",".join(f"cuEventRecordWithFlags@{turn}={code}" for code, turn in PLAN.items())

    def test_failures_are_told_once_each_to_somebody(self):
        for line in self.run_all(self.faults()):
            codes = self.codes(line)
            self.assertTrue(codes, f"seed {SEED}: nothing was planned so early: {line}")
            self.assertLessEqual(set(codes), set(PLAN))
            self.assertEqual(set(codes.values()), {1}, f"seed {SEED}: {line}")
            # They come in their order, and none of those that came before may be missing.
            latest = max(PLAN[code] for code in codes)
            self.assertEqual(set(codes), {code for code, turn in PLAN.items() if turn <= latest})

    def test_synchronous_calls_tell_their_own_failures(self):
        for line in self.run_all(self.faults(), FARLANE_SYNC="1"):
            codes = self.codes(line)
            self.assertTrue(codes, f"seed {SEED}: {line}")
            self.assertEqual(set(codes.values()), {1}, f"seed {SEED}: {line}")

    def test_memory_that_the_driver_refuses_is_counted_nowhere(self):
        faults = ",".join(f"cuMemCreate@{turn}=2" for turn in (40, 41, 45, 60, 80))
        self.run_all(faults)


if __name__ == "__main__":
    if "--operations" in sys.argv:
        at = sys.argv.index("--operations")
        OPERATIONS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    print(f"seed {SEED}, {OPERATIONS} operations", flush=True)
    unittest.main()
