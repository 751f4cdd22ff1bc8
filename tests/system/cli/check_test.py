#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane check: says what does not work, soon, in one clear line with what to do."""

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import unittest

import stand_in_server
from staged_prefix import SANITIZER, SLOWNESS, StagedPrefix

SECONDS_MAX = 3.0 * SLOWNESS


class PortThatSays:
    """A TCP port that answers each connection with the same bytes, or keeps silent for None."""

    def __init__(self, test, said):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.said = said
        self.open = []
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        test.addCleanup(self.close)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread, which close alone would not
        self.thread.join()
        for one in [self.listener, *self.open]:
            one.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            self.answer(connection)

    def answer(self, connection):
        if self.said is None:
            return
        connection.recv(stand_in_server.HELLO_BYTES)
        try:
            connection.sendall(self.said)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # farlane has seen enough and is gone


class Check(StagedPrefix):
    def setUp(self):
        super().setUp()
        # The stand-in client library: a true shared object with one driver call.
        library = self.prefix / "lib/farlane/client/libcuda.so.1"
        source = self.prefix / "one_call.c"
        source.write_text("#include <stdio.h>\nint cuInit(unsigned f) { return puts(\"\") + (int)f; }\n",
                          encoding="utf-8")
        subprocess.run([shutil.which("cc") or "gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        os.environ["STAND_IN_WIRE"] = self.environment["STAND_IN_WIRE"]
        self.addCleanup(os.environ.pop, "STAND_IN_WIRE")

    def check(self, *words, **more):
        start = time.monotonic()
        done = self.farlane("check", "-o", "json", *words, **more)
        self.assertLess(time.monotonic() - start, SECONDS_MAX)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["ok"] else 1)
        return {one["check"]: one for one in report["checks"]}, done

    def failing(self, address, subject="server"):
        found, done = self.check("--server", address)
        failures = [one for one in found.values() if one["state"] == "fail"]
        self.assertEqual([one["check"] for one in failures], [subject], failures)
        self.assertTrue(failures[0]["advice"])
        self.assertNotIn("\n", failures[0]["detail"])
        self.assertEqual(done.returncode, 1)
        return failures[0]["detail"]


class BadServers(Check):
    def test_nobody_there(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        self.assertIn("Connection refused", self.failing(f"127.0.0.1:{port}"))
        self.assertIn("No such file", self.failing(f"unix:{self.prefix}/none"))

    def test_garbage(self):
        for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\0" * 4096, b"FARLANE"):
            detail = self.failing(PortThatSays(self, said).address)
            self.assertRegex(detail, "not a Farlane server")

    def test_closes_at_once(self):
        self.assertIn("without an answer", self.failing(PortThatSays(self, b"").address))

    def test_says_nothing(self):
        self.assertIn("did not answer in time", self.failing(PortThatSays(self, None).address))

    def test_other_version_names_both(self):
        said = stand_in_server.answer(stand_in_server.WRONG_VERSION, b"another wire", version=2, wire_hash=0xABC)
        detail = self.failing(PortThatSays(self, said).address, "hello")
        self.assertIn("wrong version: another wire (server: protocol 2, wire abc; here: protocol 1", detail)

    def test_refusal_is_told_without_the_power_to_steer_the_terminal(self):
        said = stand_in_server.answer(stand_in_server.REFUSED, b"bad \x1b[2Jtoken")
        self.assertEqual(self.failing(PortThatSays(self, said).address, "hello"), "refused: bad ?[2Jtoken")

    def test_protocol_broken_after_a_good_hello(self):
        said = stand_in_server.answer()
        for broken in (said[:256] + b"\xff" * 64, said[:-8], said[:260]):
            self.assertRegex(self.failing(PortThatSays(self, broken).address), "breaks the protocol|ended before")


class GoodServers(Check):
    def test_everything_is_named(self):
        found, done = self.check("--server", PortThatSays(self, stand_in_server.answer()).address)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("1 driver calls, needs glibc 2.", found["client library"]["detail"])
        self.assertEqual(found["device 0"]["detail"],
                         "Stand-in ?[31mGPU, 1.00 GiB, compute capability 12.1, 0000:01:00.0")
        self.assertIn("can be reserved here", found["arena 0"]["detail"])
        self.assertRegex(found["round trip"]["detail"], r"connect .* ms, hello .* ms \(medians of 9\)")
        self.assertIn("CUDA 13.0, /nowhere/libcuda.so.1", found["driver"]["detail"])

    @unittest.skipIf(SANITIZER == "thread", "this sanitizer puts what it does not know at address 0 instead")
    def test_taken_arena_is_noted(self):
        beyond_user_space = 1 << 62
        said = stand_in_server.answer(arena=beyond_user_space)
        found, done = self.check("--server", PortThatSays(self, said).address)
        self.assertEqual(found["arena 0"]["state"], "note")
        self.assertEqual(done.returncode, 0)

    def test_server_without_a_proposal_gets_a_range_of_the_usual_size(self):
        said = stand_in_server.answer(arena=0)
        found, _ = self.check("--server", PortThatSays(self, said).address)
        self.assertEqual(found["arena 0"]["detail"], "2.00 GiB of addresses can be reserved here")

    @unittest.skipIf(SANITIZER, f"{SANITIZER} needs more addresses than any such limit leaves")
    def test_room_for_addresses_that_a_batch_system_leaves_is_noted(self):
        said = stand_in_server.answer(arena=0)
        words = ["sh", "-c", f"ulimit -v 2000000; exec {self.program} check --server {PortThatSays(self, said).address}"]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=True)
        self.assertIn("2.00 GiB of addresses cannot be reserved here", done.stdout)

    def test_text_has_the_same_verdict(self):
        done = self.farlane("check", "--server", PortThatSays(self, stand_in_server.answer()).address)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^ok    device 0 +Stand-in")
        self.assertNotIn("\x1b", done.stdout)

    def test_private_server_is_tried_when_none_is_configured(self):
        found, done = self.check()
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(found["private server"]["state"], "ok")
        self.assertIn("device 0", found)

    def test_token_reaches_the_server(self):
        class Listener(PortThatSays):
            def answer(self, connection):
                self.heard = connection.recv(stand_in_server.HELLO_BYTES, socket.MSG_WAITALL)
                connection.shutdown(socket.SHUT_WR)

        port = Listener(self, None)
        token = self.prefix / "token"
        token.write_text("from-the-file\n", encoding="utf-8")
        self.check("--server", port.address, env={"FARLANE_TOKEN_FILE": str(token)})
        self.assertEqual(port.heard[-320:].rstrip(b"\0"), b"from-the-file")


class ThisMachine(Check):
    def test_library_that_is_none_fails(self):
        (self.prefix / "lib/farlane/client/libcuda.so.1").write_bytes(b"\x7fELF" + b"\xff" * 100)
        found, _ = self.check()
        self.assertEqual(found["client library"]["state"], "fail")

    def test_foreign_library_in_the_path_is_noted(self):
        foreign = self.prefix / "foreign"
        foreign.mkdir()
        (foreign / "libcuda.so.1").touch()
        ours = str(self.prefix / "lib/farlane/client")
        self.assertIn("not ours", self.check(env={"LD_LIBRARY_PATH": f"{foreign}:{ours}"})[0]["LD_LIBRARY_PATH"]["detail"])
        self.assertEqual(self.check(env={"LD_LIBRARY_PATH": f":{ours}:{foreign}"})[0]["LD_LIBRARY_PATH"]["state"], "ok")


if __name__ == "__main__":
    unittest.main()
