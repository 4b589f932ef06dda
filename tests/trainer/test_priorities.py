"""Prioritized segments: drawn by their advantages, counted by how often they are drawn."""

from __future__ import annotations

import pytest
import torch

from metta_sweep.trainer.priorities import draw, weights, worth
from metta_sweep.trainer.training import Training
from tests.trainer.configs import parsed


def of_seed(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def chances_of(advantages: torch.Tensor, alpha: float) -> torch.Tensor:
    each = worth(advantages, alpha)
    return each / each.sum()


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_segments_are_drawn_by_a_power_of_their_advantages(alpha: float) -> None:
    advantages = torch.tensor([[1.0, -2.0, 0.0, 8.0], [1.0, 2.0, 0.0, -8.0]])
    powers = [sum(abs(float(each)) for each in segment) ** alpha + 1e-6 for segment in advantages.T]
    expected = torch.tensor(powers) / sum(powers)
    chances = chances_of(advantages, alpha)
    torch.testing.assert_close(chances, expected)
    of = of_seed(0)
    counts = torch.stack([torch.bincount(draw(chances, of), minlength=4) for _ in range(5000)]).sum(0)
    torch.testing.assert_close(counts / 20_000, expected, atol=0.015, rtol=0.0)


def test_with_all_of_the_bias_taken_out_a_pass_has_the_gradient_of_all_segments_in_the_mean() -> None:
    gradients, chances = torch.randn(6, generator=of_seed(1)), chances_of(torch.randn(3, 6, generator=of_seed(2)), 0.8)
    torch.testing.assert_close((chances * weights(chances, 1.0) * gradients).sum(), gradients.mean())


def test_equal_advantages_have_equal_chances_and_weights_of_one() -> None:
    chances = chances_of(torch.ones(4, 10), 0.7)
    torch.testing.assert_close(weights(chances, 0.4), torch.ones(10))


@pytest.mark.parametrize("use_lstm", [False, True])
@pytest.mark.parametrize(
    "changes", [{"trainer__priority_alpha": 0.8}, {"trainer__vtrace": True}], ids=["priority", "vtrace"]
)
def test_a_run_with_either_is_the_same_every_time(tmp_path, use_lstm: bool, changes: dict[str, float]) -> None:
    config = parsed(trainer__use_lstm=use_lstm, trainer__lstm_hidden_size=8, trainer__bptt_horizon=8, **changes)
    plain = parsed(trainer__use_lstm=use_lstm, trainer__lstm_hidden_size=8, trainer__bptt_horizon=8)
    found = []
    for each in (config, config, plain):
        training = Training(each, tmp_path, torch.device("cpu"), lambda _: None)
        training.learn()
        training.learn()
        found.append(torch.cat([part.detach().flatten() for part in training.policy.parameters()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert bool(torch.isfinite(found[0]).all())
