"""A distribution is one Scale: whatever depends on it follows from its traits."""

from __future__ import annotations

import numpy as np
import pytest

from metta_sweep.config.carbs import CarbsSpace
from metta_sweep.errors import RequestError
from metta_sweep.optimize.protein import Protein
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import SCALES, Scale
from metta_sweep.track.ranges import wandb_parameters

SQUARES = Scale(
    distribution="square_root",
    forward=np.sqrt,
    inverse=np.square,
    domain=(0.0, np.inf),
    nicknames=("sqrt",),
    carbs=("sqrt",),
    wandb="uniform",
)
LEAF = {"min": 1.0, "max": 9.0, "distribution": "square_root"}


@pytest.fixture
def with_squares(monkeypatch):
    """List one more distribution, in the one place that CONTRIBUTING names."""
    monkeypatch.setitem(SCALES, "square_root", SQUARES)


@pytest.mark.usefixtures("with_squares")
def test_a_distribution_that_is_listed_is_searched_described_and_mirrored():
    space = SearchSpace.parse({"x": LEAF})
    assert space.center() == {"x": 4.0}
    assert space.parameters[0].describe() == "square_root [1, 9]"
    np.testing.assert_allclose(space.encode({"x": 2.25}), 0.25)
    assert wandb_parameters({"x": LEAF}) == {"x": {"distribution": "uniform", "min": 1.0, "max": 9.0}}
    protein = Protein({"x": LEAF})
    for _ in range(4):
        suggestion = protein.suggest()
        assert 1 <= suggestion.params["x"] <= 9
        protein.observe(suggestion, score=-abs(suggestion.params["x"] - 3))


def test_one_that_is_not_listed_is_refused_with_those_that_are():
    with pytest.raises(RequestError, match="need one of uniform, log_normal"):
        SearchSpace.parse({"x": LEAF})


def test_every_nickname_is_answered_with_one_distribution():
    names = [nickname for scale in SCALES.values() for nickname in scale.nicknames]
    assert len(names) == len(set(names))
    assert not set(names) & set(SCALES)


def test_the_words_of_carbs_become_ranges():
    assert CarbsSpace(kind="pow2", low="32", high="256").leaf()["distribution"] == "uniform_pow2"
    assert CarbsSpace(kind="logit", low="0.1", high="0.9").leaf()["distribution"] == "uniform"
