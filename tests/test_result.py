"""The files of a run: written whole or not at all, read without trust."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import metta_sweep
from metta_sweep.result import (
    RUN_DIR_VARIABLE,
    ResultError,
    RunPaths,
    RunResult,
    finish_metrics,
    newest_evaluation,
    read_evaluations,
    read_result,
    report_metrics,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.slow
@given(
    st.dictionaries(NAMES, st.floats(), max_size=5), st.none() | st.floats(0, 1e9), st.none() | st.integers(0, 10**12)
)
def test_a_result_survives_its_file(tmp_path_factory, metrics, cost_s, steps):
    root = tmp_path_factory.mktemp("run")
    finish_metrics(metrics, cost_s=cost_s, steps=steps, run_dir=root)
    read = read_result(RunPaths(root))
    assert repr(read) == repr(RunResult(metrics=metrics, cost_s=cost_s, steps=steps))
    assert [path.name for path in root.iterdir()] == ["result.json"]


def test_without_a_file_there_is_no_result(tmp_path):
    assert read_result(RunPaths(tmp_path)) is None
    assert list(read_evaluations(RunPaths(tmp_path))) == []


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"metrics": 3}', '{"metrics": [1]}', "[" * 99_999, '{"a":' * 99_999, "\xff\xfe"],
)
def test_what_is_no_result_is_named(tmp_path, text):
    RunPaths(tmp_path).result.write_bytes(text.encode("latin-1"))
    with pytest.raises(ResultError, match=r"result\.json"):
        read_result(RunPaths(tmp_path))


def test_a_second_result_is_refused_and_the_first_kept(tmp_path):
    finish_metrics({"a": 1}, run_dir=tmp_path)
    with pytest.raises(FileExistsError):
        finish_metrics({"a": 2}, run_dir=tmp_path)
    assert read_result(RunPaths(tmp_path)).metrics == {"a": 1.0}


def test_evaluations_are_read_in_order_past_torn_and_foreign_lines(tmp_path):
    report_metrics({"a": 1}, step=10, run_dir=tmp_path)
    with RunPaths(tmp_path).metrics.open("a") as file:
        file.write('garbage\n{"step": 3}\n{"step": 4, "metrics": {"a"\n')
    report_metrics({"a": math.nan, "b.c": 2}, step=20, run_dir=tmp_path)
    first, second = read_evaluations(RunPaths(tmp_path))
    assert (first.step, dict(first.metrics)) == (10, {"a": 1.0})
    assert second.step == 20
    assert second.metrics["b.c"] == 2.0
    assert second.time_s >= first.time_s >= 0


def test_a_training_script_reports_through_the_package_in_the_directory_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setenv(RUN_DIR_VARIABLE, str(tmp_path))
    metta_sweep.report(step=1, loss=0.5)
    metta_sweep.finish(loss=0.25, cost_s=2.0)
    assert read_result(RunPaths(tmp_path)) == RunResult(metrics={"loss": 0.25}, cost_s=2.0)


@pytest.mark.slow
def test_report_stays_callable_when_the_report_package_is_loaded(tmp_path):
    code = f"import metta_sweep, metta_sweep.report\nmetta_sweep.report(step=1, loss=0.5, run_dir={str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert json.loads(RunPaths(tmp_path).metrics.read_text())["metrics"] == {"loss": 0.5}


def test_the_newest_line_keeps_the_metric_of_the_last_evaluation(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path)
    assert newest_evaluation(paths, "reward") is None
    for step, metrics in ((1, {"reward": 0.5}), (2, {"train/kl": 0.1}), (3, {"train/kl": 0.2})):
        report_metrics(metrics, step=step, run_dir=tmp_path)
    newest = newest_evaluation(paths, "reward")
    assert newest is not None
    assert (newest.step, newest.metrics) == (3, {"train/kl": 0.2, "reward": 0.5})
    other = newest_evaluation(paths, "accuracy")
    assert other is not None
    assert other.metrics == {"train/kl": 0.2}
