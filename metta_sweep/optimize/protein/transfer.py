"""What other sweeps know of this one: a mean that is learnt from them, and how far each is believed.

Each source sweep is a process of its own, fitted to its own runs on the parameters that both sweeps have. Its posterior
mean ``h_j`` is a basis function of this sweep's mean (Rasmussen & Williams 2006, section 2.7): the score is

    y(x) = sum_j beta_j h_j(x) + constant + process(x),   beta_j ~ N(b / S, v / S),

with the ``beta`` integrated out (eqs. 2.39 and 2.40), so that this sweep's own runs decide how much of each source is
left. A source that orders them wrongly loses its coefficient, one that orders them the other way round gets a negative
one, and no run of a source is ever an observation here.

========  ==========  ================================================================
symbol    shape       meaning
========  ==========  ================================================================
S                     number of sources
h         (S, m)      their means at m points, each standardized over the search space
b, v                  ``COEFFICIENT`` and ``VARIANCE``
========  ==========  ================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metta_sweep.optimize.port import FEWEST_RUNS, Source, SourceWorth
from metta_sweep.optimize.protein.fitting import Hypers, most_probable
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.likelihood import Evidence, Priors
from metta_sweep.optimize.protein.outputs import ScoreTransform
from metta_sweep.optimize.protein.posterior import FitError, Posterior
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array

COEFFICIENT, VARIANCE = 1.0, 1.0
"""Prior mean and variance of the sum of the coefficients: a source is believed until this sweep's own runs say else."""
FIT_RUNS = 120
"""Most runs of a source that its process is fitted to: the best half, and an even share of the others."""
_DRAWS = 512
"""Points of the space over which a source's mean is standardized."""
_TOPS = 3
"""Best points of each source that the search for the next point looks around."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceModel:
    """What one source takes the score to be, over this sweep's space."""

    name: str
    """How a person wrote it under ``from``."""
    axes: NDArray[np.intp]
    """The parameters that both sweeps have, as indices of this sweep's."""
    posterior: Posterior
    """The source's process over them."""
    mean: float
    """Mean of its posterior mean over the space."""
    deviation: float
    """Standard deviation of the same."""
    tops: Array
    """Its best points in this sweep's space ``(k, d)``."""
    used: int
    """Its rollouts that have a point in this sweep's space."""

    def values(self, points: Array) -> Array:
        """Return ``h_j`` at codes ``(m, d)``: ``(m,)``."""
        values: Array = (self.posterior.mean(points[:, self.axes])[0] - self.mean) / self.deviation
        return values

    def gradient(self, points: Array) -> Array:
        """Return the gradient of ``h_j`` by the codes ``(m, d)``."""
        gradient = np.zeros_like(points)
        gradient[:, self.axes] = self.posterior.mean_gradient(points[:, self.axes])[0] / self.deviation
        return gradient


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceTrend:
    """The mean that the sources give; a :class:`~metta_sweep.optimize.protein.posterior.Trend`."""

    models: tuple[SourceModel, ...]
    """One a source that says something."""

    @property
    def variance(self) -> float:
        """Prior variance of each coefficient."""
        return VARIANCE / len(self.models)

    def basis(self, points: Array) -> Array:
        """Return h ``(S, m)`` at codes ``(m, d)``."""
        return np.stack([model.values(points) for model in self.models])

    def basis_gradient(self, points: Array) -> Array:
        """Return its gradients by the codes ``(S, m, d)``."""
        return np.stack([model.gradient(points) for model in self.models])

    def offset(self, basis: Array) -> Array:
        """Return the prior mean ``(m,)`` of h ``(S, m)``."""
        mean: Array = COEFFICIENT * basis.mean(0)
        return mean

    @property
    def tops(self) -> Array:
        """The best points of every source ``(k, d)``."""
        return np.concatenate([model.tops for model in self.models])

    def agreement(self, points: Array, scores: Array) -> Array:
        """Return how much more often each source ranks two points as they came out than the other way round.

        Args:
            points: Codes ``(n, d)`` of this sweep's own rollouts.
            scores: What came out ``(n,)``.

        Returns:
            Kendall's tau over the pairs that came out different ``(S,)``; 0 where there is none.
        """
        order = np.sign(scores[:, None] - scores)
        pairs = max(1.0, np.abs(order).sum())
        return np.array([(np.sign(h[:, None] - h) * order).sum() / pairs for h in self.basis(points)])


class Transfer:
    """The sources of an optimizer. They are fitted when they are first needed.

    Args:
        space: This sweep's space.
        sources: What other sweeps know.
        sign: 1 where a larger metric is better, -1 where a smaller one is.
    """

    def __init__(self, space: SearchSpace, sources: Sequence[Source], sign: float) -> None:
        self._space, self._sources, self._sign = space, tuple(sources), sign
        self._models: tuple[SourceModel | None, ...] | None = None

    def __bool__(self) -> bool:
        return bool(self._sources)

    @property
    def trend(self) -> SourceTrend | None:
        """The mean that the sources give; None where none of them says anything."""
        models = tuple(model for model in self._fitted() if model is not None)
        return SourceTrend(models=models) if models else None

    def worth(self, points: Array, scores: Array) -> list[SourceWorth]:
        """Return what each source is worth by this sweep's own rollouts, ``(n, d)`` codes and ``(n,)`` scores."""
        pairs = int(np.abs(np.sign(scores[:, None] - scores)).sum()) // 2
        found = []
        for source, model in zip(self._sources, self._fitted(), strict=True):
            tau = 0.0 if model is None else float(SourceTrend(models=(model,)).agreement(points, scores)[0])
            worth = SourceWorth(
                name=source.name,
                runs=len(source.runs),
                used=0 if model is None else model.used,
                parameters=tuple(self._space.names[axis] for axis in _shared_axes(self._space, source)),
                pairs=pairs,
                agreed=0.5 + 0.5 * tau,
            )
            found.append(worth)
        return found

    def _fitted(self) -> tuple[SourceModel | None, ...]:
        if self._models is None:
            self._models = tuple(source_model(self._space, source, self._sign) for source in self._sources)
        return self._models


@on_one_thread
def source_model(space: SearchSpace, source: Source, sign: float) -> SourceModel | None:
    """Fit what a source knows; None where it says nothing of this space.

    A run outside the ranges counts near them, one with a category that this sweep does not have is left out, and one
    whose parameters did not work counts as the source's worst.
    """
    axes = _shared_axes(space, source)
    points, values = _seen(space, axes, source, sign)
    if not len(axes) or len(np.unique(values)) < 2 or len(values) < FEWEST_RUNS:
        return None
    targets = ScoreTransform.fit(values).forward(values)
    keep = _worth_fitting(targets)
    try:
        posterior = _posterior(space, axes, points[keep], targets[keep])
    except FitError:
        return None
    draws = space.from_unit(np.random.default_rng(0).random((_DRAWS, space.dim)))
    over = posterior.mean(draws[:, axes])[0]
    return SourceModel(
        name=source.name,
        axes=axes,
        posterior=posterior,
        mean=float(over.mean()),
        deviation=max(float(over.std()), 1e-6),
        tops=_tops(space, axes, posterior),
        used=len(values),
    )


def _shared_axes(space: SearchSpace, source: Source) -> NDArray[np.intp]:
    theirs = {name for run in source.runs for name in run.params}
    return np.array([axis for axis, name in enumerate(space.names) if name in theirs], dtype=np.intp)


def _seen(space: SearchSpace, axes: NDArray[np.intp], source: Source, sign: float) -> tuple[Array, Array]:
    """Return the codes ``(n, k)`` of a source's runs on the shared parameters, and their scores ``(n,)``."""
    scored = [sign * run.metric for run in source.runs if run.metric is not None and np.isfinite(run.metric)]
    worst = min(scored, default=0.0)
    rows, values = [], []
    for run in sorted(source.runs, key=lambda each: (repr(sorted(each.params.items())), each.metric or 0.0)):
        codes = _codes(space, axes, run.params)
        if codes is not None:
            rows.append(codes)
            values.append(worst if run.metric is None or not np.isfinite(run.metric) else sign * run.metric)
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(axes)), np.array(values, dtype=np.float64)


def _codes(space: SearchSpace, axes: NDArray[np.intp], params: Mapping[str, Any]) -> list[float] | None:
    """Return a run's codes on the shared parameters, the center's where one was inactive; None where one has none."""
    parameters = [space.parameters[axis] for axis in axes]
    found = [
        parameter.domain.near_code(params[parameter.name]) if parameter.name in params else parameter.center_code
        for parameter in parameters
    ]
    known = [code for code in found if code is not None]
    return known if len(known) == len(found) else None


def _worth_fitting(targets: Array) -> NDArray[np.intp]:
    """Return indices of at most FIT_RUNS runs: the best half, and an even share of the others."""
    if len(targets) <= FIT_RUNS:
        return np.arange(len(targets))
    order = np.argsort(-targets, kind="stable")
    best, rest = order[: FIT_RUNS // 2], order[FIT_RUNS // 2 :]
    spread = rest[np.linspace(0, len(rest) - 1, FIT_RUNS - len(best)).round().astype(int)]
    return np.sort(np.concatenate([best, spread]))


def _posterior(space: SearchSpace, axes: NDArray[np.intp], points: Array, targets: Array) -> Posterior:
    every = Geometry.of(space)
    geometry = Geometry(unordered=tuple(every.unordered[axis] for axis in axes))
    none = np.zeros(len(points))
    evidence = Evidence(
        differences=geometry.pair_differences(points),
        targets=targets,
        known_noise=none,
        priors=Priors.of(geometry),
    )
    return Posterior.of(geometry, Hypers(theta=most_probable(evidence)[None]), points, targets, none)


def _tops(space: SearchSpace, axes: NDArray[np.intp], posterior: Posterior) -> Array:
    """Return the source's best points in this sweep's space, at the center of what the source does not have."""
    order = np.argsort(-posterior.mean(posterior.points)[0], kind="stable")[:_TOPS]
    tops = np.repeat(space.center_codes[None], len(order), axis=0)
    tops[:, axes] = posterior.points[order]
    snapped: Array = space.snap(tops)
    return snapped
