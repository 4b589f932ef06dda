"""Numbers at the edge of what a float holds, as a diverged run reports them, trouble no model."""

import itertools
import math
import warnings

import pytest

from metta_sweep import Protein

SPACE = {"x": {"min": 0.0, "max": 1.0, "distribution": "uniform"}, "k": {"values": ["a", "b", "c"]}}
USUAL = (1.0, 2.0, 1.5, 3.0, 2.5, 1.7, 2.2, 2.9, 1.1, 0.4, 2.4, 2.6)
MOST, LEAST = 1.7976931348623157e308, 5e-324


def curve_to(score: float, cost: float) -> list[tuple[float, float, float]]:
    return [(share, score * share, cost * share) for share in (0.2, 0.4, 0.6, 0.8, 1.0)]


def all_asked(protein: Protein, scores, costs, *, with_curves: bool) -> None:
    """Teach scores one after the other, and ask everything that can be asked."""
    for run, (score, cost) in enumerate(zip(scores, costs, strict=False)):
        params = protein.suggest().params
        curve = curve_to(score, cost) if with_curves else []
        if with_curves and run % 3 == 2:
            assert math.isfinite(protein.outlook(params, curve[:2]).chance)
            protein.observe_partial(params, curve[:2])
        else:
            protein.observe(params, score=score, cost=cost, curve=curve)
    told = protein.suggest().predicted
    assert told is None or math.isfinite(told.score)
    assert protein.best() is not None


@pytest.mark.slow
@pytest.mark.parametrize("with_curves", [False, True])
@pytest.mark.parametrize("goal", ["maximize", "minimize"])
@pytest.mark.parametrize(
    "odd", [MOST, *(pytest.param(odd, marks=pytest.mark.long) for odd in (-MOST, 1e155, LEAST))], ids=str
)
def test_a_score_beyond_all_others_troubles_no_model(odd, goal, with_curves):
    scores = [*USUAL[:4], odd, *USUAL[5:]]
    with warnings.catch_warnings(action="error"):
        all_asked(Protein(SPACE, goal=goal), scores, itertools.repeat(1.0), with_curves=with_curves)


@pytest.mark.slow
@pytest.mark.parametrize("cost", [MOST, LEAST])
def test_nor_does_a_cost(cost):
    with warnings.catch_warnings(action="error"):
        all_asked(Protein(SPACE), USUAL[:7], itertools.cycle([1.0, 2.0, cost]), with_curves=True)


@pytest.mark.slow
@pytest.mark.parametrize("odd", [MOST, -MOST])
def test_nor_do_scores_by_seed_nor_several_goals(odd):
    by_seed, traded = Protein(SPACE), Protein(SPACE, goal={"a": "maximize", "b": "minimize"})
    with warnings.catch_warnings(action="error"):
        for score in (1.0, odd, *USUAL[2:7]):
            by_seed.observe_by_seed(by_seed.suggest().params, {0: score, 1: score, 2: 1.0})
            traded.observe(traded.suggest().params, score={"a": score, "b": -score})
        assert by_seed.suggest().predicted is not None
        assert traded.suggest().predicted is not None
