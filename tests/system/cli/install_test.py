#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What cmake --install puts into a folder is all that the build has, and works there."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from real_server_test import MISSING, PREFIX
from staged_prefix import SLOWNESS

# What people run, and what that starts and loads. An example for plug-ins is no part of it.
FOLDERS = ("bin", "libexec/farlane", "lib/farlane/client", "lib/farlane/soft", "lib/farlane/policy")


def names(prefix):
    return sorted(f"{folder}/{path.name}" for folder in FOLDERS for path in (prefix / folder).glob("*"))


@unittest.skipIf(MISSING, f"this build has no {', '.join(MISSING)}")
@unittest.skipUnless(shutil.which("cmake"), "there is no cmake to install with")
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="farlane-install-test-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = pathlib.Path(folder.name).resolve()
        subprocess.run(["cmake", "--install", PREFIX, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL,
                       timeout=100 * SLOWNESS)

    def test_everything_is_there(self):
        self.assertIn("bin/farlane", names(self.prefix))
        self.assertEqual(names(self.prefix), names(PREFIX))
        self.assertTrue((self.prefix / "include/farlane/farlane_policy.h").exists())
        self.assertTrue((self.prefix / "share/man/man1/farlane-run.1").exists())

    def test_it_works_there(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("FARLANE_", "LD_"))}
        done = subprocess.run([self.prefix / "bin/farlane", "check", "-o", "json"], env=environment, capture_output=True,
                              text=True, timeout=60 * SLOWNESS, check=False)
        report = json.loads(done.stdout)
        self.assertEqual((done.returncode, report["ok"], done.stderr), (0, True, ""), done.stdout)
        self.assertIn(str(self.prefix), done.stdout)


if __name__ == "__main__":
    unittest.main()
