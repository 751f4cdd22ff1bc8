#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One program with several servers: they are its devices, and each is its own."""

import json
import subprocess
import tempfile
import unittest

from real_server import FARLANE, Client, Server, client_environment


class Servers(Client):
    """Two servers with one device each, the first over a Unix socket and the second over TCP."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.servers = [Server(listen=f"unix:{folder.name}/server"), Server()]
        for server in self.servers:
            self.addCleanup(server.stop)
            self.assertTrue(server.address, server.said())
        self.both = ",".join(server.address for server in self.servers)

    def test_work_on_both_copies_and_events_between_them(self):
        for transport in ("auto", "tcp"):
            if transport == "tcp":  # both over TCP, without shared memory
                self.servers.append(Server())
                self.addCleanup(self.servers[-1].stop)
                self.both = ",".join(server.address for server in self.servers[1:])
            with self.subTest(transport):
                out, errors = self.run_case("several-servers", self.both, 60, FARLANE_TRANSPORT=transport)
                self.assertEqual((out, errors), ("", []))

    def test_the_end_of_one_is_not_the_end_of_the_other(self):
        process = self.start("one-server-ends", self.both)
        self.assertEqual(process.stdout.readline(), "working\n")
        self.servers[0].process.kill()
        self.servers[0].process.wait()
        out, errors = process.communicate("\n", timeout=60)
        self.assertEqual(process.returncode, 0, out + errors)
        self.assert_one_line(errors.splitlines(), "lost the GPU server at " + self.servers[0].address)

    def test_one_that_is_not_there_is_named(self):
        gone = self.servers[1]
        gone.process.terminate()
        gone.process.wait()
        out, errors = self.run_case("initialise", self.both)
        self.assertEqual(out, "cuInit 100\n")
        self.assert_one_line(errors, gone.address)

    def test_the_visible_devices_are_those_of_all(self):
        for visible, count in {"1": 1, "1,0": 2, "0,1": 2, "0": 1}.items():
            with self.subTest(visible):
                out, errors = self.run_case("count-devices", self.both, CUDA_VISIBLE_DEVICES=visible)
                self.assertEqual((out, errors), (f"{count} devices\n", []))

    def test_devices_of_one_server_stand_together(self):
        two = Server(FARLANE_SOFT_DEVICES="2")
        self.addCleanup(two.stop)
        out, errors = self.run_case("initialise", f"{two.address},{self.both}", CUDA_VISIBLE_DEVICES="0,2,1")
        self.assertEqual(out, "cuInit 100\n")
        self.assert_one_line(errors, "those of one server must stand together")

    def farlane(self, *words):
        return subprocess.run([FARLANE, *words], env=client_environment(self.both), capture_output=True, text=True,
                              timeout=60, check=False)

    def test_check_and_smi_show_the_devices_of_both(self):
        done = self.farlane("check", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        subjects = [check["check"] for check in json.loads(done.stdout)["checks"]]
        self.assertEqual([s for s in subjects if s.startswith("device ")], ["device 0", "device 1"], subjects)
        done = self.farlane("smi", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(json.loads(done.stdout)["gpus"]), 2, done.stdout)


if __name__ == "__main__":
    unittest.main()
