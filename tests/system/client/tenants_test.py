#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Projects with quotas in a pool, and those who wait for a place in it, by the command line and by HTTP."""

import hashlib
import json
import os
import secrets
import time
import unittest

from pool_test import PoolTest
from real_server import SLOWNESS, seconds_until


MIB = 1 << 20


class Tenants(PoolTest):
    def farlane(self, *words, code=0, **environment):
        done = self.run_farlane(*words, **environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def ask_for(self, key, wait=60, **spec):
        digest = hashlib.sha256(bytes.fromhex(key)).hexdigest()
        answer, said = self.ask("POST", "/v1/sessions", {"spec": spec, "keyDigest": digest, "idempotencyKey": digest,
                                                         "waitSeconds": wait})
        return answer.status, said

    def test_a_project_is_made_changed_listed_and_deleted(self):
        self.farlane("project", "create", "--organisation", "lab", "--limit", "gpus=2")
        self.farlane("project", "create", "--org", "lab", "--guaranteed", "gpus=0.5,mem=1Gi", "--limit", "sessions=2",
                     "--idle-limit", "30m", "vision")
        self.farlane("project", "set", "--weight", "3", "vision")
        listed = self.farlane("project", "list")
        self.assertRegex(listed, r"vision +lab +0 GPUs, 0.0 GiB, 0 sessions +0.5 GPUs, 1.0 GiB +2 sessions +3 +0")
        self.assertRegex(listed, r"lab/ .*2 GPUs")
        project = json.loads(self.farlane("project", "get", "vision", "-o", "json"))["project"]
        self.assertEqual((project["idleLimitS"], project["quota"]["weight"]), (1800, 3))
        self.farlane("project", "create", "vision", code=5)
        self.farlane("project", "create", "--org", "nobody", "speech", code=3)
        self.farlane("project", "create", "--limit", "gpus=many", "speech", code=125)
        self.farlane("project", "delete", "lab", code=5)
        self.farlane("project", "delete", "default", code=5)
        self.farlane("project", "delete", "vision")
        self.farlane("project", "delete", "lab")
        self.farlane("project", "get", "lab", code=3)

    def test_a_limit_is_kept_and_outlives_the_manager(self):
        self.farlane("project", "create", "--limit", "gpus=0.5", "small")
        self.manager.stop_process()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)
        self.assertEqual(self.create(project="small", slice={"share": 0.4})[0], 201)
        status, said, _ = self.create(project="small", slice={"share": 0.4})
        self.assertEqual((status, said["reason"]), (503, "OverQuota"), said)
        self.assertIn("the limit of project \"small\" is 0.5 GPUs", said["detail"])
        status, said, _ = self.create(project="small", slice={"share": 0.6})
        self.assertEqual((status, said["reason"]), (400, "OverLimit"), said)
        self.assertEqual(self.create(project="nobody")[0], 404)
        self.farlane("project", "delete", "small", code=5)
        done = self.farlane("run", "--project", "small", "--share", "0.4", "--", "/bin/true", code=124,
                            FARLANE_QUEUE_TIMEOUT="0")
        self.assertIn("0.5 GPUs", done)

    def test_what_is_reserved_outlives_the_manager_and_is_kept_free(self):
        self.farlane("project", "create", "course")
        other = self.start_run("commanded", "--share", "1")
        self.assertEqual(other.stdout.readline(), "ready\n")
        self.farlane("reservation", "create", "--project", "course", "--amount", "gpus=2", "--for", "1h", code=5)
        self.farlane("reservation", "create", "--project", "course", "--amount", "gpus=0.5", code=125)
        self.farlane("reservation", "create", "--project", "course", "--amount", "gpus=0.5", "--for", "1h", "--from", "noon", code=125)
        made = self.farlane("reservation", "create", "--project", "course", "--amount", "gpus=0.5", "--for", "1h", "--from", "+1s",
                            "--note", "the course")
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)
        listed = self.farlane("reservation", "list")
        self.assertRegex(listed, r"[0-9a-f]{16} +course +0\.5 GPUs +20.* the course")
        reservation = listed.splitlines()[1].split()[0]
        self.assertIn(reservation, made)
        # Whoever changes the rest of the project leaves it as it is.
        self.farlane("project", "set", "--weight", "2", "course")
        self.assertIn(reservation, self.farlane("reservation", "list"))
        other.communicate("", timeout=20 * SLOWNESS)
        time.sleep(1.5)
        refused = self.farlane("run", "--share", "0.8", "--", "/bin/true", code=124, FARLANE_QUEUE_TIMEOUT="0")
        self.assertIn("GPUs", refused)
        self.farlane("run", "--project", "course", "--share", "0.5", "--", "/bin/true", FARLANE_QUEUE_TIMEOUT="0")
        self.farlane("reservation", "delete", reservation)
        self.farlane("reservation", "delete", reservation, code=3)
        self.assertEqual(self.get("/v1/reservations"), {"reservations": []})
        self.farlane("run", "--share", "0.8", "--", "/bin/true", FARLANE_QUEUE_TIMEOUT="0")

    def received(self, session):
        [found] = self.sessions(id=session)
        return int(found["load"].get("receivedBytes", 0))

    def start_thin(self, *options, **environment):
        """A program of a thin project, which copies as much as it can; and its session."""
        process = self.start_run("bulk", "--project", "thin", "--share", "0.1", *options, BULK_WAY="in",
                                 FARLANE_TRANSPORT="tcp", **environment)
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        return process, session

    def end_bulk(self, process):
        process.stdin.close()
        process.stdin = None
        process.communicate(timeout=60 * SLOWNESS)
        self.assertEqual(process.returncode, 0)

    def test_a_projects_network_is_divided_and_its_server_keeps_to_it(self):
        self.farlane("project", "create", "--limit", "net=8M/s,sessions=2", "thin")
        self.assertRegex(self.farlane("project", "list"), r"thin .* 2 sessions, 8 MiB/s ")
        status, said, key = self.create(project="thin", slice={"share": 0.1})
        self.assertEqual(status, 201, said)
        session = said["session"]
        self.assertEqual(int(session["netLimitBytes"]), 4 * MIB)
        # What the program's own environment says is not what counts.
        process = self.start("bulk", self.servers["one"].address, FARLANE_TOKEN=said["token"],
                             FARLANE_SESSION=f"{session['id']}.{key}", FARLANE_TRANSPORT="tcp", BULK_WAY="in",
                             FARLANE_NET_LIMIT="1G/s")
        self.assertEqual(process.stdout.readline(), "ready\n")
        wide = self.farlane("session", "list", "-o", "wide")
        self.assertRegex(wide, r"NET LIMIT")
        self.assertRegex(wide, r"4 MiB/s")
        self.assertEqual(json.loads(self.farlane("project", "get", "thin", "-o", "json"))["used"]["netBytesPerS"],
                         str(4 * MIB))
        # More than the limit is never granted, and more than is left not now.
        status, said, _ = self.create(project="thin", slice={"share": 0.1, "netLimitBytes": 9 * MIB})
        self.assertEqual((status, said["reason"]), (400, "OverLimit"), said)
        status, said, _ = self.create(project="thin", slice={"share": 0.1, "netLimitBytes": 5 * MIB})
        self.assertEqual((status, said["reason"]), (503, "OverQuota"), said)
        self.assertIn("8 MiB/s, of which 4 MiB/s are in use", said["detail"])
        time.sleep(2)
        before, began = self.received(session["id"]), time.monotonic()
        time.sleep(8)
        rate = (self.received(session["id"]) - before) / (time.monotonic() - began) / MIB
        print(f"{rate:.2f} MiB/s of 4")
        self.assertLess(rate, 4 * 1.3, "it is looked at each second, over eight")
        self.assertGreater(rate, 0.5)
        self.end_bulk(process)
        self.ask("DELETE", f"/v1/sessions/{session['id']}")
        self.assertEqual(self.create(project="thin", slice={"share": 0.1, "netLimitBytes": 5 * MIB})[0], 201)

    def test_a_session_has_no_more_of_the_network_than_it_asks_for(self):
        self.farlane("project", "create", "--limit", "net=8M/s", "thin")
        process, session = self.start_thin("--net-limit", "2M/s")
        self.assertEqual(int(session["netLimitBytes"]), 2 * MIB)
        self.end_bulk(process)

    def test_a_command_begins_by_its_deadline_or_not_at_all(self):
        holder = self.create(slice={"share": 1})[1]["session"]["id"]
        start = time.monotonic()
        done = self.farlane("run", "--share", "1", "--deadline", "2s", "--", "/bin/true", code=124)
        self.assertLess(time.monotonic() - start, 20 * SLOWNESS)
        self.assertIn("within 2 s", done)
        late = self.start_run("posted-launches", "--share", "1")
        self.assertLess(seconds_until(lambda: len(self.sessions(phase="PENDING")) == 1, 10), 10)
        soon = self.start_run("posted-launches", "--share", "1", "--deadline", "2m")
        self.assertLess(seconds_until(lambda: len(self.sessions(phase="PENDING")) == 2, 10), 10)
        first = self.get("/v1/queue")["entries"][0]
        self.assertEqual(first["session"]["spec"]["startWithinS"], 120)
        self.assertIn("it has to begin within", self.farlane("queue", "explain", first["session"]["id"]))
        self.ask("DELETE", f"/v1/sessions/{holder}")
        for process in (soon, late):
            out, errors = process.communicate(timeout=60 * SLOWNESS)
            self.assertEqual(process.returncode, 0, out + errors)
        self.farlane("run", "--deadline", "soon", "--", "/bin/true", code=125)

    def test_a_server_says_how_it_is_connected(self):
        inventory = json.loads(self.farlane("server", "get", "one", "-o", "json"))["inventory"]
        here = {port["name"] for port in inventory.get("networkPorts", [])}
        self.assertLessEqual(here, set(os.listdir("/sys/class/net")) - {"lo"})
        self.assertEqual(inventory["transports"], ["tcp"])
        metrics = {one["name"]: one.get("value", 0) for one in inventory["capability"]["metrics"]}
        self.assertEqual((inventory["capability"]["schema"], metrics["devices"]), (1, len(inventory["devices"])))
        self.assertGreater(metrics["composite"], 0)
        self.assertRegex(self.farlane("server", "list", "-o", "wide"), r"CAPABILITY +NETWORK +RDMA")

    def test_whoever_waits_comes_in_turn(self):
        holder = self.create(slice={"share": 1})[1]["session"]["id"]
        waits = self.start_run("posted-launches", "--share", "1")
        self.assertLess(seconds_until(lambda: self.sessions(phase="PENDING"), 10), 10)
        listed = self.farlane("queue", "list")
        self.assertRegex(listed, r"1 +[0-9a-f]{8} +default +standard +1 +1 ")
        [pending] = self.sessions(phase="PENDING")
        explained = self.farlane("queue", "explain", pending["id"][:8])
        self.assertIn("place 1 of 1", explained)
        self.assertIn("one", explained)
        self.farlane("queue", "explain", "ffffffff", code=3)
        self.assertEqual(self.get("/v1/status")["sessionsPending"], 1)
        self.ask("DELETE", f"/v1/sessions/{holder}")
        out, errors = waits.communicate(timeout=30 * SLOWNESS)
        self.assertEqual(waits.returncode, 0, out + errors)
        self.assertIn("place 1 of 1 in the queue", errors)
        self.assertEqual(self.sessions(phase="PENDING"), [])

    def test_a_place_in_the_queue_outlives_the_manager(self):
        holder = self.start_run("commanded", "--share", "1")
        self.assertEqual(holder.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        keys = [secrets.token_hex(32) for _ in range(2)]
        ids = []
        for key in keys:
            status, said = self.ask_for(key, slice={"share": 1})
            self.assertEqual((status, said["session"]["phase"]), (202, "PENDING"), said)
            ids.append(said["session"]["id"])
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(1)
        status, said = self.ask_for(keys[1], slice={"share": 1})
        self.assertEqual((status, said["session"]["id"], said["place"]["position"]), (202, ids[1], 2), said)
        holder.communicate("", timeout=20 * SLOWNESS)
        status, said = self.ask_for(keys[1], slice={"share": 1})
        self.assertEqual(status, 202, "it is the other's turn")
        status, said = self.ask_for(keys[0], slice={"share": 1})
        self.assertEqual((status, said["session"]["id"]), (201, ids[0]), said)
        self.assertTrue(said["token"])

    def test_whoever_is_not_served_in_time_is_told(self):
        self.create(slice={"share": 1})
        start = time.monotonic()
        done = self.farlane("run", "--share", "1", "--", "/bin/true", code=124, FARLANE_QUEUE_TIMEOUT="1")
        self.assertGreater(time.monotonic() - start, 1)
        self.assertIn("no place in the pool within 1 s", done)
        self.assertEqual(self.sessions(phase="PENDING"), [])

    def test_whoever_waits_can_be_sent_away(self):
        self.create(slice={"share": 1})
        status, said = self.ask_for(secrets.token_hex(32), slice={"share": 1})
        self.assertEqual(status, 202, said)
        self.farlane("queue", "cancel", said["session"]["id"])
        self.assertEqual(self.get("/v1/queue")["entries"], [])

    def test_a_session_ends_with_its_time(self):
        process = self.start_run("commanded", "--share", "0.25", "--time", "2s")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="EXPIRED"), 15), 15)
        [session] = self.sessions(phase="EXPIRED")
        self.assertEqual(session["reason"], "its time of 2 s is over")


if __name__ == "__main__":
    unittest.main()
