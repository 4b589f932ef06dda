"""The losses of proximal policy optimization (Schulman et al., 2017), an equation a function.

========  =========================================================
symbol    meaning
========  =========================================================
r         ratio pi(a|s) / pi_old(a|s) of each step
A         advantage of each step
V, R      predicted value; return (advantage plus old value)
eps       ``clip_coef``
========  =========================================================

All arguments are of shape (n,) unless said otherwise; all results are scalars.
"""

from __future__ import annotations

import torch
from torch import Tensor


def policy_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_coef: float) -> Tensor:
    """L = -mean min(r A, clip(r, 1 - eps, 1 + eps) A), equation 7."""
    ratio = (log_probs - old_log_probs).exp()
    clipped = ratio.clamp(1.0 - clip_coef, 1.0 + clip_coef)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """L = mean (V - R)^2 / 2; with ``clip`` the larger of that and the error of V kept within clip of its old value."""
    error = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error.mean()


def entropy(log_probs: Tensor) -> Tensor:
    """H = -mean sum_a pi(a|s) log pi(a|s). log_probs: (n, actions), normalized."""
    return -(log_probs.exp() * log_probs).sum(-1).mean()


def approximate_kl(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """KL(pi_old, pi) as mean (r - 1) - log r: no bias, never negative (Schulman, 2020)."""
    log_ratio = log_probs - old_log_probs
    return (log_ratio.exp() - 1.0 - log_ratio).mean()


def normalized(advantages: Tensor) -> Tensor:
    """Return (A - mean) / (deviation + 1e-8); a single step is left as it is."""
    if advantages.numel() < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)
