"""Named simulations."""

import math

import pytest
import torch

from metta_sweep.envs.make import make_env
from metta_sweep.envs.tasks import TASKS
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.evaluate import evaluate
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.schema import schema
from metta_sweep.trainer.simulations import simulations
from tests.trainer.configs import parsed, put, shipped, small

CPU = torch.device("cpu")
SUITE = {
    "short": {"weight": 3.0, "env": {"game": {"max_steps": 6}}},
    "long": {"weight": 1.0, "env": {"game": {"max_steps": 20}}, "seed": 5, "num_envs": 3, "episodes": 4},
}


def policy(config):
    return Policy(config, make_env(config.env, rows=1).spec, torch.Generator().manual_seed(0))


def test_without_names_the_training_environment_is_the_simulation():
    config = parsed()
    (only,) = simulations(config.sim, config.env)
    assert only.env == config.env
    assert (only.name, only.weight, only.seed, only.num_envs, only.episodes) == ("", 1.0, config.sim.seed, 4, 2)


def test_a_simulation_is_the_training_environment_with_changes():
    config = parsed(sim__simulations=SUITE)
    short, long = simulations(config.sim, config.env)
    assert (short.env.game.max_steps, long.env.game.max_steps) == (6, 20)
    assert short.env.game.objects == config.env.game.objects
    assert (short.seed, short.num_envs, short.episodes) == (config.sim.seed, 4, 2)
    assert (long.seed, long.num_envs, long.episodes) == (5, 3, 4)
    assert (short.weight, long.weight) == (0.75, 0.25)


def test_overall_metrics_are_the_weighted_means_of_those_of_the_simulations():
    config = parsed(sim__simulations=SUITE)
    metrics = evaluate(policy(config), config, CPU)
    assert metrics["sim.short.episode_length"] == 6.0
    assert metrics["episode_length"] == 0.75 * 6 + 0.25 * 20
    for name in ("reward", "action.move"):
        expected = 0.75 * metrics[f"sim.short.{name}"] + 0.25 * metrics[f"sim.long.{name}"]
        assert metrics[name] == pytest.approx(expected)
    error = math.hypot(0.75 * metrics["sim.short.action.move_se"], 0.25 * metrics["sim.long.action.move_se"])
    assert metrics["action.move_se"] == pytest.approx(error)


def test_a_simulation_scores_the_same_alone_and_among_others():
    both, alone = parsed(sim__simulations=SUITE), parsed(sim__simulations={"long": SUITE["long"]})
    name = "sim.long.action.move"
    assert evaluate(policy(both), both, CPU)[name] == evaluate(policy(alone), alone, CPU)[name]


def test_a_policy_of_the_altar_game_can_be_evaluated_on_the_tasks():
    suite = {"maze": {"env": {"name": "cogeval", "tasks": ["t_maze"]}}}
    config = parse(put(shipped(), {"sim.simulations": suite, "sim.num_envs": 2, "sim.episodes": 1}))
    assert evaluate(policy(config), config, CPU)["sim.maze.episode_length"] == TASKS["t_maze"]["max_steps"]


@pytest.mark.parametrize(
    ("suite", "key", "rule"),
    [
        ({"x": {"weight": 0}}, "sim.simulations.x.weight", "greater than 0"),
        ({"x": {"evn": {}}}, "sim.simulations.x.evn", "unknown key"),
        ({"x": {"env": {"game": {"view": 7}}}}, "sim.simulations.x.env", "of another shape"),
        ({"x": {"env": {"name": "pong"}}}, "sim.simulations.x.env", "of another shape"),
        ({"x": {"env": {"game": {"max_stepz": 7}}}}, "sim.simulations.*.env.game.max_stepz", "unknown key"),
        ({"x": {"env": {"name": "chess"}}}, "sim.simulations.*.env.name", "need one of"),
        ({"x": {"env": {"game": {"view": 4}}}}, "sim.simulations.x.env.game.view", "odd"),
    ],
)
def test_a_simulation_that_cannot_be_played_is_refused(suite, key, rule):
    problems = schema.problems(small(sim__simulations=suite))
    assert [name for name, _ in problems] == [key]
    assert rule in problems[0][1]


@pytest.mark.slow
def test_the_shipped_suite_of_tasks_is_valid_for_the_tasks():
    config = shipped(env="cogeval", sim="cogeval")
    assert schema.problems(config) == []
    assert {name for each in simulations(parse(config).sim, parse(config).env) for name in each.env.tasks} == set(
        config["env"]["tasks"]
    )


@pytest.mark.parametrize("sim", ["default", "cogeval"])
def test_tasks_are_evaluated_where_they_have_agents_start_however_they_are_trained(sim):
    config = parse(shipped(env="cogeval", sim=sim))
    assert config.env.starts == "mixed"
    assert {each.env.starts for each in simulations(config.sim, config.env)} == {"task"}


def test_a_simulation_may_have_agents_start_anywhere():
    anywhere = {"spread": {"env": {"starts": "anywhere"}}}
    config = parse(put(shipped(env="cogeval"), {"sim.simulations": anywhere}))
    assert simulations(config.sim, config.env)[0].env.starts == "anywhere"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"env.tasks": []}, "at least one task"),
        ({"env.tasks": ["rooms", "rooms"]}, "each once"),
        ({"env.tasks": ["tea"]}, "need tasks out of corridor"),
        ({"trainer.batch_size": 128, "trainer.minibatch_size": 32}, "need an environment a task"),
    ],
)
def test_tasks_that_cannot_be_played_are_refused(changes, rule):
    problems = schema.problems(put(shipped(env="cogeval"), changes))
    assert problems[0][0] == "env.tasks"
    assert rule in problems[0][1]
