"""The client writes what our own functions write, needs nothing, and goes into a wheel of its own."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from metta_sweep import should_stop
from metta_sweep.result import RunPaths, read_evaluations, read_result
from metta_sweep.results.environment import client_folder

CLIENT = Path(__file__).parents[2] / "plugins" / "metta-sweep-client"


def run(code, run_dir, *, isolated=True):
    """Run code in a Python that has nothing but the standard library and the client."""
    program = f"import sys; sys.path.insert(0, {str(CLIENT)!r})\n{code}"
    words = [sys.executable, *(["-I", "-S"] if isolated else []), "-c", program]
    environment = {"METTA_SWEEP_RUN_DIR": str(run_dir)} if run_dir else {}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_what_it_reports_and_finishes_with_is_read_by_the_sweep(tmp_path):
    code = (
        "import metta_sweep_client as sweep\n"
        "sweep.report(step=10, loss=0.5)\nsweep.report({'f1%': 1}, step=20, loss=0.25)\n"
        "sweep.finish({'eval/success[0]': 0.75}, cost_s=3, steps=20, loss=0.25)\n"
    )
    assert run(code, tmp_path).stderr == ""
    lines = list(read_evaluations(RunPaths(tmp_path)))
    assert [(line.step, line.metrics) for line in lines] == [(10, {"loss": 0.5}), (20, {"f1%": 1.0, "loss": 0.25})]
    result = read_result(RunPaths(tmp_path))
    assert (result.metrics, result.cost_s, result.steps) == ({"eval/success[0]": 0.75, "loss": 0.25}, 3.0, 20)


def test_a_result_is_written_once(tmp_path):
    done = run("import metta_sweep_client as s; s.finish(loss=1.0); s.finish(loss=2.0)", tmp_path)
    assert "FileExistsError" in done.stderr
    assert json.loads((tmp_path / "result.json").read_text())["metrics"] == {"loss": 1.0}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["result.json"]


def test_a_run_is_asked_to_stop_by_a_file_and_never_outside_a_sweep(tmp_path):
    ask = "import metta_sweep_client as s; print(s.should_stop())"
    assert run(ask, tmp_path).stdout == "False\n"
    assert RunPaths(tmp_path).asks_stop.exists()
    assert not RunPaths(tmp_path).saw_stop.exists()
    RunPaths(tmp_path).stop.touch()
    assert run(ask, tmp_path).stdout == "True\n"
    assert RunPaths(tmp_path).saw_stop.exists()
    assert run(ask, None).stdout == "False\n"


def test_our_own_function_leaves_the_same_files_as_the_client_s(tmp_path, monkeypatch):
    monkeypatch.delenv("METTA_SWEEP_RUN_DIR", raising=False)
    assert not should_stop()
    monkeypatch.setenv("METTA_SWEEP_RUN_DIR", str(tmp_path))
    assert not should_stop()
    RunPaths(tmp_path).stop.touch()
    assert should_stop()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stop", "stop.asked", "stop.seen"]


def test_it_is_found_on_the_path_that_runs_are_given():
    assert client_folder() == CLIENT


@pytest.mark.slow
def test_its_wheel_has_the_client_and_needs_nothing(tmp_path):
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, CLIENT]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        assert "Requires-Dist" not in archive.read(metadata).decode()
    assert {name for name in names if name.endswith(".py")} == {
        "metta_sweep_client/__init__.py",
        "metta_sweep_client/hydra.py",
    }


REPORTS = "import numpy as np, {module} as s; s.report(step=1, loss={value}); s.finish(loss=1.0)"


@pytest.mark.parametrize("module", ["metta_sweep", "metta_sweep_client"])
@pytest.mark.parametrize(
    ("value", "read"), [("np.array([0.5])", 0.5), ("np.float32(0.5)", 0.5), ("10**400", math.inf), ("'0.5'", 0.5)]
)
def test_what_is_one_number_is_reported(tmp_path, module, value, read):
    assert run(REPORTS.format(module=module, value=value), tmp_path, isolated=False).stderr == ""
    assert [line.metrics for line in read_evaluations(RunPaths(tmp_path))] == [{"loss": read}]


@pytest.mark.parametrize("module", ["metta_sweep", "metta_sweep_client"])
@pytest.mark.parametrize("value", ["None", "[1.0]", "np.zeros(2)", "'low'"])
def test_what_is_none_is_named(tmp_path, module, value):
    said = run(REPORTS.format(module=module, value=value), tmp_path, isolated=False).stderr
    assert "TypeError: loss: need a number, got " in said
