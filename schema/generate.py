#!/usr/bin/env python3
"""Turns schema/<dir>/<version>.schema into C++ structs and constant descriptor tables.

    generate.py --out DIR [--stamp FILE] schema/apps/v1.schema ...

writes, below DIR, include/minikube/api/<dir>/<version>.h and src/<dir>_<version>.cc for every file, and
src/registry.cc with the indexes over all of them. Files whose content stays the same are not touched. A mistake in a
schema is reported as file:line: message. The grammar is described in README.md beside this file.
"""

import argparse
import json
import pathlib
import re
import sys

SCALARS = {  # schema name -> (FieldType, C++ type)
    "bool": ("kBool", "bool"),
    "int32": ("kInt32", "std::int32_t"),
    "int64": ("kInt64", "std::int64_t"),
    "double": ("kDouble", "double"),
    "string": ("kString", "Str"),
    "bytes": ("kBytes", "Bytes"),
    "Quantity": ("kQuantity", "Quantity"),
    "IntOrString": ("kIntOrString", "IntOrString"),
    "Time": ("kTime", "Time"),
    "MicroTime": ("kMicroTime", "MicroTime"),
    "Duration": ("kDuration", "Span"),
    "RawJson": ("kRawJson", "RawJson"),
    "Json": ("kJson", "Json"),
}
JSON_FORMS = {
    "object": "kObject",
    "items": "kItems",
    "schemaOrArray": "kSchemaOrArray",
    "schemaOrBool": "kSchemaOrBool",
    "schemaOrStringArray": "kSchemaOrStringArray",
}
LIST_TYPES = {"atomic": "kAtomic", "set": "kSet", "map": "kMap"}
PATCH_BITS = {"merge": 1, "replace": 2, "retainKeys": 4}
COLUMN_TYPES = {"string", "integer", "boolean", "number", "date"}
VERBS = {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
# Names a struct cannot have, because the members of its namespace use them for something else.
TAKEN = {"Str", "Bytes", "RawJson", "Json", "List", "Map", "MapEntry", "Box", "Quantity", "IntOrString", "Instant",
         "Time", "MicroTime", "Span"}
# C++ keywords, and macros that common compilers or headers predefine.
RESERVED = set("""alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t
class compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default
delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable
namespace new noexcept not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires
return short signed sizeof static static_assert static_cast struct switch template this thread_local throw true try
typedef typeid typename union unsigned using virtual void volatile wchar_t while xor xor_eq linux unix""".split())
WIDTH = 120


class SchemaError(Exception):
    pass


class Field:
    """One line of a type: a field."""

    def __init__(self, line, name, path, kind, base):
        self.line, self.name, self.path, self.kind, self.base = line, name, path, kind, base
        self.required = self.always = self.embedded = self.atomic = False
        self.list_type = None
        self.list_keys = []
        self.patch = []
        self.merge_key = ""
        self.default = None
        self.min = self.max = None
        self.enum = None
        self.doc = ""
        self.message = None  # the Message, once resolved

    @property
    def cpp_name(self):
        name = self.name.lstrip("$")
        name = re.sub(r"-(\w)", lambda m: m.group(1).upper(), name)
        return name + "_" if name in RESERVED else name


class Message:
    def __init__(self, package, line, name, root):
        self.package, self.line, self.name, self.root = package, line, name, root
        self.gvk = None
        self.form = "object"
        self.atomic = False
        self.doc = ""
        self.fields = []
        self.index = None  # position in its table

    @property
    def cpp(self):
        return f"{self.package.namespace}::{self.name}"

    @property
    def ref(self):
        return f"&{self.package.table}[{self.index}]"

    @property
    def openapi(self):
        return f"{self.package.openapi}.{self.name}"


class Resource:
    def __init__(self, package, line, plural, kind):
        self.package, self.line, self.plural, self.kind = package, line, plural, kind
        self.singular = kind.lower()
        self.short, self.categories, self.verbs = [], [], []
        self.namespaced = None
        self.subresources = []  # (line, name, kind reference, verbs)
        self.columns = []  # (name, type, format, priority, doc)
        self.storage = None  # (line, "v1" or "dir/v1")
        self.prefix = plural


class Package:
    """One schema file."""

    def __init__(self, path):
        self.path = path
        self.dir, self.version_name = path.parent.name, path.stem
        self.package = self.group = self.version = self.openapi = None
        self.priority = None
        self.messages, self.resources = [], []
        self.by_name = {}

    @property
    def key(self):
        return f"{self.dir}/{self.version_name}"

    @property
    def namespace(self):
        return f"{self.dir}::{self.version_name}"

    @property
    def table(self):
        return f"{self.dir}_{self.version_name}"

    def fail(self, line, message):
        raise SchemaError(f"{self.path}:{line}: {message}")


class Line:
    """A cursor over the rest of one line: words, JSON literals, a final doc string."""

    def __init__(self, package, number, text):
        self.package, self.number, self.text, self.pos = package, number, text, 0
        self.skip()

    def skip(self):
        while self.pos < len(self.text) and self.text[self.pos] == " ":
            self.pos += 1

    def done(self):
        return self.pos >= len(self.text)

    def fail(self, message):
        self.package.fail(self.number, message)

    def word(self, what):
        match = re.compile(r"[^ \"]+").match(self.text, self.pos)
        if not match:
            self.fail(f"expected {what}")
        self.pos = match.end()
        self.skip()
        return match.group()

    def words(self):
        result = []
        while not self.done():
            result.append(self.word("a word"))
        return result

    def at_string(self):
        return not self.done() and self.text[self.pos] == '"'

    def literal(self, what):
        try:
            value, end = json.JSONDecoder().raw_decode(self.text, self.pos)
        except json.JSONDecodeError as error:
            self.fail(f"{what}: not JSON: {error.msg}")
        text = self.text[self.pos:end]
        self.pos = end
        self.skip()
        return value, text

    def string(self, what):
        if not self.at_string():
            self.fail(f"expected {what} in quotes")
        return self.literal(what)[0]

    def option(self):
        """`name` or the name of `name=`; the cursor then stands behind the `=`."""
        match = re.compile(r"([a-zA-Z]+)(=?)").match(self.text, self.pos)
        if not match:
            self.fail(f"expected an option at: {self.text[self.pos:]}")
        self.pos = match.end()
        has_value = match.group(2) == "="
        if not has_value:
            self.skip()
        return match.group(1), has_value

    def value(self):
        """The rest of an option up to the next blank; may be empty."""
        match = re.compile(r"[^ ]*").match(self.text, self.pos)
        self.pos = match.end()
        self.skip()
        return match.group()


def parse_type(line, text):
    for prefix, kind in (("?", "optional"), ("*", "box"), ("[]", "list"), ("map[string]", "map")):
        if text.startswith(prefix):
            return kind, text[len(prefix):]
    return "plain", text


def parse_field(line):
    name = line.word("a field name")
    number = line.word("a field number")
    path = []
    if number != "-":
        if not re.fullmatch(r"\d+(\.\d+)*", number):
            line.fail(f"field number must be like 3, 2.1 or -: {number}")
        path = [int(n) for n in number.split(".")]
        if not all(0 < n < 65536 for n in path):
            line.fail(f"field number out of range: {number}")
    kind, base = parse_type(line, line.word("a field type"))
    field = Field(line.number, name, path, kind, base)
    seen = set()
    while not line.done():
        if line.at_string():
            field.doc = line.string("the documentation")
            if not line.done():
                line.fail("the documentation comes last")
            break
        option, has_value = line.option()
        if option in seen:
            line.fail(f"{option} is there twice")
        seen.add(option)
        if option in ("required", "always", "embedded"):
            if has_value:
                line.fail(f"{option} takes no value")
            setattr(field, option, True)
        elif option == "default" and has_value:
            field.default = line.literal("default")
        elif option in ("min", "max") and has_value:
            try:
                setattr(field, option, int(line.value()))
            except ValueError:
                line.fail(f"{option} must be an integer")
        elif option == "enum" and has_value:
            field.enum = line.value().split("|")
        elif option == "list" and has_value:
            match = re.fullmatch(r"(atomic|set|map)(?:\(([\w,]+)\))?", line.value())
            if not match or (match.group(1) == "map") != bool(match.group(2)):
                line.fail("list must be atomic, set or map(key,...)")
            field.list_type = match.group(1)
            field.list_keys = match.group(2).split(",") if match.group(2) else []
        elif option == "patch" and has_value:
            for part in line.value().split(","):
                match = re.fullmatch(r"(merge|replace|retainKeys)(?:\((\w+)\))?", part)
                if not match:
                    line.fail("patch must be made of merge, merge(key), replace, retainKeys")
                field.patch.append(match.group(1))
                field.merge_key = match.group(2) or field.merge_key
        elif option == "map" and has_value:
            value = line.value()
            if value not in ("atomic", "granular"):
                line.fail("map must be atomic or granular")
            field.atomic = value == "atomic"
        else:
            line.fail(f"unknown option {option}")
    return field


def parse_resource_line(resource, line):
    package = resource.package
    what = line.word("a property of the resource")
    if what == "singular":
        resource.singular = line.word("the singular name")
    elif what == "short":
        resource.short = line.words()
    elif what == "categories":
        resource.categories = line.words()
    elif what == "scope":
        scope = line.word("namespaced or cluster")
        if scope not in ("namespaced", "cluster"):
            line.fail("scope must be namespaced or cluster")
        resource.namespaced = scope == "namespaced"
    elif what == "verbs":
        resource.verbs = line.words()
    elif what == "subresource":
        name, kind = line.word("a name"), line.word("a kind")
        resource.subresources.append((line.number, name, kind, line.words()))
    elif what == "column":
        name, kind, fmt, priority, doc = line.string("the column's name"), line.word("a type"), "", 0, ""
        if kind not in COLUMN_TYPES:
            line.fail(f"column type must be one of {', '.join(sorted(COLUMN_TYPES))}")
        while not line.done():
            if line.at_string():
                doc = line.string("the documentation")
                break
            option, has_value = line.option()
            if option == "format" and has_value:
                fmt = line.value()
            elif option == "wide" and not has_value:
                priority = 1
            else:
                line.fail(f"unknown option {option}")
        resource.columns.append((name, kind, fmt, priority, doc))
    elif what == "storage":
        resource.storage = (line.number, line.word("a version"))
        while not line.done():
            option, has_value = line.option()
            if option != "prefix" or not has_value:
                line.fail(f"unknown option {option}")
            resource.prefix = line.value()
    else:
        line.fail(f"unknown property {what}")
    if not line.done():
        line.fail(f"too much: {line.text[line.pos:]}")
    for verb in resource.verbs + [v for s in resource.subresources for v in s[3]]:
        if verb not in VERBS:
            package.fail(line.number, f"unknown verb {verb}")


def parse(path):
    package = Package(path)
    current = None  # the Message or Resource that indented lines belong to
    for number, raw in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        text = raw.rstrip()
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        if "\t" in text:
            package.fail(number, "tabs are not allowed")
        line = Line(package, number, text)
        if text.startswith(" "):
            if current is None:
                package.fail(number, "an indented line belongs to a kind, type or resource")
            if isinstance(current, Resource):
                parse_resource_line(current, line)
            elif line.at_string():
                if current.doc or current.fields:
                    line.fail("the documentation of a type is one line, the first")
                current.doc = line.string("the documentation")
            else:
                current.fields.append(parse_field(line))
            continue
        keyword = line.word("a keyword")
        if keyword in ("package", "version", "openapi", "group"):
            value = line.string("a name") if line.at_string() else line.word("a name")
            setattr(package, keyword, value)
        elif keyword == "priority":
            numbers = line.words()
            if len(numbers) != 2 or not all(n.isdigit() for n in numbers):
                line.fail("priority needs two numbers, of the group and of the version in it")
            package.priority = tuple(int(n) for n in numbers)
        elif keyword in ("kind", "type"):
            current = Message(package, number, line.word("a name"), keyword == "kind")
            if current.name in package.by_name:
                line.fail(f"{current.name} is already declared in line {package.by_name[current.name].line}")
            if current.name in TAKEN or current.name in SCALARS or not re.fullmatch(r"[A-Z]\w*", current.name):
                line.fail(f"a type cannot be named {current.name}")
            while not line.done():
                option, has_value = line.option()
                value = line.value() if has_value else ""
                if option == "json" and value in JSON_FORMS:
                    current.form = value
                elif option == "map" and value in ("atomic", "granular"):
                    current.atomic = value == "atomic"
                elif option == "gvk" and value.count("/") == 1:
                    current.gvk = tuple(value.split("/")) + (current.name,)
                else:
                    line.fail(f"unknown option {option}")
            package.messages.append(current)
            package.by_name[current.name] = current
        elif keyword == "resource":
            current = Resource(package, number, line.word("a plural name"), line.word("a kind"))
            package.resources.append(current)
        else:
            line.fail(f"unknown keyword {keyword}")
        if not line.done():
            line.fail(f"too much: {line.text[line.pos:]}")
    for name in ("package", "group", "version"):
        if getattr(package, name) is None:
            package.fail(1, f"there is no {name} line")
    if package.openapi is None:
        domain, _, rest = package.package.partition(".io.")
        package.openapi = f"io.{domain}.{rest}"
    for message in package.messages:
        if message.root and message.gvk is None:
            message.gvk = (package.group, package.version, message.name)
    return package


def find_message(packages, package, line, name):
    """`Name` of this file or of meta/v1, or `dir/version.Name`."""
    if "/" in name:
        key, _, short = name.partition(".")
        where = packages.get(key)
        if where is None:
            package.fail(line, f"there is no schema {key}")
        found = where.by_name.get(short)
    else:
        found = package.by_name.get(name)
        if found is None and "meta/v1" in packages:
            found = packages["meta/v1"].by_name.get(name)
    if found is None:
        package.fail(line, f"unknown type {name}")
    return found


def check_default(package, field):
    value, _ = field.default
    ok = {
        "bool": isinstance(value, bool),
        "int32": isinstance(value, int) and not isinstance(value, bool),
        "int64": isinstance(value, int) and not isinstance(value, bool),
        "double": isinstance(value, (int, float)) and not isinstance(value, bool),
        "IntOrString": isinstance(value, (int, str)) and not isinstance(value, bool),
        "RawJson": True,
        "Json": True,
    }.get(field.base, isinstance(value, dict if field.message else str))
    if field.kind == "list":
        ok = isinstance(value, list)
    elif field.kind == "map":
        ok = isinstance(value, dict)
    if not ok:
        package.fail(field.line, f"default {field.default[1]} does not fit the type of {field.name}")
    if field.enum and isinstance(value, str) and value not in field.enum:
        package.fail(field.line, f"default {field.default[1]} is not among the values of {field.name}")


def check_message(packages, package, message):
    names, numbers, members = {}, {}, {}
    for field in message.fields:
        fail = lambda text: package.fail(field.line, f"{message.name}.{field.name}: {text}")  # noqa: E731
        if field.name in names:
            fail("declared twice")
        names[field.name] = field
        if field.cpp_name in members:
            fail(f"has the same C++ name as {members[field.cpp_name]}")
        members[field.cpp_name] = field.name
        if field.path:
            if tuple(field.path) in numbers:
                fail(f"has the same number as {numbers[tuple(field.path)]}")
            numbers[tuple(field.path)] = field.name
        if field.base not in SCALARS:
            field.message = find_message(packages, package, field.line, field.base)
        if field.kind == "optional" and field.message:
            fail("? is for scalars; a message that may be absent is written *")
        if field.kind == "box" and not field.message:
            fail("* is for messages; a scalar that may be absent is written ?")
        if field.list_type and field.kind != "list":
            fail("list= is for lists")
        for key in field.list_keys:
            if field.message is None or key not in [f.name for f in field.message.fields]:
                fail(f"its elements have no field {key}")
        if field.merge_key and (field.kind != "list" or field.message is None):
            fail("merge(key) is for lists of messages")
        if field.enum is not None and field.base != "string":
            fail("enum is for strings")
        if (field.min is not None or field.max is not None) and field.base not in ("int32", "int64"):
            fail("min and max are for integers")
        if field.embedded and field.base != "RawJson" and not (field.message and field.message.root):
            fail("embedded is for RawJson and kinds")
        if field.default is not None:
            check_default(package, field)
    for path, name in numbers.items():
        for end in range(1, len(path)):
            if path[:end] in numbers:
                package.fail(names[name].line, f"{message.name}.{name}: its group has the number of a field")


def resolve(packages):
    for package in packages.values():
        for index, message in enumerate(package.messages):
            message.index = index
    for package in packages.values():
        for message in package.messages:
            check_message(packages, package, message)
        for resource in package.resources:
            resource.message = find_message(packages, package, resource.line, resource.kind)
            resource.list_message = package.by_name.get(resource.kind + "List")
            if resource.namespaced is None:
                package.fail(resource.line, f"{resource.plural} has no scope")
            if "list" in resource.verbs and resource.list_message is None:
                package.fail(resource.line, f"{resource.plural} can be listed, but there is no {resource.kind}List")
            resource.subresources = [
                (name, find_message(packages, package, line, kind), verbs)
                for line, name, kind, verbs in resource.subresources
            ]
            for name, message, _ in resource.subresources:
                if not message.root:
                    package.fail(resource.line, f"{resource.plural}/{name}: {message.name} is not a kind")
            resource.storage_message = None
            if resource.storage:
                line, where = resource.storage
                key = where if "/" in where else f"{package.dir}/{where}"
                resource.storage_message = find_message(packages, package, line, f"{key}.{resource.kind}")


def ordered(package):
    """The messages, each after those it contains by value."""
    state, result = {}, []

    def visit(message):
        if state.get(message.name) == "done":
            return
        if state.get(message.name) == "open":
            package.fail(message.line, f"{message.name} contains itself by value")
        state[message.name] = "open"
        for field in message.fields:
            if field.kind == "plain" and field.message is not None and field.message.package is package:
                visit(field.message)
        state[message.name] = "done"
        result.append(message)

    for message in package.messages:
        visit(message)
    return result


def comment(text, indent):
    """`text` as // lines no wider than the page."""
    lines, current = [], ""
    for word in text.split():
        if current and len(indent) + 3 + len(current) + 1 + len(word) > WIDTH:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}".strip()
    if current:
        lines.append(current)
    return [f"{indent}// {line}" for line in lines]


def cpp_string(text):
    out = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def view(text):
    """A string_view initialiser with its length, so that the compiler does not have to count."""
    return "{}" if not text else f"{{{cpp_string(text)}, {len(text.encode('utf-8'))}}}"


def member_type(package, field):
    if field.message is None:
        base = SCALARS[field.base][1]
    elif field.message.package is package:
        base = field.message.name
    else:
        base = field.message.cpp
    return {"plain": "{}", "optional": "std::optional<{}>", "box": "Box<{}>", "list": "List<{}>",
            "map": "Map<{}>"}[field.kind].format(base)


def emit_header(package):
    used = {f.message.package.key for m in package.messages for f in m.fields if f.message} - {package.key}
    out = [
        f"// Generated from schema/{package.key}.schema. Do not edit.",
        "#pragma once",
        "",
        "#include <cstdint>",
        "#include <optional>",
        "",
    ]
    out += [f"#include <minikube/api/{key}.h>" for key in sorted(used)]
    out += ["#include <minikube/descriptor.h>"]
    if any(f.base == "Json" for m in package.messages for f in m.fields):
        out.append("#include <minikube/json.h>")
    out += ["#include <minikube/types.h>", "",
            f"namespace minikube::{package.namespace} {{", ""]
    out += [f"struct {m.name};" for m in package.messages]
    for message in ordered(package):
        out.append("")
        out += comment(message.doc, "")
        if not message.fields:
            out.append(f"struct {message.name} {{}};")
            continue
        out.append(f"struct {message.name} {{")
        for field in message.fields:
            kind = member_type(package, field)
            init = {"bool": " = false", "int32": " = 0", "int64": " = 0", "double": " = 0"}.get(
                field.base if field.kind == "plain" else "", "")
            declaration = f"  {kind} {field.cpp_name}{init};"
            if field.doc and len(declaration) + len(field.doc) + 5 <= WIDTH:
                out.append(f"{declaration}  // {field.doc}")
            else:
                out += comment(field.doc, "  ")
                out.append(declaration)
        out.append("};")
    out += ["", f"}}  // namespace minikube::{package.namespace}", "", "namespace minikube {", "", "namespace tables {",
            f"extern const MessageDesc {package.table}[{len(package.messages)}];", "}  // namespace tables", ""]
    for message in package.messages:
        out += ["template <>",
                f"inline const MessageDesc& DescriptorOf<{message.cpp}>() {{",
                f"  return tables::{package.table}[{message.index}];",
                "}"]
    out += ["", "}  // namespace minikube", ""]
    return "\n".join(out)


class Arrays:
    """Static arrays of a .cc file, equal ones shared."""

    def __init__(self, prefix, element):
        self.prefix, self.element, self.names = prefix, element, {}

    def get(self, items):
        """An initialiser for a span over `items` (already C++ text)."""
        items = tuple(items)
        if not items:
            return "{}"
        name = self.names.setdefault(items, f"{self.prefix}{len(self.names)}")
        return f"{{{name}, {len(items)}}}"

    def lines(self):
        return [f"constexpr {self.element} {name}[] = {{{', '.join(items)}}};" for items, name in self.names.items()]


def groups_of(message):
    """The inlined protobuf messages of `message`: paths, outer ones first."""
    paths = sorted({tuple(f.path[:end]) for f in message.fields for end in range(1, len(f.path))},
                   key=lambda path: (len(path), path))
    return {path: index + 1 for index, path in enumerate(paths)}


def emit_source(package):
    strings = Arrays("kStrings", "std::string_view")
    numbers = Arrays("kIndex", "std::uint16_t")
    inline_groups = Arrays("kGroups", "InlineGroup")
    tables, rows = [], []
    for message in package.messages:
        groups = groups_of(message)
        cpp = message.cpp
        if message.fields:
            tables.append(f"constexpr FieldDesc kFields{message.index}[] = {{")
        for field in message.fields:
            flags = [flag for flag, on in (
                ("kFieldRequired", field.required), ("kFieldAlways", field.always),
                ("kFieldHasMin", field.min is not None), ("kFieldHasMax", field.max is not None),
                ("kFieldEmbeddedObject", field.embedded), ("kFieldAtomic", field.atomic)) if on]
            list_type = LIST_TYPES[field.list_type or ("map" if field.kind == "map" and not field.atomic else "atomic")]
            shape = {"plain": "kPlain", "optional": "kOptional", "box": "kBox", "list": "kList", "map": "kMap"}
            tables.append("    {" + ", ".join([
                view(field.name),
                f"offsetof({cpp}, {field.cpp_name})",
                "FieldType::" + ("kMessage" if field.message else SCALARS[field.base][0]),
                "Shape::" + shape[field.kind],
                "ListType::" + list_type,
                str(sum(PATCH_BITS[p] for p in set(field.patch))),
                " | ".join(flags) or "0",
                str(field.path[-1] if field.path else 0),
                str(groups.get(tuple(field.path[:-1]), 0) if field.path else 0),
                field.message.ref if field.message else "nullptr",
                view(field.merge_key),
                strings.get(view(k) for k in field.list_keys),
                strings.get(view(v) for v in field.enum or ()),
                view(field.default[1]) if field.default is not None else "{}",
                str(field.min or 0),
                str(field.max or 0),
                view(field.doc),
            ]) + "},")
        if message.fields:
            tables.append("};")
        by_name = sorted(range(len(message.fields)), key=lambda i: message.fields[i].name.encode())
        numbered = [i for i, f in enumerate(message.fields) if f.path]
        by_number = sorted(numbered, key=lambda i: (groups.get(tuple(message.fields[i].path[:-1]), 0),
                                                    message.fields[i].path[-1]))
        metadata = next((i for i, f in enumerate(message.fields)
                         if f.name == "metadata" and f.message and f.message.name == "ObjectMeta"), -1)
        gvk = message.gvk or ("", "", "")
        rows.append("    {" + ", ".join([
            view(message.openapi),
            f"sizeof({cpp})",
            "JsonForm::" + JSON_FORMS[message.form],
            "true" if message.atomic else "false",
            "{" + ", ".join(view(part) for part in gvk) + "}",
            str(metadata),
            f"{{kFields{message.index}, {len(message.fields)}}}" if message.fields else "{}",
            numbers.get(str(i) for i in by_name),
            numbers.get(str(i) for i in by_number),
            inline_groups.get(f"{{{path[-1]}, {groups.get(path[:-1], 0)}}}" for path in groups),
            view(message.doc),
        ]) + "},")
    return "\n".join([
        f"// Generated from schema/{package.key}.schema. Do not edit.",
        f"#include <minikube/api/{package.key}.h>",
        "",
        "#include <cstddef>",
        "",
        "#pragma GCC diagnostic ignored \"-Winvalid-offsetof\"  // std::optional is not standard-layout",
        "",
        "namespace minikube::tables {",
        "namespace {",
        "",
        *strings.lines(), *numbers.lines(), *inline_groups.lines(), *tables,
        "",
        "}  // namespace",
        "",
        f"constinit const MessageDesc {package.table}[{len(package.messages)}] = {{",
        *rows,
        "};",
        "",
        "}  // namespace minikube::tables",
        "",
    ])


def emit_registry(packages):
    in_order = sorted(packages.values(), key=lambda p: p.key)
    messages = [m for p in in_order for m in p.messages]
    served = sorted((p for p in in_order if p.resources),
                    key=lambda p: (-p.priority[0], p.group, -p.priority[1], p.version))
    resources = [r for p in served for r in p.resources]
    strings = Arrays("kStrings", "std::string_view")
    subresources, columns = Arrays("kSubresources", "SubresourceDesc"), Arrays("kColumns", "ColumnDesc")
    rows = []
    for r in resources:
        rows.append("    {" + ", ".join([
            view(r.package.group), view(r.package.version), view(r.plural), view(r.singular), view(r.kind),
            "true" if r.namespaced else "false",
            r.message.ref,
            r.list_message.ref if r.list_message else "nullptr",
            view(r.storage_message.package.version if r.storage_message else ""),
            r.storage_message.ref if r.storage_message else "nullptr",
            view(r.prefix if r.storage_message else ""),
            strings.get(view(s) for s in r.short),
            strings.get(view(s) for s in r.categories),
            strings.get(view(s) for s in r.verbs),
            subresources.get("{" + ", ".join([view(name), m.ref, strings.get(view(v) for v in verbs)]) + "}"
                             for name, m, verbs in r.subresources),
            columns.get("{" + ", ".join([view(c[0]), view(c[1]), view(c[2]), str(c[3]), view(c[4])]) + "}"
                        for c in r.columns),
        ]) + "},")
    by_name = sorted(messages, key=lambda m: m.openapi)
    by_kind = sorted((m for m in messages if m.root), key=lambda m: m.gvk)
    duplicate = next((b for a, b in zip(by_kind, by_kind[1:]) if a.gvk == b.gvk), None)
    if duplicate:
        duplicate.package.fail(duplicate.line, f"the kind {duplicate.name} is declared twice")
    by_path = sorted(range(len(resources)),
                     key=lambda i: (resources[i].package.group, resources[i].package.version, resources[i].plural))

    def pointers(name, items):
        return [f"constinit const MessageDesc* const {name}[{len(items)}] = {{",
                *(f"    {m.ref}," for m in items), "};"]

    return "\n".join([
        "// Generated from schema/. Do not edit.",
        "#include \"model/registry.h\"",
        "",
        *(f"#include <minikube/api/{p.key}.h>" for p in in_order),
        "",
        "namespace minikube::tables {",
        "namespace {",
        "",
        *strings.lines(), *subresources.lines(), *columns.lines(),
        "",
        f"constinit const ResourceDesc kResources[{len(resources)}] = {{", *rows, "};",
        *pointers("kMessages", messages),
        *pointers("kByName", by_name),
        *pointers("kByKind", by_kind),
        f"constexpr std::uint16_t kByPath[] = {{{', '.join(map(str, by_path))}}};",
        f"constexpr GroupVersionDesc kGroupVersions[] = {{",
        *(f"    {{{view(p.group)}, {view(p.version)}, {p.priority[0]}, {p.priority[1]}}}," for p in served),
        "};",
        "",
        "}  // namespace",
        "",
        "constinit const Registry kRegistry = {kMessages, kByName, kByKind, kResources, kByPath, kGroupVersions};",
        "",
        "}  // namespace minikube::tables",
        "",
    ])


def load(paths):
    packages = {}
    for path in sorted(paths):
        package = parse(path)
        if package.key in packages:
            package.fail(1, f"{package.key} is declared twice")
        if package.resources and package.priority is None:
            package.fail(1, "a file with resources needs a priority line")
        packages[package.key] = package
    resolve(packages)
    return packages


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="directory for include/ and src/")
    parser.add_argument("--stamp", type=pathlib.Path, help="file to touch when done")
    parser.add_argument("schemas", nargs="+", type=pathlib.Path)
    args = parser.parse_args()
    try:
        packages = load(args.schemas)
        for package in packages.values():
            write(args.out / "include/minikube/api" / package.dir / f"{package.version_name}.h", emit_header(package))
            write(args.out / "src" / f"{package.table}.cc", emit_source(package))
        write(args.out / "src/registry.cc", emit_registry(packages))
    except SchemaError as error:
        print(error, file=sys.stderr)
        return 1
    if args.stamp:
        args.stamp.parent.mkdir(parents=True, exist_ok=True)
        args.stamp.write_text("")
    return 0


if __name__ == "__main__":
    sys.exit(main())
