"""The parts of a report that are words and tables: the answer, failures, runs, configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import yaml

from metta_sweep.report.asked_for import override_lines, parameter_lines
from metta_sweep.report.best import found_by, score_in_words
from metta_sweep.report.confirmed import chance, luck, progress_of, stale_note, worth
from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.provenance import code_in_words, different_starts, restore_command, versions_in_words
from metta_sweep.report.rows import SweepRows
from metta_sweep.report.text import amounts, totals, where
from metta_sweep.report.wording import count, duration, number, plain
from metta_sweep.sweep.commands import run_config


def answer(found: Gathered) -> Markup:
    """Return what a reader came for: the best, how sure it is, what it cost, what to do next."""
    return tag(
        "section",
        tag("h2", "The answer", id="answer"),
        tag("p", standing(found.rows, found.place), ". ", _dashboard(found.rows), class_="standing"),
        _best(found),
        _cards(found.rows),
        _advice(found),
        _command(found),
        class_="answer",
    )


def _best(found: Gathered) -> Iterator[Content]:
    winner, rows = found.winner, found.rows
    if winner is None:
        yield tag("p", "No rollout has a score yet.", class_="lead")
        return
    better = "larger" if rows.spec.goal.sign > 0 else "smaller"
    yield tag(
        "p",
        f"The best {rows.spec.metric} ({better} is better): ",
        tag("strong", score_in_words(rows, winner)),
        ", by run ",
        _directory(found, winner.run.run_id),
        f". Found by {found_by(rows, winner)}.",
        class_="lead",
    )
    yield from _expected(found) if winner.confirmed is None else [tag("p", luck(winner.confirmed))]
    yield from _confirmation(found)
    changed = [change for change in winner.changes if change.base != change.best]
    same = [f"{change.name}={plain(change.best)}" for change in winner.changes if change.base == change.best]
    if changed:
        yield table(
            ("Parameter", "Base config", "Best"),
            [(c.name, "not set" if c.base is None else plain(c.base), plain(c.best)) for c in changed],
            caption="What the best changes in the base config",
        )
    if same:
        yield tag("p", f"Searched and left as it is: {', '.join(same)}.")


def _confirmation(found: Gathered) -> Iterator[Content]:
    """Yield what each point gave that was run again on fresh seeds."""
    rows, verdict = found.rows, found.rows.verdict
    if verdict is None:
        return
    shown = [
        (
            str(one.rollout),
            number(one.searched),
            "none" if one.mean is None else number(one.mean),
            "failed on a fresh seed" if one.failed else worth(one),
            chance(one),
            str(one.scored),
        )
        for one in verdict.points
    ]
    head = ("Rollout", "In the search", "On fresh seeds", "Less luck", "Chance of being best", "Fresh runs")
    yield table(head, shown, caption=f"Confirmation: {progress_of(verdict)}")
    if note := stale_note(rows):
        yield tag("p", note)


def _expected(found: Gathered) -> Iterator[Markup]:
    """Yield what the model makes of the winner: a best of many is lucky, its neighbours are not."""
    said = found.surrogate.winner if found.surrogate is not None else None
    if said is None:
        return
    text = (
        f"By the model, which knows every rollout, many runs of it would average {number(said.mean)} "
        f"(90% interval {number(said.low)} to {number(said.high)})."
    )
    favourite = found.surrogate.favourite if found.surrogate is not None else None
    if favourite is not None and favourite.rollout != said.rollout:
        text += f" It expects most of rollout {favourite.rollout}: {number(favourite.mean)} on average."
    yield tag("p", text)


def _dashboard(rows: SweepRows) -> Content:
    """Return a link to the sweep's page at W&B; anything that is no web address is left out."""
    if not rows.dashboard.startswith(("https://", "http://")):
        return None
    return tag("a", "Its page at W&B", href=rows.dashboard)


def _cards(rows: SweepRows) -> Markup:
    failed = sum(len(row.run_ids) for row in rows.failures)
    cards = (
        ("Rollouts", f"{rows.decided} of {rows.spec.rollout_count}"),
        ("Runs", totals(rows)),
        ("Cost of runs", duration(rows.cost_s)),
        ("Sweep time", duration(rows.elapsed_s)),
        ("Failed runs", str(failed)),
    )
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in cards], class_="cards")


def _advice(found: Gathered) -> Content:
    if not found.advice:
        return None
    return [
        tag("h3", "What to try next"),
        tag("ul", [tag("li", sentence) for sentence in found.advice]),
    ]


def _command(found: Gathered) -> Content:
    step = next_step(found.rows, found.place)
    return [
        tag("p", f"To {step.purpose}, type:"),
        tag(
            "div",
            tag("pre", tag("code", step.command), tabindex="0"),
            tag("button", "Copy", type="button", class_="copy"),
            class_="command",
        ),
    ]


def failures(found: Gathered) -> Content:
    """Return where and why runs fail, or nothing where none did."""
    rows = found.rows
    if not rows.failures:
        return None
    lines = [
        (
            str(row.kind),
            amounts(row),
            row.message,
            where(rows, row) if row.run_ids else "no point of the space is to blame",
        )
        for row in rows.failures
    ]
    evidence = [
        tag("details", tag("summary", f"Evidence of the last {row.kind}"), tag("pre", row.detail, tabindex="0"))
        for row in rows.failures
        if row.detail.strip()
    ]
    return tag("section", tag("h2", "Failures"), table(("Class", "How often", "Last cause", "Where"), lines), evidence)


def runs(key: str) -> Markup:
    """Return the place of the table of all runs: the page fills it from what it also draws the plots from.

    A click on a head sorts it, the field above it filters.
    """
    return tag(
        "section",
        tag("h2", "All runs"),
        tag(
            "label",
            "Show only rows with ",
            tag("input", type="search", class_="filter", placeholder="part of any cell"),
        ),
        tag("div", tag("table", class_="runs", id=key), class_="scroll", tabindex="0"),
    )


def _directory(found: Gathered, run_id: str) -> Markup:
    return tag("a", run_id, href=f"{runs_link(found)}{quote(run_id)}/")


def runs_link(found: Gathered) -> str:
    """Return where the run directories lie as seen from the page: the whole folder can be moved or served."""
    folder = (found.place.cwd / found.place.paths.run("any").root).parent
    return quote(os.path.relpath(folder, found.page_dir)) + "/"


def configuration(found: Gathered) -> Markup:
    """Return what was asked: space, overrides, the resolved config of the best (or the base), versions."""
    spec, winner = found.rows.spec, found.winner
    config = dict(spec.training)
    if winner is not None:
        config = run_config(spec.training, winner.rollout.params, run_id=winner.run.run_id, seed=winner.run.seed)
    return tag(
        "section",
        tag("h2", "What was asked"),
        tag(
            "p",
            f"Goal: {spec.goal} {spec.metric}. {count(spec.rollout_count, 'rollout')}, "
            f"{count(spec.num_samples, 'run')} each.",
        ),
        table(("Parameter", "Space"), list(parameter_lines(spec.parameters))),
        table(("Override of the sweep file", "Value"), list(override_lines(spec.overrides)))
        if spec.overrides
        else None,
        tag("p", "Constraints: ", "; ".join(spec.constraints), ".") if spec.constraints else None,
        _folded("Resolved training config" + (" of the best" if winner is not None else ""), _yaml(config)),
        _folded("Limits and settings of Protein", _yaml({"limits": spec.limits, "protein": spec.protein})),
        _code(found),
    )


def _code(found: Gathered) -> Markup:
    """Return a table of the starts that differ in code, versions or host."""
    place, any_run = found.place, f"{found.rows.spec.name}.r.0"
    shown = [
        (
            datetime.fromtimestamp(start.at, UTC).strftime("%Y-%m-%d %H:%M UTC"),
            start.host,
            code_in_words(start.code, place, any_run),
            versions_in_words(start),
            restore_command(start.code, place, any_run),
        )
        for start in different_starts(found.state)
    ]
    caption = "With which code: a line for each start that changed something"
    return table(("Started", "Host", "Code", "Versions", "To have it again"), shown, caption=caption)


def _yaml(content: Any) -> str:
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100))


def _folded(title: str, body: str) -> Markup:
    return tag("details", tag("summary", title), tag("pre", body, tabindex="0"))


def table(head: Sequence[str], body: Sequence[Sequence[str]], *, caption: str = "") -> Markup:
    """Return a plain table."""
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag("thead", tag("tr", [tag("th", cell, scope="col") for cell in head])),
            tag("tbody", [tag("tr", [tag("td", cell) for cell in cells]) for cells in body]),
        ),
        class_="scroll",
    )
