"""What a paper should state of a search for hyperparameters, filled in from the sweep as far as it knows.

The questions follow the checklist of T. Eimer, M. Lindauer and R. Raileanu, "Hyperparameters in Reinforcement Learning
and How To Tune Them", ICML 2023 (arXiv 2306.01324), in words of our own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from metta_sweep.optimize.registry import has_model
from metta_sweep.report.best import score_in_words, winner_of
from metta_sweep.report.confirmed import in_short
from metta_sweep.report.next_step import confirm_command
from metta_sweep.report.place import Place
from metta_sweep.report.provenance import code_in_words, different_starts, versions_in_words
from metta_sweep.report.requested import override_lines, parameter_lines
from metta_sweep.report.requested_space import rules_that_matter, space_of
from metta_sweep.report.rows import SweepRows, rows_of
from metta_sweep.report.text import RULE, totals
from metta_sweep.report.tradeoff import front_in_short, front_lines, no_best
from metta_sweep.report.wording import count, duration, plain, printable, progress_in_short, size
from metta_sweep.sweep.state import SweepState

SOURCE = (
    "after Eimer, Lindauer and Raileanu (ICML 2023), Hyperparameters in Reinforcement Learning and How To Tune Them"
)
MOST_RUNS = 100
"""Runs whose machines are looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to state."""

    title: str
    """What it is about."""
    lines: tuple[str, ...]
    """What the sweep says of it, or what is left to say."""
    known: bool = True
    """Whether the sweep answers it; otherwise it is the author's to say."""


def checklist_text(state: SweepState, place: Place) -> str:
    """Return the checklist of a sweep as text."""
    blocks = [f"📝 CHECKLIST OF {printable(state.spec.name)}\n{RULE}\n{SOURCE}\n[x] from the sweep, [ ] yours to say"]
    for item in checklist(state, place):
        first, *rest = item.lines
        head = f"[{'x' if item.known else ' '}] {item.title}: {first}"
        blocks.append("\n".join([head, *(f"      {line}" for line in rest)]))
    return "\n\n".join(blocks) + "\n"


def checklist(state: SweepState, place: Place) -> Iterator[Item]:
    """Yield the items in the order of a paper's section on experiments.

    Side effects:
        Reads which machines the first hundred runs had.
    """
    rows = rows_of(state)
    yield _tool(rows)
    yield _space(rows)
    yield _fixed(rows)
    yield Item(title="Objective", lines=(f"{printable(rows.spec.aim)}, {_seeds_each(rows)}",))
    yield _budget(rows)
    yield from _seeds(rows, place)
    yield _final(state, rows, place)
    yield _left_out(rows)
    yield from _made_with(state, rows, place)
    yield from _yours()


def _tool(rows: SweepRows) -> Item:
    spec = rows.spec
    method = {
        "protein": "Protein, a cost-aware Gaussian process",
        "random": "random search",
        "sobol": "a Sobol sequence",
    }
    settings = ", ".join(f"{name}={plain(value)}" for name, value in spec.protein.items() if value is not None)
    told = [f"metta_sweep, {method.get(spec.optimizer, printable(spec.optimizer))}"]
    if settings and has_model(spec.optimizer):
        told.append(f"settings: {printable(settings)}")
    if rows.sources:
        told.append(f"began with what other sweeps knew: {', '.join(printable(one.name) for one in rows.sources)}")
    return Item(title="Tuned with", lines=tuple(told))


def _space(rows: SweepRows) -> Item:
    lines = [f"{printable(name)}: {told}" for name, told in parameter_lines(rows.spec.parameters)]
    if rows.versions > 1:
        lines.append(f"the last of {rows.versions} spaces that the sweep has had; say why it was changed")
    space = space_of(rows.spec)
    rules = [] if space is None else [f"with {printable(rule)}" for rule in rules_that_matter(space)]
    return Item(title="Search space", lines=(count(len(rows.spec.parameters), "parameter"), *lines, *rules))


def _fixed(rows: SweepRows) -> Item:
    lines = [f"{printable(name)} = {value}" for name, value in override_lines(rows.spec.overrides)]
    return Item(title="Fixed beside it", lines=tuple(lines or ["the trainer's defaults"]))


def _seeds_each(rows: SweepRows) -> str:
    samples = count(rows.spec.num_samples, "run")
    return f"{samples} a point" + (", the same seeds for every point" if rows.spec.common_seeds else "")


def _budget(rows: SweepRows) -> Item:
    limits = {name: value for name, value in asdict(rows.spec.limits).items() if value is not None}
    lines = [
        f"{count(rows.spec.rollout_count, 'rollout')} of {count(rows.spec.num_samples, 'run')}",
        f"done: {progress_in_short(rows.decided, rows.spec.rollout_count, rows.unspent)}, runs: {totals(rows)}",
        f"spent: {duration(rows.cost_s)} of runs in {duration(rows.elapsed_s)}",
    ]
    lines += [f"limit {printable(name)}: {plain(value)}" for name, value in limits.items() if name != "rollouts"]
    if rows.unspent:
        lines.append("runs were stopped early; a stopped run counts for the share of its length that it did")
    return Item(title="Budget", lines=tuple(lines))


def _seeds(rows: SweepRows, place: Place) -> Iterator[Item]:
    tuning = sorted({run.seed for row in rows.rollouts for run in row.runs})
    testing = sorted({run.seed for row in rows.rollouts for run in row.confirmations if run.metric is not None})
    yield Item(title="Tuning seeds", lines=(listed(tuning),), known=bool(tuning))
    if not testing:
        yield Item(
            title="Test seeds",
            lines=("none: no point was run on seeds that the search has not seen", confirm_command(rows, place)),
            known=False,
        )
        return
    both = sorted(set(tuning) & set(testing))
    apart = "none of them was a tuning seed" if not both else f"also tuning seeds: {listed(both)}"
    yield Item(title="Test seeds", lines=(listed(testing), apart), known=not both)


def _final(state: SweepState, rows: SweepRows, place: Place) -> Item:
    if rows.front:
        told = (f"a {front_in_short(rows)}; say which of it you take, and by what", *front_lines(rows))
        return Item(title="Final configuration", lines=told, known=False)
    if rows.best_rollout is None or rows.best_rollout.best is None:
        return Item(title="Final configuration", lines=(no_best(rows) or "no rollout has a score",), known=False)
    winner = winner_of(state, rows, place)
    values = [f"{printable(name)} = {plain(value)}" for name, value in winner.rollout.params.items()]
    if rows.winner is not None and rows.verdict is not None:
        score = f"on test seeds: {printable(rows.spec.metric)} {in_short(rows.verdict, rows.winner)}"
    else:
        score = f"on tuning seeds only: {printable(rows.spec.metric)} {score_in_words(rows, winner)}"
    whole = f"to have it: {place.command('best', rows.spec.name)} --as {'args' if rows.spec.command else 'hydra'}"
    return Item(
        title="Final configuration",
        lines=(f"run {winner.run.run_id}", *values, score, whole),
        known=rows.winner is not None,
    )


def _left_out(rows: SweepRows) -> Item:
    """Return what has no part in the result: it belongs beside it."""
    lines = [f"{count(len(row.run_ids), 'run')} failed: {row.kind}" for row in rows.failures if row.run_ids]
    discarded = [run for run in rows.runs if run.discarded is not None]
    lines += [f"{run.run_id} discarded by hand: {printable(run.discarded or '')}" for run in discarded]
    outside = sum(bool(row.outside) for row in rows.rollouts)
    if outside:
        lines.append(f"{count(outside, 'rollout')} outside the last search space")
    return Item(title="Left out of the result", lines=tuple(lines or ["nothing"]))


def _made_with(state: SweepState, rows: SweepRows, place: Place) -> Iterator[Item]:
    starts = different_starts(state)
    code = dict.fromkeys(code_in_words(start.code, place, f"{rows.spec.name}.r.0") for start in starts)
    code.pop("", None)
    known = bool(code) and all(start.code is not None and not start.code.unknown for start in starts)
    yield Item(title="Code", lines=tuple(code) or ("the revision is not known",), known=known)
    versions = dict.fromkeys(versions_in_words(start) for start in starts if start.versions)
    yield Item(title="Versions", lines=tuple(versions) or ("not known",), known=bool(versions))
    found = tuple(machines(rows, place))
    hosts = tuple(dict.fromkeys(printable(start.host) for start in starts if start.host))
    yield Item(title="Hardware", lines=found or hosts or ("not known",), known=bool(found))


def _yours() -> Iterator[Item]:
    for title, line in (
        ("Environments", "are there settings for training and others for testing? Tune on the former only"),
        ("Comparisons", "were all methods tuned with the same tool, budget, and ranges where they share parameters?"),
        ("Availability", "where are the code, this sweep file and the exact environment (a lock file or an image)?"),
    ):
        yield Item(title=title, lines=(line,), known=False)


def machines(rows: SweepRows, place: Place) -> Iterator[str]:
    """Yield the kinds of machine that runs had, each once: cores, memory, system, GPUs a run."""
    seen = set()
    for run in rows.runs[:MOST_RUNS]:
        for record in sorted(place.paths.run(run.run_id).attempts.glob("*.start.json")):
            try:
                told = json.loads(record.read_text(encoding="utf-8"))
                kind = _machine(told["machine"], told.get("gpus"))
            except (OSError, ValueError, KeyError, TypeError):
                continue  # a damaged record of one run is no reason to say nothing of the others
            if kind not in seen:
                seen.add(kind)
                yield kind


def _machine(told: dict[str, object], gpus: object) -> str:
    memory = told["memory"]
    total = int(str(memory["total"])) if isinstance(memory, dict) else 0
    shown = f", {count(len(gpus), 'GPU')} a run" if isinstance(gpus, list) and gpus else ", no GPU"
    return printable(f"{told['cpu_count_logical']} cores, {size(total)} of memory{shown}; {told['os']}")


def listed(numbers: Iterable[int]) -> str:
    """Return whole numbers with runs of them in short: ``0 to 39, 50``."""
    parts: list[tuple[int, int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in parts) or "none"
