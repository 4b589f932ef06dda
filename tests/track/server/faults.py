"""Faults to order: what goes wrong, with which requests, and how often."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["status", "drop", "lost", "delay", "torn", "errors", "page"]


@dataclass(slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong."""

    on: str = "*"
    """The operation: a GraphQL operation's name, ``file_stream``, ``storage``, or ``*`` for all of them."""
    kind: FaultKind = "status"
    """Answer with ``status``; ``drop`` the connection; do the deed and lose the reply, or
    send half of it (``torn``); ``delay`` it; ``errors`` in a 200 reply; a proxy's ``page`` with ``status``."""
    status: int = 500
    retry_after_s: int | None = None
    message: str = ""
    """What the errors say."""
    delay_s: float = 0.0
    chance: float = 1.0
    times: int | None = None
    """How often it happens; None for ever."""


class Faults:
    """The faults that were ordered; the dice are seeded."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = random.Random(seed)
        self._ordered: list[Fault] = []
        self._lock = threading.Lock()
        self.happened = 0

    def order(self, *faults: Fault) -> None:
        """Add faults."""
        with self._lock:
            self._ordered.extend(faults)

    def clear(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._ordered.clear()

    def of(self, operation: str) -> Fault | None:
        """Return what goes wrong with this request, or None."""
        with self._lock:
            for fault in self._ordered:
                if fault.on not in ("*", operation) or fault.times == 0 or self._rng.random() >= fault.chance:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                self.happened += 1
                return fault
        return None
