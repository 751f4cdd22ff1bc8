#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""version, help and completion: what is printed is what the program takes."""

import json
import re
import shutil
import subprocess
import unittest

from staged_prefix import StagedPrefix


class Words(StagedPrefix):
    def verbs(self):
        return re.findall(r"(?m)^  ([a-z]+) +[A-Z]", self.farlane("help").stdout)

    def test_version_says_the_same_in_both_forms(self):
        text = self.farlane("version").stdout
        for key in ("version", "wire_hash", "commit", "compiler"):
            self.assertIn(self.version[key], text)
        self.assertRegex(self.version["wire_hash"], "^[0-9a-f]{16}$")
        self.assertEqual(self.farlane("--version").stdout, f"farlane {self.version['version']}\n")

    def test_every_verb_has_help_with_an_example_and_both_ways_agree(self):
        self.assertIn("run", self.verbs())
        for verb in self.verbs():
            said = self.farlane(verb, "--help")
            self.assertEqual((said.returncode, said.stderr), (0, ""))
            self.assertRegex(said.stdout, rf"Usage: farlane {verb}")
            self.assertRegex(said.stdout, rf"Examples?:\n(.*\n)*.*farlane {verb}")
            self.assertEqual(self.farlane("help", verb).stdout, said.stdout)

    def test_slip_gets_a_hint(self):
        for words, hint in ((("chek",), '"check"'), (("help", "vresion"), '"version"'), (("--hlep",), '"--help"')):
            done = self.farlane(*words)
            self.assertEqual(done.returncode, 125)
            self.assertIn(f"did you mean {hint}?", done.stderr)
            self.assertEqual(done.stdout, "")
        self.assertNotIn("did you mean", self.farlane("utterly-else").stderr)

    def test_bad_value_is_refused(self):
        done = self.farlane("version", "-o", "xml")
        self.assertEqual(done.returncode, 125)
        self.assertIn("xml", done.stderr)

    def test_full_disk_or_closed_output_is_not_success(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([self.program, "version"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=self.environment, check=False)
        self.assertEqual(done.returncode, 125)
        self.assertIn("No space left", done.stderr)


class Manual(StagedPrefix):
    def pages(self):
        folder = self.prefix / "man1"
        folder.mkdir()
        self.assertEqual(self.farlane("man", "--dir", str(folder)).returncode, 0)
        return {page.name: page.read_text(encoding="utf-8") for page in folder.iterdir()}

    def test_each_verb_has_a_page_with_all_its_options(self):
        pages = self.pages()
        verbs = re.findall(r"(?m)^  ([a-z]+) +[A-Z]", self.farlane("help").stdout)
        self.assertEqual(set(pages), {"farlane.1", *(f"farlane-{verb}.1" for verb in verbs)})
        for verb in verbs:
            page = pages[f"farlane-{verb}.1"]
            self.assertEqual(self.farlane("man", verb).stdout, page)
            self.assertIn(f"\\fBfarlane\\-{verb}\\fR(1)", pages["farlane.1"])
            help_text = self.farlane(verb, "--help").stdout
            options = re.findall(r"(?m)^  (?:-\w,)?(--[a-z][a-z-]+)", help_text)
            self.assertIn("--help", options)
            for option in options:
                self.assertIn("\\fB" + option.replace("-", "\\-") + "\\fR", page, verb)
            example = re.search(r"Examples?:\n +(.*)", help_text)[1]
            self.assertIn(example.replace("\\", "\\e").replace("-", "\\-"), page)

    @unittest.skipUnless(shutil.which("groff"), "groff formats manual pages")
    def test_they_can_be_formatted(self):
        for name, page in self.pages().items():
            done = subprocess.run(["groff", "-Kutf8", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=100n"], input=page, capture_output=True, text=True,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), name)
            self.assertIn("NAME", done.stdout)
            self.assertNotIn("\\", done.stdout.replace("\\n", ""), name)

    def test_there_is_no_page_for_what_there_is_not(self):
        done = self.farlane("man", "chek")
        self.assertEqual((done.returncode, done.stdout), (125, ""))


class Completion(StagedPrefix):
    def bash(self, line):
        """What bash offers for `line`, asked of the function the way bash asks it."""
        script = self.farlane("completion", "bash").stdout + """
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _farlane; printf '%s\\n' "${COMPREPLY[@]}" """
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", *line], capture_output=True, text=True,
                              check=True, env=self.environment)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_reads_it(self):
        script = self.farlane("completion", "bash").stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)

    def test_bash_offers_what_the_help_names(self):
        self.assertEqual(self.bash(["farlane", "ch"]), ["check"])
        self.assertEqual(self.bash(["farlane", "run", "--se"]), ["--server"])
        self.assertEqual(self.bash(["farlane", "version", "-o", ""]), ["text", "json"])
        self.assertEqual(self.bash(["farlane", "completion", "f"]), ["fish"])
        self.assertIn("completion", self.bash(["farlane", "help", ""]))

    def test_bash_offers_programs_behind_the_options_of_run(self):
        for line in (["run", "--"], ["run", "--local"], ["run", "--mem", "1Gi"], ["run", "--mem", "1Gi", "--"], ["run"]):
            self.assertIn("bash", self.bash(["farlane", *line, "bas"]), line)

    def test_options_are_offered(self):
        offered = self.bash(["farlane", "run", "-"])
        self.assertIn("--local", offered)
        self.assertIn("--pool", offered)

    def test_zsh_and_fish_read_it(self):
        for shell in ("zsh", "fish"):
            script = self.farlane("completion", shell).stdout
            self.assertIn("--server" if shell == "zsh" else "-l server", script)
            with self.subTest(shell):
                if not shutil.which(shell):
                    self.skipTest(f"{shell} is not installed")
                subprocess.run([shell, "-n"], input=script, text=True, check=True)

    def test_unknown_shell_is_refused(self):
        self.assertEqual(self.farlane("completion", "tcsh").returncode, 125)
        self.assertEqual(self.farlane("completion").returncode, 125)


class PrintedNumbers(StagedPrefix):
    def test_json_is_json(self):
        json.loads(self.farlane("version", "-o", "json").stdout)


if __name__ == "__main__":
    unittest.main()
