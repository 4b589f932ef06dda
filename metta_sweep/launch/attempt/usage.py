"""What a run's processes use of its machine, noted every few seconds where it runs; nothing here can harm the run."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

FIRST_S, EVERY_S = 0.5, 10.0
"""Seconds after the start of the first note, and between two of them."""

MOST_BYTES = 2 * 1024 * 1024
"""Bytes of notes; a run that goes on for weeks notes no more then."""


class Usage:
    """Appends CPU and memory of an attempt's processes to a file, as JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path
        began_s = time.monotonic()
        self._next_s = began_s + FIRST_S
        self._before = (began_s, 0.0)

    def look(self, now_s: float, pids: Callable[[], Iterable[int]]) -> None:
        """Note what the processes use, where it is time.

        Args:
            now_s: Seconds that only go forward.
            pids: Names the processes, which costs a look at all of the machine.
        """
        if now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        try:
            self._note(now_s, pids())
        except (OSError, psutil.Error, ValueError):
            return

    def _note(self, now_s: float, pids: Iterable[int]) -> None:
        cpu_s, rss, threads = _together(pids)
        before, self._before = self._before, (now_s, cpu_s)
        noted: dict[str, Any] = {"t": round(time.time(), 3), "rss_mb": round(rss / 2**20, 1), "threads": threads}
        if cpu_s >= before[1]:
            noted["cpu"] = round(100 * (cpu_s - before[1]) / (now_s - before[0]), 1)
        noted["host_memory"] = psutil.virtual_memory().percent
        if not self._path.exists() or self._path.stat().st_size < MOST_BYTES:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(noted) + "\n")


def _together(pids: Iterable[int]) -> tuple[float, int, int]:
    """Return CPU seconds, resident bytes and threads of the processes that are alive."""
    cpu_s, rss, threads = 0.0, 0, 0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss += process.memory_info().rss
            threads += process.num_threads()
        except psutil.Error:
            continue
    return cpu_s, rss, threads


def machine() -> dict[str, Any]:
    """Return what kind of machine this is."""
    return {
        "os": platform.platform(),
        "python": platform.python_version(),
        "cpu_count": psutil.cpu_count(logical=False),
        "cpu_count_logical": os.cpu_count(),
        "memory": {"total": str(psutil.virtual_memory().total)},
    }
