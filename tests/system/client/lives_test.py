#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lives of processes and threads that real programs have: each does its work, and the server keeps nothing."""

import os
import secrets
import unittest

from real_server import SOFT, Client, RealServer, seconds_until

# A forked child has none of its parent's threads, and a closed library leaves what some thread may still be in:
# both puzzle who looks for leaks.
NO_LEAKS = {"ASAN_OPTIONS": "detect_leaks=0"}


class Lives(RealServer):
    TRANSPORT = "tcp"

    def busy_workers(self):
        said = self.server.said()
        return {pid for pid in self.server.workers() if f"worker {pid}" in said}

    def live(self, case):
        before = self.busy_workers()
        self.assertEqual(self.run_case(case, self.server.address, 30, **NO_LEAKS), ("", []))
        self.assertLessEqual(seconds_until(lambda: self.busy_workers() <= before, 4), 2.0)

    def test_another_program_takes_the_place_of_one_whose_kernel_runs(self):
        self.live("exec-itself")

    def test_children_that_start_programs(self):
        self.live("children")

    def test_children_of_a_program_that_has_not_begun(self):
        self.live("fork-before-init")

    def test_a_daemon_without_standard_descriptors(self):
        self.live("daemon")

    def test_threads_that_end_with_work_under_way(self):
        self.live("dying-threads")

    def test_exit_handlers_and_objects_of_threads(self):
        self.live("exit-handlers")

    def test_a_library_that_is_loaded_again(self):
        self.live("reopen-library")


class LivesOverSharedMemory(Lives):
    TRANSPORT = "shm"


class LivesOverUnixSocket(Lives):
    UNIX = True
    TRANSPORT = "unix"


class InASession(RealServer):
    TRANSPORT = "tcp"
    OPTIONS = ("--mem", "64Mi")
    BYSTANDER = False

    def test_a_child_that_inherits_the_session_shares_its_limit(self):
        session = f"{secrets.token_hex(16)}.{secrets.token_hex(32)}"
        said = self.run_case("greedy-child", self.server.address, 20, FARLANE_SESSION=session)
        self.assertEqual(said, ("child 2\n", []))

    def test_one_that_does_not_has_its_own(self):
        self.assertEqual(self.run_case("greedy-child", self.server.address, 20), ("child 0\n", []))


class InASessionOverSharedMemory(InASession):
    TRANSPORT = "shm"


class Directly(Client):
    """On the software GPU itself, whose library stays when it is closed."""

    def live(self, case):
        out, errors = self.run_case(case, None, 30, LD_LIBRARY_PATH=os.path.dirname(SOFT), FARLANE_SOFT_MEMORY="256Mi",
                                    **NO_LEAKS)
        self.assertEqual((out, errors), ("", []))

    def test_each(self):
        for case in ("children", "fork-before-init", "daemon", "dying-threads", "exit-handlers"):
            with self.subTest(case):
                self.live(case)


if __name__ == "__main__":
    unittest.main()
