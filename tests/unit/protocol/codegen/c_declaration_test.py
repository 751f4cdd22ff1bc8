# SPDX-License-Identifier: Apache-2.0
import unittest

from c_declaration import Aggregate, DeclarationError, parse_declaration, parse_field, parse_prototype


class CDeclaration(unittest.TestCase):
    def test_reads_a_pointer_to_const(self):
        parameter = parse_declaration("const void *srcHost")
        self.assertEqual((parameter.name, parameter.type.text), ("srcHost", "const void*"))
        self.assertTrue(parameter.type.const)
        self.assertEqual(parameter.type.pointers, 1)

    def test_tells_a_const_pointer_from_a_pointer_to_const(self):
        parameter = parse_declaration("CUdevice* const* table")
        self.assertFalse(parameter.type.const)
        self.assertTrue(parameter.type.const_pointer)
        self.assertEqual(parameter.text, "CUdevice* const* table")

    def test_keeps_words_of_a_number_together(self):
        self.assertEqual(parse_declaration("unsigned long long flags").type.base, "unsigned long long")

    def test_reads_arrays_and_alignment(self):
        field = parse_field("alignas(64) cuuint64_t opaque[16]")
        self.assertEqual((field.dims, field.align), (("16",), 64))
        self.assertEqual(field.text, "alignas(64) cuuint64_t opaque[16]")

    def test_reads_an_array_sized_by_a_type(self):
        self.assertEqual(parse_field("char pad[8 - sizeof(CUresult)]").dims, ("8 - sizeof(CUresult)",))

    def test_reads_structs_within_unions(self):
        field = parse_field("union { struct { int x; int y; } point; long value; } u")
        self.assertIsInstance(field, Aggregate)
        point, value = field.fields
        self.assertEqual((field.kind, field.name, point.name, value.name), ("union", "u", "point", "value"))
        self.assertEqual([f.name for f in point.fields], ["x", "y"])

    def test_reads_an_anonymous_union(self):
        self.assertEqual(parse_field("union { int a; float b; }").name, "")

    def test_reads_a_prototype_over_lines(self):
        prototype = parse_prototype("CUresult (CUevent hEvent,\n  unsigned int Flags)")
        self.assertEqual([p.name for p in prototype.parameters], ["hEvent", "Flags"])

    def test_void_means_no_parameters(self):
        self.assertEqual(parse_prototype("CUresult (void)").parameters, ())

    def test_refuses_a_parameter_without_a_name(self):
        with self.assertRaises(DeclarationError):
            parse_prototype("CUresult (unsigned int)")

    def test_refuses_a_function_pointer_without_a_typedef(self):
        with self.assertRaises(DeclarationError):
            parse_prototype("CUresult (void (*callback)(int))")

    def test_refuses_a_nested_struct_without_semicolons(self):
        with self.assertRaises(DeclarationError):
            parse_field("struct { int x } point")


if __name__ == "__main__":
    unittest.main()
