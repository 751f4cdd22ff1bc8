#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands in for farlane-gpud: the same options, the same answer to a hello, and no GPU behind it.

What it should do wrong is chosen by STAND_IN: "welcome" (default), "die" (at start), "mute" (never
ready), "stubborn" (ignores SIGTERM and the watch descriptor), "no-device". It writes its process
number and its options to STAND_IN_NOTES, one line.
"""

import argparse
import json
import os
import pathlib
import select
import signal
import socket
import struct
import sys
import threading
import time

MAGIC = b"FARLANE\n"
WELCOME, WRONG_VERSION, REFUSED, NO_DEVICE = 0, 1, 2, 3
HELLO_BYTES = 512


def padded(data):
    return data + bytes(-len(data) % 8)


def message(op, body):
    return struct.pack("<HHI", op, 0, 8 + len(body)) + body


def batch(messages, first):
    body = b"".join(messages)
    return struct.pack("<IBBHQQ", 24 + len(body), 1, 0, len(messages), first, 0) + body


def device(op, ordinal, name, total, arena):
    attributes = struct.pack("<100i", *[{75: 12, 76: 1}.get(i, 0) for i in range(100)])
    pci = b"0000:01:00.0"
    fixed = struct.pack("<iiiIQQQQQQIIII", ordinal, 0, -5, 100, total, arena, 2 * total if arena else 0, 0, 1, 2,
                        len(attributes), len(name), len(pci), 0)
    return message(op, fixed + padded(attributes) + padded(name) + padded(pci))


def welcome(op, path):
    return message(op, struct.pack("<iiII", 13000, 1, len(path), 0) + padded(path))


def server_hello(verdict, version, wire_hash, reason=b""):
    return MAGIC + struct.pack("<IIQ16sII24x184s", version, verdict, wire_hash, b"boot", os.getpid(), 0, reason)


def answer(verdict=WELCOME, reason=b"", version=1, wire_hash=0, path=b"/nowhere/libcuda.so.1",
           arena=0x7E9000000000):
    """Everything that a server says to a probe; STAND_IN_WIRE holds what the wire of this build is."""
    wire = json.loads(os.environ.get("STAND_IN_WIRE", "{}"))
    said = server_hello(verdict, version, wire_hash or wire.get("hash", 0), reason)
    if verdict == WELCOME:
        said += batch([device(wire["Device"], 0, b"Stand-in \x1b[31mGPU", 1 << 30, arena),
                       welcome(wire["Welcome"], path)], 1)
    return said


def listen(text):
    name = text.removeprefix("unix:")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0" + name[1:] if name.startswith("@") else name)
    listener.listen(16)
    return listener


def serve(listener, said):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            got = b""
            while len(got) < HELLO_BYTES:
                more = connection.recv(HELLO_BYTES - len(got))
                if not more:
                    break
                got += more
            if len(got) == HELLO_BYTES:
                connection.sendall(said)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen")
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--watch-fd", type=int)
    parser.add_argument("--mem")
    parser.add_argument("--log-level")
    parser.add_argument("--grace")
    parser.add_argument("--zero-memory")
    parser.add_argument("--instances")
    options = parser.parse_args()
    mode = os.environ.get("STAND_IN", "welcome")
    notes = os.environ.get("STAND_IN_NOTES")
    if notes:
        pathlib.Path(notes).write_text(json.dumps({"pid": os.getpid(), **vars(options)}), encoding="utf-8")
    if mode == "die":
        sys.exit("stand-in: this server cannot start")
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    listener = listen(options.listen)
    prefix = pathlib.Path(__file__).resolve().parents[1]
    path = str(prefix / "bin/../lib/farlane/soft/libcuda.so.1").encode()  # as the daemon spells it
    said = answer(NO_DEVICE, b"no driver here") if mode == "no-device" else answer(path=path)
    threading.Thread(target=serve, args=(listener, said), daemon=True).start()
    if mode != "mute":
        os.write(options.ready_fd, options.listen.encode() + b"\n")
        os.close(options.ready_fd)
    select.select([options.watch_fd], [], [])
    if mode == "stubborn":
        time.sleep(60)


if __name__ == "__main__":
    main()
