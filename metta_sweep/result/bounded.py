"""Files that somebody else wrote: regular ones only, never waiting, never beyond a limit.

A run can leave anything under a name that the sweep reads: a FIFO that nobody writes to, a device, a gigabyte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

WINDOW_BYTES = 64 * 1024
"""Bytes that are read in one place of a file that is too long to be read whole."""

LONGEST_LINE = 1024 * 1024
"""Bytes of a line; a longer one is passed over."""

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnusableFileError(ValueError):
    """A file is there and is not read: it is not a regular file, or larger than its limit."""


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to be read, without waiting for anybody.

    Raises:
        UnusableFileError: It is a directory, a pipe, a socket or a device.
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no file")
            raise UnusableFileError(f"it is {kind}, not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def read_bytes(path: Path, limit: int) -> bytes:
    """Return the content of a regular file of at most ``limit`` bytes.

    Raises:
        UnusableFileError: It is not a regular file, or longer.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise UnusableFileError(f"it is longer than {limit >> 20} MiB")
    return content


def read_end(path: Path, limit: int) -> bytes:
    """Return the last bytes of a regular file, at most ``limit``.

    Raises:
        UnusableFileError: It is not a regular file.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - limit))
        return file.read(limit)


def read_lines(path: Path, limit: int) -> Iterator[bytes]:
    """Yield a regular file's lines in order, holding one window at a time.

    Of a file of more than ``limit`` bytes, the lines of evenly spaced windows: about so many bytes are read in all,
    from its beginning to its end. Lines that a window cuts are left out.

    Raises:
        UnusableFileError: It is not a regular file.
        OSError: It cannot be read.
    """
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        yield from _all_lines(file, limit) if size <= limit else _windows(file, size, limit)


def _all_lines(file: BinaryIO, limit: int) -> Iterator[bytes]:
    while file.tell() < limit and (line := file.readline(LONGEST_LINE)):
        if line.endswith(b"\n") or len(line) < LONGEST_LINE:
            yield line
            continue
        while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n") and file.tell() < limit:
            pass


def _windows(file: BinaryIO, size: int, limit: int) -> Iterator[bytes]:
    amount = max(2, limit // WINDOW_BYTES)
    for place in range(amount):
        start = (size - WINDOW_BYTES) * place // (amount - 1)
        file.seek(start)
        lines = file.read(WINDOW_BYTES).split(b"\n")
        yield from lines[1 if start else 0 : -1]
