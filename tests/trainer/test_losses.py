"""The gradient that is written by hand against torch's own of the plain equations in float64."""

import math

import numpy as np
import pytest
import torch

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.trainer import losses
from metta_sweep.trainer.config import AgentConfig, TrainerConfig
from metta_sweep.trainer.distributions import family_of
from metta_sweep.trainer.team import Team

N, A = 40, 5
RNG = np.random.default_rng(0)
FAMILY = family_of(Discrete(A), AgentConfig())
OUTPUTS = torch.tensor(RNG.normal(size=(N, A + 1)))
ACTIONS = torch.tensor(RNG.integers(0, A, N))
OLD = torch.log_softmax(torch.tensor(RNG.normal(size=(N, A))), -1).gather(1, ACTIONS[:, None])[:, 0]
OLD_VALUES, GAINS = torch.tensor(RNG.normal(size=(2, N)))


def as_seen(config):
    return losses.normalized(GAINS, N, Team()) if config.normalize_advantage else GAINS


def plain_loss(outputs, config):
    """Equation 9 of Schulman et al. (2017), step by step."""
    total = torch.zeros((), dtype=torch.float64)
    gains = (GAINS - GAINS.mean()) / (GAINS.std() + 1e-8) if config.normalize_advantage else GAINS
    for k in range(N):
        log_probs = outputs[k, :A] - torch.logsumexp(outputs[k, :A], 0)
        ratio = torch.exp(log_probs[ACTIONS[k]] - OLD[k])
        clipped = torch.clamp(ratio, 1 - config.clip_coef, 1 + config.clip_coef)
        total = total - torch.minimum(ratio * gains[k], clipped * gains[k])
        value, target = outputs[k, A], GAINS[k] + OLD_VALUES[k]
        error = (value - target) ** 2
        if config.value_clip is not None:
            near = OLD_VALUES[k] + torch.clamp(value - OLD_VALUES[k], -config.value_clip, config.value_clip)
            error = torch.maximum(error, (near - target) ** 2)
        total = total + config.value_coef * error / 2
        total = total + config.entropy_coef * (log_probs.exp() * log_probs).sum()
    return total / N


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"entropy_coef": 0.0, "value_coef": 0.0},
        {"clip_coef": 0.05},
        {"clip_coef": 5.0},
        {"value_clip": 0.3},
        {"value_clip": 10.0},
        {"normalize_advantage": False},
        {"entropy_coef": 2.0},
    ],
    ids=str,
)
def test_the_gradient_by_hand_is_that_of_the_equations(settings):
    config = TrainerConfig(**settings)
    outputs = OUTPUTS.clone().requires_grad_()
    plain_loss(outputs, config).backward()
    by_hand, log_probs = losses.loss_gradient(
        OUTPUTS, ACTIONS, OLD, OLD_VALUES, GAINS + OLD_VALUES, as_seen(config), config, FAMILY
    )
    torch.testing.assert_close(by_hand / N, outputs.grad, rtol=1e-10, atol=1e-12)
    expected = torch.log_softmax(OUTPUTS[:, :A], -1).gather(1, ACTIONS[:, None])[:, 0]
    torch.testing.assert_close(log_probs, expected)


def test_the_gradient_does_not_touch_what_it_is_computed_from():
    before = [tensor.clone() for tensor in (OUTPUTS, OLD, OLD_VALUES, GAINS)]
    config = TrainerConfig(value_clip=0.1)
    losses.loss_gradient(OUTPUTS, ACTIONS, OLD, OLD_VALUES, GAINS + OLD_VALUES, GAINS, config, FAMILY)
    assert all(torch.equal(a, b) for a, b in zip(before, (OUTPUTS, OLD, OLD_VALUES, GAINS), strict=True))


def test_the_policy_has_no_reason_to_move_on_once_the_ratio_is_outside_the_clip():
    new = torch.tensor([math.log(1.3), math.log(0.7), math.log(1.3), math.log(0.7)])
    gradient = losses.policy_gradient(new, torch.zeros(4), torch.tensor([1.0, -1.0, -1.0, 1.0]), 0.2)
    assert gradient[:2].tolist() == [0.0, 0.0]
    torch.testing.assert_close(gradient[2:], torch.tensor([1.3, -0.7]))


def test_the_approximate_kl_is_zero_only_where_nothing_moved_and_close_to_the_kl():
    old = torch.log_softmax(torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1)
    new = torch.log_softmax(old + 0.1 * torch.arange(6), -1)
    exact = float((old.exp() * (old - new)).sum())
    drawn = torch.multinomial(old.exp(), 200_000, replacement=True, generator=torch.Generator().manual_seed(1))
    assert float(losses.approximate_kl(new[drawn], old[drawn])) == pytest.approx(200_000 * exact, rel=0.05)
    assert float(losses.approximate_kl(old[drawn], old[drawn])) == 0.0


def test_normalized_advantages_have_mean_zero_and_deviation_one():
    normal = losses.normalized(GAINS, N, Team())
    assert float(normal.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(normal.std()) == pytest.approx(1.0, rel=1e-6)
    single = torch.tensor([3.0])
    assert losses.normalized(single, 1, Team()) is single
