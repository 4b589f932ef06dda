"""What is on disk, seen often and read seldom: a page is made anew once its sweep has changed."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths, sweep_names

Mark = str
"""Differs once a sweep has changed."""

REST = 4.0
"""How many times as long as a report took to make it is shown before it is made anew: runs need the cores more."""

M = TypeVar("M")


def mark_of(paths: SweepPaths) -> Mark:
    """Return what changes with every event of a sweep, and with who controls it."""
    return _digest([paths.name, *(_state(file) for file in (paths.journal, paths.head)), str(holder(paths))])


def folder_mark(data_dir: Path) -> Mark:
    """Return what changes with every sweep of a folder."""
    return together([mark_of(SweepPaths(data_dir, name)) for name in sweep_names(data_dir)])


def together(marks: Iterable[Mark]) -> Mark:
    """Return one mark of several."""
    return _digest(list(marks))


def _digest(parts: list[object]) -> Mark:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _state(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@dataclass(frozen=True, slots=True)
class Made(Generic[M]):
    """What was made of a sweep."""

    content: M
    """It."""
    mark: Mark
    """The sweep's mark at that time."""


class Kept(Generic[M]):
    """Keeps what was made of a sweep until it changes, and for a while where making it takes long.

    Args:
        rest: How many times as long as the making took, at the least.
    """

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._kept: dict[str, tuple[Made[M], float]] = {}
        self._lock = threading.Lock()

    def get(self, paths: SweepPaths, make: Callable[[Mark], M]) -> Made[M]:
        """Return what is kept of a sweep, made anew where that has changed; one is made at a time."""
        with self._lock:
            mark, began_s = mark_of(paths), time.monotonic()
            kept, until_s = self._kept.get(paths.name, (None, 0.0))
            if kept is not None and (kept.mark == mark or began_s < until_s):
                return kept
            made = Made(make(mark), mark)
            ended_s = time.monotonic()
            self._kept[paths.name] = made, ended_s + self._rest * (ended_s - began_s)
            return made
