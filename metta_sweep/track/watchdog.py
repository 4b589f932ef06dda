"""What the mirror hears from its controller, and the guard that ends it when the client hangs."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

TRY_AGAIN = 75
"""Exit status: W&B did not take it now; start the mirror again later (EX_TEMPFAIL)."""

REFUSED = 77
"""Exit status: a person has to mend the key or the permissions (EX_NOPERM)."""

INCOMPLETE = 3
"""Exit status: the mirror was told to end with something left to send."""

STALL_S = 100.0
"""Seconds without a sign of life after which the client is held to hang; longer than any of its time limits."""

ORPHAN_S = 10.0
"""Seconds that a mirror whose controller died takes to let go."""

_GRACE_S = 3.0
_LOOK_S, _LONGEST_WAIT_S = 0.2, 5.0


class Watchdog:
    """Listens on standard input and ends this process when it hangs or its time is up.

    The controller writes ``stop SECONDS``; an end of input without it means that the controller died.
    ``end`` ends the process with an exit status; the threads of the client may hang, so nothing gentler will do.
    """

    def __init__(self, *, listen: bool, limit_s: float | None = None, end: Callable[[int], object] = os._exit) -> None:
        self._end = end
        self._stop = threading.Event()
        self._alive_s = time.monotonic()
        self._deadline_s = None if limit_s is None else time.monotonic() + limit_s
        self.controller_died = False
        """Whether the input ended without a word."""
        threads = [threading.Thread(target=self._guard, daemon=True)]
        threads += [threading.Thread(target=self._listen, daemon=True)] if listen else []
        for thread in threads:
            thread.start()

    @property
    def is_stopping(self) -> bool:
        """Whether the mirror is to send what is left and end."""
        return self._stop.is_set()

    @property
    def left_s(self) -> float:
        """Return how many seconds are left to end."""
        return float("inf") if self._deadline_s is None else self._deadline_s - time.monotonic()

    def alive(self) -> None:
        """Say that work goes on."""
        self._alive_s = time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait so long, or until the mirror is told to stop."""
        until_s = time.monotonic() + seconds
        while not self.is_stopping and (left_s := min(until_s - time.monotonic(), self.left_s)) > 0:
            self.alive()
            self._stop.wait(min(left_s, _LONGEST_WAIT_S))

    def pause(self, seconds: float) -> None:
        """Wait so long before something is tried again; told to stop, at most until the time for that is up."""
        until_s = time.monotonic() + seconds
        while (left_s := min(until_s - time.monotonic(), self.left_s)) > 0:
            self.alive()
            time.sleep(min(left_s, _LOOK_S))

    def _listen(self) -> None:
        line = sys.stdin.readline()
        words = line.split()
        self.controller_died = not words
        limit_s = float(words[1]) if len(words) == 2 else ORPHAN_S
        self._deadline_s = time.monotonic() + limit_s
        self._stop.set()

    def _guard(self) -> None:
        while time.monotonic() - self._alive_s < STALL_S and self.left_s > -_GRACE_S:
            time.sleep(0.2)
        self._end(TRY_AGAIN if self.left_s > 0 else INCOMPLETE)
