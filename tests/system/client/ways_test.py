#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Which way the commands of a program take: by themselves, as FARLANE_TRANSPORT says, or not at all."""

import re
import resource
import subprocess
import unittest

from real_server import CASE, EMULATOR, FARLANE, RealServer, SANITIZER, client_environment, die_with_parent


def way_of(text):
    return re.search(r" transport=(\w+) ", text)[1]


class Ways(RealServer):
    def way(self, wish=None, server=None, **environment):
        if wish is not None:
            environment["FARLANE_TRANSPORT"] = wish
        _, lines = self.run_case("polling", server or self.server.address, 30, FARLANE_TRACE="summary",
                                 **environment)
        self.assert_one_line(lines, "transport=")
        return way_of(lines[0])

    def refuse(self, wish, *words):
        out, lines = self.run_case("initialise", self.server.address, 10, FARLANE_TRANSPORT=wish)
        self.assertEqual(out, "cuInit 100\n")
        self.assert_one_line(lines, "FARLANE_TRANSPORT", *words)

    def check(self, **environment):
        """What farlane check says about the way."""
        done = subprocess.run([FARLANE, "check", "--server", self.server.address], capture_output=True, text=True,
                              timeout=60, check=False, env=client_environment(None, **environment))
        return re.search(r"^(\w+) +transport +(.*)$", done.stdout, re.MULTILINE).groups()


class WaysOverUnix(Ways):
    UNIX = True

    def test_memory_is_shared_without_being_asked_for(self):
        self.assertEqual(self.way(), "shm")
        self.assertEqual(self.check(), ("ok", "shm: memory shared with the server"))

    def test_a_wish_is_kept(self):
        self.assertEqual(self.way("unix"), "unix")
        self.assertEqual(self.way("shm"), "shm")
        self.assertEqual(self.check(FARLANE_TRANSPORT="unix"), ("ok", "unix"))

    def test_what_cannot_be_is_said(self):
        self.refuse("tcp", "unix:")
        self.refuse("pigeon", "pigeon")

    @unittest.skipIf(SANITIZER, "a sanitizer needs more descriptors than there are then")
    def test_without_a_descriptor_for_memory_the_socket_is_used(self):
        def few_descriptors():
            die_with_parent()
            resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))  # the standard ones, and the socket

        done = subprocess.run([*EMULATOR, CASE, "polling"], capture_output=True, text=True, timeout=60, check=True,
                              stdin=subprocess.DEVNULL, preexec_fn=few_descriptors,
                              env=client_environment(self.server.address, FARLANE_TRACE="summary"))
        self.assertEqual(way_of(done.stderr), "unix")


class WaysOverTcp(Ways):
    def test_on_one_machine_memory_is_shared(self):
        self.assertEqual(self.way(), "shm")
        self.assertEqual(self.check(), ("ok", "shm: memory shared with the server"))

    def test_a_wish_is_kept(self):
        self.assertEqual(self.way("tcp"), "tcp")
        self.assertEqual(self.way("shm"), "shm")
        self.assertEqual(self.check(FARLANE_TRANSPORT="tcp"), ("ok", "tcp"))

    def test_what_cannot_be_is_said(self):
        self.refuse("unix", "tcp:")


if __name__ == "__main__":
    unittest.main()
