#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pool: a manager, servers that belong to it, and programs that only know where the pool is."""

import base64
import hashlib
import http.client
import json
import os
import pathlib
import secrets
import signal
import subprocess
import tempfile
import time
import unittest

from pool_world import POOLD, make_seal_key, start_etcd
from shaped_link import ShapedLink
from real_server import (CASE, EMULATOR, FARLANE, SLOWNESS, Client, Server, client_environment, die_with_parent,
                         seconds_until)

# What every call of a program returns whose server is lost to it.
UNAVAILABLE = 46


class Manager:
    """One farlane-poold; ready when made."""

    def __init__(self, state, *options, listen="127.0.0.1:0", servers="127.0.0.1:0"):
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        ready, says = os.pipe()
        self.process = subprocess.Popen(
            [POOLD, "--listen", listen, "--listen-servers", servers, "--state-dir", state, "--ready-fd", str(says),
             *options], stdin=subprocess.DEVNULL, stderr=self.log, pass_fds=[says], preexec_fn=die_with_parent,
            env=client_environment(None, LD_LIBRARY_PATH=""))
        os.close(says)
        with os.fdopen(ready, encoding="utf-8") as lines:
            self.address, self.servers = [line.strip() for line in lines] or ("", "")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop_process(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(10 * SLOWNESS)

    def stop(self):
        code = self.stop_process()
        said = self.said()
        self.log.close()
        if "Sanitizer: " in said or "runtime error: " in said:
            raise AssertionError(said)
        return code


class PoolTest(Client):
    SERVERS = ("one",)
    TOKEN = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.manager = self.manage()
        self.servers = {name: self.serve(name) for name in self.SERVERS}
        self.await_servers(len(self.SERVERS))

    def manage(self, *options, **where):
        manager = Manager(self.folder + "/pool", *options, **where)
        self.addCleanup(manager.stop)
        self.assertTrue(manager.address, manager.said())
        return manager

    def serve(self, name, *options):
        server = Server("--pool", self.manager.servers, "--name", name, *options)
        self.addCleanup(server.stop)
        self.assertTrue(server.address, server.said())
        return server

    def await_servers(self, count):
        waited = seconds_until(lambda: self.get("/v1/status")["serversReady"] == count, 20)
        self.assertLess(waited, 20, self.manager.said())

    def ask(self, method, path, body=None, address=None):
        host, port = (address or self.manager.address).rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20 * SLOWNESS)
        headers = {"Authorization": f"Bearer {self.TOKEN}"} if self.TOKEN else {}
        connection.request(method, path, body if isinstance(body, (str, type(None))) else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, json.loads(text)

    def get(self, path):
        answer, said = self.ask("GET", path)
        self.assertEqual(answer.status, 200, said)
        return said

    def create(self, **spec):
        key = secrets.token_hex(32)
        digest = hashlib.sha256(bytes.fromhex(key)).hexdigest()
        answer, said = self.ask("POST", "/v1/sessions", {"spec": spec, "keyDigest": digest})
        return answer.status, said, key

    def environment(self, **more):
        return client_environment(None, FARLANE_POOL=self.manager.address, **more)

    def run_farlane(self, *words, **environment):
        return subprocess.run([FARLANE, *words], capture_output=True, text=True, check=False, timeout=60 * SLOWNESS,
                              env=self.environment(**environment))

    def start_run(self, case, *options, **environment):
        process = subprocess.Popen([FARLANE, "run", *options, "--", *EMULATOR, CASE, case], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent, env=self.environment(**environment))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def sessions(self, **wanted):
        return [one for one in self.get("/v1/sessions")["sessions"]
                if all(one[key] == value for key, value in wanted.items())]

    def at(self, server, token, session, key):
        """Whether a program that shows this is served; what was said."""
        process = self.start("posted-launches", server.address, FARLANE_TOKEN=token, FARLANE_SESSION=f"{session}.{key}")
        out, errors = process.communicate(timeout=20 * SLOWNESS)
        return process.returncode == 0, out + errors


class OnePool(PoolTest):
    def test_a_program_needs_the_pools_address_only(self):
        for start in ([FARLANE, "run", "--"], []):
            done = subprocess.run([*start, *EMULATOR, CASE, "posted-launches"], capture_output=True, text=True, check=False,
                                  timeout=60 * SLOWNESS, env=self.environment())
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertEqual(len(self.sessions(server="one")), 2)

    def test_a_session_is_seen_while_it_runs_and_is_over_with_its_command(self):
        process = self.start_run("commanded", "--share", "0.25", "--mem", "64Mi")
        self.assertEqual(process.stdout.readline(), "ready\n")
        waited = seconds_until(lambda: self.sessions(phase="ACTIVE"), 10)
        self.assertLess(waited, 10)
        listed = self.run_farlane("session", "list")
        self.assertEqual((listed.returncode, listed.stderr), (0, ""))
        self.assertIn("ACTIVE", listed.stdout)
        [session] = self.sessions(phase="ACTIVE")
        self.assertEqual((session["spec"]["slice"]["share"], session["spec"]["host"]), (0.25, os.uname().nodename))
        self.assertEqual(self.get("/v1/servers/one")["promisedShare"], 0.25)
        process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual(process.returncode, 0)
        [session] = self.sessions(id=session["id"])
        self.assertEqual(session["phase"], "RELEASED")
        self.assertEqual(self.get("/v1/servers/one")["promisedShare"], 0)

    def test_killing_a_session_ends_its_programs(self):
        process = self.start_run("commanded")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        killed = self.run_farlane("session", "kill", session["id"][:8])
        self.assertEqual((killed.returncode, killed.stderr), (0, ""))

        def lost():
            process.stdin.write("synchronize\n")
            process.stdin.flush()
            return process.stdout.readline().strip() == str(UNAVAILABLE)
        self.assertLess(seconds_until(lost, 5), 5)
        self.assertEqual(self.sessions(id=session["id"])[0]["phase"], "RELEASED")

    def test_only_who_was_granted_a_session_is_served(self):
        server = self.servers["one"]
        status, said, key = self.create(slice={"share": 0.5})
        self.assertEqual(status, 201, said)
        token, session = said["token"], said["session"]["id"]
        raw = bytearray(base64.urlsafe_b64decode(token[5:] + "="))
        raw[60] ^= 1
        forged = "flt1." + base64.urlsafe_b64encode(raw).decode().rstrip("=")
        for what, shown in {"belongs to a pool": ("", session, key),
                            "no session token": ("open sesame", session, key),
                            "damaged": (token[:-1], session, key),
                            "signature": (forged, session, key),
                            "another session": (token, secrets.token_hex(16), key),
                            "for another session": (token, session, secrets.token_hex(32))}.items():
            served, words = self.at(server, *shown)
            self.assertFalse(served, what)
            self.assertIn(what, words)
        served, words = self.at(server, *(token, session, key))
        self.assertTrue(served, words)
        # Another process of the session needs the key, and no token.
        served, words = self.at(server, *("", session, key))
        self.assertTrue(served, words)
        # What was given back does not open again.
        self.assertEqual(self.ask("DELETE", f"/v1/sessions/{session}")[0].status, 200)
        def refused():
            return not self.at(server, token, session, key)[0]
        self.assertLess(seconds_until(refused, 70), 70)

    def test_who_is_left_before_he_knows_the_server_comes_again(self):
        """As when a daemon dies just after it has made a worker: nothing is lost yet."""
        status, said, key = self.create(slice={"share": 0.5})
        self.assertEqual(status, 201, said)
        link = ShapedLink()
        link.target, link.cuts_behind_welcome = self.servers["one"].address, True
        self.addCleanup(link.close)
        done = self.start("posted-launches", link.address, FARLANE_TOKEN=said["token"], FARLANE_TRANSPORT="tcp",
                          FARLANE_SESSION=f"{said['session']['id']}.{key}")
        out, errors = done.communicate(timeout=20 * SLOWNESS)
        self.assertEqual(done.returncode, 0, out + errors)
        self.assertFalse(link.cuts_behind_welcome, "nobody was cut off")

    def test_a_token_grants_what_the_pool_said_and_not_what_the_program_says(self):
        status, said, key = self.create(slice={"share": 0.5, "memoryBytes": 64 << 20})
        self.assertEqual(status, 201, said)
        process = self.start("commanded", self.servers["one"].address, FARLANE_TOKEN=said["token"],
                             FARLANE_SESSION=f"{said['session']['id']}.{key}", FARLANE_MEM="512Mi")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.stdin.write("alloc 100\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline().strip(), "2")
        process.communicate("")

    def test_a_running_program_does_not_notice_that_the_manager_dies(self):
        process = self.start_run("commanded", "--share", "0.5")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        epoch = int(self.get("/v1/status")["epoch"])
        self.manager.process.kill()
        self.manager.process.wait()
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        where = {"listen": self.manager.address, "servers": self.manager.servers}
        self.manager = self.manage(**where)
        self.await_servers(1)
        waited = seconds_until(lambda: self.sessions(id=session["id"], phase="ACTIVE"), 20)
        self.assertLess(waited, 20, self.get("/v1/sessions"))
        self.assertGreater(int(self.get("/v1/status")["epoch"]), epoch)
        self.assertEqual(self.get("/v1/servers/one")["promisedShare"], 0.5)
        out, errors = process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)
        self.assertEqual(self.sessions(id=session["id"])[0]["phase"], "RELEASED")

    def test_a_grant_that_was_told_is_stored(self):
        granted = [self.create()[1]["session"]["id"] for _ in range(20)]
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        known = {session["id"] for session in self.sessions()}
        self.assertLessEqual(set(granted), known)

    def test_nothing_listens_to_the_world_without_a_secret(self):
        done = subprocess.run([POOLD, "--state-dir", self.folder + "/other", "--listen", "0.0.0.0:0"],
                              capture_output=True, text=True, check=False, timeout=20 * SLOWNESS)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("can be reached from other machines", done.stderr)

    def test_two_managers_do_not_share_a_folder(self):
        second = Manager(self.folder + "/pool")
        self.addCleanup(second.stop)
        self.assertNotEqual(second.process.wait(20 * SLOWNESS), 0)
        self.assertIn("in use by process", second.said())

    def test_a_server_that_is_cordoned_gets_nothing_new(self):
        process = self.start_run("commanded")
        self.assertEqual(process.stdout.readline(), "ready\n")
        done = self.run_farlane("server", "cordon", "one")
        self.assertEqual((done.returncode, done.stdout), (0, "one is cordoned\n"), done.stderr)
        refused = self.run_farlane("run", "--", "true", FARLANE_QUEUE_TIMEOUT="0")
        self.assertEqual(refused.returncode, 124)
        self.assertIn("one: cordoned", refused.stderr)
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        process.communicate("")
        self.assertEqual(self.run_farlane("server", "uncordon", "one").returncode, 0)
        self.assertEqual(self.run_farlane("run", "--", "true").returncode, 0)

    def test_who_finds_no_room_waits_for_it(self):
        holder = self.start_run("commanded", "--share", "0.7")
        self.assertEqual(holder.stdout.readline(), "ready\n")
        waiter = self.start_run("posted-launches", "--share", "0.7", FARLANE_QUEUE_TIMEOUT="60")
        self.assertIn("waiting for room", waiter.stderr.readline())
        holder.communicate("", timeout=20 * SLOWNESS)
        waiter.communicate(timeout=40 * SLOWNESS)
        self.assertEqual(waiter.returncode, 0)

    def test_what_no_server_can_ever_take_is_said_at_once(self):
        # A manager that has begun a moment ago does not know yet who comes back to it.
        def refused():
            answer = self.create(slice={"memoryBytes": 1 << 50})
            return answer if answer[0] == 400 else None
        self.assertLess(seconds_until(refused, 30), 30)
        self.assertEqual(refused()[1]["reason"], "NeverFits")
        done = self.run_farlane("run", "--mem", "9000Gi", "--", "true", FARLANE_QUEUE_TIMEOUT="60")
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, r"no server of the pool can ever take it: it wants 9000 GiB of memory, and the most "
                                      r"that there is is \S+ GiB \(of 1 server, 1 has the rest\)")
        self.assertNotIn("waiting", done.stderr)
        for how in ({"FARLANE_AWAIT_SERVERS": "1"}, {}):
            done = self.run_farlane("run", *([] if how else ["--await-servers"]), "-n", "7", "--", "true",
                                    FARLANE_QUEUE_TIMEOUT="1", **how)
            self.assertEqual(done.returncode, 124, done.stderr)
            self.assertIn("waiting for room", done.stderr)

    def test_exit_codes_and_sentences(self):
        self.assertEqual(self.run_farlane("server", "get", "two").returncode, 3)
        self.assertEqual(self.run_farlane("session", "kill", "ffff").returncode, 3)
        self.assertEqual(self.run_farlane("server", "list", "surplus").returncode, 125)
        self.assertEqual(self.run_farlane("server", "list", "--pool", "127.0.0.1:1").returncode, 6)
        listed = self.run_farlane("server", "list")
        self.assertEqual(listed.returncode, 0)
        self.assertRegex(listed.stdout, r"(?m)^one +READY +1 x Farlane Software GPU")
        status = self.run_farlane("pool", "status", "-o", "json")
        self.assertEqual(json.loads(status.stdout)["serversReady"], 1)

    def test_requests_that_are_wrong_are_told_so(self):
        for method, path, body, status in (("POST", "/v1/sessions", "{", 400),
                                           ("POST", "/v1/sessions", {"keyDigest": "12"}, 400),
                                           ("POST", "/v1/sessions", {"nonsense": 1}, 400),
                                           ("PUT", "/v1/sessions", None, 405),
                                           ("GET", "/v1/sessions/zz", None, 404),
                                           ("GET", "/v2/sessions", None, 404),
                                           ("GET", "/v1/servers/two", None, 404),
                                           ("POST", "/v1/servers/one:fly", None, 404)):
            answer, problem = self.ask(method, path, body)
            self.assertEqual(answer.status, status, f"{method} {path} {body}: {problem}")
            self.assertEqual(answer.getheader("Content-Type"), "application/problem+json")
            self.assertEqual(problem["status"], status)
            self.assertTrue(problem["reason"] and problem["detail"], problem)
        status, said, _ = self.create(slice={"share": 1.5})
        self.assertEqual((status, said["reason"]), (400, "Invalid"))


class TwoServers(PoolTest):
    SERVERS = ("one", "two")

    def test_sessions_go_where_there_is_room(self):
        placed = [self.create(slice={"share": 0.6})[1]["session"]["server"] for _ in range(2)]
        self.assertEqual(sorted(placed), ["one", "two"])
        status, said, _ = self.create(slice={"share": 0.6})
        self.assertEqual((status, said["reason"]), (503, "NoServer"))
        self.assertEqual(len(said["explain"]), 2, said)

    def test_a_token_is_for_its_server(self):
        status, said, key = self.create()
        self.assertEqual(status, 201, said)
        other = "two" if said["session"]["server"] == "one" else "one"
        served, words = self.at(self.servers[other], said["token"], said["session"]["id"], key)
        self.assertFalse(served)
        self.assertIn("another server", words)

    def test_what_placement_thinks_can_be_asked(self):
        status, said, _ = self.create(slice={"share": 0.6})
        self.assertEqual(status, 201, said)
        taken = said["session"]["server"]
        other = "two" if taken == "one" else "one"
        asked = self.run_farlane("place", "--dry-run", "--share", "0.6")
        self.assertEqual((asked.returncode, asked.stderr), (0, ""))
        self.assertIn(other, asked.stdout)
        self.assertRegex(asked.stdout, rf"(?m)^.*{taken}.*share")
        self.assertEqual(json.loads(self.run_farlane("place", "--dry-run", "-o", "json").stdout)["placed"], True)
        self.assertEqual(len(self.sessions()), 1, "nothing was taken")
        none = self.run_farlane("place", "--dry-run", "--model", "H100")
        self.assertEqual(none.returncode, 8)
        self.assertIn("model", none.stdout)
        self.assertEqual(self.run_farlane("place").returncode, 125)
        self.assertEqual(self.run_farlane("place", "--dry-run", "--share", "7").returncode, 125)

    def test_a_server_that_dies_gets_nothing_new(self):
        self.servers["one"].process.send_signal(signal.SIGKILL)
        def is_known():
            return self.get("/v1/servers/one")["state"] != "READY"
        self.assertLess(seconds_until(is_known, 5), 5)
        placed = {self.create()[1]["session"]["server"] for _ in range(5)}
        self.assertEqual(placed, {"two"})

    def test_a_server_that_comes_back_is_the_same_one(self):
        folder = self.folder + "/state"
        server = self.serve("three", "--state-dir", folder)
        self.await_servers(3)
        known = self.get("/v1/servers/three")["inventory"]["serverId"]
        server.process.terminate()
        self.assertEqual(server.process.wait(10 * SLOWNESS), 0)
        self.serve("three", "--state-dir", folder)
        def is_back():
            return self.get("/v1/servers/three")["state"] == "READY"
        self.assertLess(seconds_until(is_back, 10), 10)
        self.assertEqual(self.get("/v1/servers/three")["inventory"]["serverId"], known)


class Guarded(PoolTest):
    TOKEN = "a token for people"

    def manage(self, *options, **where):
        path = pathlib.Path(self.folder) / "token"
        path.write_text(self.TOKEN + "\n", encoding="utf-8")
        key = pathlib.Path(self.folder) / "key"
        key.write_text("a key for servers\n", encoding="utf-8")
        return super().manage("--token-file", str(path), "--join-key-file", str(key), *options, **where)

    def serve(self, name, *options):
        path = pathlib.Path(self.folder) / "key"
        return super().serve(name, "--pool-key-file", str(path), *options)

    def test_the_pool_asks_servers_for_its_key(self):
        path = pathlib.Path(self.folder) / "another"
        path.write_text("another key\n", encoding="utf-8")
        stranger = Server("--pool", self.manager.servers, "--name", "two", "--pool-key-file", str(path))
        self.addCleanup(stranger.stop)
        self.assertLess(seconds_until(lambda: "join key" in stranger.said(), 10), 10)
        self.assertEqual([one["inventory"]["name"] for one in self.get("/v1/servers")["servers"]], ["one"])

    def test_the_pool_asks_people_for_its_token(self):
        refused = self.run_farlane("server", "list")
        self.assertEqual(refused.returncode, 4, refused.stderr)
        self.assertEqual(self.run_farlane("server", "list", FARLANE_POOL_TOKEN=self.TOKEN).returncode, 0)
        self.assertEqual(self.run_farlane("server", "list", FARLANE_POOL_TOKEN=self.TOKEN + "x").returncode, 4)
        self.assertEqual(self.run_farlane("run", "--", "true").returncode, 125)


class TwoManagers(PoolTest):
    """One leads, the other stands by."""

    def setUp(self):
        self.etcd_folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.etcd_folder.cleanup)
        [self.etcd] = start_etcd(self.etcd_folder.name, 1)
        self.addCleanup(self.etcd.stop)
        self.managers = []
        super().setUp()

    def manage(self, *options, **where):
        seal = make_seal_key(f"{self.etcd_folder.name}/seal.key")
        for name in ("a", "b"):
            self.managers.append(Manager(f"{self.etcd_folder.name}/manager-{name}", "--etcd", self.etcd.address,
                                         "--seal-key-file", seal))
            self.addCleanup(self.managers[-1].stop)
            self.assertTrue(self.managers[-1].address, self.managers[-1].said())
            if name == "a":
                self.assertLess(seconds_until(lambda: self.leads(self.managers[0]), 20), 20)
        return self.managers[0]

    def leads(self, manager):
        try:
            return self.ask("GET", "/v1/status", address=manager.address)[0].status == 200
        except OSError:
            return False

    def serve(self, name, *options):
        both = ",".join(manager.servers for manager in self.managers)
        server = Server("--pool", both, "--name", name, *options)
        self.addCleanup(server.stop)
        return server

    def environment(self, **more):
        return client_environment(None, FARLANE_POOL=",".join(manager.address for manager in self.managers), **more)

    def test_one_takes_over_from_the_other_and_programs_do_not_notice(self):
        first, second = self.managers
        answer, problem = self.ask("GET", "/v1/servers", address=second.address)
        self.assertEqual((answer.status, problem["reason"]), (503, "NotLeader"))
        self.assertIn(first.address, problem["detail"])
        process = self.start_run("commanded", "--share", "0.5")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        epoch = int(self.get("/v1/status")["epoch"])
        first.process.kill()
        first.process.wait()
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        took = seconds_until(lambda: self.leads(second), 20)
        self.assertLess(took, 20, second.said())
        self.manager = second
        self.await_servers(1)
        self.assertGreater(int(self.get("/v1/status")["epoch"]), epoch)
        self.assertLess(seconds_until(lambda: self.sessions(id=session["id"], phase="ACTIVE"), 20), 20)
        # What the one has granted the other has promised.
        self.assertEqual(self.get("/v1/servers/one")["promisedShare"], 0.5)
        done = self.run_farlane("run", "--share", "0.5", "--", *EMULATOR, CASE, "posted-launches")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        out, errors = process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)
        print(f"took over after {took:.2f} s")

    def test_what_the_one_has_signed_opens_at_a_server_that_knows_only_the_other(self):
        first, second = self.managers
        folder = f"{self.etcd_folder.name}/gpud"
        server = self.serve("two", "--state-dir", folder)
        self.await_servers(2)
        self.assertEqual(self.run_farlane("server", "cordon", "one").returncode, 0)
        status, said, key = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201, said)
        server.process.terminate()
        server.process.wait(20 * SLOWNESS)
        first.process.kill()
        first.process.wait()
        self.assertLess(seconds_until(lambda: self.leads(second), 20), 20, second.said())
        self.manager = second
        # Started anew, it has heard nothing of the first manager.
        again = self.serve("two", "--state-dir", folder)
        self.await_servers(2)
        served, words = self.at(again, said["token"], said["session"]["id"], key)
        self.assertTrue(served, words)

    def test_a_manager_with_another_seal_key_does_not_stand_by(self):
        stranger = Manager(f"{self.etcd_folder.name}/manager-c", "--etcd", self.etcd.address)
        self.addCleanup(stranger.stop)
        self.assertEqual(stranger.process.wait(20 * SLOWNESS), 1)
        self.assertIn("sealed with another seal key", stranger.said())

    def test_a_manager_that_ends_hands_over_at_once(self):
        first, second = self.managers
        self.assertEqual(first.stop_process(), 0)
        took = seconds_until(lambda: self.leads(second), 20)
        self.assertLess(took, 4, second.said())


class OneCommand(Client):
    def test_a_pool_on_this_machine(self):
        with tempfile.TemporaryDirectory() as folder:
            ready, says = os.pipe()
            start = time.monotonic()
            up = subprocess.Popen([FARLANE, "pool", "up", "--listen", "127.0.0.1:0", "--driver", "soft", "--state-dir",
                                   folder, "--ready-fd", str(says)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, pass_fds=[says], preexec_fn=die_with_parent,
                                  env=client_environment(None, LD_LIBRARY_PATH=""))
            self.addCleanup(up.kill)
            os.close(says)
            with os.fdopen(ready, encoding="utf-8") as line:
                address = line.readline().strip()
            self.assertTrue(address, up.stderr)
            done = subprocess.run([*EMULATOR, CASE, "posted-launches"], capture_output=True, text=True, check=False,
                                  timeout=60 * SLOWNESS, env=client_environment(None, FARLANE_POOL=address))
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            self.assertLess(time.monotonic() - start, 30 * SLOWNESS)
            up.terminate()
            out, errors = up.communicate(timeout=20 * SLOWNESS)
            self.assertEqual((up.returncode, errors), (0, ""), out)
            self.assertIn(f"export FARLANE_POOL={address}", out)


if __name__ == "__main__":
    unittest.main()
