"""What every launcher keeps to, with real processes and real kills."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

import pytest

from metta_sweep.launch.attempt.attempt import AttemptFiles
from metta_sweep.store.files import read_json
from metta_sweep.sweep.ports import JobState, Resources
from tests.contract.conftest import (
    is_alive,
    kill_controller,
    ledger,
    pids_of,
    wait_over,
    wait_running,
    wait_until,
)


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 1, 3, 143, 255])
def test_the_exit_status_is_reported(site, code):
    launcher = site.launcher()
    status = wait_over(launcher, launcher.submit(site.spec(f"exit={code}")))
    assert (status.state, status.code, status.signal, status.reason) == (JobState.EXITED, code, None, "")
    assert 0 <= status.wall_s < 30


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_fatal_signal_is_reported_as_one(site, number):
    launcher = site.launcher()
    status = wait_over(launcher, launcher.submit(site.spec(f"signal={int(number)}")))
    assert (status.code, status.signal, status.reason) == (None, number, "")


def test_an_exit_by_message_or_exception_is_status_1_with_the_words_in_the_log(site):
    launcher = site.launcher()
    stopped, raised = site.spec("sysexit=enough of this", run=0), site.spec("raise=too much", run=1)
    handles = [launcher.submit(stopped), launcher.submit(raised)]
    assert [wait_over(launcher, handle).code for handle in handles] == [1, 1]
    assert "enough of this" in (stopped.run_dir / "train.log").read_text()
    assert "ArithmeticError: too much" in (raised.run_dir / "train.log").read_text()


def test_a_command_that_does_not_exist_exits_127_and_says_so(site):
    launcher = site.launcher()
    spec = site.spec(command=("no-such-command-here", "x"))
    assert wait_over(launcher, launcher.submit(spec)).code == 127
    assert "no-such-command-here" in (spec.run_dir / "train.log").read_text()


@pytest.mark.slow
def test_submitting_twice_starts_once(site):
    launcher = site.launcher()
    spec = site.spec("sleep=0.2")
    first = launcher.submit(spec)
    assert launcher.submit(spec) == first
    wait_over(launcher, first)
    again = launcher.submit(spec)
    assert wait_over(launcher, again).code == 0
    assert ledger(spec) == ["started"]


@pytest.mark.slow
def test_another_controller_that_submits_the_same_attempt_does_not_start_it_again(site):
    spec = site.spec("sleep=0.5")
    first, second = site.launcher(), site.launcher()
    handles = [first.submit(spec), second.submit(spec)]
    assert wait_over(first, handles[0]).code == 0
    assert wait_over(second, handles[1]).code == 0
    assert ledger(spec) == ["started"]


def test_what_was_never_submitted_is_not_found(site):
    assert site.launcher().find(site.spec("exit=0")) is None


def test_what_was_submitted_is_found_while_it_runs_and_afterwards(site):
    launcher = site.launcher()
    spec = site.spec(f"wait_for={site.folder / 'go'}", "exit=7")
    wait_running(launcher, launcher.submit(spec), spec)
    found = site.launcher().find(spec)
    assert launcher.poll([found])[0].state is JobState.RUNNING
    (site.folder / "go").touch()
    assert wait_over(launcher, found).code == 7
    assert wait_over(launcher, launcher.find(spec)).code == 7


def test_handles_are_json(site):
    launcher = site.launcher()
    handle = launcher.submit(site.spec("exit=5"))
    assert wait_over(launcher, json.loads(json.dumps(handle))).code == 5


def test_a_poll_answers_for_each_handle_in_order(site):
    launcher = site.launcher()
    handles = [launcher.submit(site.spec(f"exit={code}", run=code)) for code in (0, 4, 2)]
    for handle in handles:
        wait_over(launcher, handle)
    assert [status.code for status in launcher.poll(handles)] == [0, 4, 2]
    assert launcher.poll([]) == []


def test_a_handle_of_nobody_is_unknown_and_no_failure(site):
    launcher = site.launcher()
    assert [status.state for status in launcher.poll([{}, {"launcher": "another"}])] == [JobState.UNKNOWN] * 2
    launcher.cancel({}, 0.1)


def test_there_is_at_least_one_slot(site):
    assert site.launcher().capacity() >= 1


def test_the_run_finds_its_environment(site, monkeypatch):
    monkeypatch.setenv("WANDB_SERVICE", "2-1-tcp-localhost-1")
    monkeypatch.setenv("OF_THE_CONTROLLER", "yes")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    launcher = site.launcher()
    names = "METTA_SWEEP_RUN_DIR,METTA_SWEEP_ATTEMPT,WANDB_SERVICE,OF_THE_CONTROLLER,OF_THE_SPEC,OMP_NUM_THREADS"
    spec = site.spec(f"environment={names}", env={"OF_THE_SPEC": "a b"}, resources=Resources(cpus=2))
    assert wait_over(launcher, launcher.submit(spec)).code == 0
    assert json.loads((spec.run_dir / "environment.json").read_text()) == {
        "METTA_SWEEP_RUN_DIR": str(spec.run_dir),
        "METTA_SWEEP_ATTEMPT": spec.attempt_id,
        "WANDB_SERVICE": None,
        "OF_THE_CONTROLLER": "yes",
        "OF_THE_SPEC": "a b",
        "OMP_NUM_THREADS": "2",
    }


def test_the_run_reads_no_input_and_its_output_is_in_its_log(site):
    launcher = site.launcher()
    spec = site.spec("print=hello", "stdin")
    assert wait_over(launcher, launcher.submit(spec)).code == 0
    assert (spec.run_dir / "train.log").read_text() == "hello\n"
    assert ledger(spec) == ["started", "stdin:''"]


def test_the_log_of_a_second_attempt_is_set_apart(site):
    launcher = site.launcher()
    for attempt in (1, 2):
        wait_over(launcher, launcher.submit(site.spec(f"print=try {attempt}", attempt=attempt)))
    log = (site.folder / "runs" / "my.r.0" / "train.log").read_text()
    assert log.splitlines() == ["try 1", "", "[metta_sweep] attempt my.r.0.a2", "try 2"]


@pytest.mark.slow
def test_a_time_limit_ends_the_whole_tree(site):
    launcher = site.launcher()
    spec = site.spec("child=same", "child=session", "sleep=60", time_limit_s=0.6)
    status = wait_over(launcher, launcher.submit(spec))
    assert (status.state, status.reason) == (JobState.EXITED, "timeout")
    assert 0.5 <= status.wall_s < 15
    assert len(pids_of(spec)) >= 3
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of the tree", 5)


@pytest.mark.slow
def test_a_run_that_goes_on_after_its_result_is_ended_with_its_whole_tree_and_one_that_takes_its_time_is_not(site):
    launcher = site.launcher()
    stuck = site.spec("child=session", "sleep=0.3", "result=1", "sleep=60", exit_grace_s=0.8)
    slow = site.spec("result=1", "sleep=0.3", "result=2", "exit=3", run=1, exit_grace_s=20.0)
    first, second = wait_over(launcher, launcher.submit(stuck)), wait_over(launcher, launcher.submit(slow))
    assert (first.state, first.reason) == (JobState.EXITED, "no_exit")
    assert 0.2 <= first.result_s < first.wall_s - 0.7
    assert not any(map(is_alive, pids_of(stuck)))
    assert (second.code, second.reason) == (3, "")
    assert second.result_s <= second.wall_s


@pytest.mark.slow
def test_a_result_that_lay_there_before_the_start_is_not_this_attempts(site):
    launcher = site.launcher()
    spec = site.spec("sleep=1.5", "exit=4", exit_grace_s=0.2)
    (spec.run_dir / "result.json").write_text("{}")
    status = wait_over(launcher, launcher.submit(spec))
    assert (status.code, status.reason, status.result_s) == (4, "", None)


def test_a_cancelled_run_may_write_its_checkpoint(site):
    launcher = site.launcher()
    spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    began = time.monotonic()
    launcher.cancel(handle, grace_s=20)
    assert time.monotonic() - began < 10
    status = wait_over(launcher, handle)
    assert (status.code, status.reason) == (143, "cancelled")
    assert ledger(spec) == ["started", "ready", "checkpointed"]


def test_a_run_whose_keeper_is_warned_by_sigusr1_may_write_its_checkpoint_and_is_not_called_cancelled(site):
    launcher = site.launcher()
    spec = site.spec("checkpoint_on_sigterm", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec))
    keeper = wait_until(lambda: (read_json(AttemptFiles.of(spec).start) or {}).get("keeper"))
    os.kill(keeper["pid"], signal.SIGUSR1)
    status = wait_over(launcher, handle)
    assert (status.code, status.reason) == (143, "")
    assert ledger(spec) == ["started", "ready", "checkpointed"]


@pytest.mark.slow
def test_cancelling_ends_what_ignores_sigterm_once_the_grace_is_over(site):
    launcher = site.launcher()
    spec = site.spec("ignore_sigterm", "child=same", "child=session", "daemon", "note=ready", "sleep=60")
    handle = launcher.submit(spec)
    wait_until(lambda: "ready" in ledger(spec) and "daemon" in ledger(spec))
    launcher.cancel(handle, grace_s=0.5)
    status = wait_over(launcher, handle)
    assert (status.signal, status.reason) == (signal.SIGKILL, "cancelled")
    assert len(pids_of(spec)) >= 6
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of the tree", 5)


def test_cancelling_what_is_over_changes_nothing(site):
    launcher = site.launcher()
    handle = launcher.submit(site.spec("exit=9"))
    before = wait_over(launcher, handle)
    launcher.cancel(handle, grace_s=0.1)
    assert launcher.poll([handle]) == [before]


@pytest.mark.slow
def test_what_a_run_leaves_behind_is_ended_with_it(site):
    launcher = site.launcher()
    spec = site.spec("child=same", "child=session", "daemon", "exit=0")
    status = wait_over(launcher, launcher.submit(spec))
    assert (status.code, status.reason) == (0, "")
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of the tree", 5)


@pytest.mark.slow
def test_runs_outlive_a_killed_controller_and_the_next_one_adopts_them(site):
    running = site.spec(f"wait_for={site.folder / 'go'}", "exit=6", run=0)
    ending = site.spec("sleep=0.1", "exit=4", run=1)
    controller, handles = site.controller(running, ending)
    wait_until(lambda: ledger(running) and ledger(ending))
    kill_controller(controller)
    launcher = site.launcher()
    assert wait_over(launcher, handles[1]).code == 4
    assert launcher.poll(handles)[0].state is JobState.RUNNING
    assert launcher.find(running) is not None
    (site.folder / "go").touch()
    assert wait_over(launcher, handles[0]).code == 6
    assert (ledger(running), ledger(ending)) == (["started"], ["started"])


@pytest.mark.slow
def test_a_controller_killed_at_any_moment_of_a_submission_leaves_exactly_one_start(site):
    for run, pause_s in enumerate((0.0, 0.003, 0.02)):
        spec = site.spec("sleep=0.05", run=run)
        controller, _ = site.controller(spec)
        time.sleep(pause_s)
        kill_controller(controller)
        launcher = site.launcher()
        handle = launcher.find(spec) or launcher.submit(spec)
        assert wait_over(launcher, handle).code == 0
        assert ledger(spec) == ["started"]


@pytest.mark.slow
def test_the_next_controller_can_cancel_what_the_last_one_started(site):
    spec = site.spec("child=session", "note=ready", "sleep=60")
    controller, [handle] = site.controller(spec)
    wait_until(lambda: "ready" in ledger(spec))
    kill_controller(controller)
    launcher = site.launcher()
    launcher.cancel(handle, grace_s=0.3)
    assert wait_over(launcher, handle).reason == "cancelled"
    wait_until(lambda: not any(map(is_alive, pids_of(spec))), "the end of the tree", 5)


@pytest.mark.slow
def test_a_time_limit_holds_without_a_controller(site):
    spec = site.spec("sleep=60")
    launcher = site.launcher()
    limited = site.spec("sleep=60", run=1, time_limit_s=1.0)
    handle = launcher.submit(limited)
    wait_running(launcher, handle, limited)
    launcher.close()
    site.launchers.remove(launcher)
    assert wait_over(site.launcher(), handle).reason == "timeout"
    assert ledger(spec) == []


@pytest.mark.slow
def test_closing_leaves_runs_running(site):
    launcher = site.launcher()
    spec = site.spec(f"wait_for={site.folder / 'go'}", "exit=3")
    handle = launcher.submit(spec)
    wait_running(launcher, handle, spec)
    launcher.close()
    site.launchers.remove(launcher)
    (site.folder / "go").touch()
    assert wait_over(site.launcher(), handle).code == 3


def test_the_working_directory_is_the_controllers(site):
    launcher = site.launcher()
    spec = site.spec(command=(sys.executable, "-c", "import os; print(os.getcwd())"))
    assert wait_over(launcher, launcher.submit(spec)).code == 0
    assert (spec.run_dir / "train.log").read_text() == f"{os.getcwd()}\n"  # noqa: PTH109
