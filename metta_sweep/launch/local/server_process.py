"""A fork server as its controller sees it: started, told of orders, let go."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metta_sweep.launch.attempt.attempt import Order
from metta_sweep.launch.local.fork_server import ServerSettings
from metta_sweep.store.files import is_locked, take_lock
from metta_sweep.sweep.ports import LaunchError

_PIPE_BYTES = 1 << 20
"""Room for about a thousand orders while the server is still loading."""

_CLOSE_PATIENCE_S = 0.2
_LOG_LIMIT = 1 << 20
_ACCEPTING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """What a server loads so that runs of one module start in milliseconds."""

    module: str
    """Command lines ``[sys.executable, "-m", module, …]`` are run by a fork that calls its ``main(arguments)``."""
    preload: tuple[str, ...] = ()
    """What to load beside it."""
    argument: str = ""
    """What the module's ``warm_up(argument)`` is told before any fork; empty: it is not called."""


BUNDLED = WarmStart(module="metta_sweep.train", preload=("numpy", "torch", "torch._dynamo"))
"""The bundled trainer; its first optimizer would load ``torch._dynamo``."""


class ServerProcess:
    """One fork server, started by the constructor and loading from then on.

    Args:
        folder: Where its lock and its log go; made where it is missing.
        warm: What it loads, or None for a light one.

    Raises:
        LaunchError: It could not be started.
    """

    def __init__(self, folder: Path, warm: WarmStart | None) -> None:
        self.is_ready = False
        self.is_warm = False
        self._told = 0
        self._closed = False
        self._ended = False
        self._rest = b""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_stale_locks(folder)
            self.lock = folder / f"server-{uuid.uuid4().hex[:12]}.lock"
            self._pid, self._orders, self._answers = _spawn(self.lock, folder / "server.log", warm)
        except OSError as error:
            raise LaunchError(f"the fork server could not be started: {error}") from error

    def tell(self, order: Order) -> bool:
        """Hand over an order, and return whether the server was there to take it."""
        line = (json.dumps(order.to_json()) + "\n").encode()
        try:
            while line:
                line = line[os.write(self._orders, line) :]
        except BrokenPipeError:
            return False
        self._told += 1
        return True

    def answers(self) -> Iterator[dict[str, Any]]:
        """Yield what the server has said since the last time, without waiting."""
        with contextlib.suppress(BlockingIOError):
            while received := os.read(self._answers, 1 << 16):
                *lines, self._rest = (self._rest + received).split(b"\n")
                for line in lines:
                    answer = json.loads(line)
                    self._note(answer)
                    yield answer

    def _note(self, answer: dict[str, Any]) -> None:
        if "ready" in answer:
            self.is_ready, self.is_warm = True, bool(answer["warm"])

    def is_alive(self) -> bool:
        """Return whether the server runs; one that was let go counts as gone."""
        return not self._closed and self._runs()

    def _runs(self) -> bool:
        """Look, and reap the server once it has ended; its number may be another's afterwards."""
        if not self._ended:
            try:
                self._ended = os.waitpid(self._pid, os.WNOHANG)[0] != 0
            except ChildProcessError:
                self._ended = True
        return not self._ended

    def close(self) -> None:
        """Let the server go: it ends once its keepers have; one that was told nothing is ended at once."""
        if self._closed:
            return
        self._closed = True
        os.close(self._orders)
        if not self._told and self._runs():
            os.kill(self._pid, signal.SIGKILL)
        until_s = time.monotonic() + _CLOSE_PATIENCE_S
        while self._runs() and time.monotonic() < until_s:
            time.sleep(0.002)
        os.close(self._answers)
        if not is_locked(self.lock):
            self.lock.unlink(missing_ok=True)


def accepts(lock: Path) -> bool:
    """Return whether the server of that lock lives and has a controller."""
    return is_locked(lock)


def remove_stale_locks(folder: Path) -> None:
    """Remove the locks of servers that are gone."""
    for lock in folder.glob("server-*.lock"):
        if not is_locked(lock):
            lock.unlink(missing_ok=True)


def _spawn(lock: Path, log: Path, warm: WarmStart | None) -> tuple[int, int, int]:
    """Return pid, the pipe that takes orders and the pipe that gives answers."""
    held = take_lock(lock)
    if held is None:
        raise FileExistsError(lock)
    orders_read, orders_write = os.pipe()
    answers_read, answers_write = os.pipe()
    log_file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    if os.fstat(log_file).st_size > _LOG_LIMIT:
        os.ftruncate(log_file, 0)
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(orders_write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    os.set_blocking(answers_read, False)
    module, preload, argument = (warm.module, warm.preload, warm.argument) if warm else (None, (), "")
    settings = ServerSettings(accepting=_ACCEPTING, module=module, preload=preload, argument=argument)
    given = (orders_read, answers_write, log_file, held)
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "metta_sweep.launch.local.fork_server", settings.to_argument()],
            os.environ,
            file_actions=_as_first(given),
            setsid=sys.platform == "linux",  # elsewhere it may not be known, and the server makes itself one
            setsigmask=[],
        )
    finally:
        for descriptor in given:
            os.close(descriptor)
    return pid, orders_write, answers_read


def _as_first(given: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return file actions that make these descriptors 0, 1, 2, …, moved out of each other's way first."""
    high = 1 + max(*given, len(given))
    moves = [(os.POSIX_SPAWN_DUP2, source, high + place) for place, source in enumerate(given)]
    takes = [(os.POSIX_SPAWN_DUP2, high + place, place) for place in range(len(given))]
    closes = [(os.POSIX_SPAWN_CLOSE, high + place) for place in range(len(given))]
    return [*moves, *takes, *closes]  # type: ignore[list-item]
