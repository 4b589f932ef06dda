"""The wire format of protocol buffers, as far as event files need it: fields by their number.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types that are still in use."""


class MalformedError(ValueError):
    """The bytes are no message."""


def fields(message: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of each field: a whole number for varints, else the bytes.

    Raises:
        MalformedError: The bytes are no message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, wire, value
            continue
        if wire == BYTES:
            size, at = _varint(message, at)
        elif wire in (FIXED32, FIXED64):
            size = 4 if wire == FIXED32 else 8
        else:
            raise MalformedError(f"wire type {wire}")
        if at + size > len(message):
            raise MalformedError("a field is longer than its message")
        yield key >> 3, wire, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedError("a number without an end")


def varints(packed: bytes) -> list[int]:
    """Return the numbers of a packed field."""
    numbers, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        numbers.append(value)
    return numbers


def signed(value: int) -> int:
    """Return a varint as a signed number of 64 bits."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def double(value: int | bytes) -> float:
    """Return the number in a field of four or eight bytes.

    Raises:
        MalformedError: It is neither.
    """
    if not isinstance(value, bytes) or len(value) not in (4, 8):
        raise MalformedError("need four or eight bytes")
    number: float = struct.unpack("<f" if len(value) == 4 else "<d", value)[0]
    return number


def text(value: int | bytes) -> str:
    """Return the text in a field."""
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value)


def message(value: int | bytes) -> bytes:
    """Return the message in a field.

    Raises:
        MalformedError: It is a number.
    """
    if isinstance(value, bytes):
        return value
    raise MalformedError("need a message, got a number")
