#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sessions over several servers of a pool: all of them or none, and what becomes of the rest when one of them is lost."""

import hashlib
import json
import secrets
import signal
import subprocess
import unittest

from pool_test import UNAVAILABLE, PoolTest
from real_server import CASE, EMULATOR, SLOWNESS, seconds_until


class Across(PoolTest):
    """Two servers with one device each."""

    SERVERS = ("one", "two")

    def part(self, session, server):
        [part] = [one for one in self.get(f"/v1/sessions/{session}")["parts"] if one["server"] == server]
        return part

    def promised(self):
        return {one["inventory"]["name"]: one["promisedShare"] for one in self.get("/v1/servers")["servers"]}

    def begin(self, *options, **environment):
        """A command over both servers, when both have seen it; with its session."""
        process = self.start_run("commanded", "-n", "2", "--across", *options, **environment)
        self.assertEqual(process.stdout.readline(), "ready\n")

        def is_there():
            return [one for one in self.sessions(phase="ACTIVE")
                    if {part["phase"] for part in one["parts"]} == {"ACTIVE"}]
        self.assertLess(seconds_until(is_there, 10), 10, self.sessions())
        [session] = is_there()
        return process, session["id"]

    def create_across(self, gpus, **spec):
        digests = [hashlib.sha256(bytes([part])).hexdigest() for part in range(gpus)]
        answer, said = self.ask("POST", "/v1/sessions", {
            "spec": {"gpus": gpus, "acrossServers": True, **spec}, "keyDigest": secrets.token_hex(32),
            "partKeyDigests": digests})
        return answer.status, said

    def assert_lost(self, process):
        def lost():
            process.stdin.write("synchronize\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == str(UNAVAILABLE)
        self.assertLess(seconds_until(lost, 10), 10)

    def test_a_program_computes_on_the_devices_of_both(self):
        for start in (["farlane"], []):
            words = ("run", "-n", "2", "--across", "--share", "0.5", "--", *EMULATOR, CASE, "several-servers")
            done = (self.run_farlane(*words) if start else
                    subprocess.run([*EMULATOR, CASE, "several-servers"], capture_output=True, text=True, check=False,
                                   timeout=60 * SLOWNESS,
                                   env=self.environment(FARLANE_GPUS="2", FARLANE_ACROSS="1", FARLANE_SHARE="0.5")))
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            [session] = self.sessions()[-1:]
            self.assertEqual(sorted(part["server"] for part in session["parts"]), ["one", "two"])
        # The first was given back with its command; the other waits for another process of it.
        self.assertEqual(self.sessions()[0]["phase"], "RELEASED")

    def test_it_is_one_session_and_ends_everywhere(self):
        process, session = self.begin("--share", "0.25", "--mem", "64Mi")
        self.assertEqual(self.promised(), {"one": 0.25, "two": 0.25})
        listed = self.run_farlane("session", "list")
        self.assertRegex(listed.stdout, r"ACTIVE +(one,two|two,one) ")
        self.assertEqual(self.get("/v1/status")["sessionsActive"], 1)
        killed = self.run_farlane("session", "kill", session[:8])
        self.assertEqual((killed.returncode, killed.stderr), (0, ""))
        self.assert_lost(process)
        self.assertEqual(self.promised(), {"one": 0, "two": 0})

        def is_gone():
            return not any(server["load"].get("sessions") for server in self.get("/v1/servers")["servers"])
        self.assertLess(seconds_until(is_gone, 10), 10, self.get("/v1/servers"))

    def test_one_server_is_better_and_nobody_gets_several_unasked(self):
        done = self.run_farlane("run", "-n", "2", "--", "true", FARLANE_QUEUE_TIMEOUT="0")
        self.assertNotEqual(done.returncode, 0, done.stderr)
        asked = self.run_farlane("place", "--dry-run", "-n", "2", "--across")
        self.assertEqual((asked.returncode, asked.stderr), (0, ""))
        self.assertEqual(asked.stdout.count("gives a part of the devices"), 2, asked.stdout)
        said = json.loads(self.run_farlane("place", "--dry-run", "-n", "2", "--across", "-o", "json").stdout)
        self.assertEqual(sorted(said["servers"]), ["one", "two"])
        status, said = self.create_across(1)
        self.assertEqual((status, said["session"]["parts"], said["moreTokens"]), (201, [], []), said)

    def test_all_of_it_or_nothing(self):
        status, said, _ = self.create(slice={"share": 0.6})
        self.assertEqual(status, 201, said)
        before = self.promised()
        status, said = self.create_across(2, slice={"share": 0.6})
        self.assertEqual((status, said["reason"]), (503, "NoServer"), said)
        self.assertEqual(self.promised(), before)
        # More than there will ever be is refused for good, and what is not fit to be shown to servers at once.
        status, said = self.create_across(3)
        self.assertEqual(status, 503, said)  # until the manager knows that nobody else comes back
        answer, said = self.ask("POST", "/v1/sessions", {
            "spec": {"gpus": 2, "acrossServers": True}, "keyDigest": "0" * 64})
        self.assertEqual(answer.status, 400, said)
        self.assertIn("partKeyDigests", said["detail"])
        self.assertEqual(self.promised(), before)

    def test_a_limit_counts_it_once_with_all_of_its_devices(self):
        for name, limit in {"small": {"gpus": 1}, "large": {"gpus": 2, "sessions": 1}}.items():
            answer, said = self.ask("POST", "/v1/projects", {"name": name, "quota": {"limit": limit}})
            self.assertEqual(answer.status, 201, said)
        status, said = self.create_across(2, slice={"share": 0.75}, project="small")
        self.assertEqual((status, said["reason"]), (400, "OverLimit"), said)
        status, said = self.create_across(2, slice={"share": 0.75}, project="large")
        self.assertEqual(status, 201, said)
        [used] = [one["used"] for one in self.get("/v1/projects")["projects"] if one["project"]["name"] == "large"]
        self.assertEqual((used["gpus"], used["sessions"]), (1.5, "1"))
        status, again = self.create_across(2, slice={"share": 0.1}, project="large")
        self.assertEqual((status, again["reason"]), (503, "OverQuota"), again)
        self.assertEqual(self.ask("DELETE", f"/v1/sessions/{said['session']['id']}")[0].status, 200)
        self.assertEqual(self.promised(), {"one": 0, "two": 0})

    def test_a_server_learns_nothing_that_opens_another(self):
        keys = [secrets.token_hex(32) for _ in range(2)]
        answer, said = self.ask("POST", "/v1/sessions", {
            "spec": {"gpus": 2, "acrossServers": True}, "keyDigest": "0" * 64,
            "partKeyDigests": [hashlib.sha256(bytes.fromhex(key)).hexdigest() for key in keys]})
        self.assertEqual(answer.status, 201, said)
        session, tokens = said["session"]["id"], [said["token"], *said["moreTokens"]]
        servers = [self.servers[part["server"]] for part in said["session"]["parts"]]
        for token, key, what in ((tokens[0], keys[0], "for another server"), (tokens[1], keys[0], "another session")):
            served, words = self.at(servers[1], token, session, key)
            self.assertFalse(served, what)
            self.assertIn("refused", words)
        for number in (0, 1):
            served, words = self.at(servers[number], tokens[number], session, keys[number])
            self.assertTrue(served, words)
        # Nobody else opens the second with what the first has seen.
        served, words = self.at(servers[1], "", session, keys[0])
        self.assertFalse(served, words)

    def test_a_drained_server_ends_the_rest(self):
        process, session = self.begin("--share", "0.5")
        first = self.get(f"/v1/sessions/{session}")["server"]
        other = "two" if first == "one" else "one"
        answer, said = self.ask("POST", f"/v1/servers/{other}:drain", {"deadlineSeconds": 1})
        self.assertEqual(answer.status, 200, said)
        self.assertLess(seconds_until(lambda: self.sessions(id=session, phase="PREEMPTED"), 10), 10)
        self.assertIn(other, self.sessions(id=session)[0]["reason"])
        self.assert_lost(process)
        self.assertEqual(self.promised(), {"one": 0, "two": 0})

    def test_a_time_limit_ends_all_of_it(self):
        process, session = self.begin("--time", "2s")
        self.assertLess(seconds_until(lambda: self.sessions(id=session, phase="EXPIRED"), 10), 10)
        self.assert_lost(process)
        self.assertEqual(self.promised(), {"one": 0, "two": 0})

    def test_a_server_that_dies_between_leaves_nothing_reserved(self):
        """It does not answer: the command fails, and the first half is free again."""
        server = self.servers["two"]
        self.addCleanup(server.process.send_signal, signal.SIGCONT)
        server.process.send_signal(signal.SIGSTOP)
        done = self.run_farlane("run", "-n", "2", "--across", "--share", "0.5", "--", *EMULATOR, CASE, "initialise")
        self.assertIn("cuInit 100", done.stdout, done.stderr)
        server.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.promised(), {"one": 0, "two": 0})
        self.assertEqual(self.sessions()[-1]["phase"], "RELEASED")

    def test_the_manager_dies_and_the_next_one_has_all_of_it(self):
        process, session = self.begin("--share", "0.5")
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(2)

        def is_adopted():
            return {part["phase"] for part in self.get(f"/v1/sessions/{session}")["parts"]} == {"ACTIVE"}
        self.assertLess(seconds_until(is_adopted, 20), 20, self.get(f"/v1/sessions/{session}"))
        self.assertEqual(self.promised(), {"one": 0.5, "two": 0.5})
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        out, errors = process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)
        self.assertEqual(self.sessions(id=session)[0]["phase"], "RELEASED")
        self.assertEqual(self.promised(), {"one": 0, "two": 0})


del PoolTest  # its own tests are not run again

if __name__ == "__main__":
    unittest.main()
