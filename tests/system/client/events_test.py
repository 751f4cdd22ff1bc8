#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What has happened to a server's devices, as its operator is told, and what becomes of a sick one."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from metrics_test import parse
from real_server import FARLANE, SLOWNESS, die_with_parent, seconds_until
from slices_test import PATIENCE, SERVICE, Waiting

QUIET = "xid_count = 0\ntemperature = 50\ntemperature_slowdown = 90\n"


class Told(Waiting):
    DEVICES = "2"
    MORE = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.health = pathlib.Path(folder.name) / "health"
        self.say("")
        self.SOFT = {"FARLANE_SOFT_HEALTH": str(self.health)} | self.MORE
        super().setUp()
        # Errors are counted from the server's first look on.
        self.assertLess(seconds_until(lambda: "DCGM_FI_DEV_GPU_TEMP" in self.metrics(), PATIENCE), PATIENCE)

    def metrics(self):
        done = subprocess.run([FARLANE, "metrics", "--control", SERVICE], capture_output=True, text=True, check=False,
                              timeout=20 * SLOWNESS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return parse(done.stdout)

    def say(self, lines):
        """How the devices are from now on. In one piece: the file is read at any time."""
        new = self.health.with_suffix(".new")
        new.write_text(QUIET + lines, encoding="utf-8")
        new.replace(self.health)

    def told(self):
        done = subprocess.run([FARLANE, "events", "-o", "json", "--control", SERVICE], capture_output=True, text=True,
                              check=False, timeout=20 * SLOWNESS)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def until(self, condition):
        self.assertLess(seconds_until(lambda: condition(self.told()), PATIENCE), PATIENCE, self.told())

    def sick(self, told):
        return [device["gpu"] for device in told["devices"] if device["sick"]]


class Events(Told):
    def test_a_quiet_server_has_nothing_to_say(self):
        told = self.told()
        self.assertEqual(told["events"], [])
        self.assertEqual([(device["gpu"], device["sick"], device["reason"]) for device in told["devices"]],
                         [(0, False, ""), (1, False, "")])

    def test_a_sick_device_gets_no_new_session(self):
        stays = self.client(gpus="1")
        self.assertEqual(self.session_of(stays)["gpus"], [0])
        self.say("0.xid = 79\n0.xid_count = 1\n")
        self.until(lambda told: self.sick(told) == [0])
        event, = self.told()["events"]
        self.assertEqual((event["gpu"], event["severity"], event["reason"]),
                         (0, "critical", "XID 79: the GPU has fallen off the bus"))
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(event["uuid"], r"^GPU-[0-9a-f-]{36}$")
        # Whoever comes gets another device, though that has more sessions than this one.
        others = [self.client(gpus="1") for _ in range(3)]
        self.assertEqual([self.session_of(process)["gpus"] for process in others], [[1]] * 3)
        self.refused("device 0: it is sick", "XID 79", gpus="2", queue_timeout="0")
        self.assertEqual(self.tell(stays, "work"), "worked")
        for process in (stays, *others):
            self.end(process)

    def test_what_a_program_has_done_makes_nobody_sick(self):
        self.say("xid = 31\nxid_count = 1\n")
        self.until(lambda told: len(told["events"]) == 2)
        self.assertEqual(self.sick(self.told()), [])
        both = self.client(gpus="2", queue_timeout="0")
        self.assertEqual(self.session_of(both)["gpus"], [0, 1])
        self.end(both)

    def test_who_comes_while_all_are_too_hot_waits_until_one_is_not(self):
        self.say("temperature = 93\n")
        self.until(lambda told: self.sick(told) == [0, 1])
        waits = self.waiting(gpus="1")
        self.refused("it is too hot", gpus="1", queue_timeout="0")
        self.say("1.temperature = 80\n0.temperature = 93\n")
        self.arrives(waits)
        self.assertEqual(self.sick(self.told()), [0])
        reasons = [(event["gpu"], event["severity"]) for event in self.told()["events"]]
        self.assertEqual(reasons, [(0, "warning"), (1, "warning"), (1, "info")])

    def test_memory_errors_and_power_are_told(self):
        self.say("0.ecc_uncorrected = 2\n1.power = 400000\n1.power_limit = 300000\n")
        self.until(lambda told: len(told["events"]) == 2)
        told = self.told()
        self.assertEqual(sorted((event["gpu"], event["severity"], event["reason"]) for event in told["events"]),
                         [(0, "critical", "2 memory errors were not corrected"),
                          (1, "warning", "400 W; its limit is 300 W")])
        self.assertEqual(self.sick(told), [0])

    def test_numbers_for_those_who_collect_them(self):
        self.say("1.ecc_uncorrected = 1\n")
        self.until(lambda told: self.sick(told) == [1])
        metrics = self.metrics()
        self.assertEqual({labels["gpu"]: value for labels, value in metrics["farlane_gpu_sick"]}, {"0": 0, "1": 1})
        counts = {(labels["gpu"], labels["severity"]): value
                  for labels, value in metrics["farlane_gpu_events_total"]}
        self.assertEqual(counts, {(gpu, severity): int((gpu, severity) == ("1", "critical"))
                                  for gpu in "01" for severity in ("info", "warning", "critical")})

    def test_for_people_and_as_it_comes(self):
        watching = subprocess.Popen([FARLANE, "events", "--watch", "--control", SERVICE], stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(watching.communicate)
        self.addCleanup(watching.kill)
        self.say("1.xid = 48\n1.xid_count = 1\n")
        line = watching.stdout.readline()
        self.assertRegex(line, r"^\S+Z  gpu 1  critical  XID 48: a memory error was not corrected\n$")
        done = subprocess.run([FARLANE, "events", "--control", SERVICE], capture_output=True, text=True, check=False,
                              timeout=20 * SLOWNESS)
        self.assertEqual(done.stdout, line + "gpu 1 gets no new sessions: it had XID 48 and was not reset since\n")


class Divided(Told):
    """A sick GPU makes its instances sick."""

    MORE = {"FARLANE_SOFT_MIG": "2"}

    def test_its_instances_get_no_new_session(self):
        self.say("0.xid = 79\n0.xid_count = 1\n")
        self.until(lambda told: self.sick(told) == [0, 1])
        clients = [self.client(isolation="mig") for _ in range(2)]
        self.assertEqual([self.session_of(process)["gpus"] for process in clients], [[2], [3]])
        self.refused("it is sick", isolation="mig", queue_timeout="0")
        for process in clients:
            self.end(process)


class WithoutAServer(unittest.TestCase):
    def test_it_says_so(self):
        done = subprocess.run([FARLANE, "events", "--control", SERVICE + "-none"], capture_output=True, text=True,
                              check=False, timeout=20 * SLOWNESS)
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertIn("--control", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
