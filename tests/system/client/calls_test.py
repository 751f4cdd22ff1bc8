#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a program does wrong is answered as the manual says, and harms nobody; what is right works."""

import re
import unittest

from real_server import RealServer, Client, Server, SLOWNESS


class Calls(RealServer):
    TRANSPORT = "tcp"

    def quiet(self, case, seconds=20, **environment):
        out, lines = self.run_case(case, self.server.address, seconds, **environment)
        self.assertEqual((out, lines), ("", []))

    def test_unknown_handles(self):
        self.quiet("unknown-handles")

    def test_wrong_pointers(self):
        self.quiet("wrong-pointers")

    def test_forbidden_shapes(self):
        self.quiet("forbidden-shapes")

    def test_wrong_parameters(self):
        self.quiet("wrong-parameters")

    def test_wrong_copies(self):
        self.quiet("wrong-copies")

    def test_wrong_references(self):
        self.quiet("wrong-references")

    def test_code_without_ptx(self):
        _, lines = self.run_case("without-ptx", self.server.address, 3)
        self.assert_one_line(lines, "cannot load device code", "PTX", "-arch")

    def test_broken_ptx(self):
        _, lines = self.run_case("broken-ptx", self.server.address, 3)
        self.assertEqual(len(lines), 2, lines)  # it is loaded twice
        self.assert_one_line(lines[:1], "cannot load device code", "PTX")

    def test_more_kernels_than_fit_a_message(self):
        self.quiet("many-kernels")

    def test_a_broken_library_tells_when_it_is_used(self):
        _, lines = self.run_case("broken-libraries", self.server.address, 10)
        self.assertEqual(len(lines), 2, lines)  # it is loaded twice
        self.assert_one_line(lines[:1], "cannot load device code", "PTX")

    def test_a_failed_assertion_is_told_on_standard_error(self):
        out, lines = self.run_case("assertion", self.server.address, 10)
        self.assertEqual(out, "")
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("sky12:42", lines[0])

    def test_errors_of_posts_are_told_once(self):
        self.quiet("posted-errors")

    def test_faults_stay_until_the_context_is_reset(self):
        self.quiet("faults")

    def test_synchronous_calls_tell_at_once(self):
        self.quiet("synchronous", FARLANE_SYNC="1")

    def test_threads(self):
        self.quiet("threads")

    def test_one_thread_waits_for_what_another_posts_later(self):
        self.quiet("released-by-another")

    def test_two_contexts(self):
        self.quiet("two-contexts", CUDA_VISIBLE_DEVICES="0")

    def test_a_context_ends(self):
        self.quiet("context-ends")

    def test_copies_beyond_the_window(self):
        self.quiet("large-copies", seconds=60)


class Counts(RealServer):
    TRANSPORT = "tcp"

    def summary(self, case):
        """The fields of the line that FARLANE_TRACE=summary prints."""
        _, lines = self.run_case(case, self.server.address, 20, FARLANE_TRACE="summary")
        self.assert_one_line(lines, "server=")
        fields = dict(field.split("=", 1) for field in lines[0].split()[1:])
        return {key: int(value) for key, value in fields.items() if value.isdigit()}

    def test_ten_thousand_launches_in_two_hundred_sends(self):
        fields = self.summary("posted-launches")
        self.assertEqual(fields["launches"], 10_000)
        self.assertGreaterEqual(fields["posts"], 10_000)
        self.assertLessEqual(fields["sends"], 200 * SLOWNESS)

    def test_ten_thousand_allocations_without_a_round_trip(self):
        with_context = self.summary("allocations")
        self.assertLessEqual(with_context["round_trips"], 2)  # for the context, not for memory
        self.assertEqual(with_context["calls"], with_context["posts"] + with_context["round_trips"])

    def test_binding_and_asking_references_costs_no_round_trips(self):
        fields = self.summary("bound-references")
        self.assertLessEqual(fields["round_trips"], 8)  # for the context, the module and its three references
        self.assertGreaterEqual(fields["posts"], 6000)

    def test_polling_costs_no_round_trips(self):
        # Each round waits for a memset, a copy, and a few times for an answer until it is watched.
        self.assertLessEqual(self.summary("polling")["round_trips"], 60)

    def test_waiting_for_work_that_cannot_be_seen_costs_no_round_trips(self):
        self.assertLessEqual(self.summary("unseen-work")["round_trips"], 10)

    def test_nor_do_waits_for_events_behind_it(self):
        self.assertLessEqual(self.summary("unseen-waits")["round_trips"], 10)
        self.assertGreaterEqual(self.summary("seen-waits")["round_trips"], 20)  # a wait and the time, ten times

    def test_waiting_for_nothing_costs_no_round_trips(self):
        self.assertLessEqual(self.summary("waiting-for-nothing")["round_trips"], 10)

    def test_libraries_that_are_not_used_are_not_waited_for(self):
        # The context, and the one that is used.
        self.assertLessEqual(self.summary("libraries")["round_trips"], 3)

    def test_a_graph_of_sixty_nodes_is_launched_by_one_post_and_asked_about_for_nothing(self):
        fields = self.summary("launched-graphs")
        self.assertLessEqual(fields["round_trips"], 8)
        self.assertGreaterEqual(fields["posts"], 500)
        self.assertLessEqual(fields["posts"], 500 + 250)  # each launch, and once what the graph is made of


class TwoDevices(Client):
    def test_unmapping_waits_only_for_new_work(self):
        server = Server(FARLANE_SOFT_DEVICES="2", FARLANE_SOFT_MEMORY="256Mi")
        self.addCleanup(server.stop)
        _, lines = self.run_case("mappings", server.address, 20, FARLANE_TRACE="waits")
        self.assertEqual(re.findall(r"waits for DeviceQuiesce: (\d+)", "".join(lines)), ["1"])


class CallsOverUnixSocket(Calls):
    UNIX = True
    TRANSPORT = "unix"


class CallsOverSharedMemory(Calls):
    UNIX = True
    TRANSPORT = "shm"


class CountsOverUnixSocket(Counts):
    UNIX = True
    TRANSPORT = "unix"


class CountsOverSharedMemory(Counts):
    UNIX = True
    TRANSPORT = "shm"


class CallsOverTls(Calls):
    TLS = True


class CountsOverTls(Counts):
    TLS = True


class SmallServer(RealServer):
    OPTIONS = ("--mem", "64Mi")
    BYSTANDER = False  # it would take some of the memory that is counted

    def test_out_of_memory_is_exact(self):
        self.assertEqual(self.run_case("out-of-memory", self.server.address, 20), ("", []))

    def test_free_memory_is_what_can_be_had(self):
        self.assertEqual(self.run_case("memory-info", self.server.address, 20), ("", []))

    def test_memory_of_the_dead_is_given_to_the_next(self):
        for _ in range(3):
            self.assertEqual(self.run_case("out-of-memory", self.server.address, 20), ("", []))


if __name__ == "__main__":
    unittest.main()
