"""The pages: all sweeps, one sweep, one run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from metta_sweep.report.html.gather import gather
from metta_sweep.report.html.page import LIVE_POLICY, Live, html_report, own_text
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.overview import SweepLine, sweep_line
from metta_sweep.report.place import Place
from metta_sweep.report.reading import state_of
from metta_sweep.report.wording import duration, number
from metta_sweep.result import RunPaths
from metta_sweep.result.bounded import UnusableFileError, read_bytes, read_end
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths

_THEME = Markup(
    'const dark = matchMedia("(prefers-color-scheme: dark)");'
    'const follow = () => { document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; };'
    'follow(); dark.addEventListener("change", follow);'
)

LOG_BYTES = 64 * 1024
"""How much of a run's log is shown, its end."""

FILE_BYTES = 1024 * 1024
"""Longest file of a run that is shown."""

HEADS = ("Sweep", "State", "Best", "Progress", "Last change")


def place_of(paths: SweepPaths) -> Place:
    """Return a sweep's files as the person who started the server types them."""
    return Place.here(paths, controller=str(holder(paths) or ""))


def sweep_page(paths: SweepPaths, mark: str) -> str:
    """Return the report of a sweep as a live page; links to its runs are relative to it.

    Args:
        paths: The sweep's files.
        mark: Tells what the page is made of from what there is later.

    Raises:
        MettaSweepError: The journal is damaged, or plotly is not installed.
    """
    found = gather(state_of(paths), place_of(paths), paths.root)
    return html_report([found], live=Live(mark=mark, events="events", plotly="/assets/plotly.js", home="/"))


def line_of(paths: SweepPaths) -> SweepLine:
    """Return the line of a sweep in the list."""
    return sweep_line(paths, controller=str(holder(paths) or ""), now_s=time.time(), is_sized=False)


def list_page(lines: Sequence[SweepLine], data_dir: Path, mark: str) -> str:
    """Return the page of all sweeps, the one that changed last first; ``mark`` is as of :func:`sweep_page`."""
    newest = sorted(lines, key=lambda line: line.age_s)
    body = (
        tag("div", _table(newest), class_="scroll")
        if lines
        else tag("p", f"There is no sweep under {data_dir / 'sweep'} yet; this page shows the first one by itself.")
    )
    return _page("Sweeps", tag("h1", "Sweeps"), tag("p", str(data_dir)), tag("main", body), mark=mark)


def _table(lines: Sequence[SweepLine]) -> Markup:
    return tag(
        "table",
        tag("thead", tag("tr", [tag("th", head, scope="col") for head in HEADS])),
        tag("tbody", [tag("tr", list(_cells(line))) for line in lines]),
    )


def _cells(line: SweepLine) -> Iterator[Content]:
    done = f"{line.finished} of {line.rollout_count}"
    best = "none" if line.best is None else f"{line.metric} {number(line.best)}"
    yield tag("td", tag("a", line.name, href=f"sweeps/{quote(line.name)}/"))
    yield tag("td", line.state, class_="failed" if line.state in ("failed", "unreadable") else None)
    yield tag("td", best)
    bar = tag("progress", value=str(line.finished), max=str(max(1, line.rollout_count)), aria_label=done)
    yield tag("td", bar, " ", done)
    yield tag("td", f"{duration(line.age_s)} ago")


def run_page(run: RunPaths, sweep: str) -> str:
    """Return the page of a run: its files as they are, and the end of its log."""
    name = run.root.name
    files = [run.result, run.suggestion, run.config, *run.own_configs()]
    parts = [part for file in files for part in _shown(file.relative_to(run.root).as_posix(), _text(file))]
    log = _end(run.log)
    back = tag("p", tag("a", f"Sweep {sweep}", href="../../"))
    return _page(f"{name}", back, tag("h1", f"Run {name}"), tag("main", parts, _shown("train.log, its end", log)))


def _shown(title: str, text: str | None) -> list[Markup]:
    return [] if text is None else [tag("h2", title), tag("pre", text, tabindex="0")]


def _text(file: Path) -> str | None:
    try:
        return read_bytes(file, FILE_BYTES).decode(errors="replace")
    except (OSError, UnusableFileError):
        return None


def _end(file: Path) -> str | None:
    try:
        return read_end(file, LOG_BYTES).decode(errors="replace")
    except (OSError, UnusableFileError):
        return None


def refused_page(message: str) -> str:
    """Return a page that only says why there is nothing to see."""
    return _page("metta-sweep", tag("main", tag("h1", "Nothing to see here"), tag("p", message)))


def _page(title: str, *content: Content, mark: str | None = None) -> str:
    """Return a page in the report's own style; one with a mark stays up to date."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=LIVE_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("link", rel="icon", href="data:,"),
        tag("style", own_text("page.css")),
        tag("script", _THEME),
    )
    live = [] if mark is None else [tag("p", id="live", role="status"), tag("script", own_text("live.js"))]
    body = tag("body", *content, *live, data_events=None if mark is None else "events", data_mark=mark)
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
