"""Distributions and their written-down gradients against torch's own; what is drawn has the probabilities it should."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Normal

from metta_sweep.envs.action_spaces import Box, Discrete, MultiDiscrete
from metta_sweep.trainer.config import AgentConfig
from metta_sweep.trainer.distributions import family_of

N = 30
SPACES = (Discrete(5), MultiDiscrete((3, 2, 4)), MultiDiscrete((2,)), Box((-2.0, -1.0), (2.0, 3.0)))


def family(space, **agent):
    return family_of(space, AgentConfig(**agent))


def drawn(space, seed=0):
    """Return a family, random parameters and actions drawn with them."""
    of, generator = family(space), torch.Generator().manual_seed(seed)
    parameters = torch.randn(N, of.width, generator=generator, dtype=torch.float64)
    return of, parameters, of.choose(parameters, of.chance(1, N, generator)[0])


def reference(space, parameters, actions):
    """Return torch's log probabilities and entropies."""
    if isinstance(space, Box):
        normal = Normal(*(parameters[:, :2], parameters[:, 2:].exp()))
        return normal.log_prob(actions).sum(-1), normal.entropy().sum(-1)
    sizes = space.sizes if isinstance(space, MultiDiscrete) else (space.size,)
    parts = [Categorical(logits=part) for part in parameters.split(sizes, -1)]
    chosen = actions.reshape(N, -1).unbind(-1)
    log_probs = sum(part.log_prob(of) for part, of in zip(parts, chosen, strict=True))
    return log_probs, sum(part.entropy() for part in parts)


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES, ids=str)
def test_probabilities_and_entropies_are_those_of_torch(space):
    of, parameters, actions = drawn(space)
    log_probs, entropy = reference(space, parameters, actions)
    torch.testing.assert_close(of.of(parameters).log_probs(actions), log_probs)
    torch.testing.assert_close(of.of(parameters).entropy(), entropy)


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_the_gradient_by_hand_is_that_of_torch(space):
    of, parameters, actions = drawn(space)
    by_log_prob = torch.linspace(-1.0, 2.0, N, dtype=torch.float64)
    traced = parameters.clone().requires_grad_()
    log_probs, entropy = reference(space, traced, actions)
    (by_log_prob * log_probs - 0.3 * entropy).sum().backward()
    by_hand = of.of(parameters).gradient(actions, by_log_prob, 0.3)
    torch.testing.assert_close(by_hand, traced.grad, rtol=1e-9, atol=1e-12)


def test_choices_are_drawn_with_their_probabilities():
    of = family(MultiDiscrete((3, 2)))
    logits = torch.tensor([0.3, 1.0, -1.0, 0.5, -0.5]).expand(60_000, 5)
    actions = of.choose(logits, of.chance(1, 60_000, torch.Generator().manual_seed(0))[0])
    for part, own in ((0, logits[0, :3]), (1, logits[0, 3:])):
        shares = torch.bincount(actions[:, part], minlength=len(own)) / 60_000
        torch.testing.assert_close(shares, torch.softmax(own, -1), atol=0.01, rtol=0)


def test_numbers_are_drawn_with_their_mean_and_deviation():
    of = family(Box((-1.0, -1.0), (1.0, 1.0)))
    parameters = torch.tensor([0.5, -2.0, math.log(0.2), math.log(3.0)]).expand(60_000, 4)
    actions = of.choose(parameters, of.chance(1, 60_000, torch.Generator().manual_seed(0))[0])
    torch.testing.assert_close(actions.mean(0), torch.tensor([0.5, -2.0]), atol=0.03, rtol=0)
    torch.testing.assert_close(actions.std(0), torch.tensor([0.2, 3.0]), rtol=0.02, atol=0)


def test_without_chance_the_likeliest_action_is_taken():
    logits = torch.tensor([[0.0, 0.5, -1.0], [3.0, 0.5, -1.0]])
    assert family(Discrete(3)).choose(logits, None).tolist() == [1, 0]
    assert family(MultiDiscrete((2, 1))).choose(logits, None).tolist() == [[1, 0], [0, 0]]
    assert family(Box((-1.0,), (1.0,))).choose(torch.tensor([[0.25, 3.0]]), None).tolist() == [[0.25]]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_chance_depends_on_the_generator_alone(space):
    of = family(space)
    one, same, other = (of.chance(3, 2, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_numbers_reach_the_environment_on_its_own_scale_and_within_its_bounds():
    box = Box((-2.0, 0.0, -math.inf, 0.0), (2.0, 10.0, math.inf, math.inf))
    given = torch.tensor([[-1.0, 1.0, 7.0, -3.0], [0.5, 0.0, -7.0, 3.0], [-9.0, 9.0, 0.0, 0.0]])
    cut = family(box).for_env(given)
    assert cut.tolist() == [[-2.0, 10.0, 7.0, 0.0], [1.0, 5.0, -7.0, 3.0], [-2.0, 10.0, 0.0, 0.0]]
    squashed = family(box, action_bounds="tanh").for_env(given)
    np.testing.assert_allclose(squashed[1, :2], [2.0 * math.tanh(0.5), 5.0], rtol=1e-6)
    assert (np.abs(squashed[:, 0]) <= 2.0).all()


def test_only_choices_have_a_largest_entropy():
    assert family(Discrete(3)).most_entropy == pytest.approx(math.log(3))
    assert family(MultiDiscrete((3, 4))).most_entropy == pytest.approx(math.log(12))
    assert family(Box((0.0,), (1.0,))).most_entropy is None
