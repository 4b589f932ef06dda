"""The process beside a run, kept by the run's keeper."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from metta_sweep.launch.attempt.attempt import AttemptFiles, Order
from metta_sweep.launch.attempt.keeper import Keeper
from metta_sweep.result import RunPaths, read_evaluations, read_result
from metta_sweep.results.plan import ReadingPlan

pytestmark = pytest.mark.slow


def kept(run, cwd, code, *, reader=None, **plan_values):
    """Keep an attempt that runs some Python, in a process of its own; return its exit record and the log."""
    plan = ReadingPlan(**{"metric": "loss", "maximizes": False, "readers": ("csv",), "path": "*.csv", **plan_values})
    order = Order(
        attempt_id="my.r.0.a1",
        command=(sys.executable, "-c", code),
        run_dir=str(run.root),
        cwd=str(cwd),
        reader=reader or (sys.executable, "-m", "metta_sweep.results.tail", plan.to_json()),
    )
    pid = os.fork()
    if pid == 0:
        lock = order.files.claim()
        Keeper(order, lock=lock, base=dict(os.environ)).keep()
        os._exit(0)
    os.waitpid(pid, 0)
    return AttemptFiles(run, "my.r.0.a1").read_exit(), run.log.read_text()


@pytest.fixture
def cwd(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


WRITES = "open('log.csv', 'w').write('step,loss\\n1,0.5\\n2,0.25\\n')"


def test_a_run_that_knows_nothing_of_a_sweep_has_a_result_when_it_has_ended(run, cwd):
    record, _ = kept(run, cwd, WRITES)
    assert record.code == 0
    assert read_result(run).metrics == {"loss": 0.25}
    assert [line.step for line in read_evaluations(run)] == [1, 2]


def test_a_run_that_fails_has_no_result_whatever_it_logged(run, cwd):
    record, log = kept(run, cwd, WRITES + "; raise SystemExit(3)")
    assert record.code == 3
    assert read_result(run) is None
    assert "no_result" not in log


def test_the_curve_is_there_while_the_run_goes_on(run, cwd):
    look = (
        "import time, pathlib; "
        + WRITES
        + f"""
until = time.time() + 30
while time.time() < until and not pathlib.Path({str(run.metrics)!r}).exists(): time.sleep(0.05)
print(pathlib.Path({str(run.metrics)!r}).exists())
"""
    )
    _, log = kept(run, cwd, look)
    assert log.splitlines()[0] == "True"


def test_a_reader_that_cannot_start_is_said_and_the_run_goes_on(run, cwd):
    record, log = kept(run, cwd, WRITES, reader=("/nowhere/python",))
    assert record.code == 0
    assert "no_result: the reader of the run's numbers could not be started" in log


def test_a_reader_that_dies_is_said(run, cwd):
    record, log = kept(run, cwd, WRITES, reader=(sys.executable, "-c", "raise SystemExit(1)"))
    assert record.code == 0
    assert "no_result: the reader of the run's numbers ended before it was done" in log


def test_an_unknown_reader_is_said(run, cwd):
    _, log = kept(run, cwd, WRITES, readers=("tensorbored",))
    assert "no_result: reading the run's numbers failed" in log
    assert "there is no reader 'tensorbored'" in log


def test_the_reader_is_no_part_of_the_run(run, cwd):
    """Ending a run's tree leaves its reader alone, and a reader that is alive does not keep the run from ending."""
    code = "import subprocess; subprocess.Popen(['sleep', '60']); " + WRITES
    began_s = time.monotonic()
    record, _ = kept(run, cwd, code)
    assert time.monotonic() - began_s < 30
    assert record.code == 0
    assert read_result(run).metrics == {"loss": 0.25}


def test_a_reader_ends_when_its_keeper_is_killed(run, cwd):
    code = "import time; time.sleep(60)"
    pid = os.fork()
    if pid == 0:
        kept(run, cwd, code)
        os._exit(0)
    start = AttemptFiles(run, "my.r.0.a1").start
    until_s = time.monotonic() + 60
    while time.monotonic() < until_s and "child" not in (json.loads(start.read_text()) if start.exists() else {}):
        time.sleep(0.05)
    content = json.loads(start.read_text())
    os.kill(content["keeper"]["pid"], signal.SIGKILL)
    os.kill(content["child"]["pid"], signal.SIGKILL)
    os.waitpid(pid, 0)
    while time.monotonic() < until_s and _readers_of(run):
        time.sleep(0.05)
    assert _readers_of(run) == []


def _readers_of(run: RunPaths) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"metta_sweep.results.tail" in words and str(run.root).encode() in b" ".join(words):
            found.append(path.parent.name)
    return found
