"""Fixtures of the mirror's tests: the server, a home without keys, and a check that no process is left behind."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.track.server import LoopbackServer


@pytest.fixture
def server():
    """A loopback server; at the end it must have understood everything that was asked of it."""
    with LoopbackServer() as server:
        yield server
    assert server.errors == []


@pytest.fixture
def no_process_left(tmp_path):
    """Nothing that works for the sweep under ``tmp_path`` outlives the test."""
    yield
    deadline = time.monotonic() + 15
    while left := processes_of(str(tmp_path)):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def processes_of(place: str) -> list[psutil.Process]:
    """Return the mirrors of sweeps under a folder, and what they started."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *(process.environ().get(name, "") for name in ("TMPDIR", "WANDB_DIR"))]
            belongs = any(place in word for word in words)
        except psutil.Error:
            continue
        if belongs:
            found.append(process)
    return found
