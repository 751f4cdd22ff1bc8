#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests of a guaranteed session that come when they come, beside a best-effort session with kernels of 5 ms: how much
later they are over than where nobody else is there, by the clock of a device whose time is modelled.

    priority_test.py --campaign RESULT.json [--seed N] [--parts N]      of 5000 requests each, alone and beside"""

import collections
import os
import unittest

import share_scenarios as scenarios
from campaign import Campaign
from model_sessions import Model

REQUESTS = 500
RATE = 200  # a second
REQUEST_MS = 0.5
COMMAND_MS = 5  # of best effort
# Latencies are kept in steps of so much.
STEPS_PER_MS = 20
# What Tally has reached, and one command that the device has been given before the request came.
SLOWER_PART = 1.10
KEPT_PART = 0.5
CAMPAIGN = None


def percentile(counts, part):
    """Of latencies by step, in milliseconds."""
    left = part * sum(counts.values())
    for step in sorted(counts):
        left -= counts[step]
        if left < 0:
            break
    return step / STEPS_PER_MS


def counted(latencies):
    """As text, since a file of results has a hundred thousand of them: 'STEPxCOUNT' by step."""
    counts = collections.Counter(round(one * STEPS_PER_MS) for one in latencies)
    return " ".join(f"{step}x{count}" for step, count in sorted(counts.items()))


def counts_of(text):
    return collections.Counter({int(step): int(count) for step, count in (word.split("x") for word in text.split())})


class Priority(unittest.TestCase):
    def measure(self, count, seed, *options):
        with Model(*options) as model:
            found = scenarios.priority(model, count, RATE, REQUEST_MS, seed)
        self.assertEqual(len(found["alone"]["latencies_ms"]), count)
        self.assertEqual(len(found["beside"]["latencies_ms"]), count)
        return {"alone": counted(found["alone"]["latencies_ms"]), "beside": counted(found["beside"]["latencies_ms"]),
                "ahead_max": found["beside"]["ahead_max"], "ahead_p99": found["beside"]["ahead_p99"],
                "keeps": found["best_effort_keeps"], "requests_have": found["requests_have"], "load": os.getloadavg()[0],
                "processors": model.processors}

    def check(self, parts):
        alone, beside = (sum((counts_of(one[side]) for one in parts), collections.Counter())
                         for side in ("alone", "beside"))
        keeps = sum(one["keeps"] for one in parts) / len(parts)
        found = {"requests": sum(alone.values()), "p50_alone_ms": percentile(alone, 0.5),
                 "p99_alone_ms": percentile(alone, 0.99), "p50_beside_ms": percentile(beside, 0.5),
                 "p99_beside_ms": percentile(beside, 0.99), "best_effort_keeps": keeps,
                 "ahead_p99_max": max(one["ahead_p99"] for one in parts)}
        print(found, flush=True)
        self.assertLessEqual(found["p99_beside_ms"], SLOWER_PART * found["p99_alone_ms"] + COMMAND_MS, found)
        self.assertGreaterEqual(keeps, KEPT_PART, found)
        return found


class ShortRun(Priority):
    def test_requests_wait_for_one_command_at_most(self):
        self.check([self.measure(REQUESTS, 1)])


class WithoutTurns(Priority):
    def test_requests_wait_for_all_that_best_effort_has_sent(self):
        with self.assertRaises(AssertionError):
            self.check([self.measure(30, 1, "--no-turns")])


class LongRun(Priority):
    def test_campaign(self):
        CAMPAIGN.note(rate=RATE, request_ms=REQUEST_MS, command_ms=COMMAND_MS, steps_per_ms=STEPS_PER_MS)
        for part in CAMPAIGN.left():
            CAMPAIGN.done(part, self.measure(10 * REQUESTS, CAMPAIGN.seed + part))
        CAMPAIGN.note(whole=self.check(CAMPAIGN.results()))


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=20)
    unittest.main(argv=[__file__, "LongRun"] if CAMPAIGN else None, defaultTest=None if CAMPAIGN else ["ShortRun", "WithoutTurns"])
