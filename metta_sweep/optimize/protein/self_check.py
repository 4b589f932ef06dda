"""Whether the models come out on this machine as gpytorch has them: two linear algebra libraries, one answer."""

from __future__ import annotations

import warnings

import numpy as np

from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.posterior import Posterior

_POINTS, _AXES, _FITS = 60, 5, 4
MOST_DIFFERENCE = 1e-6
"""Largest difference that is rounding; values are about 1."""


def check_arithmetic() -> tuple[bool, str]:
    """Return whether the core and gpytorch agree on a small problem, and in one line by how much they differ."""
    difference = largest_difference()
    detail = f"the models differ from gpytorch's by {difference:.1g} at most"
    if difference <= MOST_DIFFERENCE:
        return True, detail
    return False, f"{detail}: numpy, scipy or torch computes wrongly here; install them anew"


def largest_difference() -> float:
    """Return the largest difference between the posteriors of the core and of gpytorch, means and variances."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # gpytorch's own use of torch.jit, at import
        from metta_sweep.optimize.protein.surrogate import ReferenceProcess

    rng, geometry = np.random.default_rng(0), Geometry(unordered=(0,) * _AXES)
    points, fresh = rng.random((_POINTS, _AXES)), rng.random((_POINTS, _AXES))
    targets = np.sin(5.0 * points[:, 0]) + points[:, 1] + 0.1 * rng.standard_normal(_POINTS)
    noise = 0.01 * rng.random(_POINTS)
    hypers = Hypers(theta=rng.normal(-0.5, 0.5, size=(_FITS, _AXES + 2)))
    ours = Posterior.of(geometry, hypers, points, targets, noise).predict(fresh)
    theirs = ReferenceProcess(geometry, hypers, points, targets, noise).posterior(fresh)
    return max(float(np.abs(one - other).max()) for one, other in zip(ours, theirs, strict=True))
