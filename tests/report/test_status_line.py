import io

import pytest
from rich.console import Console

from metta_sweep.report.status_line import StatusLine, status
from tests.factories import History


def line(history: History, width: int = 120) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(status(history.state))
    return file.getvalue()


def test_the_line_says_how_far_the_sweep_is_and_what_runs() -> None:
    history = History(asked={"rollout_count": 4}).rollout(0.5).suggest().start(1).fail(1).suggest().start(2)
    said = line(history)
    assert "2/4, about 12 s to go · running 2 · best reward 0.5 · 1 oom · 13 s of runs" in said


@pytest.mark.parametrize("width", [40, 80, 140])
def test_the_line_is_one_line_in_every_terminal(width: int) -> None:
    history = History(asked={"rollout_count": 99})
    for number in range(9):
        history.suggest().start(number)
    assert len(line(history, width).splitlines()) == 1


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
