"""What a person reads of a confirmation: the best is the confirmed one, and its luck is told in figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.goal import Goal
from metta_sweep.report import Place, rows_of, summary
from metta_sweep.report.advice import advice
from metta_sweep.report.best import best, winner_of
from metta_sweep.report.export import records
from metta_sweep.report.html.answer import answer
from metta_sweep.report.html.gather import gather
from metta_sweep.sweep.events import RunDiscarded
from tests.factories import Directories, History

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python="python", controller="")
CONFIRM = ConfirmSettings(top_k=2, seeds=3)
ASKED = {"rollout_count": 3, "confirm": CONFIRM}


def searched(**asked) -> History:
    """Three points; the search was lucky with the last."""
    history = History(asked={**ASKED, **asked})
    for value, rate in ((2.4, 0.002), (3.1, 0.004), (3.9, 0.003)):
        history.rollout(value, params={"trainer.learning_rate": rate, "trainer.batch_size": 64, "trainer.gamma": 0.99})
    return history


def confirmed() -> History:
    history = searched().choose(2, 1, expected=3.2)
    return history.again(2, 2.9, 3.0).again(1, 3.2, 3.1).again(2, 2.8).again(1, 3.15).stop()


def said(history: History, fmt: str = "text") -> str:
    return summary(history.state, paths=PLACE.paths, fmt=fmt, place=PLACE)


@pytest.mark.parametrize("fmt", ["text", "markdown"])
def test_the_summary_tells_what_fresh_seeds_gave(fmt: str, snapshot: SnapshotAssertion) -> None:
    assert said(confirmed(), fmt) == snapshot


def test_the_overall_best_is_the_confirmed_one_and_says_so() -> None:
    assert "🏆 OVERALL BEST RUN: my_test.r.1 (confirmed: rollout 1)" in said(confirmed())
    assert "🏆 OVERALL BEST RUN: my_test.r.2\n" in said(searched())


def test_the_summary_for_programs_has_every_point_and_every_fresh_run() -> None:
    told = json.loads(said(confirmed(), "json"))
    assert told["best_rollout"] == told["confirmation"]["winner"] == 1
    assert [point["rollout"] for point in told["confirmation"]["points"]] == [1, 2]
    assert [run["run"] for run in told["confirmation"]["runs"]] == [f"my_test.r.{k}" for k in (5, 6, 8, 3, 4, 7)]
    assert json.loads(said(searched(), "json"))["confirmation"] is None


def test_the_best_tells_the_winner_s_luck_in_figures(snapshot: SnapshotAssertion) -> None:
    assert best(confirmed().state, paths=PLACE.paths, place=PLACE) == snapshot


def test_while_it_goes_on_the_search_s_best_stands_and_the_count_is_told() -> None:
    going = searched().choose(2, 1).again(2, 2.9)
    assert "1 of 6 runs on fresh seeds so far" in said(going)
    assert "🏆 OVERALL BEST RUN: my_test.r.2\n" in said(going)


def test_a_confirmation_that_was_cut_short_is_not_called_complete_and_can_go_on() -> None:
    cut = searched().choose(2, 1).again(2, 2.9)
    assert (
        "Not finished: 3 of 3 rollouts finished, 1 of 6 runs on fresh seeds so far, and no controller is running"
        in said(cut)
    )
    assert "NEXT: continue where it stopped\n  metta-sweep resume my_test" in said(cut)
    beside = searched(confirm=None).ask(confirm=CONFIRM, confirms_only=True).choose(2, 1).again(2, 2.9)
    assert "metta-sweep confirm my_test --top-k 2 --seeds 3\n" in said(beside)


def test_a_point_without_a_fresh_score_is_told_so() -> None:
    assert "Rollout 1: no score yet; the search saw 3.1\n" in said(searched().choose(2, 1).again(2, 2.9))


def test_after_more_rollouts_the_confirmation_says_that_it_is_old() -> None:
    more = confirmed().ask(rollout_count=4).rollout(5.0)
    assert "The search has gone on since" in said(more)
    assert "(confirmed" not in said(more)


def test_a_point_that_failed_on_a_fresh_seed_is_named_and_never_the_best() -> None:
    history = searched().choose(2, 1).again(2, None).again(1, 3.0, 3.1, 3.2, 3.1, 3.0).stop()
    assert "Rollout 2: failed on a fresh seed" in said(history)
    assert rows_of(history.state).best_rollout == rows_of(history.state).rollouts[1]


def test_where_every_point_fails_the_best_is_not_to_be_relied_on() -> None:
    history = searched().choose(2, 1).again(2, None).again(1, None).stop()
    assert "there is no confirmed best" in said(history)
    assert any("not to be relied on" in sentence for sentence in advised(history))


def advised(history: History) -> list[str]:
    rows = rows_of(history.state)
    return advice(rows, winner_of(history.state, rows, PLACE), None, None, "metta-sweep confirm my_test")


def test_an_unconfirmed_best_comes_with_the_command_that_confirms_it() -> None:
    assert any(sentence.endswith("metta-sweep confirm my_test") for sentence in advised(searched()))


def test_a_close_call_is_named() -> None:
    close = searched().choose(2, 1).again(2, 3.0, 3.2, 3.1).again(1, 3.1, 3.0, 3.2).stop()
    assert any("is not alone" in sentence for sentence in advised(close))
    assert not any("is not alone" in sentence for sentence in advised(confirmed()))


def test_the_page_shows_the_confirmation_in_the_answer() -> None:
    html = answer(gather(confirmed().state, PLACE, Path("/lab")))
    assert "Chance of being best" in html
    assert "less the luck of being picked" in html
    assert "Chance of being best" not in answer(gather(searched().state, PLACE, Path("/lab")))


def test_an_export_tells_fresh_runs_from_those_of_the_search() -> None:
    found = records(confirmed().state, paths=PLACE.paths)
    assert [row["purpose"] for row in found].count("confirmation") == 6
    assert {row["rollout_mean"] for row in found if row["rollout"] == 1} == {3.1}


def test_a_smaller_metric_keeps_its_sign() -> None:
    history = History(asked=ASKED, goal=Goal.MINIMIZE)
    history.rollout(3.0).rollout(1.0, params={"trainer.learning_rate": 0.1})
    history.choose(1, 0).again(1, 1.5, 1.6, 1.4).again(0, 3.0, 3.1, 2.9).stop()
    point = rows_of(history.state).winner
    assert point is not None
    assert (point.rollout, point.searched, point.mean) == (1, 1.0, 1.5)
    assert point.interval is not None
    assert point.interval[0] < (point.corrected or 0.0) < point.interval[1]


def wide(discarded: float | None = None, **asked) -> History:
    """Two fresh runs a point that tell little: their spread alone says less than nothing, and more than all."""
    history = History(asked={**ASKED, "confirm": ConfirmSettings(top_k=2, seeds=2), **asked})
    history.rollout(30.0).rollout(60.0, params={"trainer.learning_rate": 0.1})
    if discarded is not None:
        history.rollout(discarded, params={"trainer.learning_rate": 0.01})
        history.add(RunDiscarded, run_id="my_test.r.2", why="the sensor was off")
    return history.choose(1, 0).again(1, 20.0, 90.0).again(0, 5.0, 40.0).stop()


def interval_of(history: History) -> tuple[float, float]:
    (point,) = [one for one in rows_of(history.state).verdict.points if one.rollout == 1]
    return point.interval


def test_no_interval_of_a_metric_that_was_never_negative_goes_below_nothing() -> None:
    assert interval_of(wide())[0] == 0.0


def test_a_run_below_nothing_frees_the_interval_again() -> None:
    history = wide()
    assert interval_of(history.rollout(-50.0, params={"trainer.learning_rate": 0.01}))[0] < 0.0


def test_a_run_that_a_person_discarded_shows_nothing() -> None:
    assert interval_of(wide(discarded=-50.0))[0] == 0.0


def test_no_interval_leaves_the_range_that_the_file_declares() -> None:
    assert interval_of(wide())[1] > 100.0
    assert interval_of(wide(protein={"metric_range": [None, 100.0]}))[1] == 100.0
    assert interval_of(wide(protein={"metric_range": {"reward": [None, 100.0]}}))[1] == 100.0
