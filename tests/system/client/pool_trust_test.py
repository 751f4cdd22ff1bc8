#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what in a pool, that nobody listens in, and that what was done can be read afterwards."""

import http.client
import json
import os
import pathlib
import secrets
import shutil
import ssl
import stat
import subprocess
import tempfile
import time
import unittest

from pool_test import POOLD, Manager, PoolTest
from pool_world import start_etcd
from real_server import CASE, EMULATOR, GPUD, SLOWNESS, SOFT, Server, client_environment, seconds_until


class Trusted(PoolTest):
    """A pool that encrypts, asks people for tokens and servers for certificates."""

    TOKEN = "the admin's own token"
    JOIN_KEY = "a key for servers"

    def manage(self, *options, **where):
        for name, secret in (("token", self.TOKEN), ("key", self.JOIN_KEY)):
            path = pathlib.Path(self.folder) / name
            path.write_text(secret + "\n", encoding="utf-8")
        initiated = subprocess.run([POOLD, "--init", "--state-dir", self.folder + "/pool"], capture_output=True, text=True,
                                   check=True, timeout=20 * SLOWNESS)
        self.pin = initiated.stdout.strip()
        self.authority = self.folder + "/pool/tls/ca.pem"
        return super().manage("--tls", "--token-file", self.folder + "/token", *self.door(), *options, **where)

    def door(self):
        return ("--join-key-file", self.folder + "/key")

    def serve(self, name, *options):
        return super().serve(name, "--pool-key-file", self.folder + "/key", "--pool-pin", self.pin, *options)

    def ask(self, method, path, body=None, address=None, token=None):
        host, port = (address or self.manager.address).rsplit(":", 1)
        trust = ssl.create_default_context(cafile=self.authority)
        connection = http.client.HTTPSConnection(host, int(port), timeout=20 * SLOWNESS, context=trust)
        connection.request(method, path, body if isinstance(body, (str, type(None))) else json.dumps(body),
                           {"Authorization": f"Bearer {token or self.TOKEN}"})
        self.certificate = connection.sock.getpeercert(binary_form=True)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer, json.loads(text)

    def environment(self, **more):
        settings = {"FARLANE_CA_FILE": self.authority, "FARLANE_POOL_TOKEN": self.TOKEN, **more}
        return client_environment(None, FARLANE_POOL=self.manager.address,
                                  **{name: value for name, value in settings.items() if value is not None})

    def token(self, *options):
        made = self.run_farlane("token", "create", *options)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        return made.stdout.strip()


class Encryption(Trusted):
    def test_a_program_runs_with_the_authority_or_its_pin(self):
        for trust in ({}, {"FARLANE_CA_FILE": None, "FARLANE_CA_PIN": self.pin}):
            done = self.run_farlane("run", "--", *EMULATOR, CASE, "posted-launches", **trust)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_who_cannot_be_trusted_is_told_nothing(self):
        other = self.folder + "/other"
        subprocess.run([POOLD, "--init", "--state-dir", other], capture_output=True, check=True, timeout=20 * SLOWNESS)
        for trust in ({"FARLANE_CA_FILE": other + "/tls/ca.pem"},
                      {"FARLANE_CA_FILE": None, "FARLANE_CA_PIN": "0" * 64},
                      {"FARLANE_CA_FILE": None, "FARLANE_POOL": "https://" + self.manager.address},
                      {"FARLANE_CA_FILE": None}):
            environment = {**self.environment(**{k: v for k, v in trust.items() if k != "FARLANE_POOL"}),
                           **{k: v for k, v in trust.items() if v is not None}}
            done = subprocess.run([str(pathlib.Path(POOLD).with_name("farlane")), "whoami"], capture_output=True, text=True,
                                  check=False, timeout=60 * SLOWNESS, env=environment)
            self.assertNotEqual(done.returncode, 0, trust)
            self.assertEqual(done.stdout, "", trust)

    def test_what_goes_to_another_machine_is_encrypted_or_not_sent(self):
        done = self.run_farlane("whoami", "--pool", "http://192.0.2.1:7443")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("would not be encrypted", done.stderr)

    def test_a_server_without_the_key_or_the_authority_does_not_join(self):
        path = pathlib.Path(self.folder) / "another"
        path.write_text("another key\n", encoding="utf-8")
        for words, options in (("join key", ("--pool-key-file", str(path), "--pool-pin", self.pin)),
                               ("no certificate with the digest", ("--pool-key-file", self.folder + "/key", "--pool-pin", "1" * 64)),
                               ("no connection", ("--pool-key-file", self.folder + "/key"))):
            stranger = Server("--pool", self.manager.servers, "--name", "two", *options)
            self.addCleanup(stranger.stop)
            self.assertLess(seconds_until(lambda: words in stranger.said(), 15), 15, stranger.said())
        self.assertEqual([one["inventory"]["name"] for one in self.get("/v1/servers")["servers"]], ["one"])

    def test_a_server_that_has_its_certificate_needs_no_key(self):
        folder = self.folder + "/gpud"
        server = self.serve("two", "--state-dir", folder)
        self.await_servers(2)
        self.assertEqual(stat.S_IMODE(os.stat(folder + "/pool.key").st_mode), 0o600)
        server.process.terminate()
        server.process.wait(20 * SLOWNESS)
        def is_away():
            return [one["state"] for one in self.get("/v1/servers")["servers"] if one["inventory"]["name"] == "two"] != ["READY"]
        self.assertLess(seconds_until(is_away, 20), 20)
        again = Server("--pool", self.manager.servers, "--name", "two", "--state-dir", folder, "--pool-ca", self.authority)
        self.addCleanup(again.stop)
        self.await_servers(2)

    def test_secrets_are_their_owners(self):
        for name in ("tls/ca.key", "seal.key", "manager.id", "pool.db"):
            mode = stat.S_IMODE(os.stat(f"{self.folder}/pool/{name}").st_mode)
            self.assertEqual(mode & 0o077, 0, f"{name} has mode {mode:o}")
        for path in pathlib.Path(self.folder).rglob("*"):
            if path.is_file() and path.name not in ("token", "key"):
                text = path.read_bytes()
                for secret in (b"PRIVATE KEY", self.TOKEN.encode(), self.JOIN_KEY.encode()):
                    self.assertNotIn(secret, text, f"{path} holds a secret that can be read")

    def test_off_this_machine_it_encrypts_by_itself(self):
        first = self.manager
        first.stop_process()
        manager = PoolTest.manage(self, "--token-file", self.folder + "/token", "--join-key-file", self.folder + "/key",
                                  listen="0.0.0.0:0", servers="0.0.0.0:0")
        self.assertIn("at https://", manager.said())


    def test_the_pools_authority_serves_the_way_of_data_too(self):
        name = self.folder + "/two"
        subprocess.run([POOLD, "--state-dir", self.folder + "/pool", "--certify", "127.0.0.1", "--certify-to", name],
                       capture_output=True, check=True, timeout=20 * SLOWNESS)
        server = Server("--pool", self.manager.servers, "--name", "two", "--pool-key-file", self.folder + "/key",
                        "--pool-pin", self.pin, "--tls-cert", name + ".pem", "--tls-key", name + ".key",
                        listen="tls://127.0.0.1:0")
        self.addCleanup(server.stop)
        self.await_servers(2)
        self.assertEqual(self.run_farlane("server", "cordon", "one").returncode, 0)
        done = self.run_farlane("run", "--", *EMULATOR, CASE, "posted-launches")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        [session] = self.sessions(server="two")
        self.assertTrue(session["addresses"][0].startswith("tls://"), session)
        other = self.folder + "/other"
        subprocess.run([POOLD, "--init", "--state-dir", other], capture_output=True, check=True, timeout=20 * SLOWNESS)
        done = self.run_farlane("run", "--", *EMULATOR, CASE, "posted-launches", FARLANE_TLS_CA=other + "/tls/ca.pem")
        self.assertNotEqual(done.returncode, 0)

    def test_keys_are_sealed_with_what_lies_elsewhere(self):
        seal = self.folder + "/seal"
        folder = self.folder + "/sealed"
        with open(os.open(seal, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(32))
        def init(*options):
            return subprocess.run([POOLD, "--init", "--state-dir", folder, *options], capture_output=True, text=True, check=False,
                                  timeout=20 * SLOWNESS)
        first = init("--seal-key-file", seal)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertFalse(os.path.exists(folder + "/seal.key"))
        self.assertEqual(init("--seal-key-file", seal).stdout, first.stdout)
        without = init()
        self.assertEqual(without.returncode, 1)
        self.assertIn("sealed with another key", without.stderr)


@unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
class LocalUsers(PoolTest):
    """A pool of one machine, without tokens: the kernel says who comes."""

    NOBODY = 65534

    def as_nobody(self, method, path, body=None):
        """What another user of this machine is answered: the status and the text."""
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(ours)
                os.setgroups([])
                os.setgid(self.NOBODY)
                os.setuid(self.NOBODY)
                answer, said = self.ask(method, path, body)
                os.write(theirs, json.dumps([answer.status, said]).encode())
            finally:
                os._exit(0)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            text = pipe.read()
        os.waitpid(child, 0)
        return json.loads(text)

    def test_the_operators_own_user_is_the_admin_and_others_are_users(self):
        self.assertEqual(self.get("/v1/whoami")["roles"], ["pool-admin"])
        status, who = self.as_nobody("GET", "/v1/whoami")
        self.assertEqual((status, who["roles"]), (200, ["user"]))
        self.assertNotEqual(who["user"], self.get("/v1/whoami")["user"])
        status, said, _ = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201)
        session = said["session"]["id"]
        for method, path, body, wanted in (("POST", "/v1/servers/one:cordon", None, 403),
                                           ("POST", "/v1/tokens", {"user": "eve", "roles": ["pool-admin"]}, 403),
                                           ("POST", "/v1/keys:rotate", None, 403),
                                           ("GET", "/v1/audit", None, 403),
                                           ("GET", f"/v1/sessions/{session}", None, 404),
                                           ("DELETE", f"/v1/sessions/{session}", None, 404),
                                           ("POST", "/v1/sessions", {"spec": {"slice": {"share": 0.1}}, "keyDigest": "a" * 64}, 201)):
            self.assertEqual(self.as_nobody(method, path, body)[0], wanted, (method, path))
        self.assertEqual(self.as_nobody("GET", "/v1/sessions")[1]["sessions"][0]["user"], who["user"])

    def test_a_page_in_a_browser_is_not_who_looks_at_it(self):
        # The last one is a page whose own name was made to point here.
        for header, value in ((None, None), ("Origin", "https://elsewhere.example"), ("Sec-Fetch-Site", "cross-site"),
                              ("Host", "elsewhere.example:7443")):
            host, port = self.manager.address.rsplit(":", 1)
            connection = http.client.HTTPConnection(host, int(port), timeout=20 * SLOWNESS)
            connection.request("POST", "/v1/servers/one:cordon", None, {header: value} if header else {})
            self.assertEqual(connection.getresponse().status == 401, header is not None, header)
            connection.close()

    def test_a_server_of_another_user_does_not_join(self):
        log = pathlib.Path(self.folder, "log")
        with open(log, "w", encoding="utf-8") as file:
            stranger = subprocess.Popen([GPUD, "--listen", "tcp://127.0.0.1:0", "--driver", SOFT, "--pool", self.manager.servers,
                                         "--name", "two"], stdin=subprocess.DEVNULL, stderr=file, user=self.NOBODY,
                                        group=self.NOBODY, env=client_environment(None, LD_LIBRARY_PATH=""))
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        waited = seconds_until(lambda: "nobody else's" in log.read_text(encoding="utf-8"), 15)
        self.assertLess(waited, 15, log.read_text(encoding="utf-8"))
        self.assertEqual([one["inventory"]["name"] for one in self.get("/v1/servers")["servers"]], ["one"])


class Joining(Trusted):
    """Whoever joins has a key of his own. On an address of this machine alone it would do without."""

    def door(self):
        return ()

    def manage(self, *options, **where):
        manager = super().manage(*options, servers="0.0.0.0:0", **where)
        manager.servers = manager.servers.replace("0.0.0.0", "127.0.0.1")
        return manager

    def join_key(self, *options):
        made = self.run_farlane("pool", "join-key", "create", *options)
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        path = pathlib.Path(self.folder) / f"join-{secrets.token_hex(4)}"
        path.write_text(made.stdout, encoding="utf-8")
        return str(path)

    def join(self, key, folder, **environment):
        return self.run_farlane("pool", "join", "--pin", self.pin, "--key-file", key, "--state-dir", folder,
                                FARLANE_CA_FILE=None, **environment)

    def start_joined(self, name, folder):
        server = Server("--pool", self.manager.servers, "--name", name, "--state-dir", folder, "--pool-ca", folder + "/pool-ca.pem")
        self.addCleanup(server.stop)
        return server

    def serve(self, name, *options):
        folder = f"{self.folder}/gpud-{name}"
        joined = self.join(self.join_key("--note", name), folder)
        self.assertEqual((joined.returncode, joined.stderr), (0, ""), joined.stdout)
        self.assertIn("farlane-gpud --state-dir", joined.stdout)
        return self.start_joined(name, folder)

    def test_a_server_from_the_world_has_to_show_a_key(self):
        stranger = Server("--pool", self.manager.servers, "--name", "two", "--pool-pin", self.pin)
        self.addCleanup(stranger.stop)
        said = "this pool asks servers for a join key"
        self.assertLess(seconds_until(lambda: said in stranger.said(), 15), 15, stranger.said())

    def test_a_key_is_for_one(self):
        key = self.join_key()
        folder = self.folder + "/two"
        self.assertEqual(self.join(key, folder).returncode, 0)
        for name in ("pool.key", "pool.pem", "seal.key", "server-id"):
            self.assertEqual(stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode), 0o600, name)
        self.assertEqual([name for name in os.listdir(folder) if name.startswith("join")], [])
        self.assertNotIn(b"PRIVATE KEY", pathlib.Path(folder, "pool.key").read_bytes())
        self.start_joined("two", folder)
        self.await_servers(2)
        again = self.join(key, self.folder + "/three")
        self.assertEqual(again.returncode, 4, again.stderr)
        self.assertIn("has been used", again.stderr)
        taken = self.join(self.join_key(), folder)
        self.assertEqual(taken.returncode, 2, taken.stderr)
        self.assertIn("already", taken.stderr)
        # By the other way, too.
        stranger = Server("--pool", self.manager.servers, "--name", "three", "--pool-key-file", key, "--pool-pin", self.pin)
        self.addCleanup(stranger.stop)
        self.assertLess(seconds_until(lambda: "has been used" in stranger.said(), 15), 15, stranger.said())
        listed = self.run_farlane("pool", "join-key", "list")
        self.assertIn(pathlib.Path(folder, "server-id").read_text(encoding="utf-8"), listed.stdout)
        self.assertNotIn(pathlib.Path(key).read_text(encoding="utf-8").strip(), listed.stdout)

    def test_who_could_not_keep_all_may_try_again_with_the_same_key(self):
        key = self.join_key()
        folder = self.folder + "/two"
        in_the_way = pathlib.Path(folder, "pool-ca.pem")
        os.mkdir(folder)
        refused = self.join(key, folder)
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("chmod 700", refused.stderr)
        os.chmod(folder, 0o700)
        in_the_way.mkdir()
        failed = self.join(key, folder)
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.assertIn("pool-ca.pem", failed.stderr)
        in_the_way.rmdir()
        self.assertEqual(self.join(key, folder).returncode, 0)
        self.start_joined("two", folder)
        self.await_servers(2)

    def test_a_server_takes_its_key_along_at_its_first_start(self):
        server = Server("--pool", self.manager.servers, "--name", "two", "--pool-key-file", self.join_key(), "--pool-pin", self.pin)
        self.addCleanup(server.stop)
        self.await_servers(2)

    def test_what_has_expired_or_was_revoked_or_is_for_others_opens_nothing(self):
        brief = self.join_key("--expires", "1s")
        self.join_key("--note", "to be ended")
        listed = json.loads(self.run_farlane("pool", "join-key", "list", "-o", "json").stdout)["keys"]
        [end] = [one["id"] for one in listed if one["note"] == "to be ended"]
        ended = max(pathlib.Path(self.folder).glob("join-*"), key=os.path.getmtime)
        self.assertEqual(self.run_farlane("pool", "join-key", "revoke", end).returncode, 0)
        time.sleep(1.5)
        for key, words in ((brief, "has expired"), (str(ended), "was revoked")):
            refused = self.join(key, self.folder + "/none")
            self.assertEqual(refused.returncode, 4, refused.stderr)
            self.assertIn(words, refused.stderr)
        stranger = Server("--pool", self.manager.servers, "--name", "two", "--pool-key-file", self.join_key("--for", "manager"),
                          "--pool-pin", self.pin)
        self.addCleanup(stranger.stop)
        self.assertLess(seconds_until(lambda: "is for a manager" in stranger.said(), 15), 15, stranger.said())
        keyless = Server("--pool", self.manager.servers, "--name", "three", "--pool-pin", self.pin)
        self.addCleanup(keyless.stop)
        self.assertLess(seconds_until(lambda: "join key of their own" in keyless.said(), 15), 15, keyless.said())
        self.assertEqual([one["inventory"]["name"] for one in self.get("/v1/servers")["servers"]], ["one"])
        self.assertEqual(self.run_farlane("pool", "join-key", "create", "--for", "king").returncode, 2)

    def test_programs_on_a_revoked_server_are_told_or_moved(self):
        told = self.start_run("commanded")
        moved = self.start_run("commanded", "--on-loss", "requeue")
        for process in (told, moved):
            self.assertEqual(process.stdout.readline(), "ready\n")
        self.servers["two"] = self.serve("two")
        self.await_servers(2)
        self.assertEqual(self.run_farlane("server", "revoke", "one").returncode, 0)
        for process in (told, moved):  # what they try next fails, if nothing has told them before
            process.stdin.write("work\n")
            process.stdin.flush()
        out, errors = told.communicate(timeout=20 * SLOWNESS)
        self.assertNotEqual(told.returncode, 0, out)
        self.assertRegex(errors, r"session [0-9a-f]{8} on server one is over: .* its certificate was revoked")
        out, errors = moved.communicate(timeout=20 * SLOWNESS)  # begins again, and finds no more commands
        self.assertEqual(moved.returncode, 0, out + errors)
        self.assertIn("ready\n", out)
        self.assertIn("was revoked", errors)
        self.assertEqual([one["server"] for one in self.sessions() if one["server"] != "one"], ["two"])

    def test_a_revoked_server_is_cut_off_within_a_second(self):
        status, said, _ = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201, said)
        start = time.monotonic()
        done = self.run_farlane("server", "revoke", "one")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        asked = time.monotonic()
        def is_cut_off():
            return "was revoked" in self.servers["one"].said()
        self.assertLess(seconds_until(is_cut_off, 10), 1 * SLOWNESS)
        print(f"cut off {time.monotonic() - asked:.2f} s after the answer, {time.monotonic() - start:.2f} s after the command was started")
        self.assertEqual(self.get("/v1/servers/one")["state"], "LOST")
        self.assertEqual([one["phase"] for one in self.sessions(id=said["session"]["id"])], ["FAILED"])
        self.assertEqual(self.create(slice={"share": 0.1})[0], 503)
        # Nor does it come back, whatever is started anew, and whoever leads.
        self.servers["one"].process.terminate()
        self.servers["one"].process.wait(20 * SLOWNESS)
        first = self.manager
        first.stop_process()
        self.manager = PoolTest.manage(self, "--tls", "--token-file", self.folder + "/token", listen=first.address,
                                       servers=first.servers)
        again = self.start_joined("one", f"{self.folder}/gpud-one")
        self.assertLess(seconds_until(lambda: "was revoked" in again.said(), 15), 15, again.said())
        self.assertEqual(self.get("/v1/status").get("serversReady", 0), 0)
        # As another one it may.
        self.servers["two"] = self.serve("two")
        self.await_servers(1)


@unittest.skipUnless(shutil.which("etcd"), "etcd is not installed")
class JoiningManagers(Joining):
    """A second manager gets from the first what it needs to take over."""

    def setUp(self):
        self.etcd_folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.etcd_folder.cleanup)
        [self.etcd] = start_etcd(self.etcd_folder.name, 1)
        self.addCleanup(self.etcd.stop)
        super().setUp()

    def door(self):
        return ("--etcd", self.etcd.address)

    def await_servers(self, count):
        def are_there():
            answer, said = self.ask("GET", "/v1/status")
            return answer.status == 200 and said["serversReady"] == count
        self.assertLess(seconds_until(are_there, 30), 30, self.manager.said())

    def manage(self, *options, **where):
        manager = super().manage(*options, **where)
        self.manager = manager
        self.assertLess(seconds_until(lambda: self.ask("GET", "/v1/status")[0].status == 200, 20), 20)
        return manager

    def test_a_manager_joins_and_takes_over(self):
        folder = self.folder + "/second"
        joined = self.join(self.join_key("--for", "manager"), folder)
        self.assertEqual((joined.returncode, joined.stderr), (0, ""))
        self.assertIn("farlane-poold", joined.stdout)
        for name in ("seal.key", "tls/ca.key", "tls/ca.pem"):
            self.assertEqual(stat.S_IMODE(os.stat(f"{folder}/{name}").st_mode), 0o600, name)
        self.assertNotIn(b"PRIVATE KEY", pathlib.Path(folder, "tls/ca.key").read_bytes())
        second = Manager(folder, "--tls", "--token-file", self.folder + "/token", "--etcd", self.etcd.address)
        self.addCleanup(second.stop)
        self.assertTrue(second.address, second.said())
        # A server that knows both, by the one authority.
        status, said, key = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201, said)
        first = self.manager
        first.process.kill()
        first.process.wait()
        self.manager = second
        self.assertLess(seconds_until(lambda: self.ask("GET", "/v1/status")[0].status == 200, 20), 20, second.said())
        self.servers["two"] = self.serve("two")
        self.await_servers(1)
        self.assertEqual([one["id"] for one in self.sessions(id=said["session"]["id"])], [said["session"]["id"]])

    # Once is enough.
    test_a_key_is_for_one = test_a_server_takes_its_key_along_at_its_first_start = None
    test_a_revoked_server_is_cut_off_within_a_second = test_programs_on_a_revoked_server_are_told_or_moved = None
    test_what_has_expired_or_was_revoked_or_is_for_others_opens_nothing = None


class Rotation(Trusted):
    def test_new_keys_disturb_nobody(self):
        process = self.start_run("commanded", "--share", "0.2")
        self.assertEqual(process.stdout.readline(), "ready\n")
        status, said, key = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201, said)
        self.get("/v1/status")
        before = self.certificate
        done = self.run_farlane("pool", "rotate")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # What the old key has signed opens, until it expires.
        time.sleep(2.5)
        served, words = self.at(self.servers["one"], said["token"], said["session"]["id"], key)
        self.assertTrue(served, words)
        # What the new one signs, too.
        done = self.run_farlane("run", "--share", "0.1", "--", *EMULATOR, CASE, "posted-launches")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.get("/v1/status")
        self.assertNotEqual(self.certificate, before)
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        out, errors = process.communicate("", timeout=20 * SLOWNESS)
        self.assertEqual((process.returncode, errors), (0, ""), out)

    def test_a_session_that_is_ended_is_over_within_a_second(self):
        process = self.start_run("commanded", "--share", "0.2")
        self.assertEqual(process.stdout.readline(), "ready\n")
        self.assertLess(seconds_until(lambda: self.sessions(phase="ACTIVE"), 10), 10)
        [session] = self.sessions(phase="ACTIVE")
        clients = len(self.servers["one"].workers())
        status, said, key = self.create(slice={"share": 0.1})
        self.assertEqual(status, 201)
        start = time.monotonic()
        for one in (session["id"], said["session"]["id"]):
            self.assertEqual(self.ask("DELETE", f"/v1/sessions/{one}")[0].status, 200)
        waited = seconds_until(lambda: len(self.servers["one"].workers()) < clients, 10)
        took = time.monotonic() - start
        # Its token has a minute to go, and opens nothing.
        served, words = self.at(self.servers["one"], said["token"], said["session"]["id"], key)
        self.assertFalse(served, words)
        self.assertIn("session is over", words)
        process.kill()
        process.communicate()
        print(f"ended after {took:.2f} s")
        self.assertLess(took, 1 * SLOWNESS, waited)


class People(Trusted):
    def test_a_token_is_made_used_and_ended(self):
        lost = self.run_farlane("token", "create", "--user", "ann", "--role", "user", "--project", "vision")
        self.assertEqual(lost.returncode, 3, lost.stderr)
        self.assertEqual(self.run_farlane("project", "create", "vision").returncode, 0)
        ann = self.token("--user", "ann", "--role", "user", "--project", "vision", "--expires", "1h")
        who = self.run_farlane("whoami", FARLANE_POOL_TOKEN=ann)
        self.assertIn('ann: user in the project "vision"', who.stdout)
        self.assertEqual(self.run_farlane("auth", "can-i", "session.create", FARLANE_POOL_TOKEN=ann).stdout, "yes\n")
        refused = self.run_farlane("auth", "can-i", "server.change", FARLANE_POOL_TOKEN=ann)
        self.assertEqual((refused.returncode, refused.stdout), (4, "no\n"))
        self.assertEqual(self.run_farlane("server", "cordon", "one", FARLANE_POOL_TOKEN=ann).returncode, 4)
        done = self.run_farlane("run", "--", *EMULATOR, CASE, "posted-launches", FARLANE_POOL_TOKEN=ann)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        [session] = self.sessions(user="ann")
        self.assertEqual(session["spec"]["project"], "vision")
        bob = self.token("--user", "bob", "--role", "user", "--project", "vision")
        self.assertNotIn(session["id"][:8], self.run_farlane("session", "list", FARLANE_POOL_TOKEN=bob).stdout)
        listed = json.loads(self.run_farlane("token", "list", "-o", "json").stdout)["tokens"]
        [token] = [one["id"] for one in listed if one["user"] == "ann"]
        start = time.monotonic()
        self.assertEqual(self.run_farlane("token", "revoke", token).returncode, 0)
        self.assertEqual(self.run_farlane("whoami", FARLANE_POOL_TOKEN=ann).returncode, 4)
        print(f"revoked and refused after {time.monotonic() - start:.2f} s")
        self.assertEqual(self.run_farlane("token", "revoke", token).returncode, 3)

    def test_exit_codes(self):
        self.assertEqual(self.run_farlane("token", "create").returncode, 125)
        self.assertEqual(self.run_farlane("token", "create", "--user", "a", "--role", "king").returncode, 2)
        self.assertEqual(self.run_farlane("token", "create", "--user", "a", "--role", "user", "--expires", "soon").returncode, 125)
        self.assertEqual(self.run_farlane("auth", "can-i", "fly").returncode, 3)
        self.assertEqual(self.run_farlane("whoami", FARLANE_POOL_TOKEN="forged").returncode, 4)


class Log(Trusted):
    def verify(self):
        return self.run_farlane("audit", "verify")

    def test_what_goes_through_shared_memory_is_counted_too(self):
        process = self.start_run("commanded", FARLANE_TRANSPORT="shm")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        def is_told():
            return [one for one in self.sessions(phase="ACTIVE") if int(one["load"]["movedBytes"]) > 0]
        self.assertLess(seconds_until(is_told, 10), 10, self.sessions())
        process.communicate("", timeout=20 * SLOWNESS)
        [ended] = [one for one in self.get("/v1/audit?limit=1000")["records"] if one["kind"] == "session"]
        self.assertGreater(int(ended["movedBytes"]), 1000, ended)

    def test_what_was_done_is_read_and_what_was_changed_is_found(self):
        process = self.start_run("commanded", FARLANE_TRANSPORT="tcp")  # bytes over the network are counted, and no others
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.stdin.write("work\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "worked\n")
        def is_told():
            return [one for one in self.sessions(phase="ACTIVE") if int(one["load"]["receivedBytes"]) > 0]
        self.assertLess(seconds_until(is_told, 10), 10, self.sessions())
        process.communicate("", timeout=20 * SLOWNESS)
        self.run_farlane("whoami", FARLANE_POOL_TOKEN="forged")
        listed = self.get("/v1/audit?limit=1000")["records"]
        [ended] = [one for one in listed if one["kind"] == "session"]
        for number in ("receivedBytes", "sentBytes", "movedBytes", "livedMs"):
            self.assertGreater(int(ended[number]), 0, ended)
        self.assertTrue([one for one in listed if one["kind"] == "refused" and one["status"] == 401])
        self.assertTrue([one for one in listed if one["verb"] == "server.enroll"])
        self.assertIn("session.create", self.run_farlane("audit", "list").stdout)
        self.manager.process.kill()
        self.manager.process.wait()
        self.manager = self.manage(listen=self.manager.address, servers=self.manager.servers)
        whole = self.verify()
        self.assertEqual(whole.returncode, 0, whole.stdout + whole.stderr)
        self.assertIn("intact: ", whole.stdout)
        folder = pathlib.Path(self.folder, "pool/audit")
        segments = sorted(folder.iterdir())
        self.assertEqual(len(segments), 2)
        text = segments[0].read_bytes()
        at = text.index(b'"actor":"admin"') + 10
        segments[0].write_bytes(text[:at] + b"b" + text[at + 1:])
        damaged = self.verify()
        self.assertEqual(damaged.returncode, 125)
        self.assertIn("is not what was written", damaged.stderr)
        alone = subprocess.run([POOLD, "--verify-audit", str(folder)], capture_output=True, text=True, check=False,
                               timeout=20 * SLOWNESS)
        self.assertEqual(alone.returncode, 1, alone.stderr)
        segments[0].write_bytes(text)
        self.assertEqual(self.verify().returncode, 0)


if __name__ == "__main__":
    unittest.main()
