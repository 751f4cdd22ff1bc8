#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane metrics: the server's numbers, as those who collect them read them, once and over HTTP."""

import http.client
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import real_server
from real_server import FARLANE, SLOWNESS, RealServer, Server, die_with_parent, seconds_until

SERVICE = f"unix:@farlane-metrics-{os.getpid()}"
MIB = 1 << 20

SAMPLE = re.compile(r'([A-Za-z_:][A-Za-z0-9_:]*)(?:\{((?:[A-Za-z_][A-Za-z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)')
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"')


def parse(text):
    """{name: [(labels, value)]} of the text format, every line of which must be right."""
    assert text.endswith("\n"), text[-80:]
    found, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("gauge", "counter") and name not in types, line
            types[name] = kind
        elif not line.startswith("# HELP "):
            match = SAMPLE.fullmatch(line)
            assert match is not None, line
            name, labels, value = match.groups()
            assert name == list(types)[-1], f"not behind its own type: {line}"
            unescaped = {key: re.sub(r"\\(.)", lambda it: "\n" if it[1] == "n" else it[1], said)
                         for key, said in LABEL.findall(labels or "")}
            samples = found.setdefault(name, [])
            assert unescaped not in [known for known, _ in samples], f"twice: {line}"
            samples.append((unescaped, float(value)))
    return found


class Numbers(RealServer):
    """Of a server with a session or two."""

    OPTIONS = ("--control", SERVICE)
    BYSTANDER = False  # it would be a session, too

    def tell(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def client(self, **environment):
        process = self.start("commanded", self.server.address, **environment)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def farlane(self, *words):
        words = words if "--control" in words else ("--control", SERVICE, *words)
        return subprocess.run([FARLANE, "metrics", *words], capture_output=True, text=True,
                              check=False, timeout=20 * SLOWNESS)

    def metrics(self):
        done = self.farlane()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return parse(done.stdout)

    def value(self, metrics, name, **labels):
        found = [value for known, value in metrics[name] if labels.items() <= known.items()]
        self.assertEqual(len(found), 1, f"{name} {labels}: {metrics[name]}")
        return found[0]

    def test_without_sessions_there_are_only_devices(self):
        metrics = self.metrics()
        self.assertEqual(metrics["farlane_sessions"], [({}, 0)])
        self.assertNotIn("farlane_session_info", metrics)
        labels, total = metrics["DCGM_FI_DEV_FB_TOTAL"][0]
        self.assertTrue(labels["UUID"].startswith("GPU-"), labels)
        self.assertEqual(labels["Hostname"], os.uname().nodename)
        self.assertGreater(total, 0)
        self.assertEqual(self.value(metrics, "DCGM_FI_DEV_FB_USED"), 0)
        self.assertEqual(self.value(metrics, "DCGM_FI_DEV_FB_FREE"), total)

    def test_sessions_are_told_apart_with_what_they_have_and_asked_for(self):
        name = secrets.token_hex(16)
        one = self.client(FARLANE_SESSION=f"{name}.{secrets.token_hex(32)}", FARLANE_SHARE="0.25",
                          FARLANE_SHARE_LIMIT="0.5", FARLANE_PRIORITY="guaranteed", FARLANE_MEM="64Mi")
        other = self.client()
        self.assertEqual(self.tell(one, "alloc 40"), "0")
        self.assertEqual(self.tell(other, "work"), "worked")
        metrics = self.metrics()
        self.assertEqual(metrics["farlane_sessions"], [({}, 2)])
        self.assertEqual(self.value(metrics, "farlane_session_share_ratio", session=name), 0.25)
        self.assertEqual(self.value(metrics, "farlane_session_share_limit_ratio", session=name), 0.5)
        self.assertEqual(len(metrics["farlane_session_share_ratio"]), 1)
        self.assertEqual(self.value(metrics, "farlane_session_clients", session=name), 1)
        self.assertEqual(self.value(metrics, "farlane_session_memory_limit_bytes", session=name, gpu="0"), 64 * MIB)
        self.assertGreaterEqual(self.value(metrics, "farlane_session_memory_bytes", session=name, gpu="0"), 40 * MIB)
        # Programs on the server's machine use no network.
        for way in ("in", "out"):
            self.assertEqual(self.value(metrics, "farlane_session_net_bytes_total", session=name, direction=way), 0)
        info = next(labels for labels, _ in metrics["farlane_session_info"] if labels["session"] == name)
        self.assertEqual((info["priority"], info["program"]), ("guaranteed", pathlib.Path(real_server.CASE).name))
        # What sessions have is what the device lacks.
        used = self.value(metrics, "DCGM_FI_DEV_FB_USED")
        self.assertGreaterEqual(used, 40)
        self.assertEqual(used + self.value(metrics, "DCGM_FI_DEV_FB_FREE"), self.value(metrics, "DCGM_FI_DEV_FB_TOTAL"))
        for process in (one, other):
            process.communicate(timeout=20 * SLOWNESS)

    def test_a_program_cannot_add_lines_by_its_name(self):
        with tempfile.TemporaryDirectory() as folder:
            case = pathlib.Path(folder) / 'a"} 1 \\n'
            shutil.copy(real_server.CASE, case)
            known, real_server.CASE = real_server.CASE, str(case)
            try:
                process = self.client()
            finally:
                real_server.CASE = known
            programs = [labels["program"] for labels, _ in self.metrics()["farlane_session_info"]]
            self.assertEqual(programs, [case.name])
            process.communicate(timeout=20 * SLOWNESS)

    def test_the_health_of_devices_is_in_units_of_dcgm(self):
        with tempfile.NamedTemporaryFile("w", suffix=".health") as health:
            service = SERVICE + "-health"

            def set_health(text):
                health.seek(0)
                health.write(text)
                health.truncate()
                health.flush()

            def knows(expected):
                done = self.farlane("--control", service)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                found = {(name, labels.get("gpu")): value for name, samples in parse(done.stdout).items()
                         for labels, value in samples}
                return expected.items() <= found.items()

            still = ("temperature = 50\n1.temperature = 91\npower = 310500\nenergy = 7000\n"
                     "ecc_uncorrected = 2\ndriver_version = 580.65.06\n")
            set_health(still)
            server = Server("--control", service, FARLANE_SOFT_HEALTH=health.name, FARLANE_SOFT_DEVICES="2")
            self.addCleanup(server.stop)
            expected = {("DCGM_FI_DEV_GPU_TEMP", "0"): 50, ("DCGM_FI_DEV_GPU_TEMP", "1"): 91,
                        ("DCGM_FI_DEV_POWER_USAGE", "1"): 310.5,
                        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "0"): 7000,
                        ("DCGM_FI_DEV_ECC_DBE_VOL_TOTAL", "0"): 2, ("farlane_gpu_xid_total", "1"): 0}
            self.assertLess(seconds_until(lambda: knows(expected), 10), 10)
            set_health(still + "1.xid = 79\n1.xid_count = 1\n")
            expected = {("DCGM_FI_DEV_XID_ERRORS", "1"): 79, ("farlane_gpu_xid_total", "1"): 1,
                        ("farlane_gpu_xid_total", "0"): 0}
            self.assertLess(seconds_until(lambda: knows(expected), 10), 10)

    def test_without_a_server_it_says_so(self):
        done = subprocess.run([FARLANE, "metrics", "--control", SERVICE + "-none"], capture_output=True, text=True,
                              check=False, timeout=20)
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertIn("--control", done.stderr)


class OverHttp(Numbers):
    """The same numbers, for whoever asks; and what is no such question."""

    def setUp(self):
        super().setUp()
        self.serving = subprocess.Popen(
            [FARLANE, "metrics", "--control", SERVICE, "--listen", "tcp://127.0.0.1:0"], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.addCleanup(self.serving.communicate)
        self.addCleanup(self.serving.kill)
        line = self.serving.stdout.readline()
        self.port = int(re.fullmatch(r"serving http://127\.0\.0\.1:(\d+)/metrics\n", line)[1])

    def ask(self, method="GET", path="/metrics", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOWNESS)
        connection.request(method, path, body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def metrics(self):
        answer, text = self.ask()
        self.assertEqual((answer.status, answer.getheader("Content-Type")),
                         (200, "text/plain; version=0.0.4; charset=utf-8"))
        return parse(text)

    def test_other_questions_are_refused(self):
        self.assertEqual(self.ask(path="/")[0].status, 200)
        self.assertEqual(self.ask(path="/etc/passwd")[0].status, 404)
        self.assertEqual(self.ask(method="HEAD")[1], "")
        for method in ("POST", "PUT", "DELETE"):
            answer, _ = self.ask(method=method, body="x" * 100)
            self.assertEqual((answer.status, answer.getheader("Allow")), (405, "GET, HEAD"))

    def test_many_ask_at_once_and_one_never_ends_its_question(self):
        with socket.create_connection(("127.0.0.1", self.port)) as slow:
            slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
            found = []
            threads = [threading.Thread(target=lambda: found.append(self.metrics())) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(found), 8)

    def test_a_question_without_end_is_ended(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20 * SLOWNESS) as endless:
            endless.sendall(b"GET /metrics HTTP/1.1\r\n")
            try:
                for number in range(100_000):
                    endless.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))
                self.fail("100 MB of a question are read")
            except OSError:
                pass
        self.metrics()

    def test_when_the_server_is_gone_it_says_so_and_goes_on(self):
        self.server.process.send_signal(signal.SIGKILL)
        self.server.process.wait()
        answer, text = self.ask()
        self.assertEqual(answer.status, 503)
        self.assertIn(SERVICE, text)
        self.assertIsNone(self.serving.poll())

    def test_a_signal_ends_it_well(self):
        self.serving.send_signal(signal.SIGTERM)
        self.assertLess(seconds_until(lambda: self.serving.poll() is not None, 10), 10)
        self.assertEqual(self.serving.returncode, 0)

    def test_an_address_that_is_taken_is_named(self):
        for address, said in ((f"tcp://127.0.0.1:{self.port}", str(self.port)), ("unix:/none", "tcp://HOST:PORT")):
            done = self.farlane("--listen", address)
            self.assertEqual(done.returncode, 125)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
