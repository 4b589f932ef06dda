"""Episodes to look at are those of the evaluation."""

import numpy as np
import pytest
import torch

from metta_sweep.envs.make import make_env
from metta_sweep.trainer.checkpoint import CheckpointError
from metta_sweep.trainer.config import ConfigError, parse
from metta_sweep.trainer.evaluate import Stage
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.replay.recording import films, load_policy
from metta_sweep.trainer.simulations import simulations
from tests.trainer.configs import parsed, shipped, small

CPU = torch.device("cpu")


def policy_of(config, seed=0):
    return Policy(config, make_env(config.env, rows=config.env.num_agents).spec, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("changes", [{}, {"sim__deterministic": True}, {"trainer__use_lstm": True}], ids=str)
def test_a_film_is_the_episode_that_the_evaluation_counts(changes):
    config = parsed(**changes)
    policy = policy_of(config)
    (simulation,) = simulations(config.sim, config.env)
    stage = Stage(policy, simulation, CPU, deterministic=config.sim.deterministic)
    while not stage.act(stage.decide()[1]):
        pass
    counted = stage.env.drain().stats
    for number in (0, 3):
        (film,) = films(policy, config, number=number)
        assert film.reward == pytest.approx(counted["reward"][number])
        assert len(film.frames) == counted["episode_length"][number] == 12
        taken = [film.action_names[frame.actions[0]] for frame in film.frames]
        assert taken.count("wait") == counted["action.noop"][number]
        assert film.cut


def test_a_frame_tells_what_the_policy_thought_before_its_step():
    config = parsed()
    policy = policy_of(config)
    (film,) = films(policy, config, number=1)
    (simulation,) = simulations(config.sim, config.env)
    stage = Stage(policy, simulation, CPU, deterministic=False)
    for frame in film.frames:
        outputs, actions = stage.decide()
        np.testing.assert_array_equal(frame.picture, stage.env.picture(1))
        assert frame.value == pytest.approx(float(outputs[1, -1]))
        assert sum(frame.probabilities) == pytest.approx(1.0)
        assert frame.actions == (int(actions[1]),)
        stage.act(actions)


def test_an_episode_may_end_before_its_time():
    config = parse(small(sim__num_envs=2) | {"env": {"name": "pong", "game": {"points": 1}}})
    (film,) = films(policy_of(config), config, number=0)
    assert not film.cut
    assert abs(film.reward) == 1.0
    assert [frame.reward for frame in film.frames[:-1]] == [0.0] * (len(film.frames) - 1)


@pytest.mark.slow
def test_every_simulation_has_its_film():
    config = parse(shipped(env="cogeval", sim="cogeval"))
    policy = policy_of(config)
    assert [film.name for film in films(policy, config, number=0)] == list(config.sim.simulations)
    (film,) = films(policy, config, number=0, only="craft")
    assert (film.name, len(film.frames)) == ("craft", 32)


@pytest.mark.parametrize(
    ("number", "only", "rule"),
    [(4, None, "number from 0 to 3, got 4"), (-1, None, "got -1"), (0, "maze", "need one of .*, got maze")],
)
def test_what_is_not_there_cannot_be_shown(number, only, rule):
    config = parsed()
    with pytest.raises(ConfigError, match=rule):
        films(policy_of(config), config, number=number, only=only)


def test_tasks_side_by_side_are_shown_one_by_one():
    config = parse(shipped(env="cogeval"))
    with pytest.raises(ConfigError, match="name one simulation"):
        films(policy_of(config), config, number=0)


def test_weights_come_from_the_checkpoint_and_must_fit(tmp_path):
    config = parsed()
    weights = policy_of(config, seed=7).state_dict()
    loaded = load_policy(config, weights, tmp_path).state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in loaded.items())
    with pytest.raises(CheckpointError, match="weights of another network"):
        load_policy(parsed(agent__hidden_size=8), weights, tmp_path)


def test_an_environment_that_cannot_be_drawn_is_played_all_the_same():
    pytest.importorskip("gymnasium")
    config = parse(small(sim__num_envs=2) | {"env": {"name": "gymnasium", "id": "CartPole-v1"}})
    (film,) = films(policy_of(config), config, number=0)
    assert film.reward == len(film.frames)
    assert all(len(frame.facts["sees"].split()) == 4 for frame in film.frames)
    assert all(frame.picture is None or frame.picture.ndim == 3 for frame in film.frames)
