#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory and events that processes pass to each other: what one names the other opens, and nobody else."""

import os
import secrets
import select
import signal
import tempfile
import unittest

from real_server import SOFT, SLOWNESS, RealServer, Client, seconds_until

INVALID_VALUE = 1
INVALID_CONTEXT = 201
INVALID_HANDLE = 400
NOT_READY = 600

INTERPROCESS = 6  # and without time

CHUNK = 2 << 20
LIMIT_MEBIBYTES = 64


def ticket():
    return f"{secrets.token_hex(16)}.{secrets.token_hex(32)}"


class Talk:
    """Clients that do what they are told."""

    def tell(self, process, *words):
        process.stdin.write(" ".join(str(word) for word in words) + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    def ok(self, process, *words):
        """What comes with a success; one word as a number where it is one."""
        result, _, rest = self.tell(process, *words).partition(" ")
        self.assertEqual(result, "0", words)
        return int(rest) if rest.isdigit() else rest

    def refused(self, process, *words):
        return int(self.tell(process, *words).split()[0])

    def end(self, process):
        out, errors = process.communicate(timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def read(self, process, address):
        return self.ok(process, "read", address)


class Sharing:
    """The claims that hold wherever two processes share a GPU; `pair` starts two that do."""

    def test_what_one_writes_the_other_reads_and_back(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 3 << 20)
        self.ok(owner, "write", here, 41)
        self.ok(owner, "write", here + (3 << 20) - 4, 43)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        self.assertEqual(self.read(other, there), 41)
        self.assertEqual(self.read(other, there + (3 << 20) - 4), 43)
        self.ok(other, "fill", there, 100, 1000)
        self.assertEqual(self.read(owner, here + 4 * 999), 1099)
        self.ok(owner, "fill", here, 500, 1000)
        self.assertEqual(self.read(other, there + 4 * 10), 510)
        self.ok(other, "close", there)
        self.end(owner)
        self.end(other)

    def test_the_other_sees_the_allocation_and_nothing_around_it(self):
        owner, other = self.pair()
        before, here, after = (self.ok(owner, "alloc", 4096) for _ in range(3))
        self.ok(owner, "write", here, 7)
        there = self.ok(other, "open", self.ok(owner, "name", here + 100))
        self.assertEqual(self.ok(other, "range", there + 17), "17 4096")
        self.assertEqual(self.read(other, there), 7)
        for outside in (there - 4, there + 4096):
            self.assertEqual(self.refused(other, "read", outside), INVALID_VALUE)
            self.assertEqual(self.refused(other, "write", outside, 1), INVALID_VALUE)
        self.assertNotEqual(self.ok(owner, "name", here), self.ok(owner, "name", before))
        self.assertNotEqual(self.ok(owner, "name", here), self.ok(owner, "name", after))
        self.end(owner)
        self.end(other)

    def test_opened_twice_it_has_one_address_and_is_closed_twice(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 4096)
        self.ok(owner, "write", here, 5)
        name = self.ok(owner, "name", here)
        self.assertEqual(name, self.ok(owner, "name", here))
        there = self.ok(other, "open", name)
        self.assertEqual(there, self.ok(other, "open", name))
        self.ok(other, "close", there)
        self.assertEqual(self.read(other, there), 5)
        self.ok(other, "close", there)
        self.assertEqual(self.refused(other, "read", there), INVALID_VALUE)
        self.assertEqual(self.refused(other, "close", there), INVALID_VALUE)
        self.end(owner)
        self.end(other)

    def test_what_was_opened_is_closed_and_not_freed(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 4096)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        self.assertEqual(self.refused(other, "free", there), INVALID_VALUE)
        self.assertEqual(self.refused(other, "close", there + 4), INVALID_VALUE)
        self.ok(other, "close", there)
        self.end(owner)
        self.end(other)

    def test_the_owner_does_not_open_its_own(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 4096)
        self.assertEqual(self.refused(owner, "open", self.ok(owner, "name", here)), INVALID_CONTEXT)
        self.end(owner)
        self.end(other)

    def test_an_invented_name_opens_nothing(self):
        owner, other = self.pair()
        name = self.ok(owner, "name", self.ok(owner, "alloc", 4096))
        self.assertEqual(self.refused(other, "open", "00" * 64), INVALID_HANDLE)
        for place in self.SECRET:
            wrong = list(name)
            wrong[place] = "0" if wrong[place] != "0" else "1"
            self.assertEqual(self.refused(other, "open", "".join(wrong)), INVALID_HANDLE, place)
        self.ok(other, "open", name)
        self.end(owner)
        self.end(other)

    def test_a_program_that_maps_memory_itself_passes_it_by_descriptor(self):
        owner, other = self.pair()
        memory = self.ok(owner, "create", 6, 1)
        here = self.ok(owner, "map", memory, 6)
        self.ok(owner, "write", here, 11)
        self.ok(owner, "write", here + (6 << 20) - 4, 13)
        self.assertEqual(self.refused(owner, "name", here), INVALID_VALUE)
        taken = self.pass_on(owner, other, self.ok(owner, "export", memory))
        there = self.ok(other, "map", taken, 6)
        self.assertEqual(self.read(other, there), 11)
        self.assertEqual(self.read(other, there + (6 << 20) - 4), 13)
        self.ok(other, "fill", there, 900, 100)
        self.assertEqual(self.read(owner, here + 40), 910)
        # Both let go of their handles: the mappings keep it.
        self.ok(owner, "release", memory)
        self.ok(other, "release", taken)
        self.assertEqual(self.read(owner, here + 44), 911)
        self.ok(owner, "unmap", here, 6)
        self.assertEqual(self.read(other, there + 44), 911)
        self.ok(other, "unmap", there, 6)
        self.end(owner)
        self.end(other)

    def test_memory_that_was_not_made_to_be_passed_on_is_not(self):
        owner, other = self.pair()
        memory = self.ok(owner, "create", 2, 0)
        self.assertEqual(self.refused(owner, "export", memory), INVALID_VALUE)
        self.end(owner)
        self.end(other)

    def test_what_the_owner_leaves_behind_stays_until_it_is_closed(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 20 << 20)
        self.ok(owner, "write", here + 8, 77)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        self.bury(owner)
        self.assertEqual(self.read(other, there + 8), 77)
        self.ok(other, "fill", there, 3, 1000)
        self.assertEqual(self.read(other, there + 40), 13)
        self.ok(other, "close", there)
        self.end(other)

    def held_up(self, process):
        """The address of a word that the process's stream waits for; "let" writes it."""
        gate = self.ok(process, "alloc", 4096)
        self.ok(process, "write", gate, 0)
        self.ok(process, "hold", gate)
        return gate

    def shared_event(self, owner, other):
        event = self.ok(owner, "event", INTERPROCESS)
        return event, self.ok(other, "open-event", self.ok(owner, "name-event", event))

    def test_what_waits_for_anothers_event_comes_after_it(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 4096)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        result = self.ok(other, "alloc", 4096)
        event, opened = self.shared_event(owner, other)
        self.ok(owner, "write", here, 1)
        gate = self.held_up(owner)
        self.ok(owner, "later", here, 2)
        self.ok(owner, "record", event)
        self.ok(other, "await", opened)
        self.ok(other, "copy-later", result, there)
        self.assertEqual(self.refused(other, "query", opened), NOT_READY)
        self.assertEqual(self.refused(owner, "query", event), NOT_READY)
        self.ok(owner, "let", gate)
        self.ok(other, "wait-event", opened)
        self.assertEqual(self.read(other, result), 2)
        self.ok(other, "query", opened)
        self.ok(owner, "query", event)
        self.end(owner)
        self.end(other)

    def test_an_event_goes_both_ways(self):
        owner, other = self.pair()
        event, opened = self.shared_event(owner, other)
        self.ok(other, "query", opened)  # never recorded
        gate = self.held_up(other)
        self.ok(other, "record", opened)
        self.assertEqual(self.refused(owner, "query", event), NOT_READY)
        self.ok(other, "let", gate)
        self.ok(owner, "wait-event", event)
        self.ok(owner, "query", event)
        self.end(owner)
        self.end(other)

    def test_what_a_dead_process_recorded_is_waited_for_no_longer(self):
        owner, other = self.pair()
        event, opened = self.shared_event(owner, other)
        self.held_up(owner)
        self.ok(owner, "record", event)
        self.assertEqual(self.refused(other, "query", opened), NOT_READY)
        self.bury(owner)
        self.ok(other, "wait-event", opened)
        self.ok(other, "record", opened)
        self.ok(other, "wait-event", opened)
        self.end(other)

    def test_an_event_lives_as_long_as_anybody_has_it(self):
        owner, other = self.pair()
        event, opened = self.shared_event(owner, other)
        self.ok(owner, "destroy", event)
        self.ok(other, "record", opened)
        self.ok(other, "wait-event", opened)
        self.ok(other, "destroy", opened)
        self.end(owner)
        self.end(other)

    def test_only_an_event_that_was_made_for_it_is_named(self):
        owner, other = self.pair()
        self.assertNotEqual(self.refused(owner, "name-event", self.ok(owner, "event", 2)), 0)
        self.assertEqual(self.refused(owner, "open-event", "00" * 64), INVALID_HANDLE)
        event = self.ok(owner, "event", INTERPROCESS)
        name = self.ok(owner, "name-event", event)
        self.assertEqual(self.refused(owner, "open-event", name), INVALID_CONTEXT)
        wrong = list(name)
        wrong[self.SECRET[0]] = "0" if wrong[self.SECRET[0]] != "0" else "1"
        self.assertEqual(self.refused(other, "open-event", "".join(wrong)), INVALID_HANDLE)
        self.end(owner)
        self.end(other)

    def pooled(self, owner, other):
        """A pool of one, and the same as the other has imported it."""
        pool = self.ok(owner, "pool", 1)
        return pool, self.pass_on(owner, other, self.ok(owner, "export-pool", pool), "import-pool")

    def test_a_pool_is_shared_and_what_comes_out_of_it(self):
        owner, other = self.pair()
        pool, taken = self.pooled(owner, other)
        first, here = (self.ok(owner, "alloc-from", pool, 4096) for _ in range(2))
        self.ok(owner, "write", here, 21)
        self.ok(owner, "write", first, 20)
        there = self.ok(other, "open-pooled", taken, self.ok(owner, "name-pooled", here))
        self.assertEqual(self.read(other, there), 21)
        self.ok(other, "fill", there, 70, 100)
        self.assertEqual(self.read(owner, here + 20), 75)
        self.assertEqual(self.refused(other, "close", there), INVALID_VALUE)
        self.ok(other, "free-later", there)
        self.ok(other, "synchronize")
        self.assertEqual(self.refused(other, "read", there), INVALID_VALUE)
        again = self.ok(other, "open-pooled", taken, self.ok(owner, "name-pooled", first))
        self.assertEqual(self.read(other, again), 20)
        self.ok(other, "free", again)
        self.assertEqual(self.refused(other, "free", again), INVALID_VALUE)
        self.end(owner)
        self.end(other)

    def test_an_imported_pool_gives_out_nothing(self):
        owner, other = self.pair()
        _, taken = self.pooled(owner, other)
        self.assertEqual(self.refused(other, "alloc-from", taken, 4096), INVALID_VALUE)
        self.assertEqual(self.refused(other, "export-pool", taken), INVALID_VALUE)
        self.end(owner)
        self.end(other)

    def test_a_pool_that_was_not_made_to_be_shared_is_not(self):
        owner, other = self.pair()
        pool = self.ok(owner, "pool", 0)
        here = self.ok(owner, "alloc-from", pool, 4096)
        self.assertEqual(self.refused(owner, "export-pool", pool), INVALID_VALUE)
        self.assertEqual(self.refused(owner, "name-pooled", here), INVALID_VALUE)
        self.assertEqual(self.refused(owner, "name", here), INVALID_VALUE)
        self.end(owner)
        self.end(other)

    def test_what_comes_out_of_one_pool_is_not_opened_by_another(self):
        owner, other = self.pair()
        pool, _ = self.pooled(owner, other)
        another = self.ok(owner, "pool", 1)
        wrong = self.pass_on(owner, other, self.ok(owner, "export-pool", another), "import-pool")
        name = self.ok(owner, "name-pooled", self.ok(owner, "alloc-from", pool, 4096))
        self.assertEqual(self.refused(other, "open-pooled", wrong, name), INVALID_VALUE)
        self.assertEqual(self.refused(other, "open", name), INVALID_HANDLE)
        self.end(owner)
        self.end(other)

    def pass_on(self, owner, other, descriptor, how="import"):
        path = os.path.join(self.folder, f"inbox-{other.pid}")
        if not os.path.exists(path):
            self.ok(other, "listen", path)
        self.assertEqual(self.tell(owner, "give", path, descriptor), "1")
        self.assertEqual(self.tell(owner, "shut", descriptor), "0")
        return self.ok(other, how)

    def start_sharer(self, server, **more):
        process = self.start("sharer", server, **more)
        self.assertEqual(process.stdout.readline(), "ready\n")
        return process

    def make_folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def bury(self, process):
        """Kills it, and waits until that has been noticed."""
        process.kill()
        process.wait()


class SharingRemotely(Sharing, Talk, RealServer):
    TRANSPORT = "tcp"
    OPTIONS = ("--mem", f"{LIMIT_MEBIBYTES}Mi")
    BYSTANDER = False  # it would take some of the memory that is counted
    SECRET = (32, 47, 48, 63)  # digits of the token

    def setUp(self):
        super().setUp()
        self.make_folder()
        self.session = ticket()

    def member(self, session=None):
        return self.start_sharer(self.server.address, FARLANE_SESSION=session or self.session)

    def pair(self):
        return self.member(), self.member()

    def bury(self, process):
        before = len(self.server.workers())
        super().bury(process)
        self.assertLess(seconds_until(lambda: len(self.server.workers()) < before, 10), 10)

    def test_another_session_opens_nothing(self):
        owner, other = self.pair()
        stranger = self.member(ticket())
        here = self.ok(owner, "alloc", 4096)
        name = self.ok(owner, "name", here)
        self.assertEqual(self.refused(stranger, "open", name), INVALID_HANDLE)
        memory = self.ok(owner, "create", 2, 1)
        path = os.path.join(self.folder, "inbox")
        self.ok(stranger, "listen", path)
        self.tell(owner, "give", path, self.ok(owner, "export", memory))
        self.assertEqual(self.refused(stranger, "import"), INVALID_VALUE)
        self.ok(other, "open", name)
        for process in (owner, other, stranger):
            self.end(process)

    def test_calls_that_others_go_by_wait_for_the_server(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 4096)
        event, _ = self.shared_event(owner, other)
        self.ok(owner, "name", here)
        for command in (f"record {event}", f"await {event}", f"write {here} 7", f"write-rows {here} 8"):
            workers = self.server.workers()
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            owner.stdin.write(command + "\n")
            owner.stdin.flush()
            answered, _, _ = select.select([owner.stdout], [], [], 0.3)
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            self.assertFalse(answered, command)
            self.assertEqual(owner.stdout.readline(), "0\n")
        self.assertEqual(self.read(owner, here + 512), 8)
        self.end(owner)
        self.end(other)

    def free_mebibytes(self, process):
        return self.ok(process, "info")

    def test_shared_memory_is_charged_once(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 30 << 20)
        self.ok(owner, "synchronize")  # its use of the memory is known by then
        left = LIMIT_MEBIBYTES - 30
        self.assertLess(seconds_until(lambda: self.free_mebibytes(other) == left, 10), 10)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        self.assertEqual(self.free_mebibytes(other), left)
        self.ok(other, "alloc", left << 20)
        self.ok(other, "close", there)
        self.assertEqual(self.free_mebibytes(other), 0)
        self.end(owner)
        self.end(other)

    def test_what_a_dead_owner_left_is_the_sessions_until_it_is_closed(self):
        owner, other = self.pair()
        here = self.ok(owner, "alloc", 30 << 20)
        self.ok(owner, "write", here, 9)
        there = self.ok(other, "open", self.ok(owner, "name", here))
        owner.kill()
        owner.wait()
        # What was not shared comes back; what was does not.
        waited = seconds_until(lambda: self.free_mebibytes(other) == LIMIT_MEBIBYTES - 30, 10)
        self.assertLess(waited, 10, self.free_mebibytes(other))
        self.assertEqual(self.refused(other, "alloc", (LIMIT_MEBIBYTES - 28) << 20), 2)
        self.assertEqual(self.read(other, there), 9)
        self.ok(other, "close", there)
        waited = seconds_until(lambda: self.free_mebibytes(other) == LIMIT_MEBIBYTES, 10)
        self.assertLess(waited, 10, self.free_mebibytes(other))
        self.ok(other, "alloc", 60 << 20)
        self.end(other)

    def test_what_a_dead_owner_left_goes_with_the_last_who_has_it(self):
        owner, other = self.pair()
        third = self.member()
        name = self.ok(owner, "name", self.ok(owner, "alloc", 30 << 20))
        self.ok(other, "open", name)
        self.ok(third, "open", name)
        owner.kill()
        other.kill()
        owner.wait()
        other.wait()
        fourth = self.member()
        waited = seconds_until(lambda: self.free_mebibytes(fourth) == LIMIT_MEBIBYTES - 30, 10)
        self.assertLess(waited, 10, self.free_mebibytes(fourth))
        self.end(third)
        waited = seconds_until(lambda: self.free_mebibytes(fourth) == LIMIT_MEBIBYTES, 10)
        self.assertLess(waited, 10, self.free_mebibytes(fourth))
        self.end(fourth)

    def test_released_memory_is_credit_again_when_nobody_has_it(self):
        owner, other = self.pair()
        memory = self.ok(owner, "create", 40, 1)
        taken = self.pass_on(owner, other, self.ok(owner, "export", memory))
        there = self.ok(other, "map", taken, 40)
        self.ok(owner, "release", memory)
        self.assertEqual(self.refused(owner, "alloc", 30 << 20), 2)
        self.ok(other, "release", taken)
        self.ok(other, "unmap", there, 40)
        waited = seconds_until(lambda: self.free_mebibytes(owner) == LIMIT_MEBIBYTES, 10)
        self.assertLess(waited, 10, self.free_mebibytes(owner))
        self.ok(owner, "alloc", 60 << 20)
        self.end(owner)
        self.end(other)

    def test_memory_that_was_shared_serves_its_owner_again(self):
        owner, other = self.pair()
        for _ in range(5):
            here = self.ok(owner, "alloc", 40 << 20)
            there = self.ok(other, "open", self.ok(owner, "name", here))
            self.ok(other, "close", there)
            self.ok(owner, "free", here)
        self.end(owner)
        self.end(other)


class SharingOverUnixSocket(SharingRemotely):
    UNIX = True
    TRANSPORT = "unix"


class SharingOverSharedMemory(SharingRemotely):
    UNIX = True
    TRANSPORT = "shm"


class SharingDirectly(Sharing, Talk, Client):
    """On the software GPU itself, whose processes share a file."""

    SECRET = (32, 39)  # digits of the serial

    def setUp(self):
        self.make_folder()

    def pair(self):
        more = {"LD_LIBRARY_PATH": os.path.dirname(SOFT), "FARLANE_SOFT_MEMORY": "64Mi",
                "FARLANE_SOFT_SHARED": os.path.join(self.folder, "devices")}
        return self.start_sharer(None, **more), self.start_sharer(None, **more)


if __name__ == "__main__":
    unittest.main()
