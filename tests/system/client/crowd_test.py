#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many clients at once, and one that has stopped: nobody fails, and the daemon keeps nothing.

    crowd_test.py --seconds 600         so long, instead of the short run
"""

import os
import pathlib
import re
import signal
import sys
import time
import unittest

from real_server import SANITIZER, SLOWNESS, Client, Server, children, seconds_until

# What is freed is to be seen as freed: the address sanitizer would keep it for a while.
os.environ["ASAN_OPTIONS"] += ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"

CLIENTS = 64 if not SANITIZER else 16
SECONDS = 5.0

# A page of the heap that is used for the first time is no growth with time. The doorman has as many handshakes at a time
# as the machine lets it have, and keeps the most that it ever needed: a crowd may need more than those before it, but not
# each one.
GROWTH_BYTES = 2 << 20
CROWDS = 4


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10


def descriptors(pid):
    return len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


class Crowd(Client):
    LISTEN = "tcp://127.0.0.1:0"

    def setUp(self):
        self.server = Server("--warm", "2", "--grace", "0", "--mem", "256Mi", listen=self.LISTEN,
                             FARLANE_SOFT_MEMORY="8Gi")
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())

    def crowd(self, seconds):
        """All of them work for so long, the stopped one beside them."""
        stopped = self.start("bystander", self.server.address)
        self.assertEqual(stopped.stdout.readline(), "working\n")
        os.kill(stopped.pid, signal.SIGSTOP)
        clients = [self.start("bystander", self.server.address) for _ in range(CLIENTS)]
        for client in clients:
            self.assertEqual(client.stdout.readline(), "working\n")
        self.assertGreaterEqual(len(children(self.server.pid)), CLIENTS + 1)
        time.sleep(seconds)
        rounds = []
        for client in clients:
            out, errors = client.communicate("", timeout=60 * SLOWNESS)
            self.assertEqual((client.returncode, errors), (0, ""), out)
            self.assertRegex(out, r"^rounds [1-9]")
            rounds.append(int(out.split()[1]))
        os.kill(stopped.pid, signal.SIGCONT)
        out, errors = stopped.communicate("", timeout=60)
        self.assertEqual((stopped.returncode, errors), (0, ""), out)
        return rounds

    def settle(self):
        """Only warm workers are left."""
        waited = seconds_until(lambda: len(self.server.workers()) <= 2, 20)
        self.assertLessEqual(waited, 20, self.server.said())

    def kept(self):
        """What the daemon holds, and under TLS its doorman: memory and descriptors of each."""
        return [(resident_bytes(pid), descriptors(pid))
                for pid in (self.server.pid, *self.server.children_named("gpud-doorman"))]

    def test_nobody_fails_and_the_daemon_keeps_nothing(self):
        self.crowd(0.5)  # what is used once and kept
        self.settle()
        growth = []
        for _ in range(CROWDS):
            before = self.kept()
            rounds = self.crowd(SECONDS)
            self.settle()
            after = self.kept()
            print(f"{CLIENTS} clients over {self.LISTEN.split(':')[0]} for {SECONDS:.0f} s: {sum(rounds)} rounds, "
                  f"{min(rounds)} to {max(rounds)} each; resident bytes and descriptors {before} -> {after}", flush=True)
            self.assertEqual([held for _, held in after], [held for _, held in before])
            growth.append(max(now - then for (now, _), (then, _) in zip(after, before, strict=True)))
            if growth[-1] < GROWTH_BYTES:
                return
        self.fail(f"it grows with each crowd: {growth} bytes")


class CrowdOverTls(Crowd):
    LISTEN = "tls://127.0.0.1:0"


if __name__ == "__main__":
    if "--seconds" in sys.argv:
        at = sys.argv.index("--seconds")
        SECONDS = float(sys.argv[at + 1])
        del sys.argv[at:at + 2]
    unittest.main()
