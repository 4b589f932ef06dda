"""Pictures as files: PNG (ISO 15948) and GIF (89a), written here because no imaging library is worth a dependency."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.vec_env import Bytes

MOST_COLORS = 256
CODE_LIMIT = 4096
"""Codes of GIF's compression have at most 12 bits."""


def png(picture: Bytes) -> bytes:
    """Return a picture (height, width, 3) as a PNG file."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def gif(pictures: Sequence[Bytes], *, frame_ms: int) -> bytes:
    """Return pictures of one size (height, width, 3) as a GIF that plays for ever.

    Pictures with more than 256 colors between them are brought down to 216. Of a picture only the rectangle that
    differs from the one before is stored.
    """
    indexed, palette = _indexed(np.stack(pictures))
    height, width = indexed.shape[1:]
    bits = max(2, int(len(palette) - 1).bit_length())
    table = np.zeros((1 << bits, 3), np.uint8)
    table[: len(palette)] = palette
    parts = [b"GIF89a", struct.pack("<HHBBB", width, height, 0xF0 | (bits - 1), 0, 0), table.tobytes()]
    parts.append(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")
    before = None
    for picture in indexed:
        top, bottom, left, right = _changed(picture, before)
        parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, 4, round(frame_ms / 10), 0, 0))
        parts.append(struct.pack("<BHHHHB", 0x2C, left, top, right - left, bottom - top, 0))
        parts.append(_blocks(bits, _compressed(picture[top:bottom, left:right].tobytes(), bits)))
        before = picture
    return b"".join([*parts, b"\x3b"])


def _indexed(pictures: Bytes) -> tuple[Bytes, Bytes]:
    """Return (n, height, width) numbers of colors, and (colors, 3)."""
    colors, places = _colors(pictures)
    if len(colors) > MOST_COLORS:
        colors, places = _colors((pictures // 51 * 51).astype(np.uint8))
    return places.reshape(pictures.shape[:-1]).astype(np.uint8), colors


def _colors(pictures: Bytes) -> tuple[Bytes, npt.NDArray[np.intp]]:
    packed = pictures.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, places = np.unique(packed, return_inverse=True)
    return np.stack([found >> 16, found >> 8 & 255, found & 255], 1).astype(np.uint8), places


def _changed(picture: Bytes, before: Bytes | None) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of what differs; one pixel where nothing does."""
    if before is None:
        return 0, picture.shape[0], 0, picture.shape[1]
    rows, columns = np.nonzero(picture != before)
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1


def _compressed(pixels: bytes, bits: int) -> bytes:
    """Compress as GIF does (Welch, 1984): codes for ever longer strings, of ever more bits, packed from the lowest."""
    clear, end = 1 << bits, (1 << bits) + 1
    single = {bytes([k]): k for k in range(clear)}
    codes, size = dict(single), bits + 1
    stream, filled, packed = clear, size, bytearray()
    known = b""
    for k in range(len(pixels)):
        longer = known + pixels[k : k + 1]
        if longer in codes:
            known = longer
            continue
        stream |= codes[known] << filled
        filled += size
        if len(codes) + 2 == CODE_LIMIT:
            stream |= clear << filled
            filled += size
            codes, size = dict(single), bits + 1
        else:
            codes[longer] = len(codes) + 2
            size = max(size, (len(codes) + 1).bit_length())
        whole = filled // 8
        packed += (stream & ((1 << 8 * whole) - 1)).to_bytes(whole, "little")
        stream, filled = stream >> 8 * whole, filled - 8 * whole
        known = pixels[k : k + 1]
    last = min(12, (len(codes) + 2).bit_length())  # the reader has one string more by then
    stream |= codes[known] << filled | end << filled + size
    return bytes(packed) + stream.to_bytes((filled + size + last + 7) // 8, "little")


def _blocks(bits: int, data: bytes) -> bytes:
    """Return compressed pixels in GIF's blocks of up to 255 bytes."""
    blocks = [data[k : k + 255] for k in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\x00"
