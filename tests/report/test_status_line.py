import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from metta_sweep.report.status_line import LATEST_S, StatusLine, status
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import AttemptStarted, AttemptSubmitted
from tests.factories import History


def line(history: History, width: int = 120) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(status(history.state))
    return file.getvalue()


def test_the_line_says_how_far_the_sweep_is_and_what_runs() -> None:
    history = History(asked={"rollout_count": 4}).rollout(0.5).suggest().start(1).fail(1).suggest().start(2)
    said = line(history)
    assert "2/4 · 12 s, about 12 s to go · 1 running (r.2) · best reward 0.5 · 1 oom" in said


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_line_is_one_line_in_every_terminal(width: int) -> None:
    history = History(asked={"rollout_count": 99})
    for number in range(9):
        history.suggest().start(number)
    assert len(line(history, width).splitlines()) == 1


def test_a_running_run_shows_its_latest_metric_once_it_has_one(tmp_path: Path) -> None:
    history, paths = History().suggest().start(0), SweepPaths(tmp_path, "my_test")
    file = io.StringIO()
    shown = StatusLine(Console(file=file, force_terminal=True, width=100))
    shown.show(history.state)
    shown.tick(history.state, paths, 10.0)
    assert "1 running (r.0, no report yet)" in file.getvalue()
    run = paths.run("my_test.r.0")
    run.root.mkdir(parents=True)
    lines = ({"step": step, "time_s": 1.0, "metrics": {"reward": value}} for step, value in ((1, 0.1), (2, 0.25)))
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shown.tick(history.state, paths, 10.5)
    assert "0.25" not in file.getvalue()
    shown.tick(history.state, paths, 10.0 + LATEST_S)
    assert "1 running (r.0, step 2, 0.25)" in file.getvalue()
    shown.close()


def test_the_line_is_drawn_in_terminals_only_and_taken_away_at_the_end() -> None:
    plain = io.StringIO()
    StatusLine(Console(file=plain)).show(History().state)
    assert plain.getvalue() == ""
    file = io.StringIO()
    shown = StatusLine(Console(file=file, force_terminal=True))
    shown.show(History().rollout(0.5).state)
    assert "1/3" in file.getvalue()
    assert "\x1b[?25l" in file.getvalue()
    shown.close()
    shown.close()
    assert file.getvalue().count("\x1b[?25h") == 1


def test_a_run_that_waits_for_torch_says_so_and_time_goes_on_between_events(tmp_path: Path) -> None:
    history, paths, file = History().suggest(), SweepPaths(tmp_path, "my_test"), io.StringIO()
    history.add(AttemptStarted, run_id="my_test.r.0", attempt=1)
    handle = {"launcher": "local", "attempt_id": "my_test.r.0.a1"}
    history.add(AttemptSubmitted, run_id="my_test.r.0", attempt=1, handle=handle)
    shown = StatusLine(Console(file=file, force_terminal=True, width=100))
    shown.show(history.state)
    shown.tick(history.state, paths, 10.0)
    assert "1 running (r.0, loading torch)" in file.getvalue()
    paths.run("my_test.r.0").attempts.mkdir(parents=True)
    paths.run("my_test.r.0").started("my_test.r.0.a1").touch()
    shown.tick(history.state, paths, 30.0)
    elapsed_s = history.state.elapsed_s
    assert f"{elapsed_s + 20:.0f} s · 1 running (r.0, no report yet)" in file.getvalue()
    shown.close()
