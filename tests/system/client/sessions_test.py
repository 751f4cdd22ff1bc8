#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Several processes of one session and of several: who shares which memory, and who dies with whom."""

import json
import os
import secrets
import signal
import subprocess
import time
import unittest

from real_server import FARLANE, SLOWNESS, RealServer, alive, seconds_until

OUT_OF_MEMORY = 2
UNAVAILABLE = 46
NO_DEVICE = 100

# How long a death may take to be noticed.
RELEASE_SECONDS = 2.0
LOST_SECONDS = 5.0


def ticket(name=None, key=None):
    return f"{name or secrets.token_hex(16)}.{key or secrets.token_hex(32)}"


SERVICE = f"unix:@farlane-sessions-{os.getpid()}"


class Sharing(RealServer):
    """What processes of one session have in common, over each way."""

    TRANSPORT = "tcp"
    OPTIONS = ("--mem", "64Mi", "--control", SERVICE)
    BYSTANDER = False  # it would take some of the memory that is counted

    def client(self, session=None):
        more = {} if session is None else {"FARLANE_SESSION": session}
        process = self.start("commanded", self.server.address, **more)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def tell(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def end(self, process):
        out, errors = process.communicate(timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def allocate(self, process, mebibytes):
        return int(self.tell(process, f"alloc {mebibytes}"))

    def free_mebibytes(self, process):
        result, free, total = self.tell(process, "info").split()
        self.assertEqual((result, total), ("0", "64"))
        return int(free)

    def test_processes_of_one_session_share_its_limit(self):
        session = ticket()
        one, other = self.client(session), self.client(session)
        self.assertEqual(self.allocate(one, 40), 0)
        self.assertEqual(self.tell(one, "synchronize"), "0")  # its use of the memory is known by then
        self.assertLess(seconds_until(lambda: self.free_mebibytes(other) == 24, 5), 5)
        self.assertEqual(self.allocate(other, 26), OUT_OF_MEMORY)
        self.assertEqual(self.allocate(other, 24), 0)
        self.assertEqual(self.allocate(one, 2), OUT_OF_MEMORY)
        self.assertEqual(self.tell(other, "synchronize"), "0")
        self.assertLess(seconds_until(lambda: self.free_mebibytes(one) == 0, 5), 5)
        self.end(one)
        self.end(other)

    def test_a_process_that_is_busy_with_other_things_gives_back_what_it_does_not_use(self):
        session = ticket()
        idle, other = self.client(session), self.client(session)
        # It holds a quarter of it without having asked, and what it has freed.
        self.assertEqual(self.allocate(idle, 30), 0)
        self.assertEqual(self.tell(idle, "free"), "0")
        start = time.monotonic()
        self.assertEqual(self.allocate(other, 64), 0)
        self.assertLess(time.monotonic() - start, 5.0)
        self.assertEqual(self.allocate(idle, 2), OUT_OF_MEMORY)
        self.assertEqual(self.tell(other, "free"), "0")
        self.assertEqual(self.allocate(idle, 64), 0)
        self.end(idle)
        self.end(other)

    def test_a_killed_process_leaves_its_memory_to_the_others(self):
        session = ticket()
        killed, other = self.client(session), self.client(session)
        self.assertEqual(self.allocate(killed, 60), 0)
        killed.kill()
        waited = seconds_until(lambda: self.allocate(other, 60) == 0, 10)
        self.assertLess(waited, RELEASE_SECONDS + 3)
        self.end(other)

    def test_a_killed_worker_is_its_clients_loss_alone(self):
        session = ticket()
        one, other = self.client(session), self.client(session)
        self.assertEqual(self.allocate(one, 60), 0)
        before = set(self.server.workers())
        third = self.client()
        workers = [pid for pid in self.server.workers() if pid in before]
        self.assertTrue(workers)
        killed = None
        for pid in sorted(workers):
            os.kill(pid, signal.SIGKILL)
            seconds_until(lambda: not alive(pid), 5)
            # A question that only its worker can answer; a wait with nothing to wait for asks nobody.
            if self.tell(one, "info").split()[0] == str(UNAVAILABLE):
                killed = pid
                break
        self.assertIsNotNone(killed)
        self.assertEqual(self.tell(third, "work"), "worked")
        out, errors = one.communicate(timeout=20)
        self.assertIn("lost the GPU server", errors, out)

    def test_who_has_not_the_key_does_not_join(self):
        name = secrets.token_hex(16)
        owner = self.client(ticket(name))
        out, lines = self.run_case("initialise", self.server.address, FARLANE_SESSION=ticket(name))
        self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
        self.assert_one_line(lines, "session")
        self.end(owner)


class SharingOverUnixSocket(Sharing):
    UNIX = True
    TRANSPORT = "unix"


class SharingOverSharedMemory(Sharing):
    UNIX = True
    TRANSPORT = "shm"


class SharingOverTls(Sharing):
    TLS = True
    TRANSPORT = "auto"


class Sessions(Sharing):
    """The way does not matter to what these show."""

    TRANSPORT = "auto"

    def test_the_variables_of_a_module_are_counted_before_they_are_made(self):
        one = self.client()
        before = self.free_mebibytes(one)
        self.assertEqual(self.tell(one, "load 100"), str(OUT_OF_MEMORY))
        self.assertEqual(self.free_mebibytes(one), before)
        self.assertEqual(self.tell(one, "load 20"), "0")
        self.assertEqual(self.free_mebibytes(one), before - 20)
        self.assertEqual(self.allocate(one, before - 18), OUT_OF_MEMORY)
        self.assertEqual(self.tell(one, "unload"), "0")
        self.assertLess(seconds_until(lambda: self.allocate(one, before) == 0, 5), 5)
        out, errors = one.communicate(timeout=20 * SLOWNESS)
        self.assertEqual(one.returncode, 0, out)
        self.assert_one_line(errors.splitlines(), "cannot load device code")

    def test_processes_without_a_session_share_nothing_of_it(self):
        one, other = self.client(), self.client()
        self.assertEqual(self.allocate(one, 64), 0)
        self.assertEqual(self.allocate(other, 64), 0)
        self.end(one)
        self.end(other)

    def test_a_process_that_is_stopped_holds_nobody_up_for_long(self):
        session = ticket()
        stopped, other = self.client(session), self.client(session)
        os.kill(stopped.pid, signal.SIGSTOP)
        start = time.monotonic()
        self.assertEqual(self.allocate(other, 64), OUT_OF_MEMORY)
        self.assertLess(time.monotonic() - start, 5.0)
        self.assertEqual(self.allocate(other, 40), 0)
        os.kill(stopped.pid, signal.SIGCONT)
        self.end(stopped)
        self.end(other)

    def test_clients_of_a_killed_daemon_are_told_and_its_workers_are_gone(self):
        client = self.client()
        workers = self.server.workers()
        self.assertTrue(workers)
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.process.wait(10)
        start = time.monotonic()
        self.assertEqual(self.tell(client, "synchronize"), str(UNAVAILABLE))
        self.assertLess(time.monotonic() - start, LOST_SECONDS)
        self.assertLess(seconds_until(lambda: not any(alive(pid) for pid in workers), 10), LOST_SECONDS)

    def test_a_session_that_is_none_is_refused_with_a_line(self):
        for wrong in ("abc", ticket()[:-1] + "g", ticket() + "0"):
            out, lines = self.run_case("initialise", self.server.address, FARLANE_SESSION=wrong)
            self.assertEqual(out, f"cuInit {NO_DEVICE}\n")
            self.assert_one_line(lines, "FARLANE_SESSION")

    def farlane(self, *words):
        return subprocess.run([FARLANE, "session", *words, "--control", SERVICE], capture_output=True, text=True,
                              check=False, timeout=20)

    def test_the_operator_sees_sessions_with_their_clients_and_memory(self):
        name = secrets.token_hex(16)
        session = ticket(name)
        one, other = self.client(session), self.client(session)
        alone = self.client()
        self.assertEqual(self.allocate(one, 40), 0)
        done = self.farlane("list", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        sessions = json.loads(done.stdout)["sessions"]
        self.assertEqual(len(sessions), 2)
        shared = next(found for found in sessions if found["id"] == name)
        self.assertEqual({client["process"] for client in shared["clients"]}, {one.pid, other.pid})
        self.assertEqual(shared["memory"][0]["limit_bytes"], 64 << 20)
        self.assertGreaterEqual(shared["memory"][0]["taken_bytes"], 40 << 20)
        self.assertEqual(sum(client["memory_bytes"] for client in shared["clients"]),
                         shared["memory"][0]["taken_bytes"])
        text = self.farlane("list").stdout
        self.assertIn(f"session {name}", text)
        self.assertIn(f"(pid {alone.pid} on ", text)
        for process in (one, other, alone):
            self.end(process)

    def test_the_operator_ends_one_session_and_no_other(self):
        # Names are drawn; "zz" begins none of them.
        name = secrets.token_hex(16)
        ended, other = self.client(ticket(name)), self.client()
        self.assertEqual(self.farlane("kill", "zz").returncode, 1)
        done = self.farlane("kill", name[:8])
        self.assertEqual((done.returncode, done.stdout), (0, "ended 1 client\n"), done.stderr)
        self.assertEqual(self.tell(ended, "synchronize"), str(UNAVAILABLE))
        self.assertEqual(self.tell(other, "work"), "worked")
        self.end(other)

    def test_a_server_without_the_service_is_named(self):
        done = subprocess.run([FARLANE, "session", "list", "--control", SERVICE + "-none"], capture_output=True,
                              text=True, check=False, timeout=20)
        self.assertEqual(done.returncode, 125)
        self.assertIn("--control", done.stderr)


if __name__ == "__main__":
    unittest.main()
