"""A file that is written while it is read: what is new of it, line by line or as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20
"""Bytes that are read at once."""

TURN_BYTES = 4 << 20
"""Bytes that one call reads of one file while the run goes on; the last call reads all."""

LINE_BYTES = 1 << 20
"""Longest line; a longer one is passed over."""


class GrowingBytes:
    """Reads what is appended to a file; a file that was replaced or got shorter is read anew.

    Args:
        path: The file.
        start: Bytes at its beginning that are not read.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self._path = path
        self._offset = start
        self._inode: int | None = None

    def chunks(self, *, final: bool) -> Iterator[tuple[bytes, bool]]:
        """Yield what is new, and whether it begins the file anew; nothing where it cannot be opened just now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return
        try:
            anew = self._begins_anew(os.fstat(descriptor))
            left = None if final else TURN_BYTES
            while left is None or left > 0:
                chunk = os.pread(descriptor, CHUNK_BYTES, self._offset)
                if not chunk:
                    return
                self._offset += len(chunk)
                left = None if left is None else left - len(chunk)
                yield chunk, anew
                anew = False
        except OSError:  # a directory of that name, or an unreachable file system: tried again at the next call
            return
        finally:
            os.close(descriptor)

    def restart(self) -> None:
        """Read the file from its beginning again."""
        self._offset = 0

    def _begins_anew(self, found: os.stat_result) -> bool:
        replaced = self._inode is not None and (found.st_ino != self._inode or found.st_size < self._offset)
        self._inode = found.st_ino
        if replaced:
            self._offset = 0
        return replaced


class GrowingLines:
    """Reads the lines that are appended to a text file, each once it has its end.

    Args:
        path: The file.
        start: Bytes at its beginning that are not read.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self._bytes = GrowingBytes(path, start)
        self._rest = b""
        self._is_passing = False
        self.passed_over = 0
        """Lines that were too long to be read."""

    def lines(self, *, final: bool) -> Iterator[tuple[str, bool]]:
        """Yield new lines without their ends, and whether the file began anew with this one."""
        anew = False
        for chunk, restarted in self._bytes.chunks(final=final):
            if restarted:
                self._rest, anew = b"", True
            *whole, self._rest = (self._rest + chunk).split(b"\n")
            for line in whole:
                if self._is_passing:
                    self._is_passing = False
                    continue
                yield _text(line), anew
                anew = False
            if len(self._rest) > LINE_BYTES:
                self.passed_over += not self._is_passing
                self._rest, self._is_passing = b"", True
        if final and self._rest and not self._is_passing:
            yield _text(self._rest), anew
            self._rest = b""

    def restart(self) -> None:
        """Read the file from its beginning again."""
        self._bytes.restart()
        self._rest, self._is_passing = b"", False


def _text(line: bytes) -> str:
    return line.decode("utf-8", errors="replace").removeprefix("\ufeff").rstrip("\r")


def first_line(path: Path) -> str:
    """Return the first line of a file; empty where it has none."""
    try:
        with path.open("rb") as file:
            line = file.readline(LINE_BYTES)
    except OSError:
        return ""
    return _text(line.rstrip(b"\n")) if line.endswith(b"\n") else ""
