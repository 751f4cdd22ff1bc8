#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many sessions on one GPU: what each costs the server's machine while it does nothing, and what part of the GPU's
time each gets while all are busy.

    scale_test.py --campaign RESULT.json        a hundred sessions, ten seconds"""

import pathlib
import time
import unittest

from campaign import Campaign
from real_server import SANITIZER, SLOWNESS, seconds_until
from turns_test import PATIENCE, Turns

SESSIONS = 12
SECONDS = 2.0
SETTLE_SECONDS = 0.5  # what they had as newcomers is charged by then
# What a worker may keep for itself while its client does nothing: memory that it shares with others counts in parts.
IDLE_BYTES = 30 << 20
# A session's part of the time may be off by so much of itself: in the short run one turn of 10 ms is much.
SLACK = 0.25
CAMPAIGN = None


def pss_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))


class Scale(Turns):
    OPTIONS = (*Turns.OPTIONS, "--mem", "16Mi", "--grace", "0")

    @unittest.skipIf(SANITIZER, "a sanitizer keeps memory of its own")
    def test_an_idle_session_costs_little(self):
        clients = [self.client("asked") for _ in range(SESSIONS)]
        for one in clients:
            one.stdin.write("go\n")  # it has worked once
            one.stdin.flush()
            self.assertEqual(one.stdout.readline(), "done\n")
        workers = [client["worker"] for one in self.sessions() for client in one["clients"]]
        self.assertEqual(len(workers), SESSIONS)
        kept = sorted(map(pss_bytes, workers))
        daemon = pss_bytes(self.server.pid)
        print(f"{SESSIONS} idle sessions: {kept[0] / 2**20:.1f} to {kept[-1] / 2**20:.1f} MiB for each worker, "
              f"{daemon / 2**20:.1f} for the daemon", flush=True)
        self.assertLessEqual(kept[-1], IDLE_BYTES)
        for one in clients:
            self.end(one)
        if CAMPAIGN:
            CAMPAIGN.done(0, {"sessions": SESSIONS, "worker_pss_bytes": kept, "daemon_pss_bytes": daemon})

    def test_busy_sessions_have_equal_parts(self):
        clients = [self.client("busy") for _ in range(SESSIONS)]
        for one in clients:
            self.assertLess(seconds_until(lambda one=one: self.used_by(one) > 0, PATIENCE), PATIENCE)
        time.sleep(SETTLE_SECONDS)
        first = self.all_used()
        time.sleep(SECONDS * SLOWNESS)
        last = self.all_used()
        used = [last[one.pid] - first[one.pid] for one in clients]
        parts = sorted(SESSIONS * one / sum(used) for one in used)
        print(f"{SESSIONS} busy sessions: {parts[0]:.3f} to {parts[-1]:.3f} of an equal part each", flush=True)
        self.assertGreater(parts[0], 1 - SLACK)
        self.assertLess(parts[-1], 1 + SLACK)
        for one in clients:
            self.end(one)
        if CAMPAIGN:
            CAMPAIGN.done(1, {"sessions": SESSIONS, "seconds": SECONDS, "parts": parts, "used_ns": sum(used)})

    def all_used(self):
        return {one["clients"][0]["process"]: one["time"][0]["used_ns"] for one in self.sessions() if one["clients"]}

    def used_by(self, process):
        return self.all_used().get(process.pid, 0)


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=2)
    if CAMPAIGN:
        SESSIONS, SECONDS, SETTLE_SECONDS, SLACK = 100, 10.0, 5.0, 0.05
        CAMPAIGN.note(idle_bytes=IDLE_BYTES, slack=SLACK)
    unittest.main(argv=[__file__], defaultTest="Scale")
