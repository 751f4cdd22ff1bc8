#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pool in which one thing after the other dies, is cut off, runs full or is set wrong, under clients that check every
number: no session fails whose server lives, and nothing is granted twice.

    pool_faults_test.py --campaign RESULT.json [--seed N] [--parts N]      a part: each fault once or twice, 200 clients"""

import os
import random
import shutil
import signal
import time
import unittest

from campaign import Campaign
from pool_world import World
from real_server import SANITIZER, SLOWNESS

CAMPAIGN = None
TAKEOVER_SECONDS = 6


class Faults:
    """Each does its harm, waits, mends it, and says what it has measured."""

    def __init__(self, world, choose):
        self.world, self.choose = world, choose

    def wait(self, least, most):
        time.sleep(self.choose.uniform(least, most))

    def leader_killed(self):
        leader = self.world.leader()
        leader.kill()
        if len(self.world.managers) == 1:
            leader.start()
            took = self.world.until(self.world.leader, 60)
        else:
            took = self.world.until(self.world.leader, 60)
            leader.start()
        return {"takeover_seconds": round(took, 3)}

    def etcd_member_killed(self):
        member = self.choose.choice(self.world.etcd)
        member.kill()
        self.wait(2, 6)
        member.start()
        return {}

    def etcd_partitioned(self):
        """One can be reached by nobody, or two, and then there is no majority."""
        count = self.choose.choice((1, 2))
        away = self.choose.sample(self.world.etcd, count)
        for member in away:
            os.kill(member.process.pid, signal.SIGSTOP)
        self.wait(3, 10)
        for member in away:
            os.kill(member.process.pid, signal.SIGCONT)
        return {"members": count}

    def disk_full(self):
        number = self.world.managers.index(self.world.leader())
        self.world.manager_faults[number].set(disk_is_full=True)
        self.wait(1, 3)
        refused = self.world.create(self.world.managers[number])
        self.wait(1, 5)
        self.world.manager_faults[number].set()
        return {"refused_with": refused}

    def server_killed(self):
        server = self.choose.choice(self.world.servers)
        server.died.append(time.monotonic())
        server.kill(tree=True)
        server.died.append(time.monotonic())
        self.wait(1, 15)
        server.start()
        return {}

    def daemon_killed(self):
        """Its workers go on, and the next daemon takes them over."""
        server = self.choose.choice(self.world.servers)
        server.kill()
        self.wait(0.1, 2)
        server.start()
        return {}

    def server_partitioned(self):
        seconds = self.choose.choice((4, 15, 75))
        for way in self.world.ways[self.choose.randrange(len(self.world.servers))]:
            way.whole.clear()
        time.sleep(seconds)
        for ways in self.world.ways:
            for way in ways:
                way.whole.set()
        return {"seconds": seconds}

    def clock_jumps(self):
        faults = self.choose.choice(self.world.manager_faults + self.world.server_faults)
        for _ in range(2):
            faults.set(clock_seconds=self.choose.choice((-7200, -90, 90, 7200)))
            self.wait(2, 5)
        faults.set()
        return {}


OF_ETCD = ("leader_killed", "etcd_member_killed", "etcd_partitioned", "server_killed", "daemon_killed",
           "server_partitioned", "clock_jumps")
OF_SQLITE = ("leader_killed", "disk_full", "server_killed", "daemon_killed", "clock_jumps")


class PoolFaults(unittest.TestCase):
    def play(self, etcd, clients, kinds, seed):
        """All these faults, one after the other, in some order."""
        choose = random.Random(seed)
        world = World(etcd, servers=3, clients=clients, seed=seed)
        self.addCleanup(world.close)
        kinds = list(kinds)
        choose.shuffle(kinds)
        world.begin()
        time.sleep(3)
        facts = []
        for kind in kinds:
            measured = getattr(Faults(world, choose), kind)()
            well = world.until(world.is_well, 90)
            facts.append({"fault": kind, "well_after_seconds": round(well, 3), **measured})
            time.sleep(2)
        world.end()
        runs = {}
        bad = []
        for run in world.runs:
            kind = run.kind()
            if kind == "failed" and world.is_excused(run):
                kind = "lost with its server"
            if kind in ("failed", "wrong"):
                bad.append(f"{kind} after {run.ended - run.began:.1f} s, code {run.code}: {run.out[-200:]}"
                           f"{run.errors[-600:]}")
            runs[kind] = runs.get(kind, 0) + 1
        result = {"seed": seed, "store": "etcd" if etcd else "sqlite", "faults": facts, "runs": runs,
                  "granted_twice": world.double, "looks": world.answered[0], "looks_answered": world.answered[1]}
        return result, bad, world

    def judge(self, result, bad):
        self.assertEqual(bad, [], result)
        self.assertEqual(result["granted_twice"], [], result)
        self.assertGreater(result["runs"].get("right", 0), 0, result)
        for fact in result["faults"]:
            self.assertGreater(fact["well_after_seconds"], 0, f"it was not well again after {fact}")

    @unittest.skipUnless(shutil.which("etcd"), "etcd is not installed")
    @unittest.skipIf(SANITIZER, "the loader's order of libraries is the sanitizer's")
    def test_nobody_fails_when_the_leader_dies_and_a_server_cannot_be_reached(self):
        result, bad, _ = self.play(True, 9, ("leader_killed", "clock_jumps", "daemon_killed"), self.seed())
        self.judge(result, bad)
        print(result)

    @unittest.skipIf(SANITIZER, "the loader's order of libraries is the sanitizer's")
    def test_nobody_fails_when_the_disk_is_full(self):
        result, bad, _ = self.play(False, 9, ("disk_full", "leader_killed"), self.seed())
        self.judge(result, bad)
        [full] = [fact for fact in result["faults"] if fact["fault"] == "disk_full"]
        self.assertIn(full["refused_with"], ("AuditFailed", "StoreFailed", "NoServer"),
                      "what cannot be stored is not granted")
        print(result)

    @staticmethod
    def seed():
        return int(os.environ.get("FARLANE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)


class Faulty(PoolFaults):
    """The campaign's parts."""

    def test_campaign(self):
        if CAMPAIGN is None:
            self.skipTest("only as a campaign")
        clients = int(os.environ.get("FARLANE_CLIENTS", "200"))
        for part in CAMPAIGN.left():
            etcd = part % 4 != 3
            result, bad, world = self.play(etcd, clients, OF_ETCD if etcd else OF_SQLITE * 2, CAMPAIGN.seed + part)
            result["bad"] = bad
            CAMPAIGN.done(part, result)
            world.close()
        for result in CAMPAIGN.results():
            self.judge(result, result["bad"])


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(20)
    if CAMPAIGN is not None:
        unittest.main(defaultTest="Faulty.test_campaign")
    unittest.main(defaultTest="PoolFaults")
