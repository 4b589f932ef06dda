"""A file that is written whole, again and again: read when it has changed, and not more often than is cheap."""

from __future__ import annotations

import time

from metta_sweep.results.files import OwnFile
from metta_sweep.results.notes import Notes

LIMIT_BYTES = 32 << 20
"""Largest file that is read whole."""

REST = 100
"""Reading takes at most one part in so many of the time while the run goes on."""


class WholeFile:
    """Gives a file's content each time it has changed."""

    def __init__(self, file: OwnFile, notes: Notes) -> None:
        self._file = file
        self._notes = notes
        self._state: tuple[int, int, int] | None = None
        self._next_s = 0.0

    def new_content(self, *, final: bool) -> bytes | None:
        """Return the content where it is new; None where it is not, or cannot be read just now."""
        now_s = time.monotonic()
        if not final and now_s < self._next_s:
            return None
        try:
            found = self._file.path.stat()
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
            if state == self._state:
                return None
            if found.st_size > LIMIT_BYTES:
                self._notes.say(f"{self._file.shown} has {found.st_size >> 20} MiB and is not read: that is too large")
                return None
            content = self._file.path.read_bytes()
        except OSError:
            return None
        self._state = state
        self._next_s = now_s + (time.monotonic() - now_s) * REST
        return content
