"""The sequence is the one that scipy draws, digit by digit, and no start waits for scipy's statistics."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice

import numpy as np
import pytest

from metta_sweep.optimize.sobol_points import MOST_DIMENSIONS, sobol_points


@pytest.mark.slow
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 8, 21, MOST_DIMENSIONS])
def test_the_points_are_those_of_scipy(dim):
    from scipy.stats import qmc

    for seed in (0, 1, 77):
        theirs = qmc.Sobol(dim, scramble=True, rng=np.random.default_rng(seed))
        for points in islice(sobol_points(dim, np.random.default_rng(seed), batch=64), 20):
            assert np.array_equal(points, theirs.random(64))


@pytest.mark.slow
def test_every_row_of_the_table_is_scipys():
    from scipy.stats import qmc

    theirs = qmc.Sobol(MOST_DIMENSIONS, scramble=True, rng=np.random.default_rng(3)).random(2**12)
    ours = next(sobol_points(MOST_DIMENSIONS, np.random.default_rng(3), batch=2**12))
    assert np.array_equal(ours, theirs)


def test_the_first_suggestions_load_no_statistics():
    code = (
        "import sys\n"
        "from metta_sweep.optimize.protein import Protein\n"
        "protein = Protein({'x': {'distribution': 'uniform', 'min': 0, 'max': 1}}, 'maximize', 0)\n"
        "for _ in range(3): protein.observe(protein.suggest().params, 1.0)\n"
        "assert 'scipy.stats' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
