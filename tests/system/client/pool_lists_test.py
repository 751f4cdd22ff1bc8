#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lists in pages, watches, requests that are sent twice, and servers that are set aside."""

import csv
import http.client
import io
import json
import os
import socket
import subprocess
import threading
import time
import unittest

import pool_test
from real_server import CASE, EMULATOR, FARLANE, SLOWNESS, client_environment, die_with_parent, seconds_until


try:
    import yaml
except ImportError:  # then what stands in YAML is compared line by line only
    yaml = None


class Watch:
    """A watch over HTTP; the lines that have come so far."""

    def __init__(self, address, path):
        host, port = address.rsplit(":", 1)
        self.connection = http.client.HTTPConnection(host, int(port), timeout=60 * SLOWNESS)
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        self.events = []
        self.ended = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        try:
            for line in self.answer:
                self.events.append(json.loads(line))
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass
        self.ended = True

    def kinds(self):
        return [event["type"] for event in self.events if event["type"] != "BOOKMARK"]

    def await_event(self, wanted, seconds=10):
        found = lambda: [event for event in self.events if wanted(event)]
        assert seconds_until(found, seconds) < seconds * SLOWNESS, self.events
        return found()[0]

    def close(self):
        if self.connection.sock:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        self.reader.join(10 * SLOWNESS)


class Lists(pool_test.PoolTest):
    def watch(self, path):
        watch = Watch(self.manager.address, path)
        self.addCleanup(watch.close)
        return watch

    def pages(self, path, limit):
        """All ids that the pages of a list have, and how long each page was."""
        names, sizes, following = [], [], ""
        while True:
            said = self.get(f"{path}?limit={limit}" + (f"&continue={following}" if following else ""))
            names += [one["id"] for one in said["sessions"]]
            sizes.append(len(said["sessions"]))
            following = said["continue"]
            if not following:
                return names, sizes

    def test_a_list_comes_in_pages(self):
        made = [self.create()[1]["session"]["id"] for _ in range(11)]
        names, sizes = self.pages("/v1/sessions", 4)
        self.assertEqual((names, sizes), (made, [4, 4, 3]))
        # What comes and goes between two pages moves nobody else.
        first = self.get("/v1/sessions?limit=4")
        self.ask("DELETE", f"/v1/sessions/{made[0]}")
        late = self.create()[1]["session"]["id"]
        rest = self.get(f"/v1/sessions?limit=500&continue={first['continue']}")
        self.assertEqual([one["id"] for one in rest["sessions"]], [*made[4:], late])
        for wrong in ("limit=0", "limit=x", "limit=5001", "continue=%2F"):
            self.assertEqual(self.ask("GET", f"/v1/sessions?{wrong}")[0].status, 400, wrong)

    def test_a_watch_says_what_comes_changes_and_goes_on(self):
        before = self.create()[1]["session"]["id"]
        watch = self.watch("/v1/sessions?watch=1")
        self.assertEqual(watch.answer.status, 200)
        watch.await_event(lambda event: event["type"] == "BOOKMARK")
        self.assertEqual([event.get("session", {}).get("id") for event in watch.events], [before, None])
        made = self.create()[1]["session"]["id"]
        added = watch.await_event(lambda event: event.get("session", {}).get("id") == made)
        self.assertEqual((added["type"], added["session"]["phase"]), ("ADDED", "RESERVED"))
        self.ask("DELETE", f"/v1/sessions/{made}")
        watch.await_event(lambda event: event["type"] == "MODIFIED" and event["session"]["phase"] == "RELEASED")
        # Another one goes on where this one was.
        watch.close()
        last = self.create()[1]["session"]["id"]
        again = self.watch(f"/v1/sessions?watch=1&resourceVersion={added['resourceVersion']}")
        again.await_event(lambda event: event.get("session", {}).get("id") == last)
        self.assertEqual([(event["type"], event["session"]["id"]) for event in again.events],
                         [("MODIFIED", made), ("ADDED", last)])
        listed = self.get("/v1/sessions")["resourceVersion"]
        self.assertEqual(listed, again.events[-1]["resourceVersion"])

    def test_what_is_not_remembered_is_gone(self):
        for version in ("1-99999", "99-1", "x"):
            answer, problem = self.ask("GET", f"/v1/sessions?watch=1&resourceVersion={version}")
            self.assertEqual((answer.status, problem["reason"]), (410, "Gone"))
        self.assertEqual(self.ask("GET", "/v1/sessions?watch=2")[0].status, 400)

    def test_servers_are_watched_too(self):
        watch = self.watch("/v1/servers?watch=1")
        watch.await_event(lambda event: event["type"] == "BOOKMARK")
        self.ask("POST", "/v1/servers/one:cordon")
        watch.await_event(lambda event: event["type"] == "MODIFIED" and event["server"]["cordoned"])
        time.sleep(2)
        self.assertEqual(watch.kinds(), ["ADDED", "MODIFIED"], "reports of load make no events")

    def test_a_manager_that_ends_ends_its_watches(self):
        watch = self.watch("/v1/sessions?watch=1")
        watch.await_event(lambda event: event["type"] == "BOOKMARK")
        start = time.monotonic()
        self.assertEqual(self.manager.stop_process(), 0)
        self.assertLess(time.monotonic() - start, 5 * SLOWNESS)
        watch.reader.join(10 * SLOWNESS)
        self.assertTrue(watch.ended)

    def test_the_command_line_watches(self):
        process = subprocess.Popen([FARLANE, "session", "list", "--watch", "-l", "program=seen"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent, env=self.environment())
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertIn("SESSION", process.stdout.readline())
        self.create(program="unseen")
        made = self.create(program="seen")[1]["session"]["id"]
        self.assertRegex(process.stdout.readline(), rf"^{made[:8]} +RESERVED +one ")
        # It goes on with the next manager.
        where = {"listen": self.manager.address, "servers": self.manager.servers}
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(**where)
        self.await_servers(1)
        after = self.create(program="seen")[1]["session"]["id"]
        for _ in range(5):
            if process.stdout.readline().startswith(after[:8]):
                break
        else:
            self.fail("it was not told")

    def test_tables_and_formats(self):
        for share, program in ((0.2, "b,c"), (0.1, "a"), (0.05, 'say "x"')):
            self.create(slice={"share": share}, program=program)
        table = self.run_farlane("session", "list", "--sort-by", "share").stdout.splitlines()
        self.assertEqual([line.split()[3] for line in table], ["SHARE", "0.05", "0.1", "0.2"])
        named = self.run_farlane("session", "list", "-o", "name", "-l", "program=a").stdout.split()
        self.assertEqual(named, [one["id"] for one in self.sessions() if one["spec"]["program"] == "a"])
        plain = self.run_farlane("session", "list", "--no-headers", "-l", "program!=a")
        self.assertEqual(len(plain.stdout.splitlines()), 2)
        rows = list(csv.DictReader(io.StringIO(self.run_farlane("session", "list", "-o", "csv").stdout)))
        self.assertEqual([row["PROGRAM"] for row in rows], ["b,c", "a", 'say "x"'])
        listed = json.loads(self.run_farlane("session", "list", "-o", "json").stdout)
        written = self.run_farlane("session", "list", "-o", "yaml").stdout
        for line in ("sessions:", "    phase: RESERVED", '      program: "b,c"',
                     '      program: "say \\"x\\""', "      selector: {}", "    addresses:"):
            self.assertIn(line, written.splitlines())
        if yaml:
            self.assertEqual(yaml.safe_load(written), listed)
        self.assertEqual(listed["sessions"], self.get("/v1/sessions")["sessions"])
        self.assertIn("CREATED", self.run_farlane("session", "list", "-o", "wide").stdout)
        one = self.run_farlane("session", "get", named[0][:8], "-o", "json")
        self.assertEqual(json.loads(one.stdout)["id"], named[0])
        servers = self.run_farlane("server", "list", "-o", "csv").stdout.splitlines()
        self.assertTrue(servers[0].startswith("NAME,STATE,DEVICES"))
        for wrong in (("--sort-by", "colour"), ("-l", "=a"), ("-o", "xml"), ("--watch", "-o", "csv")):
            self.assertEqual(self.run_farlane("session", "list", *wrong).returncode, 125, wrong)


class LossyProxy:
    """Hands requests on to a manager, and loses the first answers to those that ask for a session."""

    def __init__(self, target, losses):
        self.target = target
        self.losses = losses
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.pass_on, args=(client,), daemon=True).start()

    def pass_on(self, client):
        host, port = self.target.rsplit(":", 1)
        with client, socket.create_connection((host, int(port))) as manager:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = client.recv(65536)
                if not piece:
                    return
                request += piece
            head, body = request.split(b"\r\n\r\n", 1)
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(
                b"content-length:")), 0)
            while len(body) < length:
                body += client.recv(65536)
            manager.sendall(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + b"\r\n\r\n" + body)
            answer = b""
            while piece := manager.recv(65536):
                answer += piece
            if head.startswith(b"POST") and self.losses > 0:
                self.losses -= 1
                return
            client.sendall(answer)

    def close(self):
        self.listener.close()


class Twice(pool_test.PoolTest):
    def ask_under(self, key, share, header=True):
        host, port = self.manager.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20 * SLOWNESS)
        body = {"spec": {"slice": {"share": share}}, "keyDigest": "a" * 64, **({} if header else {"idempotencyKey": key})}
        connection.request("POST", "/v1/sessions", json.dumps(body), {"Idempotency-Key": key} if header else {})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        return answer.status, said

    def test_the_same_request_gets_the_same_session_from_any_manager(self):
        status, first = self.ask_under("k1", 0.1)
        self.assertEqual(status, 201, first)
        status, again = self.ask_under("k1", 0.1, header=False)
        self.assertEqual((status, again["session"]["id"]), (201, first["session"]["id"]))
        self.assertTrue(again["token"])
        status, other = self.ask_under("k1", 0.2)
        self.assertEqual((status, other["reason"]), (422, "KeyReused"))
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)
        status, again = self.ask_under("k1", 0.1)
        self.assertEqual((status, again["session"]["id"]), (201, first["session"]["id"]), again)
        self.assertEqual(len(self.sessions()), 1)
        # What is over is not granted again.
        self.ask("DELETE", f"/v1/sessions/{first['session']['id']}")
        status, over = self.ask_under("k1", 0.1)
        self.assertEqual((status, over["reason"]), (409, "Over"))

    def test_requests_at_one_time_make_one_session(self):
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.ask_under("k", 0.1))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.sessions()), 1)
        self.assertLessEqual({status for status, _ in answers}, {201, 503})
        self.assertIn(201, {status for status, _ in answers})

    def test_an_answer_that_is_lost_leaves_no_session_behind(self):
        proxy = LossyProxy(self.manager.address, losses=2)
        self.addCleanup(proxy.close)
        done = subprocess.run([FARLANE, "run", "--share", "0.7", "--", *EMULATOR, CASE, "posted-launches"],
                              capture_output=True, text=True, check=False, timeout=60 * SLOWNESS,
                              env=client_environment(None, FARLANE_POOL=proxy.address))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(proxy.losses, 0)
        self.assertEqual([one["phase"] for one in self.sessions()], ["RELEASED"])


class SetAside(pool_test.PoolTest):
    def restart_manager(self):
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)

    def test_a_drain_ends_sessions_at_its_deadline_and_says_how_it_goes(self):
        process = self.start_run("commanded")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        drained = self.run_farlane("server", "drain", "one", "--deadline", "3s", "--wait")
        self.assertEqual(drained.returncode, 0, drained.stderr)
        self.assertEqual(drained.stdout, "one is being drained\none is drained\n")
        self.assertEqual(drained.stderr, "one: 1 session left\n")
        [session] = self.sessions()
        self.assertEqual(session["phase"], "PREEMPTED")
        self.assertIn("was drained", session["reason"])
        self.assertIn("DRAINED", self.run_farlane("server", "list").stdout)
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertNotEqual(process.stdout.readline(), "worked\n")
        # It stays so under the next manager, until somebody says otherwise.
        self.restart_manager()
        self.assertTrue(self.get("/v1/servers/one")["draining"])
        self.assertEqual(self.create()[0], 503)
        self.assertEqual(self.run_farlane("server", "uncordon", "one").returncode, 0)
        self.assertFalse(self.get("/v1/servers/one")["draining"])
        self.assertEqual(self.create()[0], 201)

    def test_a_drain_without_a_deadline_waits_for_its_sessions(self):
        process = self.start_run("commanded")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        self.assertEqual(self.run_farlane("server", "drain", "one").returncode, 0)
        self.assertEqual(self.sessions()[0]["reason"], "its server is being drained")
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(self.run_farlane("server", "drain", "one", "--wait").stdout,
                         "one is being drained\none is drained\n")

    def test_a_cordon_and_taints_hold_under_the_next_manager(self):
        self.assertEqual(self.run_farlane("server", "taint", "one", "owner=lab3:NoPlace").returncode, 0)
        self.restart_manager()
        status, said, _ = self.create()
        self.assertEqual((status, said["reason"]), (503, "NoServer"))
        self.assertIn("taint", said["explain"][0])
        self.assertEqual(self.create(tolerations=[{"key": "owner", "value": "lab3"}])[0], 201)
        self.assertEqual(self.create(tolerations=[{"key": "owner", "value": "lab4"}])[0], 503)
        self.assertIn("owner=lab3:NoPlace", self.run_farlane("server", "list", "-o", "wide").stdout)
        self.assertEqual(self.run_farlane("server", "taint", "one", "owner-").returncode, 0)
        self.assertEqual(self.create()[0], 201)
        self.assertEqual(self.run_farlane("server", "cordon", "one").returncode, 0)
        self.restart_manager()
        self.assertEqual(self.create()[0], 503)

    def test_what_cannot_be_meant(self):
        for words, code in ((("taint", "one", "owner=lab3"), 125), (("taint", "one", "owner=lab3:Fly"), 2),
                            (("taint", "two", "a:NoPlace"), 3), (("drain", "one", "--deadline", "soon"), 125),
                            (("cordon", "one", "two"), 125), (("list", "--wait"), 125), (("drain", "two"), 3)):
            self.assertEqual(self.run_farlane("server", *words).returncode, code, words)


class Kept(pool_test.PoolTest):
    def test_a_backup_brings_back_what_was_stored(self):
        made = self.create()[1]["session"]["id"]
        self.run_farlane("server", "cordon", "one")
        path = self.folder + "/saved.db"
        saved = self.run_farlane("pool", "backup", path)
        self.assertEqual((saved.returncode, saved.stderr), (0, ""))
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(self.folder + "/pool"), [one for one in os.listdir(self.folder + "/pool")
                                                             if not one.startswith("backup-")])
        self.run_farlane("server", "uncordon", "one")
        self.ask("DELETE", f"/v1/sessions/{made}")
        epoch = int(self.get("/v1/status")["epoch"])
        where = ("pool", "restore", path, "--state-dir", self.folder + "/pool")
        refused = self.run_farlane(*where)
        self.assertNotEqual(refused.returncode, 0, "the manager runs")
        self.assertIn("in use by process", refused.stderr)
        self.assertEqual(self.manager.stop_process(), 0)
        restored = self.run_farlane(*where)
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)
        self.assertTrue(self.get("/v1/servers/one")["cordoned"])
        self.assertGreater(int(self.get("/v1/status")["epoch"]), epoch)
        self.assertEqual([one["id"] for one in self.sessions()], [made])
        damaged = self.folder + "/damaged.db"
        with open(path, "rb") as file, open(damaged, "wb") as other:
            other.write(file.read()[:5000])
        self.assertEqual(self.manager.stop_process(), 0)
        self.assertNotEqual(self.run_farlane("pool", "restore", damaged, "--state-dir", self.folder + "/pool").returncode, 0)

    def test_one_manager_cannot_step_down(self):
        refused = self.run_farlane("pool", "step-down")
        self.assertEqual(refused.returncode, 5)
        self.assertIn("no other can lead it", refused.stderr)


class HandedOver(pool_test.TwoManagers):
    def test_a_leader_steps_down_and_comes_back_as_a_standby(self):
        first, second = self.managers
        process = self.start_run("commanded", "--share", "0.5")
        self.assertEqual(process.stdout.readline(), "ready\n")
        start = time.monotonic()
        done = self.run_farlane("pool", "step-down")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        took = time.monotonic() - start
        self.assertRegex(done.stdout, r"^the manager of epoch \d+ leads no more; that of epoch \d+ does\n$")
        self.assertTrue(self.leads(second))
        self.assertFalse(self.leads(first))
        self.manager = second
        self.await_servers(1)
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        # And back again: it has not stopped to campaign.
        self.assertEqual(self.run_farlane("pool", "step-down").returncode, 0)
        self.assertTrue(self.leads(first))
        process.communicate("", timeout=20 * SLOWNESS)
        print(f"handed over in {took:.2f} s")


# Its own tests are run where they stand.
del pool_test.TwoManagers.test_one_takes_over_from_the_other_and_programs_do_not_notice
del pool_test.TwoManagers.test_a_manager_that_ends_hands_over_at_once

if __name__ == "__main__":
    unittest.main()
