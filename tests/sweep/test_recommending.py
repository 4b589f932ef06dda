"""Laws of the recommendation at the end of a search: kept with the end of the sweep, and gone once anything changes."""

from __future__ import annotations

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.report.rows import rows_of
from metta_sweep.sweep.events import SweepStopped, from_json, to_json
from metta_sweep.sweep.records import Recommended
from tests.sweep.simulation import CountingOptimizer, World, reward, spec
from tests.sweep.test_confirmation import noisy


def recommended(world: World) -> Recommended | None:
    return rows_of(world.recorder.state).recommended


def likes(x: int) -> World:
    """A sweep whose optimizer would train the point x again; the best score is that of point 1."""
    return World(noisy, prefers=lambda point: -abs(point["trainer.x"] - x))


def test_what_the_optimizer_would_train_again_is_kept_with_the_end():
    world = likes(2)
    world.control(spec(rollout_count=4))
    told = recommended(world)
    assert (told.rollout, told.instead_of, told.mean, told.instead_mean, told.chance) == (2, 1, 0.0, -1.0, 0.7)
    stopped = world.recorder.state.stopped
    assert from_json(to_json(stopped)) == stopped


def test_a_journal_from_before_there_were_recommendations_is_read():
    stored = {key: value for key, value in to_json(SweepStopped(rule="target", message="")).items()}
    del stored["recommended"]
    assert from_json(stored) == SweepStopped(rule="target", message="")


def test_nothing_is_recommended_where_the_best_score_is_the_choice_or_there_is_no_model():
    for world in (likes(1), World(noisy)):
        world.control(spec(rollout_count=4))
        assert recommended(world) is None


def test_nothing_is_recommended_beside_what_fresh_seeds_have_confirmed():
    world = likes(2)
    world.control(spec(rollout_count=4, confirm=ConfirmSettings(top_k=2, seeds=3)))
    assert world.recorder.state.stopped.recommended is None


def test_it_ends_with_a_search_that_goes_on():
    world = likes(2)
    world.control(spec(rollout_count=4))
    world.prefers = lambda point: -abs(point["trainer.x"] - 1)
    world.control(spec(rollout_count=5))
    assert recommended(world) is None


class HasABestOfItsOwn(CountingOptimizer):
    best = "whatever another package means by it"


def test_what_another_optimizer_calls_its_best_is_left_alone():
    world = World(noisy, makes=HasABestOfItsOwn)
    assert world.control(spec(rollout_count=4)).reason.rule == "rollout_count"
    assert recommended(world) is None


def test_no_score_at_all_recommends_nothing():
    world = World(lambda *_: reward(float("nan")), prefers=lambda _: 0.0)
    world.control(spec(rollout_count=2))
    assert recommended(world) is None
