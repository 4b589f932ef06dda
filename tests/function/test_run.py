"""A sweep over a Python function, in this process: what a caller sees of it."""

from __future__ import annotations

import _thread
import functools
import signal
import subprocess
import sys
import threading
import time
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import metta_sweep
from metta_sweep.errors import SweepFailedError
from metta_sweep.report.next_step import next_step
from metta_sweep.report.place import Place
from metta_sweep.report.reading import state_of
from metta_sweep.report.rows import rows_of
from metta_sweep.result import RunPaths
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import FailureClass, RunState
from tests.function.functions import SPACE, raising, returning_none, slow, squared, with_curve


@pytest.fixture
def search(tmp_path):
    """Runs a small sweep; keywords replace what it asks for."""

    def call(function, params=SPACE, **other):
        asked = {"name": "mine", "metric": "loss", "goal": "minimize", "rollout_count": 3, "optimizer": "random"}
        asked |= {"data_dir": tmp_path, "progress": False, **other}
        return metta_sweep.run(function, params, **asked)

    return call


def states(sweep):
    return [run.state for run in sweep.state.runs.values()]


@pytest.mark.slow
def test_a_function_is_searched_and_the_sweep_is_read_as_any_other(search, tmp_path):
    sweep = search(with_curve)
    assert sweep.best.params == min((run.params for run in sweep.suggestions()), key=lambda point: point["x"] ** 2)
    assert list(sweep.frame()["metric.seed"]) == [0, 1, 2]
    assert sweep.report(tmp_path / "mine.html").read_text().startswith("<!DOCTYPE html>")
    assert len(sweep.state.runs["mine.r.0"].curve) == 4


def test_the_same_name_goes_on_to_the_total_and_no_further(search):
    calls = []

    def train(config):
        calls.append(config["x"])
        return config["x"]

    for total, called in ((2, 2), (3, 3), (3, 3)):
        assert states(search(train, rollout_count=total)) == [RunState.FINISHED] * total
        assert len(calls) == called


def test_what_to_do_about_failures_is_a_command_alone(search, tmp_path):
    def train(config):
        return float("nan")

    with pytest.raises(SweepFailedError):
        search(train)
    rows = rows_of(state_of(SweepPaths(tmp_path, "mine")))
    step = next_step(rows, Place.here(SweepPaths(tmp_path, "mine"), controller=""))
    assert "retry mine mine.r.0 mine.r.1 mine.r.2" in step.command
    assert "metta_sweep.run(" not in step.command
    assert step.purpose.endswith("have failed runs done again, then call it again")


def test_another_function_is_another_search(search):
    search(squared)
    with pytest.raises(metta_sweep.RequestError, match="function: sweep 'mine' was started with squared, got slow"):
        search(slow)


def test_a_changed_space_is_a_new_version_and_what_does_not_fit_is_kept(search):
    search(squared)
    sweep = search(
        squared, {"x": {"min": 0.0, "max": 0.5, "distribution": "uniform"}}, points=[{"x": 0.25}], rollout_count=4
    )
    assert len(sweep.state.versions) == 2
    assert sweep.best.params == {"x": 0.25}


def test_a_config_has_the_fixed_values_the_parameters_and_the_seed(search):
    seen = []
    params = {"model.depth": {"values": [2]}}
    search(lambda config: seen.append(config) or 1.0, params, config={"model": {"width": 8}}, rollout_count=1)
    assert seen == [{"model": {"width": 8, "depth": 2}, "seed": 0}]


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (None, "returned None: return the loss as a number, or a dict of metrics with 'loss' in it"),
        ("low", "returned 'low' (str): return the loss as a number"),
        (True, "returned True (bool)"),
        ([0.5], "returned [0.5] (list)"),
        ({"note": "x"}, "returned a dict without a number in it"),
    ],
)
def test_a_return_value_that_is_no_result_is_named(search, returned, said):
    def train(config):
        return returned

    with pytest.raises(metta_sweep.SweepFailedError, match="no_result") as caught:
        search(train)
    assert said in str(caught.value)


@pytest.mark.parametrize("returned", [np.array([0.5]), np.float16(0.5), Fraction(1, 2), {"loss": np.array([[0.5]])}])
def test_one_number_of_any_kind_is_a_score(search, returned):
    assert search(lambda config: returned, rollout_count=1).best.mean == 0.5


def test_a_whole_number_that_no_float_holds_has_diverged(search):
    with pytest.raises(metta_sweep.SweepFailedError, match="loss is inf"):
        search(lambda config: 10**400, rollout_count=1)


def test_an_exception_is_a_failure_with_its_traceback_in_the_log_of_its_run(search, tmp_path):
    with pytest.raises(metta_sweep.SweepFailedError, match="ValueError: nothing at") as caught:
        search(raising)
    assert isinstance(caught.value.__cause__, ValueError)
    sweep = metta_sweep.Sweep.open("mine", data_dir=tmp_path)
    assert {run.failure.kind for run in sweep.state.runs.values()} == {FailureClass.CRASH}
    log = sweep.paths.run("mine.r.0").log.read_text()
    assert log.startswith("Traceback (most recent call last):\n  File")
    assert "running.py" not in log


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), FailureClass.OOM),
        (FloatingPointError("nan"), FailureClass.DIVERGED),
        (SystemExit("invalid_config: x is too low"), FailureClass.INVALID_CONFIG),
    ],
)
def test_an_exception_is_classified_as_a_command_s_is(search, error, kind):
    def train(config):
        if config["x"] < 0:
            raise error
        return config["x"]

    sweep = search(train, points=[{"x": -0.5}, {"x": 1.5}], rollout_count=2)
    assert sweep.state.runs["mine.r.0"].failure.kind is kind
    assert sweep.best.params == {"x": 1.5}


def test_one_run_at_a_time_is_called_on_the_thread_that_asked(search):
    threads = []
    search(lambda config: threads.append(threading.current_thread()) or config["x"])
    assert set(threads) == {threading.current_thread()}


def test_several_at_once_run_beside_each_other(search):
    together = threading.Barrier(3, timeout=20)
    sweep = search(lambda config: (together.wait() and 0.0) or config["x"], max_parallel=3)
    assert states(sweep) == [RunState.FINISHED] * 3


def test_the_functions_of_a_training_script_work_in_a_call_as_well(search):
    def train(config):
        metta_sweep.report(step=1, loss=2.0)
        metta_sweep.finish(loss=config["x"], cost_s=7.0)

    sweep = search(train)
    assert {run.cost_s for run in sweep.state.runs.values()} == {7.0}
    assert not Path("metrics.jsonl").exists()


def test_a_run_over_its_time_is_ended_at_its_next_report(search):
    with pytest.raises(metta_sweep.SweepFailedError, match="time limit reached"):
        search(slow, limits={"run_time": 0.1}, rollout_count=1)


@pytest.fixture
def hears_ctrl_c():
    """A shell's background jobs are started deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_comes_back_and_the_same_call_goes_on(search, tmp_path):
    def interrupted(config, trial):
        _thread.interrupt_main()
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        search(interrupted)
    left = metta_sweep.Sweep.open("mine", data_dir=tmp_path)
    assert (left.state.stopped.rule, states(left)) == ("interrupted", [RunState.WAITING])
    interrupted = _again(interrupted)
    assert states(search(interrupted)) == [RunState.FINISHED] * 3


def _again(function):
    """Return a function of the same name that does its work."""

    def train(config):
        return config["x"]

    train.__name__ = function.__name__
    return train


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing_that_was_finished(tmp_path):
    code = (
        "import os, signal, metta_sweep\n"
        "def train(config, trial):\n"
        "    if trial.run_id == 'mine.r.2': os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return config['x'] ** 2\n"
        f"metta_sweep.run(train, {SPACE!r}, name='mine', metric='loss', goal='minimize', rollout_count=4,\n"
        f"                optimizer='random', data_dir={str(tmp_path)!r}, progress=False)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -9
    sweep = metta_sweep.Sweep.open("mine", data_dir=tmp_path)
    assert states(sweep)[:2] == [RunState.FINISHED] * 2
    again = subprocess.run([sys.executable, "-c", code.replace("mine.r.2", "none")], check=False)
    assert again.returncode == 0
    assert [run.state for run in state_of(sweep.paths).runs.values()] == [RunState.FINISHED] * 4


def test_two_at_once_under_one_name_are_told_of_each_other(search):
    inside = []

    def train(config):
        try:
            search(train)
        except metta_sweep.RequestError as error:
            inside.append(str(error))
        return config["x"]

    search(train, rollout_count=1)
    assert "sweep 'mine' is controlled by another process" in inside[0]


@pytest.mark.slow
def test_a_poor_run_is_told_to_stop_and_one_that_does_not_ask_ends_at_its_next_report(search):
    seen = []

    def train(config, trial):
        for step in range(1, 41):
            time.sleep(0.01)
            trial.report(step, loss=config["x"] ** 2)
            if config["asks"] and trial.should_stop():
                seen.append(trial.run_id)
                return None
        return config["x"] ** 2

    early = {"policy": "median", "min_full_runs": 2, "total_steps": 40}
    for asks in (False, True):
        points = [{"x": 0.1}, {"x": 0.2}, {"x": 1.9}]
        sweep = search(train, name=f"asks-{asks}", config={"asks": asks}, early_stop=early, points=points)
        assert states(sweep)[2] is RunState.STOPPED_EARLY
        assert ("asks-True.r.2" in seen) is asks


@pytest.mark.slow
def test_processes_leave_what_they_print_and_raise_in_the_log_and_a_function_is_found_by_its_name(search, tmp_path):
    sweep = search(with_curve, workers="processes", max_parallel=2)
    assert len({run.metrics["pid"] for run in sweep.state.runs.values()}) == 3
    with pytest.raises(metta_sweep.SweepFailedError, match="ValueError: nothing at"):
        search(raising, name="raising", workers="processes")
    log = metta_sweep.Sweep.open("raising", data_dir=tmp_path).paths.run("raising.r.0").log.read_text()
    assert log.startswith("about to fail\nTraceback")
    with pytest.raises(metta_sweep.SweepFailedError, match="returning_none returned None"):
        search(returning_none, name="none", workers="processes")
    # Begun in processes, gone on with here.
    assert states(search(with_curve, rollout_count=4)) == [RunState.FINISHED] * 4


@pytest.mark.long
def test_a_script_is_loaded_by_its_processes_and_not_run_again(tmp_path):
    body = (
        "import metta_sweep\n"
        "def train(config):\n    return config['x'] ** 2\n"
        "GUARD"
        f"    metta_sweep.run(train, {SPACE!r}, name='mine', metric='loss', goal='minimize', rollout_count=3,\n"
        f"        optimizer='random', workers='processes', data_dir={str(tmp_path)!r}, progress=False)\n"
    )
    script = tmp_path / "search.py"
    script.write_text(body.replace("GUARD", "if __name__ == '__main__':\n"))
    assert subprocess.run([sys.executable, str(script)], check=False).returncode == 0
    script.write_text(body.replace("GUARD", "if True:\n").replace("'mine'", "'bare'"))
    bare = subprocess.run([sys.executable, str(script)], check=False, capture_output=True, text=True)
    assert 'put it below   if __name__ == "__main__":' in bare.stderr


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"n_trials": 3}, "n_trials: there is no such argument\n  fix: write rollout_count"),
        ({"goal": "min"}, "goal: need one of maximize, minimize"),
        ({"name": "a/b"}, "name: need letters"),
        (
            {"workers": "proceses"},
            "workers: need one of threads, processes, slurm, ray, got 'proceses'\n  fix: did you",
        ),
        ({"max_parallel": 0}, "max_parallel: need at least 1, got 0"),
        ({"config": {"model": object()}}, "config.model: need plain data (numbers, text, lists, mappings), got object"),
        ({"config": {"seed": 1}}, "config.seed: is set by the sweep for every run"),
        ({"points": [{"x": 9}]}, "points.0.x: need a number from -1 to 2, got 9"),
        ({"limits": {"run_tim": "3m"}}, "limits.run_tim: is not known\n  fix: did you mean run_time?"),
        ({"constraints": ["x >"]}, "constraints.0: 'x >' is not an expression"),
        ({"protein": {"candidats": 3}}, "protein.candidats: need one of"),
        ({"change": "metrics"}, "change: need metric or goal"),
        ({"params": {}}, "params: there are no parameters to search"),
        ({"params": {"x": {"min": 2, "max": 1, "distribution": "uniform"}}}, "params.x: need min"),
        ({"params": {"seed": {"values": [1, 2]}}}, "params.seed: is set by the sweep"),
    ],
)
def test_a_wrong_argument_is_one_message_under_its_keyword_and_changes_nothing(search, tmp_path, asked, said):
    params = asked.pop("params", SPACE)
    with pytest.raises(metta_sweep.RequestError) as caught:
        search(squared, params, **asked)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


async def _coroutine(config):
    return config["x"]


@pytest.mark.parametrize(
    ("function", "workers", "said"),
    [
        (5, "threads", "function: need a function to call with a config, got int"),
        (lambda a, b, c: 0, "threads", "(config, trial), and takes (a, b, c)"),
        (_coroutine, "threads", "_coroutine is async\n  fix: await metta_sweep.run_async(_coroutine, …)"),
        (lambda config: 0, "processes", "<lambda> cannot be found there"),
        (functools.partial(squared), "processes", "and partial cannot be found there"),
    ],
)
def test_a_function_that_cannot_be_called_so_is_named_with_what_to_do(search, tmp_path, function, workers, said):
    with pytest.raises(metta_sweep.RequestError) as caught:
        search(function, workers=workers)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_was_left_behind_leaves_nothing_in_the_directory_of_the_run_that_is_done_again(tmp_path):
    def ended():
        raise metta_sweep.RunEndedError("mine.r.0.a1 is to end: cancelled")

    trial = metta_sweep.Trial(RunPaths(tmp_path), seed=0, told_to_end=lambda: True, check=ended)
    assert trial.should_stop()
    for late in (lambda: trial.report(1, loss=1.0), lambda: trial.finish(loss=1.0)):
        with pytest.raises(metta_sweep.RunEndedError):
            late()
    assert list(tmp_path.iterdir()) == []


def test_several_metrics_have_a_goal_each_and_bounds_hold(search):
    def train(config):
        return {"loss": config["x"] ** 2, "size": 2 - config["x"]}

    goals = {"metric": ["loss", "size"], "goal": ["minimize", "minimize"], "optimizer": "protein"}
    weighted = search(train, name="weighted", weights=[1, 2], **goals)
    assert weighted.state.spec.metric == "loss + 2*size"
    with pytest.raises(metta_sweep.SweepFailedError, match="return a dict of metrics with 'loss' and 'size' in it"):
        search(lambda config: 1.0, name="number", **goals)
    with pytest.raises(metta_sweep.RequestError, match=r"^goal\.1: need one of maximize, minimize, got the text 'min'"):
        search(train, **{**goals, "goal": ["minimize", "min"]})


def test_a_secret_of_the_environment_is_not_written_into_a_config(search, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "s3cr3t-0123456789")
    with pytest.raises(metta_sweep.RequestError, match=r"config\.key: holds the value of a secret") as caught:
        search(squared, config={"key": "s3cr3t-0123456789"})
    assert "s3cr3t" not in str(caught.value)


class Notebook:
    """Stands for IPython in a kernel: what is displayed, and what it is replaced by."""

    def __init__(self):
        self.shown = []

    def get_ipython(self):
        return type("Shell", (), {"kernel": None})

    def display(self, html, display_id):
        assert display_id
        self.update(html)
        return self

    def update(self, html):
        self.shown.append(html)


def test_a_notebook_has_one_output_that_shows_how_it_stands(search, monkeypatch, capsys):
    notebook = Notebook()
    modules = types.SimpleNamespace(HTML=str, display=notebook.display)
    monkeypatch.setitem(sys.modules, "IPython", notebook)
    monkeypatch.setitem(sys.modules, "IPython.display", modules)
    search(squared, progress=True)
    assert "the sweep begins" in notebook.shown[0]
    assert "Complete: all 3 rollouts are done" in notebook.shown[-1]
    assert capsys.readouterr().out == ""


def test_lines_are_printed_where_there_is_no_notebook(search, capsys):
    search(squared, progress=True)
    said = capsys.readouterr().out
    assert "mine.r.2: loss" in said
    assert "Complete: all 3 rollouts are done" in said


def test_numbers_of_numpy_and_tuples_are_plain_data():
    numpy = pytest.importorskip("numpy")
    from metta_sweep.config.keywords import _Plain

    problems = []
    given = {"a": numpy.float32(0.5), "b": (1, numpy.int64(2)), "c": Path("x"), "d": range(2), "e": None}
    assert _Plain(problems).mapping("", given) == {"a": 0.5, "b": [1, 2], "c": "x", "d": [0, 1], "e": None}
    assert problems == []
