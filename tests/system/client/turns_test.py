#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions that divide a GPU's time. All that is compared is time of the GPU, as the server has measured it,
and counts: a loaded machine makes these tests longer and nothing else.

The classes named WithoutTurns show what the tests are worth: the same with --no-turns, where all work at once."""

import json
import os
import subprocess
import time
import unittest

from real_server import FARLANE, SLOWNESS, RealServer, seconds_until

SERVICE = f"unix:@farlane-turns-{os.getpid()}"
MILLISECOND = 1_000_000
NO_DEVICE = 100
# For so long is waited for what must come at last.
PATIENCE = 60


class Turns(RealServer):
    OPTIONS = ("--control", SERVICE, "--warm", "2")
    BYSTANDER = False  # it would be a session of its own

    def ask(self, *words, code=0):
        done = subprocess.run([FARLANE, "session", *words, "--control", SERVICE], capture_output=True, text=True,
                              timeout=30 * SLOWNESS, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def sessions(self):
        return json.loads(self.ask("list", "--json"))["sessions"]

    def session_of(self, process):
        found = [one for one in self.sessions() if one["clients"] and one["clients"][0]["process"] == process.pid]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def time_of(self, process):
        return self.session_of(process)["time"][0]

    def turns_of(self, process):
        """None at first: a program comes to its session when it uses the GPU."""
        found = [one for one in self.sessions() if one["clients"] and one["clients"][0]["process"] == process.pid]
        return found[0]["time"][0]["turns"] if found else 0

    def client(self, case, steps=100_000, **asks):
        process = self.start(case, self.server.address, BUSY_STEPS=str(steps),
                             **{f"FARLANE_{name.upper()}": value for name, value in asks.items()})
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr.read() if process.poll() else "")
        return process

    def end(self, process):
        out, errors = process.communicate("", timeout=PATIENCE * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def used(self, processes, milliseconds):
        """What each uses until they have used so much together, from when all have begun."""
        for one in processes:
            self.assertLess(seconds_until(lambda one=one: self.time_of(one)["used_ns"] > 0, PATIENCE), PATIENCE)
        first = [self.time_of(one)["used_ns"] for one in processes]

        def since():
            return [self.time_of(one)["used_ns"] - was for one, was in zip(processes, first)]

        waited = seconds_until(lambda: sum(since()) > milliseconds * MILLISECOND, PATIENCE)
        self.assertLess(waited, PATIENCE, "the sessions do not get on")
        return since()

    def part_of_the_first(self, *processes, milliseconds=1500):
        used = self.used(processes, milliseconds)
        return used[0] / sum(used)


class Shares(Turns):
    def test_two_busy_sessions_have_their_shares(self):
        large = self.client("busy", share="0.75")
        # Its kernels take longer: were launches counted, it would have most of the time.
        small = self.client("busy", 400_000, share="0.25")
        self.assertAlmostEqual(self.part_of_the_first(large, small), 0.75, delta=0.04)
        self.end(large)
        self.end(small)

    def test_other_numbers_hold_while_programs_run(self):
        one, other = self.client("busy", share="0.5"), self.client("busy", share="0.3")
        name = self.session_of(one)["id"]
        self.assertIn("0.7", self.ask("resize", name, "--share", "0.8", code=1))
        self.ask("resize", self.session_of(other)["id"], "--share", "0.2")
        self.ask("resize", name, "--share", "0.8")
        self.assertEqual(self.session_of(one)["share"], 0.8)
        self.assertAlmostEqual(self.part_of_the_first(one, other), 0.8, delta=0.04)
        self.end(one)
        self.end(other)

    def test_a_session_with_a_cap_stays_below_it_when_alone(self):
        capped = self.client("busy", share_limit="0.2")
        self.used([capped], 100)
        time_of = self.time_of(capped)
        # What it may have saved up, and a kernel.
        spare = 20 * MILLISECOND
        self.assertLess(time_of["used_ns"] - spare, 0.2 * time_of["clock_ns"])
        self.end(capped)

    def test_best_effort_is_not_starved(self):
        first = self.client("busy", priority="guaranteed", share="0.5")
        last = self.client("busy", priority="best-effort")
        part = self.part_of_the_first(first, last)
        self.assertGreater(part, 0.85)
        self.assertLess(part, 0.98)
        self.end(first)
        self.end(last)

    def test_work_of_a_higher_class_waits_for_one_command_at_most(self):
        busy = self.client("busy", 4_000_000, priority="best-effort")
        asks = self.client("asked", 1_000_000, priority="guaranteed", share="0.5")
        self.assertLess(seconds_until(lambda: self.time_of(busy)["used_ns"] > 0, PATIENCE), PATIENCE)
        for _ in range(20):
            asks.stdin.write("go\n")
            asks.stdin.flush()
            self.assertEqual(asks.stdout.readline(), "done\n")
        time_of = self.time_of(asks)
        self.assertGreaterEqual(time_of["turns"], 1)
        # The gate lets one more through where a loaded machine makes it look as if nothing went on.
        self.assertLessEqual(time_of["ahead_max"], 2)
        self.end(asks)
        self.end(busy)

    def test_an_endless_kernel_does_not_keep_the_turn(self):
        endless = self.start("spin-forever", self.server.address)
        other, idle = self.client("busy"), self.client("asked")
        self.used([other], 200)
        endless.kill()
        self.used([other], 200)
        self.end(other)
        self.end(idle)

    def test_a_program_that_is_killed_in_its_turn_gives_it_back(self):
        killed, other = self.client("busy", share="0.9"), self.client("busy", share="0.1")
        idle = self.client("asked")  # one that is alone is not measured
        self.used([killed, other], 200)
        killed.kill()
        self.used([other], 300)
        self.end(other)
        self.end(idle)

    def test_sessions_that_die_in_their_turns_leave_them_to_the_others(self):
        idle = self.client("asked")
        other = self.client("busy", share="0.01")
        for _ in range(3):
            # Its kernel does not end: from its first turn on, all turns that it has end by force.
            dies = self.start("spin-forever", self.server.address, FARLANE_SHARE="0.9")
            self.assertLess(seconds_until(lambda dies=dies: self.turns_of(dies) > 0, PATIENCE), PATIENCE)
            dies.kill()
            self.used([other], 50)
            self.assertLess(seconds_until(lambda: len(self.sessions()) == 2, PATIENCE), PATIENCE)
        self.end(other)
        self.end(idle)

    def test_streams_that_wait_for_their_program_get_on_beside_others(self):
        # Best effort never works without a turn, however little it asks for.
        busy = self.client("busy", priority="best-effort")
        for case in ("filled-by-a-function", "filled-before-a-value", "overwritten-after-its-event", "two-contexts"):
            with self.subTest(case=case):
                _, lines = self.run_case(case, self.server.address, PATIENCE, FARLANE_PRIORITY="best-effort")
                self.assertEqual(lines, [])
        self.end(busy)

    def test_a_stream_that_waits_for_its_program_holds_back_nobody(self):
        """What the stream has not come to does not count, and what frees it is not held."""
        busy = self.client("busy", priority="best-effort")
        programs = [self.client("work-behind-functions", priority="best-effort") for _ in range(2)]
        for one in programs:
            out, errors = one.communicate("", timeout=PATIENCE * SLOWNESS)
            self.assertEqual((one.returncode, out, errors), (0, "done\n", ""))
        self.end(busy)

    def test_a_single_session_takes_no_turns(self):
        alone = self.client("busy", share="0.5")
        time.sleep(0.5)
        self.assertEqual(self.time_of(alone)["turns"], 0)
        self.assertEqual(self.time_of(alone)["holds"], 0)
        self.end(alone)

    def test_small_programs_take_no_turns_among_themselves_nor_beside_a_busy_one(self):
        small = [self.client("rounds", 1000) for _ in range(3)]
        self.used(small, 20)
        busy = self.client("busy")
        self.used([busy, *small], 1000)

        def waited(*processes):
            times = [self.time_of(one) for one in processes]
            return sum(one["held_ns"] for one in times) / sum(one["clock_ns"] for one in times)

        # A loaded machine makes little look like much, for a moment.
        self.assertLess(waited(*small), 0.25)
        self.assertGreater(waited(busy), 0.5)
        for one in (*small, busy):
            self.end(one)

    def test_what_is_promised_to_others_is_refused(self):
        first = self.client("busy", share="0.7")
        out, lines = self.run_case("initialise", self.server.address, FARLANE_SHARE="0.4",
                                   FARLANE_QUEUE_TIMEOUT="0")
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assert_one_line(lines, "a share of 0.4 is asked for", "0.3 is not promised")
        self.end(self.client("busy", share="0.4", priority="best-effort"))
        self.end(self.client("busy", share="0.3"))
        self.end(first)

    def test_what_cannot_be_asked_for_is_refused(self):
        for name, value, word in (("FARLANE_SHARE", "2", "no share"), ("FARLANE_PRIORITY", "high", "no priority"),
                                  ("FARLANE_MEM", "much", "not a size")):
            with self.subTest(name=name):
                out, lines = self.run_case("initialise", self.server.address, **{name: value})
                self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
                self.assert_one_line(lines, word)

    def test_a_session_sees_as_much_memory_as_it_asked_for(self):
        program = self.start("commanded", self.server.address, FARLANE_MEM="64Mi")
        self.assertEqual(program.stdout.readline(), "ready\n")

        def tell(line):
            program.stdin.write(line + "\n")
            program.stdin.flush()
            return program.stdout.readline().strip()

        self.assertEqual(tell("info").split()[2], "64")
        self.assertEqual(tell("alloc 60"), "0")
        self.assertEqual(tell("alloc 30"), "2")
        self.ask("resize", self.session_of(program)["id"], "--mem", "96Mi")
        self.assertEqual(tell("alloc 30"), "0")
        self.end(program)


class WithoutTurns(Turns):
    OPTIONS = (*Turns.OPTIONS, "--no-turns")

    def test_shares_do_not_hold(self):
        large, small = self.client("busy", share="0.75"), self.client("busy", 400_000, share="0.25")
        self.assertLess(self.part_of_the_first(large, small), 0.65)
        self.end(large)
        self.end(small)

    def test_a_cap_does_not_hold(self):
        capped = self.client("busy", share_limit="0.2")
        self.used([capped], 300)
        time_of = self.time_of(capped)
        self.assertGreater(time_of["used_ns"] - 20 * MILLISECOND, 0.2 * time_of["clock_ns"])
        self.end(capped)

    def test_best_effort_has_as_much_as_others(self):
        first = self.client("busy", priority="guaranteed", share="0.5")
        last = self.client("busy", priority="best-effort")
        self.assertLess(self.part_of_the_first(first, last), 0.8)
        self.end(first)
        self.end(last)

    def test_work_of_a_higher_class_finds_many_commands_before_it(self):
        busy = self.client("busy", 4_000_000, priority="best-effort")
        asks = self.client("asked", 100_000_000, priority="guaranteed", share="0.5")
        self.assertLess(seconds_until(lambda: self.time_of(busy)["used_ns"] > 0, PATIENCE), PATIENCE)

        def is_ahead():
            asks.stdin.write("go\n")
            asks.stdin.flush()
            found = self.time_of(asks)["ahead_max"]
            self.assertEqual(asks.stdout.readline(), "done\n")
            return found > 4

        self.assertLess(seconds_until(is_ahead, PATIENCE), PATIENCE)
        self.end(asks)
        self.end(busy)


if __name__ == "__main__":
    unittest.main()
