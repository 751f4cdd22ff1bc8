# SPDX-License-Identifier: Apache-2.0
"""A farlane-gpud of the test's own on the software GPU, client programs against it, and a bystander.

Every test of RealServer also shows that somebody else is not disturbed: another client works from
before its start to after its end, and must have had only right answers.
"""

import ctypes
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
import time
import unittest

from certificates import Authority

CASE = os.environ.get("FARLANE_CASE", "")
# What runs the case, where it is for another machine than the server.
EMULATOR = shlex.split(os.environ.get("FARLANE_EMULATOR", ""))
GPUD = os.environ.get("FARLANE_GPUD", "")
CLIENT = os.environ.get("FARLANE_CLIENT", "")
SOFT = os.environ.get("FARLANE_SOFT", "")
FARLANE = os.environ.get("FARLANE_BINARY", "")
# What the build was instrumented with, if with anything, and how much longer everything may take then.
SANITIZER = os.environ.get("FARLANE_SANITIZE", "")
SLOWNESS = 5 if SANITIZER or EMULATOR else 1


# gcc 12's address sanitizer guesses how much thread-local memory a loaded library has from what lies before
# it, and ends the process when it looks for leaks where it has guessed wrong.
os.environ.setdefault("ASAN_OPTIONS", "intercept_tls_get_addr=0")


# Loaded here: a child of a program with threads must not have to wait for a lock that one of them had.
LIBC = ctypes.CDLL(None)


def die_with_parent():
    """A test that is killed leaves nothing behind."""
    LIBC.prctl(1, signal.SIGKILL)


AUTHORITY = Authority()


def client_environment(server, **more):
    """What a client program is started with: only what is said here configures it, and whom to trust."""
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("FARLANE_", "CUDA_", "LD_"))}
    if server is not None:
        kept["FARLANE_SERVER"] = server
    if server is not None and server.startswith("tls://"):
        kept["FARLANE_TLS_CA"] = AUTHORITY.certificate
    return kept | {"LD_LIBRARY_PATH": CLIENT, "FARLANE_CONFIG": "/dev/null"} | more


def alive(pid):
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def children(pid):
    """The processes that a process has started and not collected."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            stat = (entry / "stat").read_text(encoding="utf-8") if entry.name.isdigit() else ""
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat and stat.rpartition(")")[2].split()[1] == str(pid):
            found.append(int(entry.name))
    return found


def seconds_until(condition, limit):
    """How long it takes for the condition to hold; more than the limit when it does not.

    Counted in seconds of a build without a sanitizer."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > limit * SLOWNESS:
            return limit + 1
        time.sleep(0.01)
    return (time.monotonic() - start) / SLOWNESS


class Client(unittest.TestCase):
    """Runs cases; `server` is an address, or None for nothing configured."""

    TRANSPORT = "auto"  # what FARLANE_TRANSPORT says

    def start(self, case, server, **environment):
        environment = {"FARLANE_TRANSPORT": self.TRANSPORT} | environment
        process = subprocess.Popen([*EMULATOR, CASE, case], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent,
                                   env=client_environment(server, **environment))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def run_case(self, case, server, seconds=30.0, **environment):
        """Stdout and the lines of stderr of a case that must end well within so many seconds."""
        seconds *= SLOWNESS
        start = time.monotonic()
        process = self.start(case, server, **environment)
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, errors = process.communicate()
            self.fail(f"{case} is not done after {seconds} s: {out}{errors}")
        self.assertEqual(process.returncode, 0, f"{case}: {out}{errors}")
        self.assertLessEqual(time.monotonic() - start, seconds)
        return out, errors.splitlines()

    def assert_one_line(self, lines, *words):
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("farlane: "), lines)
        for word in words:
            self.assertIn(word, lines[0])


class Server:
    """One farlane-gpud; ready when made."""

    def __init__(self, *options, listen="tcp://127.0.0.1:0", program=GPUD, **environment):
        if listen.startswith("tls://") and "--tls-cert" not in options:
            options += AUTHORITY.issue("server").options()
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8")
        ready, says = os.pipe()
        self.process = subprocess.Popen(
            [program, "--listen", listen, "--driver", SOFT, "--ready-fd", str(says), *options],
            stdin=subprocess.DEVNULL, stderr=self.log, pass_fds=[says], preexec_fn=die_with_parent,
            env=client_environment(None, LD_LIBRARY_PATH="", **environment))
        os.close(says)
        with os.fdopen(ready, encoding="utf-8") as line:
            self.address = line.readline().strip()

    @property
    def pid(self):
        return self.process.pid

    def children_named(self, name):
        def is_named(pid):
            try:
                return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip() == name
            except (FileNotFoundError, ProcessLookupError):
                return False
        return [pid for pid in children(self.pid) if is_named(pid)]

    def workers(self):
        others = self.children_named("gpud-doorman") + self.children_named("gpud-caretaker")
        others += self.children_named("farlane-agent")
        return [pid for pid in children(self.pid) if pid not in others]

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.log.closed:
            return self.process.returncode  # it has been stopped before
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(10 * SLOWNESS)
        said = self.said()
        self.log.close()
        # A sanitizer's words on the server or on a worker stand in their log.
        if "Sanitizer: " in said or "runtime error: " in said:
            raise AssertionError(said)
        return code


class RealServer(Client):
    """Each test has `self.server`, made with OPTIONS, and a client beside it that must not notice anything."""

    OPTIONS = ()
    BYSTANDER = True
    UNIX = False  # a Unix socket in a folder of the test's own, instead of TCP
    TLS = False

    def setUp(self):
        listen = "tls://127.0.0.1:0" if self.TLS else "tcp://127.0.0.1:0"
        if self.UNIX:
            folder = tempfile.TemporaryDirectory()
            self.addCleanup(folder.cleanup)
            listen = f"unix:{folder.name}/server"
        self.server = Server(*self.OPTIONS, listen=listen)
        self.addCleanup(self.server.stop)
        self.assertTrue(self.server.address, self.server.said())
        self.bystander = None
        if self.BYSTANDER:
            self.bystander = self.start("bystander", self.server.address)
            self.assertEqual(self.bystander.stdout.readline(), "working\n")

    def tearDown(self):
        if self.bystander is not None:
            out, errors = self.bystander.communicate("", timeout=20 * SLOWNESS)
            self.assertEqual((self.bystander.returncode, errors), (0, ""), f"the bystander: {out}")
            self.assertRegex(out, r"^rounds [1-9]")
        if self.server.process.poll() is None:
            self.server.process.terminate()
            self.assertEqual(self.server.process.wait(10 * SLOWNESS), 0)
