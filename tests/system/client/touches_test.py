#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A program uses managed memory while a kernel may be using it: it waits for the kernel, where the kernel of the
machine lets us hold it."""

import ctypes
import os
import unittest

from real_server import RealServer


def can_hold():
    """Whether this process may have a userfaultfd that sees the faults of system calls."""
    descriptor = ctypes.CDLL(None).syscall(323, os.O_CLOEXEC)
    if descriptor >= 0:
        os.close(descriptor)
    return descriptor >= 0 or os.access("/dev/userfaultfd", os.R_OK | os.W_OK)


class Touches(RealServer):
    TRANSPORT = "tcp"

    @unittest.skipUnless(can_hold(), "this kernel lets nobody be held at a page")
    def test_who_touches_it_waits(self):
        self.assertEqual(self.run_case("touches", self.server.address, 60), ("done\n", []))  # who is let go unasked says so

    @unittest.skipUnless(can_hold(), "this kernel lets nobody be held at a page")
    def test_nobody_waits_for_a_kernel_that_waits_for_him(self):
        out, errors = self.run_case("touch-before-kernel-ends", self.server.address, 60)
        self.assertEqual(out, "ended\n")
        self.assert_one_line(errors, "managed memory that a kernel may be using")

    def test_without_it_both_sides_change_what_they_change(self):
        out, errors = self.run_case("touch-before-kernel-ends", self.server.address, 60, FARLANE_TOUCH_WAITS="0")
        self.assertEqual((out, errors), ("ended\n", []))


class TouchesOverUnixSocket(Touches):
    TRANSPORT = "unix"
    UNIX = True


class TouchesOverSharedMemory(Touches):
    TRANSPORT = "shm"


class TouchesOverTls(Touches):
    TRANSPORT = "auto"
    TLS = True


if __name__ == "__main__":
    unittest.main()
