"""Each equation against numpy in float64, sample by sample."""

import math

import numpy as np
import pytest
import torch

from metta_sweep.trainer import losses

RNG = np.random.default_rng(0)
NEW, OLD, GAINS, VALUES, OLD_VALUES, RETURNS = RNG.normal(size=(6, 50))


def tensor(array):
    return torch.tensor(array, dtype=torch.float64)


def test_the_policy_loss_is_the_worse_of_the_plain_and_the_clipped_gain():
    expected = 0.0
    for new, old, gain in zip(NEW, OLD, GAINS, strict=True):
        ratio = math.exp(new - old)
        expected -= min(ratio * gain, min(max(ratio, 0.8), 1.2) * gain) / 50
    assert float(losses.policy_loss(tensor(NEW), tensor(OLD), tensor(GAINS), 0.2)) == pytest.approx(expected, rel=1e-12)


def test_the_policy_has_no_reason_to_move_on_once_the_ratio_is_outside_the_clip():
    new = torch.tensor([math.log(1.3), math.log(0.7), math.log(1.3), math.log(0.7)], requires_grad=True)
    gains = torch.tensor([1.0, -1.0, -1.0, 1.0])
    losses.policy_loss(new, torch.zeros(4), gains, 0.2).backward()
    assert new.grad[:2].tolist() == [0.0, 0.0]
    assert (new.grad[2:] != 0).all()


def test_the_value_loss_is_half_the_squared_error():
    expected = np.mean((VALUES - RETURNS) ** 2) / 2
    assert float(losses.value_loss(tensor(VALUES), tensor(OLD_VALUES), tensor(RETURNS), None)) == pytest.approx(
        expected
    )


def test_the_clipped_value_loss_is_the_larger_of_two_errors():
    expected = 0.0
    for value, old, target in zip(VALUES, OLD_VALUES, RETURNS, strict=True):
        near = old + min(max(value - old, -0.3), 0.3)
        expected += max((value - target) ** 2, (near - target) ** 2) / 2 / 50
    got = losses.value_loss(tensor(VALUES), tensor(OLD_VALUES), tensor(RETURNS), 0.3)
    assert float(got) == pytest.approx(expected, rel=1e-12)


def test_entropy_is_largest_for_equal_chances_and_zero_for_a_sure_thing():
    equal, sure = torch.zeros(3, 4), torch.tensor([[100.0, 0.0, 0.0, 0.0]])
    assert float(losses.entropy(torch.log_softmax(equal, -1))) == pytest.approx(math.log(4))
    assert float(losses.entropy(torch.log_softmax(sure, -1))) == pytest.approx(0.0, abs=1e-6)


def test_the_approximate_kl_is_zero_only_where_nothing_moved_and_close_to_the_kl():
    old = torch.log_softmax(torch.randn(6, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1)
    new = torch.log_softmax(old + 0.1 * torch.arange(6), -1)
    exact = float((old.exp() * (old - new)).sum())
    drawn = torch.multinomial(old.exp(), 200_000, replacement=True, generator=torch.Generator().manual_seed(1))
    assert float(losses.approximate_kl(new[drawn], old[drawn])) == pytest.approx(exact, rel=0.05)
    assert float(losses.approximate_kl(old[drawn], old[drawn])) == 0.0


def test_normalized_advantages_have_mean_zero_and_deviation_one():
    normal = losses.normalized(tensor(GAINS))
    assert float(normal.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(normal.std()) == pytest.approx(1.0, rel=1e-6)
    single = torch.tensor([3.0])
    assert losses.normalized(single) is single
