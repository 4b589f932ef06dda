"""An optimizer is asked for by name, wherever it comes from; what it is not asked is not known outside."""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.registry import has_model, kind_of, known_kind, optimizer_names, read_optimizer
from metta_sweep.optimize.worker import InvalidSuggestionError, OptimizerProcess
from metta_sweep.space import SearchSpace

PACKAGE = Path(__file__).parents[2] / "metta_sweep"
MAY_KNOW_PROTEIN = ("optimize", "__init__.py")


def test_the_names_are_those_of_the_package_first():
    assert optimizer_names()[:3] == ["protein", "random", "sobol"]
    assert [kind_of(name).name for name in optimizer_names()] == optimizer_names()


def test_an_unknown_name_is_an_error_that_names_the_nearest():
    with pytest.raises(RequestError, match="need one of protein, random, sobol, got 'randon'") as refused:
        kind_of("randon")
    assert refused.value.problems[0].fix == "did you mean random?"
    assert known_kind("gone") is None
    assert not has_model("gone")


def test_settings_of_protein_are_checked_whatever_the_optimizer_is():
    with pytest.raises(RequestError, match=r"protein\.candidates"):
        read_optimizer("random", {"candidates": 0})
    read_optimizer("random", {"candidates": 100})


@pytest.mark.slow
def test_nothing_outside_knows_which_optimizer_it_is():
    wrong = [
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if file.relative_to(PACKAGE).parts[0] not in MAY_KNOW_PROTEIN
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("metta_sweep.optimize.")
        and (node.module or "").split(".")[2] in ("protein", "random", "sobol", "sequence", "points", "bundled")
    ]
    assert wrong == []


GRID = """
from metta_sweep.optimize.port import OptimizerKind, Suggestion, always

class Halving:
    def __init__(self, task):
        self.task, self.done = task, 0
    def suggest(self, pending=()):
        x = 0.5 ** (1 + self.done + len(pending))
        return Suggestion(params={"lr": x}, origin="halving", reason="half of the one before")
    def observe(self, params, score, cost, noise=None, curve=()):
        self.done += 1
    def observe_failure(self, params):
        self.done += 1

KIND = OptimizerKind(name="halving", make=Halving, is_quick=always)
WRONG = Halving
"""
ENTRY_POINTS = """
[metta_sweep.optimizers]
halving = toy_optimizer:KIND
not_a_kind = toy_optimizer:WRONG
not_there = toy_optimizer:NOTHING
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Install a package with an optimizer of its own, for this process and its children."""
    (tmp_path / "toy_optimizer.py").write_text(GRID)
    information = tmp_path / "toy_optimizer-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-optimizer\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield tmp_path
    sys.modules.pop("toy_optimizer", None)


def test_an_entry_point_adds_an_optimizer(toy):
    assert {"halving", "not_a_kind"} <= set(optimizer_names())
    assert kind_of("halving").name == "halving"
    assert not has_model("halving")


@pytest.mark.parametrize("rule", [[], ["lr > 0.4"]])
def test_a_point_that_may_not_be_run_is_never_launched(toy, rule):
    low = 0.01 if rule else 0.4
    space = SearchSpace.parse({"lr": {"min": low, "max": 1.0, "distribution": "uniform"}}, rule)
    with closing(OptimizerProcess("halving", SearchTask(space=space, goal="maximize", seed=0))) as optimizer:
        first = optimizer.suggest()
        with pytest.raises(InvalidSuggestionError, match=r"halving suggested \{'lr': 0.25\}, which may not be run"):
            optimizer.suggest([first.params])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not_a_kind", r"not_a_kind = toy_optimizer:WRONG of toy-optimizer gives type, need an OptimizerKind"),
        ("not_there", r"not_there = toy_optimizer:NOTHING of toy-optimizer cannot be loaded"),
    ],
)
def test_an_entry_point_that_is_no_optimizer_says_so(toy, name, message):
    with pytest.raises(RequestError, match=message):
        kind_of(name)


SWEEP = """
rollout_count: 3
sweep:
  metric: score
  command: {python} {trial} {{args}}
  optimizer: halving
  parameters:
    lr: {{min: 0.01, max: 1.0, distribution: uniform}}
"""


def metta_sweep(folder, *words):
    line = [sys.executable, "-m", "metta_sweep.commands", *words]
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.slow
def test_an_optimizer_of_another_package_runs_a_sweep_and_another_one_goes_on_with_it(toy):
    trial = toy / "trial.py"
    trial.write_text(
        textwrap.dedent("""
        import sys, metta_sweep
        metta_sweep.finish(score=float(sys.argv[1].partition("=")[2]))
        """)
    )
    (toy / "toy.yaml").write_text(SWEEP.format(python=sys.executable, trial=trial))
    words = ("run=toy", "++sweep_params=toy.yaml", "wandb=off", f"data_dir={toy}/data")
    done = metta_sweep(toy, "run", *words)
    assert (done.returncode, done.stderr) == (0, "")
    shown = metta_sweep(toy, "summarize", "toy", f"--data-dir={toy}/data").stdout
    assert "Optimizer: halving (no model)" in shown
    assert "lr=0.125" in shown
    more = metta_sweep(toy, "run", *words, "optimizer=random", "rollout_count=4")
    assert (more.returncode, more.stderr) == (0, "")
    shown = metta_sweep(toy, "explain", "toy", f"--data-dir={toy}/data").stdout
    assert "Origins: halving 3, random 1" in shown
    assert "Optimizer: random (no model)" in shown
    assert "Expected: nothing, there was no model\n" in shown
