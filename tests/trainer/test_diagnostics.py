"""What is measured of the learning, against the plain equations."""

import math

import numpy as np
import pytest
import torch

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.vec_env import EnvSpec, Episodes
from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.diagnostics import LINES, TrainingEpisodes, diagnose, measured
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import Batch
from metta_sweep.trainer.team import Team
from tests.trainer.configs import parsed

ALONE = Team()
SPEC = EnvSpec(rows=4, actions=Discrete(3), width=5)
GENERATOR = torch.Generator().manual_seed(0)
N = 64


def made(*, gains=None, values=None):
    return Batch(
        observations=torch.randn(1, N, 5, generator=GENERATOR),
        starts=torch.zeros(1, N, dtype=torch.bool),
        actions=torch.randint(0, 3, (1, N), generator=GENERATOR),
        log_probs=torch.rand(1, N, generator=GENERATOR).mul(0.8).add(0.1).log(),
        values=torch.randn(1, N, generator=GENERATOR) if values is None else values,
        advantages=torch.randn(1, N, generator=GENERATOR) if gains is None else gains,
        memory=(),
    )


def policy():
    one = Policy(parsed(), SPEC, torch.Generator().manual_seed(1))
    one.heads.weight.data.normal_(generator=torch.Generator().manual_seed(2))
    return one


def test_what_is_measured_are_the_terms_of_the_loss_over_the_batch():
    batch, one = made(), policy()
    found = diagnose(one, batch, TrainerConfig(minibatch_size=16, batch_size=64), ALONE)
    outputs = one.unroll(batch.observations, batch.starts, ()).detach().double()
    every = torch.log_softmax(outputs[:, :3], -1)
    gains = (batch.advantages - batch.advantages.mean()) / batch.advantages.std()
    policy_loss = kl = clipped = 0.0
    for k in range(N):
        ratio = math.exp(every[k, batch.actions[0, k]] - batch.log_probs[0, k])
        near = min(max(ratio, 0.8), 1.2)
        policy_loss -= min(ratio * gains[0, k], near * gains[0, k]) / N
        kl += (ratio - 1 - math.log(ratio)) / N
        clipped += (abs(ratio - 1) > 0.2) / N
    returns = batch.advantages + batch.values
    assert found["policy_loss"] == pytest.approx(float(policy_loss), rel=1e-4)
    assert found["kl"] == pytest.approx(float(kl), rel=1e-4)
    assert found["clip_fraction"] == pytest.approx(clipped)
    assert found["value_loss"] == pytest.approx(float((outputs[:, 3] - returns[0]).square().mean() / 2), rel=1e-4)
    assert found["entropy"] == pytest.approx(float(-(every.exp() * every).sum(1).mean()), rel=1e-4)
    assert found["entropy_share"] == pytest.approx(found["entropy"] / math.log(3))
    expected = 1 - np.var(batch.advantages.numpy()) / np.var(returns.numpy())
    assert found["explained_variance"] == pytest.approx(float(expected), rel=1e-4)


def test_a_value_function_that_knows_the_returns_explains_all_of_them_and_equal_returns_need_no_explanation():
    config = TrainerConfig()
    known = made(gains=torch.zeros(1, N))
    assert diagnose(policy(), known, config, ALONE)["explained_variance"] == 1.0
    equal = made(gains=torch.zeros(1, N), values=torch.zeros(1, N))
    assert "explained_variance" not in diagnose(policy(), equal, config, ALONE)


def test_measuring_changes_neither_the_batch_nor_the_policy():
    batch, one = made(), policy()
    before = batch.advantages.clone(), one.heads.weight.clone()
    diagnose(one, batch, TrainerConfig(), ALONE)
    assert torch.equal(batch.advantages, before[0])
    assert torch.equal(one.heads.weight, before[1])


@pytest.mark.parametrize("num_updates", [1, 7, 49, 50, 1_562, 100_000])
def test_about_fifty_updates_of_a_run_are_measured_the_last_among_them(num_updates):
    lines = [update for update in range(1, num_updates + 1) if measured(update, num_updates)]
    assert lines[-1] == num_updates
    assert len(lines) == min(num_updates, len(lines)) <= 2 * LINES
    assert num_updates <= LINES or len(lines) >= LINES


def test_episodes_are_counted_from_one_measurement_to_the_next():
    counted = TrainingEpisodes()
    assert counted.measure(ALONE) == {}
    for returns in ([1.0, 2.0], [6.0]):
        stats = {"reward": np.array(returns), "episode_length": np.array(returns) * 10}
        counted.add(Episodes(rows=np.arange(len(returns)), stats=stats))
    kept = TrainingEpisodes()
    kept.restore(counted.state())
    assert counted.measure(ALONE) == kept.measure(ALONE) == {"episode_return": 3.0, "episode_length": 30.0}
    assert counted.measure(ALONE) == {"episode_return": 3.0, "episode_length": 30.0}
