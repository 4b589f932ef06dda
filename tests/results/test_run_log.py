from __future__ import annotations

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.launch.attempt.bounded_log import BoundedLog
from metta_sweep.results.run_log import FollowedLog

LIMIT = 4000


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), max_size=30), st.integers(0, 6000))
def test_following_a_log_that_is_cut_gives_every_line_once_or_says_that_some_were_lost(tmp_path_factory, turns, before):
    """Each turn writes some lines; then the log may be cut, and may be read."""
    path = tmp_path_factory.mktemp("log") / "log"
    earlier = BoundedLog(path, LIMIT)
    descriptor = earlier.open("a1")
    os.write(descriptor, (b"earlier\n" * (before // 8)))
    earlier.cut()
    os.close(descriptor)
    log = BoundedLog(path, LIMIT)
    descriptor = log.open("a2")
    followed = FollowedLog(path, log.size(), LIMIT)
    written, read = [], []
    for count, is_cut, is_read in turns:
        lines = [f"line {len(written) + at}" for at in range(count)]
        written += lines
        os.write(descriptor, "".join(f"{line}\n" for line in lines).encode())
        if is_cut:
            log.cut()
        if is_read:
            read += list(followed.lines(final=False))
    read += list(followed.lines(final=True))
    os.close(descriptor)
    if followed.lost_bytes == 0:
        assert read == written
    else:
        whole = [line for line in read if line in set(written)]
        assert len(read) - len(whole) <= len(turns)  # a line that was cut in two
        assert whole == sorted(whole, key=lambda line: int(line.split()[1]))
    assert not written or read[-1] == written[-1]


def test_what_was_read_in_time_is_not_lost_by_a_cut(tmp_path):
    path = tmp_path / "log"
    log = BoundedLog(path, LIMIT)
    descriptor = log.open("a1")
    followed, read = FollowedLog(path, 0, LIMIT), []
    for at in range(2000):
        os.write(descriptor, f"line {at}\n".encode())
        if at % 100 == 0:
            read += list(followed.lines(final=False))
            log.cut()
    read += list(followed.lines(final=True))
    os.close(descriptor)
    assert read == [f"line {at}" for at in range(2000)]
    assert followed.lost_bytes == 0


@pytest.mark.slow
def test_the_last_line_of_a_run_that_prints_without_end_is_read(tmp_path):
    """A writer that never waits, a log that is cut all the time, and somebody who follows it."""
    path, limit = tmp_path / "log", 1 << 20
    log = BoundedLog(path, limit)
    descriptor = log.open("a1")
    followed, read = FollowedLog(path, 0, limit), []
    code = "for at in range(400_000): print('noise', at)\nprint('loss: 0.25')"
    with subprocess.Popen([sys.executable, "-c", code], stdout=descriptor) as writer:
        while writer.poll() is None:
            log.cut()
            read = [*read[-10:], *followed.lines(final=False)]
    read += list(followed.lines(final=True))
    os.close(descriptor)
    assert read[-1] == "loss: 0.25"
    assert log.size() < 2 * limit
