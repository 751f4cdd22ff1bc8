#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kernels that write where they must not: error 700, nothing changed, and everybody goes on.

The process that runs the kernels (the program itself, or its worker at a server) is looked into from
outside: its mappings say where its heap, stacks, code and tables are, and its memory is read after
each attempt. The value that a kernel tries to leave there is a random one that nothing else writes.
"""

import dataclasses
import os
import pathlib
import random
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "client"))
from real_server import CLIENT, RealServer, SANITIZER, SOFT, alive, client_environment, die_with_parent  # noqa: E402

PROGRAM = os.environ.get("FARLANE_WILD_STORE", "")
SEED = int(os.environ.get("FARLANE_TEST_SEED", "0")) or random.SystemRandom().getrandbits(32)
ILLEGAL_ADDRESS = 700

FRAME = 2 << 20
NEIGHBOUR_BYTES = 32 * FRAME
PAGE = 4096
GLOBAL_WAYS = ["store", "generic", "byte", "pair", "four", "volatile", "release", "add", "reduce", "exchange",
               "swap", "offset", "load", "through-shared"]
OFFSET_WAYS = ["shared", "shared-add", "local"]
# A sanitizer brings an allocator of its own, whose memory has no name.
HEAP = "anonymous" if SANITIZER else "[heap]"
# What no process has, and what looks like an address of every process.
GUESSES = [0x0, 0x10, 0x1000, 0x400000, 0x7f0000000000, 0x7fffffffe000, 0x7f00dead00001000, 0x0000800000000000,
           0x1000000000000, 0xdeadbeef00000000, 0xffff800000000000, 0xffffffffff600000, 0xfffffffffffffff0]


@dataclasses.dataclass
class Mapping:
    """One line of /proc/PID/maps."""

    begin: int
    end: int
    rights: str
    name: str

    @property
    def kind(self):
        return pathlib.PurePath(self.name).name or "anonymous", self.rights


def mappings(pid):
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        words = line.split(maxsplit=5)
        begin, end = (int(word, 16) for word in words[0].split("-"))
        found.append(Mapping(begin, end, words[1], words[5] if len(words) > 5 else ""))
    return found


def without_window(found, inside):
    """Leaves out the run of mappings without a gap in which the device's memory lies."""
    index = next(i for i, one in enumerate(found) if one.begin <= inside < one.end)
    first = last = index
    while first > 0 and found[first - 1].end == found[first].begin:
        first -= 1
    while last + 1 < len(found) and found[last].end == found[last + 1].begin:
        last += 1
    return found[:first] + found[last + 1:]


def memory_at(pid, address, size):
    """The bytes there, or None where nothing can be read."""
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(size)
    except (OSError, OverflowError):
        return None


class Toucher:
    """A running program of program.cc."""

    def __init__(self, test, environment):
        self.test = test
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent, env=environment)
        test.addCleanup(self.process.stdout.close)
        test.addCleanup(self.process.wait)
        test.addCleanup(self.process.kill)
        self.take(PAGE)  # only now its libraries are there, and its worker

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        self.test.assertNotEqual(answer, "", f"the program is gone after: {command}")
        self.test.assertNotIn("broken", answer, command)
        return answer

    def take(self, size):
        return int(self.say(f"take {size}").removeprefix("at "), 16)

    def result(self, command):
        return int(self.say(command).removeprefix("result "))

    def end(self):
        self.process.stdin.close()
        self.test.assertEqual(self.process.wait(20), 0, "the program did not end well")


class WildStores:
    """What must hold both directly and through a server; `start_program` gives one program and who runs its kernels."""

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)
        print(f"{self.id()}: FARLANE_TEST_SEED={SEED}", flush=True)
        self.neighbour, _ = self.start_program()
        self.neighbours_memory = self.neighbour.take(NEIGHBOUR_BYTES)
        self.wild, self.host = self.start_program()

    def tearDown(self):
        self.assertEqual(self.neighbour.say("check"), f"0 of {NEIGHBOUR_BYTES // 4} changed")
        self.assertTrue(alive(self.host), "who ran the kernels is gone")
        self.wild.end()
        self.neighbour.end()
        after, _ = self.start_program()
        self.assertGreater(after.take(FRAME), 0)
        self.assertEqual(after.say("check"), f"0 of {FRAME // 4} changed")
        after.end()
        super().tearDown()

    def value(self):
        return self.random.getrandbits(32) | 0x01000001

    def touch(self, way, address, where):
        value = self.value()
        with self.subTest(way=way, address=hex(address), where=where):
            self.assertEqual(self.wild.result(f"{way} {address:x} {value:x}"), ILLEGAL_ADDRESS)
            there = memory_at(self.host, address, 4)
            self.assertNotEqual(there, value.to_bytes(4, "little"), "the bytes are there")

    def places(self):
        """An address in a mapping of every kind that the process has, outside of the device's memory."""
        window = self.wild.take(FRAME)
        kinds = {}
        for one in without_window(mappings(self.host), window):
            kinds.setdefault(one.kind, []).append(one)
        for (name, rights), members in sorted(kinds.items()):
            one = self.random.choice(members)
            yield self.random.randrange(one.begin, one.end, 16), f"{name} {rights}"

    def test_every_kind_of_mapping_of_the_process(self):
        places = list(self.places())
        named = " ".join(where for _, where in places)
        for needed in (HEAP, "[stack]", "libcuda.so.1 r-xp", "libc.so.6 r", "anonymous rw"):
            self.assertIn(needed, named)
        for address, where in places:
            self.touch(self.random.choice(GLOBAL_WAYS), address, where)

    def test_every_way_into_heap_and_stack(self):
        targets = [one for one in without_window(mappings(self.host), self.wild.take(FRAME))
                   if one.kind in ((HEAP, "rw-p"), ("[stack]", "rw-p"))]
        self.assertEqual({one.kind[0] for one in targets}, {HEAP, "[stack]"})
        for way in GLOBAL_WAYS:
            one = self.random.choice(targets)
            self.touch(way, self.random.randrange(one.begin, one.end, 16), one.kind[0])

    def test_guessed_addresses(self):
        for address in GUESSES:
            self.touch(self.random.choice(GLOBAL_WAYS), address, "a guess")

    def test_offsets_into_shared_and_local_memory(self):
        for way in OFFSET_WAYS:
            for offset in (0x10000000, 0x7ffffff0, 0x80000000, 0xfffffff0, self.random.randrange(1 << 24, 1 << 32, 16)):
                value = self.value()
                with self.subTest(way=way, offset=hex(offset)):
                    self.assertEqual(self.wild.result(f"{way} {offset:x} {value:x}"), ILLEGAL_ADDRESS)

    def test_the_neighbours_memory(self):
        # Both begin at the same address; the wild program never has as much as half of the neighbour's.
        for frame in self.random.sample(range(16, NEIGHBOUR_BYTES // FRAME), 6):
            address = self.neighbours_memory + frame * FRAME + self.random.randrange(0, FRAME, 16)
            self.touch(self.random.choice(GLOBAL_WAYS), address, "the neighbour's")


class Directly(WildStores, unittest.TestCase):
    """In the program's own process."""

    def start_program(self):
        toucher = Toucher(self, client_environment(None, LD_LIBRARY_PATH=str(pathlib.Path(SOFT).parent)))
        return toucher, toucher.process.pid

    # A client of a server keeps some memory for its next allocations, so there this would often be no fault.
    def test_behind_and_after_an_allocation(self):
        for what in ("past", "freed"):
            for way in self.random.sample(GLOBAL_WAYS, 4):
                with self.subTest(what=what, way=way):
                    self.assertEqual(self.wild.result(f"{what} {way} {self.value():x}"), ILLEGAL_ADDRESS)


class AtAServer(WildStores, RealServer):
    """In a worker; the neighbours are two other clients of the same server."""

    def workers_with_clients(self):
        said = self.server.said()
        return {pid for pid in self.server.workers() if f"worker {pid}" in said}

    def start_program(self):
        before = self.workers_with_clients()
        toucher = Toucher(self, client_environment(self.server.address, LD_LIBRARY_PATH=CLIENT))
        new = self.workers_with_clients() - before
        self.assertEqual(len(new), 1, self.server.said())
        return toucher, new.pop()


if __name__ == "__main__":
    unittest.main()
