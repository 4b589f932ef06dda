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
    assert (
        step(guide_history())
        == "python -m metta_sweep.train config=train_dir/sweep/my_test/runs/my_test.r.2/config.yaml"
    )
    assert step(History().rollout(0.5), tended) == "metta-sweep watch my_test"
    assert step(History().rollout(0.5)) == "./devops/sweep.sh run=my_test ++sweep_params=sweep/my_test_sweep"
    assert step(History().rollout(0.5).stop("target", "enough")).startswith("python -m metta_sweep.train")
    failed = History().suggest().start(0).fail(0, "crash", "boom").stop("failed", "x")
    assert step(failed).startswith("./devops/sweep.sh run=")
    blamed = History().suggest().start(0).fail(0, "oom", "out of memory").stop("failed", "x")
    assert step(blamed).startswith("metta-sweep retry my_test my_test.r.0 && ./devops/sweep.sh run=")
    assert step(History().suggest().stop("failed", "no run could be started")).startswith("./devops/sweep.sh run=")


def test_the_command_of_another_trainer_is_its_own_with_the_winners_values() -> None:
    template = ("python", "train it.py", "--seed={seed}", "{overrides}", "{config}")
    history = History(asked={"command": template}).rollout(0.5, params={"a.name": "it's", "a.rate": 1e-5}).stop()
    words = shlex.split(step(history))
    start = words.index("METTA_SWEEP_RUN_DIR=train_dir/sweep/my_test/runs/my_test.r.0.repeat")
    assert words[start + 1 : start + 4] == ["python", "train it.py", "--seed=0"]
    assert words[start + 5] == "a.rate=1e-05"
    assert words[:3] == ["mkdir", "-p", "train_dir/sweep/my_test/runs/my_test.r.0.repeat"]


def test_the_command_has_the_variables_of_the_sweep_file() -> None:
    asked = {"command": ("python", "x.py"), "env": {"MODE": "a b", "RATE": "{rate}"}}
    words = shlex.split(step(History(asked=asked).rollout(0.5, params={"rate": 0.5}).stop()))
    assert words[-4:] == ["MODE=a b", "RATE=0.5", "python", "x.py"]


def test_a_sweep_file_with_blanks_is_one_word_of_the_command() -> None:
    history = History(asked={"sweep_file": "my files/a b.yaml"}).suggest().stop("interrupted", "x")
    assert shlex.split(step(history))[-1] == "++sweep_params=my files/a b.yaml"


def test_a_sweep_that_was_stopped_by_hand_says_how_to_go_on() -> None:
    history = History().rollout(0.5).stop("stopped", "stopped by hand; the same command goes on")
    assert stands(history) == "Stopped: stopped by hand; the same command goes on (1 of 3 rollouts finished)"
    assert step(history).startswith("./devops/sweep.sh run=my_test")
