# SPDX-License-Identifier: Apache-2.0
"""What the tables of NVML may say, and what is made of them."""

import re
import tempfile
import unittest
from pathlib import Path

import emit_nvml
import nvml_model

_TYPES = """
[handle.nvmlDevice_t]
tag = "nvmlDevice_st"
[enum.nvmlReturn_enum]
typedef = "nvmlReturn_t"
[enum.nvmlReturn_enum.values]
NVML_SUCCESS = 0
NVML_ERROR_NOT_SUPPORTED = 3
"""
_NAME = """
[nvmlDeviceGetName]
c = "nvmlReturn_t (nvmlDevice_t device, char* name, unsigned int length)"
name = { text = "gpu.name", size = "length" }
"""
_REFUSED = """
[board]
result = "NVML_ERROR_NOT_SUPPORTED"
why = "Nobody knows."
names = ["nvmlDeviceGetSerial"]
"""


def load(calls, refused=_REFUSED):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("types", _TYPES), ("calls", calls), ("refused", refused)):
            (Path(folder) / f"{name}.toml").write_text(text, encoding="utf-8")
        return nvml_model.load(Path(folder))


class Tables(unittest.TestCase):
    def complaints(self, calls, refused=_REFUSED):
        return "\n".join(nvml_model.check(load(calls, refused)))

    def test_the_real_ones_are_sound_and_have_every_function_once(self):
        root = Path(nvml_model.__file__).parents[1] / "spec" / "nvml"
        nvml = nvml_model.load(root)
        self.assertEqual(list(nvml_model.check(nvml)), [])
        self.assertGreater(len(nvml.names), 400)
        self.assertIn("nvmlInit_v2", nvml.names)

    def test_a_function_is_answered_in_one_way(self):
        self.assertEqual(self.complaints(_NAME), "")
        self.assertIn("exactly one", self.complaints(_NAME + "hand = true\n"))
        self.assertIn("exactly one", self.complaints('[nvmlX]\nc = "nvmlReturn_t (void)"\n'))

    def test_every_pointer_is_filled_or_said_to_be_unused(self):
        two = '[nvmlX]\nc = "nvmlReturn_t (int* a, int* b)"\na = { is = "1" }\n'
        self.assertIn("nothing says what comes out of b", self.complaints(two))
        self.assertEqual(self.complaints(two + "b = { unused = true }\n"), "")

    def test_a_text_names_its_size(self):
        self.assertIn("there is no size", self.complaints(_NAME.replace('size = "length"', 'size = "size"')))
        self.assertIn("neither", self.complaints(_NAME.replace(', size = "length"', "")))

    def test_a_forward_leads_to_an_answer(self):
        self.assertIn("no function to forward to", self.complaints(
            '[nvmlX]\nc = "nvmlReturn_t (void)"\nforward = "nvmlDeviceGetSerial"\n'))

    def test_no_function_stands_twice(self):
        self.assertIn("twice", self.complaints(_NAME.replace("GetName", "GetSerial")))

    def test_a_refusal_is_a_result_of_nvml(self):
        self.assertIn("no result", self.complaints(_NAME, _REFUSED.replace("NOT_SUPPORTED", "NO")))


class Emitted(unittest.TestCase):
    def setUp(self):
        self.files = emit_nvml.emit(load(_NAME))

    def test_a_generated_body_looks_before_it_writes(self):
        body = self.files["protocol/nvml/entry_points.cc"].split("nvmlReturn_t nvmlDeviceGetName(")[1].split("\n}")[0]
        order = [body.index(part) for part in ("look.result()", "name == nullptr", "GiveText(name, length, gpu.name)")]
        self.assertEqual(order, sorted(order))

    def test_a_refused_function_looks_at_nothing(self):
        self.assertIn("nvmlDeviceGetSerial() { return NVML_ERROR_NOT_SUPPORTED; }",
                      self.files["protocol/nvml/entry_points.cc"])

    def test_each_library_exports_these_names_and_its_marker(self):
        for house, marker in (("client-shim", "farlane_client_shim"), ("soft-gpu", "farlane_software_gpu")):
            names = re.findall(r"(\w+);", self.files[f"{house}/nvml/nvml.map"].split("local:")[0])
            self.assertEqual(names, ["nvmlDeviceGetName", "nvmlDeviceGetSerial", marker])


if __name__ == "__main__":
    unittest.main()
