#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What lasts says how far it is: on a terminal in one line that goes away, elsewhere now and then, and never on stdout."""

import os
import pty
import subprocess
import threading
import time
import unittest

from config_test import ConfigCase
from stand_in_pool import StandInPool

LASTS = 6.5


class Progress(ConfigCase):
    def begin(self):
        """A pool that nobody leads for a while after its leader has stepped down."""
        pool = StandInPool(self)
        begun = time.monotonic()
        pool.answers["POST", "/v1/pool:stepDown"] = (200, {"epoch": "3"})
        pool.answers["GET", "/v1/status"] = lambda: (
            (200, {"epoch": "4"}) if time.monotonic() - begun > LASTS
            else (503, {"title": "NotLeader", "reason": "NotLeader", "detail": "nobody leads"}))
        return [self.program, "pool", "step-down", "--pool", pool.address]

    def on_terminal(self, said, **more):
        ours, theirs = pty.openpty()
        with subprocess.Popen(self.begin(), stdout=subprocess.PIPE, stderr=theirs,
                              env=self.environment | {"TERM": "xterm"} | more) as process:
            os.close(theirs)
            seen = b""
            try:
                while piece := os.read(ours, 65536):
                    seen += piece
            except OSError:  # how a terminal says that nobody writes any more
                pass
            os.close(ours)
            said.append((process.wait(), process.stdout.read(), seen))

    def elsewhere(self, said):
        said.append(subprocess.run(self.begin(), capture_output=True, text=True, env=self.environment, check=False))

    def test_it_is_said_as_suits_the_place(self):
        terminal, quiet, log = [], [], []
        threads = [threading.Thread(target=self.on_terminal, args=(terminal,)),
                   threading.Thread(target=self.on_terminal, args=(quiet,), kwargs={"FARLANE_PROGRESS": "0"}),
                   threading.Thread(target=self.elsewhere, args=(log,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        [(code, out, seen)] = terminal
        self.assertEqual(code, 0)
        self.assertIn(b"the manager of epoch 3", out)
        self.assertIn(b"\r\x1b[Kfarlane: step-down: nobody leads yet", seen)
        self.assertNotIn(b"\n", seen)
        self.assertTrue(seen.endswith(b"\r\x1b[K"), "the line is gone in the end")
        self.assertEqual(quiet[0][::2], (0, b""))
        self.assertEqual((log[0].returncode, log[0].stderr), (0, "farlane: step-down: nobody leads yet\n"))


if __name__ == "__main__":
    unittest.main()
