#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Device addresses where they are hard to find: a driver that does not grant wishes, a program with little room."""

import resource
import subprocess
import unittest

from real_server import CASE, SANITIZER, Client, Server, client_environment, die_with_parent

# Less than the arena of a device of 4 GiB, which is twice its memory.
ROOM_BYTES = 3 << 30

CASES = ("threads", "two-contexts", "large-copies", "context-ends", "faults")


def with_little_room():
    resource.setrlimit(resource.RLIMIT_AS, (ROOM_BYTES, ROOM_BYTES))
    die_with_parent()


class Addresses(Client):
    STRICT = {"FARLANE_SOFT_STRICT": "7"}

    def start_server(self, **environment):
        server = Server(FARLANE_SOFT_MEMORY="4Gi", **environment)
        self.addCleanup(server.stop)
        self.assertTrue(server.address, server.said())
        return server

    def run_in_little_room(self, case, server, **environment):
        done = subprocess.run([CASE, case], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False, preexec_fn=with_little_room,
                              env=client_environment(server.address, FARLANE_LOG="debug", **environment))
        self.assertEqual((done.returncode, done.stdout), (0, ""), f"{case}: {done.stderr}")
        return done.stderr

    def test_a_strict_driver_does(self):
        server = self.start_server(**self.STRICT)
        for case in CASES:
            self.assertEqual(self.run_case(case, server.address), ("", []), case)

    @unittest.skipIf(SANITIZER, f"{SANITIZER} needs more addresses than any such limit leaves")
    def test_without_a_common_range_allocations_ask_for_addresses(self):
        server = self.start_server(**self.STRICT)
        for case in CASES:
            said = self.run_in_little_room(case, server)
            self.assertIn("no address range is free in both processes", said)

    @unittest.skipIf(SANITIZER, f"{SANITIZER} needs more addresses than any such limit leaves")
    def test_allocations_inside_such_a_piece_cost_no_round_trip(self):
        server = self.start_server()
        said = self.run_in_little_room("allocations", server, FARLANE_TRACE="summary")
        summary = next(line for line in said.splitlines() if "round_trips=" in line)
        fields = dict(field.split("=", 1) for field in summary.split()[1:])
        # Nine arenas that do not fit, one piece, and the context.
        self.assertLessEqual(int(fields["round_trips"]), 16, summary)


if __name__ == "__main__":
    unittest.main()
