"""``plan --try``: one run at the center, and what each reader sees of it."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from metta_sweep.commands.controller import compose
from metta_sweep.commands.trial import try_center
from metta_sweep.errors import SweepFailedError
from metta_sweep.optimize.port import Suggestion

pytestmark = pytest.mark.slow

TRAINER = """
import pathlib, sys
print("val_loss: 0.5")
pathlib.Path("logs").mkdir(exist_ok=True)
pathlib.Path("logs/a.csv").write_text("step,acc\\n10,0.25\\n20,0.75\\n")
"""

SWEEP = """
sweep:
  command: {python} train.py {{args}}
  metric: {metric}
  goal: maximize
  results: {results}
  parameters:
    lr: {{min: 0.1, max: 0.2, distribution: uniform}}
"""


@pytest.fixture
def tried(tmp_path, monkeypatch):
    """Try a request, and return what was shown and the sample."""
    monkeypatch.chdir(tmp_path)

    def run(results, metric="acc", trainer=TRAINER):
        (tmp_path / "train.py").write_text(trainer)
        (tmp_path / "my.yaml").write_text(SWEEP.format(python=sys.executable, results=results, metric=metric))
        asked = compose(["run=my", "++sweep_params=my.yaml", "wandb=off", f"data_dir={tmp_path}/data"])
        shown = Console(file=io.StringIO(), width=120)
        point = Suggestion(params={"lr": 0.15}, origin="center", reason="")
        try:
            return try_center(asked, point, shown), shown.file.getvalue()
        except SweepFailedError as error:
            return str(error), shown.file.getvalue()

    return run


def test_it_shows_what_every_reader_sees_and_the_result(tried, tmp_path):
    sample, shown = tried("{from: csv, path: 'logs/*.csv'}")
    assert sample.steps == 20
    assert "csv sees logs/a.csv" in shown
    assert "acc: 2 values, the last 0.75 at step 20" in shown
    assert "stdout sees train.log" in shown
    assert "val_loss: 1 value, the last 0.5" in shown
    assert "result: acc 0.75" in shown
    assert not (tmp_path / "data").exists()


def test_where_nothing_comes_the_reader_that_has_it_is_shown_beside_the_reason(tried):
    problem, shown = tried("{from: stdout}")
    assert "no value of acc" in problem
    assert "stdout found val_loss in train.log" in problem
    assert "acc: 2 values" in shown


def test_a_run_that_fails_shows_the_end_of_its_log(tried):
    problem, shown = tried("{from: csv}", trainer="raise ValueError('too bad')")
    assert "failed with exit 1" in problem
    assert "too bad" in problem
    assert "exit 1 after" in shown


def test_what_runs_at_the_same_time_would_share_is_said(tried):
    _, shown = tried("{from: csv, path: 'logs/*.csv'}")
    assert "it writes below the working directory: logs/a.csv" in shown
    assert "workdir: run" in shown


def test_in_a_directory_of_its_own_a_run_writes_nothing_here(tried, tmp_path):
    sample, shown = tried("{from: csv, path: 'logs/*.csv'}\n  workdir: run\n  env: {MODE: 'lr-{lr}'}")
    assert sample.steps == 20
    assert "it writes below" not in shown
    assert not (tmp_path / "logs").exists()


def test_a_command_that_hands_a_value_over_nowhere_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    leaf = "{min: 0.1, max: 1, distribution: uniform}"
    parameters = f"parameters: {{lr: {leaf}, wd: {leaf}}}"
    (tmp_path / "my.yaml").write_text(f"sweep:\n  command: python train.py --lr={{lr}}\n  {parameters}\n")
    (note,) = compose(["run=my", "++sweep_params=my.yaml", "wandb=off"]).notes
    assert note.startswith("sweep.command hands wd over nowhere")


@pytest.mark.parametrize(("workdir", "is_said"), [("here", True), ("run", False)])
def test_a_folder_that_all_runs_write_to_is_said(tmp_path, monkeypatch, workdir, is_said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text(
        f"sweep:\n  workdir: {workdir}\n  command: python train.py --output_dir out {{args}}\n"
        "  parameters: {lr: {min: 0.1, max: 1, distribution: uniform}}\n"
    )
    notes = compose(["run=my", "++sweep_params=my.yaml", "wandb=off"]).notes
    assert [note.startswith("every run is told --output_dir out:") for note in notes] == [True] * is_said
