"""The parts of a report that are words and tables: failures, runs, configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import yaml

from metta_sweep.report.checklist import SOURCE, checklist
from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.provenance import code_in_words, different_starts, restore_command, versions_in_words
from metta_sweep.report.requested import override_lines, parameter_lines
from metta_sweep.report.rows import RunRow
from metta_sweep.report.second_thoughts import regret_in_words
from metta_sweep.report.sources import source_lines
from metta_sweep.report.stopped_early import saved_in_words
from metta_sweep.report.text import amounts, where
from metta_sweep.report.versions import version_lines
from metta_sweep.report.wording import chance, count, number, optimizer_in_words, seeds_in_words
from metta_sweep.sweep.commands import run_config

MOST_SECOND_THOUGHTS = 10
"""Runs that were stopped early of which is said what is thought of them by now."""


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


def stopped_early(found: Gathered) -> Content:
    """Return what stopping runs early saved, and which of them are missed by now; nothing where none was."""
    saved = saved_in_words(found.rows)
    if not saved:
        return None
    was_any = bool(found.rows.ended_runs) or any(run.went_on for run in found.rows.runs)
    thoughts = list(found.second_thoughts)
    lines = [
        (
            one.run.run_id,
            f"{one.run.share:.0%}",
            *_expected_then(one.run),
            number(one.now.final[0]),
            chance(one.now.chance),
        )
        for one in thoughts[:MOST_SECOND_THOUGHTS]
    ]
    head = ("Run", "Stopped at", "Expected then", "Chance then", "Expected now", "Chance now")
    return tag(
        "section",
        tag("h2", "Runs stopped early"),
        tag("p", f"{saved}." + (f" In hindsight {regret_in_words(thoughts)}." if was_any else "")),
        table(head, lines, caption="The most promising by now; the chance is to beat the best point")
        if lines
        else None,
    )


def _expected_then(run: RunRow) -> tuple[str, str]:
    """Return what was expected of a run when it was ended, and the chance that it was given."""
    judged = run.judgement
    if judged is None or judged.final is None or judged.chance is None:
        return "no model judged", ""
    value, low, high = map(number, judged.final)
    return f"{value} ({low} to {high})", chance(judged.chance)


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


def run_link(found: Gathered, run_id: str) -> Markup:
    """Return a link to a run's page, or to its directory."""
    page = found.run_page.replace("{run}", quote(run_id)) or f"{runs_link(found)}{quote(run_id)}/"
    return tag("a", run_id, href=page)


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
            f"Goal: {spec.aim}. {count(spec.rollout_count, 'rollout')}, "
            f"{count(spec.num_samples, 'run')} each{seeds_in_words(spec.common_seeds)}. "
            f"Optimizer: {optimizer_in_words(spec.optimizer)}.",
        ),
        table(("Parameter", "Space"), list(parameter_lines(spec.parameters))),
        [tag("p", f"{line}.") for line in version_lines(found.rows)],
        _sources(found),
        table(("Override of the sweep file", "Value"), list(override_lines(spec.overrides)))
        if spec.overrides
        else None,
        tag("p", "Constraints: ", "; ".join(spec.constraints), ".") if spec.constraints else None,
        _folded("Resolved training config" + (" of the best" if winner is not None else ""), _yaml(config)),
        _folded(
            "Limits and settings of the optimizer", _yaml({"limits": asdict(spec.limits), "protein": spec.protein})
        ),
        _code(found),
    )


def for_a_paper(found: Gathered) -> Markup:
    """Return what a paper should state of the search, with what is left to say."""
    lines = [
        (
            "from the sweep" if item.known else "yours to say",
            item.title,
            tag("ul", [tag("li", one) for one in item.lines]),
        )
        for item in checklist(found.state, found.place)
    ]
    return tag(
        "section",
        tag("h2", "For a paper"),
        tag("p", f"What to state of a search, {SOURCE}."),
        tag("details", tag("summary", "The checklist, filled in"), table(("", "", ""), lines)),
    )


def _sources(found: Gathered) -> Content:
    """Return what each sweep whose runs are evidence is worth; nothing where there is none."""
    told = list(source_lines(found.rows))
    return [tag("p", told[0]), tag("ul", [tag("li", line.strip()) for line in told[1:]])] if told else None


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
