#!/usr/bin/env python3
"""Tests of generate.py: what it says about mistakes, and that it is deterministic."""

import pathlib
import tempfile
import unittest

import generate

HEADER = "package k8s.io.api.test.v1\ngroup test\nversion v1\npriority 1 1\n"  # four lines


class GenerateTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = pathlib.Path(self.directory.name) / "test" / "v1.schema"
        self.path.parent.mkdir()

    def load(self, body):
        self.path.write_text(HEADER + body, encoding="utf-8")
        return generate.load([self.path])["test/v1"]

    def check_error(self, body, line, text):
        with self.assertRaises(generate.SchemaError) as caught:
            self.load(body)
        self.assertRegex(str(caught.exception), f"v1.schema:{line}: .*{text}")

    def test_mistakes_are_reported_with_their_line(self):
        self.check_error("  name  1  string\n", 5, "belongs to")
        self.check_error("type A\n  name  1  strin\n", 6, "unknown type strin")
        self.check_error("type A\n  name  x  string\n", 6, "field number")
        self.check_error("type A\n  name  1  string  requird\n", 6, "unknown option requird")
        self.check_error("type A\n  name  1  string\n  other  1  string\n", 7, "same number as name")
        self.check_error("type A\n  name  1  string\n  name  2  string\n", 7, "declared twice")
        self.check_error("type A\n  name  1  string  default=3\n", 6, "does not fit")
        self.check_error('type A\n  name  1  string  default="x" enum=y|z\n', 6, "not among")
        self.check_error("type A\n  name  1  string  default={\n", 6, "not JSON")
        self.check_error("type A\n  items  1  []A  list=map(key)\n", 6, "no field key")
        self.check_error("type A\n  b  1  ?B\ntype B\n", 6, "\\? is for scalars")
        self.check_error("type A\n  b  1  B\ntype B\n  a  1  A\n  c  1.2  A\n", 8, "number of a field|group")
        self.check_error('type A\n  name  1  string  "doc"  always\n', 6, "comes last")
        self.check_error("type List\n", 5, "cannot be named")
        self.check_error("type A\ntype A\n", 6, "already declared")
        self.check_error("kind A\nresource as A\n  verbs get\n", 6, "no scope")
        self.check_error("kind A\nresource as A\n  scope cluster\n  verbs grab\n", 8, "unknown verb grab")
        self.check_error("kind A\nresource as A\n  scope cluster\n  verbs list\n", 6, "no AList")

    def test_a_type_cannot_contain_itself_by_value(self):
        package = self.load("type A\n  b  1  B\ntype B\n  a  1  A\n")
        with self.assertRaisesRegex(generate.SchemaError, "contains itself"):
            generate.emit_header(package)

    def test_structs_come_after_what_they_contain(self):
        package = self.load("type A\n  b  1  B\n  default  2.1  ?int32\ntype B\n  x-k-s  1  *A\n")
        header = generate.emit_header(package)
        self.assertLess(header.index("struct B {"), header.index("struct A {"))
        self.assertIn("  std::optional<std::int32_t> default_;", header)
        self.assertIn("  Box<A> xKS;", header)
        self.assertEqual(header, generate.emit_header(package))
        self.assertEqual(generate.emit_source(package), generate.emit_source(package))


if __name__ == "__main__":
    unittest.main()
