#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions that divide the server's link: real programs that copy as much as they can, over TCP to this machine.

What is compared is what the server has counted between two looks, so a machine that is slow for all makes a test no
worse. The classes named Without… show what the tests are worth: the same without a rate of the link."""

import json
import os
import subprocess
import time
import unittest

from real_server import FARLANE, SANITIZER, SLOWNESS, RealServer, seconds_until

SERVICE = f"unix:@farlane-net-{os.getpid()}"
MIB = 1 << 20
PATIENCE = 60
# Slow enough for any machine to be faster: all clients together, and one alone.
RATE = 48 // (3 if SANITIZER else 1)


class Net(RealServer):
    # Turns of the device are another matter.
    OPTIONS = ("--control", SERVICE, "--warm", "2", "--no-turns")
    BYSTANDER = False
    TRANSPORT = "tcp"

    def ask(self, *words):
        done = subprocess.run([FARLANE, "session", *words, "--control", SERVICE], capture_output=True, text=True,
                              timeout=30 * SLOWNESS, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def session_of(self, process):
        sessions = json.loads(self.ask("list", "--json"))["sessions"]
        found = [one for one in sessions if one["clients"] and one["clients"][0]["process"] == process.pid]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def client(self, way="in", case="bulk", **asks):
        process = self.start(case, self.server.address, BULK_WAY=way,
                             **{f"FARLANE_{name.upper()}": value for name, value in asks.items()})
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr.read() if process.poll() else "")
        return process

    def end(self, *processes):
        for one in processes:
            one.stdin.close()
            one.stdin = None
        for one in processes:
            out, errors = one.communicate(timeout=PATIENCE * SLOWNESS)
            self.assertEqual((one.returncode, errors), (0, ""), out)

    def moved(self, processes, way, mebibytes):
        """What each moves, in MiB, and in how many seconds, from when all have begun until they have moved so much."""
        name = f"{way}_bytes"

        def counted():
            return [self.session_of(one)["net"][name] / MIB for one in processes]

        first = counted()
        began = time.monotonic()

        def since():
            return [now - was for now, was in zip(counted(), first)]

        waited = seconds_until(lambda: sum(since()) > mebibytes, PATIENCE)
        self.assertLess(waited, PATIENCE, "the sessions do not get on")
        return since(), time.monotonic() - began


class WithARate(Net):
    OPTIONS = (*Net.OPTIONS, "--net-rate", f"{RATE}M/s")

    def assert_parts(self, processes, way, parts, seconds=4):
        time.sleep(0.3)  # until all are known to move something
        moved, _ = self.moved(processes, way, RATE * seconds)
        for got, part in zip(moved, parts):
            self.assertAlmostEqual(got / sum(moved), part, delta=0.05 * part, msg=moved)

    def test_what_goes_to_the_server_is_divided_by_weight(self):
        large, small = self.client("in", share="0.75"), self.client("in", share="0.25")
        self.assert_parts([large, small], "in", [0.75, 0.25])
        self.end(large, small)

    def test_what_comes_from_the_server_is_divided_by_weight(self):
        large, small = self.client("out", share="0.75"), self.client("out", share="0.25")
        self.assert_parts([large, small], "out", [0.75, 0.25])
        self.end(large, small)

    def test_four_of_a_kind_have_the_same(self):
        four = [self.client("in") for _ in range(4)]
        self.assert_parts(four, "in", [0.25] * 4, seconds=5)
        self.end(*four)

    def test_other_numbers_hold_while_programs_run(self):
        one, other = self.client("in", share="0.5"), self.client("in", share="0.3")
        self.ask("resize", self.session_of(other)["id"], "--share", "0.1")
        self.ask("resize", self.session_of(one)["id"], "--share", "0.9")
        self.assert_parts([one, other], "in", [0.9, 0.1])
        self.end(one, other)

    def test_together_they_are_as_fast_as_the_link_and_alone_faster(self):
        one, other = self.client("in"), self.client("in")
        time.sleep(0.3)
        moved, seconds = self.moved([one, other], "in", RATE * 3)
        self.assertLess(sum(moved) / seconds, RATE * 1.05)
        self.end(other)
        self.assertLess(seconds_until(lambda: self.is_faster(one, RATE * 1.5), PATIENCE), PATIENCE)
        self.end(one)

    def is_faster(self, process, rate):
        moved, seconds = self.moved([process], "in", RATE)
        return moved[0] / seconds > rate

    def test_small_commands_do_not_wait_behind_others_data(self):
        """Half of its rounds, as without others: its own data is little, so it is never held back."""
        bulk = [self.client("in"), self.client("out")]
        small = self.client(case="rounds")
        time.sleep(2)
        out, errors = small.communicate("", timeout=PATIENCE * SLOWNESS)
        self.assertEqual((small.returncode, errors), (0, ""), out)
        _, rounds, median, *_ = out.split()
        self.assertGreater(int(rounds), 20)
        self.assertLess(float(median), 20_000 * SLOWNESS, "microseconds")
        self.end(*bulk)


class Caps(Net):
    def assert_rate(self, process, way, rate, seconds=5):
        self.moved([process], way, rate // 2)  # what may be saved up has been used
        moved, took = self.moved([process], way, rate * seconds)
        self.assertLess(moved[0] / took, rate * 1.02)
        return moved[0] / took

    def test_a_cap_holds_for_one_that_is_alone(self):
        for way in ("in", "out"):
            capped = self.client(way, net_limit="20M/s")
            self.assertEqual(self.session_of(capped)["net_limit_bytes"], 20 * MIB)
            self.assertIn("network limit 20M/s", self.ask("list"))
            # Less only where the machine has no time for it.
            self.assertGreater(self.assert_rate(capped, way, 20), 10)
            self.end(capped)

    def test_a_cap_can_be_changed_and_taken_away(self):
        capped = self.client("in")
        self.ask("resize", self.session_of(capped)["id"], "--net-limit", "10M/s")
        self.assert_rate(capped, "in", 10, seconds=3)
        self.ask("resize", self.session_of(capped)["id"], "--net-limit", "none")
        self.assertEqual(self.session_of(capped)["net_limit_bytes"], 0)
        moved, took = self.moved([capped], "in", 40)
        self.assertGreater(moved[0] / took, 12)
        self.end(capped)

    def test_what_is_no_rate_is_refused(self):
        out, lines = self.run_case("initialise", self.server.address, FARLANE_NET_LIMIT="fast")
        self.assertEqual(out, "cuInit 100\n")
        self.assert_one_line(lines, "FARLANE_NET_LIMIT", "no rate of a network")


class WithoutARate(Net):
    def test_weights_do_not_hold(self):
        """On one machine it is the processor that is divided, so two of a kind have about the same."""
        large, small = self.client("in", share="0.95"), self.client("in", share="0.05")
        moved, seconds = self.moved([large, small], "in", RATE * 10)
        self.assertLess(moved[0] / sum(moved), 0.85)
        self.assertGreater(sum(moved) / seconds, RATE * 1.5)
        self.end(large, small)


if __name__ == "__main__":
    unittest.main(verbosity=2)
