"""The controller as a process: its clock, and the signals that ask it to stop."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import time
from types import FrameType, TracebackType
from typing import Protocol

from metta_sweep.errors import RequestError

LEAST_OPEN_FILES = 128
"""Files that a controller may have open at once at the least."""

_CALLS = 1 << 16
"""Calls to wake up that one look answers."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a sweep in order: its runs are stopped and wait for the next start."""


def need_open_files(least: int = LEAST_OPEN_FILES) -> None:
    """Make sure that this process may have enough files open; the limit is raised as far as that is allowed.

    Raises:
        RequestError: It may not have that many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= least:
        return
    if hard != resource.RLIM_INFINITY and hard < least:
        message = f"only {hard} files may be open at once, and a sweep needs {least}"
        raise RequestError.of(message, key="ulimit -n", fix="ulimit -n 1024, or a shell in which nobody has lowered it")
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, hard))


class Attention(Protocol):
    """What interrupts a controller, or wakes it up."""

    @property
    def received(self) -> int | None:
        """Number of the signal that asks to stop now, or None."""

    @property
    def is_finishing(self) -> bool:
        """Whether runs under way are to finish, and nothing else is to be started."""

    def wake(self) -> None:
        """Have whoever waits look again; any thread may call it."""

    def wait(self, seconds: float) -> None:
        """Wait so long, or until there is something to look at."""

    def __enter__(self) -> Attention:
        """Begin to heed what interrupts."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Heed it no more."""


class StopSignals:
    """Remembers the first stop signal while it is entered; a second one takes its usual, immediate effect.

    Args:
        patient: A first SIGINT only asks to let runs finish and counts as none: the next one stops.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.received: int | None = None
        """Number of the signal that asks to stop now, or None."""
        self.is_finishing = False
        """Whether a SIGINT has asked to let runs finish."""
        self._patient = patient
        self._reader, self._writer = os.pipe()  # a signal may come while a lock is held: no Event, which has one
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned fits it

    def __del__(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.wake()
        if self._patient and number == signal.SIGINT and not self.is_finishing:
            self.is_finishing = True
            return
        self.received = number
        for again in STOP_SIGNALS:
            signal.signal(again, signal.SIG_DFL)

    def wake(self) -> None:
        """Have whoever waits look again; any thread may call it."""
        with contextlib.suppress(BlockingIOError):  # it is full of such calls already
            os.write(self._writer, b"\0")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a signal comes or somebody calls :meth:`wake`."""
        found = select.poll()
        found.register(self._reader, select.POLLIN)
        found.poll(max(0.0, seconds) * 1000.0)
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, _CALLS)
        # After a signal that stops the loop still polls while runs end: it must neither spin nor be late.
        if self.received is not None:
            self.wake()
            time.sleep(min(seconds, 0.02))


class SystemClock:
    """The machine's clocks; sleeping ends when a stop signal comes."""

    def __init__(self, signals: Attention) -> None:
        self._signals = signals

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return seconds that only go forward."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, at most so long."""
        self._signals.wait(seconds)
