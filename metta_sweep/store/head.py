"""How far a journal reaches: number of its last event and the digest of all of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metta_sweep.result.bounded import read_bytes

_SEPARATOR = b"\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The end of a chain of events.

    ``digest_n = sha256(digest_{n-1}, kind_n, 0, body_n)``, ``digest_0`` is empty: one digest vouches for every event up
    to it and for their order.

    Beside the journal it is kept in a file of one line, written after each commit and not synced: after a power cut it
    may be behind the journal, never ahead of it, and a line torn by one is told by its checksum and passed over.
    """

    seq: int
    """Number of the last event; 0 before the first."""
    digest: bytes
    """32 bytes; none before the first event."""

    @classmethod
    def start(cls) -> Head:
        """Return the head of an empty journal."""
        return cls(seq=0, digest=b"")

    @classmethod
    def of(cls, digests: Sequence[bytes]) -> Head:
        """Return the head of a journal whose rows carry these digests, its chain known to hold."""
        return cls(seq=len(digests), digest=digests[-1]) if digests else cls.start()

    def after(self, kind: str, body: str) -> Head:
        """Return the head once an event has been added."""
        digest = hashlib.sha256(self.digest + kind.encode() + _SEPARATOR + body.encode()).digest()
        return Head(seq=self.seq + 1, digest=digest)

    def is_reached_by(self, digests: Sequence[bytes]) -> bool:
        """Return whether a journal with these digests holds every event that this head vouches for."""
        return self.seq == 0 or (len(digests) >= self.seq and digests[self.seq - 1] == self.digest)

    @classmethod
    def read(cls, path: Path) -> Head | None:
        """Return the head that a file tells, or None where there is no file or its line is torn."""
        with contextlib.suppress(OSError, ValueError):
            seq, digest, checksum = read_bytes(path, _MOST_BYTES).decode("ascii").split()
            if int(checksum, 16) == _checksum(f"{seq} {digest}"):
                return cls(seq=int(seq), digest=bytes.fromhex(digest.removeprefix("-")))
        return None

    def write(self, path: Path) -> None:
        """Tell a file; that it cannot be written is not a failure, since the journal is the truth."""
        text = f"{self.seq} {self.digest.hex() or '-'}"
        line = f"{text} {_checksum(text):08x}\n".encode()
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.pwrite(descriptor, line.ljust(_LINE_BYTES), 0)
            finally:
                os.close(descriptor)


_MOST_BYTES = 4096
_LINE_BYTES = 128
"""Longer than any line, so that a shorter one leaves nothing of a longer one behind."""


def _checksum(text: str) -> int:
    return zlib.crc32(text.encode())
