import json
import shlex
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.report.best import Form, best, flat
from metta_sweep.sweep.events import RunDiscarded
from metta_sweep.sweep.records import CodeRevision, Recommended
from tests.factories import History, guide_history, prediction
from tests.report.test_summary import PLACE

TRAINING = {
    "trainer": {"learning_rate": 0.001, "batch_size": 32, "gamma": 0.99, "betas": [0.9, 0.999]},
    "env": {"game": {"max_steps": 64}},
    "seed": 1,
}


def told(history: History, form: str = "text") -> str:
    return best(history.state, paths=PLACE.paths, form=form, place=PLACE)


def sampled() -> History:
    code = CodeRevision(commit="602cfc0a1b2c3d4e", changed=("train.py",), diff="code/0123456789ab.diff")
    history = History(asked={"num_samples": 3, "training": TRAINING, "rollout_count": 9}, code=code)
    history.rollout(0.1, 0.95, 0.2)
    point = {"trainer.learning_rate": 0.00001, "trainer.batch_size": 64, "trainer.gamma": 0.99}
    return history.rollout(0.7, 0.8, 0.75, params=point, reason="improves", predicted=prediction(0.7))


def lucky() -> History:
    """A sweep whose best score is more luck than merit."""
    history = History(asked={"training": TRAINING, "rollout_count": 3})
    for value in (0.1, 0.95, 0.8):
        history.rollout(value, params={"trainer.learning_rate": value / 100.0})
    told = Recommended(rollout=2, mean=0.78, low=0.7, high=0.85, chance=0.73, instead_of=1, instead_mean=0.6)
    return history.stop(recommended=told)


def test_what_to_train_again_is_told_beside_the_best_and_can_be_had(snapshot: SnapshotAssertion) -> None:
    assert told(lucky()) == snapshot(name="the best")
    again = {form: best(lucky().state, paths=PLACE.paths, form=form, place=PLACE, recommended=True) for form in Form}
    assert again == snapshot(name="to train again")
    assert yaml.safe_load(again[Form.HYDRA])["trainer"]["learning_rate"] == 0.008
    assert json.loads(told(lucky(), "json"))["recommended"]["rollout"] == 2


def test_where_nothing_is_recommended_the_best_is_what_to_train_again() -> None:
    history = sampled()
    assert best(history.state, paths=PLACE.paths, place=PLACE, recommended=True) == told(history)


def test_a_recommendation_ends_with_the_best_that_it_was_held_against() -> None:
    history = lucky()
    history.add(RunDiscarded, run_id=history.state.rollouts[1].run_ids[0], why="a mistake")
    assert "To train again" not in told(history)


@pytest.mark.parametrize("form", Form)
def test_the_winner_stays_as_it_is_written(form: str, snapshot: SnapshotAssertion) -> None:
    assert told(sampled(), form) == snapshot


def test_the_winner_is_the_best_mean_and_comes_with_its_interval() -> None:
    said = told(sampled())
    assert "BEST OF my_test: my_test.r.4\n" in said
    assert "Reward: 0.75 on average over 3 runs (90% interval 0.6657 to 0.8343); this run 0.8\n" in said


def test_a_single_run_is_said_to_be_luck_in_part() -> None:
    said = told(guide_history())
    assert "Reward: 3.89 (one run: how much of it is luck is not known)" in said
    assert "picked as the best of 3 points" in said


def test_parameters_are_told_as_a_difference_from_the_base() -> None:
    said = told(sampled())
    assert "  trainer.learning_rate: 0.001 -> 1e-05\n  trainer.batch_size: 32 -> 64\n" in said
    assert "Searched and left as it is: trainer.gamma=0.99\n" in said


def test_the_file_for_hydra_sets_every_value_of_the_winners_config() -> None:
    text = told(sampled(), "hydra")
    assert text.startswith("# @package _global_\n")
    composed = yaml.safe_load(text)
    expected: dict[str, Any] = {**flat(TRAINING), "trainer.learning_rate": 0.00001, "trainer.batch_size": 64, "seed": 4}
    assert flat(composed) == expected


def test_the_file_for_hydra_chooses_a_swept_group_in_its_defaults_and_sets_the_keys_inside_of_it() -> None:
    history = History(asked={"command": ("python", "x.py", "{overrides}")})
    history = history.rollout(0.5, params={"model": "mlp", "model.width": 32}).stop()
    content = yaml.safe_load(told(history, "hydra"))
    assert content["defaults"] == [{"override /model": "mlp"}]
    assert content["model"] == {"width": 32}


def test_options_are_one_line_that_a_shell_reads_back() -> None:
    history = History().rollout(0.5, params={"a.b": 1e-05, "a.c": "it's", "a.d": True})
    assert shlex.split(told(history, "args")) == ["--a.b=1e-05", "--a.c=it's", "--a.d=true"]


def test_minimize_has_the_smallest_as_its_winner() -> None:
    history = History(metric="loss", goal=Goal.MINIMIZE).rollout(0.5).rollout(0.2)
    assert json.loads(told(history, "json"))["run"]["run"] == "my_test.r.1"


def test_without_a_score_there_is_no_winner_but_a_next_step() -> None:
    with pytest.raises(RequestError, match="no rollout with a score yet"):
        told(History().suggest().start(0).fail(0))


def test_flat_leaves_are_named_by_their_paths() -> None:
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_a_standard_error_that_the_run_reports_is_told() -> None:
    history = History().suggest().start(0).finish(0, 0.5, reward_se=0.012)
    assert "Reward: 0.5 ± 0.012 over its evaluation (one run" in told(history)


def test_another_programs_parameters_are_listed_and_not_called_a_change() -> None:
    history = History(asked={"command": ("python", "train.py", "{args}")}).rollout(0.5)
    said = best(history.state, paths=PLACE.paths, place=PLACE)
    assert "Its parameters:\n  trainer.learning_rate: 0.001\n" in said
    assert "base config" not in said
