"""A schema registry on this machine, small and real: schemas by id and by subject, over HTTP."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote


class LocalRegistry:
    """Answers as Confluent's does. `with` starts and stops it.

    Attributes:
        schemas: what is answered, by id: `schema`, and `schemaType`, `references` where they matter.
        subjects: ids by subject, oldest first.
        failing: how many of the next requests are answered with 503.
        asked: paths, in the order of the requests.
        authorization: what a request must say, if anything.
        body: answered instead, if given.
    """

    def __init__(self) -> None:
        self.schemas: dict[int, dict[str, Any]] = {}
        self.subjects: dict[str, list[int]] = {}
        self.failing = 0
        self.asked: list[str] = []
        self.authorization: str | None = None
        self.body: bytes | None = None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> LocalRegistry:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def add(self, id_: int, schema: str, subject: str = "", **more: Any) -> None:
        self.schemas[id_] = {"schema": schema, **more}
        if subject:
            self.subjects.setdefault(subject, []).append(id_)

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        parts = [unquote(each) for each in path.strip("/").split("/")]
        if parts[:2] == ["schemas", "ids"] and int(parts[2]) in self.schemas:
            return 200, self.schemas[int(parts[2])]
        if parts[0] == "subjects" and parts[1] in self.subjects:
            ids = self.subjects[parts[1]]
            id_ = ids[-1] if parts[3] == "latest" else ids[int(parts[3]) - 1]
            return 200, {"id": id_, "subject": parts[1], **self.schemas[id_]}
        return 404, {"error_code": 40403, "message": "not found"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                told = self.headers.get("Authorization")
                if registry.failing:
                    registry.failing -= 1
                    code, answer = 503, {"message": "not now"}
                elif registry.authorization is not None and told != registry.authorization:
                    code, answer = 401, {"message": "who are you"}
                else:
                    code, answer = registry.answer(self.path)
                data = registry.body if registry.body is not None else json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        return Handler
