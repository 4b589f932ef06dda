"""The serve command: the report as a live page, over all sweeps of a folder."""

from __future__ import annotations

import socket
from pathlib import Path

import click

from metta_sweep.errors import RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.invocation import default_data_dir

PORT = 8265
"""Where it listens where nothing else is asked, or at the next port that is free."""

TRIED = 20
"""Ports that are tried from there."""


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), help=f"The port.  [default: {PORT}, or the next that is free]")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address of this machine to listen at.")
def command(folder: Path | None, *, port: int | None, host: str) -> int:
    """Show all sweeps of a folder as live pages in a browser.

    FOLDER is where sweeps lie, $DATA_DIR or train_dir by default. The pages are the report's own, stay up to date, and
    are only read: the address that is printed has a token, and nobody is let in without it. Ctrl-C ends it.
    """
    data_dir = default_data_dir() if folder is None else folder
    if not data_dir.is_dir():
        raise RequestError.of("there is no such folder", key=str(data_dir), fix="name the folder that has sweep/ in it")
    try:
        from metta_sweep.report.serve.serving import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise RequestError.of("serve needs starlette and uvicorn", fix=how_to_install("serve")) from None
    listener = _listener(host, port)
    serve(data_dir, listener, host, click.echo)
    return 0


def _listener(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens; where no port was asked for, at the first that is free.

    Raises:
        RequestError: It cannot listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(PORT, PORT + TRIED) if port is None else [port]
    for each in ports:
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, each))
        except OSError as error:
            found.close()
            if each == ports[-1]:
                raise RequestError.of(
                    f"cannot listen at {host}:{each}: {error.strerror or error}", key="--port", fix="choose another one"
                ) from error
        else:
            return found
    raise RequestError.of("no port is free", key="--port")
