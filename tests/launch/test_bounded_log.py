from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.launch.attempt.bounded_log import BoundedLog
from metta_sweep.store.run_log import ATTEMPT_LINE


def test_a_short_log_is_left_alone(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=1000)
    descriptor = log.open("a1")
    os.write(descriptor, b"x" * 1000)
    os.close(descriptor)
    assert not log.cut()
    assert log.size() == 1000


@settings(deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=12))
def test_a_log_keeps_its_beginning_and_its_end_and_stays_within_its_limit(tmp_path_factory, lengths):
    path = tmp_path_factory.mktemp("log") / "log"
    log, written = BoundedLog(path, limit=4000), b""
    descriptor = log.open("a1")
    for number, length in enumerate(lengths):
        piece = (f"{number}:".encode() * length)[:length]
        os.write(descriptor, piece)
        written += piece
        log.cut()
        assert log.size() <= 4000
    os.close(descriptor)
    content = path.read_bytes()
    if len(written) <= 4000:
        assert content == written
    else:
        assert content.startswith(written[:1000])
        assert content.endswith(written[-500:])


def test_the_cut_says_how_much_is_left_out_over_all_cuts(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=4000)
    descriptor = log.open("a1")
    for _ in range(3):
        os.write(descriptor, b"x" * 5000)
        assert log.cut()
    os.close(descriptor)
    kept = (tmp_path / "log").read_bytes().count(b"x")
    assert kept == 3000
    assert b"12" in (tmp_path / "log").read_bytes().split(b"[metta_sweep] ")[1][:6]


def test_a_writer_that_holds_the_log_open_goes_on_at_its_end(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=1000)
    writer = log.open("a1")
    os.write(writer, b"a" * 5000)
    log.cut()
    os.write(writer, b"the end")
    os.close(writer)
    assert (tmp_path / "log").read_bytes().endswith(b"aathe end")
    assert b"\x00" not in (tmp_path / "log").read_bytes()


def test_only_later_attempts_are_announced(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=1000)
    for attempt in ("a1", "a2"):
        descriptor = log.open(attempt)
        os.write(descriptor, b"words")
        os.close(descriptor)
    assert (tmp_path / "log").read_text() == f"words\n{ATTEMPT_LINE}a2\nwords"


def test_a_log_that_somebody_removed_is_no_error(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=1000)
    os.close(log.open("a1"))
    (tmp_path / "log").unlink()
    assert log.size() == 0
    assert not log.cut()


def test_cutting_while_another_process_writes_loses_no_beginning_and_no_end(tmp_path):
    log = BoundedLog(tmp_path / "log", limit=200_000)
    descriptor = log.open("a1")
    program = "import sys\nfor n in range(100_000): sys.stdout.write(f'line {n}\\n')\nsys.stdout.write('done\\n')"
    writer = subprocess.Popen([sys.executable, "-c", program], stdout=descriptor)
    while writer.poll() is None:
        log.cut()
    log.cut()
    os.close(descriptor)
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[:3] == ["line 0", "line 1", "line 2"]
    assert lines[-2:] == ["line 99999", "done"]
    assert log.size() <= 200_000
