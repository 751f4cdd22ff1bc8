#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shares of a device whose time is modelled, judged by the device's own record and not by what the server has measured. A
loaded machine makes these tests longer, and the device idle between its work; it does not move anybody's part.

The same for longer, with more sessions and requests: tests/bench/share.py."""

import os
import unittest

import share_scenarios as scenarios
from model_sessions import Model

SECONDS = 3


class Shares(unittest.TestCase):
    def check_shares(self, asked):
        with Model() as model:
            found = scenarios.shares(model, asked, SECONDS)
        self.assertEqual(found["overlaps"], 0)
        self.assertLessEqual(found["worst_second"], 0.02, found)
        self.assertLessEqual(found["error"], 0.01, found)
        return found

    def test_seven_tenths_and_three(self):
        self.check_shares([(0.7, scenarios.LONG), (0.3, scenarios.SHORT)])

    def test_three_tenths_and_seven(self):
        self.check_shares([(0.3, scenarios.LONG), (0.7, scenarios.SHORT)])

    def test_a_tenth_and_nine(self):
        self.check_shares([(0.1, scenarios.LONG), (0.9, scenarios.SHORT)])

    def test_four_of_a_kind(self):
        found = self.check_shares([(None, kernels) for kernels in scenarios.EACH])
        self.assertGreaterEqual(found["jain"], 0.99, found)

    def test_a_cap_holds(self):
        with Model() as model:
            found = scenarios.cap(model, 0.25, 2)
        self.assertLessEqual(found["most_in_a_second"], 0.25 + 0.01, found)

    def test_a_small_share_has_all_when_it_is_alone_and_gives_way(self):
        with Model() as model:
            found = scenarios.alone_and_yield(model, 0.2, 1, other_is_there=False)
        self.assertGreaterEqual(found["busy_alone"], 0.95, found)
        self.assertIsNotNone(found["yields_ms"], found)
        self.assertLessEqual(found["yields_ms"], 50, found)

    def test_other_numbers_hold_at_once(self):
        with Model() as model:
            found = scenarios.resize(model, 0.2, 0.8)
        self.assertIsNotNone(found["within_ms"], found)
        self.assertLessEqual(found["within_ms"], 50, found)

    def test_requests_of_a_higher_class_wait_for_one_command(self):
        with Model() as model:
            found = scenarios.priority(model, 100, 50)
        self.assertLessEqual(found["beside"]["ahead_p99"], 1, found)
        self.assertGreaterEqual(found["best_effort_keeps"], 0.5, found)


class WhatTheyAreWorth(unittest.TestCase):
    """The same where launches are counted instead of their time, and where nobody takes turns."""

    ASKED = [(0.3, scenarios.LONG), (0.7, scenarios.SHORT)]

    def test_counted_launches_are_no_shares(self):
        with Model(program=os.environ["FARLANE_COUNTING_GPUD"]) as model:
            found = scenarios.shares(model, self.ASKED, 1.5)
        self.assertGreater(found["error"], 0.1, found)

    def test_without_turns_the_longer_kernels_win(self):
        with Model("--no-turns") as model:
            found = scenarios.shares(model, self.ASKED, 1.5)
        self.assertGreater(found["error"], 0.1, found)


if __name__ == "__main__":
    unittest.main()
