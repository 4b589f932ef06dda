"""The overview shows the sweep as the journal has it; its curves only ever grow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.goal import Goal
from metta_sweep.track import sync
from metta_sweep.track.overview import overview, pareto_front
from tests.factories import History, prediction
from tests.track.told import ToldSweep, environment

outcomes = st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 5)), min_size=1, max_size=8)


def told(points, goal=Goal.MAXIMIZE):
    history = History(goal=goal, asked={"rollout_count": len(points)})
    for number, (value, cost_s) in enumerate(points):
        history.suggest({"a": number, "b": value}).start(number).finish(number, float(value), cost_s=float(cost_s))
    return history


@pytest.mark.slow
@given(outcomes, st.sampled_from(Goal))
def test_the_front_is_what_nothing_beats(points, goal):
    history = told(points, goal)
    front = pareto_front(history.state)
    score = [goal.score(value) for value, _ in points]
    cost = [cost_s for _, cost_s in points]
    for k in range(len(points)):
        beaten = any(
            (score[j] >= score[k] and cost[j] <= cost[k]) and ((score[j], -cost[j]) != (score[k], -cost[k]) or j < k)
            for j in range(len(points))
            if j != k
        )
        assert (k in front) == (not beaten)


@pytest.mark.slow
@given(outcomes)
def test_curves_only_grow(points):
    before = overview(told(points[:-1]).state).curves if len(points) > 1 else ()
    after = overview(told(points).state).curves
    assert after[:-1] == before
    assert [row["sweep/best"] for row in after] == [max(v for v, _ in points[: k + 1]) for k in range(len(points))]


def test_failures_stand_in_the_table_and_not_on_the_front():
    history = told([(1, 1), (2, 2)])
    history.suggest({"a": 7, "b": 0}, predicted=prediction(score=0.4)).start(2).fail(2)
    shown = overview(history.state)
    assert [row[shown.rollouts.columns.index("failure")] for row in shown.rollouts.rows] == ["", "", "oom"]
    assert [row[shown.rollouts.columns.index("on_front")] for row in shown.rollouts.rows] == [True, True, False]
    assert shown.curves[-1]["sweep/failed"] == 1.0
    assert "sweep/metric" not in shown.curves[-1]


def test_the_best_is_told_with_its_runs_and_values():
    shown = overview(told([(3, 1), (1, 1)], Goal.MINIMIZE).state)
    assert (shown.summary["best"], shown.summary["best_runs"]) == (1.0, ["my_test.r.1"])
    assert shown.summary["best_params"] == {"a": 1, "b": 1}


@pytest.mark.long
def test_the_overview_is_there_beside_the_sweep_and_goes_on(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=4).whole_run(1.0).whole_run(3.0).whole_run(2.0)
    environ = environment(server)
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    sweep.whole_run(4.0).close()
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    remote = server.world.run("my_test overview")
    assert (remote.sweep, remote.state, remote.job_type) == (None, "finished", "overview")
    expected = overview(sweep.state)
    curves = [{k: v for k, v in row.items() if k.startswith("sweep/")} for row in remote.history]
    assert [row for row in curves if row] == [dict(row) for row in expected.curves]
    assert remote.summary["metta_sweep"]["best_runs"] == ["my_test.r.3"]
    *_, page = [content.decode() for name, content in remote.files.items() if name.startswith("media/html/answer")]
    assert all(said in page for said in ("The best reward", "Score and cost", "Predicted and actual", "<svg"))
    best = server.world.run("my_test.r.3")
    assert f'href="{server.url}/{best.entity}/{best.project}/runs/{best.run_id}"' in page
    assert [run.display_name for run in server.world.runs.values() if "best" in run.tags] == ["my_test.r.3"]
    tables = {name: json.loads(content) for name, content in remote.files.items() if "rollouts" in name}
    assert [list(row) for row in expected.rollouts.rows] in [table["data"] for table in tables.values()]
    requests = server.requests.total()
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    assert server.requests.total() - requests <= 8
