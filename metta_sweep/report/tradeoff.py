"""What is said of several goals and of bounds: each metric of a point, the front, and how one of it is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from metta_sweep.report.place import Place
from metta_sweep.report.rows import RolloutRow, SweepRows
from metta_sweep.report.wording import count, error, number, params, printable
from metta_sweep.sweep.records import SweepSpec

MOST_LISTED = 12
"""Points of a front that are listed."""


def shown_metrics(spec: SweepSpec) -> tuple[str, ...]:
    """Return the metrics that are shown of every run: the one that is searched for, else all that are looked at."""
    return tuple(dict.fromkeys([spec.metric, *spec.read_metrics])) if spec.objectives or spec.bounds else (spec.metric,)


def measured(spec: SweepSpec, metrics: Mapping[str, float]) -> str:
    """Return what a run reported: ``reward 3.1``, or with several goals or bounds ``reward 3.1, latency 12``."""
    known = [(name, metrics[name]) for name in shown_metrics(spec) if name in metrics]
    return ", ".join(f"{printable(name)} {number(value)}" for name, value in known)


def means(spec: SweepSpec, row: RolloutRow) -> str:
    """Return what a rollout came to in every metric, with standard errors where they are known."""
    if not row.values or row.mean is None:
        return ""
    values = {**({} if spec.metric in row.values else {spec.metric: row.mean}), **row.values}
    return ", ".join(f"{printable(name)} {number(value)}{_error(row, name)}" for name, value in values.items())


def _error(row: RolloutRow, name: str) -> str:
    spread = row.standard_errors.get(name)
    return "" if spread is None else f" ± {error(spread)}"


def broken_in_words(row: RolloutRow) -> str:
    """Return which bounds a rollout breaks, and by what: ``latency <= 20 (it is 25.3)``; empty where it keeps all."""
    return "; ".join(f"{printable(str(one))} (it is {number(row.values[one.metric])})" for one in row.broken)


def bounds_in_words(spec: SweepSpec) -> str:
    """Return all bounds: ``latency <= 20 and energy <= 5``."""
    return printable(" and ".join(map(str, spec.bounds)))


def front_in_short(rows: SweepRows) -> str:
    """Return the front in a few words: ``front of 5 points, hypervolume 71%``."""
    share = "" if rows.front_share is None else f", hypervolume {rows.front_share:.0%}"
    return f"front of {count(len(rows.front), 'point')}{share}"


def no_best(rows: SweepRows) -> str:
    """Return why no rollout is the best, where some have a score: none keeps the bounds; else nothing."""
    near = nearest_to_bounds(rows)
    if near is None or rows.best_rollout is not None or rows.front:
        return ""
    return (
        f"no rollout keeps {bounds_in_words(rows.spec)}; the nearest is rollout {near.index}: {means(rows.spec, near)}"
    )


def nearest_to_bounds(rows: SweepRows) -> RolloutRow | None:
    """Return the rollout that breaks the bounds least, in the unit of each; None where none breaks one."""
    broken = [row for row in rows.rollouts if row.broken and not row.outside]

    def excess(row: RolloutRow) -> float:
        return max(-one.slack(row.values[one.metric]) / (abs(one.limit) or 1.0) for one in row.broken)

    return min(broken, key=excess, default=None)


def by_first(rows: SweepRows) -> list[RolloutRow]:
    """Return the front ordered by its first metric, the best first."""
    score = rows.spec.goal.score
    return sorted((rows.rollouts[index] for index in rows.front), key=lambda row: -score(row.mean or 0.0))


def front_lines(rows: SweepRows) -> Iterator[str]:
    """Yield a line for each point of the front, the best by the first metric first."""
    ordered = by_first(rows)
    for row in ordered[:MOST_LISTED]:
        run = row.runs[0].run_id if row.runs else ""
        yield f"{means(rows.spec, row)}: rollout {row.index} ({run}; {', '.join(params(row.params, rows.short))})"
    if len(ordered) > MOST_LISTED:
        yield f"and {len(ordered) - MOST_LISTED} more: the report shows all"


def choices(rows: SweepRows, place: Place) -> list[str]:
    """Return the commands that choose one point of the front: the best by a metric, and by weights."""
    names = [one.metric for one in rows.spec.objectives]
    weights = ",".join(f"{name}=1" for name in names)
    by_metric = [place.command("best", rows.spec.name, "--metric", name) for name in names]
    return [*by_metric, place.command("best", rows.spec.name, "--weights", weights)]


def excluded(rows: Sequence[RolloutRow]) -> int:
    """Return how many rollouts break a bound."""
    return sum(bool(row.broken) for row in rows)
