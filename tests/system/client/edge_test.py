#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""GPU servers whose way to the pool's manager is long: they report seldom, are believed to live, and say at once what is
urgent."""

import time
import unittest

from pool_test import PoolTest
from real_server import SLOWNESS, Server, seconds_until
from shaped_link import ShapedLink


class CountedLink(ShapedLink):
    """Counts what passes in each direction."""

    def __init__(self, rtt_ms):
        super().__init__(rtt_ms)
        self.counted = 0

    def passes(self, pipe, data):
        self.counted += len(data)
        return super().passes(pipe, data)


class Edge(PoolTest):
    SERVERS = ("close", "edge")
    RTT_MS = {"close": 1, "edge": 500}

    def serve(self, name, *options):
        link = CountedLink(self.RTT_MS[name])
        self.addCleanup(link.close)
        link.target = "tcp://" + self.manager.servers
        self.links = {**getattr(self, "links", {}), name: link}
        server = Server("--pool", link.address.removeprefix("tcp://"), "--name", name, "--label", f"site={name}", *options)
        self.addCleanup(server.stop)
        self.assertTrue(server.address, server.said())
        return server

    def server(self, name):
        return self.get(f"/v1/servers/{name}")

    def reports(self, name):
        return int(self.server(name)["load"].get("number", 0))

    def in_seconds(self, seconds):
        """So many reports, and bytes both ways, of each server; none is anything but READY meanwhile."""
        before = {name: (self.reports(name), self.links[name].counted) for name in self.SERVERS}
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for name in self.SERVERS:
                self.assertEqual(self.server(name)["state"], "READY", name)
            time.sleep(0.2)
        return {name: (self.reports(name) - before[name][0], self.links[name].counted - before[name][1])
                for name in self.SERVERS}

    def test_reports_are_as_rare_as_the_way_is_long(self):
        self.assertLess(seconds_until(lambda: self.reports("edge") >= 2, 30 * SLOWNESS), 30 * SLOWNESS)
        counted = self.in_seconds(30)
        print(f"in 30 s, reports and bytes: {counted}")
        self.assertGreaterEqual(counted["close"][0], 6)
        self.assertLessEqual(counted["close"][0], 16)
        self.assertGreaterEqual(counted["edge"][0], 1)
        self.assertLessEqual(counted["edge"][0], 4)

    def test_what_is_urgent_does_not_wait(self):
        self.assertLess(seconds_until(lambda: self.reports("edge") >= 2, 30 * SLOWNESS), 30 * SLOWNESS)
        status, said, key = self.create(selector={"site": "edge"})
        self.assertEqual(status, 201, said)
        session = said["session"]["id"]
        begun = self.start("commanded", self.servers["edge"].address, FARLANE_TOKEN=said["token"],
                           FARLANE_SESSION=f"{session}.{key}")
        self.assertEqual(begun.stdout.readline(), "ready\n")
        # A second until it is looked at, and half the way there and back.
        waited = seconds_until(lambda: self.sessions(id=session, phase="ACTIVE"), 5)
        self.assertLess(waited, 5 * SLOWNESS)
        begun.communicate("", timeout=20 * SLOWNESS)

    def test_one_that_is_cut_off_is_noticed_and_taken_back(self):
        self.assertLess(seconds_until(lambda: self.reports("edge") >= 2, 30 * SLOWNESS), 30 * SLOWNESS)
        self.links["edge"].whole.clear()
        self.assertLess(seconds_until(lambda: self.server("edge")["state"] != "READY", 40), 40)
        self.assertEqual(self.server("close")["state"], "READY")
        self.links["edge"].whole.set()
        self.assertLess(seconds_until(lambda: self.server("edge")["state"] == "READY", 40), 40)


class First(PoolTest):
    SERVERS = ()

    def test_a_servers_first_session_runs_soon_after_it_is_started(self):
        """From the start of farlane-gpud to the end of the first program that a waiting session runs there."""
        waits = self.start_run("posted-launches", "--await-servers", FARLANE_QUEUE_TIMEOUT="60")
        self.assertLess(seconds_until(lambda: self.sessions(phase="PENDING"), 20), 20)
        began = time.monotonic()
        server = PoolTest.serve(self, "first")
        out, errors = waits.communicate(timeout=60 * SLOWNESS)
        took = time.monotonic() - began
        self.assertEqual(waits.returncode, 0, out + errors + server.said())
        print(f"first session after {took:.2f} s")
        self.assertLess(took, 30 * SLOWNESS)


if __name__ == "__main__":
    unittest.main()
