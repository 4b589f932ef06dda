"""A log that a run appends to and that never grows past its limit."""

from __future__ import annotations

import os
from pathlib import Path

from metta_sweep.store.run_log import ATTEMPT_LINE, TAIL_SHARE, cutting_line, head_bytes, left_out_line

_CHUNK_BYTES, _MOST_CHUNKS = 1 << 20, 64  # so that no writer, however fast, keeps a cut from its end


class BoundedLog:
    """The log of a run's attempts: beginning and end are kept, the middle is cut out when it grows too long.

    Writers hold it open with ``O_APPEND`` and never notice. A line written in the moment of a cut may be lost.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path = path
        self._limit = limit
        self._left_out = 0
        self._line = b""

    def open(self, attempt_id: str) -> int:
        """Return a descriptor for a new attempt's output; a line sets it apart from what earlier attempts wrote."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if os.fstat(descriptor).st_size > 0:
            os.write(descriptor, f"\n{ATTEMPT_LINE}{attempt_id}\n".encode())
        return descriptor

    def size(self) -> int:
        """Return the log's size in bytes; 0 where somebody removed it."""
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def cut(self) -> bool:
        """Cut the middle out where the log is too long, and return whether it was."""
        size = self.size()
        if size <= self._limit:
            return False
        head, tail = head_bytes(self._limit), int(self._limit * TAIL_SHARE)
        self._left_out += size - head - tail - len(self._line)
        self._line = left_out_line(self._left_out)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            _cut_out(descriptor, head, size - tail, self._line)
        finally:
            os.close(descriptor)
        return True


def _cut_out(descriptor: int, start: int, end: int, line: bytes) -> None:
    """Put a line in the place of what lies between two positions of a file that others go on appending to.

    Whoever follows the file sees by the line that it is being cut, and reads on once that is done.
    """
    os.pwrite(descriptor, cutting_line(len(line)), start)
    to = start + len(line)
    for _ in range(_MOST_CHUNKS):
        kept = os.pread(descriptor, _CHUNK_BYTES, end)
        if not kept:
            break
        os.pwrite(descriptor, kept, to)
        end, to = end + len(kept), to + len(kept)
    os.ftruncate(descriptor, to)
    os.pwrite(descriptor, line, start)
