from __future__ import annotations

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metta_sweep.result import RunResult, finish_metrics, report_metrics
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.run_log import ATTEMPT_LINE
from metta_sweep.store.runs import LOG_TAIL_BYTES, RunDirectories, to_yaml

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def directories(tmp_path):
    return RunDirectories(SweepPaths(tmp_path, "my"))


def test_a_run_is_prepared_with_its_config_and_its_suggestion(tmp_path):
    run = directories(tmp_path).prepare("my.r.0", config={"b": 1e-5, "a": [1, None]}, suggestion={"origin": "center"})
    assert run.root == tmp_path / "sweep" / "my" / "runs" / "my.r.0"
    assert yaml.safe_load(run.config.read_text()) == {"b": 1e-5, "a": [1, None]}
    assert list(yaml.safe_load(run.config.read_text())) == ["b", "a"]
    assert yaml.safe_load(run.suggestion.read_text()) == {"origin": "center"}


def test_preparing_again_overwrites_nothing_and_adds_what_is_missing(tmp_path):
    runs = directories(tmp_path)
    run = runs.prepare("my.r.0", config={"x": 1}, suggestion={"y": 1})
    run.suggestion.unlink()
    runs.prepare("my.r.0", config={"x": 2}, suggestion={"y": 2})
    assert yaml.safe_load(run.config.read_text()) == {"x": 1}
    assert yaml.safe_load(run.suggestion.read_text()) == {"y": 2}


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=4))
def test_whatever_is_written_as_yaml_is_read_back_the_same(content):
    assert yaml.safe_load(to_yaml(content)) == content


def test_results_and_evaluations_are_those_that_the_run_wrote(tmp_path):
    runs = directories(tmp_path)
    run = runs.prepare("my.r.0", config={}, suggestion={})
    assert runs.result("my.r.0") is None
    assert list(runs.evaluations("my.r.0")) == []
    report_metrics({"reward": 1.0}, step=5, run_dir=run.root)
    finish_metrics({"reward": 2.0}, cost_s=3.0, steps=10, run_dir=run.root)
    assert runs.result("my.r.0") == RunResult(metrics={"reward": 2.0}, cost_s=3.0, steps=10)
    assert [(line.step, line.metrics) for line in runs.evaluations("my.r.0")] == [(5, {"reward": 1.0})]


def test_the_tail_of_a_log_is_bounded_and_readable_whatever_is_in_it(tmp_path):
    runs = directories(tmp_path)
    run = runs.prepare("my.r.0", config={}, suggestion={})
    assert runs.log_tail("my.r.0") == ""
    run.log.write_bytes(b"\xff\xfe" * 20_000 + b"the end\n")
    assert len(runs.log_tail("my.r.0")) <= LOG_TAIL_BYTES
    assert runs.log_tail("my.r.0").endswith("the end\n")


def test_the_tail_is_of_the_last_attempt_alone(tmp_path):
    runs = directories(tmp_path)
    run = runs.prepare("my.r.0", config={}, suggestion={})
    run.log.write_text(f"out of memory\n\n{ATTEMPT_LINE}my.r.0.a2\nfine\n")
    assert runs.log_tail("my.r.0") == "fine\n"
    run.log.write_text(f"out of memory\n\n{ATTEMPT_LINE}my.r.0.a2\n")
    assert runs.log_tail("my.r.0") == ""


def test_a_run_that_prints_such_a_line_within_a_line_hides_nothing(tmp_path):
    runs = directories(tmp_path)
    run = runs.prepare("my.r.0", config={}, suggestion={})
    run.log.write_text(f"error: {ATTEMPT_LINE}x\nmore\n")
    assert "error" in runs.log_tail("my.r.0")
