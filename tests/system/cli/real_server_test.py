#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane with the farlane-gpud of the same build: the two agree on options, hello and how it ends."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

from staged_prefix import BINARY, alive, eventually

PREFIX = pathlib.Path(BINARY).parents[1]
PARTS = ("bin/farlane-gpud", "lib/farlane/client/libcuda.so.1", "lib/farlane/soft/libcuda.so.1")
MISSING = [part for part in PARTS if not (PREFIX / part).exists()]
LINGERING = "import signal; print('ready', flush=True); signal.alarm(30); signal.pause()"


def descendants(pid):
    """Every process below this one."""
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    children = [int(word) for word in text.split()]
    return children + [below for child in children for below in descendants(child)]


@unittest.skipIf(MISSING, f"this build has no {', '.join(MISSING)}")
class RealServer(unittest.TestCase):
    def setUp(self):
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("FARLANE_", "LD_"))}

    def farlane(self, *words):
        return subprocess.run([BINARY, *words], env=self.environment, capture_output=True, text=True, timeout=60,
                              check=False)

    def test_check_finds_everything_well(self):
        done = self.farlane("check", "-o", "json")
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["ok"], done.stderr), (0, True, ""), done.stdout)
        self.assertIn("device 0", {one["check"] for one in report["checks"]})

    def test_command_gets_an_address_that_answers(self):
        done = self.farlane("run", "--local", "--mem", "256Mi", "--", BINARY, "check", "-o", "json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        device = [one for one in json.loads(done.stdout)["checks"] if one["check"] == "device 0"]
        self.assertIn("0.25 GiB", device[0]["detail"])

    def test_nothing_is_left_when_farlane_is_killed(self):
        process = subprocess.Popen([BINARY, "run", "--local", "--", sys.executable, "-c", LINGERING],
                                   env=self.environment, stdout=subprocess.PIPE, text=True)
        with process:
            self.assertEqual(process.stdout.readline(), "ready\n")
            below = descendants(process.pid)
            self.assertGreaterEqual(len(below), 2, "the command and a server")
            process.kill()
        self.assertTrue(eventually(lambda: not any(alive(pid) for pid in below), 2), "processes live on")


if __name__ == "__main__":
    unittest.main()
