#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CUDA's own environment variables, heard by the client library and by the software GPU used directly."""

import os
import pathlib
import re
import tempfile
import unittest

from real_server import SOFT, Client, Server

BUS = "0000:6{}:00.0"
UUID = "GPU-6661726c-616e-652d-736f-66742d677{:03x}"

ILLEGAL_ADDRESS = 700
NO_BINARY, INVALID_PTX, NOT_COMPILED = 209, 218, 223
NO_DEVICE = 100


class Environment(Client):
    """The same for both: `say` runs a case with variables set and gives its words."""

    SOFTWARE = {"FARLANE_SOFT_DEVICES": "3", "FARLANE_SOFT_MEMORY": "256Mi"}
    DIRECT = True

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.servers = {}
        # Of the server's environment none of this may reach its workers.
        self.around = {"CUDA_LAUNCH_BLOCKING": "1", "CUDA_LOG_FILE": self.folder.name + "/server",
                       "CUDA_DISABLE_PTX_JIT": "1", "CUDA_VISIBLE_DEVICES": ""}

    def where(self, **software):
        """The address of a server, and what a program's environment has to have."""
        software = self.SOFTWARE | software
        if self.DIRECT:
            return None, software | {"LD_LIBRARY_PATH": os.path.dirname(SOFT)}
        key = tuple(sorted(software.items()))
        if key not in self.servers:
            self.servers[key] = Server(**software, **self.around)
            self.addCleanup(self.servers[key].stop)
        return self.servers[key].address, {}

    def say(self, case, software=None, **variables):
        server, environment = self.where(**(software or {}))
        out, self.errors = self.run_case(case, server, **environment, **variables)
        return out

    def seen(self, **variables):
        """The places of the devices that a program sees, by their buses."""
        return [int(bus) - 5 for bus in re.findall(r"0000:6(\d):00\.0", self.say("tell-devices", **variables))]

    def test_visible_devices(self):
        names = self.say("tell-devices").split()
        self.assertEqual(names[1::2], ["0000:65:00.0", "0000:66:00.0", "0000:67:00.0"])
        uuids = names[0::2]
        for wanted, text in (([2, 0], "2,0"), ([1], "1"), ([0, 2], " 0 , 2 "), ([0], "0,7,1"), ([2], "2,-1,0"),
                             ([1, 0], f"{uuids[1]},{uuids[0]}"), ([2], uuids[2] + ",GPU-0,1"), ([0], "0,nonsense"),
                             ([1], f"1,{uuids[0][:8]}")):
            with self.subTest(text):
                self.assertEqual(self.seen(CUDA_VISIBLE_DEVICES=text), wanted)

    def test_no_visible_device(self):
        for text in ("", "-1", "1,1", "GPU-6661", "NoDevFiles"):
            with self.subTest(text):
                self.assertEqual(self.say("tell-devices", CUDA_VISIBLE_DEVICES=text), f"cuInit {NO_DEVICE}\n")
                self.assert_one_line(self.errors, "CUDA_VISIBLE_DEVICES")

    def test_the_order_of_buses(self):
        self.assertEqual(self.seen(CUDA_DEVICE_ORDER="PCI_BUS_ID", CUDA_VISIBLE_DEVICES="2,1"), [2, 1])

    def test_blocking_launches_tell_their_own_faults(self):
        for case in ("blocking-launches", "blocking-graphs"):
            with self.subTest(case):
                self.assertEqual(self.say(case, CUDA_LAUNCH_BLOCKING="1"), f"launch {ILLEGAL_ADDRESS}\n")
                self.assertEqual(self.say(case, CUDA_LAUNCH_BLOCKING="0"), "launch 0\n")

    def choices(self, null="0", **variables):
        said = self.say("code-choices", {"FARLANE_SOFT_NULL": null}, **variables)
        return [int(word) for word in said.split()[1::2]]

    def test_code_that_may_not_be_compiled(self):
        for name in ("CUDA_DISABLE_PTX_JIT", "CUDA_DISABLE_JIT"):
            with self.subTest(name):
                self.assertEqual(self.choices(**{name: "1"}),
                                 [NOT_COMPILED, NOT_COMPILED, NO_BINARY, NO_BINARY])
                self.assertEqual(self.choices(null="1", **{name: "1"}), [NOT_COMPILED, NOT_COMPILED, 0, 0])
        self.assertEqual(self.choices(CUDA_DISABLE_JIT="1", CUDA_DISABLE_PTX_JIT="0"), [0, 0, NO_BINARY, 0])

    def test_code_that_has_to_be_compiled(self):
        self.assertEqual(self.choices(null="1"), [0, 0, 0, 0])
        for name in ("CUDA_FORCE_PTX_JIT", "CUDA_FORCE_JIT"):
            with self.subTest(name):
                self.assertEqual(self.choices(null="1", **{name: "1"}), [0, 0, NO_BINARY, 0])
        self.assertEqual(self.choices(null="1", CUDA_FORCE_JIT="1", CUDA_FORCE_PTX_JIT="0"), [0, 0, 0, 0])

    def test_loading(self):
        at_once, later = f"load {INVALID_PTX}\n", f"load 0\nkernel {INVALID_PTX}\n"
        lazy = at_once if self.DIRECT else later
        self.assertEqual(self.say("library-data"), lazy + "mode 2\n")
        self.assertEqual(self.say("library-data", CUDA_MODULE_LOADING="EAGER"), at_once + "mode 1\n")
        self.assertEqual(self.say("library-data", CUDA_MODULE_DATA_LOADING="EAGER"), at_once + "mode 2\n")
        self.assertEqual(self.say("library-data", CUDA_MODULE_LOADING="LAZY"), lazy + "mode 2\n")

    def test_the_log_goes_to_a_file(self):
        path = pathlib.Path(self.folder.name) / "log"
        said = self.say("log-file", CUDA_LOG_FILE=str(path))
        self.assertEqual(path.read_text(encoding="utf-8"), said)
        self.assertRegex(said, r"^\[[0-9:.]+\]\[\d+\]\[CUDA\]\[E\]\[cuStreamCreate\] CUDA_ERROR_NOT_INITIALIZED \(3\)")
        self.assertEqual(len(said.splitlines()), 2)
        again = self.say("log-file", CUDA_LOG_FILE=str(path))
        self.assertEqual(path.read_text(encoding="utf-8"), said + again)
        self.assertEqual(self.errors, [])

    def test_the_log_goes_to_stdout_and_stderr(self):
        said = self.say("log-file", CUDA_LOG_FILE="stdout").splitlines()
        self.assertEqual((len(said), said[:2]), (4, said[2:]))
        said = self.say("log-file", CUDA_LOG_FILE="stderr").splitlines()
        self.assertEqual(self.errors, said)

    def test_a_log_file_that_cannot_be_written_is_named_once(self):
        self.say("log-file", CUDA_LOG_FILE=self.folder.name + "/not/there")
        self.assert_one_line(self.errors, "CUDA_LOG_FILE", "not/there")

    def test_nothing_is_logged_for_the_server(self):
        self.say("log-file")
        self.assertEqual((self.errors, os.listdir(self.folder.name)), ([], []))

    def words(self, **variables):
        return dict(line.split(" ", 1) for line in self.say("coredump-words", **variables).splitlines())

    def test_core_dumps_begin_as_the_environment_says(self):
        plain = self.words()
        self.assertTrue(plain.pop("file").startswith("core.cuda."))
        self.assertTrue(plain.pop("pipe").startswith("corepipe.cuda."))
        self.assertEqual(plain, {"flags": "0", "host": "1", "light": "0", "enabled": "0"})
        said = self.words(CUDA_COREDUMP_FILE="/there/%h.%p", CUDA_COREDUMP_PIPE="/pipe",
                          CUDA_COREDUMP_GENERATION_FLAGS="skip_global_memory,skip_abort,what,skip_local_memory")
        self.assertEqual(said, {"file": "/there/%h.%p", "pipe": "/pipe", "flags": str(2 | 8 | 16), "host": "0",
                                "light": "0", "enabled": "0"})
        old = self.words(CUDA_ENABLE_LIGHTWEIGHT_COREDUMP="1", CUDA_ENABLE_CPU_COREDUMP_ON_EXCEPTION="0")
        self.assertEqual((old["flags"], old["light"], old["host"]), (str(0x2f | 16), "1", "0"))
        self.assertEqual(self.errors, [])

    def test_who_asks_for_what_is_not_made_is_told(self):
        for name in ("CUDA_ENABLE_COREDUMP_ON_EXCEPTION", "CUDA_ENABLE_USER_TRIGGERED_COREDUMP",
                     "CUDA_DEVICE_WAITS_ON_EXCEPTION"):
            with self.subTest(name):
                self.assertEqual(self.words(**{name: "1"})["enabled"], "0")
                self.assert_one_line(self.errors, name)
                self.words(**{name: "0"})
                self.assertEqual(self.errors, [])

    def test_shared_memory_follows_the_compute_capability(self):
        for capability, said in (("7.0", "96 96 0 2"), ("7.5", "64 64 0 1"), ("8.0", "163 164 1 4"),
                                 ("8.6", "99 100 1 2"), ("8.9", "99 100 1 2"), ("9.0", "227 228 1 5"),
                                 ("10.0", "227 228 1 5"), ("12.0", "99 100 1 2")):
            with self.subTest(capability):
                self.assertEqual(self.say("shared-memory", {"FARLANE_SOFT_CC": capability}), said + "\n")

    def test_priorities_of_nodes(self):
        self.assertEqual(self.say("graph-flags"), "0 0\n8 8\n")
        self.assertEqual(self.say("graph-flags", CUDA_GRAPHS_USE_NODE_PRIORITY="1"), "0 8\n8 8\n")
        self.assertEqual(self.say("graph-flags", CUDA_GRAPHS_USE_NODE_PRIORITY="0"), "0 0\n8 0\n")


class EnvironmentOfClient(Environment):
    DIRECT = False


if __name__ == "__main__":
    unittest.main()
