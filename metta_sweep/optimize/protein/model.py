"""Everything that Protein believes: score, cost and chance of success over the whole space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from metta_sweep.optimize.port import Prediction
from metta_sweep.optimize.protein.fitting import Hypers, most_probable, samples
from metta_sweep.optimize.protein.front import SAME_COST, Front
from metta_sweep.optimize.protein.history import History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.likelihood import JITTER, MEAN_VARIANCE, Evidence, Priors
from metta_sweep.optimize.protein.outputs import CostTransform, ScoreTransform
from metta_sweep.optimize.protein.posterior import FitError, Posterior, Trend
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space.scales import Array

FIT_POINTS = 120
"""Most observations that hyperparameters are fitted on; all of them are conditioned on."""
FEWER = ((400, 3), (100, 4), (-1, 1_000))
"""Hyperparameter samples at most, beyond so many observations: the more is known, the less samples differ."""
GAINS = (1.0, 0.5, 0.0)
"""Compressions of the good side that are compared."""
GAIN_FROM = 8
"""Observations from which on they are compared."""
NOISY_FROM = 20
"""Observations from which on the improvement is over what lies behind the noise."""
EXACT = 1e-6
"""Noise variance of a score that is taken as exact."""
_RELATIVE_JITTER = 1e-4
"""Share of the noise variance that is added where scores behind the noise are drawn, so that rounding does no harm."""
CURVE_NOISE = 0.02
"""Variance of a point of a learning curve as a stand-in for a shorter run: schedules end at a run's own length."""
STEP_VARIANCE = 0.5
"""What a step between success and failure adds to the variance of a label: halfway between the two nothing is known,
a quarter of the way the chance is about 3 in 4, as where the step may be anywhere between."""
_NORMAL_95 = 1.6448536269514722
STRETCH = 1.3
"""What intervals are widened by: a suggestion is where the model is most hopeful, so its own spread is too narrow
there (unwidened, 82% of the benchmark's results fell inside 90% intervals when this was chosen; widened, 92% do)."""
STRETCH_OF_FEW = 2.0
"""How much wider intervals are while little is known: the variance is larger by this over the number of observations
(without it 75% of the first results fell inside, and 85% of the next; with it 85% and 89%)."""
_LABEL_NOISE = (-4.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetricModel:
    """The surrogate of one metric, conditioned on a history and on what is expected of pending runs."""

    score: Posterior
    """Transformed score; what noise hides counts as each sample draws it, a pending run as it expects it."""
    observed: Posterior
    """Transformed score without pending runs: what predictions are made of."""
    score_map: ScoreTransform
    luck: float
    """Mean square of what rollouts reported beyond the scores that the surrogate was taught, in its units."""

    @classmethod
    @on_one_thread
    def fit(
        cls,
        geometry: Geometry,
        history: History,
        pending: Array,
        hyper_samples: int,
        rng: np.random.Generator,
        trend: Trend | None = None,
        *,
        traded: bool = False,
        lengths: Array | None = None,
    ) -> MetricModel:
        """Learn one metric; the arguments are those of :meth:`Model.fit`, and ``traded`` of the score transform.

        Raises:
            FitError: A covariance could not be factored.
        """
        score_map, mode, evidence = _best_map(geometry, history, trend, traded=traded, lengths=lengths)
        targets = score_map.forward(history.scores)
        known = _known_noise(history, score_map)
        count = min(hyper_samples, next(most for size, most in FEWER if len(history.points) > size))
        hypers = Hypers(theta=samples(evidence, mode, count, rng))
        observed = Posterior.of(geometry, hypers, history.points, targets, known, trend)
        score = _with_pending(_without_noise(observed, rng), pending)
        return cls(score=score, observed=observed, score_map=score_map, luck=_luck(history, score_map))

    def quantiles(self, point: Array, sign: float) -> Array:
        """Return 5%, 50% and 95% quantile ``(3,)`` of what a run at codes ``(d,)`` reports, raw, in rising order."""
        mean, variance = self.observed.predict(point[None])
        center, spread = _mixture(mean[:, 0], variance[:, 0] + self.observed.hypers.noise + self.luck)
        spread *= STRETCH * math.sqrt(1.0 + STRETCH_OF_FEW / len(self.observed.points))
        return np.sort(sign * self.score_map.expected(center + spread * np.array([-_NORMAL_95, 0.0, _NORMAL_95])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """The three surrogates, conditioned on a history and on what is expected of pending runs."""

    metric: MetricModel
    """The score's."""
    cost: Posterior
    """Standardized log cost."""
    success: Posterior | None
    """Labels +1 and -1 less ``success_mean``; None while nothing has failed."""
    success_mean: float
    cost_map: CostTransform
    front: Front
    """The best score at every cost, at observed and pending points."""
    expected: Array
    """Posterior mean of every rollout's transformed score ``(rollouts,)``, averaged over the fits."""
    best_point: Array
    """Codes ``(d,)`` of the observed point with the best posterior mean."""

    @property
    def incumbent(self) -> Array:
        """Best posterior mean at an observed or pending point, ``(H,)``: f*."""
        return self.front.levels[:, -1]

    @classmethod
    @on_one_thread
    def fit(
        cls,
        geometry: Geometry,
        history: History,
        pending: Array,
        hyper_samples: int,
        rng: np.random.Generator,
        trend: Trend | None = None,
        counts: NDArray[np.bool_] | None = None,
        metric: MetricModel | None = None,
        lengths: Array | None = None,
    ) -> Model:
        """Learn from a history with at least two successes.

        Args:
            geometry: Kinds of the parameters.
            history: What was observed.
            pending: Codes ``(k, d)`` of runs that are not finished.
            hyper_samples: H, for the score; cost and success use the most probable hyperparameters.
            rng: Source of random numbers.
            trend: The mean that source sweeps give the score; None for a constant.
            counts: Which of the observed points, then of the pending ones ``(n + k,)``, may be the best: those that
                keep the bounds. At least one; None: all.
            metric: The surrogate of the score, where it was fitted to the same history already.
            lengths: Log lengthscales of the score that learning curves have told ``(d,)``; None where they have not.

        Raises:
            FitError: A covariance could not be factored.
        """
        cost_map = CostTransform.fit(history.costs)
        metric = metric or MetricModel.fit(geometry, history, pending, hyper_samples, rng, trend, lengths=lengths)
        score, observed = metric.score, metric.observed
        mean_of_seen = score.mean(score.points)
        cost_targets = cost_map.forward(history.costs)
        cost = _most_probable_posterior(geometry, history.points, cost_targets, Priors.of(geometry))
        of_observed = mean_of_seen if score is observed else observed.mean(observed.points)
        expected = of_rollouts = of_observed[:, : history.rollouts].mean(0)
        mean_cost = cost.mean(score.points)[0]
        if counts is not None:
            mean_of_seen, mean_cost = mean_of_seen[:, counts], mean_cost[counts]
            of_rollouts = np.where(counts[: history.rollouts], expected, -np.inf)
        at_best = int(of_rollouts.argmax())
        success, success_mean = _success(geometry, history)
        return cls(
            metric=metric,
            cost=cost,
            success=success,
            success_mean=success_mean,
            cost_map=cost_map,
            front=Front.of(mean_of_seen, mean_cost, SAME_COST / cost_map.deviation),
            expected=expected,
            best_point=history.points[at_best],
        )

    def chance_of_success(self, points: Array) -> Array:
        """Return the chance ``(m,)`` that runs at codes ``(m, d)`` succeed."""
        if self.success is None:
            return np.ones(len(points))
        mean, variance = self.success.predict(points)
        chance: Array = ndtr((mean[0] + self.success_mean) / np.sqrt(variance[0] + STEP_VARIANCE))
        return chance

    def predict(self, point: Array, sign: float) -> Prediction:
        """Return what is expected of a run at codes ``(d,)``, in the user's units; ``sign`` is the goal's."""
        low, score, high = self.metric.quantiles(point, sign)
        mean, variance = self.cost.predict(point[None])
        center, spread = _mixture(mean[:, 0], variance[:, 0] + self.cost.hypers.noise)
        costs = self.cost_map.inverse(center + spread * np.array([-_NORMAL_95, 0.0, _NORMAL_95]))
        return Prediction(
            score=float(score),
            score_low=float(low),
            score_high=float(high),
            cost=float(costs[1]),
            cost_low=float(costs[0]),
            cost_high=float(costs[2]),
            success=float(self.chance_of_success(point[None])[0]),
        )


def _luck(history: History, score_map: ScoreTransform) -> float:
    taught = history.scores[: history.rollouts]
    surplus = score_map.forward(taught + history.luck) - score_map.forward(taught)
    return float(np.mean(surplus**2)) if len(taught) else 0.0


def _mixture(mean: Array, variance: Array) -> tuple[float, float]:
    """Return mean and standard deviation of an even mixture of normals."""
    center = float(mean.mean())
    return center, float(np.sqrt((variance + (mean - center) ** 2).mean()))


def _best_map(
    geometry: Geometry, history: History, trend: Trend | None, *, traded: bool, lengths: Array | None
) -> tuple[ScoreTransform, Array, Evidence]:
    """Return the score transform that the surrogate explains best, with its mode and its evidence.

    The good side is compressed only where the process itself finds it more probable (warped Gaussian processes,
    Snelson et al. 2004, eq. 7), never to make the scores look normal.
    """
    maps = [
        ScoreTransform.fit(history.scores, gain, traded=traded, shown=history.shown)
        for gain in (GAINS if len(history.scores) >= GAIN_FROM else (1.0,))
    ]
    found: list[tuple[float, ScoreTransform, Array, Evidence]] = []
    keep = _worth_fitting(maps[0].forward(history.scores))
    differences = geometry.pair_differences(history.points[keep])
    mean_covariance, offset = _mean(trend, history.points[keep])
    for score_map in maps:
        evidence = Evidence(
            differences=differences,
            targets=score_map.forward(history.scores)[keep] - offset,
            known_noise=_known_noise(history, score_map)[keep],
            priors=Priors.of(geometry, lengths=lengths),
            mean_covariance=mean_covariance,
        )
        mode = most_probable(evidence, found[0][2] if found else None)
        value = evidence.log_posterior(mode) + score_map.log_slope(history.scores[keep])
        found.append((value, score_map, mode, evidence))
    _, score_map, mode, evidence = max(found, key=lambda each: each[0])
    return score_map, mode, evidence


def _mean(trend: Trend | None, points: Array) -> tuple[float | Array, float | Array]:
    """Return the prior covariance of the mean of scores at codes ``(n, d)``, and the prior mean itself."""
    if trend is None:
        return MEAN_VARIANCE, 0.0
    basis = trend.basis(points)
    return MEAN_VARIANCE + trend.variance * (basis.T @ basis), trend.offset(basis)


def _known_noise(history: History, score_map: ScoreTransform) -> Array:
    """Return the known variance of every transformed score ``(n,)``; a longer run's curve is not an exact stand-in."""
    known: Array = history.noises * score_map.slope(history.scores) ** 2
    known[history.rollouts :] += CURVE_NOISE
    return known


def _worth_fitting(targets: Array) -> NDArray[np.intp]:
    """Return indices, in order, of at most FIT_POINTS observations: the best half, and an even share of the others."""
    if len(targets) <= FIT_POINTS:
        return np.arange(len(targets))
    order = np.argsort(-targets, kind="stable")
    best, rest = order[: FIT_POINTS // 2], order[FIT_POINTS // 2 :]
    spread = rest[np.linspace(0, len(rest) - 1, FIT_POINTS - len(best)).round().astype(int)]
    return np.sort(np.concatenate([best, spread]))


def _most_probable_posterior(geometry: Geometry, points: Array, targets: Array, priors: Priors) -> Posterior:
    keep = _worth_fitting(targets)
    none = np.zeros(len(points))
    evidence = Evidence(
        differences=geometry.pair_differences(points[keep]),
        targets=targets[keep],
        known_noise=none[keep],
        priors=priors,
    )
    hypers = Hypers(theta=most_probable(evidence, priors.mean)[None])
    return Posterior.of(geometry, hypers, points, targets, none)


def _success(geometry: Geometry, history: History) -> tuple[Posterior | None, float]:
    """Model success as labels +1 and -1 around the share seen so far; optimistic while little is known."""
    if not len(history.failures):
        return None, 1.0
    kinds = [1.0, -1.0, 1.0], [history.rollouts, len(history.failures), len(history.ended)]
    labels = np.repeat(*kinds)
    mean = float((labels.sum() + 2.0) / (len(labels) + 2.0))
    priors = Priors.of(geometry, noise=_LABEL_NOISE)
    return _most_probable_posterior(geometry, history.all_points, labels - mean, priors), mean


def _without_noise(observed: Posterior, rng: np.random.Generator) -> Posterior:
    """Condition each sample on a draw of the scores behind the noise, as if they had been measured exactly.

    Improvement is then over what the best run may truly have given, not over a lucky one, and a second run beside it
    has nothing to find (noisy expected improvement, Letham et al. 2019, section 4). Few runs are taken at their word:
    what is not yet understood looks like noise.

    Raises:
        FitError: The covariance of those scores could not be factored.
    """
    count = len(observed.points)
    if not NOISY_FROM <= count <= FIT_POINTS:
        return observed
    noise = observed.hypers.noise[:, None] + observed.known_noise + JITTER
    covariance = -noise[:, :, None] * observed.inverse * noise[:, None, :]
    covariance[:, np.arange(count), np.arange(count)] += (1.0 + _RELATIVE_JITTER) * noise
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError as error:
        raise FitError(f"the scores behind the noise of {count} observations cannot be drawn") from error
    drawn = observed.targets - noise * observed.alpha + (factor @ rng.standard_normal((*noise.shape, 1)))[..., 0]
    theta = observed.hypers.theta.copy()
    theta[:, -1] = np.log(EXACT)
    return Posterior.of(observed.geometry, Hypers(theta=theta), observed.points, drawn, np.zeros(count), observed.trend)


def _with_pending(observed: Posterior, pending: Array) -> Posterior:
    """Condition each sample on what it expects of pending runs (kriging believer, Ginsbourger et al. 2010)."""
    if not len(pending):
        return observed
    expected, _ = observed.predict(pending)
    return Posterior.of(
        observed.geometry,
        observed.hypers,
        np.concatenate([observed.points, pending]),
        np.concatenate([observed.targets, expected], axis=1),
        np.concatenate([observed.known_noise, np.zeros(len(pending))]),
        observed.trend,
    )
