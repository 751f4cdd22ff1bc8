#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that lets no command take longer than a second (`--command-max 1`): whose command does loses all that it
has there, and nobody else loses anything."""

import re
import subprocess
import tempfile
import time
import unittest

from pool_world import Faults
from real_server import GPUD, SLOWNESS, SOFT, RealServer, Server, client_environment
from turns_test import PATIENCE

LAUNCH_TIMEOUT = 702
LIMIT = 1.0
# After the end of an endless command others must be as quick again as they were alone, so soon and by so much.
BACK_SECONDS = 0.2
BACK_PART = 0.95
# What the program's worker is to be measured by reaches it so much later than the program itself.
LATE_MS = 200
# A machine that is busy otherwise spoils a try.
TRIES = 8


class Ends(RealServer):
    OPTIONS = ("--command-max", str(LIMIT), "--warm", "2")

    def client(self, case, **environment):
        process = self.start(case, self.server.address, **environment)
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr.read() if process.poll() else "")
        return process

    def end_of(self, process):
        """What an attacker says at its end, and that the reason was told in one line."""
        out, errors = process.communicate(timeout=PATIENCE * SLOWNESS)
        self.assertEqual(process.returncode, 0, out + errors)
        self.assert_one_line(errors.splitlines(), "a command took longer")
        return out

    def assert_ended_in_time(self, out):
        waited = re.match(rf"wait {LAUNCH_TIMEOUT} at \d+ after (\S+)\nthen ", out)
        self.assertIsNotNone(waited, out)
        self.assertGreater(float(waited[1]), LIMIT * 0.99)
        self.assertEqual(out.splitlines()[1], "then" + 6 * f" {LAUNCH_TIMEOUT}")

    def test_an_endless_kernel_ends_its_own_program_with_702_for_good(self):
        self.assert_ended_in_time(self.end_of(self.client("attack-endless")))
        self.assertRegex(self.server.said(), r"a command takes longer than 1\.0 s")

    def test_who_never_waits_is_told_by_a_post(self):
        self.assertEqual(self.end_of(self.client("attack-endless-flood")), f"post {LAUNCH_TIMEOUT}\n")


class OverTcp(Ends):
    TRANSPORT = "tcp"

    def test_an_endless_graph_does_too(self):
        self.assert_ended_in_time(self.end_of(self.client("attack-endless", ATTACK_GRAPH="1")))

    def test_a_worker_that_hears_late_of_what_it_is_measured_by_ends_as_well(self):
        with tempfile.NamedTemporaryFile() as file:
            faults = Faults(file.name)
            faults.set(descriptors_late_ms=LATE_MS)
            server = Server(*self.OPTIONS, **faults.environment())
            self.addCleanup(server.stop)
            process = self.start("attack-endless", server.address)
            self.assertEqual(process.stdout.readline(), "ready\n")
            self.assert_ended_in_time(self.end_of(process))

    def test_who_is_alone_is_ended_as_well(self):
        self.bystander.communicate("", timeout=PATIENCE * SLOWNESS)
        self.bystander = None
        self.assert_ended_in_time(self.end_of(self.client("attack-endless")))


class OverUnixSocket(Ends):
    TRANSPORT = "unix"
    UNIX = True


class OverSharedMemory(Ends):
    TRANSPORT = "shm"


class OverTls(Ends):
    TRANSPORT = "auto"
    TLS = True


class WhoIsLeftAlone(Ends):
    """What takes long, but is no command that takes long; not over each way."""

    test_an_endless_kernel_ends_its_own_program_with_702_for_good = None
    test_who_never_waits_is_told_by_a_post = None

    def assert_right(self, process):
        out, errors = process.communicate("", timeout=PATIENCE * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def test_many_commands_of_less_than_the_limit_may_take_long_together(self):
        victim = self.client("victim", VICTIM_US="300000")
        time.sleep(3 * LIMIT)
        self.assert_right(victim)

    def test_a_stream_may_wait_for_the_program_for_longer(self):
        out, errors = self.run_case("long-waits", self.server.address, PATIENCE)
        self.assertEqual((out, errors), ("done\n", []))

    def test_others_are_back_at_once(self):
        for _ in range(TRIES):
            kept = self.part_that_is_back()
            print(f"after {BACK_SECONDS} s others do {kept:.3f} of what they do alone", flush=True)
            if kept >= BACK_PART:
                return
        self.fail(f"in none of {TRIES} tries others were back")

    def part_that_is_back(self):
        """What a victim does from a short while after the end of an endless kernel on, to what it did before it."""
        with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as log:
            victim = self.client("victim", VICTIM_US="20000", VICTIM_LOG=log.name)
            time.sleep(2.5)
            begun = time.monotonic()
            out = self.end_of(self.client("attack-endless"))
            time.sleep(2.5)
            self.assert_right(victim)
            ends = [int(line) / 1e9 for line in log]
        over = int(re.search(r" at (\d+) ", out)[1]) / 1e9

        def rate(since, until):
            inside = [end for end in ends if since <= end <= until]
            return (len(inside) - 1) / (inside[-1] - inside[0])

        return rate(over + BACK_SECONDS, over + BACK_SECONDS + 2) / rate(begun - 2, begun)


class Options(unittest.TestCase):
    def test_what_cannot_be_a_limit_is_refused(self):
        for words in ("0.01", "much", "-1"):
            done = subprocess.run([GPUD, "--driver", SOFT, "--listen", "tcp://127.0.0.1:0", "--command-max", words],
                                  capture_output=True, text=True, timeout=20 * SLOWNESS, check=False,
                                  env=client_environment(None))
            self.assertEqual(done.returncode, 2)
            self.assertIn("--command-max", done.stderr + done.stdout)


del Ends  # what the others are made of

if __name__ == "__main__":
    unittest.main()
