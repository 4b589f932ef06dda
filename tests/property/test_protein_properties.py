"""Whatever the space and the scores, a suggestion is a new feasible point of the space."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from metta_sweep import Protein
from metta_sweep.optimize.protein.outputs import CostTransform, ScoreTransform

leaves = st.sampled_from(
    [
        {"distribution": "uniform", "min": -3.0, "max": 5.0},
        {"distribution": "log_normal", "min": 1e-6, "max": 1.0},
        {"distribution": "log_normal", "min": 1000, "max": 10**7, "integer": True},
        {"distribution": "uniform_pow2", "min": 8, "max": 1024},
        {"distribution": "int_uniform", "min": 1, "max": 3},
        {"distribution": "logit_normal", "min": 0.5, "max": 0.999},
        {"values": [True, False]},
        {"values": ["a", "b", "c"], "ordered": True},
    ]
)
scores = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False),
    st.sampled_from([0.0, 1.0, float("nan"), float("inf"), -1e300, 1e300, 1e-300]),
)


@pytest.mark.slow
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(leaves, min_size=1, max_size=4), st.lists(scores, min_size=9, max_size=9), st.integers(0, 99))
def test_every_suggestion_is_a_new_feasible_point(space, results, seed):
    protein = Protein({f"p{i}": leaf for i, leaf in enumerate(space)}, seed=seed)
    seen = []
    for result in results:
        suggestion = protein.suggest()
        codes = protein.space.encode(suggestion.params)
        assert protein.space.satisfied(codes[None])[0]
        assert suggestion.origin == "repeat" or dict(suggestion.params) not in seen
        seen.append(dict(suggestion.params))
        protein.observe(suggestion.params, score=result, cost=1.0 + abs(hash(str(result))) % 100)
    told = suggestion.predicted
    if told is not None:
        assert told.score_low <= told.score <= told.score_high
        assert 0 < told.cost_low <= told.cost <= told.cost_high


def increasing(values):
    return bool((np.diff(values) >= 0).all())


many = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=2, max_size=30)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(many, st.sampled_from([1.0, 0.5, 0.0]))
def test_the_score_transform_keeps_the_order_and_turns_back(values, gain):
    raw = np.sort(np.array(values))
    found = ScoreTransform.fit(raw, gain)
    forward = found.forward(raw)
    assert np.isfinite(forward).all()
    assert increasing(forward)
    upper = raw >= found.median
    np.testing.assert_allclose(found.inverse(forward)[upper], raw[upper], rtol=1e-5, atol=1e-5 * found.spread)
    assert abs(forward.mean()) < 1e-6


@settings(max_examples=60, deadline=None)
@given(many, st.sampled_from([1.0, 0.5, 0.0]), st.floats(-1e3, 0.0))
def test_no_quantile_lies_below_the_score_from_which_worse_ones_count_as_one(values, gain, quantile):
    found = ScoreTransform.fit(np.array(values), gain)
    assert found.inverse(np.array([quantile]))[0] >= found.median - 20.001 * found.spread


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(many, st.sampled_from([2.0, 0.25, 1024.0]), st.integers(-100, 100))
def test_the_score_transform_does_not_see_scale_or_shift(values, scale, shift):
    raw = np.round(np.array(values) * 64) / 64
    plain, moved = ScoreTransform.fit(raw), ScoreTransform.fit(raw * scale + shift)
    np.testing.assert_array_equal(plain.forward(raw), moved.forward(raw * scale + shift))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e8), min_size=1, max_size=20))
def test_the_cost_transform_keeps_the_order_and_turns_back(values):
    raw = np.sort(np.array(values))
    found = CostTransform.fit(raw)
    assert increasing(found.forward(raw))
    np.testing.assert_allclose(found.inverse(found.forward(raw)), raw, rtol=1e-6)
