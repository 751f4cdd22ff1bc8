# SPDX-License-Identifier: Apache-2.0
"""A way to a server that is as long and as narrow as a test wants: a proxy that holds back what passes."""

import collections
import socket
import threading
import time


class _Pipe:
    """One direction of one connection. What comes is passed on when its time has come, and no faster than the link."""

    CHUNK = 16 << 10
    HELD_MOST = 256 << 10  # then the sender has to wait, as for a full window

    def __init__(self, link, source, target, over):
        self.link, self.source, self.target = link, source, target
        self.over = over  # the directions of this connection that have ended
        self.changed = threading.Condition()
        self.held = collections.deque()  # when it has come, and what; None: the end
        self.held_bytes = 0
        for work in (self.read, self.write):
            threading.Thread(target=work, daemon=True).start()

    def read(self):
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.held_bytes < self.HELD_MOST)
            try:
                data = self.source.recv(self.CHUNK)
            except OSError:
                data = b""
            with self.changed:
                self.held.append((time.monotonic(), data))
                self.held_bytes += len(data)
                self.changed.notify_all()
            if not data:
                return

    def write(self):
        free = 0.0  # when the link has passed on what came before
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.held)
                came, data = self.held[0]
            if data and self.link.bytes_per_s:
                free = max(free, came) + len(data) / self.link.bytes_per_s
            due = max(came, free) + self.link.delay_s
            time.sleep(max(0.0, due - time.monotonic()))
            self.link.whole.wait()
            data = self.link.passes(self, data)
            try:
                self.target.sendall(data) if data else self.target.shutdown(socket.SHUT_WR)
            except OSError:
                data = b""
            with self.changed:
                self.held.popleft()
                self.held_bytes -= len(data)
                self.changed.notify_all()
            if not data:
                self.over.append(self)
                if len(self.over) == 2:
                    self.link.forget(self.source, self.target)
                return


class ShapedLink:
    """Listens at `address` and leads to `target`, "tcp://HOST:PORT", which may be set later; so may the rest."""

    HELLO, WELCOME = 256, 0  # protocol/wire/hello.h: how long an answer is, and the verdict in it

    def __init__(self, rtt_ms=0.0, bytes_per_s=0):
        self.rtt_ms, self.bytes_per_s = rtt_ms, bytes_per_s
        self.target = None
        self.whole = threading.Event()  # nothing moves while it is not
        self.whole.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = []
        # The first connection ends when its client was welcome, with the server's hello and nothing behind it.
        self.cuts_behind_welcome = False
        self.first, self.passed = None, b""
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def delay_s(self):
        return self.rtt_ms / 2e3

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            host, port = self.target.removeprefix("tcp://").rsplit(":", 1)
            try:
                far = socket.create_connection((host, int(port)))
            except OSError:
                near.close()
                continue
            self.sockets += [near, far]
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            over = []
            _Pipe(self, near, far, over)
            back = _Pipe(self, far, near, over)
            self.first = self.first or back

    def passes(self, pipe, data):
        """What of it the other end gets; nothing: that was the end."""
        if pipe is not self.first or not self.cuts_behind_welcome:
            return data
        before = len(self.passed)
        self.passed += data
        for end in range(self.HELLO, len(self.passed) + 1, self.HELLO):
            if int.from_bytes(self.passed[end - self.HELLO + 12:end - self.HELLO + 16], "little") == self.WELCOME:
                self.cuts_behind_welcome = False
                pipe.target.sendall(self.passed[before:end])
                pipe.source.shutdown(socket.SHUT_RDWR)
                return b""
        return data

    def forget(self, *ended):
        for one in ended:
            one.close()
        self.sockets = [one for one in self.sockets if one not in ended]

    def close(self):
        self.whole.set()
        self.listener.close()
        for one in self.sockets:
            one.close()
