"""What to try next: plain sentences, each with the evidence behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from metta_sweep.goal import Goal
from metta_sweep.report.best import Winner
from metta_sweep.report.calibration import calibration, verdict
from metta_sweep.report.confirmed import chance_best
from metta_sweep.report.rows import SweepRows
from metta_sweep.report.surrogate import Surrogate
from metta_sweep.report.text import where
from metta_sweep.report.wording import count, number, plain, printable
from metta_sweep.space import SearchSpace
from metta_sweep.sweep.verdict import Verdict

NEAR_A_BOUND = 0.02
"""How near to a bound, as a share of the range, the best value suggests a wider range."""
IDLE = 0.05
"""Share of the score's variation below which a parameter hardly matters."""
RIVAL = 0.2
"""Chance of being the best from which another point is named beside the confirmed one."""
FEWEST_EQUAL = 3
"""Points of the same score from which that is not a chance any more."""
ENTROPY_SHARE, EXPLAINED = "train/entropy_share", "train/explained_variance"
COLLAPSED = 0.01
"""Share of the greatest entropy below which a policy explores no more."""
UNEXPLAINED = 0.05
"""Share of the returns' variance below which a value function is of no use."""
LATE = 0.2
"""Share of the rollouts, the last ones, in which a new best means that the search was still improving."""


def advice(
    rows: SweepRows,
    winner: Winner | None,
    space: SearchSpace | None,
    surrogate: Surrogate | None,
    confirms: str,
) -> list[str]:
    """Return what the sweep suggests doing, the most useful first; empty where it suggests nothing.

    Args:
        rows: The sweep.
        winner: Its best.
        space: Its search space.
        surrogate: What its model has learned.
        confirms: What to type to have the best run again on fresh seeds.
    """
    found: list[str] = []
    idle = _idle(surrogate)
    if winner is not None and (same := _all_equal(rows)):
        found.append(same)
    elif winner is not None:
        found += _confirm(rows, winner, confirms)
        found += _perfect(rows, winner) or _improve(rows, winner, space, idle)
    found += _drop(idle)
    found += [f"{row.kind}: {where(rows, row)}. Leave that region out." for row in rows.failures if row.regions]
    warning = verdict(calibration(rows))
    return [*found, f"{warning}."] if warning else found


def _confirm(rows: SweepRows, winner: Winner, confirms: str) -> Iterator[str]:
    """Yield how much the winner can be relied on, and what to do about it."""
    if rows.verdict is not None and winner.confirmed is not None:
        yield from _close_call(rows.verdict)
    elif rows.verdict is not None and not rows.verdict.is_over:
        return
    elif rows.verdict is not None and rows.verdict.is_over and rows.verdict.best is None:
        yield "Every point that was run again failed on a fresh seed: the best is not to be relied on."
    elif len(winner.rollout.runs) == 1:
        scored = sum(row.mean is not None for row in rows.rollouts)
        picked = f" and picked out of {scored}" if scored > 1 else ""
        yield (f"The best was measured by one run{picked}: part of it is luck. Before you rely on it: {confirms}")


def _perfect(rows: SweepRows, winner: Winner) -> list[str]:
    """Return what to do where nothing can be better; empty where something can."""
    value = winner.rollout.mean if winner.confirmed is None else winner.confirmed.mean
    if value is None or rows.spec.goal.score(value) < rows.ceiling:
        return []
    name, end = printable(rows.spec.metric), "most" if rows.spec.goal is Goal.MAXIMIZE else "least"
    harder = "To tell good points apart, make the task harder or the runs shorter."
    return [f"The best has {name} {number(value)}, the {end} that it can be. {harder}"]


def _improve(rows: SweepRows, winner: Winner, space: SearchSpace | None, idle: Sequence[str]) -> list[str]:
    """Return where something better than the winner may lie."""
    widened = _widen(winner, space, idle) if space is not None else ()
    return [*_learning(winner), *widened, *_go_on(rows, winner)]


def _learning(winner: Winner) -> Iterator[str]:
    """Yield what the best run's learning says against it, where its trainer reports that."""
    run = winner.run
    left, explained = run.metrics.get(ENTROPY_SHARE), run.metrics.get(EXPLAINED)
    if left is not None and left < COLLAPSED:
        yield (
            f"The policy of {run.run_id} tries nothing new any more ({ENTROPY_SHARE} is {left:.2g} of 1): if its score "
            "should be better, try a higher trainer.entropy_coef or a lower trainer.learning_rate."
        )
    if explained is not None and explained < UNEXPLAINED:
        yield (
            f"The value function of {run.run_id} explains nothing of the returns ({EXPLAINED} is {explained:.2g} of "
            "1): its advantages are mostly noise. Try trainer.normalize_reward, agent.separate_value, or a lower "
            "trainer.gamma."
        )


def _all_equal(rows: SweepRows) -> str:
    """Return what to look at where no parameter makes any difference; empty where one does, or too few were tried."""
    scores = {row.mean for row in rows.rollouts if row.mean is not None}
    points = {repr(row.params) for row in rows.rollouts if row.mean is not None}
    if len(scores) != 1 or len(points) < FEWEST_EQUAL:
        return ""
    return (
        f"{len(points)} different points gave the same {rows.spec.metric}, {number(*scores)}: see in a run's train.log "
        "whether the parameters reach the training, and whether the metric is the right one."
    )


def _close_call(verdict: Verdict) -> Iterator[str]:
    """Yield which points may as well be the best as the confirmed one."""
    rivals = [one for one in verdict.points[1:] if (one.chance_best or 0.0) >= RIVAL]
    if rivals:
        names = " and ".join(f"rollout {one.rollout} ({chance_best(one)})" for one in rivals)
        yield f"The confirmed best is not alone: {names} may be better. More seeds tell, or take the cheaper one."


def _idle(surrogate: Surrogate | None) -> list[str]:
    """Return the parameters that hardly mattered; none where none mattered, since then the model saw only noise."""
    every = surrogate.importances if surrogate is not None else ()
    idle = [one.name for one in every if one.high < IDLE]
    return idle if len(idle) < len(every) else []


def _widen(winner: Winner, space: SearchSpace, idle: Sequence[str]) -> Iterator[str]:
    for parameter in space.parameters:
        value = winner.rollout.params.get(parameter.name)
        code = None if value is None or parameter.domain.is_unordered else parameter.domain.code(value)
        if code is None or parameter.name in idle or (parameter.domain.size or 99) < 3:
            continue
        end = "upper" if code >= 1 - NEAR_A_BOUND else "lower" if code <= NEAR_A_BOUND else ""
        if end:
            yield f"{parameter.name} of the best, {plain(value)}, lies at its {end} bound: widen its range."


def _go_on(rows: SweepRows, winner: Winner) -> Iterator[str]:
    late = rows.decided - winner.rollout.index <= max(1, round(LATE * rows.decided))
    tied = any(row.mean == winner.rollout.mean for row in rows.rollouts[: winner.rollout.index])
    if rows.is_complete and late and not tied and rows.decided >= 5:
        yield (
            f"The best came late (rollout {winner.rollout.index} of {rows.decided}): the search was still improving. "
            f"Go on with a larger rollout_count, such as {2 * rows.spec.rollout_count}."
        )


def _drop(idle: Sequence[str]) -> Iterator[str]:
    if idle:
        names = ", ".join(idle)
        which = "it" if len(idle) == 1 else "them"
        amount = count(len(idle), "parameter")
        yield f"{amount} hardly mattered here ({names}): fix {which} to search the others better."
