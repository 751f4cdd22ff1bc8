# SPDX-License-Identifier: Apache-2.0
"""A prefix of its own for each test: the real farlane, a stand-in server, libraries that are only names."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BINARY = os.environ.get("FARLANE_BINARY", "")
# What the build was instrumented with, if with anything.
SANITIZER = os.environ.get("FARLANE_SANITIZE", "")
SLOWNESS = 5 if SANITIZER else 1

# Whoever starts the tests in the background may have them ignore these, and a process hands that on.
for number in (signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


def wire_numbers(version):
    """Message numbers from the lock, the hash from the program: the stand-in speaks this build's wire."""
    numbers = {"hash": int(version["wire_hash"], 16)}
    for line in (ROOT / "protocol/spec/wire.lock").read_text(encoding="utf-8").splitlines():
        found = re.match(r"0x([0-9a-f]+) (Device|Welcome) ", line)
        if found:
            numbers[found[2]] = int(found[1], 16)
    return numbers


def alive(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def eventually(condition, seconds=5.0):
    deadline = time.monotonic() + SLOWNESS * seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class StagedPrefix(unittest.TestCase):
    """Gives `self.farlane(...)` and `self.start(...)`; nothing configured unless a test does it."""

    def setUp(self):
        self.assertTrue(BINARY, "FARLANE_BINARY must name the program to test")
        folder = tempfile.TemporaryDirectory(prefix="farlane-cli-test-")
        self.addCleanup(folder.cleanup)
        self.prefix = pathlib.Path(folder.name).resolve()
        for name in ("bin", "lib/farlane/client", "lib/farlane/soft"):
            (self.prefix / name).mkdir(parents=True)
        self.program = self.prefix / "bin/farlane"
        shutil.copy2(BINARY, self.program)
        server = self.prefix / "bin/farlane-gpud"
        server.write_text(f"#!{sys.executable} -B\n" +
                          (HERE / "stand_in_server.py").read_text(encoding="utf-8").partition("\n")[2],
                          encoding="utf-8")
        server.chmod(0o755)
        for kind in ("client", "soft"):
            (self.prefix / f"lib/farlane/{kind}/libcuda.so.1").touch()
        self.notes_path = self.prefix / "notes.json"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("FARLANE_", "STAND_IN", "LD_"))}
        # Whoever runs the tests has a configuration of his own, perhaps.
        self.environment = kept | {"STAND_IN_NOTES": str(self.notes_path), "FARLANE_CONFIG": "/dev/null"}
        self.version = json.loads(self.farlane("version", "-o", "json").stdout)
        self.environment["STAND_IN_WIRE"] = json.dumps(wire_numbers(self.version))

    def farlane(self, *words, **more):
        environment = self.environment | more.pop("env", {})
        return subprocess.run([self.program, *words], env=environment, capture_output=True, text=True,
                              timeout=60, check=False, **more)

    def start(self, *words, **more):
        process = subprocess.Popen([self.program, *words], env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.addCleanup(self.put_away, process)
        self.limit(process)
        return process

    def limit(self, process):
        """A line that never comes must fail the test, not hang it: the end of the process ends the wait."""
        timer = threading.Timer(20 * SLOWNESS, process.kill)
        timer.start()
        self.addCleanup(timer.cancel)

    def put_away(self, process):
        process.kill()
        if self.notes_path.exists() and alive(self.notes()["pid"]):
            os.kill(self.notes()["pid"], signal.SIGKILL)
        process.communicate(timeout=10)

    def notes(self):
        return json.loads(self.notes_path.read_text(encoding="utf-8"))
