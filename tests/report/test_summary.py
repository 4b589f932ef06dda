import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from metta_sweep.goal import Goal
from metta_sweep.report import Place, summary
from metta_sweep.report.explain import explain
from metta_sweep.report.export import records
from metta_sweep.report.html.answer import answer
from metta_sweep.sweep.events import RunDiscarded, SweepRegistered
from tests.factories import Directories, History, guide_history, prediction
from tests.report.html.pages import gathered

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python=".venv/bin/python")


def summarize(history: History, fmt: str = "text") -> str:
    return summary(history.state, paths=PLACE.paths, fmt=fmt, place=PLACE)


def busy_history() -> History:
    """A sweep with everything in it: samples, failures, a retry, a run that is alive and one that waits."""
    history = History(asked={"num_samples": 2, "rollout_count": 6})
    history.rollout(0.5, 0.6, origin="center", reason="the middle of the search space", predicted=prediction())
    history.suggest(predicted=prediction(0.8)).start(2).fail(2).start(3).fail(3, "killed", "killed by SIGKILL")
    return history.start(3).finish(3, 0.9).rollout(0.7, 0.8).suggest().start(6).interrupt(6).start(6)


GUIDE = """\
📊 SWEEP SUMMARY: my_test
=================================================================

📋 SWEEP CONFIGURATION:
=================================================================
Rollout count limit: 3
Samples per rollout: 1

Parameter space:
  trainer.learning_rate: log_normal [0.0001, 0.01]
  trainer.batch_size: uniform_pow2 [32, 128]
  trainer.gamma: uniform [0.95, 0.999]

Trainer overrides:
  total_timesteps: 2048
  evaluate_interval: 10
"""

GUIDE_RESULTS = """\
🎯 ROLLOUT RESULTS:
=================================================================
Rollout 0: 1 run
  Best reward: 2.45 (run my_test.r.0)
  Parameters: learning_rate=0.0023, batch_size=64, gamma=0.98

Rollout 1: 1 run
  Best reward: 3.12 (run my_test.r.1)
  Parameters: learning_rate=0.0045, batch_size=128, gamma=0.99

Rollout 2: 1 run
  Best reward: 3.89 (run my_test.r.2)
  Parameters: learning_rate=0.0031, batch_size=64, gamma=0.995

🏆 OVERALL BEST RUN: my_test.r.2
  Reward: 3.89
  Config: train_dir/sweep/my_test/runs/my_test.r.2/config.yaml
"""


def test_the_summary_has_the_sections_and_wording_of_the_guide() -> None:
    said = summarize(guide_history())
    assert said.startswith(GUIDE)
    assert GUIDE_RESULTS in said


@pytest.mark.parametrize("fmt", ["text", "markdown", "json"])
def test_the_summary_of_a_whole_sweep_stays_as_it_is(fmt: str, snapshot: SnapshotAssertion) -> None:
    assert summarize(guide_history(), fmt) == snapshot


@pytest.mark.parametrize("fmt", ["text", "markdown", "json"])
def test_the_summary_of_a_sweep_that_is_running_stays_as_it_is(fmt: str, snapshot: SnapshotAssertion) -> None:
    assert summarize(busy_history(), fmt) == snapshot


def test_a_minimized_metric_is_best_where_it_is_smallest() -> None:
    said = summarize(History(metric="loss", goal=Goal.MINIMIZE).rollout(0.5).rollout(0.2).rollout(0.3).stop())
    assert "🏆 OVERALL BEST RUN: my_test.r.1\n  Loss: 0.2\n" in said
    assert "Goal: minimize loss" in said


@pytest.mark.parametrize("fmt", ["text", "markdown", "json"])
def test_a_sweep_without_a_rollout_has_a_summary(fmt: str) -> None:
    said = summarize(History(), fmt)
    assert "metta-sweep watch my_test" in said


def test_a_sweep_of_failures_says_why_and_which_log_to_read() -> None:
    history = History()
    for number in range(3):
        history.suggest().start(number).fail(number, "crash", "exit 1: boom")
    said = summarize(history.stop("failed", "the same failure 3 times in a row: crash: exit 1: boom"))
    assert "🏆 OVERALL BEST RUN: none yet" in said
    assert "  Failed: crash — exit 1: boom\n" in said
    assert "crash: 3 runs failed\n  Cause: exit 1: boom\n" in said
    assert "Failed: the same failure 3 times in a row" in said
    assert "train_dir/sweep/my_test/runs/my_test.r.2/train.log" in said


def test_a_nan_metric_is_no_best_and_no_json_number() -> None:
    history = History().rollout(math.nan).rollout(0.5)
    assert "  No reward: run my_test.r.0 reports nan\n" in summarize(history)
    first = json.loads(summarize(history, "json"))["rollouts"][0]
    assert first["runs"][0]["metrics"] == {"reward": None}
    assert first["state"] == "unscored"


def test_twenty_parameters_stay_within_the_width_and_lose_nothing() -> None:
    point: dict[str, Any] = {f"trainer.parameter_{k}": 0.12345 * k for k in range(20)}
    said = summarize(History().rollout(0.5, params=point))
    lines = said[said.index("  Parameters:") : said.index("🏆")].strip().splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 120 for line in lines)
    assert re.findall(r"parameter_(\d+)=", " ".join(lines)) == [str(k) for k in range(20)]


def test_an_inactive_parameter_is_left_out() -> None:
    history = (
        History()
        .rollout(0.5, params={"trainer.use_lstm": False})
        .rollout(0.6, params={"trainer.use_lstm": True, "trainer.lstm_hidden_size": 128})
    )
    said = summarize(history)
    assert "  Parameters: use_lstm=false\n" in said
    assert "  Parameters: use_lstm=true, lstm_hidden_size=128\n" in said
    assert "| 0 | 1 | 0.5 | my_test.r.0 | false |  |  |" in summarize(history, "markdown")


def test_an_interrupted_sweep_says_how_to_continue() -> None:
    history = History().rollout(0.5).suggest().start(1).interrupt(1).stop("interrupted", "Ctrl-C")
    said = summarize(history)
    assert "Interrupted: Ctrl-C (1 of 3 rollouts finished)" in said
    assert said.endswith("continue where it stopped\n  metta-sweep resume my_test\n")


def test_a_sweep_whose_controller_died_is_told_from_one_that_is_at_work() -> None:
    state = History().rollout(0.5).suggest().start(1).state
    alone = summary(state, paths=PLACE.paths, place=replace(PLACE, controller=""))
    assert "Not finished: 1 of 3 rollouts finished, and no controller is running" in alone
    assert "continue where it stopped" in alone
    tended = summary(state, paths=PLACE.paths, place=replace(PLACE, controller="host box, pid 7"))
    assert "In progress: 1 of 3 rollouts finished (host box, pid 7)" in tended
    assert "metta-sweep watch my_test" in tended


def test_a_discarded_run_is_shown_with_its_reason_and_what_it_gave() -> None:
    history = History(asked={"num_samples": 2}).rollout(0.5, 0.7).rollout(0.9, 0.8)
    for number in (1, 2, 3):
        history.add(RunDiscarded, run_id=history.run(number), why="the GPU was throttled")
    said = summarize(history)
    assert "  Discarded: the GPU was throttled; it gave reward 0.7 (run my_test.r.1)\n" in said
    assert "Discarded, kept and not learned from: my_test.r.1, my_test.r.2, my_test.r.3\n" in said
    assert "OVERALL BEST RUN: my_test.r.0\n" in said
    assert "my_test.r.1 discarded: the GPU was throttled" in summarize(history, "markdown")
    told = json.loads(summarize(history, "json"))
    assert [row["state"] for row in told["rollouts"]] == ["finished", "discarded"]
    assert told["rollouts"][1]["runs"][0]["discarded"] == "the GPU was throttled"
    assert "Came out: discarded: the GPU was throttled; it gave reward 0.9" in explain(history.state)
    assert [row["discarded"] for row in records(history.state, paths=PLACE.paths)].count(None) == 1


def test_markup_in_a_name_is_shown_and_not_obeyed() -> None:
    history = History(metric="<script>alert(1)</script>")
    history.rollout(0.5, params={"trainer.a|b": "[red]x[/red]\x1b[31m", "trainer.`c`": "<img src=x onerror=y>"})
    said = summarize(history, "markdown")
    assert "<script>" not in said
    assert "<img" not in said
    assert "\x1b" not in said + summarize(history)
    assert "a\\|b" in said


def test_the_json_form_is_whole_and_versioned() -> None:
    told = json.loads(summarize(busy_history(), "json"))
    assert told["version"] == 1
    assert [run["run"] for rollout in told["rollouts"] for run in rollout["runs"]] == [
        f"my_test.r.{k}" for k in range(8)
    ]
    assert told["rollouts"][0]["predicted"]["score_high"] == 0.7
    assert told["best_run"]["run"] == "my_test.r.3"
    assert told["best_rollout"] == 2
    assert told["failures"][0]["class"] == "oom"


def test_a_summary_of_a_thousand_runs_does_not_grow_out_of_hand() -> None:
    history = History(asked={"rollout_count": 1000})
    state = history.state
    for number in range(1000):
        one = History(events=[], asked={"rollout_count": 1000})
        one.events, one.clock_s = [], float(number)
        point = {"trainer.learning_rate": 0.001 + number * 1e-6, "trainer.batch_size": 64}
        for event in _thousandth(number, point):
            state.apply(event)
    began_s = time.process_time()
    said = summary(state, paths=PLACE.paths, place=PLACE)
    assert time.process_time() - began_s < 2
    assert said.count("Best reward") == 1000


def _thousandth(number: int, point: dict[str, Any]) -> list[Any]:
    from metta_sweep.optimize.port import Suggestion
    from metta_sweep.sweep.events import AttemptStarted, PlannedRun, RolloutSuggested, RunFinished

    run_id = f"my_test.r.{number}"
    suggestion = Suggestion(params=point, origin="protein")
    runs = (PlannedRun(run_id=run_id, seed=number),)
    return [
        RolloutSuggested(rollout=number, suggestion=suggestion, runs=runs, max_retries=2),
        AttemptStarted(run_id=run_id, attempt=1),
        RunFinished(run_id=run_id, attempt=1, metrics={"reward": number / 7}, cost_s=1.0, steps=1, wall_s=1.0),
    ]


@pytest.mark.parametrize(("url", "linked"), [("https://wandb.ai/me/p/sweeps/x", True), ("javascript:alert(1)", False)])
def test_the_page_at_the_dashboard_is_named(url: str, linked: bool) -> None:
    history = History().rollout(0.5)
    history.add(SweepRegistered, sweep_id="x", entity="me", project="p", url=url)
    assert f"\nW&B: {url}\n" in summarize(history)
    assert json.loads(summarize(history, "json"))["dashboard"] == url
    assert (f'href="{url}"' in answer(gathered(history))) is linked
