#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that end without a word: the other side knows soon, and keeps nothing of them."""

import os
import re
import signal
import time
import unittest

from real_server import RealServer, SLOWNESS, alive, seconds_until


class Ends(RealServer):
    TRANSPORT = "tcp"

    def start_and_read(self, case, word):
        process = self.start(case, self.server.address)
        self.assertEqual(process.stdout.readline().strip(), word)
        return process

    def busy_workers(self):
        """Those that have a client, by the log of the server; the others are kept warm."""
        said = self.server.said()
        return {pid for pid in self.server.workers() if f"worker {pid}" in said}

    def test_a_killed_client_leaves_no_worker(self):
        before = self.busy_workers()
        process = self.start_and_read("spin-forever", "spinning")
        mine = self.busy_workers() - before
        self.assertEqual(len(mine), 1, self.server.said())
        process.kill()
        worker = mine.pop()
        self.assertLessEqual(seconds_until(lambda: not alive(worker), 4), 2.0)

    def test_a_child_does_not_hide_its_parents_end(self):
        before = self.busy_workers()
        process = self.start_and_read("outlive-parent", "forked")
        worker = (self.busy_workers() - before).pop()
        process.kill()
        self.assertLessEqual(seconds_until(lambda: not alive(worker), 4), 2.0)

    def test_a_forked_child_is_told_and_its_parent_goes_on(self):
        # The child has none of its parent's threads, which puzzles who looks for leaks there.
        self.assertEqual(self.run_case("forked-child", self.server.address, 10,
                                       ASAN_OPTIONS="detect_leaks=0"), ("", []))

    def test_a_signals_handler_may_end_the_process(self):
        # Ending there is what the thread sanitizer warns of, and what programs do.
        self.assertEqual(self.run_case("leave-from-a-handler", self.server.address, 30,
                                       TSAN_OPTIONS="report_signal_unsafe=0"), ("", []))

    def test_leaving_in_the_middle(self):
        for case in ("leave-without-cleanup", "leave-while-waiting", "static-object", "close-library"):
            # What a closed library has left stays, because some thread may still be in it.
            leaks = {"ASAN_OPTIONS": "detect_leaks=0"} if case == "close-library" else {}
            with self.subTest(case):
                before = self.busy_workers()
                self.assertEqual(self.run_case(case, self.server.address, 10, **leaks), ("", []))
                self.assertLessEqual(seconds_until(lambda: self.busy_workers() <= before, 4), 2.0)


class EndsOverUnixSocket(Ends):
    UNIX = True
    TRANSPORT = "unix"


class EndsOverSharedMemory(Ends):
    UNIX = True
    TRANSPORT = "shm"


class EndsOverSharedMemoryOfTcp(Ends):
    TRANSPORT = "shm"


class EndsOverTls(Ends):
    TLS = True


class ServerEnds(RealServer):
    BYSTANDER = False
    TRANSPORT = "tcp"

    def lose(self, kill):
        process = self.start("lose-server", self.server.address)
        self.assertEqual(process.stdout.readline(), "spinning\n")
        kill()
        out, errors = process.communicate(timeout=5 * SLOWNESS)
        self.assertEqual(process.returncode, 0, out)
        self.assert_one_line(errors.splitlines(), "lost the GPU server at " + self.server.address)

    def test_a_killed_server(self):
        workers = self.server.workers()
        self.lose(self.server.process.kill)
        self.assertLessEqual(seconds_until(lambda: not any(map(alive, workers)), 4), 2.0)

    def test_a_stopped_server(self):
        self.lose(lambda: self.server.process.send_signal(signal.SIGTERM))
        self.assertEqual(self.server.process.wait(5 * SLOWNESS), 0)


class ServerEndsOverUnixSocket(ServerEnds):
    UNIX = True
    TRANSPORT = "unix"


class ServerEndsOverSharedMemory(ServerEnds):
    UNIX = True
    TRANSPORT = "shm"


class ServerEndsOverSharedMemoryOfTcp(ServerEnds):
    TRANSPORT = "shm"


class ServerEndsOverTls(ServerEnds):
    TLS = True


class Silence(RealServer):
    """Whoever is stopped says nothing and closes nothing."""

    OPTIONS = ("--grace", "3")
    TRANSPORT = "tcp"

    def one_worker(self):
        """The worker of a client, in the midst of a kernel that never ends."""
        before = self.server.said()
        process = self.start("lose-server", self.server.address, FARLANE_GRACE="3")
        self.assertEqual(process.stdout.readline(), "spinning\n")
        said = self.server.said()[len(before):]
        return process, int(re.search(r"worker (\d+): serves", said)[1])

    def test_a_stopped_worker_is_given_up(self):
        process, worker = self.one_worker()
        os.kill(worker, signal.SIGSTOP)
        try:
            out, errors = process.communicate(timeout=30 * SLOWNESS)
        finally:
            os.kill(worker, signal.SIGKILL)
        self.assertEqual(process.returncode, 0, out)
        self.assert_one_line(errors.splitlines(), "lost the GPU server at " + self.server.address,
                             "silent for 3 seconds")

    def test_a_stopped_client_is_given_up(self):
        process, worker = self.one_worker()
        os.kill(process.pid, signal.SIGSTOP)
        self.assertLessEqual(seconds_until(lambda: not alive(worker), 20), 20)
        self.assertIn("silent for 3 seconds", self.server.said())
        process.kill()

    def test_who_has_nothing_to_say_is_not_given_up(self):
        process = self.start("commanded", self.server.address, FARLANE_GRACE="3")
        for _ in range(2):
            process.stdin.write("info\n")
            process.stdin.flush()
            self.assertTrue(process.stdout.readline())
            time.sleep(5)  # nothing is asked and nothing answered
        out, errors = process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def test_who_waits_for_a_long_kernel_is_not_given_up(self):
        process, worker = self.one_worker()
        time.sleep(5)
        self.assertIsNone(process.poll())
        os.kill(worker, signal.SIGKILL)
        _, errors = process.communicate(timeout=10 * SLOWNESS)
        self.assertNotIn("silent", errors)


class ShortSilence(RealServer):
    def test_who_is_stopped_for_a_while_goes_on(self):
        for stopped in ("client", "worker"):
            with self.subTest(stopped):
                before = self.server.said()
                process = self.start("bystander", self.server.address)
                self.assertEqual(process.stdout.readline(), "working\n")
                worker = int(re.search(r"worker (\d+): serves", self.server.said()[len(before):])[1])
                pid = process.pid if stopped == "client" else worker
                os.kill(pid, signal.SIGSTOP)
                time.sleep(1.5)
                os.kill(pid, signal.SIGCONT)
                out, errors = process.communicate("", timeout=20 * SLOWNESS)
                self.assertEqual((process.returncode, errors), (0, ""), out)


class SilenceOverUnixSocket(Silence):
    UNIX = True
    TRANSPORT = "unix"


class SilenceOverSharedMemory(Silence):
    UNIX = True
    TRANSPORT = "shm"


if __name__ == "__main__":
    unittest.main()
