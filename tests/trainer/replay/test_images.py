"""Pictures as files, read back by the book."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.trainer.replay.images import gif, png
from tests.trainer.replay.gif_reader import read_gif


def noise(colors, shape, seed=0):
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (colors, 3)).astype(np.uint8)
    return palette[rng.integers(0, colors, shape)]


def read_png(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, place = {}, 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        kind, content = data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        assert struct.unpack(">I", data[place + 8 + length : place + 12 + length])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        place += 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, 1 + 3 * width)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(height, width, 3)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (40, 31)])
def test_a_png_holds_its_picture(shape):
    picture = noise(300, shape)
    np.testing.assert_array_equal(read_png(png(picture)), picture)


@settings(max_examples=60, deadline=None)
@given(colors=st.integers(1, 256), height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99))
def test_a_gif_holds_its_pictures(colors, height, width, seed):
    pictures = [noise(colors, (height, width), seed) for _ in range(2)]
    pictures.append(pictures[-1].copy())
    pictures[-1][: height // 2] = pictures[0][0, 0]
    read, delays = read_gif(gif(pictures, frame_ms=80))
    assert delays == [8, 8, 8]
    np.testing.assert_array_equal(read, pictures)


def test_a_large_picture_outgrows_the_codes_and_is_read_back():
    pictures = [noise(200, (130, 140)), np.zeros((130, 140, 3), np.uint8)]
    np.testing.assert_array_equal(read_gif(gif(pictures, frame_ms=100))[0], pictures)


def test_a_picture_that_does_not_change_costs_almost_nothing():
    picture = noise(50, (60, 60))
    one, many = (len(gif([picture] * count, frame_ms=100)) for count in (1, 11))
    assert many - one < 10 * 40


def test_too_many_colors_are_brought_down_to_near_ones():
    picture = noise(5000, (80, 80))
    (read,), _ = read_gif(gif([picture], frame_ms=100))
    assert np.abs(read.astype(int) - picture).max() <= 50
