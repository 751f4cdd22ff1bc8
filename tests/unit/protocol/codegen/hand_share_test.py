# SPDX-License-Identifier: Apache-2.0
"""How much of the real spec works, and is written by hand: lines that may not be passed unnoticed."""

import unittest
from pathlib import Path

import generate
import lint
import model

_SPEC = Path(generate.__file__).parents[1] / "spec"
# Of the calls that send something, the part with a body written by hand on one end.
_TRAVELLING_SHARE_MAX = 0.15
# Calls answered in the program by a body written by hand. One more is a decision, so it is made here.
# The four of the linker gather what it is given, and only its end travels.
_LOCAL_MAX = 38
# Of the names that a libcuda exports, the part that works remotely.
_WORKING_SHARE_MIN = 0.8


class HandShare(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spec = model.load(_SPEC)

    def test_the_calls_that_travel_stay_below_the_line(self):
        hand = [c.symbol for c in self.spec.calls if c.travels and (c.client_hand or c.server_hand)]
        self.assertLessEqual(lint.hand_share(self.spec), _TRAVELLING_SHARE_MAX, f"{len(hand)} by hand: {', '.join(hand)}")

    def test_the_calls_that_are_answered_here_do_not_grow_unnoticed(self):
        hand = [c.symbol for c in lint.local_by_hand(self.spec)]
        self.assertLessEqual(len(hand), _LOCAL_MAX, f"by hand: {', '.join(hand)}")


class WorkingShare(unittest.TestCase):
    def test_most_of_what_a_driver_exports_works(self):
        spec = model.load(_SPEC)
        names = {c.base for c in spec.calls}
        working = {c.base for c in spec.calls if c.travel and not c.refused}
        self.assertGreaterEqual(len(working) / len(names), _WORKING_SHARE_MIN, f"{len(working)} of {len(names)}")


if __name__ == "__main__":
    unittest.main()
