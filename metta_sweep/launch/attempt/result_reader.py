"""The process that reads a run's numbers beside it: started before the run, told of its end, never waited for long."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import metta_sweep
from metta_sweep.launch.attempt.attempt import Order
from metta_sweep.launch.attempt.wakeups import OURS

READY_S = 30.0
"""Seconds that a run waits at most until its reader has looked at what was there before."""

LAST_READING_S = 300.0
"""Seconds that the reader has at the end: what it could not keep up with is still to be read."""

_LOOK_S = 0.2


class ResultReader:
    """One attempt's reader; it is a child of the attempt's keeper, and no part of the run.

    Args:
        order: The attempt.
        log_start: Bytes that the run's log has before the run writes to it.
        base: The environment that the reader gets.
    """

    def __init__(self, order: Order, *, log_start: int, base: Mapping[str, str]) -> None:
        attempt = {"run_dir": order.run_dir, "cwd": order.cwd, "log_start": log_start, "log_limit": order.log_limit}
        command = [*order.reader, json.dumps({**attempt, "keeper": os.getpid()})]
        self._process = _started(command, base)
        self._heard = b""
        self._is_gone = False

    @property
    def pid(self) -> int | None:
        """Its process; None where it could not be started."""
        return self._process.pid if self._process is not None else None

    def wait_until_ready(self) -> None:
        """Wait until it knows what was there before the run, or has failed."""
        self._listen(b"ready", READY_S, lambda: False)

    def finish(self, *, code: int | None, is_called_off: Callable[[], bool]) -> str:
        """Tell it how the run ended, wait until it has read the rest, and return what went wrong with it.

        Args:
            code: Exit status of the run, where it exited by itself.
            is_called_off: Whether nobody wants the result any more.
        """
        if self._process is None or self._process.stdin is None:
            return "the reader of the run's numbers could not be started"
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps({"code": code}).encode() + b"\n")
            self._process.stdin.close()
        has_finished = self._listen(b"done", LAST_READING_S, is_called_off)
        if not has_finished and not self._is_gone:
            os.kill(self._process.pid, signal.SIGKILL)
        if has_finished or is_called_off():
            return ""
        return f"the reader of the run's numbers ended before it was done, or took more than {LAST_READING_S:.0f} s"

    def _listen(self, word: bytes, patience_s: float, is_called_off: Callable[[], bool]) -> bool:
        """Wait for a word from it, and return whether it came."""
        if self._process is None or self._process.stdout is None:
            return False
        descriptor, until_s = self._process.stdout.fileno(), time.monotonic() + patience_s
        while word not in self._heard and time.monotonic() < until_s and not is_called_off():
            if select.select([descriptor], [], [], _LOOK_S)[0]:
                said = os.read(descriptor, 4096)
                self._is_gone = not said
                if self._is_gone:
                    return False
                self._heard += said
        return word in self._heard


def _started(command: list[str], base: Mapping[str, str]) -> subprocess.Popen[bytes] | None:
    """Start it in the folder of the package, where no file of a user's stands in for one of Python's.

    It never sees the signals that end a run: those that the keeper heeds are blocked in it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
    try:
        return subprocess.Popen(
            command,
            env=dict(base),
            cwd=Path(metta_sweep.__file__).parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
    except OSError:
        return None
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
