# SPDX-License-Identifier: Apache-2.0
import unittest

import model
import spec_fixture

_WAIT = """
[cuWait]
c = "CUresult (CUstream hStream, int* status)"
since = 3020
per_thread = { name = "cuWait_ptsz", since = 7000 }
travel = "call"
status = { out = "one" }
"""


class Model(unittest.TestCase):
    def test_a_call_is_what_its_table_says(self):
        call = spec_fixture.load(_WAIT).call("cuWait")
        self.assertEqual((call.since, call.twin, call.twin_since, call.chapter), (3020, "cuWait_ptsz", 7000, "chapter"))
        self.assertEqual(call.parameters[1].direction, "out")

    def test_the_base_name_has_no_version(self):
        spec = spec_fixture.load('[cuWait_v12]\nc = "CUresult (void)"\nsince = 12000\n')
        self.assertEqual(spec.calls[0].base, "cuWait")

    def test_the_base_name_can_be_said(self):
        spec = spec_fixture.load('[cuWait_v2]\nc = "CUresult (void)"\nsince = 12000\nbase = "cuWait_v2"\n')
        self.assertEqual(spec.calls[0].base, "cuWait_v2")

    def test_a_created_handle_comes_out(self):
        spec = spec_fixture.load(
            '[cuMake]\nc = "CUresult (CUstream* phStream)"\nsince = 2000\nphStream = { creates = "stream" }\n'
        )
        parameter = spec.calls[0].parameters[0]
        self.assertEqual((parameter.direction, parameter.shape), ("out", "one"))

    def test_a_call_with_a_stream_gets_no_second_one(self):
        self.assertFalse(spec_fixture.load(_WAIT).call("cuWait").adds_stream)

    def test_a_twin_without_a_stream_parameter_adds_one(self):
        text = '[cuCopy]\nc = "CUresult (int n)"\nsince = 4000\nper_thread = { name = "cuCopy_ptds", since = 7000 }\n'
        self.assertTrue(spec_fixture.load(text).call("cuCopy").adds_stream)

    def test_a_stream_that_is_destroyed_is_not_made_canonical(self):
        text = '[cuEnd]\nc = "CUresult (CUstream hStream)"\nsince = 4000\nhStream = { destroys = "stream" }\n'
        self.assertEqual(spec_fixture.load(text).call("cuEnd").stream_parameters, [])

    def test_refuses_a_note_on_a_parameter_that_is_not_there(self):
        with self.assertRaisesRegex(model.SpecError, "statsu"):
            spec_fixture.load(_WAIT.replace("status = {", "statsu = {"))

    def test_refuses_a_prototype_it_cannot_read_and_names_the_call(self):
        with self.assertRaisesRegex(model.SpecError, "cuWait"):
            spec_fixture.load('[cuWait]\nc = "CUresult (int)"\nsince = 1\n')

    def test_refuses_a_call_without_a_version(self):
        with self.assertRaisesRegex(model.SpecError, "since"):
            spec_fixture.load('[cuWait]\nc = "CUresult (void)"\n')

    def test_refuses_broken_toml_and_names_the_file(self):
        with self.assertRaisesRegex(model.SpecError, "chapter.toml"):
            spec_fixture.load("[cuWait\n")


if __name__ == "__main__":
    unittest.main()
