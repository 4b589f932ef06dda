"""The server from its start to Ctrl-C."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from metta_sweep.report.serve.access import Access, is_loopback
from metta_sweep.report.serve.app import application

END_S = 2
"""Seconds that open connections have at the end."""


class _Server(uvicorn.Server):
    """Says where it is once it can be asked, and can be ended by a signal."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], object]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._begun()


def serve(data_dir: Path, listener: socket.socket, host: str, said: Callable[[str], object]) -> None:
    """Serve the pages until a signal ends it.

    Args:
        data_dir: Where sweeps lie.
        listener: A bound socket.
        host: The address that it is bound to.
        said: Says a line to the person.
    """
    access = Access(host=host, port=listener.getsockname()[1])

    def begun() -> None:
        said(access.url)
        said(f"  every sweep under {data_dir}, live and read-only; whoever has this address can read. Ctrl-C ends it.")
        if not is_loopback(host):
            said(f"  other machines reach it at {host}, and nothing encrypts what they read: ssh -L is the safer way")

    config = uvicorn.Config(
        lambda: application(data_dir, access, lambda: server.should_exit),
        factory=True,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=END_S,
        lifespan="off",
    )
    server = _Server(config, begun)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return
