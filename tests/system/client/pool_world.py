# SPDX-License-Identifier: Apache-2.0
"""A whole pool on this machine, whose parts can be hurt: several managers over a cluster of etcd, or one over SQLite; GPU
servers whose way to the managers can be cut, and managers whose way to etcd can; and clients that check every number that
they get."""

import http.client
import json
import math
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

    def set(self, clock_seconds=0, disk_is_full=False, descriptors_late_ms=0):
        with open(self.path, "r+b" if os.path.exists(self.path) else "w+b") as file:
            file.write(struct.pack("qqq", clock_seconds, int(disk_is_full), descriptors_late_ms))

    def environment(self):
        return {"LD_PRELOAD": FAULTS, "FARLANE_TEST_FAULTS": self.path}


class Program:
    """A program that can be started again as it was."""

    def __init__(self, words, environment, log, ready_lines, nice=0):
        self.words, self.environment, self.log, self.ready_lines = words, environment, log, ready_lines
        self.nice = nice
        self.process = None

    def start(self):
        def prepare():
            os.nice(self.nice)
            die_with_parent()
        ready, says = os.pipe()
        words = [*self.words, "--ready-fd", str(says)] if self.ready_lines else self.words
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
                                            pass_fds=[says], preexec_fn=prepare, env=self.environment)
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

    READY = re.compile(r"^ready (\d+) (\S+) (\d+)$", re.M)
    HASH = re.compile(r"^hash ([0-9a-f]{16}) steps (\d+) slowest (\d+)$", re.M)

    def __init__(self, pool, seconds, share, **environment):
        def prepare():
            os.nice(10)  # two hundred on one machine are not to take its managers' time
            die_with_parent()
        self.began = time.monotonic()
        self.ended = None
        environment = client_environment(None, FARLANE_POOL=pool, CHECKED_SECONDS=str(seconds),
                                         FARLANE_QUEUE_TIMEOUT="120", FARLANE_SHARE=str(share), FARLANE_MEM="16Mi",
                                         **environment)
        process = subprocess.Popen([FARLANE, "run", "--", *EMULATOR, CASE, "checksummed"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=prepare, env=environment)
        try:
            self.out, self.errors = process.communicate(timeout=(400 + seconds) * SLOWNESS)
            self.code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            self.out, self.errors = process.communicate()
            self.code = -1
        self.ended = time.monotonic()
        ready = self.READY.search(self.out)
        # Its pid and its session, by which its server can be found, and when it had both.
        self.program, self.session = (int(ready[1]), ready[2]) if ready else (None, None)
        self.ready = int(ready[3]) / 1e3 if ready else None

    def right(self):
        """The hash, after how many steps, and how many seconds the slowest of them took; None without them."""
        found = self.HASH.search(self.out)
        return (found[1], int(found[2]), int(found[3]) / 1e3) if found else None

    def kind(self):
        if self.code == 0 and self.right():
            return "right"
        if self.code == 4 or "wrong cell" in self.out:
            return "wrong"
        # 124: no room in time. 125, before the program has begun: the pool could not be asked.
        if self.code == 124 or (self.code == 125 and self.ready is None):
            return "not granted"
        return "failed"


class World:
    """`etcd`: two managers over three members; without it, one manager over SQLite. The servers are full when all clients
    but a sixth have a session each; the others wait."""

    def __init__(self, etcd, servers, clients, seed, pause_ms=100):
        self.folder = tempfile.TemporaryDirectory()
        self.clients, self.seed, self.pause_ms = clients, seed, pause_ms
        self.etcd = start_etcd(self.folder.name, 3) if etcd else []
        self.manager_faults, self.managers = [], []
        self.seal_key = make_seal_key(self.path("seal.key"))
        for number in range(2 if etcd else 1):
            self.start_manager(number)
        self.people = ",".join(manager.people for manager in self.managers)
        assert self.until(self.leader, 90), "nobody leads"
        self.ways, self.server_faults, self.servers = [], [], []
        for number in range(servers):
            self.start_server(number)
        assert self.until(lambda: self.servers_ready() == servers, 90), self.managers[0].said()
        self.at_a_time = clients - clients // 6
        self.share = int(1e4 / math.ceil(self.at_a_time / servers)) / 1e4
        self.runs, self.lock, self.over = [], threading.Lock(), threading.Event()
        self.looks = []  # at the pool: when, and whether it answered
        self.asked = []  # for a session, beside the clients: when, for how long, and what was wrong
        self.double = []
        self.live = 0  # sessions, as servers have said last
        self.threads = [threading.Thread(target=self.be_a_client, args=(number,), daemon=True) for number in
                        range(clients)]
        self.threads += [threading.Thread(target=one, daemon=True) for one in (self.look, self.ask, self.count)]
        self.began = time.monotonic()
        pathlib.Path(self.path("go on")).touch()

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
        ways = [ShapedLink() for _ in self.etcd]
        for way, member in zip(ways, self.etcd):
            way.target = member.address
        if self.etcd:
            words += ["--etcd", ",".join(way.address.removeprefix("tcp://") for way in ways),
                      "--seal-key-file", self.seal_key]
        faults = Faults(self.path(f"manager{number}.faults"))
        manager = Program(words, client_environment(None, LD_LIBRARY_PATH="") | faults.environment(),
                          self.path(f"manager{number}.log"), 2)
        manager.people, manager.servers, manager.ways = people, servers, ways
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
            self.path(f"server{number}.log"), 1, nice=5)
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

    def await_leader(self):
        """One that answers has to be there before it can be hurt; on a busy machine an answer may take longer than a look waits."""
        assert self.until(self.leader, 60), "nobody leads"
        return self.leader() or self.await_leader()

    @staticmethod
    def create(manager, timeout=20):
        """The reason for which a small session is refused; empty: it is granted, and given back."""
        host, port = manager.people.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        body = {"spec": {"slice": {"priority": "best-effort"}}, "keyDigest": secrets.token_hex(32)}
        try:
            connection.request("POST", "/v1/sessions", json.dumps(body))
            answer = json.loads(connection.getresponse().read())
            if "session" in answer:
                connection.request("DELETE", "/v1/sessions/" + answer["session"]["id"])
                connection.getresponse().read()
        finally:
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
        choose = random.Random(self.seed * 1000 + number)
        time.sleep(choose.random() * self.clients * 0.1)
        while not self.over.is_set():
            run = Run(self.people, round(choose.uniform(2, 4 + self.clients), 1), self.share,
                      CHECKED_PAUSE_MS=str(self.pause_ms), CHECKED_FILE=self.path("go on"))
            with self.lock:
                self.runs.append(run)
            if run.kind() == "not granted":
                time.sleep(1)

    def look(self):
        """Whether anybody leads the pool and answers."""
        while not self.over.is_set():
            at = time.monotonic()
            self.looks.append((at, self.leader() is not None))
            self.over.wait(max(0, at + 0.25 - time.monotonic()))

    def ask(self):
        """Whether a session can be had; of whom is asked as a program would."""
        while not self.over.is_set():
            at, problem = time.monotonic(), "nobody answers"
            for manager in self.managers:
                try:
                    problem = self.create(manager, timeout=5)
                except (OSError, ValueError, http.client.HTTPException):
                    continue
                if problem != "NotLeader":
                    break
            self.asked.append((at, time.monotonic() - at, problem))
            self.over.wait(max(0, at + 0.5 - time.monotonic()))

    def count(self):
        """Whether servers have promised more than they have, or two the same session."""
        while not self.over.is_set():
            seen, live = {}, 0
            for number, server in enumerate(self.servers):
                listed = subprocess.run([FARLANE, "session", "list", "--json", "--control", server.control],
                                        capture_output=True, text=True, check=False, env=client_environment(None))
                sessions = json.loads(listed.stdout)["sessions"] if listed.returncode == 0 else []
                promised = sum(float(one["share"]) for one in sessions)
                if promised > 1.0001:
                    self.double.append(f"server{number} has promised {promised}")
                for one in sessions:
                    if seen.setdefault(one["id"], number) != number:
                        self.double.append(f"session {one['id']} is on server{seen[one['id']]} and on server{number}")
                live += len(sessions)
            self.live = live
            self.over.wait(1)

    def between(self, start, end):
        """What could be had of the pool in this time."""
        looks = [ok for at, ok in self.looks if start <= at < end]
        asked = [one for one in self.asked if start <= one[0] < end]
        granted = [took for _, took, problem in asked if not problem]
        refused = {}
        for _, _, problem in asked:
            if problem:
                refused[problem] = refused.get(problem, 0) + 1
        return {"looks": len(looks), "looks_answered": sum(looks), "asked": len(asked), "granted": len(granted),
                "granted_slowest_seconds": round(max(granted, default=0), 3), "refused": refused}

    def twice(self):
        """All that was granted twice: what was seen meanwhile; a session of two programs; two sessions of one request."""
        found = list(self.double)
        whose = {}
        for run in self.runs:
            if run.session:
                other = whose.setdefault(run.session, run)
                if other is not run:
                    found.append(f"programs {other.program} and {run.program} both have session {run.session}")
        return found + self.requests_granted_twice

    def look_for_requests_granted_twice(self):
        leader = self.leader()
        answer = asks(leader.people, "/v1/sessions?limit=1000", timeout=30) if leader else None
        self.requests_granted_twice = [] if answer else ["the pool's sessions could not be listed"]
        keys = {}
        # Who waited, was not there when its turn came and waited again has two, of which one never began.
        begun = [one for one in answer[1].get("sessions", []) if int(one.get("startedMs", 0))] if answer else []
        for one in begun:
            other = keys.setdefault(one.get("keyDigest"), one["id"])
            if other != one["id"]:
                self.requests_granted_twice.append(f"sessions {other} and {one['id']} were granted for one request")

    def end(self):
        """All clients end as they would; then everything else."""
        self.over.set()
        os.unlink(self.path("go on"))
        for thread in self.threads:
            thread.join(300 * SLOWNESS)
        self.look_for_requests_granted_twice()
        for program in (*self.servers, *self.managers, *self.etcd):
            program.stop()
        for way in self.all_ways():
            way.close()

    def all_ways(self):
        return [way for ways in (*self.ways, *(manager.ways for manager in self.managers)) for way in ways]

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
        number = self.server_of(run.program) if run.program else None
        if number is None:
            # It had not got far enough to say who it is: any server that died meanwhile may have been its own.
            return any(run.began <= at <= run.ended for server in self.servers for at in server.died)
        return any(run.began <= at <= run.ended for at in self.servers[number].died)
