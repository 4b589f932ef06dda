"""One search with a budget of money: runs report, may be ended on their way, and the searcher learns of both."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

MARKS = (5, 10, 20, 35, 50)
"""Money, in full runs, at which the regret is written down."""
SEARCHED, FRESH, CONFIRMED = 35, 5, 3
"""With confirmation: money for the search, then fresh seeds of each of the best few."""
_ROUNDING = 1e-9

Reports = list[tuple[float, float]]
"""Share of training done, and score: larger is better."""


class Contender(Protocol):
    """What proposes points and ends runs; a run is told by its number."""

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return the point of the next run."""

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        """Return whether a run ends after its last report, which is not its final score."""

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        """Learn of a run that trained to its end."""

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        """Learn of a run that was ended."""

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        """Return which of the runs that were ended goes on instead of a new one; None for none of them."""

    def expected(self, finished: Sequence[dict[str, Any]]) -> Sequence[float] | None:
        """Return what is expected of the points of finished runs, larger is better; None where only scores count."""

    def recommended(self, finished: Sequence[dict[str, Any]]) -> int | None:
        """Return the place of the point of a finished run that is recommended; None where only scores count."""


@dataclass(kw_only=True)
class Trace:
    """What a search did."""

    tried: list[dict[str, Any]] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """How far each run came."""
    was_ended: list[bool] = field(default_factory=list)
    finals: list[tuple[float, int, float]] = field(default_factory=list)
    """Money spent when a run was at its end, the run, and its score."""
    chosen: list[int] | None = None
    """The runs whose points were the most promising when the money for the search with confirmation was spent."""
    recommended: int | None = None
    """The run whose point is recommended when all money is spent."""
    resumed: int = 0
    """How often a run went on that had been ended."""
    judge_cpu: list[float] = field(default_factory=list)
    ask_cpu: list[float] = field(default_factory=list)

    def best(self, money: float) -> int | None:
        """Return the run with the best score after so much money."""
        there = [(score, -run) for at, run, score in self.finals if at <= money + _ROUNDING]
        return -max(there)[1] if there else None


def search(problem: Any, contender: Contender, seed: int, *, workers: int = 1, money: float = MARKS[-1]) -> Trace:
    """Spend the money on runs, all at one pace; what the money does not reach to the end is seen by nobody."""
    trace, curves, spent = Trace(), [], 0.0
    live: list[int] = []
    while spent < money - _ROUNDING:
        while len(live) < workers:
            again = _resumed(contender, trace)
            live.append(_begun(problem, contender, trace, curves, live, seed) if again is None else again)
        run = live.pop(0)
        curve = curves[run]
        done = round(10 * trace.shares[run]) + 1
        spent += curve[0][0]
        trace.shares[run] = curve[done - 1][0]
        if done == len(curve):
            trace.finals.append((spent, run, curve[-1][1]))
            contender.finished(run, trace.tried[run], curve)
        elif _is_ended(contender, trace, run, curve[:done]):
            contender.ended(run, trace.tried[run], curve[:done])
        else:
            live.append(run)
        if trace.chosen is None and spent >= SEARCHED - _ROUNDING:
            trace.chosen = _chosen(contender, trace)
    trace.recommended = _recommended(contender, trace, money)
    return trace


def _recommended(contender: Contender, trace: Trace, money: float) -> int | None:
    runs = [run for at, run, _ in trace.finals if at <= money + _ROUNDING]
    place = contender.recommended([trace.tried[run] for run in runs]) if runs else None
    return trace.best(money) if place is None else runs[place]


def _chosen(contender: Contender, trace: Trace) -> list[int]:
    runs = [run for _, run, _ in trace.finals]
    expected = contender.expected([trace.tried[run] for run in runs]) if runs else None
    worth = [score for _, _, score in trace.finals] if expected is None else expected
    return [run for _, run in sorted(zip(worth, runs, strict=True), key=lambda each: -each[0])][:CONFIRMED]


def _resumed(contender: Contender, trace: Trace) -> int | None:
    started = time.process_time()
    run = contender.goes_on_with({run: trace.tried[run] for run in np.flatnonzero(trace.was_ended).tolist()})
    trace.ask_cpu.append(time.process_time() - started)
    if run is not None:
        trace.was_ended[run] = False
        trace.resumed += 1
    return run


def _begun(problem: Any, contender: Contender, trace: Trace, curves: list[Reports], live: list[int], seed: int) -> int:
    run, started = len(trace.tried), time.process_time()
    params = contender.ask(run, [trace.tried[each] for each in live])
    trace.ask_cpu.append(time.process_time() - started)
    trace.tried.append(params)
    trace.shares.append(0.0)
    trace.was_ended.append(False)
    curves.append(problem.curve(params, np.random.default_rng([seed, run])))
    return run


def _is_ended(contender: Contender, trace: Trace, run: int, reports: Reports) -> bool:
    started = time.process_time()
    trace.was_ended[run] = contender.ends(run, trace.tried[run], reports)
    trace.judge_cpu.append(time.process_time() - started)
    return trace.was_ended[run]


def confirmed(problem: Any, trace: Trace, seed: int) -> int | None:
    """Return the run whose point has the best mean of fresh seeds, among the best few after the search."""
    means = [(fresh_mean(problem, trace, run, seed), -run) for run in trace.chosen or ()]
    return -max(means)[1] if means else None


def fresh_mean(problem: Any, trace: Trace, run: int, seed: int) -> float:
    """Return the mean final score of fresh seeds at a run's point."""
    rng = np.random.default_rng([seed, run, 1])
    return float(np.mean([problem.curve(trace.tried[run], rng)[-1][1] for _ in range(FRESH)]))


def summary(problem: Any, trace: Trace, seed: int) -> dict[str, Any]:
    """Return what is kept of a search."""
    regrets = {str(mark): _regret(problem, trace, trace.best(mark)) for mark in MARKS}
    true = np.array([problem.mean(params) for params in trace.tried])
    count = max(1, round(0.05 * len(true)))
    top = np.argsort(-true, kind="stable")[:count]
    path = [(round(at, 2), round(_regret(problem, trace, trace.best(at)), 4)) for at, _, _ in trace.finals]
    return {
        "regret": {mark: round(value, 4) for mark, value in regrets.items()},
        "recommended": round(_regret(problem, trace, trace.recommended), 4),
        "confirmed": round(_regret(problem, trace, confirmed(problem, trace, seed)), 4),
        "tried": len(true),
        "resumed": trace.resumed,
        "full": len(trace.finals),
        "top": int(count),
        "top_ended": int(np.array(trace.was_ended)[top].sum()),
        "path": _steps(path),
        "judge_cpu": round(float(np.mean(trace.judge_cpu or [0.0])), 4),
        "ask_cpu": round(float(np.mean(trace.ask_cpu)), 4),
    }


def _regret(problem: Any, trace: Trace, run: int | None) -> float:
    return 1.0 if run is None else problem.regret(trace.tried[run])


def _steps(path: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [each for before, each in zip([(0.0, 1.0), *path], path, strict=False) if each[1] != before[1]]
