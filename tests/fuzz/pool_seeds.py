#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the fuzzers of a pool's manager can start from, in a folder for each target: every route asked by the admin,
with the example of its message, and whole requests of HTTP.

  tests/fuzz/pool_seeds.py FOLDER
"""

import pathlib
import sys

ROUTES = 64  # no fewer than there are: the number of a route counts modulo how many there are
ADMIN, NEWCOMER, STRANGER = 8, 9, 10  # behind the eight roles
WITH_QUERY = 4


def routes():
    for route in range(ROUTES):
        for name in (0, 2, 3, 130):  # of a server, a project, ..., of what was made before
            yield bytes([ADMIN, route, 0, name])
        yield bytes([ADMIN, route, WITH_QUERY, 0b1001, 0, 1, 0])
    for who in (NEWCOMER, STRANGER, 0, 3):
        yield from (bytes([who, route, 0]) for route in range(ROUTES))


def requests():
    yield from (b"\0GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\xf4GET /stream HTTP/1.1\r\nHost: x.example\r\n\r\n",
                b"\0POST /v1/sessions?a=b&c HTTP/1.1\r\nHost: [::1]:7443\r\nAuthorization: Bearer x\r\nContent-Length: 2\r\n\r\n{}",
                b"\xe0POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n",
                b"\xf8GET /refused HTTP/1.1\r\nHost: gpus.example\r\nOrigin: x\r\n\r\n")
    for host in (b"", b"[::1", b"pool.localhost", b"localhost.", b"10.1.2.3:7443", b"GPUS.example", b"no.example"):
        yield b"\0GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


def main():
    for target, inputs in (("routes_fuzz", routes()), ("http_fuzz", requests())):
        folder = pathlib.Path(sys.argv[1], target)
        folder.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(inputs):
            (folder / f"{number:04}").write_bytes(text)


if __name__ == "__main__":
    main()
