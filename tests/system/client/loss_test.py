#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane run --on-loss: what becomes of a command whose GPU server dies under it."""

import os
import re
import signal
import time
import unittest

from pool_test import PoolTest
from real_server import SLOWNESS, children, seconds_until


class OnLoss(PoolTest):
    SERVERS = ("one", "two")

    def serve(self, name, *options):
        # The same server when it is started again.
        return super().serve(name, "--state-dir", f"{self.folder}/{name}", *options)

    def begin(self, *options, seconds=4 * SLOWNESS):
        """A run that takes so long, when it is at its server; and which that is."""
        run = self.start_run("checksummed", "--share", "0.6", *options, CHECKED_SECONDS=str(seconds), CHECKED_PAUSE_MS="100")
        self.assertRegex(run.stdout.readline(), r"^ready \d+")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        return run, session["server"]

    def kill(self, name):
        process = self.servers[name].process
        for pid in (process.pid, *children(process.pid)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended with the one before
        process.wait()

    def finish(self, run):
        out, errors = run.communicate(timeout=60 * SLOWNESS)
        return run.returncode, out, errors

    def test_nothing_is_run_again_unasked(self):
        run, name = self.begin()
        self.kill(name)
        code, _, errors = self.finish(run)
        self.assertNotEqual(code, 0)
        self.assertIn("lost the GPU server", errors)
        self.assertNotIn("run again", errors)
        self.assertEqual(len(self.sessions()), 1)

    def test_requeue_runs_it_on_another_server(self):
        run, name = self.begin("--on-loss", "requeue")
        self.kill(name)
        code, out, errors = self.finish(run)
        self.assertEqual(code, 0, out + errors)
        self.assertIn(f"server {name} was lost; the command is run again, for the 2. time", errors)
        self.assertRegex(out, r"(?m)^hash [0-9a-f]{16} steps \d+ slowest \d+$")
        first, second = sorted(self.sessions(), key=lambda one: int(one["createdMs"]))
        self.assertEqual(first["server"], name)
        self.assertNotEqual(second["server"], name)
        self.assertEqual(second["phase"], "RELEASED")

    def test_wait_runs_it_when_its_server_is_back(self):
        run, name = self.begin("--on-loss", "wait")
        self.kill(name)
        for line in run.stderr:
            if f"server {name} is lost; waiting for it for 60 s" in line:
                break
        self.servers[name] = self.serve(name)
        code, out, errors = self.finish(run)
        self.assertEqual(code, 0, out + errors)
        self.assertRegex(out, r"(?m)^hash [0-9a-f]{16} steps \d+ slowest \d+$")
        first, second = sorted(self.sessions(), key=lambda one: int(one["createdMs"]))
        self.assertEqual(first["server"], name)
        self.assertEqual(second["phase"], "RELEASED")  # wherever it was placed: on either, both are there

    def test_who_has_waited_in_vain_ends_as_the_command_did(self):
        run, name = self.begin("--on-loss", "wait=2s")
        begun = time.monotonic()
        self.kill(name)
        code, _, errors = self.finish(run)
        self.assertIn(f"server {name} has not come back; the command is not run again", errors)
        self.assertGreater(time.monotonic() - begun, 2)
        self.assertNotIn(code, (0, 124, 125))
        self.assertEqual(len(self.sessions()), 1)

    def test_what_was_ended_on_purpose_is_not_run_again(self):
        run, _ = self.begin("--on-loss", "requeue", "--time", "4s", seconds=60)
        code, _, errors = self.finish(run)
        self.assertNotEqual(code, 0)
        self.assertIn("the command is not run again: its session was ended: its time of 4 s is over", errors)
        run, _ = self.begin("--on-loss", "requeue", seconds=60)
        [session] = self.sessions(phase="ACTIVE")
        self.assertEqual(self.run_farlane("session", "kill", session["id"]).returncode, 0)
        code, _, errors = self.finish(run)
        self.assertNotEqual(code, 0)
        self.assertIn("its session was ended: released", errors)

    def test_a_failure_of_its_own_is_none_of_the_servers(self):
        done = self.run_farlane("run", "--on-loss", "requeue", "--", "sh", "-c", "exit 3")
        self.assertEqual((done.returncode, done.stderr), (3, ""))
        self.assertEqual(len(self.sessions()), 1)

    def test_words_that_mean_nothing_are_refused(self):
        done = self.run_farlane("run", "--on-loss", "retry", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("fail, requeue, wait or wait=30s", done.stderr)
        done = self.run_farlane("run", "--local", "--on-loss", "requeue", "--", "true")
        self.assertEqual(done.returncode, 125)
        self.assertTrue(re.search("needs a pool", done.stderr), done.stderr)


if __name__ == "__main__":
    unittest.main()
