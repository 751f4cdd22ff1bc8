#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The memory limit of a session: never a byte more, in whatever way it is taken, and never less.

    quota_test.py --campaign RESULT.json [--seed N] [--parts N]

What is taken is counted in the software GPU's own table of frames, not in the server's ledger."""

import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import unittest

from campaign import Campaign
from frames import Frames
from real_server import FARLANE, SLOWNESS, Client, Server, seconds_until
from sessions_test import OUT_OF_MEMORY, ticket

PROCESSES = 4
THREADS = 8
LIMIT_MIB = 96
MIB = 1 << 20
# How memory can be taken in whole mebibytes, two at a time, so that what each has is known to the byte.
WAYS = ("plain", "pitch", "managed", "pooled", "own-pool", "mapped", "array", "module", "graph")
STEPS = 60
OPERATIONS = 2000
CAMPAIGN = None


class Sampler:
    """Looks at the table all the time, for the most that was ever taken."""

    def __init__(self, frames):
        self.frames = frames
        self.most = 0
        self.looks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over.is_set():
            self.most = max(self.most, self.frames.used_bytes())
            self.looks += 1
            time.sleep(0.0005)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


# What the driver refuses: memory of each kind now and then, in each worker.
FAULTS = ",".join(f"{call}@{turn}=2" for call, turns in (
    ("cuMemCreate", (7, 19, 20, 41, 77)), ("cuArray3DCreate_v2", (3, 8)), ("cuMipmappedArrayCreate", (2, 5)),
    ("cuModuleLoadDataEx", (4, 9))) for turn in turns)


class Quota(Client):
    TRANSPORT = "shm"
    FAULTS = ""

    def setUp(self):
        self.seed = CAMPAIGN.seed if CAMPAIGN else int(os.environ.get("FARLANE_SEED", "0")) or random.SystemRandom(
        ).randrange(1, 1 << 30)
        self.start_server(self.FAULTS)

    def start_server(self, faults):
        # With 1 a call itself tells that it has failed, and no later one.
        self.synchronous = "1" if faults else "0"
        self.service = f"unix:@farlane-quota-{os.getpid()}"
        # A server that tests what fresh memory holds takes some for that, which is nobody's.
        self.server = Server("--mem", f"{LIMIT_MIB}Mi", "--warm", "2", "--control", self.service, "--zero-memory", "never",
                             FARLANE_SOFT_MEMORY="1Gi", FARLANE_SOFT_FAULTS=faults)
        self.addCleanup(lambda server=self.server: server.log.closed or server.stop())
        self.assertTrue(self.server.address, self.server.said())
        self.frames = Frames(self.server)
        self.addCleanup(self.frames.close)
        self.session = ticket()

    def claimant(self):
        process = self.start("claimant", self.server.address, FARLANE_SESSION=self.session,
                             FARLANE_SYNC=self.synchronous)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def say(self, process, line):
        process.stdin.write(line + "\n")
        process.stdin.flush()

    def tell(self, process, line):
        self.say(process, line)
        return process.stdout.readline().strip()

    def end(self, process):
        out, errors = process.communicate("", timeout=60 * SLOWNESS)
        # A module for which there is no memory has a line; nothing else has.
        others = [line for line in errors.splitlines() if not re.search(r"cannot load device code: .*\b2\)$", line)]
        self.assertEqual((process.returncode, others), (0, []), f"seed {self.seed}: {out}")

    def ledger_bytes(self):
        done = subprocess.run([FARLANE, "session", "list", "--json", "--control", self.service], capture_output=True,
                              text=True, check=True, timeout=20 * SLOWNESS)
        return sum(memory["taken_bytes"] for session in json.loads(done.stdout)["sessions"]
                   for memory in session["memory"])

    def assert_ledger_is_exact(self):
        """What the ledger says is what the driver has given out, once all is said."""
        def is_exact():
            return self.ledger_bytes() == self.frames.used_bytes()
        self.assertLess(seconds_until(is_exact, 10), 10,
                        f"seed {self.seed}: {self.ledger_bytes()} and {self.frames.used_bytes()}")

    def walk(self, steps, seed):
        """Each of four processes takes and lets go at random; what could be granted is known before."""
        choose = random.Random(seed)
        processes = [self.claimant() for _ in range(PROCESSES)]
        held = [[] for _ in processes]
        seen = {"granted": 0, "refused": 0, "refused_too_early": 0}
        too_early = []
        with Sampler(self.frames) as sampler:
            for step in range(steps):
                number = choose.randrange(PROCESSES)
                left = LIMIT_MIB - sum(mebibytes for claims in held for _, mebibytes in claims)
                if held[number] and (left == 0 or choose.random() < 0.4):
                    self.tell(processes[number], "drop")
                    held[number].pop()
                    continue
                way = choose.choice(WAYS)
                # Now and then exactly what is left, and a little more.
                wanted = choose.choice((2, 4, 10, 2 * choose.randrange(1, LIMIT_MIB // 4), max(2, left), left + 2))
                said = self.tell(processes[number], f"take {way} {wanted}")
                told = (f"seed {seed}, step {step}: {number} takes {way} {wanted} MiB of {left}, held {held}, "
                        f"by the driver {self.frames.used_bytes() / MIB}: {self.server.said()}")
                self.assertIn(said, ("0", str(OUT_OF_MEMORY)), told)
                if wanted > left:
                    self.assertEqual(said, str(OUT_OF_MEMORY), told)
                seen["granted" if said == "0" else "refused" if wanted > left else "refused_too_early"] += 1
                if said == "0":
                    held[number].append((way, wanted))
                elif wanted <= left:
                    too_early.append(told)
        self.assertLessEqual(sampler.most, LIMIT_MIB * MIB)
        self.assertEqual(too_early, [], f"seed {seed}: {seen}")
        for process in processes:
            self.end(process)
        self.assert_ledger_is_exact()
        return seen | {"most_bytes": sampler.most, "looks": sampler.looks}

    def storm(self, operations, seed, kills=0):
        """All of them at once, each with eight threads; some are killed in the midst of it, or their workers are."""
        choose = random.Random(seed)
        processes = [self.claimant() for _ in range(PROCESSES)]
        with Sampler(self.frames) as sampler:
            for number, process in enumerate(processes):
                self.say(process, f"storm {seed * 10 + number} {operations // PROCESSES} {THREADS}")
            for kill in range(kills):
                time.sleep(0.3 + choose.random() * 0.3)  # when no worker is just starting
                victim = processes.pop(0)
                if kill % 2 == 0:
                    victim.kill()
                else:
                    self.kill_worker_of(victim)
                victim.communicate("")
                processes.append(self.claimant())
                self.say(processes[-1], f"storm {seed * 10 + PROCESSES + kill} {operations // PROCESSES} {THREADS}")
            said = [process.stdout.readline().split() for process in processes]
        self.assertLessEqual(sampler.most, LIMIT_MIB * MIB, f"seed {seed}")
        sums = {word: sum(int(line[at + 1]) for line in said) for at, word in ((0, "taken"), (2, "refused"), (4, "wrong"))}
        self.assertEqual(sums["wrong"], 0, f"seed {seed}: {said}")
        self.assertGreater(sums["taken"], 0)
        self.assert_ledger_is_exact()
        for process in processes:
            self.end(process)
        self.assertLess(seconds_until(lambda: self.frames.used_bytes() == 0, 20), 20, "memory of nobody")
        self.assert_ledger_is_exact()
        return sums | {"most_bytes": sampler.most, "looks": sampler.looks}

    def kill_worker_of(self, process):
        done = subprocess.run([FARLANE, "session", "list", "--json", "--control", self.service], capture_output=True,
                              text=True, check=True, timeout=20 * SLOWNESS)
        for session in json.loads(done.stdout)["sessions"]:
            for client in session["clients"]:
                if client["process"] == process.pid:
                    os.kill(client["worker"], signal.SIGKILL)

    def test_what_is_left_is_granted_and_no_more(self):
        print(f"seed {self.seed}: {self.walk(STEPS, self.seed)}", flush=True)

    def test_what_is_let_go_of_is_there_for_the_next_at_once(self):
        one, other = self.claimant(), self.claimant()
        for way in WAYS * 3:
            self.assertEqual(self.tell(one, f"take {way} {LIMIT_MIB - 6}"), "0", way)
            self.tell(one, "drop")
            self.assertEqual(self.tell(other, f"take plain {LIMIT_MIB - 6}"), "0", way)
            self.tell(other, "drop")
        self.end(one)
        self.end(other)

    def test_no_storm_passes_the_limit(self):
        print(f"seed {self.seed}: {self.storm(OPERATIONS, self.seed)}", flush=True)

    def test_what_the_dead_had_is_counted_nowhere(self):
        print(f"seed {self.seed}: {self.storm(OPERATIONS // 2, self.seed, kills=4)}", flush=True)


class WithAFailingDriver(Quota):
    """The driver refuses memory now and then: out of memory, and nothing is counted."""

    test_what_is_left_is_granted_and_no_more = None
    test_what_is_let_go_of_is_there_for_the_next_at_once = None
    FAULTS = FAULTS


class WhereAWorkerDiesInACopy(Quota):
    """In the midst of it: half of the bytes have been moved."""

    test_what_is_left_is_granted_and_no_more = None
    test_what_is_let_go_of_is_there_for_the_next_at_once = None
    test_no_storm_passes_the_limit = None
    test_what_the_dead_had_is_counted_nowhere = None
    FAULTS = "cuMemcpyHtoDAsync_v2@20=die"

    def test_nothing_of_it_is_left(self):
        victim = self.start("victim", self.server.address, FARLANE_SESSION=self.session)
        self.assertEqual(victim.stdout.readline(), "ready\n")
        self.assertNotEqual(victim.wait(60 * SLOWNESS), 0)
        self.assertLess(seconds_until(lambda: self.frames.used_bytes() == 0, 20), 20, "memory of nobody")
        self.assert_ledger_is_exact()
        next_one = self.claimant()
        self.assertEqual(self.tell(next_one, f"take plain {LIMIT_MIB}"), "0")
        self.end(next_one)


class LongRun(Quota):
    test_what_is_left_is_granted_and_no_more = None
    test_what_is_let_go_of_is_there_for_the_next_at_once = None
    test_no_storm_passes_the_limit = None
    test_what_the_dead_had_is_counted_nowhere = None

    def test_campaign(self):
        CAMPAIGN.note(limit_mib=LIMIT_MIB, processes=PROCESSES, threads=THREADS)
        for part in CAMPAIGN.left():
            seed = CAMPAIGN.seed + part
            kind = ("walk", "storm", "kills")[part % 3]
            self.server.stop()
            self.start_server("" if kind == "walk" else FAULTS)
            result = (self.walk(500, seed) if kind == "walk" else
                      self.storm(5000, seed, kills=0 if kind == "storm" else 8))
            CAMPAIGN.done(part, {"kind": kind, "seed": seed} | result)


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=36)
    unittest.main(argv=[__file__, "LongRun"] if CAMPAIGN else None, defaultTest=None if CAMPAIGN else
                  ["Quota", "WithAFailingDriver", "WhereAWorkerDiesInACopy"])
