#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane run: exit codes, what the command sees, and what is left afterwards."""

import json
import os
import subprocess
import sys
import unittest

from staged_prefix import StagedPrefix

NOTICE = "farlane: no server configured; using a private one on this machine (software GPU)\n"
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


class ExitCodes(StagedPrefix):
    def test_is_the_commands(self):
        for code in (0, 1, 3, 125, 255):
            for how in (["--local"], ["--direct"], ["--server", "tcp://127.0.0.1:1"]):
                self.assertEqual(self.farlane("run", *how, "--", "sh", "-c", f"exit {code}").returncode, code)

    def test_is_128_and_the_signal_that_ended_the_command(self):
        for number in (9, 11, 15):
            done = self.farlane("run", "--local", "--", "sh", "-c", f"kill -{number} $$")
            self.assertEqual(done.returncode, 128 + number)

    def test_is_127_when_the_command_is_not_found(self):
        done = self.farlane("run", "--local", "--", "no-such-program-anywhere")
        self.assertEqual(done.returncode, 127)
        self.assertIn('cannot run "no-such-program-anywhere"', done.stderr)

    def test_is_126_when_the_command_cannot_be_executed(self):
        for path in (str(self.notes_path.parent), str(self.prefix / "lib/farlane/client/libcuda.so.1")):
            done = self.farlane("run", "--direct", "--", path)
            self.assertEqual(done.returncode, 126, path)
            self.assertIn("Permission denied", done.stderr)

    def test_is_125_and_one_line_when_farlane_fails(self):
        cases = {
            (): "no command to run",
            ("--server", "ftp://x:1", "--", "true"): "only tcp://HOST:PORT, tls://HOST:PORT and unix:/PATH",
            ("--server", "tcp://a:1,,tcp://b:1", "--", "true"): "it names no host",
            ("--mem", "much", "--", "true"): '"much" is not a size',
            ("--pool", "a:1", "--server", "tcp://b:1", "--", "true"): "excludes",
            ("-n", "none", "--", "true"): '"none" is no number of GPUs',
            ("--share", "1.5", "--", "true"): '"1.5" is no share of a GPU',
            ("--share", "0.5", "--share-limit", "0.4", "--", "true"): "the share is larger than its limit",
            ("--priority", "high", "--", "true"): '"high" is no priority',
            ("--isolation", "total", "--", "true"): '"total" is no isolation',
            ("--direct", "--local", "--", "true"): "excludes",
            ("--lokal", "--", "true"): 'does not know "--lokal"; did you mean "--local"?',
        }
        for words, sentence in cases.items():
            done = self.farlane("run", *words)
            self.assertEqual(done.returncode, 125, words)
            self.assertIn(sentence, done.stderr)
            self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
            self.assertEqual(done.stdout, "")

    def test_says_why_even_when_the_log_is_off(self):
        done = self.farlane("run", "--share", "7", "--", "true", env={"FARLANE_LOG": "none"})
        self.assertIn('"7" is no share of a GPU', done.stderr)


class WhatTheCommandSees(StagedPrefix):
    def seen(self, *words, **more):
        done = self.farlane("run", *words, "--", sys.executable, "-c", PRINT_ENVIRONMENT, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), done.stderr

    def test_private_server_comes_with_one_notice_on_stderr(self):
        seen, said = self.seen(env={"LD_LIBRARY_PATH": "/opt/a:/opt/b"})
        self.assertEqual(said, NOTICE)
        self.assertEqual(seen["LD_LIBRARY_PATH"], f"{self.prefix}/lib/farlane/client:/opt/a:/opt/b")
        self.assertRegex(seen["FARLANE_SERVER"], r"^unix:@farlane-[0-9a-f]{32}$")
        self.assertEqual(self.notes()["listen"], seen["FARLANE_SERVER"])

    def test_local_silences_the_notice_and_outranks_the_environment(self):
        seen, said = self.seen("--local", env={"FARLANE_SERVER": "tcp://elsewhere:1", "FARLANE_POOL": "p:1"})
        self.assertEqual(said, "")
        self.assertTrue(seen["FARLANE_SERVER"].startswith("unix:@"))
        self.assertNotIn("FARLANE_POOL", seen)

    def test_named_server_is_handed_on_and_none_is_started(self):
        seen, said = self.seen("--server", "gpu1", env={"FARLANE_SERVER": "tcp://other:1"})
        self.assertEqual((seen["FARLANE_SERVER"], said), ("tcp://gpu1:7450", ""))
        self.assertEqual(self.seen(env={"FARLANE_SERVER": "tcp://[::1]:9"})[0]["FARLANE_SERVER"], "tcp://[::1]:9")
        self.assertFalse(self.notes_path.exists())

    def test_direct_puts_the_software_gpu_first_and_needs_no_server(self):
        seen, said = self.seen("--direct")
        self.assertEqual((seen["LD_LIBRARY_PATH"], said), (f"{self.prefix}/lib/farlane/soft", ""))
        self.assertNotIn("FARLANE_SERVER", seen)
        self.assertFalse(self.notes_path.exists())

    def test_mem_reaches_the_private_server_in_bytes(self):
        self.seen("--local", "--mem", "512Mi")
        self.assertEqual(self.notes()["mem"], str(512 << 20))

    def test_descriptors_pass_through_untouched(self):
        every_byte = bytes(range(256)) * 300
        reading, writing = os.pipe()
        with open(reading, "rb") as extra:
            done = self.farlane_raw("--", "sh", "-c", f"cat; echo extra >&{writing}", given=every_byte, keep=writing)
            os.close(writing)
            self.assertEqual(done.stdout, every_byte)
            self.assertEqual(extra.read(), b"extra\n")

    def farlane_raw(self, *words, given, keep):
        return subprocess.run([self.program, "run", *words], env=self.environment, input=given,
                              capture_output=True, pass_fds=[keep], timeout=60, check=True)

    def test_words_of_the_command_are_not_ours(self):
        for before in ([], ["--"]):
            done = self.farlane("run", "--local", *before, "echo", "--help", "--server", "-n", "--", "x")
            self.assertEqual(done.stdout, "--help --server -n -- x\n", done.stderr)


class WhatCanBeMissing(StagedPrefix):
    def failure(self, *words, **more):
        done = self.farlane("run", *words, "--", "echo", "must not run", **more)
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        return done.stderr

    def test_server_that_does_not_start_lets_nothing_run(self):
        said = self.failure(env={"STAND_IN": "die"})
        self.assertIn("stand-in: this server cannot start", said)
        self.assertIn("the private server did not start", said)

    def test_server_without_a_device_is_reported_once(self):
        self.assertIn('the private server says "no device": no driver here', self.failure(env={"STAND_IN": "no-device"}))

    def test_missing_parts_are_named(self):
        (self.prefix / "bin/farlane-gpud").unlink()
        self.assertIn(f"cannot execute {self.prefix}/bin/farlane-gpud", self.failure())
        self.assertIn("libexec/farlane/farlane-session", self.failure(env={"FARLANE_POOL": "p:7443"}))
        (self.prefix / "lib/farlane/client/libcuda.so.1").unlink()
        self.assertIn("the client library is missing", self.failure("--server", "a:1"))
        (self.prefix / "lib/farlane/soft/libcuda.so.1").unlink()
        self.assertIn("the software GPU is missing", self.failure("--direct"))



if __name__ == "__main__":
    unittest.main()
