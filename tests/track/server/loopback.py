"""The HTTP side: GraphQL, file_stream and storage on 127.0.0.1, with faults and a log of every request."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.track.server.faults import Fault, Faults
from tests.track.server.graphql import GraphQLError, execute, parse
from tests.track.server.schema import Schema
from tests.track.server.world import World

KEY = "0123456789abcdef" * 2 + "01234567"


class LoopbackServer:
    """A W&B server on an ephemeral port; a context manager.

    ``world`` is what it holds, ``errors`` what it refused because it does not know it, ``requests`` counts operations.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.world = World()
        self.faults = Faults(seed)
        self.errors: list[str] = []
        self.requests: Counter[str] = Counter()
        self.lock = threading.RLock()
        self.port = 0
        self._http: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Return the base url for WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Listen, on the same port as before where there was one."""
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._http = _Server(("127.0.0.1", self.port), handler)
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Refuse connections, as a server that is away does."""
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._http.end_connections()
            self._http.server_close()
            self._thread.join()
            self._http = self._thread = None

    def away_for(self, seconds: float) -> threading.Thread:
        """Go away now and come back after ``seconds``; returns the thread that brings the server back."""
        self.stop()

        def come_back() -> None:
            time.sleep(seconds)
            self.start()

        thread = threading.Thread(target=come_back)
        thread.start()
        return thread

    def graphql(self, content: dict[str, Any]) -> dict[str, Any]:
        """Answer one GraphQL request."""
        with self.lock:
            schema = Schema(self.world, f"{self.url}/storage")
            document = parse(content["query"])
            return {"data": execute(document, content.get("variables") or {}, schema.root())}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[Any] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def end_connections(self) -> None:
        for request in list(self._open):
            self.shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_of: ClassVar[LoopbackServer]

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: ``requests`` counts."""

    def do_GET(self) -> None:
        if self.path.startswith("/storage/"):
            run, name = self._storage_place()
            return self._send(200, run.files[name], "application/octet-stream")
        return self._send(200, b"loopback", "text/plain")

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/graphql":
            content = json.loads(body)
            return self._answer(self._operation(content), lambda: self.server_of.graphql(content))
        if self.path.endswith("/file_stream"):
            return self._answer("file_stream", lambda: self._stream(json.loads(body)))
        return self._refuse(f"POST {self.path}")

    def do_PUT(self) -> None:
        body = self._body()
        if not self.path.startswith("/storage/"):
            return self._refuse(f"PUT {self.path}")
        return self._answer("storage", lambda: self._store(body))

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _operation(self, content: dict[str, Any]) -> str:
        try:
            return parse(content["query"]).operation
        except GraphQLError:
            return "unreadable"

    def _answer(self, operation: str, deed: Any) -> None:
        """Count the request, let the ordered fault happen, else do the deed and send its answer."""
        server = self.server_of
        server.requests[operation] += 1
        fault = server.faults.of(operation) or Fault(kind="delay")
        if fault.kind == "drop":
            return self._hang_up()
        if fault.kind == "status":
            headers = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
            return self._send_json(fault.status, {"errors": [{"message": f"ordered {fault.status}"}]}, headers)
        if fault.kind == "errors":
            return self._send_json(200, {"data": None, "errors": [{"message": fault.message}]})
        if fault.kind == "page":
            return self._send(fault.status, b"<html>the proxy does not know you</html>", "text/html")
        if operation != "storage" and not self._is_known_key():
            return self._send_json(401, {"errors": [{"message": "invalid api key"}]})
        time.sleep(fault.delay_s)
        try:
            answer = deed()
        except (GraphQLError, ValueError, KeyError, TypeError) as error:
            server.errors.append(f"{operation}: {error!r}")
            return self._send_json(400, {"errors": [{"message": str(error)}]})
        if fault.kind == "torn":
            return self._send_half(json.dumps(answer).encode())
        return self._hang_up() if fault.kind == "lost" else self._send_json(200, answer)

    def _send_half(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self._hang_up()

    def _is_known_key(self) -> bool:
        wanted = "Basic " + base64.b64encode(f"api:{KEY}".encode()).decode()
        return self.headers.get("Authorization") == wanted

    def _stream(self, content: dict[str, Any]) -> dict[str, Any]:
        _, _, entity, project, run_id, _ = self.path.split("/")
        with self.server_of.lock:
            run = self.server_of.world.runs[entity, project, unquote(run_id)]
            run.stream(content)
        return {"exitcode": None, "limits": {}, **({"stopped": True} if run.stopped else {})}

    def _store(self, body: bytes) -> dict[str, Any]:
        if self.path.startswith("/storage/artifact/"):
            artifact_id, _, name = unquote(self.path).removeprefix("/storage/artifact/").split("/", 2)
            self.server_of.world.artifacts[artifact_id].files[name] = body
            return {}
        run, name = self._storage_place()
        with self.server_of.lock:
            run.files[name] = body
        return {}

    def _storage_place(self) -> Any:
        _, _, entity, project, run_id, name = unquote(self.path).split("/", 5)
        return self.server_of.world.runs[entity, project, run_id], name

    def _refuse(self, what: str) -> None:
        self.server_of.errors.append(f"unknown request {what}")
        self._send_json(404, {"error": what})

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _send_json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(content).encode(), "application/json", headers)

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
