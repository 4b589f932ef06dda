import subprocess
import sys

import pytest

from metta_sweep.goal import Goal
from metta_sweep.optimize.protein.insight import MOST_POINTS
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.surrogate import Surrogate, surrogate_of
from tests.factories import History
from tests.report.simulated import simulated, value_at


@pytest.fixture(scope="module", params=list(Goal))
def learned(request: pytest.FixtureRequest) -> tuple[Goal, Surrogate]:
    state = simulated(50, goal=request.param).state
    space = space_of(state.spec)
    assert space is not None
    found = surrogate_of(state, space)
    assert found is not None
    return request.param, found


@pytest.mark.slow
def test_the_parameter_that_matters_most_is_found_and_an_idle_one_does_not_matter(
    learned: tuple[Goal, Surrogate],
) -> None:
    _, found = learned
    shares = {one.name: one.share for one in found.importances}
    assert found.importances[0].name == "trainer.learning_rate"
    assert shares["trainer.gamma"] < 0.1 < shares["trainer.learning_rate"]
    assert all(0 <= one.low <= one.share <= one.high <= 1 for one in found.importances)


def test_a_slice_peaks_where_the_surface_does(learned: tuple[Goal, Surrogate]) -> None:
    goal, found = learned
    slice_ = next(one for one in found.slices if one.name == "trainer.learning_rate")
    best = max(zip(slice_.values, slice_.mean, strict=True), key=lambda pair: goal.score(pair[1]))[0]
    assert 0.0012 < best < 0.0035  # the hill is at 10 ** -2.7
    assert all(low <= mean <= high for low, mean, high in zip(slice_.low, slice_.mean, slice_.high, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("goal", [Goal.MAXIMIZE, pytest.param(Goal.MINIMIZE, marks=pytest.mark.slow)])
def test_what_the_model_expects_of_the_winner_is_less_lucky_than_what_was_seen(goal: Goal) -> None:
    luck, kept = [], []
    for seed in range(8):
        state = simulated(30, seed=seed, goal=goal).state
        space = space_of(state.spec)
        assert space is not None
        found = surrogate_of(state, space)
        assert found is not None
        assert found.winner is not None
        assert state.incumbent is not None
        true = value_at(dict(state.incumbent.params))
        luck.append(goal.score(state.incumbent.metric or 0.0) - true)
        kept.append(goal.score(found.winner.mean) - true)
    assert sum(luck) / 8 > 0.02  # the best of many is lucky: a run's noise has a deviation of 0.05
    assert abs(sum(kept) / 8) < 0.6 * sum(luck) / 8


def test_what_is_expected_of_the_winner_lies_in_its_interval(learned: tuple[Goal, Surrogate]) -> None:
    _, found = learned
    assert found.winner is not None
    assert found.winner.low <= found.winner.mean <= found.winner.high


def test_too_little_to_learn_from_gives_no_model() -> None:
    for history in (History(), History().rollout(0.5), History(asked={"rollout_count": 9})):
        space = space_of(history.state.spec)
        assert space is not None
        assert surrogate_of(history.state, space) is None
    equal = History(asked={"rollout_count": 9})
    for rate in (0.001, 0.002, 0.003, 0.004, 0.005):
        equal.rollout(0.5, params={"trainer.learning_rate": rate, "trainer.batch_size": 64, "trainer.gamma": 0.99})
    space = space_of(equal.state.spec)
    assert space is not None
    assert surrogate_of(equal.state, space) is None


def test_the_same_sweep_gives_the_same_model() -> None:
    state = simulated(12).state
    space = space_of(state.spec)
    assert space is not None
    assert surrogate_of(state, space) == surrogate_of(state, space)


@pytest.mark.slow
def test_a_long_sweep_is_fitted_to_its_best_and_a_share_of_the_rest() -> None:
    state = simulated(MOST_POINTS + 60).state
    space = space_of(state.spec)
    assert space is not None
    found = surrogate_of(state, space)
    assert found is not None
    assert found.points == MOST_POINTS


def test_a_space_that_cannot_be_read_is_none() -> None:
    assert space_of(History(asked={"parameters": {}}).spec) is None
    assert space_of(History(asked={"parameters": {"a": {"min": 2, "max": 1, "distribution": "uniform"}}}).spec) is None


@pytest.mark.slow
def test_drawing_the_model_imports_no_torch() -> None:
    code = (
        "import sys; from tests.report.simulated import simulated; from tests.report.html.pages import page;"
        "page(simulated(12)); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
