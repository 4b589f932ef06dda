"""The winner: where it lies, how certain it is, how it differs from the base config, and how to have it again."""

from __future__ import annotations

import enum
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from metta_sweep.errors import RequestError
from metta_sweep.report.as_hydra import hydra_yaml
from metta_sweep.report.as_json import json_text, rollout_object, run_object
from metta_sweep.report.calibration import cost_of
from metta_sweep.report.confirmed import in_short, luck
from metta_sweep.report.narration import expectation, reason_of
from metta_sweep.report.next_step import confirm_command, next_step, rerun_command
from metta_sweep.report.place import HasRunPaths, Place
from metta_sweep.report.provenance import made_with
from metta_sweep.report.recommended import recommended_lines
from metta_sweep.report.requested_space import flat
from metta_sweep.report.rows import RolloutRow, RunRow, SweepRows, rows_of
from metta_sweep.report.text import RULE
from metta_sweep.report.tradeoff import choices, front_in_short, front_lines, no_best
from metta_sweep.report.wording import count, duration, error, name_of, number, plain, printable
from metta_sweep.sweep.commands import options_of, run_config
from metta_sweep.sweep.events import SweepAsked
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.verdict import Confirmed

COVERAGE = 0.9
"""Share of cases in which the interval of a mean holds the true mean."""


class Form(enum.StrEnum):
    """How the winner is written."""

    TEXT = "text"
    JSON = "json"
    HYDRA = "hydra"
    ARGS = "args"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterChange:
    """One parameter of the winner beside the base config."""

    name: str
    """Dotted path."""
    base: Any
    """Value of the base config; None where it has none."""
    best: Any
    """Value of the winner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """The best rollout by its mean, and its best run."""

    rollout: RolloutRow
    """The rollout."""
    run: RunRow
    """Its best run."""
    interval: tuple[float, float] | None
    """90% interval of the mean; None where a single run tells nothing of its luck."""
    confirmed: Confirmed | None
    """What its fresh runs say; None where it is not confirmed."""
    changes: tuple[ParameterChange, ...]
    """Every parameter of the suggestion beside the base config, in order."""
    start: SweepAsked | None
    """The start of the sweep that started its run: code and versions; None where another machine did."""


def best(
    state: SweepState,
    *,
    paths: HasRunPaths,
    form: Form | str = Form.TEXT,
    place: Place | None = None,
    recommended: bool = False,
) -> str:
    """Return the winner in the form that was asked for.

    Args:
        state: The sweep so far.
        paths: Finds the directory of a run.
        form: ``text``; ``json``; ``hydra``, a file for Hydra with the whole training config; ``args``, options for a
            command line.
        place: Where the reader stands; by default this process's working directory and interpreter.
        recommended: Whether what to train again is wanted, where that is not the point with the best score.

    Raises:
        RequestError: No rollout has a score.
    """
    rows, here = rows_of(state), place or Place.here(paths)
    winner = winner_of(state, rows, here, recommended=recommended)
    writers = {Form.TEXT: _text, Form.JSON: _json, Form.HYDRA: _hydra, Form.ARGS: _args}
    return writers[Form(form)](rows, winner, here)


def winner_of(state: SweepState, rows: SweepRows, place: Place, *, recommended: bool = False) -> Winner:
    """Return the winner; the rollout to train again instead, where that is wanted and there is one.

    Raises:
        RequestError: No rollout has a score.
    """
    rollout = rows.best_rollout
    if recommended and rows.recommended is not None:
        rollout = rows.rollouts[rows.recommended.rollout]
    if rows.front:
        raise _several(rows, place)
    if rollout is None or rollout.best is None:
        if why := no_best(rows):
            fix = "widen the bound under sweep.bounds and run it again: every run is judged anew"
            raise RequestError.of(f"{printable(rows.spec.name)} has no best: {why}", fix=fix)
        step = next_step(rows, place)
        raise RequestError.of(f"{printable(rows.spec.name)} has no rollout with a score yet", fix=step.command)
    base = flat(rows.spec.training)
    return Winner(
        rollout=rollout,
        run=rollout.best,
        interval=_interval(rollout),
        confirmed=rows.winner,
        changes=tuple(
            ParameterChange(name=name, base=base.get(name), best=value) for name, value in rollout.params.items()
        ),
        start=state.start_of(state.runs[rollout.best.run_id]),
    )


def _several(rows: SweepRows, place: Place) -> RequestError:
    """Return that there is no one best of several goals, which there are, and how one is chosen."""
    name, points = printable(rows.spec.name), "\n".join(f"      {line}" for line in front_lines(rows))
    message = f"{name} has no one best but a {front_in_short(rows)}, to {printable(rows.spec.aim)}:\n{points}"
    fix = "choose one of it:\n" + "\n".join(f"      {command}" for command in choices(rows, place))
    return RequestError.of(message, fix=fix)


def _interval(rollout: RolloutRow) -> tuple[float, float] | None:
    """Return Student's interval of the mean over the rollout's runs."""
    if rollout.mean is None or rollout.standard_error is None:
        return None
    from scipy.special import stdtrit

    reach = float(stdtrit(rollout.scored - 1, 0.5 + COVERAGE / 2)) * rollout.standard_error
    return (rollout.mean - reach, rollout.mean + reach) if math.isfinite(reach) else None


# -------------------------------------------------------------------- forms


def _text(rows: SweepRows, winner: Winner, place: Place) -> str:
    paths = place.paths.run(winner.run.run_id)
    title = "BEST OF" if winner.rollout == rows.best_rollout else "TO TRAIN AGAIN FROM"
    lines = [f"🏆 {title} {printable(rows.spec.name)}: {winner.run.run_id}", RULE]
    lines += [f"{name_of(rows.spec.metric)}: {score_in_words(rows, winner)}", *_luck(rows, winner, place)]
    lines += [
        f"{name_of(name)}: {_beside(winner, name)}" for name in rows.spec.read_metrics if name != rows.spec.metric
    ]
    lines += [f"Directory: {place.show(paths.root)}", f"Config: {place.show(paths.used_config())}"]
    lines += [f"Found by: {found_by(rows, winner)}", f"Cost: {_cost(winner)}", ""]
    lines += [*_changes(rows, winner), ""]
    lines += [f"{name}: {value}" for name, value in made_with(winner.start, place, winner.run.run_id)]
    if rows.words and not rows.spec.reruns:
        lines += ["", "▶ NEXT: train it again and keep that", f"  {rerun_command(winner.run.run_id, place)}"]
    return "\n".join(lines) + "\n"


def score_in_words(rows: SweepRows, winner: Winner) -> str:
    """Return the score with what is known of its luck."""
    rollout = winner.rollout
    if winner.confirmed is not None and rows.verdict is not None:
        return f"{in_short(rows.verdict, winner.confirmed)} (confirmed on fresh seeds)"
    if winner.interval is None or rollout.mean is None:
        return f"{_own(winner)}{_episodes(rows, winner)} (one run: how much of it is luck is not known)"
    low, high = map(number, winner.interval)
    runs = count(rollout.scored, "run")
    return f"{number(rollout.mean)} on average over {runs} (90% interval {low} to {high}); this run {_own(winner)}"


def _episodes(rows: SweepRows, winner: Winner) -> str:
    """Return the standard error over the run's own evaluation episodes, where it reports one."""
    found = winner.run.metrics.get(f"{rows.spec.metric}_se")
    return "" if found is None else f" ± {error(found)} over its evaluation"


def _luck(rows: SweepRows, winner: Winner, place: Place) -> Iterator[str]:
    """Yield how lucky the score was, or the warning that the best of many is lucky as well as good."""
    if winner.rollout != rows.best_rollout:
        yield from (f"  {line}" for line in recommended_lines(rows))
        return
    scored = sum(row.mean is not None for row in rows.rollouts)
    if winner.confirmed is not None:
        yield f"  {luck(winner.confirmed)}"
    elif scored > 1:
        yield f"  It was picked as the best of {scored} points: a fresh run is likely to do somewhat worse."
        yield f"  To know how good it is: {confirm_command(rows, place)}"
    if rows.recommended is not None:
        yield from (f"  {line}" for line in recommended_lines(rows))
        yield f"  {place.command('best', rows.spec.name, '--recommended')}"


def _own(winner: Winner) -> str:
    return "none" if winner.run.metric is None else number(winner.run.metric)


def found_by(rows: SweepRows, winner: Winner) -> str:
    """Return where the winner came from."""
    suggestion = winner.rollout.suggestion
    parts = [f"{printable(suggestion.origin)} (rollout {winner.rollout.index})", reason_of(suggestion)]
    if suggestion.predicted is not None:
        parts.append(f"expected {expectation(suggestion.predicted, rows.spec.metric)}")
    return "; ".join(part for part in parts if part)


def _beside(winner: Winner, metric: str) -> str:
    """Return another metric of the winner that counts: its mean, and what its best run gave where there are several."""
    own = number(winner.run.metrics[metric]) if metric in winner.run.metrics else "none"
    mean = winner.rollout.values.get(metric)
    return own if mean is None or winner.rollout.scored < 2 else f"{number(mean)} on average; this run {own}"


def _cost(winner: Winner) -> str:
    steps = "" if winner.run.steps is None else f", {winner.run.steps} steps"
    return f"{duration(cost_of(winner.rollout))} a run{steps}, seed {winner.run.seed}"


def _changes(rows: SweepRows, winner: Winner) -> Iterator[str]:
    """Yield what differs from the base config, then what was searched and came out the same."""
    if rows.spec.command:  # another program's own defaults are not known
        yield "Its parameters:"
        yield from (f"  {printable(change.name)}: {plain(change.best)}" for change in winner.changes)
        return
    changed = [change for change in winner.changes if change.base != change.best]
    yield "Changed from the base config:" if changed else "Nothing is changed from the base config."
    for change in changed:
        before = "not set" if change.base is None else plain(change.base)
        yield f"  {printable(change.name)}: {before} -> {plain(change.best)}"
    same = [f"{printable(change.name)}={plain(change.best)}" for change in winner.changes if change not in changed]
    if same:
        yield f"Searched and left as it is: {', '.join(same)}"


def _json(rows: SweepRows, winner: Winner, place: Place) -> str:
    paths = place.paths.run(winner.run.run_id)
    return json_text(
        {
            "name": rows.spec.name,
            "metric": rows.spec.metric,
            "goal": str(rows.spec.goal),
            "values": winner.rollout.values,
            "run": run_object(winner.run),
            "rollout": rollout_object(winner.rollout),
            "interval_90": winner.interval,
            "recommended": None if rows.recommended is None else asdict(rows.recommended),
            "confirmed": None if winner.confirmed is None else asdict(winner.confirmed),
            "changes": [asdict(change) for change in winner.changes],
            "directory": place.show(paths.root),
            "config": place.show(paths.used_config()),
            "made_with": {} if winner.start is None else winner.start.versions,
            "code": None if winner.start is None or winner.start.code is None else asdict(winner.start.code),
            "repeat": rerun_command(winner.run.run_id, place) if rows.words and not rows.spec.reruns else None,
        }
    )


def _hydra(rows: SweepRows, winner: Winner, place: Place) -> str:
    """Return a file for Hydra: composed last, it sets every value of the winner's training config."""
    params = winner.rollout.params
    base = {} if rows.spec.command else rows.spec.training
    groups = {name: value for name, value in params.items() if any(other.startswith(f"{name}.") for other in params)}
    inside = {name: value for name, value in params.items() if name not in groups}
    config = run_config(base, inside, run_id=winner.run.run_id, seed=winner.run.seed)
    del config["run"]
    chosen = {"defaults": [{f"override /{name}": value} for name, value in groups.items()]} if groups else {}
    body = hydra_yaml({**_choices(config), **chosen, **config})
    return "\n".join(["# @package _global_", *_provenance(rows, winner, place), "", body])


def _choices(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults list that takes the winner's own environment: keys of another would stay beside its own."""
    env = config.get("env")
    name = env.get("name") if isinstance(env, Mapping) else None
    return {"defaults": [{"override /env": name}]} if isinstance(name, str) else {}


def _provenance(rows: SweepRows, winner: Winner, place: Place) -> Iterator[str]:
    value = f"{printable(rows.spec.metric)} {_own(winner)}"
    which = "The best" if winner.rollout == rows.best_rollout else "What to train again"
    yield f"# {which} of sweep {printable(rows.spec.name)}: run {winner.run.run_id}, seed {winner.run.seed}, {value}."
    if winner.confirmed is not None and rows.verdict is not None:
        yield f"# On fresh seeds: {in_short(rows.verdict, winner.confirmed)}."
    yield from (f"# {name}: {value}" for name, value in made_with(winner.start, place, winner.run.run_id))


def _args(rows: SweepRows, winner: Winner, place: Place) -> str:
    del place
    return shlex.join(options_of(rows.spec, winner.rollout.params)) + "\n"
