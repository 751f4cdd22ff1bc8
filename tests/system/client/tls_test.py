#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""TLS: who proves what to whom, what each is told when that fails, and that nobody else notices."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import tempfile
import threading
import time
import unittest

from certificates import Authority
from real_server import AUTHORITY, CLIENT, Client, RealServer, Server, SANITIZER, SLOWNESS, alive, seconds_until
from refusal_test import HELLO_BYTES, Impostor, MAGIC, NO_DEVICE, REFUSED, SOON, WRONG_VERSION, server_hello, wire_hash


def hello(token=b"", version=1, purpose=1):
    """What a client of ours says first."""
    head = MAGIC + version.to_bytes(4, "little") + purpose.to_bytes(4, "little") + wire_hash().to_bytes(8, "little")
    return (head + bytes(48 + 8 + 64 + 48) + token).ljust(HELLO_BYTES, b"\0")


def end_point(address):
    host, port = address.split("://")[1].rsplit(":", 1)
    return host, int(port)


def as_client():
    """Python's own TLS."""
    context = ssl.create_default_context(cafile=AUTHORITY.certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Refused(Client):
    """cuInit says that there is no device, and one line says why."""

    def assert_refused(self, address, *words, **environment):
        out, lines = self.run_case("initialise", address, SOON, **environment)
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assert_one_line(lines, *words)

    def assert_served(self, address, **environment):
        self.assertEqual(self.run_case("initialise", address, 3 * SOON, **environment), ("cuInit 0\n", []))

    def server(self, *options, listen="tls://127.0.0.1:0"):
        made = Server(*options, listen=listen)
        self.addCleanup(made.stop)
        self.assertTrue(made.address, made.said())
        return made

    def assert_said_once(self, server, *words):
        def fitting():
            return [line for line in server.said().splitlines() if all(word in line for word in words)]
        seconds_until(fitting, SOON)
        self.assertEqual(len(fitting()), 1, server.said())


class WhoTheServerIs(Refused):
    def test_a_certificate_of_nobody_known(self):
        server = self.server()
        self.assert_refused(server.address, "127.0.0.1 is not accepted", FARLANE_TLS_CA="")
        self.assert_said_once(server, "under TLS is closed", "unknown ca")
        self.assert_served(server.address)

    def test_a_certificate_of_another_authority(self):
        other = Authority()
        self.assert_refused(self.server().address, "is not accepted", FARLANE_TLS_CA=other.certificate)

    def test_a_certificate_that_has_expired(self):
        server = self.server(*AUTHORITY.issue("old", days=-1).options())
        self.assert_refused(server.address, "has expired")
        self.assert_said_once(server, "under TLS is closed", "expired")

    def test_a_certificate_for_another_host(self):
        server = self.server(*AUTHORITY.issue("other", names="DNS:other.example,IP:10.0.0.1").options())
        self.assert_refused(server.address, "127.0.0.1", "mismatch")
        self.assert_said_once(server, "under TLS is closed")

    def test_a_server_of_an_older_version(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        issued = AUTHORITY.issue("server")
        context.load_cert_chain(issued.certificate, issued.key)

        def behave(connection):
            with contextlib.suppress(OSError):
                context.wrap_socket(connection, server_side=True)
        impostor = Impostor(behave)
        self.addCleanup(impostor.close)
        self.assert_refused(impostor.address.replace("tcp", "tls"), "protocol version")

    def test_a_server_that_does_not_speak_tls(self):
        server = self.server(listen="tcp://127.0.0.1:0")
        self.assert_refused(server.address.replace("tcp", "tls"), "tls://", "tcp://")
        self.assert_said_once(server, "speaks TLS", "this address does not")
        self.assert_served(server.address)

    def test_somebody_who_answers_something_else(self):
        impostor = Impostor(lambda connection: connection.recv(100) and connection.sendall(server_hello(0)))
        self.addCleanup(impostor.close)
        self.assert_refused(impostor.address.replace("tcp", "tls"), "does not speak TLS")

    def test_somebody_who_never_answers(self):
        impostor = Impostor(lambda connection: connection.recv(4096) and connection.recv(4096))
        self.addCleanup(impostor.close)
        self.assert_refused(impostor.address.replace("tcp", "tls"), "no handshake of TLS in time")

    def test_files_that_cannot_be_used(self):
        address = self.server().address
        self.assert_refused(address, "/nowhere/roots", "No such file", FARLANE_TLS_CA="/nowhere/roots")
        self.assert_refused(address, "FARLANE_TLS_KEY", FARLANE_TLS_CERT="/nowhere/certificate")
        self.assert_refused(address, "/nowhere/certificate", FARLANE_TLS_CERT="/nowhere/certificate",
                            FARLANE_TLS_KEY="/nowhere/key")

    def test_a_client_without_the_library(self):
        address = self.server().address
        with tempfile.TemporaryDirectory(prefix="farlane-without-tls-") as folder:
            shutil.copy(pathlib.Path(CLIENT) / "libcuda.so.1", folder)
            self.assert_refused(address, "TLS cannot be used here", "libfarlane-tls.so", LD_LIBRARY_PATH=folder)


class WhoTheClientIs(Refused):
    def test_a_client_that_does_not_speak_tls(self):
        server = self.server()
        self.assert_refused(server.address.replace("tls", "tcp"), "tls://")
        self.assert_said_once(server, "does not speak TLS", "this address does")
        self.assert_served(server.address)

    def test_a_client_of_an_older_version(self):
        server = self.server()
        context = ssl.create_default_context(cafile=AUTHORITY.certificate)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(end_point(server.address), 5) as plain, self.assertRaises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="localhost")
        self.assertLessEqual(seconds_until(lambda: "unsupported protocol" in server.said(), SOON), SOON)
        self.assert_said_once(server, "under TLS is closed", "unsupported protocol")

    def test_a_certificate_is_asked_for_and_checked(self):
        server = self.server("--tls-client-ca", AUTHORITY.certificate)
        self.assert_refused(server.address, "asks for a certificate of ours")
        self.assert_said_once(server, "under TLS is closed", "did not return a certificate")
        other = Authority()
        self.assert_refused(server.address, "our certificate", **other.issue("stranger").variables())
        self.assert_refused(server.address, "expired", **AUTHORITY.issue("late", days=-1).variables())
        self.assert_served(server.address, **AUTHORITY.issue("guest").variables())
        self.assert_said_once(server, "/CN=guest")

    def test_a_token_travels_under_tls(self):
        with tempfile.TemporaryDirectory(prefix="farlane-token-") as folder:
            file = pathlib.Path(folder) / "token"
            file.write_text("open sesame\n", encoding="utf-8")
            server = self.server("--token-file", str(file))
            self.assert_refused(server.address, "refused the token")
            self.assert_refused(server.address, "refused the token", FARLANE_TOKEN="open")
            self.assert_served(server.address, FARLANE_TOKEN="open sesame")
            served = self.start("bystander", server.address, FARLANE_TOKEN="open sesame")
            self.assertEqual(served.stdout.readline(), "working\n")
            self.assertTrue(knows(server.pid, b"open sesame"), "this test cannot see it")
            if not SANITIZER:  # with one, functions have more on the stack than they have written down
                for pid in server.workers():
                    self.assertFalse(knows(pid, b"open sesame"))
            served.communicate("", timeout=20 * SLOWNESS)


class AtTheStart(Client):
    def assert_does_not_start(self, *options, listen, words, code):
        server = Server(*options, listen=listen)
        self.addCleanup(server.stop)
        self.assertEqual(server.process.wait(20 * SLOWNESS), code)
        self.assertIn(words, server.said())

    def test_addresses_and_certificates_go_together(self):
        own = AUTHORITY.issue("own")
        other = AUTHORITY.issue("another")
        here, plain = "tls://127.0.0.1:0", "tcp://127.0.0.1:0"
        self.assert_does_not_start("--tls-cert", own.certificate, listen=here, code=2, words="--tls-key")
        self.assert_does_not_start(*own.options(), listen=plain, code=2, words="there is none")
        self.assert_does_not_start("--tls-client-ca", own.certificate, listen=plain, code=2, words="there is none")
        self.assert_does_not_start("--tls-cert", own.certificate, "--tls-key", other.key, listen=here, code=1,
                                   words="mismatch")
        self.assert_does_not_start("--tls-cert", "/nowhere/certificate", "--tls-key", own.key, listen=here, code=1,
                                   words="/nowhere/certificate")

    def test_the_world_needs_a_token_or_a_certificate(self):
        own = AUTHORITY.issue("own")
        self.assert_does_not_start(*own.options(), listen="tls://0.0.0.0:0", code=1, words="--tls-client-ca")
        for more in (("--tls-client-ca", AUTHORITY.certificate), ("--insecure",)):
            server = Server(*own.options(), *more, listen="tls://0.0.0.0:0")
            self.addCleanup(server.stop)
            self.assertTrue(server.address, server.said())


class StrangersAtTheDoor(RealServer):
    TLS = True

    def connect(self):
        connection = socket.create_connection(end_point(self.server.address), 5)
        self.addCleanup(connection.close)
        return connection

    def shake(self):
        wrapped = as_client().wrap_socket(self.connect(), server_hostname="localhost")
        self.addCleanup(wrapped.close)
        return wrapped

    def assert_let_go(self, connection, seconds=SOON):
        connection.settimeout(seconds * SLOWNESS)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while connection.recv(4096):
                pass

    def client_hello(self):
        """The first message of a handshake, as bytes."""
        outgoing = ssl.MemoryBIO()
        shaking = as_client().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
        with self.assertRaises(ssl.SSLWantReadError):
            shaking.do_handshake()
        return outgoing.read()

    def test_many_who_stop_in_the_middle(self):
        first = self.client_hello()
        before = set(self.server.workers())
        slow = []
        for size in (1, 5, 6, 100, len(first)):
            for _ in range(10):
                slow.append(self.connect())
                slow[-1].sendall(first[:size])
        slow += [self.shake() for _ in range(10)]  # these say no hello
        slow.append(self.shake())
        slow[-1].sendall(hello()[:100])
        self.assertEqual(self.run_case("initialise", self.server.address, SOON), ("cuInit 0\n", []))
        for connection in slow:
            self.assert_let_go(connection, 8)
        self.assertLessEqual(
            seconds_until(lambda: self.server.said().count("and no hello in time") == len(slow), SOON), SOON)
        # Nobody got a worker but the one client, whose place is filled again.
        self.assertLessEqual(len(set(self.server.workers()) - before), 2)

    def test_a_byte_at_a_time(self):
        connection = self.connect()
        over = threading.Event()

        def drip():
            for byte in self.client_hello():
                with contextlib.suppress(OSError):
                    connection.sendall(bytes([byte]))
                if over.wait(0.1):
                    return
        dripping = threading.Thread(target=drip)
        dripping.start()
        self.assertEqual(self.run_case("initialise", self.server.address, SOON), ("cuInit 0\n", []))
        self.assert_let_go(connection, 8)
        over.set()
        dripping.join()

    def test_garbage_for_a_handshake(self):
        first = self.client_hello()
        for garbage in (b"\x16" + os.urandom(2000), b"\x16\x03\x01\xff\xff" + bytes(70000), b"GET / HTTP/1.1\r\n\r\n",
                        b"\x80\x2e\x01\x03\x01", first[:60] + os.urandom(len(first) - 60), first + first,
                        first + b"\x15\x03\x03\x00\x02\x02\x28"):
            connection = self.connect()
            with contextlib.suppress(ConnectionError):
                connection.sendall(garbage)
            self.assert_let_go(connection, 8)
        self.assertEqual(self.run_case("initialise", self.server.address, SOON), ("cuInit 0\n", []))

    def test_something_else_than_a_hello(self):
        for words in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(600), hello() + b"x"):
            connection = self.shake()
            connection.sendall(words)
            self.assert_let_go(connection)
        self.assertLessEqual(
            seconds_until(lambda: self.server.said().count("under TLS is closed") >= 3, SOON), SOON)
        self.assertIn("more than its hello", self.server.said())

    def test_a_refusal_arrives_under_tls(self):
        connection = self.shake()
        connection.sendall(hello(version=77))
        answer = connection.recv(256)
        self.assertEqual((answer[:8], answer[12]), (MAGIC, WRONG_VERSION))
        self.assert_let_go(connection)

    def test_the_doorman_dies_and_another_comes(self):
        serving = self.start("bystander", self.server.address)
        self.assertEqual(serving.stdout.readline(), "working\n")
        doorman, = self.server.children_named("gpud-doorman")
        waiting = self.shake()
        os.kill(doorman, signal.SIGKILL)
        self.assert_let_go(waiting)
        self.assertLessEqual(
            seconds_until(lambda: self.server.children_named("gpud-doorman") not in ([], [doorman]), 10), 10)
        self.assertEqual(self.run_case("initialise", self.server.address, 3 * SOON), ("cuInit 0\n", []))
        out, errors = serving.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((serving.returncode, errors), (0, ""), out)
        self.assertIn("starting it again", self.server.said())


def knows(pid, secret):
    """Whether a process has these bytes in memory that it can write. One that has ended has nothing."""
    if not pathlib.Path(f"/proc/{pid}/maps").exists():
        return False
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, rights = line.split()[:2]
            start, end = (int(word, 16) for word in place.split("-"))
            if "w" not in rights or end - start > 64 << 20:
                continue
            with contextlib.suppress(OSError):
                memory.seek(start)
                if secret in memory.read(end - start):
                    return True
    return False


class Secrets(RealServer):
    TLS = True

    def test_the_private_key_is_with_the_doorman_alone(self):
        text = pathlib.Path(AUTHORITY.certificate).with_name("server.key").read_text(encoding="ascii")
        der = ssl.PEM_cert_to_DER_cert(text.replace("PRIVATE KEY", "CERTIFICATE"))
        # PKCS #8 around the key itself: 02 01 01 04 20 and its 32 bytes, as text and as the number that
        # is calculated with, which lies the other way round.
        at = der.index(b"\x02\x01\x01\x04\x20") + 5
        forms = (text.splitlines()[1].encode(), der[at:at + 32], der[at:at + 32][::-1])
        for _ in range(2):  # the second worker is forked after a handshake
            self.assertEqual(self.run_case("initialise", self.server.address, SOON), ("cuInit 0\n", []))
        doorman, = self.server.children_named("gpud-doorman")
        self.assertTrue(any(knows(doorman, form) for form in forms), "this test cannot see it")
        workers = self.server.workers()
        self.assertGreaterEqual(len(workers), 2)
        for pid in (self.server.pid, *workers):
            for form in forms:
                self.assertFalse(knows(pid, form), f"process {pid}")

    def test_the_doorman_and_the_workers_are_locked_in(self):
        for pid in (*self.server.workers(), *self.server.children_named("gpud-doorman")):
            def locked(pid=pid):
                status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                return "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
            self.assertLessEqual(seconds_until(locked, SOON), SOON, pid)

    def test_the_library_is_loaded_for_tls_only(self):
        def libraries(process):
            return pathlib.Path(f"/proc/{process.pid}/maps").read_text(encoding="utf-8")
        self.assertIn("libfarlane-tls.so", libraries(self.bystander))
        self.assertIn("libssl", libraries(self.bystander))
        plain = Server()
        self.addCleanup(plain.stop)
        other = self.start("bystander", plain.address)
        self.assertEqual(other.stdout.readline(), "working\n")
        for name in ("libfarlane-tls", "libssl", "libcrypto"):
            self.assertNotIn(name, libraries(other))
        for pid in (plain.pid, *plain.workers()):
            maps = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
            self.assertNotIn("libssl", maps)
        other.communicate("", timeout=20 * SLOWNESS)

    def test_the_doorman_ends_with_the_daemon(self):
        doorman, = self.server.children_named("gpud-doorman")
        self.bystander.kill()
        self.bystander.communicate()
        self.bystander = None
        self.server.process.kill()
        self.assertLessEqual(seconds_until(lambda: not alive(doorman), SOON), SOON)


if __name__ == "__main__":
    unittest.main()
