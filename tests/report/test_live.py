import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from metta_sweep.config.settings import ConfirmSettings, LimitSettings
from metta_sweep.report.best_so_far import LONGEST, best_so_far, sparkline
from metta_sweep.report.live import LAST, MOST_RUNNING, Moment, live_view
from metta_sweep.report.rows import rows_of
from metta_sweep.result import Evaluation
from tests.factories import History, guide_history
from tests.report.test_summary import PLACE, busy_history

TENDED = replace(PLACE, controller="host box, pid 7")


def shown(history: History, width: int = 140, **moment: Any) -> str:
    file = io.StringIO()
    view = live_view(history.state, Moment(place=TENDED, **moment))
    Console(file=file, width=width, force_terminal=False).print(view)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_the_view_of_a_sweep_that_runs_stays_as_it_is(width: int, snapshot: SnapshotAssertion) -> None:
    newest = {"my_test.r.6": Evaluation(step=1024, time_s=1.0, metrics={"reward": 0.3})}
    said = shown(busy_history(), width, since_last_event_s=3.0, latest=newest)
    assert all(len(line) <= width for line in said.splitlines())
    assert said == snapshot


def test_a_run_that_is_alive_is_shown_with_its_age_and_newest_metric() -> None:
    newest = {"my_test.r.0": Evaluation(step=512, time_s=1.0, metrics={"reward": 0.25})}
    said = shown(History().suggest().start(0), since_last_event_s=4.0, latest=newest)
    line = next(line for line in said.splitlines() if line.startswith("my_test.r.0"))
    assert line.split()[1:5] == ["5.0", "s", "512", "0.25"]


def test_what_is_left_of_each_budget_is_shown() -> None:
    said = shown(History(asked={"limits": LimitSettings(wall_time_s=100.0, total_cost_s=60.0)}).rollout(0.5))
    assert "95 s of sweep time allowed" not in said
    assert "1 min 35 s of sweep time allowed, 50 s of runs allowed" in said


def test_the_view_stays_short_however_long_the_sweep() -> None:
    history = History(asked={"rollout_count": 99})
    for _ in range(30):
        history.rollout(0.5)
    said = shown(history)
    assert len(said.splitlines()) < LAST + 12
    assert "\n29 " in said


def test_many_live_runs_are_counted_and_not_all_listed() -> None:
    history = History(asked={"rollout_count": 99})
    for number in range(20):
        history.suggest().start(number)
    assert f"and {20 - MOST_RUNNING} more" in shown(history)


def test_a_sweep_that_nobody_tends_says_what_to_type() -> None:
    file = io.StringIO()
    state = History().rollout(0.5).suggest().start(1).state
    Console(file=file, width=140).print(live_view(state, Moment(place=replace(PLACE, controller=""))))
    assert "next, continue where it stopped: metta-sweep resume my_test" in file.getvalue()


def test_an_empty_sweep_has_a_view() -> None:
    assert "no score yet" in shown(History())


def test_a_confirmation_that_goes_on_is_shown_with_what_it_says_of_each_point() -> None:
    going = (
        History(asked={"confirm": ConfirmSettings(top_k=2, seeds=3)})
        .rollout(0.5)
        .rollout(0.9)
        .choose(1, 0)
        .again(1, 0.7)
    )
    said = shown(going)
    assert "best: reward 0.9 (my_test.r.1)" in said
    assert "1 of 6 runs on fresh seeds so far, the best 2 of the search" in said
    assert "Rollout 1: 0.7 (too few runs to tell how certain that is)" in said


def test_the_confirmed_best_is_called_so() -> None:
    over = History().rollout(0.5).rollout(0.9).choose(1, 0).again(1, 0.6, 0.7).again(0, 0.5, 0.4).stop("confirm")
    said = shown(over)
    assert "best, confirmed: reward 0.6" in said
    assert "so far" not in said


def test_a_table_without_a_row_is_left_out() -> None:
    assert "against model" not in shown(History().suggest().start(0))
    assert "against model" in shown(History().rollout(0.5))


def test_a_wide_terminal_has_a_column_for_each_parameter_and_a_narrow_one_a_column_for_all() -> None:
    wide, narrow = shown(busy_history(), 200), shown(busy_history(), 70)
    assert re.search(r"against model +learning_rate +batch_size +gamma", wide)
    assert "parameters" not in wide
    assert re.search(r"against model +parameters", narrow)


def test_the_best_so_far_is_drawn_as_heights() -> None:
    assert sparkline([None, 1.0, 1.0, 2.0, 8.0]) == "▁▁▂█"
    assert sparkline([1.0, 1.0]) == sparkline([]) == ""
    assert len(sparkline([float(k) for k in range(1000)])) == LONGEST
    assert sparkline(best_so_far(rows_of(guide_history().state))) in shown(guide_history(), 120)
