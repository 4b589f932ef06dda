from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.store.lock import Holder, SweepLock, holder
from metta_sweep.store.paths import SweepPaths

HOLD = """
import subprocess, sys, time
from pathlib import Path
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths
lock = SweepLock.acquire(SweepPaths(Path(sys.argv[1]), "my"))
child = subprocess.Popen(["sleep", "60"], close_fds=False, stdout=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def paths(tmp_path):
    return SweepPaths(tmp_path, "my")


@pytest.fixture
def other(tmp_path):
    """A process that holds the sweep and has a child of its own."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    child = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()
    os.kill(child, 9)


def test_a_second_controller_is_told_who_holds_the_sweep_and_what_to_do_instead(paths, other):
    with pytest.raises(RequestError) as refused:
        SweepLock.acquire(paths)
    [problem] = refused.value.problems
    assert f"host {socket.gethostname()}, pid {other.pid}, since 20" in problem.message
    assert "launcher.max_parallel=N" in problem.fix
    assert problem.file == str(paths.lock)


def test_a_reader_sees_who_holds_the_sweep(paths, other):
    seen = holder(paths)
    assert (seen.host, seen.pid) == (socket.gethostname(), other.pid)
    assert abs(seen.since_s - time.time()) < 60


def test_the_lock_is_gone_with_its_holder_though_its_child_lives(paths, other):
    other.kill()
    other.wait()
    assert holder(paths) is None
    with SweepLock.acquire(paths):
        assert holder(paths).pid == os.getpid()


def test_nobody_holds_what_was_let_go(paths):
    assert holder(paths) is None
    lock = SweepLock.acquire(paths)
    assert holder(paths).pid == os.getpid()
    lock.release()
    lock.release()
    assert holder(paths) is None


def test_the_same_process_cannot_take_a_sweep_twice(paths):
    with SweepLock.acquire(paths), pytest.raises(RequestError, match=f"pid {os.getpid()}"):
        SweepLock.acquire(paths)


def test_readers_that_look_all_the_time_do_not_keep_a_controller_out(paths):
    looking = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from metta_sweep.store.files import is_locked\n"
            "print(flush=True)\nwhile True: is_locked(Path(sys.argv[1]))",
            str(paths.lock),
        ],
        stdout=subprocess.PIPE,
    )
    looking.stdout.readline()
    try:
        for _ in range(20):
            SweepLock.acquire(paths).release()
    finally:
        looking.kill()
        looking.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "{", '{"pid": 3}', '{"host": 1, "pid": "x", "since_s": 0}'])
def test_a_holder_that_left_no_name_is_still_refused_readably(paths, other, content):
    paths.lock.write_text(content)
    with pytest.raises(RequestError, match="host unknown"):
        SweepLock.acquire(paths)


def test_a_holder_comes_back_from_its_own_words():
    known = Holder(host="a", pid=3, since_s=5.0)
    assert Holder.parse({"host": "a", "pid": 3, "since_s": 5.0}) == known
    assert "host a, pid 3, since 1970" in str(known)
