#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The order of streams holds for the program's memory as well: when copied bytes are read, and when they are there."""

import unittest

from real_server import Client, RealServer, Server


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

    def test_an_event_inside_a_graph_is_not_the_end_of_the_graph(self):
        self.quiet("event-inside-a-graph")


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


class OrderWithAFailure(Client):
    TRANSPORT = "tcp"

    def test_a_record_that_fails_says_nothing_of_its_stream(self):
        server = Server(listen="tcp://127.0.0.1:0", FARLANE_SOFT_FAULTS="cuEventRecordWithFlags@1=801")
        self.addCleanup(server.stop)
        self.assertTrue(server.address, server.said())
        self.assertEqual(self.run_case("event-that-is-not-recorded", server.address, 30), ("", []))


if __name__ == "__main__":
    unittest.main()
