"""What the SLURM launcher does beyond the contract, on a real cluster of one node."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.launch.slurm.launcher import SlurmLauncher
from metta_sweep.launch.slurm.queue import QueueView
from metta_sweep.result import RunPaths
from metta_sweep.sweep.ports import JobState, LaunchError, Resources
from tests.contract.conftest import Site, is_alive, ledger, pids_of, slurm, wait_over, wait_running, wait_until

__all__ = ["slurm"]


@pytest.fixture
def site(slurm, tmp_path):
    site = Site("slurm", tmp_path)
    yield site
    site.close()


def test_the_queue_is_read_line_by_line_and_other_lines_are_passed_over():
    view = QueueView.parse("12|PENDING|/runs/a\nslurm_load_jobs: a warning\n13|RUNNING|/runs/b|c\n\n14|FAILED|\n", 5.0)
    assert view.states == {"12": "PENDING", "13": "RUNNING", "14": "FAILED"}
    assert view.jobs == {"/runs/a": "12", "/runs/b|c": "13", "": "14"}
    assert view.asked_s == 5.0


def test_without_slurm_one_message_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="not found: sbatch, squeue, scancel"):
        SlurmLauncher(tmp_path)


@pytest.mark.slow
@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize("name", ["comment", "--job-name", "no_requeue", "array"])
def test_options_that_the_launcher_needs_are_refused(tmp_path, name):
    with pytest.raises(RequestError, match="sets this option of sbatch itself"):
        SlurmLauncher(tmp_path, sbatch={name: "x"})


@pytest.mark.slow
def test_what_sbatch_refuses_is_the_launchers_failure_in_its_words_and_never_starts(site):
    launcher = SlurmLauncher(site.folder / "launch", sbatch={"partition": "no_such_partition", "exclusive": False})
    spec = site.spec("exit=0")
    with pytest.raises(LaunchError, match="invalid partition"):
        launcher.submit(spec)
    launcher.close()
    assert ledger(spec) == []


@pytest.mark.slow
def test_runs_are_given_gpus_of_their_own(site):
    launcher = site.launcher()
    actions = ("environment=CUDA_VISIBLE_DEVICES", "note=ready", f"wait_for={site.folder / 'go'}")
    specs = [site.spec(*actions, run=run, resources=Resources(gpus=1)) for run in range(2)]
    handles = [launcher.submit(spec) for spec in specs]
    wait_until(lambda: all("ready" in ledger(spec) for spec in specs))
    seen = [json.loads((spec.run_dir / "environment.json").read_text())["CUDA_VISIBLE_DEVICES"] for spec in specs]
    assert sorted(seen) == ["0", "1"]
    (site.folder / "go").touch()
    for handle in handles:
        wait_over(launcher, handle)


@pytest.mark.slow
def test_shares_of_a_gpu_are_refused(site):
    with pytest.raises(RequestError, match="whole GPUs"):
        site.launcher().check(Resources(gpus=0.5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "cpus", "words"),
    [
        ({"partition": "gpu"}, 1, "Invalid partition name"),
        ({"time": "banana"}, 1, "Invalid --time"),
        ({"tiem": "1:00"}, 1, "unrecognized option"),
        ({}, 5000, "configuration is not available"),
    ],
)
def test_a_job_that_slurm_would_never_take_is_refused_before_anything_starts(site, options, cpus, words):
    launcher = SlurmLauncher(site.folder / "launch", sbatch=options)
    with pytest.raises(RequestError, match=words):
        launcher.check(Resources(cpus=cpus))
    SlurmLauncher(site.folder / "launch", sbatch={"time": "02:00:00", "signal": "B:USR1@60"}).check(Resources())


@pytest.mark.slow
def test_a_job_that_waits_is_queued_and_can_be_cancelled_before_it_starts(site):
    launcher = SlurmLauncher(site.folder / "launch", sbatch={"begin": "now+1hour"})
    site.launchers.append(launcher)
    spec = site.spec("exit=0")
    handle = launcher.submit(spec)
    wait_until(lambda: launcher.poll([handle])[0].state is JobState.QUEUED)
    launcher.cancel(handle, grace_s=1)
    status = wait_over(launcher, handle)
    assert (status.state, status.signal, status.reason) == (JobState.EXITED, signal.SIGTERM, "cancelled")
    assert ledger(spec) == []


@pytest.mark.slow
def test_a_job_that_slurm_ends_may_write_its_checkpoint_and_is_no_wish_of_ours(site, slurm):
    launcher = site.launcher()
    spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    slurm.run("scancel", handle["job_id"])
    status = wait_over(launcher, handle)
    assert (status.code, status.reason) == (143, "")
    assert ledger(spec) == ["started", "ready", "checkpointed"]


@pytest.mark.slow
def test_a_run_whose_keeper_was_killed_is_lost_once_slurm_has_ended_the_job(site, monkeypatch):
    monkeypatch.setattr("metta_sweep.launch.slurm.launcher.RECORD_PATIENCE_S", 0.5)
    launcher = site.launcher()
    spec = site.spec("child=session", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    start = json.loads(AttemptFiles(RunPaths(spec.run_dir), spec.attempt_id).start.read_text())
    assert start["job_id"] == handle["job_id"]
    os.kill(start["keeper"]["pid"], signal.SIGKILL)
    assert wait_over(launcher, handle).state is JobState.LOST
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of the tree")


@pytest.mark.slow
def test_a_controller_daemon_that_is_down_is_no_failure(site, slurm):
    launcher = site.launcher()
    spec = site.spec(f"wait_for={site.folder / 'go'}", "exit=4")
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    slurm.stop_controller()
    until_s, seen = time.monotonic() + 3, set()
    while time.monotonic() < until_s:
        seen.add(launcher.poll([handle])[0].state)
        time.sleep(0.05)
    assert seen <= {JobState.RUNNING, JobState.UNKNOWN}
    (site.folder / "go").touch()
    assert wait_over(launcher, handle).code == 4
    slurm.start_controller()
    wait_until(lambda: slurm.run("squeue", "-h", "--states=all"), "slurmctld")
    assert wait_over(launcher, launcher.submit(site.spec("exit=5", attempt=2))).code == 5
    assert ledger(spec) == ["started", "started"]


@pytest.mark.slow
def test_a_job_that_slurm_runs_again_does_not_run_the_attempt_again(site, slurm, monkeypatch):
    monkeypatch.setattr("metta_sweep.launch.slurm.launcher.RECORD_PATIENCE_S", 0.5)
    launcher = site.launcher()
    spec = site.spec("exit=3")
    handle = launcher.submit(spec)
    assert wait_over(launcher, handle).code == 3
    slurm.run("scontrol", "requeue", handle["job_id"])
    time.sleep(2)
    assert wait_over(launcher, handle).code == 3
    assert ledger(spec) == ["started"]


@pytest.mark.slow
def test_the_order_is_readable_by_its_user_alone_and_gone_once_it_starts(site, slurm):
    launcher = SlurmLauncher(site.folder / "launch", sbatch={"hold": True})
    site.launchers.append(launcher)
    spec = site.spec("exit=0")
    handle = launcher.submit(spec)
    order = AttemptFiles(RunPaths(spec.run_dir), spec.attempt_id).order
    assert order.stat().st_mode & 0o077 == 0
    slurm.run("scontrol", "release", handle["job_id"])
    assert wait_over(launcher, handle).code == 0
    assert not order.exists()


@pytest.mark.slow
def test_a_name_that_is_used_again_while_slurm_remembers_its_jobs_runs_once_and_undisturbed(slurm, tmp_path):
    """SLURM keeps what has ended for minutes (MinJobAge): the sweep was removed and begun anew under its name."""
    for _ in range(2):
        site = Site("slurm", tmp_path / "sweep")
        launcher = site.launcher()
        spec = site.spec("note=ready", f"wait_for={tmp_path / 'go'}", "exit=3")
        handle = launcher.submit(spec)
        wait_until(lambda spec=spec: "ready" in ledger(spec))
        until_s = time.monotonic() + 3
        while time.monotonic() < until_s:
            assert launcher.poll([handle])[0].state in (JobState.RUNNING, JobState.UNKNOWN)
            time.sleep(0.05)
        assert site.launcher().find(spec)["job_id"] == handle["job_id"]
        (tmp_path / "go").touch()
        assert wait_over(launcher, handle).code == 3
        assert ledger(spec) == ["started", "ready"]
        site.close()
        shutil.rmtree(tmp_path / "sweep")
        (tmp_path / "go").unlink()
