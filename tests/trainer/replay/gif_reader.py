"""A GIF as pictures, read straight from the specification (GIF89a): slow and obvious."""

from __future__ import annotations

import struct

import numpy as np


def read_gif(data: bytes) -> tuple[list[np.ndarray], list[int]]:
    """Return the pictures (height, width, 3) and how long each is shown, in hundredths of a second."""
    assert data[:6] == b"GIF89a"
    width, height, flags = struct.unpack("<HHB", data[6:11])
    colors = 2 << (flags & 7)
    table = np.frombuffer(data[13 : 13 + 3 * colors], np.uint8).reshape(-1, 3)
    place, canvas, pictures, delays = 13 + 3 * colors, np.zeros((height, width), np.uint8), [], []
    while data[place] != 0x3B:
        if data[place] == 0x21:
            if data[place + 1] == 0xF9:
                delays.append(struct.unpack("<H", data[place + 4 : place + 6])[0])
            _, place = blocks(data, place + 2)
            continue
        assert data[place] == 0x2C
        left, top, wide, high = struct.unpack("<HHHH", data[place + 1 : place + 9])
        bits = data[place + 10]
        stream, place = blocks(data, place + 11)
        pixels = decompress(stream, bits)
        assert len(pixels) == wide * high
        canvas[top : top + high, left : left + wide] = np.frombuffer(pixels, np.uint8).reshape(high, wide)
        pictures.append(table[canvas])
    assert place == len(data) - 1
    return pictures, delays


def blocks(data: bytes, place: int) -> tuple[bytes, int]:
    joined = b""
    while data[place]:
        joined += data[place + 1 : place + 1 + data[place]]
        place += 1 + data[place]
    return joined, place + 1


def decompress(stream: bytes, bits: int) -> bytes:
    clear, end = 1 << bits, (1 << bits) + 1
    whole, at, size = int.from_bytes(stream, "little"), 0, bits + 1
    table, before, out = {}, None, []
    while True:
        code = whole >> at & ((1 << size) - 1)
        at += size
        if code == clear:
            table = {k: bytes([k]) for k in range(clear)} | {clear: b"", end: b""}
            size, before = bits + 1, None
            continue
        if code == end:
            assert len(stream) == (at + 7) // 8
            return b"".join(out)
        text = table[code] if code in table else before + before[:1]
        if before is not None and len(table) < 4096:
            table[len(table)] = before + text[:1]
            if len(table) == 1 << size and size < 12:
                size += 1
        out.append(text)
        before = text
