#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No server, the wrong server, or one that does not want us: the right code, one line, and soon."""

import hashlib
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from real_server import CASE, Client, client_environment, RealServer, SANITIZER, Server, SLOWNESS, seconds_until

NO_DEVICE, MISMATCH = 100, 803
MAGIC = b"FARLANE\n"
WRONG_VERSION, REFUSED, STARTING = 1, 2, 6
HELLO_BYTES = 512
SOON = 3.0
LOOKED_UP_UNSEEN = "the C library looks up names in threads that the thread sanitizer does not see, and crashes"


def wire_hash():
    """What both sides of this build say of their messages."""
    lock = pathlib.Path(__file__).parents[3] / "protocol/spec/wire.lock"
    return int.from_bytes(hashlib.sha256(lock.read_bytes()).digest()[:8], "little")


def server_hello(verdict, version=1, reason=b"", wire=None):
    return MAGIC + struct.pack("<IIQ16sII24x184s", version, verdict,
                               wire_hash() if wire is None else wire, b"boot", 1, 0, reason)


class Impostor:
    """Listens, and does to each connection what the test says."""

    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.behave = behave
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self.behave(connection)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(15)


def read_hello(connection):
    got = b""
    while len(got) < HELLO_BYTES:
        part = connection.recv(HELLO_BYTES - len(got))
        if not part:
            break
        got += part
    return got


def answering(answer):
    def behave(connection):
        read_hello(connection)
        connection.sendall(answer)
        connection.recv(1)  # until the client has gone
    return behave


class NoServer(Client):
    def assert_refused(self, server, code, *words, seconds=SOON, **environment):
        out, lines = self.run_case("initialise", server, seconds, **environment)
        self.assertEqual(out, f"cuInit {code}\n")
        self.assert_one_line(lines, *words)

    def impostor(self, behave):
        made = Impostor(behave)
        self.addCleanup(made.close)
        return made.address

    def test_nothing_configured(self):
        self.assert_refused(None, NO_DEVICE, "FARLANE_SERVER")

    def test_an_address_that_is_none(self):
        for address in ("tcp://", "tcp://host:port", "http://127.0.0.1:80", "tcp://127.0.0.1:99999"):
            self.assert_refused(address, NO_DEVICE, "FARLANE_SERVER")

    def test_nobody_at_the_address(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        self.assert_refused(f"tcp://127.0.0.1:{port}", NO_DEVICE, str(port), "refused")
        self.assert_refused("unix:@farlane-nobody-listens-here", NO_DEVICE, "refused")

    @unittest.skipIf(SANITIZER == "thread", LOOKED_UP_UNSEEN)
    def test_a_name_of_no_host(self):
        self.assert_refused("tcp://no-such-host.invalid:7450", NO_DEVICE, "no-such-host.invalid")

    def test_another_protocol_version(self):
        address = self.impostor(answering(server_hello(WRONG_VERSION, 9)))
        self.assert_refused(address, MISMATCH, "version 9", "same version")

    def test_a_reason_with_line_ends_stays_one_line(self):
        address = self.impostor(answering(server_hello(REFUSED, 1, b"no\nno\x1b[31m\r\nno")))
        self.assert_refused(address, NO_DEVICE, "refused the token")

    def test_something_else_answers(self):
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n" + 600 * b"x", bytes(range(256)) * 4,
                       MAGIC[:-1] + b"X" + bytes(248)):
            self.assert_refused(self.impostor(answering(answer)), NO_DEVICE, "not a Farlane GPU server")

    def test_a_short_answer_and_an_end(self):
        def behave(connection):
            read_hello(connection)
            connection.sendall(b"SSH-2.0-x\r\n")
        self.assert_refused(self.impostor(behave), NO_DEVICE, "closed")

    def test_a_welcome_and_then_garbage(self):
        for garbage in (os.urandom(4096), b"\xff" * 4096, bytes(4096)):
            address = self.impostor(answering(server_hello(0) + garbage))
            self.assert_refused(address, NO_DEVICE, "broke the protocol")

    def test_a_welcome_and_then_the_end(self):
        def behave(connection):
            read_hello(connection)
            connection.sendall(server_hello(0))
        self.assert_refused(self.impostor(behave), NO_DEVICE, "closed")

    def test_somebody_who_never_answers(self):
        self.assert_refused(self.impostor(lambda connection: connection.recv(HELLO_BYTES + 1) and
                                          connection.recv(1)), NO_DEVICE, "no answer in time")

    def test_a_welcome_and_then_silence(self):
        def behave(connection):
            read_hello(connection)
            connection.sendall(server_hello(0))
            connection.recv(1)
        self.assert_refused(self.impostor(behave), NO_DEVICE, "no answer in time")

    def test_a_welcome_of_another_version(self):
        address = self.impostor(answering(server_hello(0, 9)))
        self.assert_refused(address, MISMATCH, "version 9", "same version")

    def test_a_welcome_with_other_messages(self):
        address = self.impostor(answering(server_hello(0, wire=0)))
        self.assert_refused(address, MISMATCH, "another table of messages", "same version")

    def test_a_server_that_starts_and_then_falls_silent(self):
        def behave(connection):
            read_hello(connection)
            for _ in range(4):
                connection.sendall(server_hello(STARTING, reason=b"loading"))
                time.sleep(1)
            connection.recv(1)
        # It is waited for as long as it says so; who waits longer than three seconds is told.
        address = self.impostor(behave)
        out, lines = self.run_case("initialise", address, 8)
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assertEqual(len(lines), 2, lines)
        self.assertIn("waiting for", lines[0])
        self.assertIn("no answer in time", lines[1])

    def test_a_listener_that_takes_nobody(self):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            self.assert_refused(f"tcp://127.0.0.1:{port}", NO_DEVICE, "no answer in time")
            for one in waiting:
                one.close()

    @unittest.skipIf(SANITIZER == "thread", LOOKED_UP_UNSEEN)
    def test_a_name_service_that_does_not_answer(self):
        # A network and a name service of its own, where questions are taken and never answered.
        inner = (
            "import socket, subprocess, sys\n"
            "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n"
            "mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "mute.bind(('127.0.0.1', 53))\n"
            "subprocess.run(['mount', '--bind', sys.argv[1], '/etc/resolv.conf'], check=True)\n"
            "sys.exit(subprocess.run(sys.argv[2:]).returncode)\n")
        with tempfile.NamedTemporaryFile("w", prefix="farlane-resolv-") as file:
            file.write("nameserver 127.0.0.1\n")
            file.flush()
            alone = ["unshare", "-Urnm", sys.executable, "-c", inner, file.name]
            if shutil.which("ip") is None or subprocess.run(alone + ["true"], check=False,
                                                            capture_output=True).returncode != 0:
                self.skipTest("no network of our own can be made here")
            start = time.monotonic()
            done = subprocess.run(
                alone + [CASE, "initialise"], text=True, capture_output=True, check=False, timeout=30,
                env=client_environment("tcp://gpu.example.com:7450"))
            seconds = time.monotonic() - start
        self.assertEqual(done.stdout, f"cuInit {NO_DEVICE}\n", done.stderr)
        self.assert_one_line(done.stderr.splitlines(), "gpu.example.com", "does not answer")
        self.assertLess(seconds, SOON * SLOWNESS)


class Tokens(Client):
    def test_only_the_right_one_is_served(self):
        with tempfile.TemporaryDirectory(prefix="farlane-token-") as folder:
            file = pathlib.Path(folder) / "token"
            file.write_text("open sesame\n", encoding="utf-8")
            server = Server("--token-file", str(file))
            self.addCleanup(server.stop)
            for environment in ({}, {"FARLANE_TOKEN": "open"}, {"FARLANE_TOKEN": 319 * "x"},
                                {"FARLANE_TOKEN": 5000 * "x"}):
                out, lines = self.run_case("initialise", server.address, SOON, **environment)
                self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
                self.assert_one_line(lines, "token")
                self.assertNotIn("sesame", lines[0])
            for environment in ({"FARLANE_TOKEN": "open sesame"}, {"FARLANE_TOKEN_FILE": str(file)}):
                out, lines = self.run_case("initialise", server.address, SOON, **environment)
                self.assertEqual((out, lines), ("cuInit 0\n", []))
            out, lines = self.run_case("initialise", server.address, SOON, FARLANE_TOKEN_FILE="/nowhere/token")
            self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
            self.assert_one_line(lines, "/nowhere/token")


class StrangersAtTheServer(RealServer):
    def connect(self):
        host, port = self.server.address.removeprefix("tcp://").rsplit(":", 1)
        connection = socket.create_connection((host, int(port)), 5)
        self.addCleanup(connection.close)
        return connection

    def assert_let_go(self, connection, seconds=SOON):
        connection.settimeout(seconds * SLOWNESS)
        try:
            while connection.recv(4096):
                pass
        except ConnectionError:
            pass

    def hello(self, version=1):
        return (MAGIC + struct.pack("<II", version, 1)).ljust(HELLO_BYTES, b"\0")

    def test_garbage_instead_of_a_hello(self):
        before = self.server.said()
        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096), 512 * b"\xff", b"\x16\x03\x01"):
            connection = self.connect()
            connection.sendall(garbage)
            self.assert_let_go(connection)
        new = self.server.said()[len(before):].splitlines()
        self.assertEqual(len(new), 4, new)

    def test_another_version_is_told_so(self):
        connection = self.connect()
        connection.sendall(self.hello(version=77))
        connection.settimeout(SOON * SLOWNESS)
        answer = connection.recv(256, socket.MSG_WAITALL)
        self.assertEqual(struct.unpack_from("<8sII", answer), (MAGIC, 1, WRONG_VERSION))
        self.assert_let_go(connection)

    def test_many_who_say_nothing(self):
        idle = [self.connect() for _ in range(50)]
        self.assertEqual(self.run_case("initialise", self.server.address, SOON), ("cuInit 0\n", []))
        for connection in idle:
            self.assert_let_go(connection, 8)

    def test_garbage_after_a_welcome_ends_only_its_sender(self):
        probe = self.connect()  # a refusal tells the hash of the wire
        probe.sendall(self.hello(version=77))
        answer = probe.recv(256, socket.MSG_WAITALL)
        wire_hash = struct.unpack_from("<Q", answer, 16)[0]
        for garbage in (b"\xff" * 4096, os.urandom(100_000),
                        struct.pack("<IBBHQQ", 0x7fffffff, 1, 0, 1, 1, 0)):
            connection = self.connect()
            connection.sendall((MAGIC + struct.pack("<IIQ", 1, 1, wire_hash)).ljust(HELLO_BYTES, b"\0"))
            verdict = STARTING
            while verdict == STARTING:
                welcome = connection.recv(256, socket.MSG_WAITALL)
                verdict = struct.unpack_from("<I", welcome, 12)[0]
            self.assertEqual(struct.unpack_from("<8sII", welcome), (MAGIC, 1, 0))
            worker = struct.unpack_from("<I", welcome, 40)[0]
            self.assertIn(worker, self.server.workers())
            connection.sendall(garbage)
            self.assert_let_go(connection)
            self.assertLessEqual(seconds_until(lambda: worker not in self.server.workers(), SOON), SOON)


if __name__ == "__main__":
    unittest.main()
