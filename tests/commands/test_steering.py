"""Commands that correct a sweep that is there: what they record, what they say, what they refuse."""

from __future__ import annotations

import json

import pytest

from metta_sweep.commands.cli import main
from metta_sweep.report.reading import state_of
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.lock import SweepLock
from metta_sweep.store.paths import SweepPaths, sweep_names
from metta_sweep.store.requests import left_requests
from metta_sweep.sweep.events import to_json
from metta_sweep.sweep.records import RunState
from tests.factories import History, guide_history


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def keep(history=None):
        history = history or guide_history()
        paths = SweepPaths(tmp_path, history.name)
        paths.root.mkdir(parents=True)
        journal = SqliteJournal.open(paths, create=True)
        journal.append([to_json(event) for event in history.events])
        journal.close()
        return paths

    return keep


def typed(capsys, *words):
    """Return the exit code of a command and all that it said."""
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out + said.err


# -------------------------------------------------------------------- discard and retry


def test_runs_are_discarded_by_number_and_had_back(kept, capsys):
    paths = kept()
    assert typed(capsys, "discard", "my_test", "2", "--why", "wrong  seed") == (
        0,
        "my_test.r.2: discarded (wrong seed)\n",
    )
    assert state_of(paths).incumbent.metric == 3.12
    assert state_of(paths).stopped.rule == "rollout_count"
    assert typed(capsys, "discard", "my_test", "my_test.r.2", "--undo") == (0, "my_test.r.2: counts again\n")
    assert state_of(paths).incumbent.metric == 3.89


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["2"], "--why: need a reason"),
        (["9", "2", "--why", "w"], "my_test.r.9: there is no such run"),
        (["2", "--undo"], "my_test.r.2: it is not discarded"),
        (["3", "--why", "w"], "my_test.r.3: it is running, only a run that is over is discarded"),
    ],
)
def test_a_discard_that_cannot_be_is_one_message_and_changes_nothing(kept, capsys, words, said):
    paths = kept(guide_history().suggest().start(3))
    before = paths.journal.read_bytes()
    code, told = typed(capsys, "discard", "my_test", *words)
    assert (code, told.startswith(f"error: {said}")) == (2, True)
    assert paths.journal.read_bytes() == before
    assert not paths.requests.exists()


def test_a_running_sweep_is_corrected_by_its_controller(kept, capsys):
    paths = kept()
    with SweepLock.acquire(paths):
        code, said = typed(capsys, "discard", "my_test", "2", "--why", "w")
        assert (code, "takes it into account at its next look" in said) == (0, True)
        assert typed(capsys, "retry", "my_test", "1", "--new-seed")[0] == 0
        assert typed(capsys, "discard", "my_test", "7", "--why", "w")[0] == 2
    assert [each.run_id for each in left_requests(paths)] == ["my_test.r.2", "my_test.r.1"]
    assert state_of(paths).incumbent.metric == 3.89


def test_what_a_controller_left_unread_comes_before_what_is_corrected_next(kept, capsys):
    paths = kept()
    with SweepLock.acquire(paths):
        typed(capsys, "discard", "my_test", "2", "--why", "w")
        assert "it is discarded already" in typed(capsys, "discard", "my_test", "2", "--why", "w")[1]
    assert typed(capsys, "discard", "my_test", "2", "--undo") == (0, "my_test.r.2: counts again\n")
    assert state_of(paths).incumbent.metric == 3.89


def test_a_finished_run_is_done_again_with_its_seed_or_a_fresh_one(kept, capsys):
    paths = kept()
    code, said = typed(capsys, "retry", "my_test", "0", "1")
    assert code == 0
    assert "my_test.r.0: what it left so far will be kept in sweep/my_test/runs/my_test.r.0.attempt-1" in said
    assert said.endswith(" run my_test\n")
    assert typed(capsys, "retry", "my_test", "2", "--new-seed")[0] == 0
    runs = state_of(paths).runs.values()
    assert all(run.state is RunState.WAITING and run.begins_anew for run in runs)
    assert [run.seed for run in runs][:2] == [0, 1]
    assert [run.seed for run in runs][2] > 1000


# -------------------------------------------------------------------- rescore


def scored(*, with_loss=(0, 1)):
    history = History(metric="reward")
    for number, value in enumerate((1.0, 2.0, 3.0)):
        history.suggest({"trainer.gamma": 0.9 + number / 100}).start(number)
        history.finish(number, value, **({"loss": value} if number in with_loss else {}))
    return history.stop()


def test_all_runs_are_judged_by_another_metric_and_back(kept, capsys):
    paths = kept(scored())
    code, said = typed(capsys, "rescore", "my_test", "--metric", "loss", "--goal", "minimize")
    assert code == 0
    assert "changed: metric: reward -> loss" in said
    assert "changed: goal: maximize -> minimize" in said
    assert "loss: reported by 2 of 3 runs\nwithout it, and counting for nothing: my_test.r.2\n" in said
    state = state_of(paths)
    assert (state.incumbent.rollout, state.incumbent.metric, state.stopped.rule) == (0, 1.0, "rollout_count")
    assert state.asked.words[-2:] == ("sweep.metric=loss", "sweep.goal=minimize")
    assert len(state.versions) == 1
    assert typed(capsys, "rescore", "my_test", "--metric", "reward", "--goal", "maximize")[0] == 0
    again = state_of(paths)
    assert again.incumbent.metric == 3.0
    assert again.asked.words[-2:] == ("sweep.metric=reward", "sweep.goal=maximize")
    assert len(again.asked.words) == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "los"], "sweep.metric: no run so far has reported 'los'; they reported: loss, reward"),
        (["--metric", "reward"], "--metric: its runs are judged by that: maximize reward"),
    ],
)
def test_a_metric_that_no_run_has_is_refused(kept, capsys, words, said):
    paths = kept(scored())
    before = len(state_of(paths).starts)
    code, told = typed(capsys, "rescore", "my_test", *words)
    assert (code, said in told) == (2, True)
    assert len(state_of(paths).starts) == before


def test_a_sweep_that_is_running_is_not_judged_anew(kept, capsys):
    paths = kept(scored())
    with SweepLock.acquire(paths):
        code, said = typed(capsys, "rescore", "my_test", "--metric", "loss")
    assert (code, "stop it first: " in said) == (2, True)


# -------------------------------------------------------------------- remove


def test_a_sweep_is_removed_after_a_question(kept, capsys, monkeypatch, tmp_path):
    paths = kept()
    monkeypatch.setattr("click.confirm", lambda text: "no way back" in text and False)
    assert typed(capsys, "remove", "my_test") == (0, "nothing was deleted\n")
    assert paths.exists()
    assert typed(capsys, "remove", "my_test", "--yes")[0] == 0
    assert list((tmp_path / "sweep").iterdir()) == []
    assert typed(capsys, "remove", "my_test", "--yes")[0] == 2


def test_a_sweep_with_a_controller_or_a_living_run_is_not_removed(kept, capsys):
    paths = kept(guide_history().suggest().start(3))
    code, said = typed(capsys, "remove", "my_test", "--yes")
    assert (code, "runs of it may be alive: my_test.r.3" in said, "stop my_test --now" in said) == (2, True, True)
    with SweepLock.acquire(paths):
        code, said = typed(capsys, "remove", "my_test", "--yes")
    assert (code, "stop it first: " in said) == (2, True)
    assert paths.exists()


def test_a_damaged_sweep_can_be_removed(kept, capsys):
    paths = kept()
    paths.journal.write_bytes(b"nonsense")
    assert typed(capsys, "remove", "my_test", "--yes")[0] == 0
    assert not paths.root.exists()


# -------------------------------------------------------------------- rerun


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no sweep named 'nothing'"),
        (["my_test.r.9"], "my_test.r.9: sweep my_test has no such run"),
        (["my_test", "rollout_count=3"], "rollout_count: a rerun has its own"),
    ],
)
def test_a_rerun_of_nothing_is_one_message(kept, capsys, words, said):
    kept()
    code, told = typed(capsys, "rerun", *words)
    assert (code, said in told) == (2, True)


def test_a_rerun_lies_apart_and_is_listed_and_read_by_its_name(kept, capsys, tmp_path):
    kept()
    rerun = kept(History(name="my_test.r.2.rerun", asked={"reruns": "my_test.r.2"}).rollout(3.8).stop())
    assert rerun.root == tmp_path / "rerun" / "my_test.r.2.rerun"
    assert sweep_names(tmp_path) == ["my_test", "my_test.r.2.rerun"]
    code, said = typed(capsys, "summarize", "my_test.r.2.rerun")
    assert (code, "Done again and kept: run my_test.r.2" in said) == (0, True)
    assert json.loads(typed(capsys, "summarize", "my_test.r.2.rerun", "--format", "json")[1])["reruns"] == "my_test.r.2"
    for command in ("resume", "confirm"):
        code, said = typed(capsys, command, "my_test.r.2.rerun")
        assert (code, "it is my_test.r.2 done again, not a search" in said) == (2, True)
