#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The pool's API is as it says: its description is whole, its examples are right, and a running pool answers so."""

import http.client
import json
import re
import unittest

import pool_test
from schema_check import Checker

PLACE = re.compile(r"\{(\w+)\}")


# What a pool that one manager keeps in a file refuses.
REFUSED = {"pool.step-down": 409, "pool.join": 403, "servers.revoke": 409}


class Described(pool_test.PoolTest):
    """Looks at every operation of the description."""

    def setUp(self):
        super().setUp()
        self.document = self.get("/v1/openapi.json")
        self.checker = Checker(self.document)
        self.asked = 0

    def operations(self):
        for path, methods in self.document["paths"].items():
            for method, operation in methods.items():
                yield path, method.upper(), operation

    def answer_of(self, operation, status):
        answer = operation["responses"].get(str(status), operation["responses"]["default"])
        return self.checker.resolve(answer["$ref"]) if "$ref" in answer else answer

    def test_the_description_is_whole(self):
        self.assertEqual(self.document["openapi"], "3.1.0")
        names = [operation["operationId"] for _, _, operation in self.operations()]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({"sessions.create", "servers.list", "pool.openapi"}, set(names))
        for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(self.document)):
            self.checker.resolve(reference)
        for path, _, operation in self.operations():
            self.assertEqual({one["name"] for one in operation.get("parameters", []) if one["in"] == "path"},
                             set(PLACE.findall(path)), path)
            self.assertTrue(operation["summary"], path)
            self.assertIn("default", operation["responses"], path)
        self.assertIn("WatchEvent", self.document["components"]["schemas"])
        # The comments of the .proto file are there.
        session = self.document["components"]["schemas"]["Session"]["properties"]
        self.assertEqual(session["keyDigest"]["description"], "SHA-256 of the session's key, 64 hexadecimal digits")

    def test_its_examples_are_what_it_says_they_are(self):
        seen = 0
        for path, method, operation in self.operations():
            bodies = [operation["requestBody"]] if "requestBody" in operation else []
            for answer in [*operation["responses"].values(), *bodies]:
                answer = self.checker.resolve(answer["$ref"]) if "$ref" in answer else answer
                for kind, content in answer["content"].items():
                    if "json" not in kind:
                        continue
                    self.assertEqual(self.checker.check(content["example"], content["schema"]), [], f"{method} {path}")
                    seen += 1
            for parameter in operation.get("parameters", []):
                self.assertEqual(self.checker.check(parameter["example"], parameter["schema"]), [], path)
        self.assertGreater(seen, len(self.document["paths"]))

    def ask_raw(self, method, path, body):
        host, port = self.manager.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer, said

    def name_in(self, collection):
        """What something of this collection is called; it is made, where there is nothing yet."""
        def names():
            listed = next((value for value in self.get(collection).values() if isinstance(value, list)), [])
            inner = [[one.get(part) for part in ("inventory", "project", "session")] for one in listed]
            named = [next((part for part in parts if isinstance(part, dict)), one) for parts, one in zip(inner, listed)]
            return [name for name in (one.get("name") or one["id"] for one in named) if name != "default"]
        if not names():
            path = "/v1/sessions" if collection == "/v1/queue" else collection
            self.ask_example(path, "POST", self.document["paths"][path]["post"])
        return names()[0]

    def ask_example(self, path, method, operation, query=""):
        """Sends what the description has as an example, and looks at the answer."""
        while found := PLACE.search(path):
            path = path.replace(found[0], self.name_in(path[:found.start()].rstrip("/")), 1)
        body = None
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["example"]
            # Who finds no room waits: by now the pool's server takes nobody.
            if operation["operationId"] == "sessions.create":
                self.asked += 1
                body = {**body, "waitSeconds": 60, "idempotencyKey": f"example-{self.asked}"}
        answer, said = self.ask_raw(method, path + query, body)
        what = f"{method} {path}{query}: {answer.status} {said[:1000]}"
        if answer.status != REFUSED.get(operation["operationId"]):
            self.assertEqual(answer.status // 100, 2, what)
            self.assertIn(str(answer.status), operation["responses"], what)
        content = self.answer_of(operation, answer.status)["content"]
        self.assertIn(answer.getheader("Content-Type"), content, what)
        schema = content[answer.getheader("Content-Type")].get("schema")
        if schema:
            self.assertEqual(self.checker.check(json.loads(said), schema), [], what)

    def test_a_pool_does_what_its_examples_say(self):
        # What makes something comes first, and what ends something last.
        order = {"POST": 0, "GET": 1, "DELETE": 2}
        for path, method, operation in sorted(self.operations(), key=lambda one: (order.get(one[1], 1), len(one[0]))):
            self.ask_example(path, method, operation)
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "query":
                    self.ask_example(path, method, operation, f"?{parameter['name']}={parameter['example']}")

    def test_problems_are_as_described(self):
        for method, path, body, status in (("GET", "/v1/sessions/ffff", None, 404), ("POST", "/v1/sessions", "{", 400),
                                           ("GET", "/v1/servers/nobody", None, 404), ("PUT", "/v1/status", None, 405),
                                           ("POST", "/v1/sessions", {"spec": {"model": "none"}, "keyDigest": "0" * 64}, 503)):
            answer, said = self.ask(method, path, body)
            self.assertEqual(answer.status, status, said)
            self.assertEqual(answer.getheader("Content-Type"), "application/problem+json")
            self.assertEqual(self.checker.check(said, {"$ref": "#/components/schemas/Problem"}), [])

    def test_the_checker_finds_what_is_wrong(self):
        self.document["paths"]["/v1/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {
            "$ref": "#/components/schemas/Server"}
        with self.assertRaises(AssertionError):
            self.ask_example("/v1/status", "GET", self.document["paths"]["/v1/status"]["get"])
        schema = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}, "b": {"type": "string"}}}
        for wrong in ({"a": 4}, {"a": "1"}, {"b": 1}, {"c": 1}, [], {"a": True}):
            self.assertTrue(self.checker.check(wrong, schema), wrong)
        self.assertEqual(self.checker.check({"a": 3, "b": ""}, schema), [])

    def test_the_command_line_prints_it(self):
        printed = self.run_farlane("pool", "openapi")
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        self.assertEqual(json.loads(printed.stdout), self.document)


if __name__ == "__main__":
    unittest.main()
