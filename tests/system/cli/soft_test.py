#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""farlane soft info: what it says about each kind of file, and that bad files are refused."""

import json
import os
import struct
import tempfile
import unittest
from pathlib import Path

from staged_prefix import StagedPrefix

_PTX = """.version 8.0
.target sm_80
.address_size 64
.visible .entry scale(.param .u64 to, .param .f32 by) {
  .reg .b64 %rd<2>;
  .reg .f32 %f<3>;
  .shared .f32 tile[32];
  ld.param.u64 %rd1, [to];
  ld.param.f32 %f1, [by];
  mul.f32 %f2, %f1, %f1;
  st.global.f32 [%rd1], %f2;
  ret;
}
"""
_LACKING = _PTX.replace("  ret;", "  bar.sync 0;\n  wgmma.fence.sync.aligned;\n  ret;")


def fatbin(ptx, architecture=80):
    """One uncompressed PTX entry, as compilers lay it out."""
    text = ptx.encode() + b"\0"
    text += b"\0" * (-len(text) % 8)
    entry = struct.pack("<HHIQIIIIIIQQQ", 1, 0x101, 64, len(text), 0, 0, 0x00080000, architecture, 0, 0, 0x41, 0, 0)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(entry) + len(text)) + entry + text


def host_elf(fatbins):
    """A 64-bit ELF file of x86 with one section .nv_fatbin."""
    names = b"\0.nv_fatbin\0.shstrtab\0"
    names_at = 64
    data_at = names_at + len(names) + (-len(names) % 8)
    table_at = data_at + len(fatbins)
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, table_at, 0, 64, 0, 0, 64, 3, 2)

    def section(name, kind, at, size):
        return struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, 0, 0, 1, 0)

    body = header + names + bytes(-len(names) % 8) + fatbins
    return body + section(0, 0, 0, 0) + section(1, 1, data_at, len(fatbins)) + section(12, 3, names_at, len(names))


class SoftInfo(StagedPrefix):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, content):
        path = self.folder / "file"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def info(self, content):
        done = self.farlane("soft", "info", "--json", self.file(content))
        self.assertEqual(done.stderr, "")
        return done.returncode, json.loads(done.stdout)

    def assert_refused(self, words, *arguments):
        done = self.farlane("soft", "info", *arguments)
        self.assertEqual((done.returncode, done.stdout), (125, ""), done)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn(words, done.stderr)

    def test_a_text_is_reported_with_its_kernel_and_opcodes(self):
        code, report = self.info(_PTX)
        self.assertEqual((code, report["kind"], report["all_there"]), (0, "PTX", True))
        image = report["images"][0]
        self.assertEqual((image["architecture"], image["instructions"], image["stage"]), ("compute_80", 5, "S0"))
        kernel = image["kernels"][0]
        self.assertEqual((kernel["name"], kernel["parameters"], kernel["parameter_bytes"], kernel["shared_bytes"]),
                         ("scale", 2, 12, 128))
        self.assertEqual(image["opcodes"][0], {"opcode": "ld", "stage": "S0", "count": 2, "lacking": 0})

    def test_what_is_lacking_is_named_and_the_exit_code_says_so(self):
        code, report = self.info(_LACKING)
        self.assertEqual((code, report["all_there"]), (1, False))
        lacking = report["images"][0]["lacking"]
        self.assertEqual([(use["instruction"], use["count"], use["function"]) for use in lacking],
                         [("wgmma.fence.sync.aligned", 1, "scale")])
        text = self.farlane("soft", "info", self.file(_LACKING)).stdout
        self.assertIn("lacking: wgmma.fence.sync.aligned (1), first in scale, line 13", text)

    def test_a_fatbin_and_a_program_with_several_carry_the_same_images(self):
        code, report = self.info(fatbin(_PTX))
        self.assertEqual((code, report["kind"], report["fatbins"]), (0, "fatbin", 1))
        code, report = self.info(host_elf(fatbin(_PTX) + bytes(16) + fatbin(_LACKING, 90)))
        self.assertEqual((code, report["kind"], report["fatbins"]), (1, "program or library", 2))
        self.assertEqual([image["architecture"] for image in report["images"]], ["compute_80", "compute_90"])

    def test_text_that_is_wrong_is_a_problem_of_its_image(self):
        code, report = self.info(_PTX.replace("mul.f32 %f2, %f1, %f1", "mul.f32 %f2"))
        self.assertEqual(code, 1)
        self.assertIn("line", report["images"][0]["problem"])
        self.assertIn("rebuild with PTX", report["verdict"])

    def test_files_without_device_code_are_refused_in_one_line(self):
        self.assert_refused("No such file", str(self.folder / "gone"))
        self.assert_refused("a folder", str(self.folder))
        self.assert_refused("empty", self.file(b""))
        self.assert_refused("no program, fatbin, cubin or PTX", self.file("hello\n"))
        self.assert_refused("archive", self.file("!<arch>\nmember"))
        self.assert_refused("no device code", os.path.realpath("/bin/sh"))
        self.assert_refused("sections", self.file(b"\x7fELF"))

    def test_cut_and_broken_files_are_refused_or_reported_and_never_crash(self):
        whole = host_elf(fatbin(_PTX))
        for end in range(0, len(whole), 37):
            done = self.farlane("soft", "info", self.file(whole[:end]))
            self.assertIn(done.returncode, (1, 125), end)
        for at in range(0, len(whole), 23):
            broken = bytearray(whole)
            broken[at] ^= 0xFF
            self.assertIn(self.farlane("soft", "info", self.file(bytes(broken))).returncode, (0, 1, 125), at)

    def test_the_words_of_the_command_are_checked(self):
        self.assertEqual(self.farlane("soft").returncode, 125)
        self.assertEqual(self.farlane("soft", "inof", "file").returncode, 125)
        self.assertEqual(self.farlane("soft", "info").returncode, 125)


if __name__ == "__main__":
    unittest.main()
