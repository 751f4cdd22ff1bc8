#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which devices of a server a session has, who is kept apart from whom, and who waits at the door."""

import json
import os
import select
import subprocess
import time
import unittest

from nvml_test import Monitor
from real_server import FARLANE, SLOWNESS, RealServer, Server, seconds_until
from sessions_test import ticket

SERVICE = f"unix:@farlane-slices-{os.getpid()}"
NO_DEVICE = 100
OUT_OF_MEMORY = 2
# For so long is waited for what must come at last.
PATIENCE = 60


class Slices(RealServer):
    OPTIONS = ("--control", SERVICE, "--warm", "2")
    DEVICES = "3"
    BYSTANDER = False
    SOFT = {}

    def setUp(self):
        self.bystander = None
        self.server = Server(*self.OPTIONS, FARLANE_SOFT_DEVICES=self.DEVICES, **self.SOFT)
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())

    def start_client(self, **asks):
        return self.start("commanded", self.server.address,
                          **{name if name.isupper() else f"FARLANE_{name.upper()}": value
                             for name, value in asks.items()})

    def client(self, **asks):
        process = self.start_client(**asks)
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr.read() if process.poll() else "")
        return process

    def tell(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def end(self, process):
        out, errors = process.communicate(timeout=PATIENCE * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def refused(self, *words, **asks):
        asks = {f"FARLANE_{name.upper()}": value for name, value in asks.items()}
        out, lines = self.run_case("initialise", self.server.address, **asks)
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assert_one_line(lines, *words)

    def ask(self, *words):
        done = subprocess.run([FARLANE, "session", *words, "--control", SERVICE], capture_output=True, text=True,
                              timeout=30 * SLOWNESS, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def sessions(self):
        return json.loads(self.ask("list", "--json"))["sessions"]

    def session_of(self, process):
        found = [one for one in self.sessions() if process.pid in [client["process"] for client in one["clients"]]]
        self.assertEqual(len(found), 1, found)
        return found[0]


class Gpus(Slices):
    def devices_of(self, process):
        """As the operator is told, which agrees with what the program sees."""
        count, *buses = self.tell(process, "devices").split()
        gpus = self.session_of(process)["gpus"]
        self.assertEqual((int(count), len(buses)), (len(gpus), len(gpus)))
        self.assertEqual(buses, [self.buses[gpu] for gpu in gpus])
        return gpus

    def setUp(self):
        super().setUp()
        everything = self.client()
        count, *self.buses = self.tell(everything, "devices").split()
        self.assertEqual((int(count), len(set(self.buses))), (3, 3))
        self.end(everything)

    def test_a_program_sees_so_many_devices_and_works_on_them(self):
        one, two = self.client(gpus="1"), self.client(gpus="2")
        self.assertEqual((self.devices_of(one), self.devices_of(two)), ([0], [1, 2]))
        for process in (one, two):
            self.assertEqual(self.tell(process, "work"), "worked")
            self.assertEqual(self.tell(process, "alloc 16"), "0")
            self.end(process)

    def test_sessions_are_packed_on_different_devices(self):
        clients = [self.client(gpus="1", share="0.75") for _ in range(3)]
        self.assertEqual([self.devices_of(client) for client in clients], [[0], [1], [2]])
        # What is left of each is promised once more, and no more.
        self.refused("a share of 0.75", "0.25 is not promised", gpus="1", share="0.75", queue_timeout="0")
        small = self.client(gpus="2", share="0.25")
        self.assertEqual(self.devices_of(small), [0, 1])
        self.refused("1 of 2 GPUs", gpus="2", share="0.25", queue_timeout="0")
        for client in (*clients, small):
            self.assertEqual(self.tell(client, "work"), "worked")
            self.end(client)

    def test_more_devices_than_there_are_is_refused_at_once(self):
        start = time.monotonic()
        self.refused("4 GPUs are asked for", "has 3", gpus="4")
        self.assertLess(time.monotonic() - start, 20 * SLOWNESS)

    def test_what_is_no_number_is_refused(self):
        for wrong in ("0", "-1", "two", "1000"):
            self.refused("is no number of GPUs", gpus=wrong)

    def test_processes_of_a_session_have_the_same_devices(self):
        other = self.client(gpus="1")
        session = ticket()
        first, second = self.client(gpus="2", session=session), self.client(gpus="1", session=session)
        self.assertEqual((self.devices_of(first), self.devices_of(second)), ([1, 2], [1, 2]))
        for process in (other, first, second):
            self.end(process)

    def test_monitoring_programs_see_the_same_devices(self):
        other = self.client(gpus="1")
        session = ticket()
        program = self.client(gpus="2", session=session)
        self.assertEqual(self.tell(program, "alloc 16"), "0")
        monitor = Monitor(self.server.address, FARLANE_SESSION=session, FARLANE_GPUS="2")
        self.addCleanup(monitor.process.communicate)
        self.addCleanup(monitor.process.kill)
        self.assertEqual(monitor.ask("init"), "0")
        self.assertEqual(monitor.ask("count"), "0 2")
        self.assertLess(seconds_until(lambda: monitor.processes(0).get(program.pid, 0) >= 16, PATIENCE), PATIENCE)
        self.assertEqual(monitor.end(), "")
        self.end(program)
        self.end(other)

    def test_a_list_of_visible_devices_counts_those_that_it_has(self):
        other = self.client(gpus="1")
        program = self.client(gpus="2", CUDA_VISIBLE_DEVICES="1")
        self.assertEqual(self.tell(program, "devices").split(), ["1", self.buses[2]])
        self.end(program)
        self.end(other)


class FullDevices(Slices):
    OPTIONS = (*Slices.OPTIONS, "--slices-max", "1")
    DEVICES = "2"

    def test_no_device_has_more_sessions_than_it_may(self):
        clients = [self.client(gpus="1") for _ in range(2)]
        self.refused("as many sessions as it takes", gpus="1", queue_timeout="0")
        self.end(clients[0])
        self.assertLess(seconds_until(lambda: len(self.sessions()) == 1, PATIENCE), PATIENCE)
        self.end(self.client(gpus="1"))
        self.end(clients[1])


class Waiting(Slices):
    def waiting(self, **asks):
        """One that waits, and has said so."""
        process = self.start_client(**asks)
        said = process.stderr.readline()
        self.assertTrue(said.startswith("farlane: "), said)
        for word in ("waiting for", "FARLANE_QUEUE_TIMEOUT"):
            self.assertIn(word, said)
        return process

    def arrives(self, process):
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.end(process)


class AtTheDoor(Waiting):
    DEVICES = "1"

    def test_who_cannot_be_served_now_waits_until_it_can(self):
        first = self.client(share="0.75")
        waits = self.waiting(share="0.5")
        self.assertEqual(self.tell(first, "work"), "worked")
        self.end(first)
        self.arrives(waits)

    def test_waiting_has_an_end(self):
        first = self.client(share="0.75")
        start = time.monotonic()
        out, lines = self.run_case("initialise", self.server.address, FARLANE_SHARE="0.5", FARLANE_QUEUE_TIMEOUT="2")
        self.assertGreaterEqual(time.monotonic() - start, 2)
        self.assertEqual((out, len(lines)), (f"cuInit {NO_DEVICE}\n", 2), lines)
        self.assertIn("waiting for", lines[0])
        self.assertIn("0.25 is not promised", lines[1])
        self.end(first)

    def test_who_comes_later_does_not_take_what_another_waits_for(self):
        first = self.client(share="0.75")
        waits = self.waiting(share="0.5")
        self.refused("0 is not promised", share="0.25", queue_timeout="0")
        self.end(self.client())  # it is promised nothing
        self.end(first)
        self.arrives(waits)

    def test_what_can_never_be_is_refused_at_once(self):
        start = time.monotonic()
        self.refused("memory are asked for", mem="64Ti")
        self.refused("mig", "0 of 1 devices are MIG instances", isolation="mig")
        self.assertLess(time.monotonic() - start, 20 * SLOWNESS)

    def test_an_empty_session_gives_way_to_who_waits(self):
        self.end(self.client(share="0.75", session=ticket()))
        start = time.monotonic()
        self.arrives(self.waiting(share="0.5"))
        self.assertLess(time.monotonic() - start, 30 * SLOWNESS)

    def test_who_gives_up_waiting_is_in_nobodys_way(self):
        first = self.client(share="0.75")
        gone = self.waiting(share="0.5")
        gone.kill()
        gone.wait()

        def served():
            process = self.start_client(share="0.25", queue_timeout="0")
            return process.communicate("")[0].startswith("ready")

        self.assertLess(seconds_until(served, PATIENCE), PATIENCE)
        self.end(first)


class Exclusive(Waiting):
    DEVICES = "2"

    def test_nobody_else_is_on_its_devices(self):
        alone = self.client(gpus="1", isolation="exclusive")
        other = self.client(gpus="1")
        self.assertEqual((self.session_of(alone)["gpus"], self.session_of(other)["gpus"]), ([0], [1]))
        self.refused("somebody is to be alone", queue_timeout="0")  # of both devices
        third = self.client(gpus="1")
        self.assertEqual(self.session_of(third)["gpus"], [1])
        self.refused("0 of 2 GPUs", gpus="2", isolation="exclusive", queue_timeout="0")
        for one in (alone, other, third):
            self.assertEqual(self.tell(one, "work"), "worked")
            self.end(one)

    def test_it_waits_until_a_device_is_empty(self):
        clients = [self.client(gpus="1") for _ in range(2)]
        waits = self.waiting(gpus="1", isolation="exclusive")
        late = self.waiting(gpus="2")
        self.end(clients[0])
        self.assertEqual(waits.stdout.readline(), "ready\n")
        self.assertEqual(self.session_of(waits)["isolation"], "exclusive")
        self.end(waits)
        self.arrives(late)
        self.end(clients[1])


class Kinds(Slices):
    OPTIONS = (*Slices.OPTIONS, "--isolation-min", "exclusive")
    DEVICES = "1"

    def test_a_server_may_ask_for_more_than_its_clients(self):
        first = self.client(isolation="shared")
        self.assertEqual(self.session_of(first)["isolation"], "exclusive")
        self.refused("alone", queue_timeout="0")
        self.end(first)

    def test_what_is_no_isolation_is_refused(self):
        self.refused("is no isolation", isolation="total")
        self.refused("FARLANE_QUEUE_TIMEOUT", "no number of seconds", queue_timeout="soon")


class KeptApart(Slices):
    DEVICES = "1"
    GRID_MICROSECONDS = 500

    def has_said(self, process, seconds):
        """Whether it says anything within so many seconds."""
        return bool(select.select([process.stdout], [], [], seconds)[0])

    def beside_an_endless_kernel(self, **asks):
        endless = self.start("spin-forever", self.server.address)
        self.assertLess(seconds_until(lambda: len(self.sessions()) == 1, PATIENCE), PATIENCE)
        time.sleep(1.0 * SLOWNESS)  # until its kernel runs, which nothing tells of
        process = self.client(**asks)
        process.stdin.write("work\n")
        process.stdin.flush()
        return endless, process

    def test_its_work_waits_until_the_device_has_nothing_of_others(self):
        endless, process = self.beside_an_endless_kernel(isolation="scrubbed")
        self.assertFalse(self.has_said(process, 3))
        endless.kill()
        self.assertEqual(process.stdout.readline().strip(), "worked")
        self.end(process)

    def test_without_isolation_it_does_not_wait(self):
        endless, process = self.beside_an_endless_kernel()
        self.assertEqual(process.stdout.readline().strip(), "worked")
        self.end(process)
        endless.kill()

    def test_two_of_them_and_another_get_on(self):
        clients = [self.client(isolation="scrubbed"), self.client(isolation="scrubbed"), self.client()]
        for _ in range(20):
            for client in clients:
                client.stdin.write("work\n")
                client.stdin.flush()
            self.assertEqual([client.stdout.readline() for client in clients], ["worked\n"] * 3)
        for client in clients:
            self.assertGreater(self.session_of(client)["time"][0]["turns"], 0)
            self.end(client)

    def test_a_program_of_every_kind_of_wait_works(self):
        other = self.client()
        for case in ("threads", "filled-by-a-function", "filled-before-a-value", "copied-out-then-in"):
            out, lines = self.run_case(case, self.server.address, PATIENCE, FARLANE_ISOLATION="scrubbed")
            self.assertEqual(lines, [], out)
        self.end(other)

    def test_time_that_it_is_told_is_coarse(self):
        apart, other = self.client(isolation="scrubbed"), self.client()
        told = [float(self.tell(apart, "elapsed")) * 1000 for _ in range(10)]
        for microseconds in told:
            self.assertAlmostEqual(microseconds % self.GRID_MICROSECONDS, 0, delta=0.01)
        self.assertTrue(any(float(self.tell(other, "elapsed")) * 1000 % self.GRID_MICROSECONDS > 1 for _ in range(10)))
        self.end(apart)
        self.end(other)

    def test_answers_come_on_a_grid(self):
        apart, other = self.client(isolation="scrubbed"), self.client()
        count = 50
        _, together = map(float, self.tell(apart, f"calls {count}").split())
        self.assertGreater(together, (count - 1) * self.GRID_MICROSECONDS * 0.9)
        shortest, _ = map(float, self.tell(other, f"calls {count}").split())
        self.assertLess(shortest, self.GRID_MICROSECONDS * 0.9)
        self.end(apart)
        self.end(other)


class NoTurns(Slices):
    OPTIONS = (*Slices.OPTIONS, "--no-turns")

    def test_a_server_that_gives_no_turns_keeps_nobody_apart(self):
        self.refused("--no-turns", isolation="scrubbed")


class DirtyMemory(Slices):
    """A driver whose fresh memory is full of something."""

    OPTIONS = (*Slices.OPTIONS, "--mem", "256Mi")
    DEVICES = "1"
    SOFT = {"FARLANE_SOFT_CANARY": "1"}
    CLEAN = True

    def dirt_of(self, **asks):
        client = self.client(**asks)
        # More than the first credit: also what is asked for later.
        result, dirty, _ = self.tell(client, "dirty 100").split()
        self.assertEqual(result, "0")
        self.end(client)
        self.assertLess(seconds_until(lambda: self.sessions() == [], PATIENCE), PATIENCE)
        return int(dirty)

    def test_what_a_client_gets_is_zero(self):
        self.assertEqual(self.dirt_of() == 0, self.CLEAN)
        self.assertEqual(self.dirt_of(isolation="exclusive"), 0)
        self.assertEqual("not zero" in self.server.said(), self.CLEAN)


class DirtyMemoryThatIsTrusted(DirtyMemory):
    """What the test is worth."""

    OPTIONS = (*DirtyMemory.OPTIONS, "--zero-memory", "never")
    CLEAN = False


class Leftovers(Slices):
    """A driver that gives memory on as it got it. The server's own test of that is switched off, but in the last test."""

    OPTIONS = (*Slices.OPTIONS, "--zero-memory", "never")
    DEVICES = "1"
    SOFT = {"FARLANE_SOFT_CANARY": "leftovers", "FARLANE_SOFT_MEMORY": "256Mi"}

    def found_after(self, **asks):
        first = self.client(**asks)
        self.assertEqual(self.tell(first, "soil 100"), "0")
        self.end(first)
        self.assertLess(seconds_until(lambda: self.sessions() == [], PATIENCE), PATIENCE)
        second = self.client()
        result, _, secrets = self.tell(second, "dirty 200").split()
        self.assertEqual(result, "0")
        self.end(second)
        self.assertLess(seconds_until(lambda: self.sessions() == [], PATIENCE), PATIENCE)
        return int(secrets)

    def test_nothing_is_left_of_a_session_that_was_kept_apart(self):
        for isolation in ("scrubbed", "exclusive"):
            self.assertEqual(self.found_after(isolation=isolation), 0)

    def test_what_that_is_worth(self):
        self.assertGreaterEqual(self.found_after(), 8 << 20)

    def test_what_it_gives_back_while_it_runs_is_zero(self):
        first = self.client(isolation="scrubbed")
        self.assertEqual(self.tell(first, "soil 100"), "0")
        self.assertEqual(self.tell(first, "free"), "0")
        second = self.client()
        result, _, secrets = self.tell(second, "dirty 180").split()
        self.assertEqual((result, secrets), ("0", "0"))
        self.end(second)
        self.end(first)

    def test_the_server_finds_out_by_itself(self):
        self.server.stop()
        self.OPTIONS = Slices.OPTIONS
        self.setUp()
        self.assertEqual(self.found_after(), 0)
        self.assertIn("not zero", self.server.said())


class CleanMemory(Slices):
    def test_a_driver_that_gives_zeros_is_believed(self):
        self.end(self.client())
        self.end(self.client())
        self.assertNotIn("zero", self.server.said())


class Resizing(Slices):
    OPTIONS = (*Slices.OPTIONS, "--mem", "512Mi")
    DEVICES = "1"

    def free_and_total(self, process):
        result, free, total = map(int, self.tell(process, "info").split())
        self.assertEqual(result, 0)
        return free, total

    def test_more_and_less_memory_while_a_program_runs(self):
        session = ticket()
        program = self.client(mem="256Mi", session=session)
        name = self.session_of(program)["id"]
        monitor = Monitor(self.server.address, FARLANE_SESSION=session)
        self.addCleanup(monitor.process.communicate)
        self.addCleanup(monitor.process.kill)
        self.assertEqual(monitor.ask("init"), "0")
        self.assertEqual(self.free_and_total(program), (256, 256))
        # It holds credit that it does not use.
        self.assertEqual(self.tell(program, "alloc 200"), "0")
        self.assertEqual(self.tell(program, "free"), "0")
        self.assertEqual(self.tell(program, "alloc 20"), "0")
        self.assertGreaterEqual(self.session_of(program)["memory"][0]["taken_bytes"], 200 << 20)

        self.ask("resize", name, "--mem", "64Mi")
        self.assertLess(seconds_until(
            lambda: self.session_of(program)["memory"][0]["taken_bytes"] <= 64 << 20, PATIENCE), PATIENCE)
        self.assertEqual(self.free_and_total(program), (44, 256))
        self.assertEqual(self.tell(program, "alloc 50"), str(OUT_OF_MEMORY))
        self.assertEqual(self.tell(program, "alloc 44"), "0")
        # What is in use stays.
        self.ask("resize", name, "--mem", "32Mi")
        self.assertEqual(self.free_and_total(program), (0, 256))

        self.ask("resize", name, "--mem", "128Mi")
        self.assertEqual(self.free_and_total(program), (64, 256))
        self.assertEqual(self.tell(program, "work"), "worked")
        def is_told():  # what a monitor is told is up to a second old
            result, total, _, free = monitor.numbers("memory 0")
            return (result, total, free <= 64) == (0, 256, True)
        self.assertLess(seconds_until(is_told, PATIENCE), PATIENCE, monitor.numbers("memory 0"))
        self.assertEqual(self.tell(program, "alloc 64"), "0")
        self.end(program)


class Elastic(Slices):
    DEVICES = "1"

    def busy(self, **asks):
        process = self.start("busy", self.server.address,
                             **{f"FARLANE_{name.upper()}": value for name, value in asks.items()})
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def share_of(self, process):
        return self.session_of(process)["share"]

    def test_a_share_follows_what_is_used_of_it(self):
        grows, fixed = self.busy(share="0.2..0.6"), self.busy(share="0.3")
        self.assertEqual((self.share_of(grows), self.session_of(grows)["share_max"]), (0.2, 0.6))
        self.assertLess(seconds_until(lambda: self.share_of(grows) == 0.6, PATIENCE), PATIENCE)
        self.assertEqual(self.share_of(fixed), 0.3)
        # What it has more than it was promised is there for whoever is promised it.
        third = self.client(share="0.5", queue_timeout="0")
        self.assertLessEqual(self.share_of(grows), 0.2)
        self.refused("0 is not promised", share="0.1", queue_timeout="0")
        self.end(third)
        self.ask("resize", self.session_of(grows)["id"], "--share", "0.3..0.4")
        self.assertLess(seconds_until(lambda: self.share_of(grows) == 0.4, PATIENCE), PATIENCE)
        for one in (grows, fixed):
            out, errors = one.communicate("", timeout=PATIENCE * SLOWNESS)
            self.assertEqual((one.returncode, errors), (0, ""), out)

    def test_ends_that_are_none_are_refused(self):
        for wrong in ("0.6..0.2", "0.2..", "0.2..1.5"):
            self.refused("share", share=wrong)


if __name__ == "__main__":
    unittest.main()
