"""What is shown of a run that was stopped early."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from metta_sweep.config.settings import EarlyStopSettings
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Outlook, RunAction, Suggestion
from metta_sweep.report.as_json import rollout_object
from metta_sweep.report.explain import explain
from metta_sweep.report.html import sections
from metta_sweep.report.html.parameter_figures import parallel, slices
from metta_sweep.report.html.progress_figures import by_rollout
from metta_sweep.report.html.run_figures import learning_curves
from metta_sweep.report.live import Moment, live_view
from metta_sweep.report.narration import Narrator
from metta_sweep.report.plan import _early_stop
from metta_sweep.report.progress import closing
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.rows import RolloutState, rows_of
from metta_sweep.report.second_thoughts import SecondThought, regret_in_words, second_thoughts
from metta_sweep.report.stopped_early import saved_in_words
from metta_sweep.report.text import rollout_lines, totals
from metta_sweep.report.wording import finished_in_words, progress_in_short
from metta_sweep.result import Evaluation
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.events import (
    AttemptStarted,
    AttemptSubmitted,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    RunJudged,
    RunStoppedEarly,
    SweepAsked,
)
from metta_sweep.sweep.records import Judgement, RunState, SweepSpec
from metta_sweep.sweep.state import SweepState
from tests.report.html.pages import gathered
from tests.report.test_summary import PLACE
from tests.sweep.test_state import ASKED, ENDED, JUDGED, STARTED, SUBMITTED, SUGGESTED, SUGGESTION, WENT_ON

SAID = "stopped early at 30%: expects little; 3.0 s instead of about 10 s"


@pytest.fixture
def state():
    return SweepState.fold([ASKED, SUGGESTED, STARTED, SUBMITTED, JUDGED, ENDED])


def test_its_line_says_how_far_it_came_why_it_was_ended_and_what_that_saved(state):
    assert [line.text for line in Narrator(state=state).lines(ENDED)] == [f"s.r.0: {SAID}"]


def test_the_summary_says_the_same(state):
    rows = rows_of(state)
    assert f"  S{SAID[1:]}" in list(rollout_lines(rows, rows.rollouts[0]))


def test_it_is_a_state_of_its_own_and_no_failure(state):
    [row] = rows_of(state).rollouts
    assert row.state is RolloutState.STOPPED_EARLY
    assert row.failure is None
    assert rows_of(state).failures == ()
    told = json.loads(json.dumps(rollout_object(row)))
    assert told["runs"][0]["stopped_early"]["chance"] == 0.02
    assert told["runs"][0]["share"] == pytest.approx(0.3)


def test_the_progress_shows_where_its_end_was_expected(state):
    rows = rows_of(state)
    [ended, *_] = by_rollout(rows).data
    assert (ended["name"], list(ended["x"]), ended["y"], ended["rollouts"]) == ("stopped early", [0], [0.1], [0])
    assert "expected of the end of runs that were stopped early" in by_rollout(rows).caption
    state.apply(WENT_ON)
    assert [trace["name"] for trace in by_rollout(rows_of(state)).data] == ["best so far"]


def test_its_point_is_among_the_parameters_too(state):
    rows = rows_of(state)
    space = SearchSpace.parse({name: {"min": 0.0, "max": 1.0, "distribution": "uniform"} for name in SUGGESTION.params})
    [line] = parallel(rows, space).data
    assert (line["name"], set(line["rollouts"])) == ("stopped early (1)", {0})
    assert all(figure.data[0]["name"] == "stopped early" for figure in slices(rows, space, None))


def test_the_live_view_says_how_far_it_came(state):
    file = io.StringIO()
    Console(file=file, width=140).print(live_view(state, Moment(place=PLACE)))
    assert "stopped at 30%" in file.getvalue()


def test_progress_counts_what_was_spent():
    assert finished_in_words(8, 50, 0.0) == "8 of 50 rollouts finished"
    assert finished_in_words(12, 50, 3.75) == "12 rollouts finished for the cost of 8.2 of 50"
    assert progress_in_short(12, 50, 3.75) == "12 (8.2/50)"
    assert progress_in_short(8, 50, 0.0) == "8/50"


def test_totals_and_the_saving_read_as_a_person_says_them(state):
    rows = rows_of(state)
    assert totals(rows) == "1 stopped early"
    assert saved_in_words(rows) == "1 run stopped early saved about 7.0 s of 10 s"


def test_a_run_that_goes_on_after_all_says_why_and_saves_nothing(state):
    state.apply(WENT_ON)
    [line] = Narrator(state=state).lines(WENT_ON)
    assert line.text == "s.r.0: goes on from 30% after all: 40% to be better than the best by now"
    assert state.runs["s.r.0"].state is RunState.WAITING
    assert rows_of(state).ended_runs == []
    assert "1 run went on after all" in saved_in_words(rows_of(state))


class Told:
    """A sweep of one parameter with eight runs to their end and two that were stopped early."""

    def __init__(self, start_s=0.0):
        self.start_s = start_s
        spec = SweepSpec(
            name="told",
            metric="reward",
            goal=Goal.MAXIMIZE,
            rollout_count=10,
            parameters={"x": {"min": 0.0, "max": 1.0, "distribution": "uniform"}},
            command=("train",),
        )
        self.events = [SweepAsked(spec=spec, versions={})]
        self.name = "told"
        for at in range(8):
            self.add(at / 8)
        self.add(0.55, ended=True)
        self.add(0.01, ended=True)
        self.state = SweepState.fold(self.events)

    def add(self, x, *, ended=False):
        index = sum(isinstance(event, RolloutSuggested) for event in self.events)
        run_id, final = f"told.r.{index}", 1.0 - (x - 0.6) ** 2
        curve = tuple((10.0 * k, final * k / 10, self.start_s + k) for k in range(1, 4 if ended else 11))
        suggestion = Suggestion(params={"x": x}, origin="sobol")
        self.events += [
            RolloutSuggested(
                rollout=index, suggestion=suggestion, runs=(PlannedRun(run_id=run_id, seed=index),), max_retries=0
            ),
            AttemptStarted(run_id=run_id, attempt=1),
            AttemptSubmitted(run_id=run_id, attempt=1, handle={}),
        ]
        if not ended:
            result = {"metrics": {"reward": final}, "cost_s": self.start_s + 10.0, "steps": 100, "curve": curve}
            self.events.append(RunFinished(run_id=run_id, attempt=1, wall_s=self.start_s + 10.0, **result))
            return
        judged = Judgement(reason="behind", share=0.3, steps=100.0, final=(0.5, 0.4, 0.6), chance=0.05)
        self.events.append(RunJudged(run_id=run_id, attempt=1, judgement=judged))
        self.events.append(RunStoppedEarly(run_id=run_id, attempt=1, wall_s=self.start_s + 3.0, curve=curve))


@pytest.fixture(scope="module")
def told():
    return Told()


def test_what_runs_take_to_start_was_not_saved():
    rows = rows_of(Told(start_s=20.0).state)
    assert saved_in_words(rows) == "2 runs stopped early saved about 14 s of 1 min"
    assert [run.whole_cost_s for run in rows.ended_runs] == pytest.approx([30.0, 30.0])


POINT = Suggestion(params={"trainer.lr": 1.0}, origin="x")


def finished(number, *, reports):
    curve = tuple((10.0 * k, 0.1 * k, float(k)) for k in range(1, reports + 1))
    run = PlannedRun(run_id=f"s.r.{number}", seed=number)
    said = {"metrics": {"reward": 1.0}, "cost_s": 10.0, "steps": 100, "wall_s": 10.0}
    return [
        RolloutSuggested(rollout=number, suggestion=POINT, runs=(run,), max_retries=0),
        AttemptStarted(run_id=run.run_id, attempt=1),
        AttemptSubmitted(run_id=run.run_id, attempt=1, handle={}),
        RunFinished(run_id=run.run_id, attempt=1, curve=curve, **said),
    ]


@pytest.mark.parametrize(
    ("runs", "reporting", "said"),
    [
        (5, 0, "no run was judged, as none of 5 that finished reported before its end"),
        (6, 2, "no run was judged, as only 2 of 6 that finished reported before its end"),
        (4, 0, ""),
        (6, 4, ""),
    ],
)
def test_it_says_why_nobody_could_be_judged(runs, reporting, said):
    asked = replace(ASKED, spec=replace(ASKED.spec, early_stop=EarlyStopSettings()))
    told = [finished(at, reports=10 if at < reporting else 1) for at in range(runs)]
    state = SweepState.fold([asked, *(event for each in told for event in each)])
    assert saved_in_words(rows_of(state)) == said
    assert [line.text for line in closing(state, None) if "early" in line.text] == [f"early stopping: {said}"] * bool(
        said
    )
    off = SweepState.fold([ASKED, *(event for each in told for event in each)])
    assert saved_in_words(rows_of(off)) == ""


def test_what_is_thought_by_now_of_what_was_ended_is_told_the_most_promising_first(told):
    rows = rows_of(told.state)
    thoughts = second_thoughts(told.state, rows, space_of(told.state.spec))
    assert [one.run.run_id for one in thoughts] == ["told.r.8", "told.r.9"]
    assert thoughts[0].now.chance > thoughts[1].now.chance
    page = str(sections.stopped_early(gathered(told)))
    assert "2 runs stopped early saved about 14 s of 20 s" in page
    assert "0.5 (0.4 to 0.6)" in page
    assert "By now: " in explain(told.state, rollout=8)
    assert "By now: " not in explain(told.state)


def test_regret_names_the_runs_that_would_go_on(told):
    run = rows_of(told.state).ended_runs[0]
    now = Outlook(action=RunAction.CONTINUE, final=(1.0, 0.5, 1.5), chance=0.4, reason="")
    assert regret_in_words([SecondThought(run=run, now=now)]) == ("1 of 1 would go on by what is known now: told.r.8")
    low = Outlook(action=RunAction.PAUSE, final=(1.0, 0.5, 1.5), chance=0.04, reason="")
    assert "none of them is missed" in regret_in_words([SecondThought(run=run, now=low)])
    assert "no model" in regret_in_words([])


def test_learning_curves_show_what_was_expected_of_a_run_when_it_was_ended(told):
    reports = [Evaluation(step=10 * k, time_s=1.0, metrics={"reward": 0.1 * k}) for k in range(1, 4)]
    rows = rows_of(told.state)
    figure = learning_curves(rows, {"told.r.8": reports, "told.r.0": reports})
    [trace] = [one for one in figure.data if one["name"] == "expected when stopped"]
    assert (list(trace["x"]), list(trace["y"])) == ([100.0], [0.5])
    assert trace["error_y"]["array"] == [pytest.approx(0.1)]
    assert "2 runs that reported" in figure.caption


@pytest.mark.parametrize(
    ("early_stop", "said"), [(None, "with early_stop: auto"), (EarlyStopSettings(), "and 50 with")]
)
def test_the_plan_says_what_the_same_money_tries_with_and_without(early_stop, said):
    [line] = _early_stop(SimpleNamespace(early_stop=early_stop), 50)
    assert said in line
    assert "65 to 110 points" in line
