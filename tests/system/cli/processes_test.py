#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane run as a wrapper: signals reach the command, and no process outlives its reason."""

import fcntl
import os
import pathlib
import pty
import signal
import subprocess
import sys
import termios
import unittest

from staged_prefix import SLOWNESS, StagedPrefix, alive, eventually

# Says "ready PID", then one line for each signal; ends at SIGUSR2.
LISTENER = """
import os, signal, sys
signal.alarm(30)  # should the test lose sight of it
def tell(line): os.write(1, (line + "\\n").encode())
wanted = (1, 2, 3, 10, 12, 15)
for number in wanted: signal.signal(number, lambda *_: None)  # should a caller have ignored it
signal.pthread_sigmask(signal.SIG_BLOCK, wanted)  # until it is asked for: none is lost before that
tell(f"ready {os.getpid()}")
while True:
    number = signal.sigwait(wanted)
    tell(signal.Signals(number).name)
    if number == signal.SIGUSR2: sys.exit(7)
"""


def state(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]


class Wrapper(StagedPrefix):
    def start_listener(self, *options, **more):
        process = self.start("run", *options, "--", sys.executable, "-c", LISTENER, **more)
        word, pid = process.stdout.readline().split()
        self.assertEqual(word, "ready")
        self.addCleanup(self.end, int(pid))
        return process, int(pid)

    @staticmethod
    def end(pid):
        """What a failed test leaves behind; a good one has left nothing."""
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


class Signals(Wrapper):
    def test_each_reaches_the_command_once(self):
        for options in (["--local"], ["--direct"]):
            process, _ = self.start_listener(*options)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1):
                process.send_signal(number)
                self.assertEqual(process.stdout.readline(), number.name + "\n")
            process.send_signal(signal.SIGUSR2)
            self.assertEqual(process.stdout.read(), "SIGUSR2\n")
            self.assertEqual(process.wait(10 * SLOWNESS), 7)

    def test_stop_stops_the_command_and_continue_continues_it(self):
        # A group of its own, as a shell gives it one: a group whose session has nobody else does not stop.
        process, pid = self.start_listener("--local", process_group=0)
        process.send_signal(signal.SIGTSTP)
        self.assertTrue(eventually(lambda: state(pid) == "T"), "the command goes on")
        self.assertTrue(eventually(lambda: state(process.pid) == "T"), "farlane goes on")
        process.send_signal(signal.SIGCONT)
        self.assertTrue(eventually(lambda: state(pid) != "T"), "the command stays stopped")
        process.send_signal(signal.SIGUSR2)
        self.assertEqual(process.wait(10 * SLOWNESS), 7)

    def test_ctrl_c_reaches_the_command_once_and_never_the_server(self):
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        process = subprocess.Popen([self.program, "run", "--", sys.executable, "-c", LISTENER],
                                   env=self.environment, stdin=terminal, stdout=subprocess.PIPE, text=True,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(terminal)
        self.addCleanup(self.put_away, process)
        self.limit(process)
        self.assertTrue(process.stdout.readline().startswith("ready"))
        server = self.notes()["pid"]
        self.assertEqual(os.getsid(server), server)
        process.send_signal(signal.SIGSTOP)  # so that one passed on could not melt into the first
        os.write(controller, b"\x03")
        self.assertEqual(process.stdout.readline(), "SIGINT\n")
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGUSR2)
        self.assertEqual(process.stdout.read(), "SIGUSR2\n")  # and no second SIGINT before it
        self.assertEqual(process.wait(10 * SLOWNESS), 7)

    def test_one_that_comes_before_the_server_is_ready_ends_all(self):
        self.environment["STAND_IN"] = "mute"
        process = self.start("run", "--", "echo", "must not run")
        self.assertTrue(eventually(self.notes_path.exists) and eventually(lambda: self.notes_path.stat().st_size))
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=10 * SLOWNESS)
        self.assertEqual((process.returncode, out, said), (130, "", ""))
        self.assertFalse(alive(self.notes()["pid"]))

    def test_ignored_ones_stay_ignored_in_the_command(self):
        check = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN, signal.pthread_sigmask(0, []))"
        process = self.start("run", "--local", "--", sys.executable, "-c", check,
                             preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.assertEqual(process.communicate(timeout=10 * SLOWNESS)[0], "True set()\n")


class WhatIsLeft(Wrapper):
    def test_server_ends_with_the_command(self):
        self.assertEqual(self.farlane("run", "--", "true").returncode, 0)
        self.assertFalse(alive(self.notes()["pid"]))

    def test_server_that_will_not_end_is_ended(self):
        self.environment["STAND_IN"] = "stubborn"
        self.assertEqual(self.farlane("run", "--", "sh", "-c", "exit 5").returncode, 5)
        self.assertFalse(alive(self.notes()["pid"]))

    def test_nothing_when_farlane_is_killed(self):
        process, pid = self.start_listener("--local")
        server = self.notes()["pid"]
        self.assertTrue(alive(pid) and alive(server))
        process.kill()
        self.assertTrue(eventually(lambda: not alive(pid), 2), "the command lives on")
        self.assertTrue(eventually(lambda: not alive(server), 2), "the server lives on")

    def test_nothing_when_farlane_is_killed_without_a_private_server(self):
        process, pid = self.start_listener("--direct")
        process.kill()
        self.assertTrue(eventually(lambda: not alive(pid), 2), "the command lives on")

    def test_command_goes_on_and_one_line_is_said_when_the_server_dies(self):
        process, _ = self.start_listener("--local")
        os.kill(self.notes()["pid"], signal.SIGKILL)
        self.assertIn("the private server ended (signal 9 (SIGKILL))", process.stderr.readline())
        process.send_signal(signal.SIGUSR2)
        self.assertEqual(process.wait(10 * SLOWNESS), 7)

    def test_server_holds_none_of_our_descriptors(self):
        reading, writing = os.pipe()
        process = self.start("run", "--local", "--", sys.executable, "-c", LISTENER, pass_fds=[writing])
        os.close(writing)
        self.assertTrue(process.stdout.readline().startswith("ready"))
        held = os.stat(reading)
        server = pathlib.Path(f"/proc/{self.notes()['pid']}/fd")
        inodes = {(os.stat(one).st_ino) for one in server.iterdir() if one.exists()}
        os.close(reading)
        self.assertNotIn(held.st_ino, inodes)
        self.assertEqual(os.readlink(server / "0"), "/dev/null")


if __name__ == "__main__":
    unittest.main()
