"""The summary as GitHub-flavoured Markdown, for a note or a pull request."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from metta_sweep.optimize.registry import DEFAULT
from metta_sweep.report.confirmed import confirmation_lines, in_short
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.place import Place
from metta_sweep.report.requested import override_lines, parameter_lines
from metta_sweep.report.rows import RolloutRow, SweepRows
from metta_sweep.report.sources import source_lines
from metta_sweep.report.text import amounts, cause, mean_of, totals, where
from metta_sweep.report.tradeoff import broken_in_words, front_in_short, front_lines, measured, no_best, shown_metrics
from metta_sweep.report.wording import duration, number, optimizer_in_words, plain, printable, seeds_in_words, sentence

_SPECIAL = re.compile(r"([\\`*\[\]|~]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))")


def markdown(rows: SweepRows, place: Place) -> str:
    """Return the summary, the answer first."""
    sections = (_answer(rows, place), _confirmation(rows), _rollouts(rows), _failures(rows), _configuration(rows))
    title = [f"# Sweep {escape(rows.spec.name)}"]
    return "\n\n".join("\n".join(lines) for lines in (title, *map(list, sections)) if lines) + "\n"


def escape(text: str) -> str:
    """Return text that Markdown and the HTML it becomes show as it is."""
    return _SPECIAL.sub(r"\\\1", html.escape(printable(text), quote=False))


def code(text: str) -> str:
    """Return text as a code span, whatever backticks it holds."""
    inner = printable(text)
    fence = "`" * (1 + max((len(ticks) for ticks in re.findall("`+", inner)), default=0))
    padding = " " if inner.startswith("`") or inner.endswith("`") else ""
    return f"{fence}{padding}{inner}{padding}{fence}"


def _answer(rows: SweepRows, place: Place) -> Iterator[str]:
    best = rows.best_run
    if rows.front:
        yield f"**{escape(sentence(front_in_short(rows)))}**"
        yield from ("", *(f"- {escape(line)}" for line in front_lines(rows)))
    elif best is None or best.metric is None:
        yield f"**{escape(sentence(no_best(rows) or 'no run has a score yet'))}.**"
    else:
        yield f"**Best run: {escape(best.run_id)}, {escape(measured(rows.spec, best.metrics))}**"
        if rows.winner is not None and rows.verdict is not None:
            yield f"(confirmed on fresh seeds: {in_short(rows.verdict, rows.winner)})"
        elif rows.best_rollout is not None and len(rows.best_rollout.runs) > 1:
            yield f"(best mean: {mean_of(rows.best_rollout)}, rollout {rows.best_rollout.index})"
        yield from ("", f"- Config: {code(place.show(place.paths.run(best.run_id).used_config()))}")
    yield f"- {escape(standing(rows, place))}"
    yield f"- Goal: {escape(rows.spec.aim)}; runs: {totals(rows)}"
    yield f"- Time: {duration(rows.elapsed_s)} of sweep time, {duration(rows.cost_s)} of runs"
    step = next_step(rows, place)
    yield from ("", f"Next, {step.purpose}:", "", f"    {printable(step.command)}")


def _confirmation(rows: SweepRows) -> Iterator[str]:
    lines = list(confirmation_lines(rows))
    if lines:
        yield from ("## Confirmation", "", f"{lines[0]}:", "", *(f"- {escape(line)}" for line in lines[1:]))


def _rollouts(rows: SweepRows) -> Iterator[str]:
    names = list(rows.short)
    others = [name for name in shown_metrics(rows.spec) if name != rows.spec.metric]
    measures = (f"Best {rows.spec.metric}", "Run", *others)
    head = ("Rollout", "Runs", *measures, *(rows.short[name] for name in names), "Note")
    yield from ("## Rollouts", "")
    yield from _table(head, (_cells(rollout, names, others) for rollout in rows.rollouts))


def _cells(rollout: RolloutRow, names: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    best = rollout.best
    beside = ["" if best is None or name not in best.metrics else number(best.metrics[name]) for name in others]
    value = "" if best is None or best.metric is None else number(best.metric)
    shown = {name: plain(value) for name, value in rollout.params.items()}
    note = cause(rollout.failure) if rollout.failure is not None else _note(rollout)
    run = "" if best is None else best.run_id
    given = (shown.get(name, "") for name in names)
    return (str(rollout.index), str(len(rollout.runs)), value, run, *beside, *given, note)


def _note(rollout: RolloutRow) -> str:
    if rollout.broken:
        return f"breaks {broken_in_words(rollout)}"
    why = "; ".join(f"{run.run_id} discarded: {run.discarded}" for run in rollout.runs if run.discarded is not None)
    if why:
        return why if rollout.mean is None else f"mean {mean_of(rollout)}; {why}"
    if rollout.mean is not None:
        return f"mean {mean_of(rollout)}" if len(rollout.runs) > 1 else ""
    return str(rollout.state).replace("_", " ")


def _failures(rows: SweepRows) -> Iterator[str]:
    if not rows.failures:
        return
    yield from ("## Failures", "")
    for row in rows.failures:
        yield f"- **{row.kind}**: {amounts(row)}. {escape(row.message)}"
        if row.run_ids:
            yield f"  - Where: {escape(where(rows, row))}"


def _configuration(rows: SweepRows) -> Iterator[str]:
    yield from ("## Configuration", "")
    samples = f"{rows.spec.num_samples}{seeds_in_words(rows.spec.common_seeds)}"
    yield f"Rollout count limit: {rows.spec.rollout_count}. Samples per rollout: {samples}."
    if rows.spec.optimizer != DEFAULT:
        yield f"Optimizer: {escape(optimizer_in_words(rows.spec.optimizer))}."
    yield ""
    yield from _table(("Parameter", "Space"), parameter_lines(rows.spec.parameters))
    told = list(source_lines(rows))
    if told:
        yield from ("", told[0], "", *(f"- {escape(line.strip())}" for line in told[1:]))
    leaves = list(override_lines(rows.spec.overrides))
    if leaves:
        yield ""
        yield from _table(("Override", "Value"), leaves)


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = [escape(cell) for cell in head]
    yield f"| {' | '.join(columns)} |"
    yield f"|{' --- |' * len(columns)}"
    yield from (f"| {' | '.join(map(escape, cells))} |" for cells in body)
