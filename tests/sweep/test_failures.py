"""Every ending has one class, and the class decides what is learned, retried or stopped."""

from __future__ import annotations

import signal

import pytest

from metta_sweep.result import RunResult
from metta_sweep.sweep.failures import DETAIL_LIMIT, Ending, failure_of
from metta_sweep.sweep.ports import JobState, JobStatus
from metta_sweep.sweep.records import FailureClass


def ended(code=None, number=None, reason="", log="", result=None, problem="", state=JobState.EXITED):
    status = JobStatus(state=state, code=code, signal=number, reason=reason, wall_s=3.0)
    return Ending(status=status, log_tail=log, result=result, result_problem=problem)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        (ended(code=1, log="torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (ended(code=1, log="numpy.exceptions.MemoryError\nMemoryError: Unable to allocate"), "oom"),
        (ended(number=signal.SIGABRT, log="terminate called after throwing 'std::bad_alloc'"), "oom"),
        (ended(code=3, log="step 7\ndiverged: loss is nan"), "diverged"),
        (ended(code=1, log="FloatingPointError: underflow"), "diverged"),
        (ended(code=1, log="Traceback …\nOverflowError: (34, 'Numerical result out of range')"), "diverged"),
        (ended(code=2, log="invalid_config: trainer.batch_size % trainer.minibatch_size"), "invalid_config"),
        (ended(number=signal.SIGKILL, reason="timeout"), "timeout"),
        (ended(code=0), "no_result"),
        (ended(code=0, problem="result.json: need …"), "no_result"),
        (ended(number=signal.SIGKILL), "killed"),
        (ended(number=signal.SIGTERM), "killed"),
        (ended(code=143), "killed"),
        (ended(code=137), "killed"),
        (ended(state=JobState.LOST), "infrastructure"),
        (ended(number=signal.SIGKILL, reason="node_lost"), "infrastructure"),
        (ended(code=1, log="OSError: [Errno 28] No space left on device"), "infrastructure"),
        (ended(number=signal.SIGSEGV), "crash"),
        (ended(code=1, log="Traceback (most recent call last):\nKeyError: 'x'"), "crash"),
        (ended(code=127, log="no_such_program: not found"), "crash"),
    ],
    ids=str,
)
def test_every_ending_has_its_class(ending, kind):
    assert failure_of(ending, "reward").kind == kind


def test_a_result_wins_over_the_exit_status():
    result = RunResult(metrics={"reward": 1.0})
    assert failure_of(ended(number=signal.SIGSEGV, result=result), "reward") is None
    assert failure_of(ended(state=JobState.LOST, result=result), "reward") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_result_that_is_no_number_is_a_divergence(value):
    failure = failure_of(ended(code=0, result=RunResult(metrics={"reward": value})), "reward")
    assert failure.kind is FailureClass.DIVERGED


def test_a_lacking_metric_is_not_the_fault_of_the_run():
    assert failure_of(ended(code=0, result=RunResult(metrics={"loss": 1.0})), "reward") is None


def test_the_evidence_is_the_last_traceback_and_bounded():
    log = (
        "noise\n" * 5_000
        + "Traceback (most recent call last):\n  first\nTraceback (most recent call last):\n  second\nE: x"
    )
    assert failure_of(ended(code=1, log=log), "reward").detail.startswith(
        "Traceback (most recent call last):\n  second"
    )
    assert len(failure_of(ended(code=1, log="x" * 100_000), "reward").detail) <= DETAIL_LIMIT


def test_only_four_classes_blame_the_parameters_and_two_are_retried():
    assert {kind.value for kind in FailureClass if kind.blames_parameters} == {
        "oom",
        "diverged",
        "invalid_config",
        "timeout",
    }
    assert {kind.value for kind in FailureClass if kind.is_retried} == {"killed", "infrastructure"}


def test_a_run_that_fails_on_a_full_disk_is_not_to_blame_though_its_log_says_nothing():
    status = JobStatus(state=JobState.EXITED, code=1, reason="disk_full")
    assert failure_of(Ending(status=status), "reward").kind is FailureClass.INFRASTRUCTURE


def test_why_a_run_has_no_result_is_said_as_its_reader_says_it():
    log = "loss 0.3\nno_result: no value of acc; csv found loss in a.csv\n"
    assert failure_of(ended(code=0, log=log), "acc").message == "no value of acc; csv found loss in a.csv"


def test_a_run_that_only_reported_is_told_that_its_end_is_missing():
    ending = Ending(status=JobStatus(state=JobState.EXITED, code=0), last_step=300)
    message = failure_of(ending, "acc").message
    assert "up to step 300" in message
    assert "finish()" in message
    assert "results: {from: report}" in message
