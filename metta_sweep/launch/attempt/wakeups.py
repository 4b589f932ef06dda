"""Waiting for descriptors and signals at once."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Sequence
from types import FrameType

OURS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
"""Signals that wake a server or a keeper up instead of ending it."""


class Wakeups:
    """Turns signals into wake-ups of one wait, so that none is lost between a look and the wait.

    Side effects:
        Takes over the process's handlers for ``OURS`` and its wake-up descriptor.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        for number in OURS:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def wait(self, timeout_s: float | None, descriptors: Sequence[int] = ()) -> tuple[set[int], set[int]]:
        """Wait until a descriptor can be read, a signal came or the time is over.

        Returns:
            The descriptors that can be read, and the numbers of the signals that came.
        """
        ready, _, _ = select.select([self._read, *descriptors], [], [], timeout_s)
        numbers: set[int] = set()
        if self._read in ready:
            with contextlib.suppress(BlockingIOError):
                numbers.update(os.read(self._read, 4096))
        return set(ready) - {self._read}, numbers

    def close(self) -> None:
        """Give the wake-up descriptor back."""
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)


def restore_signals(*, for_python: bool) -> None:
    """Give signals the meaning that a program finds when it is started from a shell, and let them all through.

    Args:
        for_python: The process goes on as this Python, which turns SIGINT into an exception and writes to closed pipes
            into errors; otherwise it is about to execute a program.
    """
    for number in (*OURS, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if for_python:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _ignore(number: int, frame: FrameType | None) -> None:
    """Take note only: the wake-up descriptor carries the number."""
