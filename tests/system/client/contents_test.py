#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Copies of any content are right over every way, and what repeats in them is not sent."""

import re
import socket
import struct
import threading
import unittest

from real_server import RealServer
from refusal_test import HELLO_BYTES, Impostor

SERVER_HELLO_BYTES = 256
COPY_OUT_DATA = 0x0008


def read_exactly(connection, size):
    got = bytearray()
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise ConnectionError
        got += part
    return got


def relay(source, target):
    """One direction, as it is."""
    try:
        while part := source.recv(1 << 16):
            target.sendall(part)
    except OSError:
        pass


def lie(batch, offset, size):
    """Says another length of the piece at that offset of its transfer."""
    at = 24
    while at < len(batch):
        number, _, size_of_message = struct.unpack_from("<HHI", batch, at)
        if number == COPY_OUT_DATA and struct.unpack_from("<Q", batch, at + 16)[0] == offset:
            struct.pack_into("<Q", batch, at + 24, size)
        at += size_of_message
    return batch


class Contents(RealServer):
    TRANSPORT = "tcp"

    def test_whatever_is_copied_arrives(self):
        self.assertEqual(self.run_case("any-contents", self.server.address, 60), ("", []))

    def test_cleared_memory_is_not_sent(self):
        _, lines = self.run_case("cleared-memory", self.server.address, 30, FARLANE_TRACE="summary")
        self.assert_one_line(lines, "bytes_out=", "bytes_in=")
        for way in ("bytes_out", "bytes_in"):
            self.assertLess(int(re.search(way + r"=(\d+)", lines[0])[1]), 1 << 20, lines[0])

    def test_of_managed_memory_only_what_has_changed_is_sent(self):
        _, lines = self.run_case("managed-changes", self.server.address, 60, FARLANE_TRACE="summary")
        self.assert_one_line(lines, "bytes_out=", "bytes_in=")
        for way in ("bytes_out", "bytes_in"):
            # Ten times 4 KiB were changed on either side, of 64 MiB.
            self.assertLess(int(re.search(way + r"=(\d+)", lines[0])[1]), 200_000, lines[0])


class Liars(RealServer):
    """Between the client and the server stands somebody who changes what the server says of a copy."""

    def assert_given_up(self, offset, size, case="copy-from-a-liar"):
        host, port = self.server.address.split("://")[1].split(":")

        def behave(client):
            with socket.create_connection((host, int(port))) as server:
                server.sendall(read_exactly(client, HELLO_BYTES))
                threading.Thread(target=relay, args=(client, server), daemon=True).start()
                verdict = None
                while verdict != 0:  # it may say first that it is starting
                    hello = read_exactly(server, SERVER_HELLO_BYTES)
                    verdict = struct.unpack_from("<I", hello, 12)[0]
                    client.sendall(hello)
                while True:
                    batch = read_exactly(server, 24)
                    batch += read_exactly(server, struct.unpack_from("<I", batch)[0] - 24)
                    client.sendall(lie(batch, offset, size))
        liar = Impostor(behave)
        self.addCleanup(liar.close)
        _, lines = self.run_case(case, liar.address, 20, FARLANE_TRANSPORT="tcp")
        self.assert_one_line(lines, "lost the GPU server", "broke the protocol")

    def test_a_piece_that_is_longer_than_what_was_asked_for(self):
        self.assert_given_up(3 << 18, 1 << 18)

    def test_a_piece_that_is_longer_than_any(self):
        self.assert_given_up(0, (1 << 18) + 8)

    def test_a_change_that_reaches_beyond_what_was_asked_for(self):
        self.assert_given_up(0, 1 << 18, "managed-from-a-liar")

    def test_a_piece_that_is_shorter_than_its_data(self):
        self.assert_given_up(0, 7)


class ContentsOverUnixSocket(Contents):
    TRANSPORT = "unix"
    UNIX = True


class ContentsOverSharedMemory(Contents):
    TRANSPORT = "shm"


class ContentsOverTls(Contents):
    TRANSPORT = "auto"
    TLS = True


if __name__ == "__main__":
    unittest.main()
