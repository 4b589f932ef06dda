"""What the function under ``@hydra.main`` returns becomes the run's result, and what is none says why."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from metta_sweep.result import RunPaths, read_result
from metta_sweep.sweep.failures import Ending, failure_of
from metta_sweep.sweep.ports import JobState, JobStatus
from tests.hydra_sweeper.conftest import PLUGIN

assert PLUGIN

from hydra_protein_sweeper.callback import RunCallback, metrics_of  # noqa: E402


def job(value, status="COMPLETED"):
    return SimpleNamespace(_return_value=value, status=SimpleNamespace(name=status))


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("METTA_SWEEP_RUN_DIR", str(tmp_path))
    monkeypatch.setenv("METTA_SWEEP_METRIC", "loss")
    return tmp_path


@pytest.mark.parametrize(
    ("value", "metrics"),
    [
        (0.5, {"loss": 0.5}),
        (np.float32(0.5), {"loss": 0.5}),
        (np.array([0.5]), {"loss": 0.5}),
        ({"loss": np.float64(1), "name": "x", "top": {"1": 2}}, {"loss": 1.0, "top/1": 2.0}),
        ((0.5, 0.1), {"loss": 0.5, "loss_se": 0.1}),
        ((0.5, float("nan")), {"loss": 0.5}),
    ],
)
def test_a_number_a_mapping_and_a_pair_are_results(value, metrics, run_dir):
    RunCallback().on_job_end(config=None, job_return=job(value))
    assert read_result(RunPaths(run_dir)).metrics == metrics


@pytest.mark.parametrize("value", [None, "0.5", [1, 2, 3], (0.5, -1), {"a": "b"}, {}, object()])
def test_what_is_no_result_is_a_failure_with_its_name(value, run_dir, capsys):
    RunCallback().on_job_end(config=None, job_return=job(value))
    assert list(run_dir.iterdir()) == []
    ending = Ending(status=JobStatus(state=JobState.EXITED, code=0), log_tail=capsys.readouterr().err)
    failure = failure_of(ending, "loss")
    assert failure.kind == "no_result"
    assert "the function under @hydra.main returned " in failure.message


def test_of_several_metrics_as_many_numbers_are_those(run_dir):
    assert metrics_of((1, 2.5), "loss", ["loss", "size"]) == ({"loss": 1.0, "size": 2.5}, "")
    assert metrics_of((1, 2.5, 3), "loss", ["loss", "size"])[1]
    assert metrics_of((1, 2), "a", ["a", "b", "c"])[1]
    assert metrics_of({"loss": 1, "size": 2}, "loss", ["loss", "size"])[0] == {"loss": 1.0, "size": 2.0}


def test_none_is_told_what_to_return():
    assert metrics_of(None, "loss")[1] == (
        "the function under @hydra.main returned None: have it return loss, a number, or a mapping of metrics"
    )


def test_a_failed_job_another_rank_and_a_run_outside_a_sweep_leave_nothing(run_dir, monkeypatch):
    RunCallback().on_job_end(config=None, job_return=job(ValueError(), status="FAILED"))
    RunCallback(keeps_return=False).on_job_end(config=None, job_return=job(1.0))
    with monkeypatch.context() as second:
        second.setenv("RANK", "1")
        RunCallback().on_job_end(config=None, job_return=job(1.0))
    monkeypatch.delenv("METTA_SWEEP_RUN_DIR")
    RunCallback().on_job_end(config=None, job_return=job(1.0))
    assert list(run_dir.iterdir()) == []


def test_a_result_that_the_app_has_written_itself_stays(run_dir):
    (run_dir / "result.json").write_text(json.dumps({"metrics": {"loss": 7}}))
    RunCallback().on_job_end(config=None, job_return=job(1.0))
    assert read_result(RunPaths(run_dir)).metrics == {"loss": 7.0}
