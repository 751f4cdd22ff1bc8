#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane bench: its rows, against a private server and beside one; what it cannot measure it refuses."""

import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import unittest

_BINARY = os.environ["FARLANE_BINARY"]
_FAILED = 125
_SIDE_BY_SIDE = pathlib.Path(__file__).parents[2] / "bench/side_by_side.py"


def bench(*words):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FARLANE_")}
    return subprocess.run([_BINARY, "bench", *words], capture_output=True, text=True, env=kept, timeout=170, check=False)


@unittest.skipIf(os.environ.get("FARLANE_SANITIZE"), "times of a build with a sanitizer say nothing")
class Bench(unittest.TestCase):
    def rows(self, *words):
        done = bench("-o", "json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertTrue(report["device"])
        self.assertGreater(report["first_use_ns"], 0)
        for row in report["rows"]:
            self.assertGreaterEqual(row["median"], 0, row)
            best, worst = sorted((row["best"], row["worst"]), reverse=row["unit"] == "GB/s")
            self.assertEqual((row["best"], row["worst"]), (best, worst), row)
        for counter in ("round_trips", "system_calls", "instructions"):
            counted = any(row[counter] is not None for row in report["rows"])
            told = any(why.startswith(counter.replace("_", " ") + ": ") for why in report["not_counted"])
            self.assertNotEqual(counted, told or "mixed" in words, f"{counter}: counted, or why not: {report}")
        self.counts = {row["name"]: row for row in report["rows"]}
        return [row["name"] for row in report["rows"]]

    def test_a_private_server_is_measured_where_none_is_named(self):
        names = self.rows("rtt")
        self.assertEqual(len(names), 3)
        self.assertIn("launch and wait for it", names)
        trips = {name: row["round_trips"] for name, row in self.counts.items()}
        self.assertEqual(trips, {"question to the driver (cuMemGetInfo)": 1, "launch and wait for it": 1,
                                 "wait with nothing to wait for": 0})

    @unittest.skipUnless(platform.machine() == "x86_64", "system calls are counted on x86-64 only")
    def test_system_calls_are_those_of_the_thread_that_calls(self):
        self.rows("floor")
        # One to send and one to receive; a copy in memory makes none.
        self.assertGreaterEqual(self.counts["loopback TCP, there and back, sleeping"]["system_calls"], 2)
        self.assertLess(self.counts["loopback TCP, there and back, sleeping"]["system_calls"], 5)
        self.assertEqual(self.counts["copy in memory, 64 MiB"]["system_calls"], 0)

    def test_groups_come_in_the_order_in_which_they_are_named(self):
        names = self.rows("--direct", "launch", "floor")
        self.assertEqual(names[0], "launch, of a burst of 1000")
        self.assertEqual(names[-1], "copy in memory, 64 MiB")

    def test_calls_are_measured_beside_copies(self):
        names = self.rows("--direct", "mixed")
        for name in ("call", "call while data goes in", "call while data comes out", "bare socket beside another"):
            self.assertIn(name, names)
            self.assertIn(name + ", sleeps", names)
        self.assertIn("call while data comes out, data meanwhile", names)

    def test_two_libraries_are_measured_side_by_side(self):
        library = pathlib.Path(_BINARY).parents[1] / "lib/farlane/soft/libcuda.so.1"
        done = subprocess.run(
            [sys.executable, "-B", _SIDE_BY_SIDE, "--bench", _BINARY, "--rounds", "1", "--groups", "launch",
             f"one={library}", f"other={library} FARLANE_SOFT_NULL=1"],
            capture_output=True, text=True, timeout=170, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        head, *lines = done.stdout.splitlines()
        self.assertEqual(head.split(), ["one", "other", "ratio"])
        self.assertEqual([line[:10] for line in lines[:2]], ["first use ", "launch, of"])
        for line in lines:
            one, other, ratio = map(float, re.search(r"([\d.]+) +([\d.]+) (?:us|ms) +([\d.]+) \[", line).groups())
            self.assertAlmostEqual(ratio, other / one, delta=0.01 * ratio + 0.05 / one + 0.01)

    def test_shares_are_measured_by_the_device_s_own_record(self):
        self.assertIn("shares, tcp, counted, cap, alone, resize, priority", bench("share", "--help").stdout)
        done = bench("share", "-o", "json", "alone")
        self.assertIn(done.returncode, (0, 1), done.stderr)  # a busy machine may make it miss its aims
        found = json.loads(done.stdout)
        self.assertEqual(len(found["gates"]), 4, found)
        self.assertGreater(found["measured"]["alone"][0]["busy_alone"], 0.5)

    def test_what_cannot_be_measured_is_refused_in_one_line(self):
        for words, said in (
            (("--driver", "/nowhere/libcuda.so.1"), "/nowhere/libcuda.so.1"),
            (("--driver", "libc.so.6"), "has no cu"),
            (("--server", "tcp://127.0.0.1:1", "rtt"), "127.0.0.1:1"),
            (("speed",), "speed"),
            (("share", "speed"), "speed"),
        ):
            with self.subTest(words=words):
                done = bench(*words)
                self.assertEqual(done.returncode, _FAILED, done.stderr)
                self.assertIn(said, done.stderr)
                self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
