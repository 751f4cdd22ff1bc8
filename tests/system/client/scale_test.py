#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many sessions on one GPU: what each costs the server's machine while it does nothing, and what part of the GPU's
time each gets while all are busy.

    scale_test.py --campaign RESULT.json        a hundred sessions, three times ten seconds"""

import os
import pathlib
import unittest

import share_scenarios as scenarios
from campaign import Campaign
from model_sessions import Model, blocks
from real_server import SANITIZER
from turns_test import Turns

SESSIONS = 12
SECONDS = 2.0
SETTLE_SECONDS = 0.5  # of the device's work: what they had as newcomers is charged by then, and the others have had as much
# What a worker may keep for itself while its client does nothing: memory that it shares with others counts in parts.
IDLE_BYTES = 30 << 20
# A session's part of the time may be off by so much of itself: in the short run one turn of 2 ms is more.
SLACK = 0.05
KERNELS = blocks(0.02, 0.2, 1, 2)
# What each keeps waiting: 60 ms, and its turn comes again long before.
AHEAD_BLOCKS = 6_000
CAMPAIGN = None
IDLE_PART = 0  # of a campaign; the others are runs of busy sessions


def pss_bytes(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:"))


def used_by_server(model):
    """What each session has used, as the server has measured it."""
    return {one["id"]: one["time"][0]["used_ns"] for one in model.sessions()}


def parts_of(used):
    """Of an equal part, the least first."""
    return sorted(round(SESSIONS * one / sum(used), 4) for one in used)


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
            CAMPAIGN.done(IDLE_PART, {"sessions": SESSIONS, "worker_pss_bytes": kept, "daemon_pss_bytes": daemon})


class BusyScale(unittest.TestCase):
    """Judged by the record of a device whose time is modelled: a busy machine makes it idle between its work, and moves
    nobody's part."""

    def test_busy_sessions_have_equal_parts(self):
        for part in (one for one in (CAMPAIGN.left() if CAMPAIGN else [1]) if one != IDLE_PART):
            found = self.measure()
            if CAMPAIGN:
                CAMPAIGN.done(part, found)
            self.assertGreater(found["parts"][0], 1 - SLACK)
            self.assertLess(found["parts"][-1], 1 + SLACK)

    def measure(self):
        with Model("--mem", "16Mi", memory=f"{SESSIONS * 32}Mi", real_time=False) as model:
            programs = [model.program("loads", KERNELS, ahead=AHEAD_BLOCKS, seed=at + 1) for at in range(SESSIONS)]
            scenarios.start_all(model, programs)
            model.work(SETTLE_SECONDS, programs)
            before = used_by_server(model)
            start, end = model.work(SECONDS, programs)
            measured = {session: used - before[session] for session, used in used_by_server(model).items()}
            record = model.record()
        parts = parts_of([record.used(one.worker, start, end) for one in programs])
        # What the arbiter went by: what is off here it has done, and the rest is how a busy machine lets workers measure.
        told = parts_of([measured[one.session] for one in programs])
        busy = record.busy(start, end)
        print(f"{SESSIONS} busy sessions: {parts[0]:.3f} to {parts[-1]:.3f} of an equal part each, the device busy for "
              f"{busy:.3f} of {(end - start) / 1e9:.1f} s; by the server's measure {told[0]:.3f} to {told[-1]:.3f}", flush=True)
        return {"sessions": SESSIONS, "seconds": record.used(None, start, end) / 1e9, "busy": busy, "load": os.getloadavg()[0],
                "parts": parts, "parts_by_server": told}


if __name__ == "__main__":
    CAMPAIGN = Campaign.from_arguments(parts=4)
    if CAMPAIGN:
        SESSIONS, SECONDS, SETTLE_SECONDS = 100, 10.0, 2.0
        CAMPAIGN.note(idle_bytes=IDLE_BYTES, slack=SLACK)
    unittest.main(argv=[__file__], defaultTest=["Scale", "BusyScale"])
