#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The corpus runner judged: what proves nothing must not pass, and nothing is compiled twice."""
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import catalogue
import inputs
import report
from compiler import Compiler
from execute import Outcome, execute, settings
from judge import judge
from place import place_of_run

LAUNCHED = "farlane: worker=41 launches=3\n"


def program(**fields):
    return catalogue.program("suite", "S0", "sample", {**catalogue.DEFAULTS, **fields})


def outcome(output="PASS\n", code=0, errors="", timed_out=False):
    return Outcome(code, output, errors, 0.1, timed_out)


class Judge(unittest.TestCase):
    def reason(self, one, result, remote=False):
        verdict = judge(one, result, remote)
        self.assertEqual(verdict.passed, not verdict.reason)
        return verdict.reason

    def test_accepts_what_the_program_calls_right(self):
        self.assertEqual(self.reason(program(), outcome()), "")

    def test_refuses_silence(self):
        self.assertIn("says nothing", self.reason(program(), outcome("done\n")))

    def test_refuses_a_failure_beside_a_pass(self):
        for word in ("FAIL", "Test failed!", "mismatch at 3", "incorrect", "waived"):
            self.assertIn("says", self.reason(program(), outcome(f"PASS\n{word}\n")), word)

    def test_takes_no_count_of_failures_for_one(self):
        self.assertEqual(self.reason(program(), outcome("PASS\n0 Failures\n")), "")

    def test_refuses_an_exit_code_after_a_pass(self):
        self.assertIn("exit code 2", self.reason(program(), outcome(code=2)))

    def test_refuses_a_crash_after_a_pass(self):
        self.assertIn("SIGSEGV", self.reason(program(), outcome(code=-11)))

    def test_refuses_a_run_that_was_ended(self):
        self.assertIn("timeout", self.reason(program(), outcome(timed_out=True, code=-9)))

    def test_refuses_a_pass_without_its_kernel(self):
        errors = "farlane: soft-gpu: kernel f cannot run: no such instruction: mma\n"
        reason = self.reason(program(), outcome(errors=errors))
        self.assertIn("kernel not run", reason)
        self.assertIn("mma", reason)

    def test_refuses_a_remote_run_that_launched_nothing(self):
        self.assertIn("launched nothing", self.reason(program(), outcome(), remote=True))
        self.assertEqual(self.reason(program(), outcome(errors=LAUNCHED), remote=True), "")

    def test_lets_a_program_be_judged_by_its_exit_code(self):
        quiet = program(says="")
        self.assertEqual(self.reason(quiet, outcome("")), "")
        self.assertIn("exit code 1", self.reason(quiet, outcome("", code=1)))

    def test_reads_failures_on_stderr_but_not_in_our_lines(self):
        ours = "farlane: kernel k failed: assertion failed\n"
        self.assertEqual(self.reason(program(), outcome(errors=ours)), "")
        self.assertIn("says", self.reason(program(), outcome(errors="CUDA error 700\n")))

    def test_names_our_line_as_the_cause(self):
        errors = "farlane: cuFoo is not supported in this version\n"
        self.assertIn("cuFoo", self.reason(program(), outcome("FAIL\n", errors=errors)))


class Catalogue(unittest.TestCase):
    def test_refuses_an_unknown_field(self):
        with self.assertRaises(catalogue.BadTable):
            program(argument="1")

    def test_refuses_a_program_without_a_judgement(self):
        with self.assertRaises(catalogue.BadTable):
            program(says="", never="")

    def test_the_tables_can_be_read_and_name_each_program_once(self):
        titles = [one.title for suite in catalogue.read_all(HERE) for one in suite.programs]
        self.assertEqual(len(titles), 423)
        self.assertEqual(len(set(titles)), len(titles))


class Inputs(unittest.TestCase):
    def test_the_same_recipe_makes_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as folder:
            one, two = Path(folder) / "a" / "one", Path(folder) / "two"
            for word in inputs.RECIPES:
                count = inputs.RECIPES[word].__code__.co_argcount - 1
                recipe = " ".join([word, *["4"] * count])
                inputs.make(recipe, one)
                inputs.make(recipe, two)
                self.assertEqual(one.read_bytes(), two.read_bytes())
                self.assertTrue(one.read_bytes())

    def test_refuses_what_it_cannot_make(self):
        with self.assertRaises(inputs.BadRecipe):
            inputs.make("film 3", Path("nowhere"))


class Building(unittest.TestCase):
    """With a stand-in for nvcc that counts its calls."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.source = self.root / "src" / "suite" / "sample" / "main.cu"
        self.source.parent.mkdir(parents=True)
        self.source.write_text("int main() {}\n")
        self.calls = self.root / "calls"
        nvcc = self.root / "nvcc"
        nvcc.write_text(
            "#!/bin/sh\n"
            'if [ "$1" = --version ]; then echo 1; exit 0; fi\n'
            f'echo "$@" >> {self.calls}\n'
            'grep -q broken main.cu && { echo "main.cu(1): error: broken"; exit 1; }\n'
            'while [ "$1" != -o ]; do shift; done\n'
            'printf "#!/bin/sh\\necho PASS\\n" > "$2"; chmod +x "$2"\n'
        )
        nvcc.chmod(0o755)
        self.compiler = Compiler(str(nvcc), self.root / "src", self.root / "cache", 1)

    def tearDown(self):
        self.folder.cleanup()

    def compilations(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0

    def test_compiles_once_and_again_only_after_a_change(self):
        self.assertTrue(self.compiler.build(program()).program.exists())
        self.compiler.build(program())
        self.assertEqual(self.compilations(), 1)
        self.source.write_text("int main() { return 0; }\n")
        self.compiler.build(program())
        self.assertEqual(self.compilations(), 2)

    def test_remembers_what_does_not_compile(self):
        self.source.write_text("broken\n")
        for _ in range(2):
            self.assertIn("error: broken", self.compiler.build(program()).reason)
        self.assertEqual(self.compilations(), 1)

    def test_says_that_sources_are_missing(self):
        self.assertIn("lacks", self.compiler.build(program(folder="elsewhere")).reason)
        self.assertIn("lacks", self.compiler.build(program(sources=["*.cpp"])).reason)

    def test_runs_in_a_place_that_the_program_cannot_spoil(self):
        built = self.compiler.build(program())
        with place_of_run(self.source.parent, built.folder) as started:
            (started.parent / "main.cu").write_text("spoilt")
            result = execute(started, (), settings(Path("/nowhere"), {}), 30)
        self.assertEqual((result.code, result.output), (0, "PASS\n"))
        self.assertFalse(started.parent.exists())
        self.assertIn("int main", self.source.read_text())

    def test_ends_a_program_at_its_limit(self):
        built = self.compiler.build(program())
        built.program.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
        with place_of_run(self.source.parent, built.folder) as started:
            result = execute(started, (), settings(Path("/nowhere"), {}), 0.3)
        self.assertTrue(result.timed_out)


class Table(unittest.TestCase):
    def test_keeps_what_passed_both_ways_and_nothing_else(self):
        both, one = program(), program(devices=2)
        one = type(one)(**{**vars(one), "name": "other"})
        rows = [
            report.Row(both, "pass", "pass", "pass", 1.0),
            report.Row(one, "pass", "pass", "FAIL", 1.0, "remotely: timeout"),
        ]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.json"
            report.write_json(rows, path)
            kept = report.passed_before([both, one], path)
        self.assertEqual([row.program.name for row in kept], ["sample"])
        self.assertTrue(kept[0].passed)


class Running(unittest.TestCase):
    def test_a_failed_program_fails_the_run_and_is_in_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "own.toml").write_text(
                '[suite]\nrepository = "nowhere"\ncommit = "0"\n'
                '[S0]\ngone = {}\nwithout = { lacks = "its data" }\n'
            )
            (root / "src" / "own" / "gone").mkdir(parents=True)
            (root / "src" / "own" / "gone" / "main.cu").write_text("#error broken\n")
            nvcc = root / "nvcc"
            nvcc.write_text("#!/bin/sh\necho error: no\n[ $1 = --version ]\n")
            nvcc.chmod(0o755)
            result = subprocess.run(
                [sys.executable, "-B", HERE / "run_corpus.py", "--sources", root / "src",
                 "--tables", root, "--cache", root / "cache", "--nvcc", nvcc,
                 "--json", root / "table.json"],
                capture_output=True,
                text=True,
                env={"PATH": os.environ["PATH"]},
                check=False,
            )
            table = {row["program"]: row for row in json.loads((root / "table.json").read_text())}
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(table["own/gone"]["compiled"], report.FAILED)
        self.assertEqual(table["own/without"]["reason"], "lacks its data")
        self.assertEqual(table["own/without"]["direct"], report.NOT_RUN)


if __name__ == "__main__":
    unittest.main()
