"""Who searches and who ends runs. Scores are larger-is-better; a run costs the share of its length that it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.early_stopping.peers import OptunaPeer, SyneTuneModel, SyneTunePeer, gp_halving, tpe_hyperband
from benchmarks.early_stopping.simulate import Contender, Reports
from metta_sweep import Protein
from metta_sweep.optimize.protein import ProteinSettings
from metta_sweep.optimize.stopping import halving
from metta_sweep.space import SearchSpace

QUICK = ProteinSettings(candidates=200, hyper_samples=3)
"""Protein with a shorter search and fewer samples, so that the benchmark takes hours; the same for all contenders."""

Rule = Callable[[dict[str, Any], Reports], bool]
"""Whether a run at a point ends after its last report."""


class Rungs:
    """Ends a run that is not among the best ``keep`` of all runs so far at some shares: halving and ASHA."""

    def __init__(self, keep: float, shares: tuple[float, ...], least: int = 3) -> None:
        self._keep, self._least = keep, least
        self._seen: dict[float, list[float]] = {share: [] for share in shares}

    def __call__(self, params: dict[str, Any], reports: Reports) -> bool:
        seen = self._seen.get(round(reports[-1][0], 2))
        if seen is None:
            return False
        seen.append(reports[-1][1])
        kept = max(1, int(np.ceil(self._keep * len(seen))))
        return len(seen) >= self._least and reports[-1][1] < sorted(seen, reverse=True)[kept - 1]


class CostQuantile:
    """PufferLib's rule: ends a run below a quantile of score by log cost, once 30 runs are known.

    Its runs differ in length, and it fits their final scores. Here all have one length, so that it is given every
    report of every run.
    """

    def __init__(self, quantile: float = 0.3, least: int = 30) -> None:
        self._quantile, self._least = quantile, least
        self._points: list[tuple[float, float]] = []
        self._runs = 0
        self._line: tuple[float, float] | None = None

    def __call__(self, params: dict[str, Any], reports: Reports) -> bool:
        self._points.append((float(np.log(reports[-1][0])), reports[-1][1]))
        if reports[-1][0] <= 0.1:
            self._runs, self._line = self._runs + 1, None
        if self._runs < self._least:
            return False
        if self._line is None:
            self._line = quantile_line(np.array(self._points), self._quantile)
        at, slope = self._line
        recent = max(float(np.mean([score for _, score in reports])), reports[-1][1])
        return recent < at + slope * float(np.log(reports[-1][0]))


def quantile_line(points: np.ndarray, quantile: float) -> tuple[float, float]:
    """Return intercept and slope of a line with that share of points ``(n, 2)`` below it: iterated least squares."""
    design = np.stack([np.ones(len(points)), points[:, 0]], axis=1)
    line = np.linalg.lstsq(design, points[:, 1], rcond=None)[0]
    scale = float(np.std(points[:, 1])) or 1.0
    for _ in range(30):
        residual = points[:, 1] - design @ line
        weight = np.where(residual > 0, quantile, 1.0 - quantile) / np.maximum(np.abs(residual), 1e-3 * scale)
        line = np.linalg.solve(
            design.T @ (weight[:, None] * design) + 1e-9 * np.eye(2), design.T @ (weight * points[:, 1])
        )
    return float(line[0]), float(line[1])


@dataclass(kw_only=True)
class Random:
    """Points drawn evenly."""

    problem: Any
    rng: np.random.Generator
    rule: Rule | None = None

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return self.problem.sample(self.rng)

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        return self.rule is not None and self.rule(params, reports)

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        pass

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        pass

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        return None

    def expected(self, finished: Sequence[dict[str, Any]]) -> None:
        return None

    def recommended(self, finished: Sequence[dict[str, Any]]) -> None:
        return None


@dataclass(kw_only=True)
class OurProtein:
    """Protein; what a run that was ended is to it says ``is_last_final``."""

    protein: Protein
    rule: Rule | None = None
    is_last_final: bool = False
    """Whether it takes the last score of an ended run for its final one, and knows no curves; else partial curves."""
    is_resuming: bool = False
    """Whether a run that was ended goes on when Protein thinks better of it."""

    def ask(self, run: int, pending: Sequence[dict[str, Any]]) -> dict[str, Any]:
        return dict(self.protein.suggest(pending=pending).params)

    def ends(self, run: int, params: dict[str, Any], reports: Reports) -> bool:
        return self.rule is not None and self.rule(params, reports)

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        curve = [] if self.is_last_final or self.rule is None else with_cost(reports)
        self.protein.observe(params, score=reports[-1][1], cost=1.0, curve=curve)

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        if self.is_last_final:
            self.finished(run, params, reports)
        else:
            self.protein.observe_partial(params, with_cost(reports))

    def goes_on_with(self, ended: Mapping[int, dict[str, Any]]) -> int | None:
        if not self.is_resuming:
            return None
        told = zip(ended, self.protein.reconsider(list(ended.values())), strict=False)
        promising = [(outlook.chance, run) for run, outlook in told if outlook.action == "continue"]
        return max(promising)[1] if promising else None

    def expected(self, finished: Sequence[dict[str, Any]]) -> Sequence[float] | None:
        told = None if self.is_last_final or self.rule is None else self.protein.expect(finished)
        return None if told is None else [each.mean for each in told]

    def recommended(self, finished: Sequence[dict[str, Any]]) -> int | None:
        told = None if self.is_last_final else self.protein.best(finished)
        return None if told is None else list(finished).index(dict(told.params))


def with_cost(reports: Reports) -> list[tuple[float, float, float]]:
    """Return a curve as Protein takes it: a run costs its share."""
    return [(share, score, share) for share, score in reports]


def _protein(problem: Any, seed: int) -> Protein:
    return Protein(SearchSpace.parse(problem.parameters), seed=seed, settings=QUICK)


def _halving() -> Rungs:
    return Rungs(keep=0.5, shares=(0.2, 0.5))


def _third() -> Rungs:
    return Rungs(keep=1 / 3, shares=(0.2, 0.5))


def _asha() -> Rungs:
    return Rungs(keep=1 / 3, shares=(0.1, 0.3))


def _drawn(problem: Any, seed: int, rule: Rule | None = None) -> Contender:
    return Random(problem=problem, rng=np.random.default_rng([seed, 7]), rule=rule)


def _model(problem: Any, seed: int, *, is_resuming: bool = False) -> Contender:
    protein = _protein(problem, seed)
    return OurProtein(
        protein=protein,
        is_resuming=is_resuming,
        rule=lambda params, reports: protein.outlook(params, curve=with_cost(reports)).action == "stop",
    )


class Spared:
    """Halving that spares what Protein gives a chance of 30%, which was tried and did not pay."""

    def __init__(self, protein: Protein) -> None:
        self._protein = protein
        self.known: list[Reports] = []

    def __call__(self, params: dict[str, Any], reports: Reports) -> bool:
        chance = self._protein.outlook(params, curve=with_cost(reports), min_full_runs=3).chance
        return chance < 0.3 and halving(reports, self.known) is not None


@dataclass(kw_only=True)
class SparingProtein(OurProtein):
    """Protein whose rule compares with all runs so far."""

    rule: Spared

    def finished(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        self.rule.known.append(reports)
        super().finished(run, params, reports)

    def ended(self, run: int, params: dict[str, Any], reports: Reports) -> None:
        self.rule.known.append(reports)
        super().ended(run, params, reports)


def _spared(problem: Any, seed: int) -> Contender:
    protein = _protein(problem, seed)
    return SparingProtein(protein=protein, rule=Spared(protein))


Maker = Callable[[Any, int], Contender]
CONTENDERS: Mapping[str, Maker] = {
    "random": _drawn,
    "random_halving": lambda problem, seed: _drawn(problem, seed, _halving()),
    "random_third": lambda problem, seed: _drawn(problem, seed, _third()),
    "random_asha": lambda problem, seed: _drawn(problem, seed, _asha()),
    "tpe_hyperband": lambda problem, seed: OptunaPeer(problem, tpe_hyperband(seed)),
    "gp_halving": lambda problem, seed: OptunaPeer(problem, gp_halving(seed)),
    "syne_asha": lambda problem, seed: SyneTunePeer(problem, "ASHA", seed),
    "syne_asha_cqr": lambda problem, seed: SyneTunePeer(problem, "ASHACQR", seed),
    "syne_mobster": lambda problem, seed: SyneTuneModel(problem, "MOBSTER", seed),
    "syne_dyhpo": lambda problem, seed: SyneTuneModel(problem, "DyHPO", seed),
    "protein": lambda problem, seed: OurProtein(protein=_protein(problem, seed)),
    "protein_puffer": lambda problem, seed: OurProtein(
        protein=_protein(problem, seed), rule=CostQuantile(), is_last_final=True
    ),
    "protein_asha": lambda problem, seed: OurProtein(protein=_protein(problem, seed), rule=_asha(), is_last_final=True),
    "protein_halving": lambda problem, seed: OurProtein(
        protein=_protein(problem, seed), rule=_halving(), is_last_final=True
    ),
    "ours_halving": lambda problem, seed: OurProtein(protein=_protein(problem, seed), rule=_halving()),
    "ours_spared": _spared,
    "ours_model": _model,
    "ours_model_resumed": lambda problem, seed: _model(problem, seed, is_resuming=True),
}
"""Contenders by name; ``ours_*`` are what ``early_stop: halving`` and ``model`` do, the last with paused runs."""
