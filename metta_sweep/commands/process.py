"""The controller as a process: its clock, and the signals that ask it to stop."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a sweep in order: its runs are stopped and wait for the next start."""


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
        self._wake = threading.Event()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal.signal returned fits it

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._wake.set()
        if self._patient and number == signal.SIGINT and not self.is_finishing:
            self.is_finishing = True
            return
        self.received = number
        for again in STOP_SIGNALS:
            signal.signal(again, signal.SIG_DFL)

    def wait(self, seconds: float) -> None:
        """Wait so long, or until a signal comes."""
        self._wake.wait(seconds)
        self._wake.clear()
        # After a signal that stops the loop still polls while runs end: it must neither spin nor be late.
        if self.received is not None:
            self._wake.set()
            time.sleep(min(seconds, 0.02))


class SystemClock:
    """The machine's clocks; sleeping ends when a stop signal comes."""

    def __init__(self, signals: StopSignals) -> None:
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
