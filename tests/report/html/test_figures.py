import math

import pytest

from metta_sweep.goal import Goal
from metta_sweep.report import rows_of
from metta_sweep.report.best_so_far import best_so_far
from metta_sweep.report.html.figure import log_axis, window
from metta_sweep.report.html.parameter_figures import parallel, slices
from metta_sweep.report.html.progress_figures import front_of, pareto, spent
from metta_sweep.report.html.run_figures import (
    MOST_CURVES,
    idle_share,
    learning_curves,
    predictions,
    runs_to_draw,
    spans,
)
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.surrogate import surrogate_of
from metta_sweep.result import Evaluation
from tests.factories import History, prediction
from tests.report.simulated import simulated


@pytest.mark.parametrize("goal", Goal)
def test_the_incumbent_never_gets_worse(goal: Goal) -> None:
    rows = rows_of(simulated(30, goal=goal).state)
    scores = [goal.score(value) for value in best_so_far(rows) if value is not None]
    assert scores == sorted(scores)
    assert rows.best_rollout is not None
    assert scores[-1] == goal.score(rows.best_rollout.mean or math.nan)


def test_what_was_spent_adds_up_to_the_cost_of_the_sweep() -> None:
    rows = rows_of(simulated(30).state)
    assert math.isclose(spent(rows)[-1], rows.cost_s)
    assert spent(rows) == sorted(spent(rows))


@pytest.mark.parametrize("goal", Goal)
def test_no_rollout_is_cheaper_and_better_than_one_on_the_front(goal: Goal) -> None:
    rows = rows_of(simulated(40, goal=goal).state)
    front = front_of(rows)
    every = [(row.runs[0].cost_s, goal.score(row.mean)) for row in rows.rollouts if row.mean is not None]
    for cost, row in front:
        assert not any(c <= cost and s > goal.score(row.mean or 0) for c, s in every)
    assert {cost for cost, _ in front} == {min(c for c, s in every if s >= goal.score(r.mean or 0)) for _, r in front}


def test_one_diverged_run_does_not_flatten_the_plot_of_the_others() -> None:
    frame, outside = window([*(0.1 * k for k in range(20)), -1e6])
    assert frame is not None
    assert outside == 1
    assert frame[0] > -1
    assert window([0.1 * k for k in range(20)]) == (None, 0)
    assert window([1.0] * 20) == (None, 0)


def test_log_ticks_lie_within_the_values_and_read_as_a_person_writes() -> None:
    told = log_axis("x", [0.0001, 0.01])
    assert told["ticktext"] == ["0.0001", "0.0003", "0.001", "0.003", "0.01"]
    assert log_axis("x", [7.5, 8.5])["ticktext"] == ["7.5", "8", "8.5"]
    assert log_axis("x", [4.445, 7.511])["ticktext"] == ["5", "6", "7"]
    assert log_axis("x", [3.0])["ticktext"] == log_axis("x", [3.0, 3.0])["ticktext"] == ["3"]
    assert "tickvals" not in log_axis("x", [0.0, -1.0])


def test_every_scored_rollout_is_one_point_of_its_slice_and_inactive_ones_are_left_out() -> None:
    state = simulated(40).state
    rows, space = rows_of(state), space_of(state.spec)
    assert space is not None
    found = {figure.title: figure for figure in slices(rows, space, surrogate_of(state, space))}
    active = [r.index for r in rows.rollouts if r.mean is not None and "trainer.lstm_hidden_size" in r.params]
    (points,) = [one for one in found["trainer.lstm_hidden_size"].data if one["name"] == "rollouts"]
    assert points["rollouts"] == active
    names = [one["name"] for one in found["trainer.learning_rate"].data]
    assert names.count("model") == 1


def test_parallel_coordinates_show_every_rollout_in_one_group() -> None:
    state = simulated(40).state
    space = space_of(state.spec)
    assert space is not None
    data = parallel(rows_of(state), space).data
    shown = [rollout for trace in data for rollout in dict.fromkeys(trace["rollouts"])]
    assert sorted(shown) == list(range(40))
    assert all(y is None or 0 <= y <= 1 for trace in data for y in trace["y"])


def test_each_axis_of_the_parallel_coordinates_is_labelled_between_its_ends_too() -> None:
    state = simulated(12).state
    space = space_of(state.spec)
    assert space is not None
    notes = parallel(rows_of(state), space).layout["annotations"]
    for place, parameter in enumerate(space.parameters):
        heights = [note["y"] for note in notes if note["x"] == place]
        assert (min(heights), max(heights)) == (0.0, 1.0)
        assert len(heights) == len(set(heights))
        assert len(heights) > 2 or (parameter.domain.size or 9) <= 2


def test_predictions_are_drawn_only_where_something_was_predicted() -> None:
    assert predictions(rows_of(History().rollout(0.5).state)) is None
    figure = predictions(rows_of(History().rollout(0.5, predicted=prediction()).state))
    assert figure is not None
    assert "1 of 1 outcomes (100%) in their 90% interval" in figure.caption


def test_the_best_runs_are_among_the_curves_and_no_more_than_the_limit() -> None:
    rows = rows_of(simulated(200).state)
    chosen = runs_to_draw(rows)
    best = sorted((run.metric for run in rows.runs if run.metric is not None), reverse=True)[:10]
    assert [run.metric for run in chosen[:10]] == best
    assert len(chosen) <= MOST_CURVES


def test_a_run_that_reported_once_has_no_curve() -> None:
    rows = rows_of(History().rollout(0.5).state)
    one = Evaluation(step=1, time_s=0.0, metrics={"reward": 0.1})
    assert learning_curves(rows, {"my_test.r.0": [one]}) is None
    two = Evaluation(step=2, time_s=0.0, metrics={"reward": 0.2})
    figure = learning_curves(rows, {"my_test.r.0": [one, two]})
    assert figure is not None
    assert figure.data[0]["y"] == [0.1, 0.2]


def test_attempts_that_overlap_take_different_slots_and_idle_time_is_what_is_left() -> None:
    history = History(asked={"rollout_count": 9}).suggest().suggest()
    history.start(0).start(1)
    history.clock_s = 12.0
    history.fail(0).fail(1)
    found = spans(history.state)
    assert [span.slot for span in found] == [0, 1]
    assert all(span.failed for span in found)
    assert 0 <= idle_share(found) < 1
    assert idle_share([]) == 0.0


def test_the_pareto_figure_names_both_ends_of_the_front() -> None:
    caption = pareto(rows_of(simulated(30).state)).caption
    assert "It runs from reward" in caption
