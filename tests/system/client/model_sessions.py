# SPDX-License-Identifier: Apache-2.0
"""A server of one modelled device, and client programs in sessions of their own that give it work. What each got of the
device is read from the record that the device keeps."""

import json
import os
import pathlib
import subprocess
import tempfile
import time

from busy_record import SECOND, BusyRecord
from real_server import CASE, FARLANE, GPUD, SLOWNESS, Server, client_environment, die_with_parent

BLOCK_NS = 10_000
MILLISECOND = 1_000_000
# The least blocks that a client keeps waiting, 400 ms of the device's time: one that a busy machine does not wake for so long
# has work all the same, and so is there for the server.
AHEAD_BLOCKS = 40_000
PATIENCE = 60 * SLOWNESS
NICE = -15


def blocks(*milliseconds):
    return [max(round(one * MILLISECOND / BLOCK_NS), 1) for one in milliseconds]


class Program:
    """A client of the server; `worker` is the process that has its work in the device's record."""

    def __init__(self, model, case, **variables):
        self.process = subprocess.Popen(
            [CASE, case], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=die_with_parent, env=client_environment(model.server.address, **variables))
        self.expect("ready")
        mine = [one for one in model.sessions() if one["clients"][0]["process"] == self.process.pid]
        self.session = mine[0]["id"]
        self.worker = mine[0]["clients"][0]["worker"]

    def expect(self, word):
        line = self.process.stdout.readline()
        if not line.startswith(word):
            raise AssertionError(f"'{word}' is expected, not '{line}': {self.process.stderr.read()}")
        return line.split()

    def go(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self

    def begun(self):
        return int(self.expect("began")[1])

    def end(self):
        out, errors = self.process.communicate("\n", timeout=PATIENCE)
        if self.process.returncode != 0 or errors:
            raise AssertionError(f"a client ends with {self.process.returncode}: {out}{errors}")
        return out

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def prefer_processors(real_time):
    """What is measured is a server that gets a processor when it needs one: the device's clock goes on by the wall while a
    thread waits for one. As real-time threads, server and clients have one at once beside other work; where that may not
    be asked for, before others; and else as it comes. Says which it was."""
    try:
        if real_time:
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
            return "real time"
    except PermissionError:
        pass
    try:
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
        return f"nice {NICE}"
    except PermissionError:
        return "as others"


class Model:
    """With `with`: all that was started is over at its end. `real_time`: not with so many clients that nothing else on the
    machine would get on."""

    COUNT = 0

    def __init__(self, *options, program=GPUD, transport="auto", memory="64Mi", real_time=True):
        Model.COUNT += 1
        self.processors = prefer_processors(real_time)  # those that are started from here have it, too
        self.folder = tempfile.TemporaryDirectory()
        self.log = pathlib.Path(self.folder.name) / "busy"
        self.service = f"unix:@farlane-model-{os.getpid()}-{Model.COUNT}"
        self.transport = transport
        self.programs = []
        self.server = Server("--control", self.service, "--warm", "4", *options, program=program,
                             FARLANE_SOFT_MODEL=f"block={BLOCK_NS}ns", FARLANE_SOFT_NULL="1", FARLANE_SOFT_MEMORY=memory,
                             FARLANE_SOFT_BUSY_LOG=str(self.log))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.programs:
            one.kill()
        self.server.stop()
        self.folder.cleanup()

    def ask(self, *words):
        done = subprocess.run([FARLANE, "session", *words, "--control", self.service], capture_output=True, text=True,
                              timeout=PATIENCE, check=True)
        return done.stdout

    def sessions(self):
        return json.loads(self.ask("list", "--json"))["sessions"]

    def program(self, case, kernels, ahead=AHEAD_BLOCKS, seed=1, variables=None, **asks):
        """`kernels`: of how many blocks, one of them by chance each time."""
        asked = {f"FARLANE_{name.upper()}": str(value) for name, value in asks.items()}
        one = Program(self, case, FARLANE_TRANSPORT=self.transport, LOADS_SEED=str(seed), LOADS_AHEAD=str(ahead),
                      LOADS_BLOCKS=",".join(str(count) for count in kernels), **asked, **(variables or {}))
        self.programs.append(one)
        return one

    def record(self):
        return BusyRecord.read(self.log)

    def now(self):
        return time.monotonic_ns()

    def work(self, seconds, programs, slice_of_time=0.05):
        """Until the device has done so much of their work since now; the times of the clock."""
        start = self.now()
        before = BusyTail(self.log, {one.worker for one in programs})
        before.done()
        deadline = start + PATIENCE * SECOND
        done = 0
        while done < seconds * SECOND:
            time.sleep(slice_of_time)
            done += before.done()
            if self.now() > deadline:
                raise AssertionError(f"the device has done {done / SECOND:.3f} s of work, not {seconds} s")
        before.close()
        return start, self.now()


class BusyTail:
    """What has been done since it was asked last, without reading all again."""

    def __init__(self, path, owners):
        self.file = path.open(encoding="ascii")
        self.owners = owners
        self.rest = ""

    def close(self):
        self.file.close()

    def done(self):
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        words = (line.split() for line in lines)
        return sum(int(end) - int(start) for _, engine, pid, start, end in words
                   if engine == "compute" and int(pid) in self.owners)
