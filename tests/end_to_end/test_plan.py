"""The plan shows what a sweep would do, and does nothing of it."""

from __future__ import annotations

import io
import shlex

import pytest
from rich.console import Console

from metta_sweep.commands.controller import compose
from metta_sweep.commands.plan import plan_sweep
from tests.end_to_end.conftest import ROOT, TRIAL


def plan(sweep, *words):
    return sweep.type("plan", f"run={sweep.name}", *words)


def tree(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_disk(text):
    """Leave out what the disk has left: it changes while we look."""
    return text.partition("  disk:")[0]


@pytest.mark.slow
def test_a_plan_leaves_the_disk_as_it_is_before_and_after_the_sweep(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=0.05)
    before = tree(sweep.root)
    first = plan(sweep, asked)
    assert (first.returncode, first.stderr) == (0, "")
    assert "time: unknown" in first.stdout
    assert tree(sweep.root) == before
    sweep.run(asked)
    after = tree(sweep.root)
    second = plan(sweep, asked, "rollout_count=7")
    assert "5 rollouts = 5 runs, 1 at a time" in second.stdout
    assert "Next suggestions by protein" in second.stdout
    assert "from 2 runs of this sweep" in second.stdout
    assert tree(sweep.root) == after


@pytest.mark.slow
def test_the_sweep_command_with_cmd_plan_shows_the_same(sweep):
    asked = sweep.write_trial(rollouts=2)
    by_word = sweep.run(asked, "cmd=plan")
    assert without_disk(by_word.stdout) == without_disk(plan(sweep, asked).stdout)
    assert not sweep.ledger.exists()


@pytest.mark.slow
def test_the_plan_names_what_is_pinned_where_values_come_from_and_the_exact_command(sweep):
    words = ("++sweep_params=sweep/my_test_sweep", "+hardware=macbook", "trainer.gamma=0.97", "trainer.num_workers=2")
    shown = plan(sweep, *words).stdout
    for expected in (
        "trainer.learning_rate",
        "log_normal [0.0001, 0.01]",
        "trainer.gamma = 0.97",
        "trainer.num_workers = 2    command line",
        f"device = cpu    hardware: {ROOT}/configs/hardware/macbook.yaml, line",
        "trainer.batch_size % trainer.minibatch_size == 0",
        "-m metta_sweep.train config=",
        "rollout 0: learning_rate=0.001, batch_size=64",
    ):
        assert expected in shown


def planned(words, monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    shown = Console(file=io.StringIO(), width=140)
    plan_sweep(compose(["run=x", "cmd=plan", *words]), shown)
    return shown.file.getvalue()


@pytest.mark.slow
def test_a_plan_shows_the_rules_and_differences_of_this_sweep_alone(monkeypatch, tmp_path):
    same = planned(["++sweep_params=sweep/my_test_sweep", "trainer.num_workers=1"], monkeypatch, tmp_path)
    assert "trainer.batch_size % trainer.minibatch_size == 0" in same
    assert [
        word for word in ("trainer.num_workers", "env.name", "use_lstm", "trainer.num_steps =") if word in same
    ] == []
    assert "not known before the first run; " in same
    with_memory = planned(["++sweep_params=sweep/protein_complex"], monkeypatch, tmp_path)
    assert "not trainer.use_lstm or trainer.num_steps % trainer.bptt_horizon == 0" in with_memory
    chosen = planned(["++sweep_params=sweep/protein_fast", "env=pong", "trainer.num_workers=2"], monkeypatch, tmp_path)
    assert "env = pong    command line" in chosen
    assert "trainer.num_workers = 2    command line" in chosen
    assert "env.name" not in chosen.partition("Where values")[2]


@pytest.mark.slow
def test_the_plan_of_a_sweep_that_is_done_proposes_nothing(sweep):
    asked = sweep.write_trial(rollouts=2, seconds=0.05)
    sweep.run(asked)
    shown = plan(sweep, asked).stdout
    assert "nothing: all of 2 rollouts were suggested before; a larger rollout_count goes on" in shown
    assert [word for word in ("suggestions", "Command of", "disk:", " a run:") if word in shown] == []


@pytest.mark.slow
def test_the_command_of_the_first_run_is_one_that_a_shell_reads_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(
        "# @package _global_\nrollout_count: 1\nsweep:\n  metric: loss\n  goal: minimize\n"
        "  command: [echo, 'two words', \"it's\", '{args}']\n  parameters:\n    mode: {values: ['a b', '$HOME']}\n"
    )
    shown = Console(file=io.StringIO(), width=80)
    plan_sweep(compose(["run=mine", "++sweep_params=mine.yaml"]), shown)
    line = shown.file.getvalue().split("Command of the first run\n")[1].splitlines()[0]
    assert shlex.split(line) == ["echo", "two words", "it's", "--mode=a b"]


@pytest.mark.slow
def test_calibration_does_one_run_and_gives_an_interval(sweep):
    done = plan(sweep, "++sweep_params=sweep/my_test_sweep", "+hardware=macbook", "--try")
    assert done.returncode == 0, done.stderr
    assert "(one run, just now; others within a factor of 2)" in done.stdout
    assert not (sweep.root / "data").exists()


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted(path.stem for path in (ROOT / "configs" / "sweep").glob("*.yaml")))
def test_every_shipped_sweep_file_can_be_planned(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    shown = Console(file=io.StringIO(), width=140)
    asked = compose([f"run={file}", f"++sweep_params=sweep/{file}", "+hardware=macbook", "cmd=plan"])
    assert plan_sweep(asked, shown) == 0
    text = shown.file.getvalue()
    assert all(parameter.name in text for parameter in asked.space.parameters)
    assert f"{asked.rollout_count} rollouts" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["protein", pytest.param("random", marks=pytest.mark.long)])
def test_a_sweep_whose_runs_cost_nothing_is_planned_as_it_is_run(sweep, optimizer):
    asked = sweep.write_trial(rollouts=3, trial=TRIAL.replace('"cost_s": 1.0 + x', '"cost_s": 0'))
    done = sweep.run(asked, f"optimizer={optimizer}")
    assert (done.returncode, done.stderr) == (0, "")
    shown = plan(sweep, asked, f"optimizer={optimizer}", "rollout_count=4")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"Next suggestions by {optimizer}" in shown.stdout
    planned = next(line for line in shown.stdout.splitlines() if "rollout 3:" in line).partition(": ")[2]
    sweep.run(asked, f"optimizer={optimizer}", "rollout_count=4")
    assert planned in sweep.summarize().stdout
