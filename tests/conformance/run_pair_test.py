#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The judge judged: run_pair.py must refuse every run that proves nothing."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

JUDGE = Path(__file__).with_name("run_pair.py")
SUMMARY = "farlane: worker=41 launches=3"
GOOD = "checksum 00000000000000aa\nPASS"
OTHER = "checksum 00000000000000ab\nPASS"
WRONG = "wrong: the sum\nchecksum 00000000000000aa\nFAIL"


class RunPair(unittest.TestCase):
    def judge(self, mode, direct, local="", summary=SUMMARY, codes=(0, 0)):
        """Runs the judge over a farlane that prints these outputs."""
        with tempfile.TemporaryDirectory() as folder:
            farlane = Path(folder) / "farlane"
            farlane.write_text(
                "#!/bin/sh\n"
                f"if [ \"$2\" = --direct ]; then echo '{direct}'; exit {codes[0]}; fi\n"
                f"echo '{local}'; echo '{summary}' >&2; exit {codes[1]}\n"
            )
            farlane.chmod(0o755)
            result = subprocess.run(
                [sys.executable, JUDGE, mode, "--farlane", farlane, "--seed", "7", "app"],
                capture_output=True,
                text=True,
                env={"PATH": os.environ["PATH"]},
                check=False,
            )
            return result.returncode

    def test_accepts_equal_runs(self):
        self.assertEqual(self.judge("remote", GOOD, GOOD), 0)

    def test_refuses_different_checksums(self):
        self.assertEqual(self.judge("remote", GOOD, OTHER), 1)

    def test_refuses_other_words_beside_equal_checksums(self):
        self.assertEqual(self.judge("remote", GOOD, "another line\n" + GOOD), 1)

    def test_refuses_a_remote_run_that_fails(self):
        self.assertEqual(self.judge("remote", GOOD, WRONG, codes=(0, 1)), 1)

    def test_refuses_an_exit_code_after_a_pass(self):
        self.assertEqual(self.judge("remote", GOOD, GOOD, codes=(0, 139)), 1)

    def test_refuses_a_remote_run_without_a_worker(self):
        self.assertEqual(self.judge("remote", GOOD, GOOD, summary=""), 1)

    def test_refuses_a_worker_that_launched_nothing(self):
        self.assertEqual(self.judge("remote", GOOD, GOOD, "farlane: worker=41 launches=0"), 1)

    def test_refuses_output_without_a_verdict(self):
        self.assertEqual(self.judge("direct", "checksum 00000000000000aa"), 1)
        self.assertEqual(self.judge("remote", "PASS", "PASS"), 1)

    def test_accepts_a_mutant_that_was_noticed(self):
        self.assertEqual(self.judge("mutant", WRONG, codes=(1, 0)), 0)

    def test_refuses_a_mutant_that_was_not_noticed(self):
        self.assertEqual(self.judge("mutant", GOOD), 1)

    def test_refuses_a_mutant_that_crashed(self):
        self.assertEqual(self.judge("mutant", WRONG, codes=(139, 0)), 1)

    def test_skips_with_its_own_exit_code(self):
        result = subprocess.run(
            [sys.executable, JUDGE, "skip", "no nvcc"], capture_output=True, text=True, check=False
        )
        self.assertEqual((result.returncode, result.stdout), (77, "SKIPPED: no nvcc\n"))


if __name__ == "__main__":
    unittest.main()
