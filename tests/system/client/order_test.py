#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The order of streams holds for the program's memory as well: when copied bytes are read, and when they are there."""

import unittest

from real_server import RealServer


class Order(RealServer):
    TRANSPORT = "tcp"

    def quiet(self, case):
        self.assertEqual(self.run_case(case, self.server.address, 30), ("", []))

    def test_a_pinned_buffer_is_filled_by_a_function_just_before_its_copy(self):
        self.quiet("filled-by-a-function")

    def test_memory_that_a_copy_is_still_to_write_is_copied_behind_it(self):
        self.quiet("copied-out-then-in")

    def test_a_pinned_buffer_is_filled_until_the_stream_is_let_go(self):
        self.quiet("filled-before-a-value")

    def test_data_is_there_before_any_news_of_it(self):
        self.quiet("data-before-news")

    def test_device_memory_is_overwritten_right_after_the_event_of_its_copy(self):
        self.quiet("overwritten-after-its-event")


class OrderOverUnixSocket(Order):
    UNIX = True
    TRANSPORT = "unix"


class OrderOverSharedMemory(Order):
    UNIX = True
    TRANSPORT = "shm"


class OrderOverSharedMemoryOfTcp(Order):
    TRANSPORT = "shm"


class OrderOverTls(Order):
    TLS = True
    TRANSPORT = "auto"


if __name__ == "__main__":
    unittest.main()
