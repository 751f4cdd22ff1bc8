#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GPUs that are divided into MIG instances: what a process sees of them, and who gets one."""

import pathlib
import re
import tempfile
import unittest

from nvml_test import Monitor
from real_server import SLOWNESS, SOFT, Client, Server, seconds_until
from restart_test import Restarted
from sessions_test import ticket
from slices_test import NO_DEVICE, OUT_OF_MEMORY, PATIENCE, SERVICE, Waiting

SOFT_FOLDER = str(pathlib.Path(SOFT).parent)
NOT_SUPPORTED = 3
# Of each device, divided by two.
MEMORY = 512
HALF = MEMORY // 2
DIVIDED = {"FARLANE_SOFT_MIG": "2", "FARLANE_SOFT_MEMORY": f"{MEMORY}Mi", "FARLANE_SOFT_PROCESSORS": "8"}


def uuid_text(digits):
    return "MIG-" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class InTheProcess(Client):
    """Without a server: what the driver and its NVML show to a process."""

    def instances(self, device=0, **environment):
        monitor = Monitor(None, **{"LD_LIBRARY_PATH": SOFT_FOLDER} | DIVIDED | environment)
        self.addCleanup(monitor.process.communicate)
        self.addCleanup(monitor.process.kill)
        self.assertEqual(monitor.ask("init"), "0")
        head, *found = re.split(r" (?=MIG-)", monitor.ask(f"instances {device}"))
        self.assertEqual(monitor.end(), "")
        return head, [entry.split(":") for entry in found]

    def names(self, **environment):
        """The one device that a program sees: its UUID and its name; or what cuInit says."""
        process = self.start("commanded", None, **{"LD_LIBRARY_PATH": SOFT_FOLDER} | DIVIDED | environment)
        self.assertEqual(process.stdout.readline(), "ready\n", process.stderr.read() if process.poll() else "")
        process.stdin.write("names\ninfo\n")
        process.stdin.flush()
        *devices, end = process.stdout.readline().split(";")
        self.assertEqual((len(devices), end), (1, "\n"))
        digits, _, name = devices[0].partition(" ")
        result, _, total = process.stdout.readline().split()
        self.assertEqual((result, total), ("0", str(HALF)))
        process.communicate(timeout=PATIENCE * SLOWNESS)
        return uuid_text(digits), name

    def refused(self, word, **environment):
        """Programs that this driver shows no device."""
        process = self.start("initialise", None, **{"LD_LIBRARY_PATH": SOFT_FOLDER} | DIVIDED | environment)
        out, errors = process.communicate(timeout=PATIENCE * SLOWNESS)
        self.assertIn(f"cuInit {NO_DEVICE}\n", out)
        self.assert_one_line(errors.splitlines(), word)

    def test_nvml_describes_each_instance(self):
        head, found = self.instances(FARLANE_SOFT_DEVICES="2", device=1)
        self.assertEqual(head, "0 1 1 2")
        # A handle of its own, its numbers, half of the processors, three of seven slices, half of the memory, and
        # its device.
        self.assertEqual([entry[1:7] for entry in found],
                         [["1", str(number), "0", "4", "3", str(HALF)] for number in (1, 2)])
        self.assertEqual([entry[7:] for entry in found], [[str(HALF), "0", "1"]] * 2)
        self.assertEqual(len({entry[0] for entry in found + self.instances(FARLANE_SOFT_DEVICES="2")[1]}), 4)

    def test_a_device_that_is_whole_has_none(self):
        self.assertEqual(self.instances(FARLANE_SOFT_MIG="0"), (f"{NOT_SUPPORTED} 0 0 0", []))

    def test_a_process_sees_the_first_instance_that_the_list_names(self):
        uuids = [entry[0] for device in (0, 1)
                 for entry in self.instances(FARLANE_SOFT_DEVICES="2", device=device)[1]]
        gpu = "GPU-6661726c-616e-652d-736f-66742d677001"
        lists = {None: 0, uuids[1]: 1, uuids[2].upper(): 2, f"{uuids[3]},{uuids[0]}": 3, f"{uuids[2]},no": 2,
                 "0": 0, "1": 2, gpu: 2, f"MIG-{gpu}/2/0": 3}
        for visible, place in lists.items():
            with self.subTest(visible):
                more = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
                self.assertEqual(self.names(FARLANE_SOFT_DEVICES="2", **more),
                                 (uuids[place], f"Farlane Software GPU MIG 3g.{HALF}mb"))

    def test_a_list_that_names_none_shows_none(self):
        other = "MIG-00000000-0000-0000-0000-000000000000"
        uuid = self.instances()[1][0][0]
        for visible in ("", other, f"{other},{uuid}", "2", "MIG-1", uuid[:-1], "MIG-GPU-66/3/0", "MIG-GPU-66/1/1"):
            with self.subTest(visible):
                self.refused("names no MIG instance", CUDA_VISIBLE_DEVICES=visible)

    def test_what_is_no_division_is_refused(self):
        for wrong, more in (("1", {}), ("8", {}), ("two", {}), ("7", {"FARLANE_SOFT_DEVICES": "3"}),
                            ("3", {"FARLANE_SOFT_MEMORY": "4Mi"})):
            with self.subTest(wrong):
                self.refused(f"FARLANE_SOFT_MIG={wrong} is not", FARLANE_SOFT_MIG=wrong, **more)


class Divided(Waiting):
    """A server with two instances."""

    OPTIONS = ("--control", SERVICE)
    DEVICES = "1"
    SOFT = DIVIDED


class OneEach(Divided):
    def devices_of(self, process):
        self.assertEqual(self.tell(process, "devices").split()[0], "1")
        return self.session_of(process)["gpus"]

    def test_each_session_has_an_instance_of_its_own(self):
        one, other = self.client(isolation="mig"), self.client(isolation="mig")
        self.assertEqual((self.devices_of(one), self.devices_of(other)), ([0], [1]))
        names = [self.tell(process, "names") for process in (one, other)]
        self.assertEqual([name.partition(" ")[2] for name in names], [f"Farlane Software GPU MIG 3g.{HALF}mb;"] * 2)
        self.assertNotEqual(*names)
        for process in (one, other):
            self.assertEqual(self.session_of(process)["isolation"], "mig")
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)

    def test_memory_of_one_is_not_used_up_by_the_other(self):
        one, other = self.client(isolation="mig"), self.client(isolation="mig")
        most = [int(self.tell(process, "info").split()[1]) for process in (one, other)]
        self.assertEqual(most[0], most[1])
        self.assertLessEqual(most[0], HALF)
        self.assertGreater(most[0], HALF - 64)
        self.assertEqual(self.tell(one, f"alloc {most[0]}"), "0")
        self.assertEqual(self.tell(one, "alloc 2"), str(OUT_OF_MEMORY))
        self.assertEqual(self.tell(other, f"alloc {most[1]}"), "0")
        for process in (one, other):
            self.assertEqual(self.tell(process, "free"), "0")
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)

    def test_who_finds_none_free_waits_for_one(self):
        one, other = self.client(isolation="mig"), self.client(isolation="mig")
        self.refused("somebody is to be alone", isolation="mig", queue_timeout="0")
        waits = self.waiting(isolation="mig")
        self.end(other)
        self.assertEqual(waits.stdout.readline(), "ready\n")
        self.assertEqual(self.devices_of(waits), [1])
        self.end(waits)
        self.end(one)

    def test_processes_of_a_session_are_on_one_instance(self):
        session = ticket()
        members = [self.client(isolation="mig", session=session) for _ in range(3)]
        other = self.client(isolation="mig")
        self.assertEqual([self.devices_of(process) for process in (*members, other)], [[0]] * 3 + [[1]])
        self.assertEqual(len({self.tell(process, "names") for process in members}), 1)
        for process in (*members, other):
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)

    def test_what_one_process_does_not_use_another_gets(self):
        first = self.client(isolation="mig")
        session = ticket()
        one, other = (self.client(isolation="mig", session=session) for _ in range(2))
        self.assertEqual(self.devices_of(one), [1])
        for process, neighbour in ((one, other), (other, one)):
            self.assertEqual(self.tell(process, "alloc 180"), "0")
            self.assertEqual(self.tell(neighbour, "alloc 100"), str(OUT_OF_MEMORY))
            self.assertEqual(self.tell(process, "free"), "0")
        self.assertEqual(self.tell(first, "alloc 180"), "0")
        for process in (first, one, other):
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)

    def test_who_asks_for_nothing_shares_an_instance(self):
        clients = [self.client() for _ in range(3)]
        self.assertEqual({self.devices_of(process)[0] for process in clients}, {0, 1})
        self.refused("it has sessions", isolation="mig", queue_timeout="0")
        for process in clients:
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)

    def test_more_than_one_can_never_be(self):
        self.refused("2 GPUs are asked for", "one MIG instance at a time", isolation="mig", gpus="2")
        self.refused("memory are asked for", isolation="mig", mem=f"{MEMORY}Mi")

    def test_a_monitoring_program_sees_the_instance(self):
        program = self.client(isolation="mig")
        other = self.client(isolation="mig", session=(session := ticket()))
        self.assertEqual(self.tell(other, "alloc 16"), "0")
        monitor = Monitor(self.server.address, FARLANE_SESSION=session)
        self.addCleanup(monitor.process.communicate)
        self.addCleanup(monitor.process.kill)
        self.assertEqual(monitor.ask("init"), "0")
        self.assertEqual(monitor.ask("count"), "0 1")
        digits = self.tell(other, "names").partition(" ")[0]
        self.assertEqual(monitor.ask("identity 0").split()[1], uuid_text(digits))
        self.assertLess(seconds_until(lambda: monitor.processes(0).get(other.pid, 0) >= 16, PATIENCE), PATIENCE)
        self.assertEqual(monitor.end(), "")
        self.end(program)
        self.end(other)

    def test_shares_of_time_are_kept_on_an_instance(self):
        # Turns are given by pages that count the server's devices, and the workers of an instance have one.
        session = {"isolation": "shared", "share": "0.5"}
        clients = [self.client(**session) for _ in range(4)]
        self.assertEqual(sorted(self.devices_of(process) for process in clients), [[0], [0], [1], [1]])
        self.refused("0 is not promised", share="0.5", queue_timeout="0")

        def measured():
            for process in clients:
                self.assertEqual(self.tell(process, "work"), "worked")
            times = [self.session_of(process)["time"] for process in clients]
            self.assertEqual(sorted(time[0]["device"] for time in times), [0, 0, 1, 1])
            return all(time[0]["used_ns"] > 0 for time in times)

        self.assertLess(seconds_until(measured, PATIENCE), PATIENCE)
        for process in clients:
            self.end(process)


class Engines(Divided):
    """Each instance has engines of its own, which the device's own record shows."""

    def setUp(self):
        self.log = tempfile.NamedTemporaryFile("r", suffix=".busy")
        self.addCleanup(self.log.close)
        self.SOFT = DIVIDED | {"FARLANE_SOFT_MODEL": "kernel=2ms", "FARLANE_SOFT_BUSY_LOG": self.log.name}
        super().setUp()

    def test_two_sessions_do_not_wait_for_one_another(self):
        clients = [self.client(isolation="mig") for _ in range(2)]
        for process in clients:
            self.assertEqual(self.tell(process, "work"), "worked")
        busy = {line.split()[0] for line in self.log.read().splitlines() if line.split()[1] == "compute"}
        self.assertEqual(busy, {"0", "1"})
        for process in clients:
            self.end(process)


class Many(Divided):
    """Two GPUs of seven instances each."""

    DEVICES = "2"
    SOFT = DIVIDED | {"FARLANE_SOFT_MIG": "7"}

    def test_all_of_them_are_given_out(self):
        clients = [self.client(isolation="mig") for _ in range(14)]
        self.assertEqual(sorted(self.session_of(process)["gpus"][0] for process in clients), list(range(14)))
        self.refused("somebody is to be alone", isolation="mig", queue_timeout="0")
        buses = [self.tell(process, "devices").split()[1] for process in clients]
        self.assertEqual({bus: buses.count(bus) for bus in buses}, {buses[0]: 7, buses[-1]: 7})
        for process in clients:
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)


class NotLookedFor(Divided):
    """What the search for instances is worth: without it a server sees one, as the driver shows it."""

    OPTIONS = (*Divided.OPTIONS, "--instances", "none")

    def test_the_driver_shows_one(self):
        one = self.client(isolation="mig")
        self.assertEqual(self.session_of(one)["gpus"], [0])
        self.refused("somebody is to be alone", isolation="mig", queue_timeout="0")
        self.assertEqual(self.tell(one, "work"), "worked")
        self.end(one)


class AcrossARestart(Restarted):
    def serve(self):
        self.server = Server("--state-dir", f"{self.folder}/state", "--control", self.control, listen=self.address,
                             **DIVIDED)
        self.assertTrue(self.server.address, self.server.said())
        self.address = self.server.address

    def test_who_has_an_instance_keeps_it(self):
        clients = [self.client(FARLANE_ISOLATION="mig") for _ in range(2)]
        for process, size in zip(clients, (12, 70)):
            self.assertEqual(self.tell(process, f"alloc {size}"), "0")
        before = self.facts()
        self.kill_server()
        for process in clients:
            self.assertEqual(self.tell(process, "work"), "worked")
        self.serve()
        self.assertLessEqual(seconds_until(lambda: self.facts() == before, PATIENCE), PATIENCE,
                             (before, self.facts()))
        out, lines = self.run_case("initialise", self.address, FARLANE_ISOLATION="mig", FARLANE_QUEUE_TIMEOUT="0")
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assert_one_line(lines, "somebody is to be alone")
        # The second instance's memory is still asked for, and given back, as the second's.
        self.assertEqual(self.tell(clients[1], "alloc 100"), "0")
        self.assertEqual(self.tell(clients[1], "alloc 100"), str(OUT_OF_MEMORY))
        self.assertEqual(self.tell(clients[0], "alloc 100"), "0")
        for process in clients:
            self.assertEqual(self.tell(process, "work"), "worked")
            self.end(process)
        self.assertLessEqual(seconds_until(lambda: not self.sessions(), PATIENCE), PATIENCE)
        self.end(self.client(FARLANE_ISOLATION="mig"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
