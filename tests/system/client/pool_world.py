# SPDX-License-Identifier: Apache-2.0
"""A whole pool on this machine, whose parts can be hurt: several managers over a cluster of etcd, or one over SQLite; GPU
servers whose way to the managers can be cut; and clients that check every number that they get."""

import http.client
import json
import os
import pathlib
import random
import re
import secrets
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

from real_server import (CASE, EMULATOR, FARLANE, GPUD, SLOWNESS, SOFT, children, client_environment, die_with_parent,
                         seconds_until)
from shaped_link import ShapedLink

POOLD = str(pathlib.Path(FARLANE).with_name("farlane-poold"))
FAULTS = os.environ.get("FARLANE_FAULTY_MACHINE", "")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def asks(address, path, timeout=2.0):
    """The status and the JSON that are answered; None when nobody answers."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Faults:
    """What is wrong with the machine that some program runs on; see faulty_machine.cc."""

    def __init__(self, path):
        self.path = path
        self.set()

    def set(self, clock_seconds=0, disk_is_full=False):
        with open(self.path, "r+b" if os.path.exists(self.path) else "w+b") as file:
            file.write(struct.pack("qq", clock_seconds, int(disk_is_full)))

    def environment(self):
        return {"LD_PRELOAD": FAULTS, "FARLANE_TEST_FAULTS": self.path}


class Program:
    """A program that can be started again as it was."""

    def __init__(self, words, environment, log, ready_lines):
        self.words, self.environment, self.log, self.ready_lines = words, environment, log, ready_lines
        self.process = None

    def start(self):
        ready, says = os.pipe()
        words = [*self.words, "--ready-fd", str(says)] if self.ready_lines else self.words
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                            pass_fds=[says], preexec_fn=die_with_parent, env=self.environment)
        os.close(says)
        with os.fdopen(ready, encoding="utf-8") as lines:
            if self.ready_lines and len(lines.readlines()) != self.ready_lines:
                raise AssertionError(self.said())

    def kill(self, tree=False):
        victims = [self.process.pid, *(children(self.process.pid) if tree else ())]
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def said(self):
        return pathlib.Path(self.log).read_text(encoding="utf-8")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10 * SLOWNESS)
            except subprocess.TimeoutExpired:
                self.kill(tree=True)


def make_seal_key(path):
    """What all managers of a pool have in common. The path."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(os.urandom(32))
    return path


def start_etcd(folder, count):
    """The members of a cluster of the test's own; they answer when this returns."""
    ports = [(free_port(), free_port()) for _ in range(count)]
    cluster = ",".join(f"m{i}=http://127.0.0.1:{peer}" for i, (_, peer) in enumerate(ports))
    members = []
    for i, (port, peer) in enumerate(ports):
        client, between = (f"http://127.0.0.1:{one}" for one in (port, peer))
        members.append(Program(
            ["etcd", "--name", f"m{i}", "--data-dir", f"{folder}/etcd{i}", "--listen-client-urls", client,
             "--advertise-client-urls", client, "--listen-peer-urls", between, "--initial-advertise-peer-urls", between,
             "--initial-cluster", cluster, "--unsafe-no-fsync"], dict(os.environ), f"{folder}/etcd{i}.log", 0))
        members[-1].address = f"127.0.0.1:{port}"
        members[-1].start()
    answer = seconds_until(lambda: all((asks(one.address, "/health") or (0,))[0] == 200 for one in members), 60)
    assert answer <= 60, "etcd does not answer"
    return members


class Run:
    """One client, from its start to its end."""

    def __init__(self, pool, seconds, share):
        self.began = time.monotonic()
        self.ended = None
        environment = client_environment(None, FARLANE_POOL=pool, CHECKED_SECONDS=str(seconds), CHECKED_PAUSE_MS="100",
                                         FARLANE_QUEUE_TIMEOUT="120", FARLANE_SHARE=str(share), FARLANE_MEM="16Mi")
        process = subprocess.Popen([FARLANE, "run", "--", *EMULATOR, CASE, "checksummed"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=die_with_parent, env=environment)
        try:
            self.out, self.errors = process.communicate(timeout=(300 + seconds) * SLOWNESS)
            self.code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            self.out, self.errors = process.communicate()
            self.code = -1
        self.ended = time.monotonic()

    def kind(self):
        if self.code == 0 and re.search(r"^hash [0-9a-f]{16} steps \d+$", self.out, re.M):
            return "right"
        if self.code == 4 or "wrong cell" in self.out:
            return "wrong"
        # 124: no room in time. 125, before the program has begun: the pool could not be asked.
        if self.code == 124 or (self.code == 125 and "ready" not in self.out):
            return "not granted"
        return "failed"

    def program(self):
        """Its pid, by which its server can be found."""
        found = re.search(r"^ready (\d+)$", self.out, re.M)
        return int(found[1]) if found else None


class World:
    """`etcd`: two managers over three members; without it, one manager over SQLite."""

    def __init__(self, etcd, servers, clients, seed):
        self.folder = tempfile.TemporaryDirectory()
        self.clients, self.random = clients, random.Random(seed)
        self.etcd = start_etcd(self.folder.name, 3) if etcd else []
        self.manager_faults, self.managers = [], []
        self.seal_key = make_seal_key(self.path("seal.key"))
        for number in range(2 if etcd else 1):
            self.start_manager(number)
        self.people = ",".join(manager.people for manager in self.managers)
        assert self.until(self.leader, 30), "nobody leads"
        self.ways, self.server_faults, self.servers = [], [], []
        for number in range(servers):
            self.start_server(number)
        assert self.until(lambda: self.servers_ready() == servers, 30), self.managers[0].said()
        self.share = round(servers * 4 / 3 / clients, 4)
        self.runs, self.lock, self.over = [], threading.Lock(), threading.Event()
        self.answered = [0, 0]  # looks at the pool: all, and those that were answered
        self.double = []
        self.threads = [threading.Thread(target=self.be_a_client, args=(number,), daemon=True) for number in
                        range(clients)]
        self.threads += [threading.Thread(target=self.look, daemon=True)]

    def path(self, name):
        return f"{self.folder.name}/{name}"

    @staticmethod
    def until(holds, seconds):
        """How long it takes, or 0."""
        start = time.monotonic()
        while time.monotonic() - start < seconds * SLOWNESS:
            if holds():
                return max(time.monotonic() - start, 1e-2)
            time.sleep(0.02)
        return 0

    def start_manager(self, number):
        people, servers = (f"127.0.0.1:{free_port()}" for _ in range(2))
        words = [POOLD, "--listen", people, "--listen-servers", servers, "--state-dir", self.path(f"manager{number}")]
        if self.etcd:
            words += ["--etcd", ",".join(one.address for one in self.etcd), "--seal-key-file", self.seal_key]
        faults = Faults(self.path(f"manager{number}.faults"))
        manager = Program(words, client_environment(None, LD_LIBRARY_PATH="") | faults.environment(),
                          self.path(f"manager{number}.log"), 2)
        manager.people, manager.servers = people, servers
        manager.start()
        self.manager_faults.append(faults)
        self.managers.append(manager)

    def start_server(self, number):
        ways = [ShapedLink() for _ in self.managers]
        for way, manager in zip(ways, self.managers):
            way.target = manager.servers
        faults = Faults(self.path(f"server{number}.faults"))
        control = "unix:" + self.path(f"server{number}.control")
        server = Program(
            [GPUD, "--listen", "tcp://127.0.0.1:" + str(free_port()), "--driver", SOFT, "--name", f"server{number}",
             "--pool", ",".join(way.address.removeprefix("tcp://") for way in ways), "--state-dir", self.path(f"server{number}"), "--control",
             control],
            client_environment(None, LD_LIBRARY_PATH="", FARLANE_SOFT_MEMORY="4Gi") | faults.environment(),
            self.path(f"server{number}.log"), 1)
        server.control, server.died = control, []
        server.start()
        self.ways.append(ways)
        self.server_faults.append(faults)
        self.servers.append(server)

    def leader(self):
        for manager in self.managers:
            if (asks(manager.people, "/v1/status") or (0,))[0] == 200:
                return manager
        return None

    @staticmethod
    def create(manager):
        """The reason for which a small session is refused; empty: it is granted, and given back."""
        host, port = manager.people.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        body = {"spec": {"slice": {"share": 0.001}}, "keyDigest": secrets.token_hex(32)}
        connection.request("POST", "/v1/sessions", json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        if "session" in answer:
            connection.request("DELETE", "/v1/sessions/" + answer["session"]["id"])
            connection.getresponse().read()
        connection.close()
        return answer.get("reason", "")

    def servers_ready(self):
        leader = self.leader()
        answer = asks(leader.people, "/v1/status") if leader else None
        return answer[1].get("serversReady", 0) if answer else 0

    def is_well(self):
        return self.servers_ready() == len(self.servers)

    def begin(self):
        for thread in self.threads:
            thread.start()

    def be_a_client(self, number):
        choose = random.Random(number)
        time.sleep(choose.random() * self.clients * 0.1)
        while not self.over.is_set():
            run = Run(self.people, round(choose.uniform(2, 4 + self.clients * 0.25), 1), self.share)
            with self.lock:
                self.runs.append(run)
            if run.kind() == "not granted":
                time.sleep(1)

    def look(self):
        """Whether the pool answers, and whether servers have more than they can give, or two the same session."""
        while not self.over.is_set():
            self.answered[0] += 1
            self.answered[1] += self.leader() is not None
            seen = {}
            for number, server in enumerate(self.servers):
                listed = subprocess.run([FARLANE, "session", "list", "--json", "--control", server.control],
                                        capture_output=True, text=True, check=False,
                                        env=client_environment(None))
                sessions = json.loads(listed.stdout)["sessions"] if listed.returncode == 0 else []
                if sum(one["share"] for one in sessions) > 1.0001:
                    self.double.append(f"server{number} has promised {sum(one['share'] for one in sessions)}")
                for one in sessions:
                    if seen.setdefault(one["id"], number) != number:
                        self.double.append(f"{one['session']} is on {seen[one['session']]} and on {number}")
            self.over.wait(0.5)

    def end(self):
        """All clients end as they would; then everything else."""
        self.over.set()
        for thread in self.threads:
            thread.join(300 * SLOWNESS)
        for program in (*self.servers, *self.managers, *self.etcd):
            program.stop()
        for ways in self.ways:
            for way in ways:
                way.close()

    def close(self):
        for program in (*self.servers, *self.managers, *self.etcd):
            if program.process is not None and program.process.poll() is None:
                os.kill(program.process.pid, signal.SIGCONT)
                program.kill(tree=True)
        self.folder.cleanup()

    def server_of(self, program):
        """Which server has served a program, by its log."""
        for number, server in enumerate(self.servers):
            if re.search(rf"serves \S+ \(pid {program} on", server.said()):
                return number
        return None

    def is_excused(self, run):
        """Its server was killed while it ran."""
        number = self.server_of(run.program()) if run.program() else None
        if number is None:
            # It had not got far enough to say who it is: any server that died meanwhile may have been its own.
            return any(run.began <= at <= run.ended for server in self.servers for at in server.died)
        return any(run.began <= at <= run.ended for at in self.servers[number].died)
