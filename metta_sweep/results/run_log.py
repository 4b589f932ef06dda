"""The run's log while it is written, cuts in its middle included: lines as a person would see them."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from metta_sweep.results.growing import CHUNK_BYTES, TURN_BYTES
from metta_sweep.store.run_log import OWN_LINE, head_bytes, is_being_cut, left_out

LINE_CHARACTERS = 4096
"""So much of a line is looked at."""

BUSY = (-1, 0)
"""Stands for a log that is being cut at this moment."""

TRIES, BUSY_S = 20, 0.005
"""How often a log that is being cut is looked at, and the seconds between two looks."""

_ENDS = re.compile(rb"[\r\n]+")
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class FollowedLog:
    """Follows a log that its keeper cuts: positions count what was ever written since the reader began.

    Args:
        path: The log.
        start: Bytes at its beginning that are not read.
        limit: Size above which the keeper cuts the middle out.
    """

    def __init__(self, path: Path, start: int, limit: int) -> None:
        self._path = path
        self._position = start
        self._head = head_bytes(limit)
        self._first_cut: bytes | None = None
        self._rest = b""
        self.lost_bytes = 0
        """What was cut out before it could be read."""

    def lines(self, *, final: bool) -> Iterator[str]:
        """Yield new lines: each refresh of a progress bar is one, colours and our own lines are left out."""
        left = None if final else TURN_BYTES
        while left is None or left > 0:
            chunk = self._next_chunk()
            if not chunk:
                break
            left = None if left is None else left - len(chunk)
            *whole, self._rest = _ENDS.split(self._rest + chunk)
            self._rest = self._rest[: 4 * LINE_CHARACTERS]
            yield from filter(None, map(_shown, whole))
        if final and self._rest:
            yield from filter(None, [_shown(self._rest)])
            self._rest = b""

    def _next_chunk(self) -> bytes:
        """Return what follows the position; empty where there is nothing new, or the log was cut while it was read."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            for _ in range(TRIES):
                cut = self._cut(descriptor)
                if cut is BUSY:
                    time.sleep(BUSY_S)
                    continue
                count, length = cut or (0, 0)
                resumed = max(self._position, self._head + count) if cut else self._position
                is_in_head = cut is not None and self._position < self._head
                at = self._position if is_in_head or cut is None else resumed - count + length
                size = min(CHUNK_BYTES, self._head - self._position) if is_in_head else CHUNK_BYTES
                chunk = os.pread(descriptor, size, at)
                if self._cut(descriptor) == cut:
                    if not is_in_head:
                        self._lose(resumed - self._position)
                        self._position = resumed
                    self._position += len(chunk)
                    return chunk
            return b""
        finally:
            os.close(descriptor)

    def _cut(self, descriptor: int) -> tuple[int, int] | None:
        """Return what the log's present cut leaves out and how long its own line is; None for no cut since we began."""
        line = os.pread(descriptor, 64, self._head)
        if self._first_cut is None:
            self._first_cut = line[:48] if left_out(line) or is_being_cut(line) else b""
        if self._first_cut and line.startswith(self._first_cut):
            return None
        return BUSY if is_being_cut(line) else left_out(line)

    def _lose(self, count: int) -> None:
        if count > 0:
            self.lost_bytes += count
            self._rest = b""


def _shown(line: bytes) -> str:
    text = _COLOURS.sub("", line[: 4 * LINE_CHARACTERS].decode("utf-8", errors="replace")[:LINE_CHARACTERS]).strip()
    return "" if text.startswith(OWN_LINE) else text
