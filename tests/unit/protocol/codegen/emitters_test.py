# SPDX-License-Identifier: Apache-2.0
import re
import tempfile
import unittest
from pathlib import Path

import emit_cuda_abi
import emit_entry_points
import emit_error_matrix
import emit_mock_driver
import emit_proc_table
import generate
import lint
import model
import nvml_model
import spec_fixture

_SPEC = Path(generate.__file__).parents[1] / "spec"
_COPY = """
[cuCopy]
c = "CUresult (size_t n)"
since = 4000
per_thread = { name = "cuCopy_ptds", since = 7000 }
travel = "call"
soft = true
[cuRecord]
c = "CUresult (CUstream hStream)"
since = 2000
per_thread = { name = "cuRecord_ptsz", since = 7000 }
travel = "post"
[cuLaunch]
c = "CUresult (const CUlaunchConfig* config)"
since = 11060
per_thread = { name = "cuLaunch_ptsz", since = 11060 }
travel = "local"
config = { in = "packed", stream = "hStream" }
[cuWindow]
c = "CUresult (int window)"
since = 2000
refused = "no screen over there"
[cuNobody]
c = "CUresult (int n)"
since = 2000
"""


class EntryPoints(unittest.TestCase):
    def setUp(self):
        self.files = emit_entry_points.emit(spec_fixture.load(_COPY))
        self.shim = self.files["client-shim/entry_points.cc"]

    def body_of(self, symbol):
        return re.search(rf"CUresult {symbol}\(.*?\n}}", self.shim, re.S)[0]

    def test_a_call_without_a_stream_gets_it_as_its_last_argument(self):
        self.assertIn("shim::cuCopy(n, Legacy(nullptr))", self.body_of("cuCopy"))
        self.assertIn("shim::cuCopy(n, PerThread(nullptr))", self.body_of("cuCopy_ptds"))
        self.assertIn("CUresult cuCopy(size_t n, CUstream stream);", self.files["client-shim/bodies.h"])

    def test_a_stream_argument_is_made_canonical(self):
        self.assertIn("shim::cuRecord(Legacy(hStream))", self.body_of("cuRecord"))
        self.assertIn("shim::cuRecord(PerThread(hStream))", self.body_of("cuRecord_ptsz"))

    def test_a_stream_in_a_struct_survives_a_null_struct(self):
        self.assertIn("PerThread(config != nullptr ? config->hStream : nullptr)", self.body_of("cuLaunch_ptsz"))

    def test_a_call_that_nobody_wrote_says_its_own_name(self):
        self.assertIn('Missing("cuNobody")', self.body_of("cuNobody"))
        self.assertNotIn("cuNobody", self.files["client-shim/bodies.h"])

    def test_a_refused_call_says_why(self):
        self.assertIn('Refused("cuWindow", "no screen over there")', self.body_of("cuWindow"))

    def test_the_software_gpu_has_what_the_spec_marks(self):
        soft = self.files["soft-gpu/entry_points.cc"]
        self.assertIn("soft::cuCopy(n", soft)
        self.assertIn('soft::Missing("cuRecord_ptsz")', soft)

    def test_the_library_exports_these_names_and_nothing_else(self):
        names = re.findall(r"(\w+);", self.files["client-shim/libcuda.map"].split("local:")[0])
        self.assertEqual(len([name for name in names if name.startswith("cu")]), 8)
        self.assertEqual([name for name in names if not name.startswith("cu")], ["farlane_client_shim"])
        self.assertIn("local:\n    *;", self.files["client-shim/libcuda.map"])


class ProcTable(unittest.TestCase):
    def test_rows_of_a_base_lie_together_by_version(self):
        text = emit_proc_table.emit(
            spec_fixture.load(
                '[cuA_v2]\nc = "CUresult (void)"\nsince = 4000\n[cuA]\nc = "CUresult (void)"\nsince = 2000\n'
                '[cuAA]\nc = "CUresult (void)"\nsince = 3000\n'
            )
        )["protocol/abi/proc_table.cc"]
        self.assertEqual(re.findall(r'\{"(\w+)", (\d+)', text), [("cuA", "2000"), ("cuA", "4000"), ("cuAA", "3000")])

    def test_the_index_names_the_symbol(self):
        text = emit_proc_table.emit(spec_fixture.load(_COPY))["protocol/abi/proc_table.cc"]
        names = re.findall(r'^    "(\w+)",$', text, re.M)
        for index, symbol in re.findall(r"(\d+)\},  // (\w+)$", text, re.M):
            self.assertEqual(names[int(index)], symbol)


class Abi(unittest.TestCase):
    def test_a_struct_follows_what_it_holds(self):
        types = '[struct.Outer]\nfields = ["Inner2 i"]\n[struct.Inner]\ntypedefs = ["Inner2"]\nfields = ["int x"]\n'
        text = emit_cuda_abi.emit(spec_fixture.load("", types))["protocol/abi/cuda_abi.h"]
        self.assertLess(text.index("struct Inner {"), text.index("struct Outer {"))

    def test_a_struct_that_holds_itself_is_refused(self):
        types = '[struct.A]\nfields = ["B b"]\n[struct.B]\nfields = ["A a"]\n'
        with self.assertRaisesRegex(model.SpecError, "contains itself"):
            emit_cuda_abi.emit(spec_fixture.load("", types))


class Mock(unittest.TestCase):
    def test_has_a_function_for_each_call_that_travels(self):
        calls = (
            '[cuA]\nc = "CUresult (size_t n)"\nsince = 2000\ntravel = "call"\n'
            '[cuB]\nc = "CUresult (size_t n)"\nsince = 2000\n'
        )
        files = emit_mock_driver.emit(spec_fixture.load(calls, ""))
        self.assertIn("std::function<CUresult(size_t n)> cuA;", files["tests/support/mock_driver.h"])
        self.assertNotIn("cuB", files["tests/support/mock_driver.h"])
        self.assertIn("return Ask(current_->cuA, n);", files["tests/support/mock_driver.cc"])


class ErrorMatrix(unittest.TestCase):
    """On the real spec: what a row says of a call is what its body does."""

    @classmethod
    def setUpClass(cls):
        text = emit_error_matrix.emit(model.load(_SPEC))["docs/error-matrix.md"]
        cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
        cls.rows = {cell[0].strip("`"): " | ".join(cell[1:]) for cell in cells}

    def test_has_a_row_for_each_call_that_works_and_no_other(self):
        spec = model.load(_SPEC)
        self.assertEqual(set(self.rows), {c.symbol for c in spec.calls if c.travel and not c.refused})

    def test_posts_are_remembered_and_waits_are_not(self):
        self.assertTrue(self.rows["cuMemsetD8Async"].endswith("remembered"))
        self.assertTrue(self.rows["cuMemcpyHtoD_v2"].endswith("remembered"))
        self.assertTrue(self.rows["cuStreamSynchronize"].endswith("at this call"))
        self.assertTrue(self.rows["cuMemcpyDtoH_v2"].endswith("at this call"))

    def test_out_of_memory_shows_at_its_own_call(self):
        self.assertIn("at this call where it must ask (CreditRequest)", self.rows["cuMemAlloc_v2"])

    def test_names_what_is_refused_at_once(self):
        row = self.rows["cuMemsetD8Async"]
        for refusal in ("no current context", "no stream", "`dstDevice` not inside one allocation"):
            self.assertIn(refusal, row)
        self.assertNotIn("no current context", self.rows["cuDeviceGetAttribute"])


class TheRealSpec(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.spec = model.load(_SPEC)

    def test_is_sound(self):
        self.assertEqual(lint.check(self.spec), [])

    @staticmethod
    def generate():
        return generate.generate(model.load(_SPEC), nvml_model.load(_SPEC / "nvml"))

    def test_generates_the_same_twice(self):
        self.assertEqual(self.generate(), self.generate())

    def test_exports_the_whole_driver(self):
        self.assertEqual(len(self.spec.calls) + sum(bool(c.twin) for c in self.spec.calls), 672)

    def test_a_file_that_did_not_change_is_not_touched(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a" / "b.h"
            generate.write_if_changed(path, "text\n")
            before = path.stat().st_mtime_ns
            generate.write_if_changed(path, "text\n")
            self.assertEqual(path.stat().st_mtime_ns, before)
            generate.write_if_changed(path, "other\n")
            self.assertEqual(path.read_text(encoding="utf-8"), "other\n")


if __name__ == "__main__":
    unittest.main()
