"""How event files are cut into records: TensorFlow's and LevelDB's; whatever is torn off at the end is waited for.

Sources: tensorflow.org, "TFRecord"; github.com/google/leveldb, doc/log_format.md.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

LARGEST_RECORD = 64 << 20
"""Bytes of the largest record that is read."""

_CASTAGNOLI = 0x82F63B78
_BLOCK, _HEADER = 32768, 7
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


class DamagedError(ValueError):
    """What follows cannot be cut into records any more."""


def _crc32c_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ _CASTAGNOLI if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_TABLE = _crc32c_table()


def masked_crc32c(data: bytes) -> int:
    """Return TensorFlow's checksum of some bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


class TFRecords:
    """Cuts the bytes of a TFRecord file; only the length's checksum is looked at, which a torn file fails."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the records that are whole by now.

        Raises:
            DamagedError: There is something else than a record.
        """
        self._buffer += chunk
        at = 0
        try:
            while len(self._buffer) - at >= 12:
                head = bytes(self._buffer[at : at + 8])
                (size,) = struct.unpack("<Q", head)
                if struct.unpack_from("<I", self._buffer, at + 8)[0] != masked_crc32c(head) or size > LARGEST_RECORD:
                    raise DamagedError
                if len(self._buffer) - at < size + 16:
                    return
                yield bytes(self._buffer[at + 12 : at + 12 + size])
                at += size + 16
        finally:
            del self._buffer[:at]


class LevelDbLog:
    """Cuts the bytes of a LevelDB log, as the W&B client writes it, into records.

    Args:
        header: Bytes at the beginning of the file that are part of the first block and no record.
    """

    def __init__(self, header: int = 0) -> None:
        self._buffer = bytearray()
        self._header = header
        self._position = 0
        self._parts = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the records that are whole by now.

        Raises:
            DamagedError: There is something else than a record.
        """
        self._buffer += chunk
        if self._position < self._header:
            if len(self._buffer) < self._header:
                return
            self._skip(self._header)
        while True:
            left = _BLOCK - self._position % _BLOCK
            if left < _HEADER:
                if len(self._buffer) < left:
                    return
                self._skip(left)
                continue
            if len(self._buffer) < _HEADER:
                return
            crc, size, kind = struct.unpack_from("<IHB", self._buffer)
            if len(self._buffer) < _HEADER + size:
                return
            data = bytes(self._buffer[_HEADER : _HEADER + size])
            if zlib.crc32(bytes([kind]) + data) != crc or len(self._parts) > LARGEST_RECORD:
                raise DamagedError
            self._skip(_HEADER + size)
            whole = self._joined(kind, data)
            if whole is not None:
                yield whole

    def _joined(self, kind: int, data: bytes) -> bytes | None:
        """Return the record that a part completes."""
        if kind in (_FULL, _FIRST):
            self._parts = b""
        self._parts += data
        return self._parts if kind in (_FULL, _LAST) else None

    def _skip(self, size: int) -> None:
        del self._buffer[:size]
        self._position += size
