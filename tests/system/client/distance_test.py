#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Servers that are not equally far: sessions go where their program runs fastest, as the pool finds out by itself.

The ways are proxies that hold data back, so what is measured is measured by words and answers, not by the system."""

import json
import os
import re
import subprocess
import unittest

from pool_test import PoolTest
from pool_world import POOLD
from real_server import CASE, EMULATOR, FARLANE, SLOWNESS, client_environment, seconds_until
from shaped_link import ShapedLink

MIB = 1 << 20
# A kernel of some milliseconds, long enough to be seen by who looks twenty times a second.
CHATTY = {"STEPS_COUNT": "60", "STEPS_BYTES": "0", "BUSY_STEPS": "2000000"}
BULKY = {"STEPS_COUNT": "20", "STEPS_BYTES": str(MIB), "BUSY_STEPS": "32000000"}


class Distance(PoolTest):
    LINKS = {}  # by server: how long the round trip is, in milliseconds, and how much passes in a second
    PROBE = "1"

    def setUp(self):
        self.links = {name: ShapedLink(*shape) for name, shape in self.LINKS.items()}
        for link in self.links.values():
            self.addCleanup(link.close)
        self.SERVERS = tuple(self.LINKS)
        super().setUp()

    def serve(self, name, *options):
        link = self.links[name]
        zone = "there" if name == "near" else "here"  # what is measured counts, and not what servers say
        server = super().serve(name, "--advertise", link.address, "--label", f"site={name}", "--label", f"zone={zone}",
                               *options)
        link.target = server.address
        return server

    def environment(self, **more):
        return super().environment(FARLANE_TRANSPORT="tcp", FARLANE_PROBE=self.PROBE, FARLANE_PLACE="zone=here", **more)

    def run_steps(self, program, **settings):
        """Where a session of the program went, and how many milliseconds it took."""
        done = self.run_farlane("run", "--", *EMULATOR, CASE, "steps", FARLANE_PROFILE=program, **settings)
        # On a busy machine a way may seem too long for a moment: who waits measures again.
        said = [line for line in done.stderr.splitlines() if line.startswith("farlane: ") and "waiting for room" not in line]
        self.assertEqual((done.returncode, said), (0, []), done.stdout + done.stderr)
        [session] = self.sessions()[-1:]
        self.assertEqual(session["spec"]["profile"], program)
        return session["server"], int(re.search(r"took (\d+)", done.stdout)[1])

    def come_home(self, program, home, **settings):
        """Sessions, until the pool knows the program: how busy one that is alone keeps a device is only looked at now and
        then, and of a short one nothing may be seen."""
        where = [self.run_steps(program, **settings)[0]]
        while len(where) < 8 and (len(where) == 1 or where[-1] != home):
            where.append(self.run_steps(program, **settings)[0])
        self.assertEqual(where[-1], home, f"{where} {self.manager.said()}")

    def time_at(self, name, **settings):
        """How long the same takes at one server, whatever the pool thinks."""
        status, said, key = self.create(selector={"site": name}, host=os.uname().nodename)
        self.assertEqual(status, 201, said)
        self.assertEqual(said["session"]["server"], name)
        session = said["session"]["id"]
        done = subprocess.run([*EMULATOR, CASE, "steps"], capture_output=True, text=True, check=False,
                              timeout=60 * SLOWNESS,
                              env=client_environment(self.links[name].address, FARLANE_TOKEN=said["token"],
                                                     FARLANE_SESSION=f"{session}.{key}", FARLANE_TRANSPORT="tcp",
                                                     **settings))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.ask("DELETE", f"/v1/sessions/{session}")
        return int(re.search(r"took (\d+)", done.stdout)[1])


class ThreeServers(Distance):
    LINKS = {"near": (1, 4 * MIB), "wide": (24, 0), "neither": (40, 3 * MIB)}

    def test_each_program_comes_to_where_it_runs_fastest(self):
        for program, settings, home in (("chatty", CHATTY, "near"), ("bulky", BULKY, "wide")):
            self.come_home(program, home, **settings)
            self.assertEqual(self.run_steps(program, **settings)[0], home, self.manager.said())
            times = {name: self.time_at(name, **settings) for name in self.LINKS}
            self.assertEqual(min(times, key=times.get), home, times)

    def test_a_program_that_nobody_knows_comes_to_the_nearest(self):
        where = [self.run_steps(f"new-{number}", STEPS_COUNT="1", BUSY_STEPS="1000")[0] for number in range(6)]
        self.assertEqual(where, ["near"] * 6)

    def test_what_was_learned_survives_the_manager(self):
        self.come_home("bulky", "wide", **BULKY)
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(3)
        self.assertEqual(self.run_steps("bulky", **BULKY)[0], "wide")

    def test_a_server_that_is_too_far_or_too_narrow_is_left_out(self):
        self.assertEqual(self.run_steps("bulky", FARLANE_MAX_RTT="15ms", **BULKY)[0], "near")
        self.assertEqual(self.run_steps("chatty", FARLANE_MIN_BANDWIDTH="16M/s", **CHATTY)[0], "wide")
        refused = self.run_farlane("run", "--", "true", FARLANE_MAX_RTT="100us", FARLANE_QUEUE_TIMEOUT="0")
        self.assertEqual(refused.returncode, 124)
        self.assertIn("near: further away than the request allows", refused.stderr)

    def test_one_that_cannot_be_reached_from_here_is_not_chosen(self):
        self.links["near"].close()
        self.assertNotEqual(self.run_steps("chatty", **CHATTY)[0], "near")

    def test_netcheck_shows_the_distances(self):
        done = self.run_farlane("netcheck", "-o", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = {one["server"]: one for one in json.loads(done.stdout)["servers"]}
        for name, (rtt_ms, rate) in self.LINKS.items():
            self.assertGreaterEqual(found[name]["rtt_ms"], rtt_ms)
            self.assertLess(found[name]["rtt_ms"], 1.5 * rtt_ms + 10 * SLOWNESS)
            if rate:
                self.assertLess(found[name]["bytes_per_s"], 1.5 * rate)
                self.assertGreater(found[name]["bytes_per_s"], rate / 3)
        self.assertGreater(found["wide"]["bytes_per_s"], 16 * MIB / SLOWNESS)
        text = self.run_farlane("netcheck", self.links["near"].address, "127.0.0.1:1")
        self.assertEqual(text.returncode, 1)
        self.assertRegex(text.stdout, r"(?m)^tcp://127\.0\.0\.1:\d+ .* ms .* MiB/s$")

    def place(self, *words):
        done = self.run_farlane("place", "--dry-run", "-o", "json", *words)
        self.assertIn(done.returncode, (0, 8), done.stderr)
        return json.loads(done.stdout)

    def test_rules_can_be_tried_before_they_count(self):
        self.assertEqual(self.place("--filter", "label('site') == 'neither'")["server"], "neither")
        self.assertEqual(self.place("--score", "label('site') == 'wide' ? 0 : 1")["server"], "wide")
        self.assertFalse(self.place("--filter", "gpu.memory < 0")["placed"])
        self.assertTrue(self.place("--policy", "latency")["placed"])
        self.assertEqual(len(self.place()["candidates"]), 3)
        for words in (("--filter", "gpu.colour == 'red'"), ("--policy", "best"), ("--near", "web@moon"),
                      ("--max-rtt", "soon")):
            done = self.run_farlane("place", "--dry-run", *words)
            self.assertNotEqual(done.returncode, 0)
            self.assertTrue(done.stderr.startswith("farlane: "), done.stderr)

    def test_a_pool_places_by_the_rules_that_it_was_given(self):
        for words in (("--policy", "best"), ("--filter", "gpu.colour == 'red'"), ("--placement-plugin", "night.so")):
            done = subprocess.run([POOLD, "--state-dir", self.folder + "/other", *words], capture_output=True, text=True,
                                  check=False, timeout=20 * SLOWNESS)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(words[1].split()[0], done.stderr)
        self.manager.stop_process()
        self.manager = self.manage("--filter", "label('site') != 'near'", "--policy", "latency",
                                   listen=self.manager.address, servers=self.manager.servers)
        self.await_servers(3)
        self.assertNotEqual(self.run_steps("chatty", **CHATTY)[0], "near")
        self.assertEqual(self.place("--filter", "label('site') == 'near'")["server"], "near")

    def test_sessions_are_near_a_group_or_away_from_it(self):
        status, said, _ = self.create(selector={"site": "wide"}, group="web")
        self.assertEqual((status, said["session"]["server"]), (201, "wide"), said)
        self.assertEqual(self.place("--near", "web!")["server"], "wide")
        self.assertNotEqual(self.place("--away", "web!")["server"], "wide")
        self.assertEqual(self.place("--away", "web@zone!")["server"], "near")
        done = self.run_farlane("run", "--near", "web!", "--", "true")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.sessions()[-1]["server"], "wide")

    def test_servers_report_what_sessions_do(self):
        process = self.start_run("rounds")
        self.assertEqual(process.stdout.readline(), "ready\n")

        def load():
            [session] = self.sessions(phase="ACTIVE") or [{"load": {"trips": "0", "rttUs": 0}}]
            return session.get("load") or {"trips": "0", "rttUs": 0}
        self.assertLess(seconds_until(lambda: int(load()["trips"]) > 100, 30), 30)
        self.assertGreater(load()["rttUs"], 1000)
        self.assertLess(load()["rttUs"], 20_000 * SLOWNESS)
        process.communicate("", timeout=20 * SLOWNESS)


class WithoutProbes(Distance):
    """What the measuring is worth: who may not measure goes by the names of zones, which are wrong here."""

    LINKS = ThreeServers.LINKS
    PROBE = "0"

    def test_a_program_that_nobody_knows_comes_anywhere_else(self):
        self.assertNotEqual(self.run_steps("new", STEPS_COUNT="1", BUSY_STEPS="1000")[0], "near")


class TwoServers(Distance):
    LINKS = {"one": (10, 0), "two": (10, 0)}

    def test_a_home_is_left_for_a_reason_only(self):
        home = self.run_steps("chatty", **CHATTY)[0]
        other = "two" if home == "one" else "one"
        # A little nearer is no reason. That it is, the pool hears from a session there.
        self.links[other].rtt_ms = 9
        self.time_at(other, **CHATTY)
        self.assertEqual({self.run_steps("chatty", **CHATTY)[0] for _ in range(3)}, {home})
        self.links[home].rtt_ms = 60
        moved = [self.run_steps("chatty", **CHATTY)[0] for _ in range(6)]
        self.assertIn(other, moved)
        self.assertEqual(moved[-1], other, "and does not come back")


if __name__ == "__main__":
    unittest.main()
