"""Random and quasi-random search: the laws of a search that goes through a sequence, whatever its results."""

from __future__ import annotations

import time

import numpy as np
import pytest

from metta_sweep import Protein
from metta_sweep.optimize.port import CanExpect, CanExplain, SearchTask
from metta_sweep.optimize.registry import kind_of
from metta_sweep.space import SearchSpace
from tests.optimize import spaces

NAMES = ("random", "sobol")
EVERY_SPACE = (spaces.plain, spaces.everything, spaces.narrow)


def search(name, space, seed=0):
    return kind_of(name).make(SearchTask(space=space, goal="maximize", seed=seed))


def points(optimizer, count):
    """Return the first points, each observed before the next is asked for."""
    found = []
    for k in range(count):
        found.append(optimizer.suggest().params)
        optimizer.observe(found[-1], score=float(k), cost=1.0)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("space", EVERY_SPACE)
def test_every_point_is_feasible_and_none_comes_twice(name, space):
    where = space()
    found = points(search(name, where), 100)
    assert all(where.is_feasible(point) for point in found)
    assert len({repr(point) for point in found}) == 100


@pytest.mark.parametrize("name", NAMES)
def test_the_next_point_depends_on_what_is_taken_and_on_nothing_else(name):
    sequence = points(search(name, spaces.everything()), 30)
    again = search(name, spaces.everything())
    for index in np.random.default_rng(0).permutation(20):
        again.observe_failure(sequence[index])
    assert again.suggest(sequence[20:25]).params == sequence[25]
    assert again.suggest(sequence[21:25]).params == sequence[20]
    assert again.suggest().params == sequence[20]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_sequence_and_another_seed_another_one(name):
    first, same, other = (points(search(name, spaces.everything(), seed), 8) for seed in (0, 0, 1))
    assert first == same
    assert first != other


@pytest.mark.parametrize("name", NAMES)
def test_a_small_space_is_gone_through_whole_before_a_point_is_repeated(name):
    optimizer = search(name, spaces.tiny())
    assert len({repr(point) for point in points(optimizer, 6)}) == 6
    again = optimizer.suggest()
    assert again.origin == "repeat"
    assert spaces.tiny().is_feasible(again.params)


@pytest.mark.parametrize("name", NAMES)
def test_a_space_without_an_axis_has_one_point(name):
    optimizer = search(name, SearchSpace.parse({}))
    assert [optimizer.suggest().origin, optimizer.suggest([{}]).origin] == [name, "repeat"]


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_range_is_searched(name):
    """Each tenth of a range holds a tenth of the points, for a Sobol sequence almost exactly."""
    xs = [point["x"] for point in points(search(name, spaces.plain()), 512)]
    counts, _ = np.histogram(xs, bins=10, range=(0.0, 1.0))
    assert np.abs(counts - 51.2).max() < (3 if name == "sobol" else 28)


@pytest.mark.parametrize("name", NAMES)
def test_neither_predicts_anything(name):
    optimizer = search(name, spaces.plain())
    assert not isinstance(optimizer, CanExpect | CanExplain)
    assert optimizer.suggest().predicted is None
    assert not kind_of(name).has_model


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NAMES, "protein"])
def test_a_point_of_a_sequence_takes_no_longer_after_many_points(name):
    """Of Protein it is the start of a search, before a model takes over."""
    space = spaces.plain()
    optimizer = search(name, space) if name != "protein" else Protein(space, settings={"num_random_samples": 10**6})
    pending = [space.values(codes) for codes in space.sample(8, np.random.default_rng(1))]
    few = seconds_each(optimizer, pending, 100)
    for codes in space.sample(1_500, np.random.default_rng(0)):
        optimizer.observe_failure(space.values(codes))
    many = seconds_each(optimizer, pending, 100)
    assert many < 3 * few
    assert many < 3e-3, "a third of it on an idle machine"


def seconds_each(optimizer, pending, count):
    """Return the CPU seconds that a suggestion takes on average."""
    thought_s = 0.0
    for _ in range(count):
        began_s = time.process_time()
        point = optimizer.suggest(pending).params
        thought_s += time.process_time() - began_s
        optimizer.observe_failure(point)
    return thought_s / count


@pytest.mark.parametrize("name", NAMES)
def test_the_last_points_of_a_space_are_found_too(name):
    """Most batches hold nothing new by then."""
    optimizer = search(name, SearchSpace.parse({"n": spaces.between(1, 300, "int_uniform")}))
    assert sorted(point["n"] for point in points(optimizer, 300)) == list(range(1, 301))
