"""The network and its choices."""

import numpy as np
import pytest
import torch

from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.policy import Policy, decide
from tests.trainer.configs import parsed

CODES = EnvSpec(rows=4, num_actions=6, width=3, code_sizes=(4, 4, 4))
FLOATS = EnvSpec(rows=4, num_actions=3, width=8)


def policy(spec, seed=0, **changes):
    return Policy(parsed(**changes), spec, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("spec", [CODES, FLOATS])
def test_logits_and_values_have_a_row_an_agent(spec):
    observations = torch.zeros(4, spec.width, dtype=torch.uint8 if spec.code_sizes else torch.float32)
    logits, values, _ = policy(spec).step(observations, ())
    assert logits.shape == (4, spec.num_actions)
    assert values.shape == (4,)


def test_a_fresh_policy_chooses_almost_evenly():
    logits, _, _ = policy(FLOATS).step(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), ())
    assert (torch.softmax(logits, -1) - 1 / 3).abs().max() < 0.05


def test_weights_depend_on_the_seed_and_never_on_the_global_generator():
    torch.manual_seed(1)
    one = policy(CODES).state_dict()
    torch.manual_seed(2)
    same, other = policy(CODES).state_dict(), policy(CODES, seed=3).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["encoder.weight"], other["encoder.weight"])


@pytest.mark.parametrize(
    "changes", [{"agent__hidden_size": 8}, {"agent__num_layers": 3}, {"agent__activation": "relu"}], ids=str
)
def test_every_setting_of_the_agent_changes_the_network(changes):
    observations = torch.ones(1, 3, dtype=torch.uint8)
    plain, changed = policy(CODES), policy(CODES, **changes)
    plain.actor.weight.data.fill_(1.0)
    changed.actor.weight.data.fill_(1.0)
    assert not torch.allclose(plain.step(observations, ())[0], changed.step(observations, ())[0])


def test_actions_are_drawn_with_the_probabilities_of_the_policy():
    made = policy(FLOATS)
    made.actor.bias.data = torch.tensor([0.0, 1.0, -1.0])
    same = torch.ones(1, 8)
    expected = torch.softmax(made.step(same, ())[0], -1)[0]
    decision = decide(made, same.expand(60_000, 8), (), torch.Generator().manual_seed(0))
    shares = torch.bincount(decision.actions, minlength=3) / 60_000
    torch.testing.assert_close(shares, expected.detach(), atol=0.01, rtol=0)
    torch.testing.assert_close(decision.log_probs.exp(), expected[decision.actions].detach())


def test_a_deterministic_choice_is_the_likeliest_action():
    made = policy(FLOATS)
    made.actor.bias.data = torch.tensor([0.0, 0.5, -1.0])
    decision = decide(made, torch.ones(9, 8), (), torch.Generator(), deterministic=True)
    np.testing.assert_array_equal(decision.actions, np.ones(9))


def test_actions_depend_on_the_generator_alone():
    made, observations = policy(FLOATS), torch.ones(50, 8)
    one, same, other = (decide(made, observations, (), torch.Generator().manual_seed(s)).actions for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
