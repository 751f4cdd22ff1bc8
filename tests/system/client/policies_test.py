#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scheduling policies as their authors meet them: from the page that explains them to a server that uses one.

What is compared is what the server says and counts of its own, never the clock."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from real_server import CLIENT, GPUD, SANITIZER, SLOWNESS, Client, Server
from turns_test import PATIENCE, Turns

CHECK = os.environ["FARLANE_POLICY_CHECK"]
WRONG = pathlib.Path(os.environ["FARLANE_WRONG_POLICIES"])
PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "policy-plugins.md"


def check(policy, decisions=30_000):
    done = subprocess.run([CHECK, str(policy), "--decisions", str(decisions)], capture_output=True, text=True,
                          timeout=PATIENCE * SLOWNESS, check=False)
    return done.returncode, done.stdout + done.stderr


def example(folder):
    """The policy of the page, built as the page says."""
    page = PAGE.read_text(encoding="utf-8")
    source = re.search(r"^```c\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]
    (command,) = re.findall(r"^cc (.*)$", page, re.MULTILINE)
    pathlib.Path(folder, "batch.c").write_text(source, encoding="utf-8")
    words = [word.replace("build/release/include/farlane", os.environ["FARLANE_POLICY_HEADER"])
             for word in command.split()]
    subprocess.run([os.environ["FARLANE_CC"], "-Wall", "-Wextra", "-Werror", *words], cwd=folder, check=True)
    library = pathlib.Path(folder, "batch.so")
    library.chmod(0o755)
    return library


class PageTest(unittest.TestCase):
    def test_the_policy_of_the_page_can_be_built_and_keeps_the_rules(self):
        with tempfile.TemporaryDirectory() as folder:
            code, said = check(example(folder))
            self.assertEqual(code, 0, said)
            self.assertIn("batch: Whoever has waited longest", said)

    def test_ours_keep_the_rules(self):
        for policy in ("built-in", "strict"):
            code, said = check(policy)
            self.assertEqual(code, 0, said)

    def test_broken_rules_are_named(self):
        for how, says in (("place", "at place 64 of 64"), ("writes", "changes what it is shown"),
                          ("fickle", "two answers"), ("keeps", "keeps a turn that is over")):
            code, said = check(WRONG / f"{how}.so")
            self.assertEqual(code, 1, said)
            self.assertIn("BREAKS THE RULES", said)
            self.assertIn(says, said)


class RefusalTest(unittest.TestCase):
    def test_a_server_does_not_start_with_what_is_no_policy(self):
        for policy, says in (("no/path", "is no policy"), ("none", "no policy at"), ("/etc/passwd", "cannot load"),
                             (WRONG / "thread.so", "starts threads"), (WRONG / "version.so", "needs version 1.1"),
                             (WRONG / "symbol.so", "exports no farlane_policy_v1")):
            done = subprocess.run([GPUD, "--listen", "unix:@farlane-none", "--policy", str(policy)], text=True,
                                  capture_output=True, timeout=PATIENCE * SLOWNESS, check=False,
                                  env={"PATH": os.environ["PATH"], "HOME": CLIENT})
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(says, done.stderr)


class StrictTest(Turns):
    OPTIONS = (*Turns.OPTIONS, "--policy", "strict")

    def test_two_busy_sessions_have_their_shares(self):
        large, small = self.client("busy", share="0.75"), self.client("busy", 400_000, share="0.25")
        self.assertAlmostEqual(self.part_of_the_first(large, small), 0.75, delta=0.05)
        self.end(large)
        self.end(small)
        self.assertIn('the policy "strict" decides', self.server.said())

    def test_a_higher_class_has_more_than_its_share(self):
        high = self.client("busy", share="0.2", priority="guaranteed")
        low = self.client("busy", share="0.8")
        self.assertGreater(self.part_of_the_first(high, low), 0.7)
        self.end(high)
        self.end(low)


class BatchTest(Turns):
    """A policy that is not fair must not be: so it is known that the plug-in decides, and nobody else."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.OPTIONS = (*Turns.OPTIONS, "--policy", str(example(folder.name)))
        super().setUp()

    def test_the_first_runs_until_it_has_nothing_more_to_do(self):
        # On a machine that lets the first one's process wait, it has nothing more to do for a moment.
        had = []
        for _ in range(6):
            had.append(self.second_has())
            if had[-1] < 100_000_000:
                return
        self.fail(f"the second had the device beside the first each time: {had} ns")

    def second_has(self):
        """How much a second session has had while the first was busy."""
        idle = self.client("asked")  # one that is alone is not measured
        first = self.client("busy")
        second = self.client("busy", share="0.9")
        used = self.used([first], 100)
        self.assertGreater(used[0], 0)
        before = self.time_of(second)["used_ns"]
        self.used([first], 300)
        had = self.time_of(second)["used_ns"] - before
        self.end(first)
        self.used([second], 200)
        self.end(second)
        self.end(idle)
        return had


@unittest.skipIf("thread" in SANITIZER, "decisions take as long as the sanitizer makes them")
class WrongTest(Client):
    """Whatever a plug-in says, programs end well, and the log says once who was wrong."""

    def test_a_wrong_plug_in_harms_nobody(self):
        for how in ("place", "no_credit", "much_credit", "keeps", "silent", "slow", "sleepy"):
            with self.subTest(how=how):
                server = Server("--warm", "2", "--policy", str(WRONG / f"{how}.so"))
                try:
                    self.serve(server)
                    said = server.said()
                finally:
                    server.stop()
                self.assertEqual(said.count("the built-in policy decides from now on"), 1, said)

    def serve(self, server):
        # Those of best effort always take turns.
        busy = [self.start("busy", server.address, FARLANE_PRIORITY="best-effort") for _ in range(2)]
        for one in busy:
            self.assertEqual(one.stdout.readline(), "ready\n")
        self.run_case("two-contexts", server.address, PATIENCE, FARLANE_PRIORITY="best-effort")
        for one in busy:
            out, errors = one.communicate("", timeout=PATIENCE * SLOWNESS)
            self.assertEqual((one.returncode, errors), (0, ""), out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
