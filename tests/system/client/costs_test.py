#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a call that is posted takes of its thread: instructions, and hardly ever a system call.

callgrind counts, so no machine is too slow or too busy for it. The server's workers are stopped meanwhile: what
they acknowledge, and when, would be another machine's speed.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from real_server import CASE, Server, client_environment, die_with_parent

CLOCK = os.environ.get("FARLANE_CLOCK", "")
TIMES = 1000
# Instructions of a call of an optimised build, with all that its thread did in it: the sends, too, of which it
# shares one with many others.
LIMITS = {
    # Before there were graphs, functions of the program and several servers it was 639, with sends over TCP.
    "cuLaunchKernel": 600,
    "cuEventRecord": 440,
    "cuStreamWaitEvent": 500,
    "cuMemsetD32Async": 620,
    "cuMemcpyHtoDAsync_v2": 1300,
    "cuEventQuery": 300,
    "cuMemAlloc_v2": 1220,
    "cuMemFree_v2": 650,
    "cuMemAllocAsync": 1200,
    "cuMemFreeAsync": 980,
}
OPTIMISED = os.environ.get("FARLANE_BUILD_TYPE") == "Release"
SYSTEM_CALLS = TIMES // 50


def counted(function, table):
    """(instructions, system calls) of a function and all that it calls, out of callgrind's table."""
    number = r"([\d,]+|\.)(?: \([ \d.]+%\))?"
    match = re.search(rf"^\s*{number}\s+{number}\s+\S*:{function} \[", table, re.MULTILINE)
    if match is None:
        return None
    return tuple(int(count.replace(",", "").replace(".", "0")) for count in match.groups())


@unittest.skipIf(os.environ.get("FARLANE_SANITIZE"), "instructions of a build with a sanitizer say nothing")
@unittest.skipUnless(shutil.which("valgrind"), "there is no valgrind to count with")
class Costs(unittest.TestCase):
    def run_counted(self, server, counts):
        """Runs the posts while the server's workers stand still."""
        process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--collect-systime=yes", "--zero-before=cuDriverGetVersion",
             f"--callgrind-out-file={counts}", "-q", CASE, "counted-posts"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent, env=client_environment(server.address, LD_PRELOAD=CLOCK))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "ready\n", process.poll())
        workers = server.workers()
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)
        try:
            process.stdin.write("post\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), "posted\n", process.poll())
        finally:
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
        out, errors = process.communicate("end\n", timeout=60)
        self.assertEqual((process.returncode, out, errors), (0, "", ""))

    def test_a_post_is_some_hundred_instructions_and_no_system_call(self):
        server = Server(FARLANE_SOFT_NULL="1")
        self.addCleanup(server.stop)
        with tempfile.TemporaryDirectory() as folder:
            counts = os.path.join(folder, "counts")
            self.run_counted(server, counts)
            table = subprocess.run(
                ["callgrind_annotate", "--inclusive=yes", "--threshold=100", "--show=Ir,sysCount", counts],
                check=True, capture_output=True, text=True).stdout
        for function, limit in LIMITS.items():
            with self.subTest(function):
                found = counted(function, table)
                self.assertIsNotNone(found, table)
                instructions, system_calls = found
                print(f"{function}: {instructions / TIMES:.0f} instructions, {system_calls / TIMES:.3f} system calls",
                      flush=True)
                self.assertGreater(instructions, 50 * TIMES)
                if OPTIMISED:
                    self.assertLessEqual(instructions, limit * TIMES)
                self.assertLessEqual(system_calls, SYSTEM_CALLS)


if __name__ == "__main__":
    unittest.main()
