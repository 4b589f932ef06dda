"""Names that mean something to rich, HTML or a shell are printed as they are, in every view of a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from metta_sweep.report import Place, Progress, summary
from metta_sweep.report.best import best
from metta_sweep.report.explain import explain
from metta_sweep.report.live import Moment, live_view
from metta_sweep.report.status_line import status
from metta_sweep.sweep.state import SweepState
from tests.factories import Directories, History

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python="python", controller="")
MARKUP = ("[red]r[/red]", "[/]", "[link=x]y[/link]", ":smile:", "<b>b</b>", "$(ls)")


def marked() -> History:
    """A sweep of which every name and value is markup: metric, parameter, value, reason, failure."""
    space = {"a.[bold]": {"values": list(MARKUP)}}
    history = History(metric="[red]loss", asked={"parameters": space, "rollout_count": 9})
    for place, value in enumerate(MARKUP):
        history.rollout(0.1 * place, params={"a.[bold]": value}, reason=f"[blink]{value}")
    return history.suggest({"a.[bold]": "[/]"}).start(6).fail(6, "crash", "[red]boom[/]", detail="[b]deep[/]")


def printed(draw: Callable[[Console], None]) -> str:
    file = io.StringIO()
    draw(Console(file=file, width=200, force_terminal=True, color_system=None, legacy_windows=False))
    return file.getvalue()


def progress(console: Console) -> None:
    state, shown = SweepState(), Progress(console, place=PLACE, status_line=False)
    for event in marked().events:
        state.apply(event)
        shown.on_event(event, state)


VIEWS: dict[str, Callable[[], str]] = {
    "progress": lambda: printed(progress),
    "watch": lambda: printed(lambda console: console.print(live_view(marked().state, Moment(place=PLACE)))),
    "summary": lambda: summary(marked().state, paths=PLACE.paths, place=PLACE),
    "explain": lambda: explain(marked().state),
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_name_and_value_is_printed_as_it_is(view: str) -> None:
    said = VIEWS[view]()
    assert [text for text in (*MARKUP, "[red]loss", "[red]boom[/]") if text not in said] == []


def test_the_line_under_the_events_prints_names_as_they_are() -> None:
    running = replace(marked(), clock_s=99.0).suggest({"a.[bold]": "[/]"}).start(7)
    assert "best [red]loss 0.5" in printed(lambda console: console.print(status(running.state)))


def test_the_best_is_printed_as_it_is() -> None:
    said = best(marked().state, paths=PLACE.paths, place=PLACE)
    assert "a.[bold]: not set -> $(ls)" in said
    assert "[blink]$(ls)" in said
    assert best(marked().state, paths=PLACE.paths, form="args", place=PLACE) == "'--a.[bold]=$(ls)'\n"
