#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The comparison with a host twin judged: one wrong number must be seen, and nothing is no result."""
import array
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import agreement
import catalogue
from compiler import Compiler
from execute import Outcome, execute, settings
from report import Row, line

OUTPUT = "Average time: 3.1 s\nsize 8\nvalues 1.000000e+00 -2.5 1e3\nkept 17 of 20\n"


def program(**fields):
    described = {"sources": ["main.cpp"], **fields}
    return catalogue.program("suite", "S0", "one", {**catalogue.DEFAULTS, "reference": described})


def outcome(output=OUTPUT, **written):
    return Outcome(0, output, "", 0.1, written=written)


class Agreement(unittest.TestCase):
    def difference(self, given, wanted=None, **fields):
        reference = program(**fields).reference
        return agreement.difference(reference, wanted or outcome(), given)

    def test_accepts_the_same_with_other_times(self):
        self.assertEqual(self.difference(outcome(OUTPUT.replace("3.1 s", "0.2 s"))), "")

    def test_sees_each_wrong_number(self):
        for one, other in (("8", "9"), ("1.000000e+00", "1.000001e+00"), ("-2.5", "2.5"),
                           ("1e3", "1e4"), ("17", "18"), ("20", "21")):
            wrong = outcome(OUTPUT.replace(f" {one}", f" {other}"))
            self.assertIn(other, self.difference(wrong, relative=1e-7), one)

    def test_lets_numbers_differ_as_far_as_it_is_told_and_no_further(self):
        near, far = outcome("x 1.001\n"), outcome("x 1.003\n")
        wanted = outcome("x 1.0\n")
        for fields in ({"relative": 2e-3}, {"absolute": 2e-3}):
            self.assertEqual(self.difference(near, wanted, **fields), "")
            self.assertIn("1.003", self.difference(far, wanted, **fields))

    def test_holds_whole_numbers_to_be_whole(self):
        wanted = outcome("x 1000\n")
        self.assertIn("1001", self.difference(outcome("x 1001\n"), wanted, relative=0.5))
        self.assertEqual(self.difference(outcome("x 1001\n"), wanted, whole=1), "")

    def test_lets_a_share_of_numbers_differ(self):
        wanted = outcome("x " + "1 " * 99 + "1\n")
        one, two = (outcome("x " + "1 " * (100 - many) + "2 " * many) for many in (1, 2))
        self.assertEqual(self.difference(one, wanted, outliers=0.01), "")
        self.assertIn("2 of 100", self.difference(two, wanted, outliers=0.01))

    def test_refuses_a_nan_for_a_number(self):
        self.assertIn("nan", self.difference(outcome("x nan\n"), outcome("x 1.0\n"), absolute=9))

    def test_sees_a_word_a_line_and_a_file_too_few(self):
        self.assertIn("lost", self.difference(outcome(OUTPUT.replace("kept", "lost"))))
        self.assertIn("lines", self.difference(outcome(OUTPUT.replace("size 8\n", ""))))
        self.assertIn("wrote no", self.difference(outcome(), compares=["result"]))

    def test_takes_nothing_compared_for_no_judgement(self):
        for same in ("", "Time 3.1 s\n", "Computation done\n", "x nan\n"):
            self.assertIn("unjudged", self.difference(outcome(same), outcome(same)), same)

    def test_takes_words_for_results_only_where_it_is_told(self):
        self.assertEqual(self.difference(outcome("found it\n"), outcome("found it\n"), text=True), "")
        self.assertIn("other", self.difference(outcome("other\n"), outcome("found\n"), text=True))

    def test_compares_files_of_text_and_of_binary_numbers(self):
        text = [outcome("", result=f"{value}\n".encode()) for value in (1.5, 1.75)]
        self.assertEqual(self.difference(text[0], text[0], compares=["result"]), "")
        self.assertIn("1.75", self.difference(text[1], text[0], compares=["result"]))
        for kind, code in agreement.BINARY.items():
            right, wrong = (outcome("", result=array.array(code, [1, two, 3]).tobytes())
                            for two in (2, 4))
            told = {"compares": [f"result:{kind}"]}
            self.assertEqual(self.difference(right, right, **told), "")
            self.assertIn("number 1", self.difference(wrong, right, **told))
            short = outcome("", result=right.written["result"][:-1])
            self.assertIn("bytes", self.difference(short, right, **told))


class Reference(unittest.TestCase):
    def test_is_told_in_the_table(self):
        said = line(Row(program(folder="src/one-omp", relative=1e-3), "pass", "pass", "pass"))
        self.assertIn("by host twin src/one-omp within relative 0.001", said)

    def test_refuses_to_compare_nothing_and_what_it_does_not_know(self):
        for fields in ({"compares": []}, {"tolerance": 1}, {"compiler": "cl"}):
            with self.assertRaises(catalogue.BadTable):
                program(**fields)


class Additions(unittest.TestCase):
    def test_are_compiled_and_the_source_stays_as_it_is(self):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "src" / "suite" / "one" / "main.cpp"
            source.parent.mkdir(parents=True)
            source.write_text('#include "../two/two.h"\nint main() {\nreturn kTwo - 2;\n}\n')
            beside = source.parent.parent / "two" / "two.h"
            beside.parent.mkdir()
            beside.write_text("const int kTwo = 2;\n")
            before = source.read_text()
            adds = {"main.cpp": [[3, 'float values[] = {0.25f, 3}; FarlaneShow("v", values, 2);']]}
            twin = program(folder="one", adds=adds).reference.twin
            compiler = Compiler("true", source.parents[2], Path(folder) / "cache", 1)
            built = compiler.build(twin)
            self.assertEqual(built.reason, "")
            said = execute(built.program, (), settings(Path(folder), {}), 30)
            self.assertEqual((said.code, said.output), (0, "v 2.50000000e-01 3.00000000e+00\n"))
            self.assertEqual(source.read_text(), before)


if __name__ == "__main__":
    unittest.main()
