#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Device memory that goes from one tenant to the next, again and again, whatever the former one dies of: nobody finds a
byte of anybody else's. The device gives out first what was freed last.

    residue_test.py --campaign RESULT.json [--seed N] [--parts N]      of 250 hand-overs each"""

import os
import random
import re
import secrets
import signal
import threading
import time
import unittest

from campaign import Campaign
from real_server import SLOWNESS, Client, Server, seconds_until

# A device whose frames keep what was in them when they go to the next owner.
LEFTOVERS = {"FARLANE_SOFT_CANARY": "leftovers"}
HAND_OVERS = 200
CHAINS = 3  # at a time
# Roles that give back what they had while they are there.
GIVING_BACK = ("returns", "destroys")
OWNER, ANOTHER = (f"{secrets.token_hex(16)}.{secrets.token_hex(32)}" for _ in range(2))
CAMPAIGN = None


class Residue(Client):
    TRANSPORT = "shm"
    SOFT = {}
    OPTIONS = ()
    MEMORY = "256Mi"

    def setUp(self):
        self.seed = CAMPAIGN.seed if CAMPAIGN else int(os.environ.get("FARLANE_SEED", "0")) or random.SystemRandom(
        ).randrange(1, 1 << 30)
        self.server = Server("--warm", "4", *self.OPTIONS, FARLANE_SOFT_MEMORY=self.MEMORY, **self.SOFT)
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())
        self.handle = ""  # how somebody has named memory last
        self.sums = self.nothing()
        self.wrong = []
        self.lock = threading.Lock()

    @staticmethod
    def nothing():
        return {"looked_bytes": 0, "found_bytes": 0, "found_marks": 0, "hand_overs": 0, "ends": {}}

    def worker_of(self, process):
        """As the server has logged it."""
        said = self.server.said()
        found = re.findall(rf"worker (\d+): serves \S+ \(pid {process.pid} on", said)
        return int(found[-1]) if found else None

    def hand_over(self, number, choose):
        """One tenant: looks, leaves something, and ends somehow."""
        process = self.start("residue", self.server.address, RESIDUE_NUMBER=str(number), RESIDUE_HANDLE=self.handle)
        line = process.stdout.readline()
        seen = self.seen(line)
        if seen is None:
            self.wrong.append(line + "".join(process.communicate("")))
            return
        end = choose.choice(("says goodbye", "is killed", "is killed while it writes", "its worker is killed"))
        if end != "is killed while it writes":
            said = process.stdout.readline() + process.stdout.readline()
            if said != f"own text {number}\nleft\n":
                self.wrong.append(said)
        else:
            time.sleep(choose.random() * 0.01)
        if end == "its worker is killed" and (worker := self.worker_of(process)) is not None:
            os.kill(worker, signal.SIGKILL)
        elif end != "says goodbye":
            process.kill()
        process.communicate("", timeout=60 * SLOWNESS)
        self.note(seen, end)

    @staticmethod
    def seen(line):
        return re.match(r"looked (\d+) found (\d+) marks (\d+) opened (\d+) named (\S+)\n", line)

    def note(self, seen, end):
        with self.lock:
            for at, name in enumerate(("looked_bytes", "found_bytes", "found_marks"), start=1):
                self.sums[name] += int(seen[at])
            self.sums["hand_overs"] += 1
            self.sums["ends"][end] = self.sums["ends"].get(end, 0) + 1
            if seen[4] == "0":
                self.wrong.append(f"memory of another session was opened: {self.handle}")
            self.handle = seen[5]

    def chain(self, chain, seed, hand_overs):
        choose = random.Random(seed * CHAINS + chain)
        for number in range(hand_overs):
            self.hand_over(1 + number * CHAINS + chain, choose)

    def run_chains(self, seed, hand_overs):
        self.sums = self.nothing()
        threads = [threading.Thread(target=self.chain, args=(chain, seed, -(-hand_overs // CHAINS)))
                   for chain in range(CHAINS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.wrong, [], f"seed {seed}")
        self.assertGreaterEqual(self.sums["hand_overs"], hand_overs)
        return self.sums


class NobodyFindsAnything(Residue):
    def test_nobody_finds_anything(self):
        sums = self.run_chains(self.seed, HAND_OVERS)
        print(f"seed {self.seed}: {sums}", flush=True)
        self.assertEqual((sums["found_bytes"], sums["found_marks"]), (0, 0))
        self.assertGreater(sums["looked_bytes"], HAND_OVERS << 20)


class WhatIsNamedIsTheSessionsOwn(Residue):
    """The owner is there all the time, and shares it with whoever is of its session."""

    def opened(self, handle, session):
        process = self.start("residue", self.server.address, RESIDUE_ROLE="looks", RESIDUE_HANDLE=handle, FARLANE_SESSION=session)
        out, errors = process.communicate("", timeout=60 * SLOWNESS)
        self.assertTrue(self.seen(out), out + errors)
        return int(self.seen(out)[4])

    def test_only_its_session_opens_what_is_there(self):
        owner = self.start("residue", self.server.address, RESIDUE_NUMBER="1", FARLANE_SESSION=OWNER)
        line = owner.stdout.readline()
        self.assertTrue(self.seen(line), line)
        handle = self.seen(line)[5]
        found = {session: self.opened(handle, session) for session in (OWNER, ANOTHER)}
        owner.communicate("", timeout=60 * SLOWNESS)
        self.assertEqual(found[OWNER], 0)
        self.assertNotEqual(found[ANOTHER], 0)


class WhereFramesAreNotEmptied(Residue):
    """What the test is worth: the device does not empty what it hands on, and the server trusts it."""

    SOFT = LEFTOVERS
    OPTIONS = ("--zero-memory", "never")

    def test_it_is_found(self):
        self.assertGreater(self.run_chains(self.seed, 24)["found_bytes"], 64 << 10)


class WhereTheServerEmptiesThem(Residue):
    """A driver that hands memory on as it got it is found out when the server starts."""

    SOFT = LEFTOVERS
    MEMORY = "128Mi"  # all that a worker takes at its start has to be emptied first

    def test_nobody_finds_anything(self):
        self.assertEqual(self.run_chains(self.seed, 6)["found_bytes"], 0)


class WhoIsKeptApartLeavesNothing(Residue):
    """The device empties nothing, the server does not do so before others get it, and there is no more memory than two need:
    what nobody finds was emptied when it was given back, or at its owner's end."""

    SOFT = LEFTOVERS
    OPTIONS = ("--zero-memory", "never")
    MEMORY = "80Mi"

    def leave(self, role, isolation, number):
        process = self.start("residue", self.server.address, RESIDUE_NUMBER=str(number), RESIDUE_ROLE=role,
                             **({"FARLANE_ISOLATION": isolation} if isolation else {}))
        lines = [process.stdout.readline() for _ in range(3 if role in GIVING_BACK else 2)]
        self.assertEqual((bool(self.seen(lines[0])), lines[-1]), (True, "returned\n" if role in GIVING_BACK else "left\n"), lines)
        return process

    def look(self):
        process = self.start("residue", self.server.address, RESIDUE_ROLE="looks")
        out, errors = process.communicate("", timeout=60 * SLOWNESS)
        seen = self.seen(out)
        self.assertIsNotNone(seen, out + errors)
        return int(seen[2])

    def found_after(self, role, isolation, is_killed=False):
        process = self.leave(role, isolation, 1)
        worker = self.worker_of(process)
        if role in GIVING_BACK and isolation != "exclusive":
            found = self.look()
            process.communicate("", timeout=60 * SLOWNESS)
            return found
        if is_killed:
            process.kill()
        process.communicate("", timeout=60 * SLOWNESS)
        gone = seconds_until(lambda: not os.path.exists(f"/proc/{worker}"), 60)
        self.assertLess(gone, 60)
        return self.look()

    def test_of_what_it_gives_back(self):
        self.assertEqual(self.found_after("returns", "scrubbed"), 0)

    def test_of_what_goes_with_a_context(self):
        self.assertEqual(self.found_after("destroys", "scrubbed"), 0)

    def test_of_what_it_has_at_its_end(self):
        for isolation in ("scrubbed", "exclusive"):
            for is_killed in (False, True):
                with self.subTest(isolation=isolation, is_killed=is_killed):
                    self.assertEqual(self.found_after("leaves", isolation, is_killed), 0)

    def test_what_that_is_worth(self):
        self.assertGreater(self.found_after("leaves", None), 4 << 20)


class LongRun(Residue):
    def test_campaign(self):
        CAMPAIGN.note(chains=CHAINS)
        for part in CAMPAIGN.left():
            sums = self.run_chains(CAMPAIGN.seed + part, 250)
            self.assertEqual((sums["found_bytes"], sums["found_marks"]), (0, 0), f"seed {CAMPAIGN.seed + part}")
            CAMPAIGN.done(part, sums | {"seed": CAMPAIGN.seed + part})


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=40)
    unittest.main(argv=[__file__, "LongRun"] if CAMPAIGN else None,
                  defaultTest=None if CAMPAIGN else ["NobodyFindsAnything", "WhatIsNamedIsTheSessionsOwn",
                                                    "WhereFramesAreNotEmptied", "WhereTheServerEmptiesThem",
                                                    "WhoIsKeptApartLeavesNothing"])
