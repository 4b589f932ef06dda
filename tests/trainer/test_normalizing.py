"""Running statistics of observations and rewards."""

import math

import pytest
import torch

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.config import AgentConfig
from metta_sweep.trainer.distributions import family_of
from metta_sweep.trainer.normalizing import Moments, RewardScale, SeenSoFar
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.team import Team
from metta_sweep.trainer.trajectories import Trajectories
from tests.trainer.configs import parsed

ALONE = Team()
SPEC = EnvSpec(rows=2, actions=Discrete(3), width=4)


def test_moments_of_parts_are_the_moments_of_the_whole():
    values = torch.randn(60, 3, generator=torch.Generator().manual_seed(0)) * 5 + 1000
    moments = Moments(3)
    for part in values.split([10, 30, 20]):
        moments.add(part, ALONE)
    torch.testing.assert_close(moments.mean, values.double().mean(0))
    torch.testing.assert_close(moments.deviation, values.double().std(0, correction=0), rtol=1e-6, atol=1e-8)


def test_observations_come_out_with_mean_0_and_deviation_1_and_are_cut_off_far_away():
    seen = SeenSoFar(2)
    values = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-3, 1e4]) + 7
    assert torch.equal(seen(values[:1].clamp(-1, 1)), values[:1].clamp(-1, 1))
    seen.add(values, ALONE)
    torch.testing.assert_close(seen(values).mean(0), torch.zeros(2), atol=2e-2, rtol=0)
    torch.testing.assert_close(seen(values).std(0), torch.ones(2), atol=2e-2, rtol=0)
    assert seen(torch.full((1, 2), 1e9)).tolist() == [[10.0, 10.0]]


def trajectories(rewards, ends):
    kept = Trajectories.empty(SPEC, family_of(SPEC.actions, AgentConfig()), len(rewards), torch.device("cpu"))
    kept.rewards[:] = torch.tensor(rewards)
    kept.starts[1:] = torch.tensor(ends)
    return kept


def test_rewards_are_divided_by_the_deviation_of_discounted_returns_over_all_updates():
    scale = RewardScale(2, 0.5)
    first = trajectories([[1.0, 0.0], [2.0, 8.0]], [[False, False], [True, False]])
    second = trajectories([[4.0, 1.0]], [[False, True]])
    returns = torch.tensor([1.0, 0.0, 2.5, 8.0]).double()
    scale.rescale(first, ALONE)
    expected = returns.std(correction=0)
    torch.testing.assert_close(first.rewards, torch.tensor([[1.0, 0.0], [2.0, 8.0]]) / expected.float())
    scale.rescale(second, ALONE)
    expected = torch.cat([returns, torch.tensor([4.0, 5.0]).double()]).std(correction=0)
    torch.testing.assert_close(second.rewards, torch.tensor([[4.0, 1.0]]) / expected.float())
    assert scale.returns.tolist() == [4.0, 0.0]


@pytest.mark.parametrize("factor", [1e-6, 1e9])
def test_what_is_learned_does_not_depend_on_the_unit_of_rewards(factor):
    plain, scaled = (
        trajectories([[1.0 * unit, 2.0 * unit], [0.0, -3.0 * unit]], [[False] * 2] * 2) for unit in (1.0, factor)
    )
    RewardScale(2, 0.9).rescale(plain, ALONE)
    RewardScale(2, 0.9).rescale(scaled, ALONE)
    torch.testing.assert_close(plain.rewards, scaled.rewards, rtol=1e-3, atol=1e-3)


def test_only_observations_of_numbers_are_normalized():
    codes = EnvSpec(rows=2, actions=Discrete(3), width=4, code_sizes=(3,) * 4)
    pictures = EnvSpec(rows=2, actions=Discrete(3), width=36 * 36, picture=(1, 36, 36))
    config = parsed(trainer__normalize_observation=True)
    kept = {
        name: Policy(config, spec, torch.Generator().manual_seed(0)).seen is not None
        for name, spec in (("numbers", SPEC), ("codes", codes), ("pictures", pictures))
    }
    assert kept == {"numbers": True, "codes": False, "pictures": False}


def test_a_policy_carries_the_statistics_with_its_weights():
    config = parsed(trainer__normalize_observation=True)
    one, other = (Policy(config, SPEC, torch.Generator().manual_seed(0)) for _ in range(2))
    one.seen.add(torch.randn(20, 4, generator=torch.Generator().manual_seed(0)) * 9, ALONE)
    observations = torch.full((1, 4), 5.0)
    assert not torch.equal(one.step(observations, ())[0], other.step(observations, ())[0])
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.step(observations, ())[0], other.step(observations, ())[0])
    assert math.isclose(float(other.seen.count), 20)
