#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is restarted: its clients go on, and the next one knows of them what the last one did."""

import json
import os
import pathlib
import secrets
import signal
import subprocess
import tempfile
import time
import unittest

from real_server import AUTHORITY, FARLANE, SLOWNESS, Client, Server, alive, seconds_until
from sessions_test import OUT_OF_MEMORY, UNAVAILABLE, ticket

INVALID_HANDLE = 400
SOON = 5.0


class Restarted(Client):
    LISTEN = "unix:{folder}/server"
    OPTIONS = ()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="farlane-restart-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.address = self.LISTEN.format(folder=folder.name)
        self.control = f"unix:{folder.name}/control"
        self.seen = set()  # all workers that there were
        self.server = None
        self.addCleanup(self.end_server)
        self.serve()

    def serve(self):
        self.server = Server("--mem", "64Mi", "--state-dir", f"{self.folder}/state", "--control", self.control,
                             *self.OPTIONS, listen=self.address)
        self.assertTrue(self.server.address, self.server.said())
        self.address = self.server.address  # with the port that it got

    def end_server(self):
        """All that there is, and nothing stays."""
        if self.server.process.poll() is None:
            self.note_workers()
            self.server.process.send_signal(signal.SIGINT)
            self.assertEqual(self.server.process.wait(10 * SLOWNESS), 0)
        self.server.log.close()
        self.assertLessEqual(seconds_until(lambda: not any(map(alive, self.seen)), SOON), SOON)

    def note_workers(self):
        self.seen.update(self.server.workers())

    def kill_server(self, number=signal.SIGKILL):
        self.note_workers()
        self.server.process.send_signal(number)
        self.server.process.wait(10 * SLOWNESS)
        said = self.server.said()
        self.server.log.close()
        return said

    def client(self, case="commanded", **environment):
        process = self.start(case, self.address, **environment)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.note_workers()
        return process

    def tell(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def end(self, process):
        out, errors = process.communicate(timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def sessions(self):
        done = subprocess.run([FARLANE, "session", "list", "--json", "--control", self.control], capture_output=True,
                              text=True, check=False, timeout=20)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)["sessions"]

    def facts(self):
        """What a restart must not change; ages do."""
        return sorted((session["id"], session["memory"][0]["limit_bytes"], session["memory"][0]["taken_bytes"],
                       sorted((client["process"], client["worker"], client["memory_bytes"])
                              for client in session["clients"])) for session in self.sessions())

    def doors(self):
        return sorted(int(path.name.partition(".")[2]) for path in (self.folder / "state").glob("worker.*"))

    def assert_no_doors(self):
        self.assertLessEqual(seconds_until(lambda: not self.doors(), SOON), SOON)


class Handover(Restarted):
    def check(self, number):
        name = secrets.token_hex(16)
        one, other = (self.client(FARLANE_SESSION=ticket(name, 64 * "a")) for _ in range(2))
        alone = self.client()
        self.assertEqual(self.tell(one, "alloc 12"), "0")
        self.assertEqual(self.tell(alone, "alloc 7"), "0")
        before = self.facts()
        self.assertEqual(len(before), 2)
        self.kill_server(number)
        for process in (one, other, alone):  # nobody is there, and nobody notices
            self.assertEqual(self.tell(process, "work"), "worked")
        self.serve()
        self.assertLessEqual(seconds_until(lambda: self.facts() == before, SOON), SOON, (before, self.facts()))
        for process in (one, other, alone):
            self.assertEqual(self.tell(process, "work"), "worked")
        # The limit of the session is what it was, and holds for those who join it later.
        third = self.client(FARLANE_SESSION=ticket(name, 64 * "a"))
        self.assertEqual(self.tell(third, "alloc 54"), str(OUT_OF_MEMORY))
        self.assertEqual(self.tell(one, "free"), "0")
        self.assertEqual(self.tell(third, "alloc 40"), "0")
        for process in (one, other, alone, third):
            self.end(process)
        self.assert_no_doors()
        self.assertLessEqual(
            seconds_until(lambda: not any(session["clients"] for session in self.sessions()), SOON), SOON)

    def test_what_processes_share_is_used_and_closed_afterwards(self):
        name = secrets.token_hex(16)
        owner, other = (self.client("sharer", FARLANE_SESSION=ticket(name, 64 * "a")) for _ in range(2))
        here = self.tell(owner, "alloc 4096").split()[1]
        handle = self.tell(owner, f"name {here}").split()[1]
        there = self.tell(other, f"open {handle}").split()[1]
        self.kill_server()
        self.assertEqual(self.tell(owner, f"write {here} 5"), "0")
        self.assertEqual(self.tell(other, f"read {there}"), "0 5")
        self.serve()
        self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 1, SOON), SOON)
        self.assertEqual(self.tell(owner, f"write {here} 6"), "0")
        self.assertEqual(self.tell(other, f"read {there}"), "0 6")
        # The new daemon knows nothing of the old names, and of new ones it does.
        self.assertEqual(self.tell(other, f"close {there}"), "0")
        self.assertEqual(self.tell(other, f"open {handle}").split()[0], str(INVALID_HANDLE))
        again = self.tell(owner, "alloc 5000000").split()[1]
        self.assertEqual(self.tell(owner, f"write {again} 7"), "0")
        there = self.tell(other, "open " + self.tell(owner, f"name {again}").split()[1]).split()[1]
        self.assertEqual(self.tell(other, f"read {there}"), "0 7")
        for process in (owner, other):
            self.end(process)

    def test_after_sigterm(self):
        self.check(signal.SIGTERM)

    def test_after_sigkill(self):
        self.check(signal.SIGKILL)

    def test_again_and_again(self):
        one = self.client()
        worker = self.doors()
        self.assertEqual(len(worker), 1)
        counts = []
        for number in (signal.SIGTERM, signal.SIGKILL) * 3:
            self.kill_server(number)
            self.serve()
            self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 1, SOON), SOON)
            self.assertEqual(self.tell(one, "work"), "worked")
            counts.append(len(os.listdir(f"/proc/{worker[0]}/fd")))
            self.assertEqual(self.doors(), worker)
        self.assertEqual(len(set(counts)), 1, counts)
        self.end(one)
        self.assert_no_doors()

    def test_sigint_ends_everybody(self):
        one = self.client()
        self.kill_server(signal.SIGINT)
        self.assertEqual(self.tell(one, "synchronize"), str(UNAVAILABLE))
        self.assertLessEqual(seconds_until(lambda: not any(map(alive, self.seen)), SOON), SOON)
        one.communicate()

    def test_only_workers_with_clients_stay(self):
        one = self.client()
        serving = set(self.doors())
        self.assertLessEqual(seconds_until(lambda: len(self.server.workers()) == 2, SOON), SOON)
        self.kill_server()
        self.assertLessEqual(seconds_until(lambda: {pid for pid in self.seen if alive(pid)} == serving, SOON), SOON)
        self.end(one)
        # Without a daemon a worker lives as long as its client.
        self.assertLessEqual(seconds_until(lambda: not any(map(alive, self.seen)), SOON), SOON)
        self.serve()
        self.assert_no_doors()
        self.assertEqual(self.sessions(), [])


class AtAnyMoment(Restarted):
    def test_while_work_is_under_way(self):
        busy = [self.start("bystander", self.address) for _ in range(3)]
        for process in busy:
            self.assertEqual(process.stdout.readline(), "working\n")
        for pause in (0.0, 0.05, 0.3):
            time.sleep(pause)
            self.kill_server()
            self.serve()
        for process in busy:
            out, errors = process.communicate("", timeout=20 * SLOWNESS)
            self.assertEqual((process.returncode, errors), (0, ""), out)

    def test_who_asks_for_memory_meanwhile_waits_for_the_next(self):
        one = self.client()
        self.kill_server()
        one.stdin.write("alloc 40\n")  # more than it was given to begin with
        one.stdin.flush()
        time.sleep(0.3)
        self.serve()
        self.assertEqual(one.stdout.readline(), "0\n")
        self.assertEqual(self.tell(one, "work"), "worked")
        self.assertGreaterEqual(self.sessions()[0]["memory"][0]["taken_bytes"], 40 << 20)
        self.end(one)

    def test_while_clients_come(self):
        for pause in (0.0, 0.01, 0.03, 0.06, 0.1, 0.2):
            coming = self.start("commanded", self.address)
            time.sleep(pause)
            self.kill_server()
            self.serve()
            # It is served, or was told that nobody is there: one of both, and nothing stays.
            out, _ = coming.communicate("", timeout=30 * SLOWNESS)
            self.assertIn(coming.returncode, (0, 1), out)
            self.assert_no_doors()
        one = self.client()
        self.assertEqual(self.tell(one, "work"), "worked")
        self.end(one)

    def test_a_worker_that_ends_meanwhile_leaves_nothing(self):
        one, other = self.client(), self.client()
        self.kill_server()
        one.kill()
        one.communicate()
        self.assertLessEqual(
            seconds_until(lambda: sum(alive(pid) for pid in self.seen) == 1, SOON), SOON)
        self.serve()
        self.assertLessEqual(seconds_until(lambda: len(self.doors()) == 1, SOON), SOON)
        self.assertEqual(len(self.sessions()), 1)
        self.end(other)

    def test_a_worker_that_is_stopped_is_found_when_it_goes_on(self):
        one = self.client()
        worker, = self.doors()
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(lambda: alive(worker) and os.kill(worker, signal.SIGCONT))
        self.kill_server()
        self.serve()
        self.assertIn("does not answer", self.server.said())
        self.assertEqual(self.sessions(), [])
        os.kill(worker, signal.SIGCONT)
        self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 1, SOON), SOON)
        self.assertEqual(self.tell(one, "work"), "worked")
        self.end(one)

    def test_an_adopted_worker_dies_like_any_other(self):
        one, other = self.client(), self.client()
        self.kill_server()
        self.serve()
        self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 2, SOON), SOON)
        found = next(session for session in self.sessions() if session["clients"][0]["process"] == one.pid)
        done = subprocess.run([FARLANE, "session", "kill", "--control", self.control, found["id"]], text=True,
                              capture_output=True, check=False, timeout=20)
        self.assertEqual((done.returncode, done.stdout), (0, "ended 1 client\n"), done.stderr)
        self.assertEqual(self.tell(one, "synchronize"), str(UNAVAILABLE))
        one.communicate()
        self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 1, SOON), SOON)
        self.assertEqual(self.tell(other, "work"), "worked")
        self.end(other)
        self.assert_no_doors()


class OverTls(Restarted):
    LISTEN = "tls://127.0.0.1:0"

    def test_a_connection_under_tls_goes_on(self):
        one = self.client()
        self.kill_server()
        self.assertEqual(self.tell(one, "work"), "worked")
        self.serve()
        self.assertLessEqual(seconds_until(lambda: len(self.sessions()) == 1, SOON), SOON)
        self.assertEqual(self.tell(one, "alloc 40"), "0")
        self.assertEqual(self.tell(one, "work"), "worked")
        self.end(one)


class WhoseFolder(Restarted):
    def refused(self, folder, word):
        server = Server("--state-dir", str(folder), listen="tcp://127.0.0.1:0")
        self.assertEqual(server.process.wait(20 * SLOWNESS), 1)
        self.assertIn(word, server.said())
        server.log.close()

    def test_one_daemon_at_a_time(self):
        self.refused(self.folder / "state", "another farlane-gpud")
        one = self.client()
        self.assertEqual(self.tell(one, "work"), "worked")
        self.end(one)

    def test_nobody_elses(self):
        open_to_all = self.folder / "open"
        open_to_all.mkdir()
        open_to_all.chmod(0o755)
        self.refused(open_to_all, "chmod 700")
        (self.folder / "file").touch()
        self.refused(self.folder / "file", "no folder")
        self.refused("relative", "absolute")
        self.refused("/" + 100 * "x", "absolute")


if __name__ == "__main__":
    unittest.main()
