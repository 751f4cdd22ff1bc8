# SPDX-License-Identifier: Apache-2.0
"""A pool's manager that says what a test wants, and remembers what it was asked."""

import http.server
import json
import threading


class StandInPool:
    def __init__(self, test):
        self.requests = []  # (method, path, headers)
        self.answers = {}  # (method, path) -> what to say, or a function that gives it: (status, object)
        pool = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.partition("?")[0]
                pool.requests.append((self.command, self.path, dict(self.headers)))
                said = pool.answers.get((self.command, path), (404, {"detail": "the stand-in knows nothing of it"}))
                status, body = said() if callable(said) else said
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if status < 400 else "application/problem+json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        thread.start()
        test.addCleanup(self.server.server_close)
        test.addCleanup(self.server.shutdown)

    def tokens(self):
        return [headers.get("Authorization") for _, _, headers in self.requests]
