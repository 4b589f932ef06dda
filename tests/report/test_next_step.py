import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from metta_sweep.report import Place, rows_of
from metta_sweep.report.next_step import next_step, standing
from tests.factories import Directories, History, guide_history

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python="python", controller="")


def stands(history: History, place: Place = PLACE) -> str:
    return standing(rows_of(history.state), place)


def step(history: History, place: Place = PLACE) -> str:
    return next_step(rows_of(history.state), place).command


@pytest.mark.parametrize(
    ("rule", "message", "said"),
    [
        ("target", "reward 0.9 reaches the target 0.8", "Stopped by target: reward 0.9 reaches the target 0.8 (1 of 3"),
        ("wall_time", "60 s of 60 s are used up", "Stopped by wall_time: 60 s of 60 s are used up (1 of 3"),
        ("patience", "no improvement in 5 rollouts", "Stopped by patience: no improvement in 5 rollouts (1 of 3"),
        ("interrupted", "SIGTERM", "Interrupted: SIGTERM (1 of 3"),
        ("failed", "the same failure 3 times", "Failed: the same failure 3 times (1 of 3"),
    ],
)
def test_the_rule_that_ended_the_sweep_is_said_with_how_far_it_got(rule: str, message: str, said: str) -> None:
    assert stands(History().rollout(0.9).stop(rule, message)).startswith(said)


def test_a_whole_sweep_is_complete_whether_or_not_its_controller_said_so() -> None:
    assert stands(guide_history()) == "Complete: all 3 rollouts are done"
    silent = guide_history()
    silent.events.pop()
    assert stands(silent) == "Complete: 3 of 3 rollouts finished"


def test_a_sweep_that_was_extended_is_not_complete_any_more() -> None:
    assert stands(guide_history().ask(rollout_count=5)).startswith("Not finished: 3 of 5 rollouts finished")


def test_what_to_type_depends_on_where_the_sweep_stands() -> None:
    tended = replace(PLACE, controller="host box")
    assert step(History().rollout(0.5), tended) == "metta-sweep watch my_test"
    assert step(History().rollout(0.5)) == "metta-sweep resume my_test"
    unknown = History(words=()).rollout(0.5)
    assert step(unknown) == "metta-sweep run run=my_test ++sweep_params=sweep/my_test_sweep"
    failed = History().suggest().start(0).fail(0, "crash", "boom").stop("failed", "x")
    assert step(failed) == "metta-sweep run my_test"
    blamed = History().suggest().start(0).fail(0, "oom", "out of memory").stop("failed", "x")
    assert step(blamed) == "metta-sweep retry my_test my_test.r.0 && metta-sweep run my_test"
    assert step(History().suggest().stop("failed", "no run could be started")) == "metta-sweep run my_test"


def test_the_best_is_confirmed_first_then_trained_again_and_kept() -> None:
    history = guide_history()
    assert step(history) == "metta-sweep confirm my_test"
    assert step(History().rollout(0.5).stop("target", "enough")) == "metta-sweep confirm my_test"
    history.choose(2).again(2, 3.8, 3.9)
    assert step(history.stop("confirm", "done")) == "metta-sweep rerun my_test"


def test_where_every_point_failed_again_the_best_is_not_confirmed_once_more() -> None:
    history = guide_history().choose(2).again(2, None).stop("confirm", "done")
    assert step(history) == "metta-sweep rerun my_test"


def test_an_imported_sweep_has_no_command_that_starts_its_runs() -> None:
    assert step(History(words=()).rollout(0.5).stop("imported", "x")) == "metta-sweep best my_test"


def test_a_rerun_says_where_it_kept_everything_and_goes_on_by_its_own_words() -> None:
    history = History(name="a.r.3.rerun", asked={"reruns": "a.r.3", "rollout_count": 1}).rollout(0.5).stop()
    assert step(history) == "ls train_dir/sweep/my_test/runs/a.r.3.rerun.r.0"
    interrupted = History(name="a.r.3.rerun", asked={"reruns": "a.r.3"}).suggest().stop("interrupted", "Ctrl-C")
    assert step(interrupted).startswith("metta-sweep rerun run=my_test")


def test_a_command_says_where_sweeps_lie_only_where_it_would_not_find_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATA_DIR", raising=False)
    here = replace(PLACE, data_dir=tmp_path / "train_dir", cwd=tmp_path)
    assert here.command("watch", "a") == "metta-sweep watch a"
    there = replace(here, data_dir=tmp_path / "my data")
    assert shlex.split(there.command("watch", "a")) == ["metta-sweep", "watch", "a", "--data-dir", "my data"]
    assert shlex.split(there.command("run", "a"))[-1] == "data_dir=my data"
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "my data"))
    assert there.command("watch", "a") == "metta-sweep watch a"


def test_a_sweep_file_with_blanks_is_one_word_of_the_command() -> None:
    history = History(asked={"sweep_file": "my files/a b.yaml"}, words=()).suggest().stop("interrupted", "x")
    assert shlex.split(step(history))[-1] == "++sweep_params=my files/a b.yaml"


def test_a_sweep_that_was_stopped_by_hand_says_how_to_go_on() -> None:
    history = History().rollout(0.5).stop("stopped", "stopped by hand; the same command goes on")
    assert stands(history) == "Stopped: stopped by hand; the same command goes on (1 of 3 rollouts finished)"
    assert step(history) == "metta-sweep resume my_test"
