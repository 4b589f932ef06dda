"""What a sweep teaches is the same for the loop, the plan and the report."""

from __future__ import annotations

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.sweep.teaching import lessons_of, teach, teach_what_fits
from tests.factories import History


class Listener:
    """An optimizer that only notes what it is told, and refuses points with a large batch."""

    def __init__(self):
        self.heard = []

    def observe(self, params, score, cost, noise=None, curve=()):
        self._refuse(params)
        self.heard.append((score, cost, noise))

    def observe_failure(self, params):
        self._refuse(params)
        self.heard.append("failure")

    def _refuse(self, params):
        if params["x"] > 100:
            raise RequestError.of("outside", key="x")


def taught(history, **asked):
    listener = Listener()
    for lesson in lessons_of(history.state, **asked).observations:
        teach(listener, lesson)
    return listener.heard


def test_a_score_is_taught_with_its_cost_and_the_noise_that_several_runs_tell():
    history = History(asked={"num_samples": 2}).rollout(1.0, 2.0, params={"x": 1})
    assert taught(history) == [(1.5, 10.0, 0.25)]


@pytest.mark.parametrize("reported", [0.0, 1e-9])
def test_a_run_that_costs_nothing_is_taught_as_one_that_costs_a_millisecond(reported):
    history = History().suggest({"x": 1}).start(0).finish(0, 1.0, cost_s=reported)
    assert taught(history) == [(1.0, 1e-3, None)]


def test_a_failure_is_taught_where_the_parameters_are_to_blame_and_else_its_point_is_only_avoided():
    history = (
        History().suggest({"x": 1}).start(0).fail(0, "oom").suggest({"x": 2}, retries=0).start(1).fail(1, "killed")
    )
    assert taught(history) == ["failure"]
    assert lessons_of(history.state).avoided == ({"x": 2},)


def test_runs_that_confirm_a_point_count_like_those_of_the_search():
    history = History().rollout(1.0, params={"x": 1}).rollout(5.0, params={"x": 2}).choose(1).again(1, 3.0, 1.0)
    assert taught(history) == [(1.0, 10.0, None), (3.0, 10.0, pytest.approx(4 / 3))]


def test_what_is_known_is_not_taught_again():
    history = History().rollout(1.0, params={"x": 1}).rollout(2.0, params={"x": 2})
    assert taught(history, since=1) == [(2.0, 10.0, None)]
    assert taught(history, since=2) == []


def test_of_a_space_that_was_narrowed_only_the_points_that_fit_are_taught():
    history = History().rollout(1.0, params={"x": 101}).rollout(2.0, params={"x": 2})
    listener = Listener()
    known = teach_what_fits(listener, lessons_of(history.state))
    assert [lesson.rollout for lesson in known] == [1]
    assert listener.heard == [(2.0, 10.0, None)]
    with pytest.raises(RequestError):
        taught(history)
