"""Evaluations compare policies, so they must not depend on anything else."""

import numpy as np
import pytest
import torch

from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Step
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.evaluate import Evaluator, evaluate
from metta_sweep.trainer.policy import Policy
from tests.trainer.configs import parsed, put, shipped

CPU = torch.device("cpu")


def policy(config, seed=0):
    return Policy(config, make_env(config.env, rows=config.env.num_agents).spec, torch.Generator().manual_seed(seed))


def test_the_same_policy_always_scores_the_same():
    config = parsed()
    torch.manual_seed(1)
    one = evaluate(policy(config), config, CPU)
    torch.manual_seed(2)
    assert evaluate(policy(config), config, CPU) == one


@pytest.mark.parametrize("changes", [{"sim__seed": 5}, {"sim__num_envs": 5}, {"sim__episodes": 3}], ids=str)
def test_every_setting_of_the_evaluation_changes_it(changes):
    plain, changed = parsed(), parsed(**changes)
    assert evaluate(policy(plain), plain, CPU) != evaluate(policy(changed), changed, CPU)


def test_a_deterministic_evaluation_takes_one_action_where_the_policy_prefers_it():
    config = parsed(sim__deterministic=True)
    made = policy(config)
    made.heads.bias.data[0] = 10.0
    assert evaluate(made, config, CPU)["action.noop"] == 12.0


def test_the_evaluation_does_not_depend_on_the_training_seed():
    one, other = parsed(), parsed(seed=9)
    assert evaluate(policy(one), one, CPU) == evaluate(policy(one), other, CPU)


def test_every_mean_has_its_standard_error():
    metrics = evaluate(policy(parsed()), parsed(), CPU)
    names = {name for name in metrics if not name.endswith("_se")}
    assert {"reward", "episode_length", "heart.get", "action.use.altar", "action.move"} <= names
    assert set(metrics) == names | {f"{name}_se" for name in names}
    assert metrics["episode_length"] == 12.0
    assert metrics["episode_length_se"] == 0.0


def test_means_and_errors_are_those_of_the_episodes_with_the_agents_of_one_counted_once():
    config = parsed(env__num_agents=2, sim__num_envs=3, sim__episodes=2, env__game__max_steps=20)
    made = policy(config)
    made.heads.weight.data.zero_()
    made.heads.bias.data = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 0.0])
    metrics = evaluate(made, config, CPU)
    generator = torch.Generator().manual_seed(config.sim.seed)
    env = make_env(config.env, rows=6)
    out = Step.empty(env.spec)
    env.reset(config.sim.seed, out.observations)
    table = torch.log_softmax(made.heads.bias.data[:6], -1).expand(6, 6)
    for _ in range(40):
        clocks = torch.empty(6, 6).exponential_(generator=generator)
        env.step((table - clocks.log()).argmax(-1).numpy(), out)
    episodes = env.drain()
    used = episodes.stats["action.use"].reshape(2, 3, 2).mean(2).reshape(-1)
    assert metrics["action.use"] == pytest.approx(used.mean())
    assert metrics["action.use_se"] == pytest.approx(used.std(ddof=1) / np.sqrt(6))


def on_gymnasium(workers=1):
    changes = {"env.options": {"max_episode_steps": 20}, "sim.num_envs": 4, "trainer.num_workers": workers}
    return parse(put(shipped(env="gymnasium"), changes))


def test_environments_that_are_kept_play_the_same_episodes_again():
    pytest.importorskip("gymnasium")
    config = on_gymnasium()
    made, evaluator = policy(config), Evaluator(config, CPU)
    first, again = evaluator.evaluate(made), evaluator.evaluate(made)
    evaluator.close()
    assert first == again == evaluate(made, config, CPU)


@pytest.mark.slow
def test_workers_change_nothing_of_an_evaluation():
    pytest.importorskip("gymnasium")
    alone, shared = on_gymnasium(), on_gymnasium(workers=8)
    assert evaluate(policy(alone), alone, CPU) == evaluate(policy(alone), shared, CPU)
