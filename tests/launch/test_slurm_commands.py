"""The SLURM launcher against stand-ins for its commands: what a real cluster rarely does when a test looks."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.launch.slurm import launcher as slurm
from metta_sweep.launch.slurm.launcher import SlurmLauncher
from metta_sweep.launch.slurm.queue import SlurmQueue
from metta_sweep.store.files import take_lock
from metta_sweep.sweep.ports import JobSpec, JobState, LaunchError, Resources
from tests.contract.conftest import wait_until


class Commands:
    """Shell scripts in PATH that answer for SLURM and write down how they were called."""

    def __init__(self, folder):
        self.folder = folder
        self.says("sbatch", "cat > script; echo 7")
        self.says("squeue", "cat queue")
        self.says("scancel", "true")
        self.queue()

    def says(self, name, body):
        program = self.folder / name
        program.write_text(f'#!/bin/sh\ncd {self.folder}\necho "{name} $*" >> calls\n{body}\n')
        program.chmod(0o755)

    def queue(self, *lines):
        (self.folder / "queue.new").write_text("".join(f"{line}\n" for line in lines))
        (self.folder / "queue.new").replace(self.folder / "queue")

    @property
    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def commands(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "RECORD_PATIENCE_S", 0.2)
    monkeypatch.setattr("metta_sweep.launch.slurm.queue._EVERY_S", 0.02)
    return Commands(folder)


@pytest.fixture
def launcher(commands, tmp_path):
    launcher = SlurmLauncher(tmp_path / "launch", max_parallel=3, sbatch={"partition": "gpu", "exclusive": True})
    yield launcher
    launcher.close()


@pytest.fixture
def spec(tmp_path):
    run_dir = tmp_path / "my.r.0"
    run_dir.mkdir()
    return JobSpec(attempt_id="my.r.0.a1", command=("train",), run_dir=run_dir, resources=Resources(cpus=4, gpus=2.0))


def comment(spec):
    """Return the comment of the attempt's job, made of the sweep's own id."""
    return f"{(spec.run_dir.parent / 'launch' / 'slurm.id').read_text().strip()} {spec.attempt_id}"


def state(launcher, handle):
    return launcher.poll([handle])[0].state


def test_a_job_is_submitted_with_what_it_needs_and_the_users_own_options_last(launcher, commands, spec, tmp_path):
    assert launcher.submit(spec)["job_id"] == "7"
    [call] = commands.calls
    for option in ("--parsable", "--no-requeue", "--cpus-per-task=4", "--gres=gpu:2", "--job-name=my.r.0.a1"):
        assert f" {option}" in call
    assert f"--comment={(tmp_path / 'launch' / 'slurm.id').read_text().strip()} my.r.0.a1" in call
    assert call.endswith("--partition=gpu --exclusive")
    script = (tmp_path / "bin" / "script").read_text()
    assert "-m metta_sweep.launch.attempt.keep" in script
    assert str(AttemptFiles.of(spec).order) in script


def test_an_attempt_whose_order_was_written_is_looked_for_before_it_is_submitted_again(launcher, commands, spec):
    launcher.submit(spec)
    commands.queue(f"41|PENDING|{comment(spec)}")
    assert launcher.submit(spec)["job_id"] == "41"
    commands.queue()
    assert launcher.submit(spec)["job_id"] == "7"
    assert [call.split()[0] for call in commands.calls] == ["sbatch", "squeue", "squeue", "sbatch"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [("PENDING", "queued"), ("CONFIGURING", "queued"), ("RUNNING", "running"), ("COMPLETING", "running")],
)
def test_the_queue_says_whether_a_job_waits_or_runs(launcher, commands, spec, line, expected):
    handle = launcher.submit(spec)
    commands.queue(f"7|{line}|{comment(spec)}")
    wait_until(lambda: state(launcher, handle) == expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "reason"), [("NODE_FAIL", "node_lost"), ("PREEMPTED", "preempted"), ("FAILED", "job 7")]
)
def test_a_job_that_is_over_without_a_record_is_lost_with_slurms_reason(launcher, commands, spec, line, reason):
    handle = launcher.submit(spec)
    commands.queue(f"7|{line}|{comment(spec)}")
    seen = []
    wait_until(lambda: seen.append(launcher.poll([handle])[0]) or seen[-1].is_over)
    assert JobState.UNKNOWN in {status.state for status in seen[:-1]}
    assert seen[-1].state is JobState.LOST
    assert reason in seen[-1].reason


def test_a_number_that_was_given_twice_is_not_taken_for_the_job(launcher, commands, spec):
    handle = launcher.submit(spec)
    commands.queue("7|FAILED|/somebody/else", f"8|RUNNING|{comment(spec)}")
    wait_until(lambda: state(launcher, handle) is JobState.RUNNING)


@pytest.mark.slow
def test_a_job_that_is_over_while_its_run_lives_is_not_called_lost(launcher, commands, spec, monkeypatch):
    monkeypatch.setattr(slurm, "processes_of", lambda files: [])
    handle = launcher.submit(spec)
    held = take_lock(AttemptFiles.of(spec).lock)
    until_s = time.monotonic() + 0.6
    while time.monotonic() < until_s:
        assert state(launcher, handle) in (JobState.UNKNOWN, JobState.RUNNING)
    os.close(held)
    wait_until(lambda: state(launcher, handle) is JobState.LOST)


@pytest.mark.slow
@pytest.mark.parametrize(
    "body", ["exit 1", "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1"]
)
def test_a_slurm_that_does_not_answer_is_no_failure(launcher, commands, spec, body):
    commands.says("squeue", body)
    handle = launcher.submit(spec)
    until_s = time.monotonic() + 0.5
    while time.monotonic() < until_s:
        assert state(launcher, handle) is JobState.UNKNOWN


def test_a_slurm_that_hangs_holds_nobody_up(launcher, commands, spec):
    commands.says("squeue", "exec sleep 60")
    handle = launcher.submit(spec)
    began_s = time.monotonic()
    for _ in range(50):
        assert state(launcher, handle) is JobState.UNKNOWN
    launcher.close()
    assert time.monotonic() - began_s < 30


def test_an_answer_longer_than_a_pipe_holds_is_read_whole(commands):
    commands.says("squeue", "seq -f '%.0f|RUNNING|/runs/x' 1 20000")
    queue = SlurmQueue()
    view = wait_until(queue.look)
    queue.close()
    assert len(view.states) == 20_000


def test_what_sbatch_refuses_is_told_in_its_words_and_must_not_start_later(launcher, commands, spec):
    commands.says("sbatch", "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1")
    with pytest.raises(LaunchError, match="QOSMaxSubmitJobPerUserLimit"):
        launcher.submit(spec)
    assert AttemptFiles.of(spec).wished_grace_s() == 0.0


@pytest.mark.parametrize(
    "body",
    [
        "echo 'allocation failure: Unable to contact slurm controller (connect failure)' >&2; exit 1",
        "echo 'allocation failure: Required node not available (down, drained or reserved)' >&2; exit 1",
        "exit 1",
    ],
)
def test_what_may_pass_is_no_objection(launcher, commands, body):
    commands.says("sbatch", body)
    launcher.check(Resources())
    [call] = commands.calls
    assert call == "sbatch --test-only --cpus-per-task=1 --partition=gpu --exclusive"


def test_an_objection_is_one_line_with_the_options_and_without_the_commands_own_name(launcher, commands):
    commands.says("sbatch", "printf 'sbatch: error: invalid partition specified: gpu\\nTry \"x\"\\n' >&2; exit 1")
    with pytest.raises(RequestError) as refused:
        launcher.check(Resources())
    [problem] = refused.value.problems
    assert problem.key == "launcher.sbatch"
    assert problem.message.endswith("--partition=gpu --exclusive: invalid partition specified: gpu")


def test_a_job_that_waits_is_removed_and_one_that_lingers_is_killed(launcher, commands, spec, monkeypatch):
    monkeypatch.setattr(slurm, "CANCEL_MARGIN_S", 0.2)
    handle = launcher.submit(spec)
    commands.queue(f"7|RUNNING|{comment(spec)}")
    launcher.cancel(handle, grace_s=0.1)
    wait_until(lambda: state(launcher, handle) and "scancel --full --signal=KILL 7" in commands.calls)
    assert "scancel --state=PENDING 7" in commands.calls


def test_a_job_that_was_removed_before_it_started_was_cancelled(launcher, commands, spec):
    handle = launcher.submit(spec)
    launcher.cancel(handle, grace_s=0.1)
    wait_until(lambda: state(launcher, handle) is JobState.EXITED)
    status = launcher.poll([handle])[0]
    assert (status.signal, status.reason) == (signal.SIGTERM, "cancelled")


def test_a_job_of_an_earlier_sweep_of_the_same_name_is_not_taken_for_ours(launcher, commands, spec):
    handle = launcher.submit(spec)
    old = AttemptFiles.of(spec).name
    commands.queue(f"3|COMPLETED|{old}", f"7|RUNNING|{comment(spec)}", f"9|COMPLETED|{'0' * 32} my.r.0.a1")
    wait_until(lambda: state(launcher, handle) is JobState.RUNNING)
    assert launcher.find(spec)["job_id"] == "7"


def test_a_number_that_slurm_has_given_to_another_job_is_not_ours_any_more(launcher, commands, spec):
    handle = launcher.submit(spec)
    commands.queue("7|RUNNING|somebody else", f"2|RUNNING|{comment(spec)}")
    wait_until(lambda: state(launcher, handle) is JobState.RUNNING)
    commands.queue("7|RUNNING|somebody else")
    wait_until(lambda: state(launcher, handle) is JobState.LOST)
    launcher.cancel(handle, 0.0)
    assert not any("7" in call for call in commands.calls if call.startswith("scancel"))


def test_a_handle_of_version_0_1_is_known_by_its_path(launcher, commands, spec):
    now = launcher.submit(spec)
    old = {name: value for name, value in now.items() if name != "comment"}
    commands.queue(f"7|RUNNING|{AttemptFiles.of(spec).name}")
    wait_until(lambda: state(launcher, old) is JobState.RUNNING)
    commands.queue(f"12|RUNNING|{AttemptFiles.of(spec).name}")
    wait_until(lambda: state(launcher, {**old, "job_id": ""}) is JobState.RUNNING)


@pytest.mark.slow
def test_a_job_whose_keeper_was_stopped_is_killed_when_its_time_is_long_over(commands, spec, tmp_path, monkeypatch):
    monkeypatch.setattr(slurm, "OVERDUE_S", 0.1)
    launcher = SlurmLauncher(tmp_path / "launch", grace_s=0.1)
    handle = launcher.submit(replace(spec, time_limit_s=0.2, resources=Resources()))
    commands.queue(f"7|RUNNING|{comment(spec)}")
    wait_until(lambda: launcher.poll([handle]) and "scancel --full --signal=KILL 7" in commands.calls)
    commands.queue()
    ended = wait_until(lambda: next((status for status in launcher.poll([handle]) if status.is_over), None))
    assert (ended.state, ended.reason) == (JobState.LOST, "timeout")
    launcher.close()
