"""Files that are written whole, again and again: read when they have changed, and not more often than is cheap."""

from __future__ import annotations

import time
from collections.abc import Iterator

from metta_sweep.results.files import OwnFile, OwnFiles
from metta_sweep.results.notes import Notes
from metta_sweep.results.port import Source
from metta_sweep.results.seen import Seen

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


class WholeFiles:
    """The files of a source that are written whole, and what was taken of each so far."""

    def __init__(self, source: Source, pattern: str) -> None:
        self._notes = source.notes
        self._files = OwnFiles(source, pattern)
        self._whole: dict[str, WholeFile] = {}
        self._taken: dict[tuple[str, str], int] = {}
        self.seen = Seen(self._files.said())
        """What was found in them."""

    def new_contents(self, *, final: bool) -> Iterator[tuple[OwnFile, bytes]]:
        """Yield every file that has changed with its content."""
        for file in self._files.look(final=final):
            self.seen.place(file.shown)
            content = self._whole.setdefault(file.shown, WholeFile(file, self._notes)).new_content(final=final)
            if content is not None:
                yield file, content

    def take(self, file: OwnFile, name: str, length: int) -> int:
        """Return from which place on the values of a series of this length are new; they count as taken now."""
        first = self._taken.get((file.shown, name), 0)
        self._taken[file.shown, name] = max(first, length)
        return first
