"""What the sweeps whose runs are evidence turned out to be worth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import SearchTask, SourceWorth, worth_of_sources
from metta_sweep.optimize.registry import known_kind
from metta_sweep.report.requested_space import space_of
from metta_sweep.report.rows import SweepRows
from metta_sweep.report.wording import count, printable
from metta_sweep.sweep.teaching import teach

FEWEST_PAIRS = 10
"""Pairs of rollouts below which nothing is said of a source but what they are."""
_MUCH, _LITTLE = 0.7, 0.55


def source_lines(rows: SweepRows) -> Iterator[str]:
    """Yield a heading and a line for each source; nothing where the sweep has none."""
    told = [describe_worth(worth) for worth in worth_of(rows)]
    if told:
        yield "Evidence from other sweeps:"
        yield from (f"  {line}" for line in told)


def worth_of(rows: SweepRows) -> tuple[SourceWorth, ...]:
    """Return what each source of a sweep is worth by the rollouts so far; none where it has none."""
    kind, space = known_kind(rows.spec.optimizer), space_of(rows.spec) if rows.sources else None
    if space is None or kind is None:
        return ()
    try:
        task = SearchTask(
            space=space,
            goal=rows.spec.goal,
            seed=0,
            settings=rows.spec.protein,
            sources=rows.sources,
            objectives=rows.spec.named_goals,
            bounds=rows.spec.bounds,
        )
        optimizer = kind.make(task)
    except RequestError:
        return ()
    for seen in rows.evidence:
        with suppress(RequestError):  # a space that was read from an older journal may be narrower by now
            teach(optimizer, seen)
    return tuple(worth_of_sources(optimizer))


def describe_worth(worth: SourceWorth) -> str:
    """Return one source in a line."""
    shared = count(len(worth.parameters), "parameter")
    part = f" ({worth.used} in this search space)" if 0 < worth.used < worth.runs else ""
    what = f"{printable(worth.name)}: {count(worth.runs, 'rollout')}{part}, {shared} in common"
    if not worth.used:
        return f"{what}; it says nothing: too few of its rollouts are in this search space, or all scored alike"
    if not worth.pairs:
        return f"{what}; what it is worth shows once there are rollouts to compare"
    told = f"{what}; it ranks {worth.agreed:.0%} of {count(worth.pairs, 'pair')} of rollouts as they came out"
    return f"{told} (chance: 50%){_verdict(worth)}"


def _verdict(worth: SourceWorth) -> str:
    if worth.pairs < FEWEST_PAIRS:
        return ""
    if worth.agreed >= _MUCH:
        return ": agrees well"
    return ": agrees somewhat" if worth.agreed >= _LITTLE else ": no better than chance so far"
