"""A server of live pages on a thread, and a client that keeps cookies."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import uvicorn

from metta_sweep.report.serve.access import Access
from metta_sweep.report.serve.app import application


class Answer(NamedTuple):
    """What a server has answered."""

    status: int
    headers: Message
    body: bytes


class Client:
    """Asks a server on this machine; :meth:`enter` opens the address that it prints."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.cookie = ""

    def ask(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        with closing(self._asked(path, method, headers)) as connection:
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())

    def events(self, path: str) -> Iterator[str]:
        """Yield what a stream of events says, as it comes."""
        with closing(self._asked(path, "GET", {})) as connection, connection.getresponse() as answer:
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            for line in answer:
                if line.startswith(b"data: "):
                    yield line.removeprefix(b"data: ").decode().strip()

    def _asked(self, path: str, method: str, headers: Mapping[str, str]) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.access.port, timeout=60)
        own = {"Cookie": self.cookie} if self.cookie else {}
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in {**own, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection

    def text(self, path: str) -> str:
        answer = self.ask(path)
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def enter(self, path: str = "/"):
        answer = self.ask(f"{path}?token={self.access.token}")
        self.cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        return answer


@contextmanager
def served(data_dir: Path, wrap: Callable = lambda app: app):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    access = Access(host="127.0.0.1", port=listener.getsockname()[1])
    app = wrap(application(data_dir, access, lambda: server.should_exit))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until_s = time.monotonic() + 30
    while not server.started and time.monotonic() < until_s:
        time.sleep(0.01)
    try:
        yield Client(access)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
