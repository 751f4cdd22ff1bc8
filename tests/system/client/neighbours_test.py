#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tenants that do harm, and two that must not notice: what comes out of these is right, and they have the part of the
GPU that they were promised, whatever somebody else does.

    neighbours_test.py --campaign RESULT.json [--seed N] [--parts N]    each attack again and again, for longer

What is compared is time of the GPU as the server has measured it, and results: a loaded machine makes this test longer
and nothing else. `--command-max` has its own test, command_max_test.py."""

import os
import pathlib
import random
import signal
import socket
import threading
import time
import unittest

from campaign import Campaign
from real_server import SLOWNESS, seconds_until
from turns_test import MILLISECOND, PATIENCE, Turns

# What each victim is promised of the device's time, in millionths: an attacker may have the rest.
SHARE = 0.45
# Of two equal victims one may have so much less than the other.
SLACK = 0.05
# For so long is looked at each attack: time of the device, of all sessions together.
WINDOW_MS = 700
LOOKS = 3
CAMPAIGN = None


def expected_hash():
    """Of the first rounds of a victim (program/victim.cc), found here once more."""
    found = 14695981039346656037
    for kind in range(16):
        for cell in range(4096):
            number = ((kind + 1) * 2654435761 ^ cell * 40503) & 0xFFFFFFFF
            number = ((number * 1664525 & 0xFFFFFFFF ^ kind) + cell) & 0xFFFFFFFF
            found = (found ^ number) * 1099511628211 & (1 << 64) - 1
    return found


def state_of(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    return stat.rpartition(")")[2].split()[0]


class Attack:
    """Something that somebody does while the `with` lasts. `begin` starts it, and says in `ends` what ends it."""

    SLACK = 0.05  # a victim may have so much less than it was promised

    def __init__(self, test):
        self.test = test
        self.ends = []

    def __enter__(self):
        self.begin()
        return self

    def __exit__(self, *_):
        for end in reversed(self.ends):
            end()

    def begin(self):
        raise NotImplementedError

    def start(self, case, **environment):
        process = self.test.start(case, self.test.server.address, **environment)
        self.ends.append(lambda: (process.kill(), process.communicate()))
        line = process.stdout.readline()
        self.test.assertIn(line, ("ready\n", "spinning\n"), self.test.server.said())
        return process

    def again_and_again(self, do):
        """In a thread of its own, until the end; something must have been done by the time this returns."""
        over, done = threading.Event(), threading.Event()

        def loop():
            while not over.is_set():
                try:
                    do()
                except OSError:
                    pass  # the server may refuse; a process may be gone
                done.set()

        thread = threading.Thread(target=loop)
        thread.start()
        self.ends.append(lambda: (over.set(), thread.join()))
        self.test.assertTrue(done.wait(PATIENCE * SLOWNESS))


class IllegalAccess(Attack):
    def begin(self):
        self.again_and_again(lambda: self.test.run_to_its_end("attack-illegal"))


class EndlessKernel(Attack):
    def begin(self):
        self.start("attack-endless")


class AllocationStorm(Attack):
    def begin(self):
        self.start("attack-allocations")


class ModuleBomb(Attack):
    def begin(self):
        self.start("attack-modules")


class LaunchFlood(Attack):
    def begin(self):
        self.start("attack-launches")


class BulkFlood(Attack):
    def begin(self):
        self.start("attack-bulk")


class DeafClient(Attack):
    """It asks for data, and is stopped."""

    def begin(self):
        process = self.start("attack-deaf")
        stopped = seconds_until(lambda: state_of(process.pid) == "T", PATIENCE)
        self.test.assertLess(stopped, PATIENCE)


class HalfClosed(Attack):
    """Connections that end their own half in the middle of a hello, or before it, and stay."""

    def begin(self):
        for bytes_said in (0, 8, 100, 511) * 8:
            connection = socket.create_connection(self.test.place())
            self.ends.append(connection.close)
            connection.sendall(b"FARLANE\n".ljust(512, b"\1")[:bytes_said])
            connection.shutdown(socket.SHUT_WR)


class HelloFlood(Attack):
    """Connections one after the other, each with a greeting that is none."""

    def begin(self):
        for _ in range(2):
            self.again_and_again(self.greet)

    def greet(self):
        with socket.create_connection(self.test.place()) as connection:
            connection.sendall(b"FARLANE\n".ljust(512, b"\1"))
            connection.recv(1)


class KilledClient(Attack):
    SLACK = 0.1  # each newcomer may work at once, with a credit of its own

    def begin(self):
        self.again_and_again(self.kill_one)

    def kill_one(self):
        process = self.test.start("busy", self.test.server.address)
        process.stdout.readline()
        time.sleep(self.test.random.random() * 0.1)
        process.kill()
        process.communicate()


class KilledWorker(Attack):
    SLACK = 0.1

    def begin(self):
        self.again_and_again(self.kill_one)

    def kill_one(self):
        process = self.test.start("busy", self.test.server.address)
        process.stdout.readline()
        workers = [client["worker"] for one in self.test.sessions() for client in one["clients"]
                   if client["process"] == process.pid]
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        process.communicate("", timeout=PATIENCE * SLOWNESS)


ATTACKS = (IllegalAccess, EndlessKernel, AllocationStorm, ModuleBomb, LaunchFlood, BulkFlood, DeafClient, HalfClosed,
           HelloFlood, KilledClient, KilledWorker)


class Neighbours(Turns):
    OPTIONS = (*Turns.OPTIONS, "--mem", "512Mi")

    def setUp(self):
        super().setUp()
        self.random = random.Random(CAMPAIGN.seed if CAMPAIGN else 1)

    def place(self):
        host, port = self.server.address.removeprefix("tcp://").rsplit(":", 1)
        return host, int(port)

    def run_to_its_end(self, case):
        process = self.start(case, self.server.address)
        process.communicate("", timeout=PATIENCE * SLOWNESS)

    def victims(self):
        return [self.client("victim", share=str(SHARE)) for _ in range(2)]

    def times(self):
        """(used, clock) of each session, by the program's number; of those that work."""
        return {one["clients"][0]["process"]: (one["time"][0]["used_ns"], one["time"][0]["clock_ns"])
                for one in self.sessions() if one["clients"]}

    def look(self, victims, milliseconds):
        """What the victims have had, until all sessions have used so much together: each one's part of that, and of
        the clock."""
        first = last = self.times()
        others = 0  # what those have had that are gone since, or came: as far as it was seen

        def is_over():
            nonlocal last, others
            now = self.times()
            known = {process: used for process, (used, _) in last.items()}
            others += sum(used - known.get(process, 0) for process, (used, _) in now.items()
                          if process not in {victim.pid for victim in victims})
            last = now
            return others + mine() > milliseconds * MILLISECOND

        def mine():
            return sum(last[victim.pid][0] - first[victim.pid][0] for victim in victims)

        self.assertLess(seconds_until(is_over, PATIENCE), PATIENCE, "the victims do not get on")
        used = [last[victim.pid][0] - first[victim.pid][0] for victim in victims]
        clock = last[victims[0].pid][1] - first[victims[0].pid][1]
        return {"part": [one / (sum(used) + others) for one in used], "of_clock": [one / clock for one in used],
                "of_each_other": used[0] / sum(used)}

    @staticmethod
    def is_unharmed(seen, slack):
        return (min(seen["part"]) > SHARE * (1 - slack)
                and abs(seen["of_each_other"] - 0.5) <= 0.5 * SLACK)

    def look_during(self, attack, victims):
        """What the victims have had beside it; a look is repeated that a busy machine may have spoiled."""
        looks = []
        with attack(self):
            while not looks or (not self.is_unharmed(looks[-1], attack.SLACK) and len(looks) < LOOKS):
                looks.append(self.look(victims, WINDOW_MS))
        self.assertTrue(self.is_unharmed(looks[-1], attack.SLACK), f"{attack.__name__}: {looks}")
        return looks

    def assert_all_was_right(self, victims):
        for victim in victims:
            out, errors = victim.communicate("", timeout=PATIENCE * SLOWNESS)
            self.assertEqual((victim.returncode, errors), (0, ""), out)
            self.assertRegex(out, rf"^rounds [1-9]\d+ wrong 0 hash {expected_hash():016x}$")

    def test_neighbours_notice_nothing(self):
        victims = self.victims()
        self.used(victims, 50)
        names = ATTACKS
        if CAMPAIGN:
            CAMPAIGN.note(attacks=[one.__name__ for one in names], window_ms=WINDOW_MS, share=SHARE)
        parts = CAMPAIGN.left() if CAMPAIGN else range(len(names))
        for part in parts:
            attack = names[part % len(names)]
            before = self.look(victims, WINDOW_MS) if CAMPAIGN else None
            looks = self.look_during(attack, victims)
            for one in victims:
                self.assertIsNone(one.poll(), f"{attack.__name__}: a victim has ended")
            had = looks[-1]["part"]
            print(f"{attack.__name__}: {had[0]:.3f} and {had[1]:.3f} of the device's time, {len(looks)} looks",
                  flush=True)
            if CAMPAIGN:
                CAMPAIGN.done(part, {"attack": attack.__name__, "before": before, "during": looks})
        self.assert_all_was_right(victims)


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=3 * len(ATTACKS))
    if CAMPAIGN:
        WINDOW_MS = 5000
    unittest.main(argv=[__file__, "Neighbours"])
