"""Points that are run with the same seeds are compared by what a seed does not do to all of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.optimize.port import SearchTask, pairs
from metta_sweep.optimize.protein import Protein
from metta_sweep.optimize.protein.history import CodedObservation
from metta_sweep.optimize.protein.pairing import paired, seed_effects
from metta_sweep.optimize.registry import kind_of

SPACE = {"x": {"distribution": "uniform", "min": 0.0, "max": 1.0}}


def table(points, seeds, *, effect=10.0, noise=0.1, rng=0):
    """Return observations of points with scores f + b + e, and what f and b are."""
    draw = np.random.default_rng(rng)
    f, b = draw.normal(size=points), effect * draw.normal(size=seeds)
    scores = f[:, None] + b + noise * draw.normal(size=(points, seeds))
    return [seen(point, enumerate(row)) for point, row in enumerate(scores)], f, b - b.mean()


def seen(point, by_seed):
    by_seed = tuple((seed, float(score)) for seed, score in by_seed)
    mean = sum(score for _, score in by_seed) / len(by_seed)
    return CodedObservation(codes=(float(point),), score=mean, cost=1.0, by_seed=by_seed)


def test_with_every_seed_at_every_point_the_scores_stay_and_the_noise_is_without_the_seeds():
    observations, _, _ = table(40, 5)
    freed = paired(observations)
    assert [one.score for one in freed] == pytest.approx([one.score for one in observations])
    assert np.mean([one.noise for one in freed]) == pytest.approx(0.1**2 / 5, rel=0.2)


def test_the_effects_of_seeds_are_found_and_sum_to_nothing():
    observations, _, b = table(60, 4)
    effects = seed_effects([dict(one.by_seed) for one in observations])
    assert list(effects.values()) == pytest.approx(list(b), abs=0.1)
    assert math.fsum(effects.values()) == pytest.approx(0.0, abs=1e-9)


def test_a_point_that_lacks_a_seed_is_compared_as_if_it_had_it():
    observations, _, _ = table(20, 3)
    one = observations[7]
    without = [*observations[:7], seen(7, one.by_seed[1:]), *observations[8:]]
    (freed,) = (each for each in paired(without) if each.codes == one.codes)
    assert freed.score == pytest.approx(one.score, abs=0.3)
    assert abs(seen(7, one.by_seed[1:]).score - one.score) > 1.0


def test_seeds_that_only_one_point_has_are_taken_for_what_they_are():
    one, two = seen(0, [(1, 3.0), (2, 5.0)]), seen(1, [(3, 4.0), (4, 4.5)])
    freed = paired([one, two])
    assert [each.score for each in freed] == [4.0, 4.25]
    assert [each.noise for each in freed] == [1.0, 0.0625]


def test_one_seed_for_all_tells_nothing_of_noise():
    observations = [seen(point, [(0, score)]) for point, score in enumerate((1.0, 4.0, 2.0))]
    assert paired(observations) == observations


def test_what_was_observed_without_seeds_stays_as_it_is():
    plain = CodedObservation(codes=(0.5,), score=2.0, cost=1.0, noise=0.3)
    assert plain in paired([plain, *table(3, 2)[0]])


def taught(order, how):
    protein = Protein(SPACE, seed=3)
    for x in order:
        how(protein, x)
    return protein.suggest()


def by_seed(protein, x):
    noise = np.random.default_rng(int(1000 * x)).normal(size=3)
    protein.observe_by_seed(
        {"x": x}, {seed: -((x - 0.3) ** 2) + 5.0 * seed + 0.01 * noise[seed] for seed in range(3)}, 1.0
    )


def test_order_of_points_and_seeds_does_not_change_the_next_suggestion():
    points = [0.1, 0.35, 0.6, 0.8, 0.95]
    first, *others = (taught(order, by_seed) for order in itertools.islice(itertools.permutations(points), 0, 120, 40))
    assert all(other == first for other in others)


def test_the_model_is_surer_of_a_point_when_it_is_told_of_the_seeds():
    def unpaired(protein, x):
        noise = np.random.default_rng(int(1000 * x)).normal(size=3)
        scores = [-((x - 0.3) ** 2) + 5.0 * seed + 0.01 * noise[seed] for seed in range(3)]
        protein.observe({"x": x}, float(np.mean(scores)), 1.0, float(np.var(scores, ddof=1)) / 3)

    def width(how):
        protein = Protein(SPACE, seed=3)
        for x in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95):
            how(protein, x)
        (told,) = protein.expect([{"x": 0.3}])
        return told.high - told.low

    assert width(by_seed) < 0.2 * width(unpaired)


def test_a_point_without_a_finite_score_is_a_failure_and_one_without_any_is_refused():
    protein = Protein(SPACE)
    protein.observe_by_seed({"x": 0.5}, {0: 1.0, 1: math.nan})
    assert protein._failures == 1
    with pytest.raises(RequestError, match="at least one seed"):
        protein.observe_by_seed({"x": 0.5}, {})


def test_only_an_optimizer_that_can_is_told_of_seeds():
    assert pairs(Protein(SPACE))
    assert not pairs(kind_of("random").make(SearchTask(space=Protein(SPACE).space, goal="maximize", seed=0)))
