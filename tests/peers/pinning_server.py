"""A pinning service for tests: the published API over a real socket, and nothing behind it.

No such service can be installed, so this one is ours; that it speaks the API as others do is
shown by Kubo's own client, which uses it in test_kubo_pinning.py.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

STATUSES = ("queued", "pinning", "pinned", "failed")


@dataclass
class PinningServer:
    """What a running service knows and was asked."""

    token: str
    endpoint: str = ""
    pins: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """By request id: what POST gave, and its status."""
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Method and path of each question."""

    def answer(
        self, method: str, path: str, query: Mapping[str, list[str]], body: bytes
    ) -> tuple[int, object]:
        parts = path.strip("/").split("/")
        if parts[0] != "pins" or len(parts) > 2:
            return _error(404, "NOT_FOUND", path)
        if len(parts) == 2 and parts[1] not in self.pins:
            return _error(404, "NOT_FOUND", "no such request")
        match method, parts[1:]:
            case "POST", []:
                return self._add(json.loads(body))
            case "GET", []:
                return self._list(query)
            case "GET", [request]:
                return 200, self.pins[request]
            case "DELETE", [request]:
                del self.pins[request]
                return 202, None
            case _:
                return _error(400, "BAD_REQUEST", method)

    def _add(self, pin: dict[str, Any]) -> tuple[int, object]:
        if not pin.get("cid"):
            return _error(400, "BAD_REQUEST", "no cid")
        number = len(self.asked)
        status: dict[str, Any] = {
            "requestid": f"request-{number}",
            "status": "queued",
            "created": f"2026-01-01T00:00:{number % 60:02}Z",
            "pin": pin,
            "delegates": [],
        }
        self.pins[f"request-{number}"] = status
        return 202, status

    def _list(self, query: Mapping[str, list[str]]) -> tuple[int, object]:
        # Without `status`, the API lists pinned ones only.
        statuses = query.get("status", ["pinned"])[0].split(",")
        if not set(statuses) <= set(STATUSES):
            return _error(400, "BAD_REQUEST", "status")
        found = [pin for pin in self.pins.values() if pin["status"] in statuses]
        if "cid" in query:
            wanted = query["cid"][0].split(",")
            found = [pin for pin in found if pin["pin"]["cid"] in wanted]
        if "name" in query:
            found = [pin for pin in found if pin["pin"].get("name") == query["name"][0]]
        limit = int(query.get("limit", ["10"])[0])
        if not 1 <= limit <= 1000:
            return _error(400, "BAD_REQUEST", "limit")
        return 200, {"count": len(found), "results": found[::-1][:limit]}


def _error(status: int, reason: str, details: str) -> tuple[int, object]:
    return status, {"error": {"reason": reason, "details": details}}


@contextmanager
def running_pinning_server(token: str) -> Generator[PinningServer]:
    """Run a service on a free port of loopback."""
    server = PinningServer(token)

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            parts = urlsplit(self.path)
            server.asked.append((self.command, parts.path))
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Authorization") != f"Bearer {server.token}":
                status, said = _error(401, "UNAUTHORIZED", "the token is not known")
            else:
                query = parse_qs(parts.query)
                status, said = server.answer(self.command, parts.path, query, body)
            data = b"" if said is None else json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _handle  # noqa: N815  # so names http.server its methods

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server.endpoint = f"http://127.0.0.1:{listening.server_port}"
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
