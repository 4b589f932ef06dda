"""The parts of a report that are words and tables: failures, runs, configuration."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import yaml

from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.provenance import code_in_words, different_starts, restore_command, versions_in_words
from metta_sweep.report.requested import override_lines, parameter_lines
from metta_sweep.report.text import amounts, where
from metta_sweep.report.versions import version_lines
from metta_sweep.report.wording import count, optimizer_in_words
from metta_sweep.sweep.commands import run_config


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


def run_link(found: Gathered, run_id: str) -> Markup:
    """Return a link to a run's directory."""
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
            f"{count(spec.num_samples, 'run')} each. Optimizer: {optimizer_in_words(spec.optimizer)}.",
        ),
        table(("Parameter", "Space"), list(parameter_lines(spec.parameters))),
        [tag("p", f"{line}.") for line in version_lines(found.rows)],
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
