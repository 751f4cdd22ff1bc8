#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane sim: it becomes farlane-sim, whose answers are the same for the same seed."""

import json
import pathlib
import shutil
import unittest

from staged_prefix import BINARY, StagedPrefix

_SIMULATOR = pathlib.Path(BINARY or ".").resolve().parents[1] / "libexec/farlane/farlane-sim"


class Sim(StagedPrefix):
    def stage(self):
        (self.prefix / "libexec/farlane").mkdir(parents=True)
        shutil.copy2(_SIMULATOR, self.prefix / "libexec/farlane/farlane-sim")

    def mix(self, *words):
        done = self.farlane("sim", "mix", "--servers", "4", "--jobs", "300", "-o", "json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_without_the_simulator_it_says_so(self):
        done = self.farlane("sim", "tidal")
        self.assertEqual(done.returncode, 127)
        self.assertIn("libexec/farlane/farlane-sim", done.stderr)

    def test_help_needs_no_simulator(self):
        done = self.farlane("sim", "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("farlane sim mix --mix hard", done.stdout)

    def test_the_same_seed_gives_the_same_numbers(self):
        self.stage()
        once = self.mix("--seed", "5")
        self.assertEqual([one["rule"] for one in once["rules"]],
                         ["farlane", "greedy", "nearest", "least-loaded", "fixed-weights", "random"])
        self.assertEqual(once, self.mix("--seed", "5"))
        self.assertNotEqual(once, self.mix("--seed", "6"))

    def test_a_trace_is_written_and_played_again(self):
        self.stage()
        trace = str(self.prefix / "trace.csv")
        self.mix("--seed", "5", "--write-trace", trace)
        rules = self.mix("--trace", trace, "--rule", "nearest")["rules"]
        self.assertEqual(len(rules), 1)
        self.assertGreater(rules[0]["jobs"], 100)

    def test_mistakes_are_told(self):
        self.stage()
        trace = self.prefix / "bad.csv"
        trace.write_text("1,2,3\n", encoding="utf-8")
        done = self.farlane("sim", "mix", "--trace", str(trace))
        self.assertEqual(done.returncode, 125)
        self.assertIn("line 1 of the trace has 3 fields instead of 11", done.stderr)
        self.assertNotEqual(self.farlane("sim", "mix", "--policy", "best").returncode, 0)
        self.assertNotEqual(self.farlane("sim", "nothing").returncode, 0)


if __name__ == "__main__":
    unittest.main()
