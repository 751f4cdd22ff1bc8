#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A pool in which one thing after the other dies, is cut off, runs full or is set wrong, under clients that check every
number: no session fails whose server lives, and nothing is granted twice.

    pool_faults_test.py --campaign RESULT.json [--seed N] [--parts N]      a part: each fault a few times, 200 sessions"""

import os
import pathlib
import random
import resource
import shutil
import signal
import statistics
import subprocess
import time
import unittest

from campaign import Campaign
from pool_world import Run, World
from real_server import CASE, EMULATOR, FARLANE, SANITIZER, SLOWNESS, client_environment, die_with_parent

CAMPAIGN = None
SESSION = str(pathlib.Path(FARLANE).parents[1] / "libexec/farlane/farlane-session")
# Within so long another leads, where there are several managers.
TAKEOVER_SECONDS = 6
TAKEOVERS = ("leader_killed", "leader_cut_off")


class Faults:
    """Each does its harm, waits, mends it, and says what it has measured."""

    def __init__(self, world, choose):
        self.world, self.choose = world, choose

    def wait(self, least, most):
        time.sleep(self.choose.uniform(least, most))

    def leader_killed(self):
        leader = self.world.await_leader()
        leader.kill()
        if len(self.world.managers) == 1:
            began = time.monotonic()
            leader.start()
            self.world.until(self.world.leader, 60)
            return {"restart_seconds": round(time.monotonic() - began, 3)}
        took = self.world.until(self.world.leader, 60)
        leader.start()
        return {"takeover_seconds": round(took, 3)}

    def leader_cut_off(self):
        """The leader does not reach the store any more; everybody reaches it."""
        leader = self.world.await_leader()
        for way in leader.ways:
            way.whole.clear()
        took = self.world.until(lambda: self.world.leader() not in (None, leader), 60)
        self.wait(1, 5)
        for way in leader.ways:
            way.whole.set()
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
        self.wait(3, 8)
        for member in away:
            os.kill(member.process.pid, signal.SIGCONT)
        return {"members": count}

    def disk_full(self):
        leader = self.world.await_leader()
        faults = self.world.manager_faults[self.world.managers.index(leader)]
        faults.set(disk_is_full=True)
        self.wait(1, 3)
        refused = self.world.create(leader)
        self.wait(1, 5)
        faults.set()
        return {"refused_with": refused}

    def server_killed(self):
        server = self.choose.choice(self.world.servers)
        server.died.append(time.monotonic())
        server.kill(tree=True)
        server.died.append(time.monotonic())
        self.wait(1, 10)
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
        """It and the managers do not hear each other: shortly, until it is unreachable, or until it is given up."""
        seconds = self.choose.choice((4, 4, 8, 15, 15, 75))
        for way in self.world.ways[self.choose.randrange(len(self.world.servers))]:
            way.whole.clear()
        time.sleep(seconds)
        for ways in self.world.ways:
            for way in ways:
                way.whole.set()
        return {"seconds": seconds}

    def clock_jumps(self):
        """Of a manager's machine, or a server's; or the leader's, and another takes over meanwhile."""
        faults = self.choose.choice(self.world.manager_faults + self.world.server_faults)
        for _ in range(2):
            faults.set(clock_seconds=self.choose.choice((-7200, -90, 90, 7200)))
            self.wait(2, 5)
        faults.set()
        return {}

    def leader_with_wrong_clock(self):
        """Whoever leads next began with a clock that was hours off, and then it is set right."""
        jump = self.choose.choice((-7200, 7200))
        for faults in self.world.manager_faults:
            faults.set(clock_seconds=jump)
        took = self.leader_killed()
        self.wait(2, 5)
        for faults in self.world.manager_faults:
            faults.set()
        return took | {"clock_seconds": jump}


OF_ETCD = ("leader_killed", "leader_cut_off", "etcd_member_killed", "etcd_partitioned", "server_killed", "daemon_killed",
           "server_partitioned", "clock_jumps", "leader_with_wrong_clock")
OF_SQLITE = ("disk_full", "disk_full", "disk_full", "leader_killed", "clock_jumps")
PARTS = 14


def kinds_of(part):
    """A part's store, and its faults; all parts together have each fault twenty times and more."""
    return (False, OF_SQLITE) if part % 2 else (True, OF_ETCD * 3)


class PoolFaults(unittest.TestCase):
    def play(self, etcd, clients, kinds, seed, pause_ms=100):
        """All these faults, one after the other, in some order."""
        choose = random.Random(seed)
        world = World(etcd, servers=3, clients=clients, seed=seed, pause_ms=pause_ms)
        self.addCleanup(world.close)
        kinds = list(kinds)
        choose.shuffle(kinds)
        world.begin()
        time.sleep(3)
        world.until(lambda: world.live >= 0.97 * world.at_a_time, 20 + 2 * clients)
        facts = []
        for kind in kinds:
            fact = {"fault": kind, "sessions": world.live, "load": round(os.getloadavg()[0], 1)}
            began = time.monotonic()
            fact["at_seconds"] = round(began - world.began, 1)
            fact |= getattr(Faults(world, choose), kind)()
            fact["well_after_seconds"] = round(world.until(world.is_well, 90), 3)
            time.sleep(1.5)
            facts.append(fact | world.between(began, time.monotonic()))
        world.end()
        result, bad = self.count_up(world)
        result |= {"seed": seed, "store": "etcd" if etcd else "sqlite", "faults": facts, "clients": clients,
                   "at_a_time": world.at_a_time, "whole": world.between(world.began, time.monotonic())}
        return result, bad, world

    @staticmethod
    def count_up(world):
        """How all clients have ended; and those that should not have."""
        runs, bad, hashes = {}, [], {}
        for run in world.runs:
            kind = run.kind()
            right = run.right()
            if kind == "right" and hashes.setdefault(right[1], right[0]) != right[0]:
                kind = "wrong"
            if kind == "failed" and world.is_excused(run):
                kind = "lost with its server"
            if kind in ("failed", "wrong"):
                bad.append(f"{kind} after {run.ended - run.began:.1f} s, code {run.code}: {run.out[-300:]}"
                           f"{run.errors[-900:]}")
            runs[kind] = runs.get(kind, 0) + 1
        rights = [run for run in world.runs if run.kind() == "right"]
        slowest = [run.right()[2] for run in rights]
        return {"runs": runs, "granted_twice": world.twice(),
                "steps": sum(run.right()[1] for run in rights),
                "slowest_step_seconds": {"p50": round(statistics.median(slowest), 3), "max": max(slowest)} if slowest else {},
                "checked_seconds": round(sum(run.ended - run.ready for run in rights))}, bad

    def judge(self, result, bad):
        self.assertEqual(bad, [], result)
        self.assertEqual(result["granted_twice"], [], result)
        self.assertGreater(result["runs"].get("right", 0), 0, result)
        for fact in result["faults"]:
            self.assertGreater(fact["well_after_seconds"], 0, f"it was not well again after {fact}")

    @unittest.skipUnless(shutil.which("etcd"), "etcd is not installed")
    @unittest.skipIf(SANITIZER, "the loader's order of libraries is the sanitizer's")
    def test_nobody_fails_when_leaders_die_or_are_cut_off(self):
        result, bad, _ = self.play(True, 9, ("leader_killed", "leader_cut_off", "clock_jumps", "daemon_killed"), self.seed())
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

    def test_who_was_sent_to_a_server_that_is_started_again_waits_for_it(self):
        world = World(False, servers=1, clients=1, seed=1)
        self.addCleanup(world.close)
        opened = subprocess.run([SESSION, "open"], capture_output=True, text=True, check=True,
                                env=client_environment(None, FARLANE_POOL=world.people))
        settings = dict(line.split("=", 1) for line in opened.stdout.splitlines())
        [server] = world.servers
        server.kill()
        client = subprocess.Popen([*EMULATOR, CASE, "checksummed"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, preexec_fn=die_with_parent, env=client_environment(None, **settings))
        self.addCleanup(client.communicate)
        self.addCleanup(client.kill)
        time.sleep(1)
        self.assertIsNone(client.poll())
        server.start()
        out, errors = client.communicate(timeout=60 * SLOWNESS)
        self.assertEqual(client.returncode, 0, out + errors)
        self.assertRegex(out, Run.HASH)

    @staticmethod
    def seed():
        return int(os.environ.get("FARLANE_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)


def part_of(whole, part):
    return round(whole / part, 5) if part else None


def summary(results):
    """Of all parts, what each fault has done."""
    faults = {}
    for result in results:
        for fact in result["faults"]:
            faults.setdefault(fact["fault"], []).append(fact)
    told = {}
    for kind, facts in sorted(faults.items()):
        one = told[kind] = {"times": len(facts),
                            "answered": part_of(sum(fact["looks_answered"] for fact in facts),
                                                sum(fact["looks"] for fact in facts)),
                            "granted": part_of(sum(fact["granted"] for fact in facts),
                                               sum(fact["asked"] for fact in facts)),
                            "well_after_seconds_max": max(fact["well_after_seconds"] for fact in facts)}
        for figure in ("takeover_seconds", "restart_seconds"):
            took = [fact[figure] for fact in facts if figure in fact]
            if took:
                one[figure] = {"p50": round(statistics.median(took), 3), "max": max(took)}
    runs = {}
    for result in results:
        for kind, count in result["runs"].items():
            runs[kind] = runs.get(kind, 0) + count
    whole = [result["whole"] for result in results]
    return {"faults": told, "runs": runs, "wrong_hashes": runs.get("wrong", 0), "wrong_exit_codes": runs.get("failed", 0),
            "granted_twice": sum(len(result["granted_twice"]) for result in results),
            "steps_checked": sum(result["steps"] for result in results),
            "session_hours_checked": round(sum(result["checked_seconds"] for result in results) / 3600, 2),
            "answered": part_of(sum(one["looks_answered"] for one in whole), sum(one["looks"] for one in whole)),
            "granted": part_of(sum(one["granted"] for one in whole), sum(one["asked"] for one in whole))}


class Faulty(PoolFaults):
    """The campaign's parts."""

    def test_campaign(self):
        if CAMPAIGN is None:
            self.skipTest("only as a campaign")
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        clients = int(os.environ.get("FARLANE_CLIENTS", "240"))
        CAMPAIGN.note(clients=clients, processors=os.cpu_count(), pause_ms=1000)
        for part in CAMPAIGN.left():
            etcd, kinds = kinds_of(part)
            result, bad, world = self.play(etcd, clients, kinds, CAMPAIGN.seed + part, pause_ms=1000)
            result["bad"] = bad
            CAMPAIGN.done(part, result)
            CAMPAIGN.note(summary=summary(CAMPAIGN.results()))
            world.close()
        for result in CAMPAIGN.results():
            self.judge(result, result["bad"])
        for kind, told in CAMPAIGN.state["summary"]["faults"].items():
            if kind in TAKEOVERS and "takeover_seconds" in told:
                self.assertLessEqual(told["takeover_seconds"]["max"], TAKEOVER_SECONDS, told)


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(PARTS)
    if CAMPAIGN is not None:
        unittest.main(defaultTest="Faulty.test_campaign")
    unittest.main(defaultTest="PoolFaults")
