"""Where a fork is not safe, as on macOS, keepers and runs are programs of their own: the same outcomes, more slowly.

The platform is stubbed on Linux: forks are switched off, and there is no subreaper that orphans are handed to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from metta_sweep.launch.attempt import processes
from metta_sweep.launch.attempt.attempt import AttemptFiles, Order
from metta_sweep.launch.attempt.starting import START_VARIABLE, forks
from metta_sweep.launch.local.launcher import LocalLauncher
from metta_sweep.launch.local.server_process import WarmStart
from metta_sweep.result import RunPaths
from metta_sweep.sweep.ports import JobState
from tests.contract.conftest import Site, is_alive, ledger, pids_of, wait_over, wait_running, wait_until


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({}, "linux", True),
        ({}, "darwin", False),
        ({START_VARIABLE: "fork"}, "darwin", True),
        ({START_VARIABLE: "spawn"}, "linux", False),
        ({START_VARIABLE: "nonsense"}, "darwin", False),
    ],
)
def test_a_fork_is_used_where_it_is_safe_or_asked_for(environ, platform, expected):
    assert forks(environ, platform) is expected


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setenv(START_VARIABLE, "spawn")
    site = Site("local", tmp_path)
    yield site
    site.close()


@pytest.mark.slow
def test_a_run_that_is_spawned_ends_with_its_status_its_words_and_its_signal(site):
    launcher = site.launcher()
    spoke, died = site.spec("print=hello", "stdin", "exit=3", run=0), site.spec("signal=9", run=1)
    handles = [launcher.submit(spec) for spec in (spoke, died)]
    first, second = [wait_over(launcher, handle) for handle in handles]
    assert (first.state, first.code, first.reason) == (JobState.EXITED, 3, "")
    assert "hello" in (spoke.run_dir / "train.log").read_text()
    assert ledger(spoke)[-1] == "stdin:''"
    assert (second.code, second.signal) == (None, signal.SIGKILL)
    assert not AttemptFiles.of(spoke).order.exists()


@pytest.mark.slow
def test_its_environment_is_that_of_a_forked_one(site):
    launcher = site.launcher()
    spec = site.spec("environment=METTA_SWEEP_ATTEMPT,OMP_NUM_THREADS,SLURM_JOB_ID,MINE", env={"MINE": "1"})
    wait_over(launcher, launcher.submit(spec))
    seen = json.loads((spec.run_dir / "environment.json").read_text())
    assert (seen["METTA_SWEEP_ATTEMPT"], seen["OMP_NUM_THREADS"], seen["MINE"]) == ("my.r.0.a1", "1", "1")


@pytest.mark.slow
def test_a_command_that_does_not_exist_exits_127(site):
    launcher = site.launcher()
    assert wait_over(launcher, launcher.submit(site.spec(command=("no-such-command-here",)))).code == 127


@pytest.mark.slow
def test_a_time_limit_ends_its_whole_tree(site):
    launcher = LocalLauncher(site.folder / "launch", grace_s=0.2)
    site.launchers.append(launcher)
    spec = site.spec("ignore_sigterm", "child=session", "sleep=60", time_limit_s=3.0)
    status = wait_over(launcher, launcher.submit(spec))
    assert (status.signal, status.reason) == (signal.SIGKILL, "timeout")
    wait_until(lambda: not any(map(is_alive, pids_of(spec))))


@pytest.mark.slow
def test_a_run_outlives_its_controller_and_can_be_cancelled_by_the_next(site):
    first = site.launcher()
    spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
    first.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    first.close()
    second = site.launcher()
    handle = second.find(spec)
    wait_running(second, handle, spec)
    second.cancel(handle, grace_s=10)
    status = wait_over(second, handle)
    assert (status.code, status.reason) == (143, "cancelled")
    assert ledger(spec)[-1] == "checkpointed"


@pytest.mark.slow
def test_nothing_is_loaded_in_advance(site):
    launcher = LocalLauncher(site.folder / "launch", warm=WarmStart(module="tests.contract.warm_program"))
    site.launchers.append(launcher)
    spec = site.spec(command=(sys.executable, "-m", "tests.contract.warm_program", "exit=6"))
    assert wait_over(launcher, launcher.submit(spec)).code == 6


ALONE = """
import os, sys
from metta_sweep.launch.attempt import keeper, processes
from metta_sweep.launch.attempt.attempt import Order
import json

keeper.adopt_orphans = lambda: False
order = Order.parse(json.loads(sys.argv[1]))
keeper.Keeper(order, lock=order.files.claim(), base=dict(os.environ)).keep()
"""
"""A keeper without a subreaper."""


@pytest.mark.slow
def test_without_a_subreaper_what_a_run_leaves_behind_is_found_and_ended(site):
    spec = site.spec("child=session", "daemon", "note=left", "exit=0")
    order = Order.of(spec, grace_s=0.5, log_limit=1 << 20)
    subprocess.run([sys.executable, "-c", textwrap.dedent(ALONE), json.dumps(order.to_json())], check=True, timeout=240)
    assert AttemptFiles.of(spec).read_exit().code == 0
    assert len(pids_of(spec)) >= 3
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of what was left behind")


def test_a_process_is_told_from_a_later_one_of_its_number_on_any_platform(monkeypatch):
    monkeypatch.setattr(processes.sys, "platform", "darwin")
    birth = processes.birth_of(os.getpid())
    assert birth == processes.birth_of(os.getpid())
    assert 0 <= processes.age_s(os.getpid(), birth) < 3600
    assert processes.age_s(os.getpid(), "1.00") is None
    assert processes.birth_of(2**22 + 1) is None
    assert processes.adopt_orphans() is False


@pytest.mark.slow
def test_marks_of_a_run_are_found_by_its_environment(site):
    launcher = site.launcher()
    spec = site.spec("sleep=30")
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    found = processes.processes_of(AttemptFiles(RunPaths(spec.run_dir), spec.attempt_id))
    assert {pid for pid in pids_of(spec) if is_alive(pid)} <= {process.pid for process in found}
    launcher.cancel(handle, grace_s=0.0)
    wait_over(launcher, handle)
