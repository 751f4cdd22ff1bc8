# SPDX-License-Identifier: Apache-2.0
"""What lint says of bodies: forward, about, does, copies, images, and words that would have no effect."""

import unittest

import lint
import spec_fixture

_OTHER = """
[cuOther]
c = "CUresult (CUfunction hfunc, int n, CUstream hStream)"
since = 4000
travel = "post"
[cuNobody]
c = "CUresult (int n)"
since = 4000
"""


def _complaints(prototype, *lines):
    text = f'[cuTry]\nc = "CUresult ({prototype})"\nsince = 4000\n' + "\n".join(lines) + "\n"
    return lint.check(spec_fixture.load(text + _OTHER))


class LintBody(unittest.TestCase):
    def assert_refused(self, words, prototype, *lines):
        complaints = _complaints(prototype, *lines)
        self.assertTrue(any(words in c and "cuTry" in c for c in complaints), complaints)

    def assert_sound(self, prototype, *lines):
        self.assertEqual(_complaints(prototype, *lines), [])


class Ends(LintBody):
    def test_what_does_not_travel_has_no_body(self):
        self.assert_refused("does not travel", "int n", 'client = "hand"', 'why = "a reason"')
        self.assert_refused("does not travel", "int n", 'forward = "cuOther"')
        self.assert_refused("does not travel", "int n", "blocking = true")

    def test_what_is_answered_here_sends_nothing_and_is_by_hand_without_saying_so(self):
        self.assert_refused("answered here", "int n", 'travel = "local"', 'client = "hand"', 'why = "a reason"')
        self.assert_refused("answered here", "int n", 'travel = "local"', 'sends = ["Reply"]')

    def test_a_server_body_needs_a_message(self):
        self.assert_refused("no message", "CUfunction f, int n, CUstream s", 'travel = "post"', 'server = "hand"',
                            'why = "a reason"', 'forward = "cuOther"')  # fmt: skip

    def test_only_what_is_awaited_may_block(self):
        self.assert_refused("blocking", "int n", 'travel = "post"', "blocking = true")
        self.assert_sound("int n", 'travel = "call"', "blocking = true")

    def test_a_reason_without_a_hand_is_refused(self):
        self.assert_refused("nothing is written by hand", "int n", 'travel = "call"', 'why = "a reason"')

    def test_one_body_excludes_another(self):
        self.assert_refused("exclude each other", "CUfunction f, int n, CUstream s", 'travel = "post"', 'client = "hand"',
                            'why = "a reason"', 'forward = "cuOther"')  # fmt: skip

    def test_a_cached_call_without_a_hand_is_generated_and_checked_as_such(self):
        self.assert_refused("without a direction", "int* n", 'travel = "cached"')
        self.assert_refused("nothing comes out", "int n", 'travel = "cached"')
        self.assert_sound("int* n", 'travel = "cached"', 'n = { out = "one" }')

    def test_a_switch_is_true_or_absent(self):
        self.assert_refused('true, "forward" or absent', "int n", 'soft = "yes"')
        self.assert_refused("nothing says to what", "int n", 'soft = "forward"')

    def test_a_version_looks_like_one(self):
        text = '[cuTry]\nc = "CUresult (void)"\nsince = "13.0"\n'
        self.assertTrue(any("no version" in c for c in lint.check(spec_fixture.load(text))))


class Forward(LintBody):
    _SAME = "CUfunction f, int n, CUstream s"

    def test_all_values_may_go_on_as_they_come(self):
        self.assert_sound(self._SAME, 'travel = "post"', 'forward = "cuOther"')

    def test_the_target_must_be_there(self):
        self.assert_refused("no call", self._SAME, 'travel = "post"', 'forward = "cuGone"')
        self.assert_refused("not there", self._SAME, 'travel = "post"', 'forward = "cuNobody"')

    def test_a_circle_is_refused(self):
        self.assert_refused("itself", "int n", 'travel = "post"', 'forward = "cuTry"')

    def test_names_are_those_of_the_target(self):
        self.assert_refused("has no width", self._SAME, 'travel = "post"', 'forward = { to = "cuOther", width = 1 }')

    def test_no_value_may_be_missing(self):
        self.assert_refused("nothing said for n", "CUfunction hfunc, CUstream hStream", 'travel = "post"',
                            'forward = { to = "cuOther" }')  # fmt: skip
        self.assert_refused("wants more", "CUfunction hfunc", 'travel = "post"', 'forward = "cuOther"')
        self.assert_sound("CUfunction hfunc, CUstream hStream", 'travel = "post"', 'forward = { to = "cuOther", n = 0 }')

    def test_a_handle_goes_on_as_its_own_kind(self):
        self.assert_refused("is no CUfunction", "CUstream hfunc, int n, CUstream hStream", 'travel = "post"',
                            'forward = { to = "cuOther" }')  # fmt: skip
        self.assert_refused("is no CUfunction", "CUfunction* hfunc, int n, CUstream hStream", 'travel = "post"',
                            'forward = { to = "cuOther" }')  # fmt: skip

    def test_it_names_a_call(self):
        with self.assertRaisesRegex(Exception, "names no call"):
            _complaints("int n", 'travel = "post"', "forward = { n = 0 }")


class About(LintBody):
    def test_it_names_something_the_client_knows(self):
        self.assert_refused("neither a parameter", "int n", 'travel = "local"', 'about = "weather"')
        self.assert_refused("knows nothing", "int n", 'travel = "local"', 'about = "n"')
        self.assert_sound("CUstream s", 'travel = "local"', 'about = "s"')

    def test_all_that_comes_out_is_said(self):
        self.assert_refused("nothing says what", "CUstream s, int* n", 'travel = "local"', 'about = "s"', 'n = { out = "one" }')
        self.assert_sound("CUstream s, int* n", 'travel = "local"', 'about = "s"', 'n = { out = "one", is = "priority" }')

    def test_nothing_is_given_twice_or_to_nobody(self):
        self.assert_refused("exclude", "CUstream s, int* n", 'travel = "local"', 'about = "s"',
                            'n = { out = "one", is = "priority", always = 0 }')  # fmt: skip
        self.assert_refused("does not come out", "CUstream s, int n", 'travel = "local"', 'about = "s"', "n = { always = 0 }")
        self.assert_refused("without about", "int* n", 'travel = "call"', 'n = { out = "one", always = 0 }')

    def test_what_travels_does_something(self):
        self.assert_refused("yet it travels", "CUstream s", 'travel = "call"', 'about = "s"')
        self.assert_refused("what it is about", "CUstream s", 'travel = "call"', 'does = "Drop(s)"')

    def test_what_a_call_does_fills_what_comes_out(self):
        lines = ('travel = "local"', 'about = "session"', 'n = { out = "one" }')
        self.assert_refused("nothing says what", "int* n", *lines, 'does = "Drop()"')
        self.assert_sound("int* n", *lines, 'does = "Count(&made_n)"')

    def test_managed_ranges_belong_to_the_context(self):
        self.assert_refused("managed goes with", "CUstream s, CUdeviceptr d, size_t n", 'travel = "local"', 'about = "s"',
                            'd = { managed = "n" }')  # fmt: skip
        self.assert_refused("names no parameter", "CUdeviceptr d", 'travel = "local"', 'about = "context"', 'd = { managed = "n" }')


class Demands(LintBody):
    def test_they_are_said_of_generated_bodies(self):
        self.assert_refused("no effect", "int n", 'travel = "local"', "n = { only = 0 }")
        self.assert_sound("int n", 'travel = "post"', "n = { only = 0 }")

    def test_one_is_enough(self):
        self.assert_refused("exclude", "int n", 'travel = "post"', 'n = { only = 0, bits = "FLAGS" }')

    def test_they_are_well_formed(self):
        self.assert_refused("two ends", "int n", 'travel = "post"', "n = { between = [1] }")
        self.assert_refused("is a list", "int n", 'travel = "post"', 'n = { one_of = "A" }')
        self.assert_refused("not of pointers", "int* n", 'travel = "call"', 'n = { out = "one", only = 0 }')
        self.assert_refused("says nothing", "int n", 'travel = "post"', 'n = { otherwise = "CUDA_ERROR_UNKNOWN" }')


class Messages(LintBody):
    def test_the_client_mints_and_retires_what_it_can(self):
        self.assert_refused("mints no", "CUstream* s", 'travel = "post"', 's = { creates = "stream" }')
        self.assert_refused("retires no", "CUfunction f", 'travel = "post"', 'f = { destroys = "function" }')

    def test_a_device_and_a_handle_do_not_go_together(self):
        self.assert_refused("by hand", "CUdevice d, CUstream s", 'travel = "call"')
        self.assert_sound("CUdevice d, int* n", 'travel = "cached"', 'n = { out = "one" }')

    def test_a_copy_has_two_sides_and_a_stream(self):
        sides = ('d = { address = "n", access = "write" }', 'h = { in = "bytes", size = "n" }')
        self.assert_sound("CUdeviceptr d, const void* h, size_t n, CUstream s", 'travel = "bulk"', *sides)
        self.assert_refused("what it writes", "CUdeviceptr d, const void* h, size_t n, CUstream s", 'travel = "bulk"', sides[0])
        self.assert_refused("follows a stream", "CUdeviceptr d, const void* h, size_t n", 'travel = "bulk"', *sides)
        self.assert_refused("generated copy", "CUdeviceptr d, const void* h, size_t n, CUstream s", 'travel = "bulk"', *sides,
                            'client = "hand"', 'why = "a reason"', "waits = true")  # fmt: skip

    def test_an_image_becomes_a_module_or_a_library(self):
        self.assert_refused("creates no module", "const void* i", 'travel = "call"', 'i = { in = "image" }')


class Lives(LintBody):
    def test_a_handle_has_the_life_of_its_type(self):
        self.assert_refused("its type is a", "CUstream s", 's = { destroys = "function" }')
        self.assert_refused("come out of it", "CUstream s", 's = { creates = "stream" }')
        self.assert_refused("behind a pointer", "CUstream* s", 's = { destroys = "stream" }')
        self.assert_refused("at once", "CUfunction* f", 'f = { creates = "function", finds = "function" }')

    def test_words_that_need_another_one(self):
        self.assert_refused("says nothing", "int n", 'n = { access = "read" }')
        self.assert_refused("says nothing", "void* p, size_t n", 'p = { count = "n" }')
        self.assert_refused("without a pitch", "CUdeviceptr d, size_t n", 'd = { address = "n", access = "read", rows = "n" }')
        self.assert_refused("null is", "int n", 'n = { null = "ok" }')
        self.assert_refused("null is", "int* n", 'n = { out = "one", null = "maybe" }')


if __name__ == "__main__":
    unittest.main()
