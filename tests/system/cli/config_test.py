#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Contexts: what is kept is what counts, behind the line and the environment, and no token goes astray."""

import json
import os
import pathlib
import shutil
import stat
import unittest

from staged_prefix import BINARY, StagedPrefix
from stand_in_pool import StandInPool


class ConfigCase(StagedPrefix):
    def setUp(self):
        super().setUp()
        self.config = self.prefix / "config/client.yaml"
        self.environment["FARLANE_CONFIG"] = str(self.config)
        own = pathlib.Path(BINARY).resolve().parents[1] / "libexec/farlane/farlane-session"
        (self.prefix / "libexec/farlane").mkdir(parents=True)
        shutil.copy2(own, self.prefix / "libexec/farlane/farlane-session")

    def good(self, *words, **more):
        done = self.farlane(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return done.stdout

    def settings(self, *words, **env):
        listed = json.loads(self.good("config", "view", "-o", "json", *words, env=env))["settings"]
        return {one["name"]: (one["value"], one["origin"]) for one in listed}

    def write(self, text):
        self.config.parent.mkdir(exist_ok=True)
        self.config.write_text(text, encoding="utf-8")


class Contexts(ConfigCase):
    def test_what_is_set_is_there_and_can_be_taken_away(self):
        self.assertEqual(self.settings(), {})
        self.good("config", "set", "--context", "lab", "pool", "gpus:7443")
        self.good("config", "set", "project", "vision")  # the first context there is is the current one
        self.good("config", "set", "--context", "home", "server", "tcp://[fe80::1]:7450")
        self.assertEqual(self.config.read_text(encoding="utf-8"),
                         "current-context: lab\ncontexts:\n  lab:\n    pool: gpus:7443\n    project: vision\n"
                         "  home:\n    server: tcp://[fe80::1]:7450\n")
        self.assertEqual(stat.S_IMODE(os.stat(self.config).st_mode), 0o600)
        self.assertEqual(os.listdir(self.config.parent), ["client.yaml"])
        self.assertEqual(self.settings()["pool"], ("gpus:7443", f"context lab of {self.config}"))
        self.assertEqual(self.good("config", "contexts").split(),
                         ["CURRENT", "CONTEXT", "POOL", "SERVER", "PROJECT", "*", "lab", "gpus:7443", "vision",
                          "home", "tcp://[fe80::1]:7450"])
        self.good("config", "use-context", "home")
        self.assertEqual(set(self.settings()), {"server"})
        self.assertEqual(set(self.settings("--context", "lab")), {"pool", "project"})
        self.assertEqual(self.settings(FARLANE_CONTEXT="lab")["project"][0], "vision")
        self.good("config", "unset", "--context", "lab", "project")
        self.assertEqual(set(self.settings("--context", "lab")), {"pool"})
        self.good("config", "delete-context", "home")
        self.assertEqual(self.config.read_text(encoding="utf-8"), "contexts:\n  lab:\n    pool: gpus:7443\n")
        self.assertEqual(self.settings(), {})
        for words in (("use-context", "home"), ("delete-context", "home"), ("unset", "--context", "lab", "project")):
            self.assertEqual(self.farlane("config", *words).returncode, 3, words)

    def test_what_people_have_written_stays(self):
        self.write("# mine\ncurrent-context: lab  # for now\n\ncontexts:\n    # far away\n    lab:\n"
                   "        pool: 'gpus:7443'   # until May\n        project: \"a \\\"b\\\" #c\"\n    old:\n        mem: 8Gi\n")
        self.assertEqual(self.settings()["pool"][0], "gpus:7443")
        self.assertEqual(self.settings()["project"][0], 'a "b" #c')
        self.good("config", "set", "share", "0.5")
        self.good("config", "set", "--context", "new", "project", "a: b")
        self.assertEqual(self.config.read_text(encoding="utf-8"),
                         "# mine\ncurrent-context: lab  # for now\n\ncontexts:\n    # far away\n    lab:\n"
                         "        pool: 'gpus:7443'   # until May\n        project: \"a \\\"b\\\" #c\"\n        share: 0.5\n"
                         "    old:\n        mem: 8Gi\n    new:\n      project: \"a: b\"\n")
        self.assertEqual(self.settings("--context", "new")["project"][0], "a: b")

    def test_the_file_is_where_people_expect_it(self):
        del self.environment["FARLANE_CONFIG"]
        self.environment |= {"HOME": str(self.prefix / "home"), "XDG_CONFIG_HOME": ""}
        self.good("config", "set", "--context", "lab", "pool", "gpus:7443")
        self.assertTrue((self.prefix / "home/.config/farlane/config.yaml").exists())
        self.environment["XDG_CONFIG_HOME"] = str(self.prefix / "xdg")
        self.good("config", "set", "--context", "lab", "pool", "gpus:7443")
        self.assertTrue((self.prefix / "xdg/farlane/config.yaml").exists())

    def test_what_cannot_be_understood_is_told_with_its_line(self):
        for text, line in (("contexts:\n\tlab:\n", 2), ("contexts:\n  lab:\n    pool gpus\n", 3), ("pool: gpus:7443\n", 1),
                           ("contexts:\n  lab:\n    pool: a\n    pool: b\n", 4), ("contexts:\n  lab:\n  lab:\n", 3),
                           ("contexts:\n  lab:\n    pool: [a, b]\n", 3), ("contexts:\n  lab:\n      pool: a\n    mem: 1Gi\n", 4),
                           ("contexts:\n  lab:\n    pool: \"a\n", 3), ("  lab:\n", 1), ("contexts:\n  lab: 3\n", 2)):
            self.write(text)
            for words in (("config", "view"), ("server", "list"), ("config", "set", "--context", "x", "mem", "1Gi")):
                done = self.farlane(*words)
                self.assertEqual(done.returncode, 125, text)
                self.assertIn(f"{self.config}: line {line} ", done.stderr, text)
            self.assertEqual(self.config.read_text(encoding="utf-8"), text)
        self.write("current-context: lab\ncontexts:\n  lab:\n    poool: a\n")
        self.assertIn('"poool"', self.farlane("server", "list").stderr)
        self.assertIn("no context \"x\"; there are lab", self.farlane("server", "list", "--context", "x").stderr)
        self.assertEqual(self.farlane("config", "set", "pol", "x").returncode, 125)
        self.assertEqual(self.farlane("config", "set", "pool").returncode, 125)
        self.assertEqual(self.farlane("config", "set", "--context", "a b", "pool", "x").returncode, 125)

    def test_a_file_that_others_may_write_to_is_not_believed(self):
        self.write("current-context: lab\ncontexts:\n  lab:\n    pool: gpus:7443\n")
        self.config.chmod(0o646)
        done = self.farlane("server", "list")
        self.assertEqual(done.returncode, 125)
        self.assertIn("can be written by others", done.stderr)
        self.assertIn("chmod o-w", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "only root gives files away")
    def test_a_file_of_somebody_else_is_not_believed(self):
        self.write("current-context: lab\ncontexts:\n  lab:\n    pool: gpus:7443\n")
        os.chown(self.config, 12345, -1)
        done = self.farlane("server", "list")
        self.assertEqual(done.returncode, 125)
        self.assertIn("is somebody else's", done.stderr)


class Precedence(ConfigCase):
    def setUp(self):
        super().setUp()
        self.pool = StandInPool(self)
        self.other = StandInPool(self)
        for one in (self.pool, self.other):
            one.answers["GET", "/v1/servers"] = (200, {"servers": []})
        (self.prefix / "lab.token").write_text("labs-secret\n", encoding="utf-8")
        for key, value in (("pool", self.pool.address), ("pool-token-file", str(self.prefix / "lab.token")),
                           ("share", "0.25")):
            self.good("config", "set", "--context", "lab", key, value)

    def test_a_context_is_enough_to_ask_its_pool(self):
        self.good("server", "list")
        self.assertEqual(self.pool.tokens(), ["Bearer labs-secret"])

    def test_another_pool_does_not_get_the_contexts_token(self):
        self.good("server", "list", "--pool", self.other.address)
        self.good("server", "list", env={"FARLANE_POOL": self.other.address})
        self.assertEqual(self.other.tokens(), [None, None])
        self.assertEqual(self.pool.requests, [])
        self.assertEqual(self.settings(FARLANE_POOL=self.other.address),
                         {"pool": (self.other.address, "environment, FARLANE_POOL"),
                          "share": ("0.25", f"context lab of {self.config}")})

    def test_a_context_that_is_named_does_not_get_the_environments_token(self):
        elsewhere = {"FARLANE_POOL": self.other.address, "FARLANE_POOL_TOKEN": "others-secret"}
        self.good("server", "list", "--context", "lab", env=elsewhere)
        self.good("server", "list", env=elsewhere)
        self.assertEqual(self.pool.tokens(), ["Bearer labs-secret"])
        self.assertEqual(self.other.tokens(), ["Bearer others-secret"])
        self.assertEqual(set(self.settings("--context", "lab", FARLANE_SERVER="tcp://127.0.0.1:1", FARLANE_PROJECT="x")),
                         {"pool", "pool-token-file", "share"})

    def test_the_environment_comes_before_the_context(self):
        self.assertEqual(self.settings(FARLANE_SHARE="0.75")["share"], ("0.75", "environment, FARLANE_SHARE"))

    def test_a_command_is_run_as_the_context_says(self):
        self.good("config", "set", "--context", "home", "server", "tcp://127.0.0.1:1")
        said = self.farlane("run", "--context", "home", "--", "sh", "-c", "echo $FARLANE_SERVER")
        self.assertEqual(said.stdout, "tcp://127.0.0.1:1\n", said.stderr)


class ExitCodes(ConfigCase):
    def test_what_the_pool_says_is_what_farlane_ends_with(self):
        pool = StandInPool(self)
        for status, reason, code in ((400, "Invalid", 2), (401, "NoToken", 4), (403, "Forbidden", 4), (404, "NotFound", 3),
                                     (409, "InUse", 5), (422, "KeyReused", 5), (503, "NotLeader", 6),
                                     (503, "NoServer", 8)):
            pool.answers["GET", "/v1/servers/one"] = (status, {"title": reason, "reason": reason, "detail": "so it is"})
            done = self.farlane("server", "get", "one", "--pool", pool.address)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn("so it is", done.stderr)
        self.assertEqual(self.farlane("server", "get", "one", "--pool", "127.0.0.1:1").returncode, 6)
        self.assertEqual(self.farlane("server", "get", "one").returncode, 125)
        # Each of them is explained.
        explained = self.good("man")
        for code in ("0", "1", "2", "3", "4", "5", "6", "7", "8", "124", "125", "126", "127", "128+N"):
            self.assertIn(f"\\fB{code}\\fR\n", explained)


if __name__ == "__main__":
    unittest.main()
