"""Random search: points drawn evenly from the feasible part of the space (Bergstra & Bengio 2012)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from metta_sweep.optimize.points import BATCH
from metta_sweep.optimize.port import SearchTask
from metta_sweep.optimize.sequence import SequenceSearch
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import Array


def random_search(task: SearchTask) -> SequenceSearch:
    """Return a random search that has seen nothing."""
    batches = drawn(task.space, np.random.default_rng(task.seed))
    return SequenceSearch(task, origin="random", batches=batches, reason="drawn at random from the space")


def drawn(space: SearchSpace, rng: np.random.Generator) -> Iterator[Array]:
    """Yield snapped codes ``(n, d)`` of feasible points, without an end."""
    while True:
        yield space.sample(BATCH, rng)
