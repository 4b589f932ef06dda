"""One vector for all parameters."""

import pytest
import torch
from torch import nn

from metta_sweep.trainer.parameters import clip_norm, flattened


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_the_network_computes_the_same_and_follows_the_vector():
    made, x = network(), torch.randn(5, 3)
    before = made(x)
    vector = flattened(made)
    torch.testing.assert_close(made(x), before)
    vector.data.zero_()
    assert made(x).abs().sum() == 0


def test_gradients_arrive_in_the_gradient_of_the_vector():
    made, x = network(), torch.randn(5, 3)
    made(x).square().sum().backward()
    expected = torch.cat([part.grad.reshape(-1) for part in made.parameters()])
    vector = flattened(made)
    made(x).square().sum().backward()
    torch.testing.assert_close(vector.grad, expected)


def test_loaded_weights_arrive_in_the_vector():
    made, other = network(), network()
    vector = flattened(made)
    made.load_state_dict(other.state_dict())
    torch.testing.assert_close(vector.data, torch.cat([part.reshape(-1) for part in other.parameters()]).detach())


@pytest.mark.parametrize(("longest", "left"), [(None, 5.0), (10.0, 5.0), (1.0, 1.0)])
def test_a_gradient_that_is_too_long_is_shortened_and_its_length_before_is_told(longest, left):
    gradient = torch.tensor([3.0, 4.0])
    assert float(clip_norm(gradient, longest)) == pytest.approx(5.0)
    assert float(gradient.norm()) == pytest.approx(left, rel=1e-5)
