"""The surrogate as gpytorch states it: what the small Cholesky core computes, said in its own words.

gpytorch takes three times as long or more at every size that a sweep has, and a suggestion asks hundreds of times. So
:mod:`likelihood` and :mod:`posterior` do the same sums in numpy. The tests hold them equal to this module, and
:mod:`self_check` does so on the machine of whoever runs a sweep. Exact, float64, no global state: the random
generators of torch are never touched (docs/decisions/0013).
"""

from __future__ import annotations

import functools
from typing import Any

import gpytorch
import numpy as np
import torch
from linear_operator.utils.errors import NotPSDError
from torch import Tensor

from metta_sweep.optimize.protein.fitting import Hypers
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.likelihood import JITTER, MEAN_VARIANCE, Priors
from metta_sweep.optimize.protein.threads import on_one_thread
from metta_sweep.space.scales import Array

__all__ = ["NotPSDError", "ReferenceProcess"]

_NOISE_AS_GIVEN = functools.partial(gpytorch.settings.min_fixed_noise, 1e-12, 1e-12, 1e-12)
"""A noise-free problem is noise-free: gpytorch would round its noise up to 1e-6."""


class ReferenceProcess(gpytorch.models.ExactGP):  # type: ignore[misc]  # gpytorch ships no types
    """A batch of ``H`` exact processes: constant mean integrated out, Matern-5/2 with one lengthscale a parameter.

    Points come as features, so that categories are at Hamming distance; a lengthscale belongs to all the features of
    its parameter.
    """

    def __init__(self, geometry: Geometry, hypers: Hypers, points: Array, targets: Array, known_noise: Array) -> None:
        batch = torch.Size([len(hypers.theta)])
        noise = _tensor(hypers.noise)[:, None] + _tensor(known_noise) + JITTER
        features = _tensor(geometry.features(points)).expand(*batch, -1, -1)
        wide = _tensor(targets).expand(*batch, -1)
        with _NOISE_AS_GIVEN():
            likelihood = gpytorch.likelihoods.FixedNoiseGaussianLikelihood(noise, batch_shape=batch)
        super().__init__(features, wide, likelihood)
        self.geometry = geometry
        self.mean_module = gpytorch.means.ZeroMean(batch_shape=batch)
        matern = gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=features.shape[-1], batch_shape=batch)
        self.signal = gpytorch.kernels.ScaleKernel(matern, batch_shape=batch)
        self.constant = gpytorch.kernels.ConstantKernel(batch_shape=batch)
        self.double()
        matern.lengthscale = _tensor(hypers.lengthscales[:, geometry.owner])[:, None, :]
        self.signal.outputscale = _tensor(hypers.signal)
        self.constant.constant = torch.full(batch, MEAN_VARIANCE, dtype=torch.float64)

    def forward(self, features: Tensor) -> Any:
        """Return the prior distribution at features ``(H, n, f)``."""
        return gpytorch.distributions.MultivariateNormal(
            self.mean_module(features), self.signal(features) + self.constant(features)
        )

    @on_one_thread
    def posterior(self, points: Array) -> tuple[Array, Array]:
        """Return mean and variance ``(H, m)`` of the noise-free value at codes ``(m, d)``."""
        self.eval()
        features = _tensor(self.geometry.features(points)).expand(len(self.signal.outputscale), -1, -1)
        exact = (gpytorch.settings.fast_pred_var(False), gpytorch.settings.max_cholesky_size(10_000), _NOISE_AS_GIVEN())
        with torch.no_grad(), exact[0], exact[1], exact[2]:
            told = self(features)
            return told.mean.numpy(), told.variance.numpy()

    def log_posterior(self, priors: Priors, theta: Array) -> Array:
        """Return log p(y | theta) + log p(theta) ``(H,)``, up to the same constant as the core."""
        self.train()
        with torch.no_grad(), gpytorch.settings.max_cholesky_size(10_000):
            told = self.likelihood(self(*self.train_inputs))
            fit = told.log_prob(self.train_targets) + 0.5 * self.train_targets.shape[-1] * torch.log(
                torch.tensor(2.0 * torch.pi, dtype=torch.float64)
            )
        density = np.array([priors.log_density(each) for each in theta])
        total: Array = fit.numpy() + density
        return total


def _tensor(values: Array) -> Tensor:
    return torch.from_numpy(np.array(values, dtype=np.float64))
