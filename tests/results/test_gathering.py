from __future__ import annotations

import json
import math

import pytest

from metta_sweep.result import read_evaluations, read_result, report
from metta_sweep.results import gathering as gathering_module
from metta_sweep.results.gathering import Gathering
from metta_sweep.results.plan import ReadingPlan
from metta_sweep.results.tail import conclude


def plan(**values):
    return ReadingPlan(**{"metric": "loss", "maximizes": False, "readers": ("csv",), "path": "*.csv", **values})


def concluded(here, made, run, **files):
    gathering = Gathering(made, here)
    for name, text in files.items():
        (here.cwd / name.replace("__", ".")).write_text(text)
    conclude(gathering, run)
    return read_result(run), run.log.read_text() if run.log.exists() else ""


def test_a_run_ends_with_a_curve_and_one_value_of_each_metric(source, run):
    made = plan(metrics={"loss": "val", "acc": "a"}, reduce={"loss": "best", "acc": "mean:2"}, step="n")
    here = source(path="*.csv", wanted=made.metrics, step="n")
    result, _ = concluded(here, made, run, log__csv="n,val,a\n1,3,0\n2,1,1\n3,2,2\n")
    assert result.metrics == {"loss": 1.0, "acc": 1.5}
    assert result.steps == 3
    curve = list(read_evaluations(run))
    assert [(line.step, line.metrics) for line in curve][-1] == (3, {"loss": 2.0, "acc": 2.0})


def test_a_result_that_the_run_wrote_itself_wins(source, run):
    run.result.write_text(json.dumps({"metrics": {"loss": 7.0}}))
    result, _ = concluded(source(path="*.csv"), plan(), run, log__csv="loss\n1\n")
    assert result.metrics == {"loss": 7.0}


def test_a_metric_that_ends_as_nan_is_the_runs_value(source, run):
    result, _ = concluded(source(path="*.csv"), plan(), run, log__csv="loss\n1\nnan\n")
    assert math.isnan(result.metrics["loss"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "csv found nothing of this run; it looked for files that fit *.csv below"),
        ({"a__csv": "step,los\n1,2\n"}, "no value of loss (did you mean 'los'?); csv found los in a.csv"),
        ({"a__csv": "loss\n"}, "csv found no numbers in a.csv"),
        ({"a__csv": "loss\n1\n", "b__csv": "loss\n2\n"}, "loss is written in 2 places: a.csv, b.csv; name one of them"),
    ],
)
def test_where_the_metric_does_not_come_it_is_said_what_was_found(source, run, files, said):
    result, log = concluded(source(path="*.csv"), plan(), run, **files)
    assert result is None
    assert log.splitlines()[-1].startswith("no_result: ")
    assert said in log


def test_a_metric_that_two_readers_find_is_refused(source, run):
    made = plan(readers=("csv", "jsonl"), path="*")
    result, log = concluded(source(path="*"), made, run, a__csv="loss\n1\n", b__jsonl='{"loss": 2}\n')
    assert result is None
    assert "2 places" in log


def test_steps_that_go_back_are_said(source, run):
    result, log = concluded(source(path="*.csv"), plan(), run, a__csv="step,loss\n9,1\n3,2\n")
    assert result.metrics["loss"] == 2.0
    assert "went back from 9 to 3" in log


@pytest.mark.parametrize(
    ("every", "until", "is_said"), [(1, 5, True), (1, 10, False), (3, 9, False), (2, 4, False), (1, 2, False)]
)
def test_a_metric_that_ends_long_before_the_rest_is_said(source, run, every, until, is_said):
    logged = {step for step in range(1, until + 1) if step % every == 0}
    rows = "".join(f"{step},{step if step in logged else ''},1\n" for step in range(1, 11))
    result, log = concluded(source(path="*.csv"), plan(), run, a__csv=f"step,loss,other\n{rows}")
    assert result.metrics["loss"] == max(logged)
    assert (f"loss ends, at step {until}, long before the rest" in log) == is_said


def test_what_was_reported_without_an_end_is_taken_where_that_is_asked_for(source, run):
    gathering = Gathering(plan(readers=("report",), path=None, reduce_others="mean:2"), source())
    for step, loss in enumerate([4.0, 2.0, 1.0]):
        report(step=step, run_dir=run.root, loss=loss)
    conclude(gathering, run)
    assert read_result(run).metrics == {"loss": 1.5}
    assert len(list(read_evaluations(run))) == 3


def test_a_curve_of_very_many_values_is_thinned(source, run, monkeypatch):
    monkeypatch.setattr(gathering_module, "FULL_CURVE", 50)
    text = "step,loss\n" + "".join(f"{at},{at}\n" for at in range(1, 1001))
    result, _ = concluded(source(path="*.csv"), plan(), run, a__csv=text)
    assert result.metrics["loss"] == 1000.0
    steps = [line.step for line in read_evaluations(run)]
    assert len(steps) < 300
    assert steps == sorted(steps)
