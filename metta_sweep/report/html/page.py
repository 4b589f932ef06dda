"""The whole page: sections in the order in which a reader asks, with everything it needs inside the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources

from metta_sweep.errors import RequestError
from metta_sweep.extras import how_to_install
from metta_sweep.report.best import Winner
from metta_sweep.report.confirmed import worth
from metta_sweep.report.html import sections
from metta_sweep.report.html.answer import answer
from metta_sweep.report.html.data import sweep_data
from metta_sweep.report.html.figure import Figure
from metta_sweep.report.html.front_figures import front_growth, fronts
from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.parameter_figures import importance, parallel, slices
from metta_sweep.report.html.progress_figures import by_cost, by_rollout, comparison, pareto
from metta_sweep.report.html.run_figures import learning_curves, predictions, slots
from metta_sweep.report.html.tags import Content, Markup, json_island, tag
from metta_sweep.report.rows import SweepRows
from metta_sweep.report.wording import duration, number

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Content security policy of the page: the browser itself refuses every request."""
LIVE_POLICY = POLICY.replace("script-src", "script-src 'self'") + "; connect-src 'self'"
"""The same of a page that a server keeps up to date: it may ask that server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Where a page that a server keeps up to date finds what it needs, as addresses on that server."""

    mark: str
    """What the page was made of; what there is later has another one."""
    events: str
    """Says the mark of what there is."""
    plotly: str
    """Plotly's JavaScript."""
    home: str
    """All sweeps."""


def html_report(sweeps: Sequence[Gathered], *, refresh_s: int | None = None, live: Live | None = None) -> str:
    """Return the report of one sweep, or of several on the same axes, as one file that needs nothing else.

    Args:
        sweeps: At least one.
        refresh_s: Seconds after which a browser loads the file again; None for never.
        live: The server that keeps the page up to date; None where it is a file of its own.

    Raises:
        RequestError: plotly is not installed; the message says how to install it.
    """
    figures: dict[str, Figure] = {}
    body = [_compared(sweeps, figures)] if len(sweeps) > 1 else []
    body += [_sweep(found, _prefix(place), figures, alone=len(sweeps) == 1) for place, found in enumerate(sweeps)]
    title = ", ".join(found.rows.spec.name for found in sweeps)
    page = tag(
        "html",
        _head(title, refresh_s, POLICY if live is None else LIVE_POLICY),
        tag(
            "body",
            _banner(title, sweeps, live),
            tag("main", body),
            _footer(sweeps, live),
            _scripts(sweeps, figures, live),
            data_events=None if live is None else live.events,
            data_mark=None if live is None else live.mark,
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _prefix(place: int) -> str:
    """Return what the keys of a sweep's figures begin with."""
    return f"s{place}-"


def plotly_js() -> str:
    """Return plotly's JavaScript.

    Raises:
        RequestError: plotly is not installed.
    """
    try:
        return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    except (ModuleNotFoundError, FileNotFoundError):
        raise RequestError.of("the HTML report needs plotly", fix=how_to_install("report")) from None


def own_text(name: str) -> Markup:
    """Return a file of the page's own as it is."""
    return Markup(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))


def _head(title: str, refresh_s: int | None, policy: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="refresh", content=str(refresh_s)) if refresh_s else None,
        tag("title", f"Sweep {title}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", own_text("page.css")),
    )


def _banner(title: str, sweeps: Sequence[Gathered], live: Live | None) -> Markup:
    at_s = max((found.state.asked.at for found in sweeps if found.state.asked is not None), default=0.0)
    asked = datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return tag(
        "header",
        tag("a", "Skip to the answer", href="#answer", class_="skip"),
        None if live is None else tag("p", tag("a", "All sweeps", href=live.home)),
        tag("h1", f"Sweep {title}"),
        tag("p", f"Last started {asked}."),
        tag("button", "Light or dark", type="button", id="theme"),
        tag("noscript", tag("p", "The plots and the table of runs need JavaScript; the answer does not.")),
    )


def _footer(sweeps: Sequence[Gathered], live: Live | None) -> Markup:
    command = sweeps[0].place.command("report", *(found.rows.spec.name for found in sweeps))
    if live is not None:
        return tag("footer", tag("p", "As a file that needs no server: ", tag("code", command)))
    return tag("footer", tag("p", "Made by ", tag("code", command), "; this file needs no network."))


def _scripts(sweeps: Sequence[Gathered], figures: dict[str, Figure], live: Live | None) -> Iterator[Content]:
    island = {key: {"data": one.data, "layout": one.layout, "height": one.height} for key, one in figures.items()}
    data = {_prefix(place): sweep_data(found) for place, found in enumerate(sweeps)}
    yield json_island("figures", island)
    yield json_island("sweeps", data)
    yield tag("script", Markup(plotly_js())) if live is None else tag("script", src=live.plotly)
    yield tag("script", own_text("page.js"), id=None if live is None else "page")
    if live is not None:
        yield tag("p", id="live", role="status")
        yield tag("script", own_text("live.js"))


# -------------------------------------------------------------------- parts


def _compared(sweeps: Sequence[Gathered], figures: dict[str, Figure]) -> Markup:
    lines = [
        (
            found.rows.spec.name,
            "none" if found.winner is None else in_one_cell(found.winner),
            "" if found.winner is None else found.winner.run.run_id,
            f"{found.rows.decided} of {found.rows.spec.rollout_count}",
            duration(found.rows.cost_s),
        )
        for found in sweeps
    ]
    return tag(
        "section",
        tag("h2", "Side by side"),
        sections.table(("Sweep", "Best", "Run", "Rollouts", "Cost of runs"), lines),
        [_figure(one, "", figures) for one in comparison([found.rows for found in sweeps])],
    )


def in_one_cell(winner: Winner) -> str:
    """Return the best's mean, and what fresh seeds make of it where it was confirmed."""
    if winner.confirmed is not None:
        return f"{worth(winner.confirmed)}, confirmed"
    return "none" if winner.rollout.mean is None else f"{number(winner.rollout.mean)}, not confirmed"


def _sweep(found: Gathered, prefix: str, figures: dict[str, Figure], *, alone: bool) -> Markup:
    return tag(
        "article",
        None if alone else tag("h2", found.rows.spec.name, class_="name"),
        answer(found),
        [_group(title, drawn, prefix, figures) for title, drawn in _groups(found)],
        sections.stopped_early(found),
        sections.failures(found),
        sections.runs(prefix + "runs"),
        sections.configuration(found),
        sections.for_a_paper(found),
    )


def _groups(found: Gathered) -> Iterator[tuple[str, list[Figure]]]:
    """Yield the plots under their headings; a plot that has nothing to show is left out."""
    rows = found.rows
    if any(row.mean is not None for row in rows.rollouts):
        if rows.spec.has_front:
            yield "What is traded off", [*fronts(rows), front_growth(rows)]
        yield _how_it_went(rows), [by_rollout(rows), by_cost(rows), pareto(rows)]
        yield "The parameters", list(_parameters(found))
    curves, judged, used = learning_curves(rows, found.evaluations), predictions(rows), slots(found.state)
    yield "The runs and the model", [one for one in (curves, judged, used) if one is not None]


def _how_it_went(rows: SweepRows) -> str:
    """Return the heading of the figures of one metric; of several goals they show the first."""
    return f"How it went, by {rows.spec.metric} alone" if rows.spec.has_front else "How it went"


def _parameters(found: Gathered) -> Iterator[Figure]:
    if found.space is None:
        return
    if found.surrogate is not None:
        yield importance(found.rows, found.surrogate.importances, found.surrogate.points)
    yield parallel(found.rows, found.space)
    yield from slices(found.rows, found.space, found.surrogate)


def _group(title: str, drawn: list[Figure], prefix: str, figures: dict[str, Figure]) -> Content:
    if not drawn:
        return None
    small = [one for one in drawn if one.key.startswith("slice")]
    large = [one for one in drawn if one not in small]
    return tag(
        "section",
        tag("h2", title),
        [_figure(one, prefix, figures) for one in large],
        [_slices(small, prefix, figures)] if small else None,
    )


def _slices(small: list[Figure], prefix: str, figures: dict[str, Figure]) -> Iterator[Content]:
    yield tag("h3", "One parameter at a time")
    yield tag(
        "p",
        "Points are rollouts. The line is the model's mean with the other parameters at the best point, the band its "
        "90% interval; crosses at the edge are failures, open circles what was expected of the end of runs that were "
        "stopped early. The parameters that mattered most come first.",
    )
    yield tag("div", [_figure(one, prefix, figures) for one in small], class_="grid")


def _figure(figure: Figure, prefix: str, figures: dict[str, Figure]) -> Markup:
    key = prefix + figure.key
    figures[key] = figure
    return tag(
        "figure",
        tag("h3", figure.title),
        tag(
            "div",
            id=key,
            class_="plot",
            role="img",
            aria_label=f"{figure.title}. {figure.caption}",
            style=f"min-height:{figure.height}px",
        ),
        tag("figcaption", figure.caption),
    )
