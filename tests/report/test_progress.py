import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from syrupy.assertion import SnapshotAssertion

from metta_sweep.report import Place, Progress
from metta_sweep.sweep.events import AttemptRefused, AttemptStarted, Event, RunRetried
from metta_sweep.sweep.next_actions import REFUSAL_LIMIT
from metta_sweep.sweep.state import SweepState
from tests.factories import Directories, History, guide_history, prediction
from tests.report.test_summary import busy_history

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python=".venv/bin/python")


def told(history: History, *, since: int = 0, width: int = 80, terminal: bool = False) -> str:
    """Return what the listener prints of the events from ``since`` on; those before were another controller's."""
    file = io.StringIO()
    progress = Progress(Console(file=file, width=width, force_terminal=terminal), place=PLACE, status_line=False)
    state = SweepState.fold(history.events[:since])
    progress.begin(state)
    for event in history.events[since:]:
        state.apply(event)
        progress.on_event(event, state)
    return file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_a_terminal_shows_each_event_readably(width: int, snapshot: SnapshotAssertion) -> None:
    assert told(busy_history().interrupt(6).stop("interrupted", "Ctrl-C"), width=width, terminal=True) == snapshot


def test_without_a_terminal_an_event_is_one_plain_line(snapshot: SnapshotAssertion) -> None:
    said = told(guide_history(), width=20)
    assert "\x1b" not in said
    assert said == snapshot


def test_what_was_suggested_is_told_with_the_reason_and_the_expectation() -> None:
    said = told(History().suggest(origin="protein", reason="highest expected improvement", predicted=prediction()))
    assert "rollout 0 of 3: learning_rate=0.001, batch_size=64, gamma=0.99\n" in said
    assert "why: expects reward 0.5 (0.3 to 0.7), 10 s, success 95%; highest expected improvement" in said


def test_a_launcher_that_refuses_is_told_with_the_wait_until_the_last_time() -> None:
    history = History().suggest()
    for number in range(REFUSAL_LIMIT):
        history.add(AttemptStarted, run_id="my_test.r.0", attempt=number + 1)
        history.add(AttemptRefused, run_id="my_test.r.0", attempt=number + 1, message="no such partition")
    said = [line for line in told(history, width=140).splitlines() if "no such partition" in line]
    assert said[0] == "my_test.r.0: could not be started: no such partition (tried again in 0.5 s)"
    assert said[-1].endswith("(given up for now)")
    assert len(said) == REFUSAL_LIMIT


def test_a_reason_that_repeats_the_expectation_is_told_once() -> None:
    reason = "expects 0.5 (0.3 to 0.7) for 10 s; next to the best so far"
    said = told(History().suggest(origin="protein", reason=reason, predicted=prediction()))
    assert said.count("expects") == 1
    assert said.endswith("success 95%; next to the best so far\n")


def test_a_reason_is_one_line_of_a_terminal_and_says_what_moves_in_short_names() -> None:
    reason = "expects 0.5 (0.3 to 0.7) for 10 s; 90% chance of success; from the best so far: trainer.gamma 0.9 -> 0.99"
    history = History().suggest(origin="protein", reason=reason, predicted=prediction())
    assert "expects reward 0.5 (0.3 to 0.7), 10 s, success 95%; from the best: gamma 0.9 -> 0.99" in told(history)
    (why,) = [line for line in told(history, width=60, terminal=True).splitlines() if "why:" in line]
    assert "from the best" not in why
    assert "…" in why


@pytest.mark.parametrize(
    ("value", "verdict"), [(0.5, "as expected"), (0.9, "more than expected"), (0.1, "less than expected")]
)
def test_a_result_is_held_against_its_prediction(value: float, verdict: str) -> None:
    assert f"reward {value} in 10 s, {verdict} (0.3 to 0.7, 10 s)" in told(
        History().rollout(value, predicted=prediction())
    )


def test_the_new_best_is_marked_once_and_names_the_one_before() -> None:
    said = told(History().rollout(0.5).rollout(0.4).rollout(0.6))
    assert said.count("★ new best") == 2
    assert "★ new best (was 0.5)" in said


def test_a_continued_sweep_begins_with_what_it_has_and_does_not_praise_an_old_best() -> None:
    history = History().rollout(0.5)
    since = len(history.events)
    said = told(history.rollout(0.4), since=since)
    assert said.startswith(
        "continuing my_test: 1 of 3 rollouts finished, 0 running, 0 waiting\nbest so far: reward 0.5"
    )
    assert "★" not in said


def test_a_request_that_extends_a_sweep_is_not_told_twice() -> None:
    history = History().rollout(0.5)
    since = len(history.events)
    assert told(history.ask(rollout_count=5), since=since).count("continuing") == 1


def test_failures_are_told_with_class_cause_and_consequence() -> None:
    history = History().suggest().start(0).fail(0, "killed", "killed by SIGKILL").start(0).fail(0, "oom", "no memory")
    said = told(history)
    assert "my_test.r.0: killed after 3.0 s: killed by SIGKILL (will be retried)\n" in said
    assert "my_test.r.0: retry 1 of 2 (attempt 2)\n" in said
    assert "my_test.r.0: oom after 3.0 s: no memory (counts as a rollout; Protein avoids such points)\n" in said


def test_a_run_that_an_earlier_start_began_is_told_as_taken_over() -> None:
    history = History().suggest().start(0)
    said = told(history, since=len(history.events) - 1)
    assert "my_test.r.0: taken over from an earlier start (attempt 1)\n" in said


def test_the_last_words_name_the_best_its_config_and_the_next_command() -> None:
    said = told(guide_history())
    assert said.splitlines()[-5:] == [
        "best: my_test.r.2, reward 3.89",
        "config: train_dir/sweep/my_test/runs/my_test.r.2/config.yaml",
        "runs: 3 finished; 14 s of sweep time, 30 s of runs",
        "next, run the best again, to tell luck from merit:",
        "  metta-sweep confirm my_test",
    ]


def test_markup_and_escapes_in_messages_are_shown_and_not_obeyed() -> None:
    said = told(History().suggest().start(0).fail(0, "crash", "[bold]x[/bold] \x1b[2J boom"), terminal=True)
    assert "[bold]x[/bold]" in said
    assert "\x1b[2J" not in said


def test_every_kind_of_event_can_be_told_without_a_place() -> None:
    events: list[Event] = busy_history().interrupt(6).stop("interrupted", "x").events
    file, state = io.StringIO(), SweepState()
    progress = Progress(Console(file=file))
    for event in events:
        state.apply(event)
        progress.on_event(event, state)
    progress.on_note("a note")
    assert file.getvalue().endswith("a note\n")


def test_the_terminal_is_given_back_at_the_end_and_when_closed() -> None:
    for history, closes in ((guide_history(), False), (busy_history(), True)):
        file, state = io.StringIO(), SweepState()
        progress = Progress(Console(file=file, force_terminal=True))
        for event in history.events:
            state.apply(event)
            progress.on_event(event, state)
        if closes:
            progress.close()
        assert file.getvalue().count("\x1b[?25l") == file.getvalue().count("\x1b[?25h") == 1


def test_a_sweep_that_cannot_succeed_ends_with_one_traceback() -> None:
    history = History()
    for number in range(3):
        detail = "Traceback (most recent call last):\n  File x\nValueError: boom"
        history.suggest().start(number).fail(number, "crash", "exit 1: ValueError: boom", detail=detail)
    said = told(history.stop("failed", "the same failure 3 times in a row"))
    assert said.count("Traceback (most recent call last):") == 1
    assert "what the last failure left in its log (crash):\n  Traceback (most recent call last):\n" in said
    assert "    File x\n  ValueError: boom\n" in said
    assert "Traceback" not in told(guide_history())


def test_a_run_that_is_done_again_by_hand_is_told_as_such() -> None:
    history = History().suggest().start(0).fail(0, "crash", "boom")
    history.add(RunRetried, run_id="my_test.r.0")
    said = told(history.start(0))
    assert "my_test.r.0: done again (retry requested)\nmy_test.r.0: again (attempt 2)\n" in said


def test_what_another_machine_did_is_told_with_its_name_and_as_done() -> None:
    history = History().suggest()
    history.events[-1] = replace(history.events[-1], machine="gpu-07")
    said = told(history.start(0).finish(0, 1.5))
    assert "rollout 0 of 3 on gpu-07: " in said
    assert "started" not in said
    assert "reward 1.5" in said
