# SPDX-License-Identifier: Apache-2.0
import unittest

import lint
import spec_fixture


def _complaints(prototype, *lines):
    text = f'[cuTry]\nc = "CUresult ({prototype})"\nsince = 4000\n' + "\n".join(lines) + "\n"
    return lint.check(spec_fixture.load(text))


class Lint(unittest.TestCase):
    def assert_refused(self, words, prototype, *lines):
        complaints = _complaints(prototype, *lines)
        self.assertTrue(any(words in c and "cuTry" in c for c in complaints), complaints)

    def assert_sound(self, prototype, *lines):
        self.assertEqual(_complaints(prototype, *lines), [])

    def test_a_pointer_of_a_generated_call_needs_a_direction(self):
        self.assert_refused("without a direction", "int* value", 'travel = "call"')
        self.assert_sound("int* value", 'travel = "call"', 'value = { out = "one" }')

    def test_a_pointer_of_a_call_that_stays_here_needs_none(self):
        self.assert_sound("int* value", 'travel = "local"')

    def test_hand_needs_a_why(self):
        self.assert_refused("without a why", "int n", 'travel = "call"', 'client = "hand"')
        self.assert_sound("int n", 'travel = "call"', 'client = "hand"', 'why = "a reason"')

    def test_a_size_must_name_a_parameter(self):
        self.assert_refused("names no parameter", "void* p, size_t n", 'p = { out = "bytes", size = "m" }')
        self.assert_sound("void* p, size_t n", 'p = { out = "bytes", size = "n" }')

    def test_a_size_may_be_a_number(self):
        self.assert_sound("char* id", 'id = { out = "bytes", size = 8 }')

    def test_an_array_needs_a_count(self):
        self.assert_refused("without a count", "int* a, int n", 'a = { in = "array" }')

    def test_nothing_comes_out_of_a_post(self):
        self.assert_refused("nobody awaits", "int* value", 'travel = "post"', 'value = { out = "one" }')

    def test_a_post_may_create_a_handle_that_the_caller_chose(self):
        complaints = _complaints("CUstream* s", 'travel = "post"', 's = { creates = "stream" }')
        self.assertFalse(any("nobody awaits" in c for c in complaints), complaints)

    def test_packed_is_for_bodies_written_by_hand(self):
        self.assert_refused("packed", "void** p", 'travel = "call"', 'p = { in = "packed" }')

    def test_what_is_created_must_be_destroyed_somewhere(self):
        self.assert_refused("no call destroys", "CUstream* s", 's = { creates = "stream" }')

    def test_what_lives_within_another_needs_no_destroyer(self):
        self.assert_sound("CUfunction* f", 'f = { creates = "function" }')

    def test_a_kind_must_be_known(self):
        self.assert_refused("unknown kind", "CUstream* s", 's = { finds = "river" }')

    def test_a_travel_must_be_known(self):
        self.assert_refused("is none of", "int n", 'travel = "pigeon"')

    def test_a_refused_call_does_not_travel(self):
        self.assert_refused("yet it travels", "int n", 'travel = "call"', 'refused = "no such hardware"')

    def test_a_direction_needs_a_pointer(self):
        self.assert_refused("no pointer", "int n", 'n = { in = "one" }')

    def test_a_const_pointer_takes_nothing_out(self):
        self.assert_refused("const", "const int* n", 'n = { out = "one" }')

    def test_an_address_says_how_it_is_used(self):
        self.assert_refused("access", "CUdeviceptr d, size_t n", 'd = { address = "n" }')

    def test_an_unknown_word_on_a_parameter_is_refused(self):
        self.assert_refused("unknown", "int* n", 'n = { in = "one", nul = "ok" }')

    def test_one_name_is_exported_once(self):
        text = """
[cuTry]
c = "CUresult (void)"
since = 4000
per_thread = { name = "cuTry_ptsz", since = 7000 }
[cuTry_ptsz]
c = "CUresult (void)"
since = 7000
"""
        self.assertTrue(any("exported by" in c for c in lint.check(spec_fixture.load(text))))

    def test_two_calls_of_one_base_differ_in_version(self):
        text = '[cuTry]\nc = "CUresult (void)"\nsince = 4000\n[cuTry_v2]\nc = "CUresult (void)"\nsince = 4000\n'
        self.assertTrue(any("same base and version" in c for c in lint.check(spec_fixture.load(text))))

    def test_the_share_of_hand_written_calls_counts_what_travels(self):
        text = """
[cuA]
c = "CUresult (void)"
since = 4000
travel = "call"
[cuB]
c = "CUresult (void)"
since = 4000
travel = "call"
client = "hand"
why = "a reason"
[cuC]
c = "CUresult (void)"
since = 4000
"""
        self.assertEqual(lint.hand_share(spec_fixture.load(text)), 0.5)


if __name__ == "__main__":
    unittest.main()
