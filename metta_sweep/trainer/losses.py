"""The loss of proximal policy optimization (Schulman et al., 2017) and its gradient, an equation a function.

L = L_policy + c_v L_value - c_e H (equation 9). The network's gradient is torch's business; that of the loss itself
with respect to the network's outputs is short enough to be written down, and takes half the time.

========  ==============================================================
symbol    meaning
========  ==============================================================
n         steps of a minibatch
P, D      parameters of a distribution over actions, parts of an action
r         ratio pi(a|s) / pi_old(a|s) of each step
A         advantage of each step
V, R      predicted value; return (advantage plus old value)
========  ==============================================================

Arguments are of shape (n,) unless said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.distributions import Family, OneOfEach
from metta_sweep.trainer.native.kernel import Kernel
from metta_sweep.trainer.team import Team


def loss_gradient(
    outputs: Tensor,
    actions: Tensor,
    old_log_probs: Tensor,
    old_values: Tensor,
    returns: Tensor,
    advantages: Tensor,
    config: TrainerConfig,
    family: Family,
    kernel: Kernel | None = None,
) -> tuple[Tensor, Tensor]:
    """Return n times the gradient of the loss with respect to the outputs, and log pi(a|s).

    Args:
        outputs: (n, P + 1) parameters of the distribution and value of each step.
        actions: (n,) or (n, D) what was done.
        old_log_probs: Of the actions, when they were drawn.
        old_values: When the actions were drawn.
        returns: What the values should have been.
        advantages: As the policy shall see them, normalized or not.
        config: Weights and clips.
        family: What the outputs mean.
        kernel: Does it for a single choice and for numbers, if there is one.

    Returns:
        (n, P + 1) and (n,).
    """
    if kernel is not None and not isinstance(family, OneOfEach):
        return kernel.loss_gradient(outputs, actions, old_log_probs, old_values, returns, advantages, config)
    chosen = family.of(outputs[:, :-1])
    log_probs = chosen.log_probs(actions)
    by_log_prob = policy_gradient(log_probs, old_log_probs, advantages, config.clip_coef)
    gradient = torch.empty_like(outputs)
    gradient[:, :-1] = chosen.gradient(actions, by_log_prob, config.entropy_coef)
    gradient[:, -1] = config.value_coef * value_gradient(outputs[:, -1], old_values, returns, config.value_clip)
    return gradient, log_probs


def policy_gradient(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip_coef: float) -> Tensor:
    """L_policy = -mean min(r A, clip(r, 1 - eps, 1 + eps) A), equation 7; returns n d L / d log pi(a).

    That is -r A, and 0 where the clipped gain is the smaller: the policy has nothing to win by moving on.
    """
    ratio = (log_probs - old_log_probs).exp_()
    gain = ratio * advantages
    clipped = ratio.clamp_(1.0 - clip_coef, 1.0 + clip_coef) * advantages
    return torch.where(gain > clipped, 0.0, -gain)


def value_gradient(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """L_value = mean (V - R)^2 / 2; returns n d L / d V, that is V - R.

    With ``clip`` the loss is the larger of that and the error of V kept within ``clip`` of its old value; where the
    latter is the larger and V is outside, the gradient is 0.
    """
    error = values - returns
    if clip is None:
        return error
    moved = values - old_values
    kept = old_values + moved.clamp(-clip, clip) - returns
    return torch.where((kept.abs() > error.abs()) & (moved.abs() > clip), 0.0, error)


def approximate_kl(log_probs: Tensor, old_log_probs: Tensor) -> Tensor:
    """N KL(pi_old, pi) as the sum of (r - 1) - log r: no bias, never negative (Schulman, 2020)."""
    log_ratio = log_probs - old_log_probs
    return (log_ratio.exp() - 1.0 - log_ratio).sum()


def normalized(advantages: Tensor, count: int, team: Team) -> Tensor:
    """Return (A - mean) / (deviation + 1e-8) over the ``count`` steps of all processes; one step is left as it is."""
    if count < 2:
        return advantages
    mean = team.add(advantages.sum()) / count
    centered = advantages - mean
    deviation = (team.add(centered.square().sum()) / (count - 1)).sqrt_()
    return centered.div_(deviation + 1e-8)
