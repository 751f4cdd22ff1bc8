# SPDX-License-Identifier: Apache-2.0
"""Checks JSON against the part of JSON Schema 2020-12 that the pool's description of itself is written in."""

import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "number": (int, float), "integer": int}
# What stands in a schema and means nothing for what fits it.
NOTES = {"description", "format", "contentEncoding"}
KNOWN = {"anyOf", "$ref", "type", "properties", "additionalProperties", "items", "enum", "pattern", "minimum", "maximum"} | NOTES


class Checker:
    """Complaints about values, "place: what is wrong". A property that the schema does not have is one as well: the
    description has all there is."""

    def __init__(self, document):
        self.document = document

    def resolve(self, reference):
        node = self.document
        assert reference.startswith("#/"), reference
        for part in reference[2:].split("/"):
            node = node[part]
        return node

    def check(self, value, schema, place="$"):
        unknown = set(schema) - KNOWN
        if unknown:
            return [f"{place}: the schema has words that nobody checks: {unknown}"]
        if "$ref" in schema:
            return self.check(value, self.resolve(schema["$ref"]), place)
        if "anyOf" in schema:
            complaints = [self.check(value, one, place) for one in schema["anyOf"]]
            return min(complaints, key=len)
        expected = TYPES[schema["type"]]
        is_bool = isinstance(value, bool)
        if not isinstance(value, expected) or (is_bool and schema["type"] != "boolean"):
            return [f"{place}: {value!r} is no {schema['type']}"]
        complaints = []
        if "enum" in schema and value not in schema["enum"]:
            complaints.append(f"{place}: {value!r} is none of {schema['enum']}")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            complaints.append(f"{place}: {value!r} is not like {schema['pattern']}")
        if value_is_outside(value, schema):
            complaints.append(f"{place}: {value!r} is too small or too large")
        for index, item in enumerate(value if isinstance(value, list) else []):
            complaints += self.check(item, schema["items"], f"{place}[{index}]")
        for name, item in (value if isinstance(value, dict) else {}).items():
            complaints += self.check_property(name, item, schema, f"{place}.{name}")
        return complaints

    def check_property(self, name, item, schema, place):
        known = schema.get("properties", {})
        if name in known:
            return self.check(item, known[name], place)
        if "additionalProperties" in schema:
            return self.check(item, schema["additionalProperties"], place)
        return [] if not known else [f"{place}: the schema has no such property"]


def value_is_outside(value, schema):
    return isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value)
