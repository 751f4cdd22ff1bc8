#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a monitoring program sees of a remote GPU, whatever lies between, and what it never sees."""

import json
import os
import pathlib
import re
import struct
import subprocess
import tempfile
import unittest

from real_server import (CLIENT, FARLANE, SLOWNESS, SOFT, Client, RealServer, Server, client_environment,
                         die_with_parent, seconds_until)
from refusal_test import Impostor, WRONG_VERSION, answering, read_hello, server_hello
from sessions_test import ticket

MONITOR = os.environ.get("FARLANE_MONITOR", "")
UNINITIALIZED = 1
NO_PERMISSION = 4
NOT_SUPPORTED = 3
NO_DRIVER = 9
TIMEOUT = 10
GPU_IS_LOST = 15
MISMATCH = 18
UNKNOWN = 999
SOON = 10
# A process has credit for this much from the start, and uses none of it.
LIMIT = 256


class Monitor:
    """A monitoring program that is told what to ask."""

    def __init__(self, server, **environment):
        self.process = subprocess.Popen([MONITOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
                                        env=client_environment(server, **environment))

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def numbers(self, line):
        return [int(word) for word in self.ask(line).split()]

    def processes(self, device=0):
        """The processes of a device and what each has in use, in MiB."""
        result, *entries = self.ask(f"processes {device}").split()
        assert result == "0", result
        return {int(pid): int(used) for pid, used in (entry.split(":") for entry in entries)}

    def end(self):
        """What it has said to people."""
        return self.process.communicate(timeout=SOON * SLOWNESS)[1]


class Watched(RealServer):
    """The kinds of connection are the subclasses."""

    OPTIONS = ("--mem", f"{LIMIT}Mi")
    BYSTANDER = False

    def monitor(self, **environment):
        made = Monitor(self.server.address, **environment)
        self.addCleanup(made.process.communicate)
        self.addCleanup(made.process.kill)
        return made

    def client(self, session=None, **more):
        more |= {} if session is None else {"FARLANE_SESSION": session}
        process = self.start("commanded", self.server.address, **more)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def tell(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def eventually(self, condition, what=""):
        self.assertLessEqual(seconds_until(condition, SOON), SOON, what)

    def test_it_is_the_device_that_the_driver_shows(self):
        monitor = self.monitor()
        self.assertEqual(monitor.ask("count"), f"{UNINITIALIZED} 0")
        self.assertEqual(monitor.ask("init"), "0")
        self.assertEqual(monitor.ask("count"), "0 1")
        result, uuid, bus, capability, *name = monitor.ask("identity 0").split()
        self.assertEqual((result, bus, capability, " ".join(name)),
                         ("0", "00000000:65:00.0", "12.1", "Farlane Software GPU"))
        self.assertEqual(uuid, "GPU-6661726c-616e-652d-736f-66742d677000")
        self.assertEqual(monitor.ask("shutdown"), "0")
        self.assertEqual(monitor.ask("count"), f"{UNINITIALIZED} 0")
        self.assertEqual(monitor.end(), "")

    def test_memory_and_processes_are_those_of_the_session(self):
        session, other = ticket(), ticket()
        mine, another, foreign = self.client(session), self.client(session), self.client(other)
        self.assertEqual(self.tell(mine, "alloc 100"), "0")
        self.assertEqual(self.tell(foreign, "alloc 32"), "0")
        monitor = self.monitor(FARLANE_SESSION=session)
        self.assertEqual(monitor.ask("init"), "0")
        self.eventually(lambda: monitor.processes() == {mine.pid: 100, another.pid: 0}, monitor.processes())
        result, total, used, free = monitor.numbers("memory 0")
        self.assertEqual((result, total, used, free), (0, LIMIT, 100, LIMIT - 100))
        stranger = self.monitor(FARLANE_SESSION=other)
        self.assertEqual(stranger.ask("init"), "0")
        self.eventually(lambda: stranger.processes() == {foreign.pid: 32}, stranger.processes())
        mine.kill()
        mine.wait()
        self.eventually(lambda: monitor.processes() == {another.pid: 0}, monitor.processes())
        self.assertEqual(monitor.numbers("memory 0"), [0, LIMIT, 0, LIMIT])

    def test_programs_without_a_session_are_seen_by_their_own_user_alone(self):
        with tempfile.TemporaryDirectory() as own, tempfile.TemporaryDirectory() as foreign:
            alone = self.client(XDG_RUNTIME_DIR=own)
            self.assertEqual(self.tell(alone, "alloc 10"), "0")
            monitor = self.monitor(XDG_RUNTIME_DIR=own)
            self.assertEqual(monitor.ask("init"), "0")
            self.eventually(lambda: monitor.processes() == {alone.pid: 10}, monitor.processes())
            for environment in ({"XDG_RUNTIME_DIR": foreign}, {"FARLANE_SESSION": ticket()}):
                stranger = self.monitor(**environment)
                self.assertEqual(stranger.ask("init"), "0")
                self.assertEqual(stranger.processes(), {})
                self.assertEqual(stranger.numbers("memory 0")[2], 0)

    def test_who_only_asks_takes_no_worker(self):
        def served():
            return re.findall(r"worker \d+: serves", self.server.said())
        before = set(self.server.workers())
        for _ in range(5):
            monitor = self.monitor()
            self.assertEqual(monitor.ask("init"), "0")
            self.assertEqual(monitor.ask("memory 0").split()[0], "0")
        self.assertEqual(served(), [])
        self.assertEqual(set(self.server.workers()), before)

    def test_work_shows_as_utilisation_and_its_end_too(self):
        session = ticket()
        busy = self.start("bystander", self.server.address, FARLANE_SESSION=session)
        self.assertEqual(busy.stdout.readline(), "working\n")
        monitor = self.monitor(FARLANE_SESSION=session)
        self.assertEqual(monitor.ask("init"), "0")
        self.eventually(lambda: monitor.numbers("rates 0")[1] > 0)
        idle = self.monitor(FARLANE_SESSION=ticket())
        self.assertEqual(idle.ask("init"), "0")
        self.assertEqual(idle.numbers("rates 0"), [0, 0, 0])
        busy.communicate("", timeout=SOON * SLOWNESS)
        self.eventually(lambda: monitor.numbers("rates 0") == [0, 0, 0])

    def test_a_forked_child_goes_on_asking(self):
        monitor = self.monitor()
        self.assertEqual(monitor.ask("init"), "0")
        self.assertEqual(monitor.ask("fork"), "0 0 0 1")
        self.assertEqual(monitor.ask("count"), "0 1")

    def test_a_server_that_ends_is_a_lost_gpu_and_one_line(self):
        monitor = self.monitor()
        self.assertEqual(monitor.ask("init"), "0")
        self.server.process.terminate()
        self.server.process.wait(SOON * SLOWNESS)
        self.eventually(lambda: monitor.numbers("memory 0")[0] == GPU_IS_LOST)
        self.assertEqual(monitor.numbers("memory 0")[0], GPU_IS_LOST)
        self.assertEqual(len(monitor.end().splitlines()), 1)


class OverTcp(Watched):
    pass


class OverUnix(Watched):
    UNIX = True


class OverTls(Watched):
    TLS = True


del Watched


class Health(Client):
    """The software GPU is as well as a file says."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file = pathlib.Path(folder.name) / "health"
        self.write("driver_version = 580.1")
        self.server = Server("--mem", "64Mi", FARLANE_SOFT_HEALTH=str(self.file))
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())
        self.monitor = Monitor(self.server.address)
        self.addCleanup(self.monitor.process.communicate)
        self.addCleanup(self.monitor.process.kill)
        self.assertEqual(self.monitor.ask("init"), "0")

    def write(self, *lines):
        whole = self.file.with_suffix(".new")
        whole.write_text("\n".join(lines), encoding="utf-8")
        whole.rename(self.file)

    def eventually(self, condition):
        self.assertLessEqual(seconds_until(condition, SOON), SOON)

    def test_what_is_injected_arrives(self):
        self.eventually(lambda: self.monitor.ask("system") == "0 580.1 13.580.1 13000")
        self.assertEqual(self.monitor.ask("temperature 0"), f"{NOT_SUPPORTED} 0")
        self.write("temperature = 91")
        self.eventually(lambda: self.monitor.ask("temperature 0") == "0 91")

    def test_an_error_of_the_hardware_is_an_event(self):
        self.eventually(lambda: self.monitor.ask("watch 0") == "0 0")
        self.assertEqual(self.monitor.ask("await 1"), f"{TIMEOUT} 0")
        self.write("xid = 79", "xid_count = 1")
        self.assertEqual(self.monitor.ask("await 60000"), "0 79")
        self.assertEqual(self.monitor.ask("await 1"), f"{TIMEOUT} 0")

    def test_a_caretaker_that_dies_takes_the_health_with_it_and_nothing_else(self):
        self.write("temperature = 40")
        self.eventually(lambda: self.monitor.ask("temperature 0") == "0 40")
        caretaker, = self.server.children_named("gpud-caretaker")
        os.kill(caretaker, 9)
        self.eventually(lambda: self.monitor.ask("temperature 0").startswith(f"{NOT_SUPPORTED} "))
        self.assertEqual(self.monitor.ask("memory 0").split()[0], "0")


class Directly(Client):
    """Without a server, on the software GPU's own library."""

    def test_it_knows_the_device_and_nothing_of_its_use(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as health:
            health.write("temperature = 50\n1.temperature = 91\n")
            health.flush()
            monitor = Monitor(None, LD_LIBRARY_PATH=os.path.dirname(SOFT), FARLANE_SOFT_DEVICES="2",
                              FARLANE_SOFT_HEALTH=health.name)
            self.addCleanup(monitor.process.communicate)
            self.addCleanup(monitor.process.kill)
            self.assertEqual(monitor.ask("init"), "0")
            self.assertEqual(monitor.ask("count"), "0 2")
            self.assertEqual(monitor.ask("temperature 0"), "0 50")
            self.assertEqual(monitor.ask("temperature 1"), "0 91")
            self.assertEqual(monitor.numbers("memory 0")[0], NOT_SUPPORTED)
            self.assertEqual(monitor.numbers("rates 0")[0], NOT_SUPPORTED)


class Refused(Client):
    """nvmlInit says what is wrong, and one line says it to people."""

    def assert_refused(self, server, code, *words, **environment):
        monitor = Monitor(server, **environment)
        self.addCleanup(monitor.process.kill)
        self.assertEqual(monitor.ask("init"), str(code))
        lines = monitor.end().splitlines()
        self.assert_one_line(lines, *words)

    def impostor(self, behave):
        made = Impostor(behave)
        self.addCleanup(made.close)
        return made.address

    def test_nothing_configured(self):
        self.assert_refused(None, NO_DRIVER, "FARLANE_SERVER")

    def test_nobody_there(self):
        self.assert_refused("unix:@farlane-nobody-listens-here", NO_DRIVER, "refused")

    def test_a_wrong_token_and_a_wrong_session_key(self):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as token:
            token.write("right\n")
            token.flush()
            server = Server("--token-file", token.name)
            self.addCleanup(server.stop)
            self.assert_refused(server.address, NO_PERMISSION, "token", FARLANE_TOKEN="wrong")
            name = ticket().split(".")[0]
            owner = self.start("commanded", server.address, FARLANE_TOKEN="right", FARLANE_SESSION=ticket(name))
            self.assertEqual(owner.stdout.readline(), "ready\n")
            self.assert_refused(server.address, NO_PERMISSION, "session", FARLANE_TOKEN="right",
                                FARLANE_SESSION=ticket(name))

    def test_another_version(self):
        self.assert_refused(self.impostor(answering(server_hello(WRONG_VERSION, 9))), MISMATCH, "version 9")

    def test_reports_that_are_none(self):
        welcome = server_hello(0)
        reports = {
            "of another form": struct.pack("<II", 99, 4) + b"abcd",
            "longer than any": struct.pack("<II", 1, 0xFFFFFFFF) + bytes(4096),
            "garbage": struct.pack("<II", 1, 4096) + os.urandom(4096),
            "counts without end": struct.pack("<II", 1, 9) + bytes(4) + b"\0" + b"\xff\xff\xff\xff",
            "nothing": struct.pack("<II", 1, 0),
        }
        for what, report in reports.items():
            with self.subTest(what):
                self.assert_refused(self.impostor(answering(welcome + report)), UNKNOWN, "report")

    def test_half_a_report_and_silence_and_half_a_report_and_the_end(self):
        half = server_hello(0) + struct.pack("<II", 1, 4096) + bytes(100)
        self.assert_refused(self.impostor(answering(half)), TIMEOUT, "time")

        def behave(connection):
            read_hello(connection)
            connection.sendall(half)
        self.assert_refused(self.impostor(behave), UNKNOWN, "closed")


class Smi(Client):
    """farlane smi."""

    def smi(self, *words, server=None, **environment):
        done = subprocess.run([FARLANE, "smi", *words], env=client_environment(server, **environment),
                              capture_output=True, text=True, timeout=60 * SLOWNESS, check=False,
                              preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_shows_the_sessions_processes_as_a_table_and_as_json(self):
        server = Server("--mem", "64Mi")
        self.addCleanup(server.stop)
        session = ticket()
        client = self.start("commanded", server.address, FARLANE_SESSION=session)
        self.assertEqual(client.stdout.readline(), "ready\n")
        client.stdin.write("alloc 10\n")
        client.stdin.flush()
        self.assertEqual(client.stdout.readline(), "0\n")

        def shown():
            return json.loads(self.smi("--json", server=server.address, FARLANE_SESSION=session))["gpus"][0]
        self.assertLessEqual(seconds_until(lambda: shown()["memory_used_bytes"] == 10 << 20, SOON), SOON)
        gpu = shown()
        self.assertEqual(gpu["memory_total_bytes"], 64 << 20)
        self.assertEqual([process["pid"] for process in gpu["processes"]], [client.pid])
        self.assertIsNone(gpu["temperature_c"])
        table = self.smi("--server", server.address, FARLANE_SESSION=session)
        self.assertIn("Farlane Software GPU", table)
        self.assertIn("10MiB / 64MiB", table)
        self.assertRegex(table, rf"\b{client.pid}\b.*client_case.*10MiB")
        self.assertEqual({len(line) for line in table.splitlines() if line}, {79})

    def test_without_a_server_it_shows_a_private_one(self):
        self.assertEqual(len(json.loads(self.smi("-o", "json", FARLANE_SOFT_DEVICES="2"))["gpus"]), 2)

    def test_says_why_there_is_nothing_to_show(self):
        done = subprocess.run([FARLANE, "smi", "--server", "unix:@farlane-nobody-listens-here"],
                              env=client_environment(None), capture_output=True, text=True, timeout=60 * SLOWNESS,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("refused", done.stderr)


class Served(Client):
    """A server is not fooled about which library is the driver's own."""

    def test_the_clients_libraries_are_no_driver(self):
        done = subprocess.run([os.environ["FARLANE_GPUD"], "--listen", "tcp://127.0.0.1:0", "--driver",
                               f"{CLIENT}/libcuda.so.1"], env=client_environment(None, LD_LIBRARY_PATH=""),
                              capture_output=True, text=True, timeout=60 * SLOWNESS, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("client library", done.stderr)


if __name__ == "__main__":
    unittest.main()
