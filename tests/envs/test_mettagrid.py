"""The altar game on mettagrid: what is refused, what it is translated to and, where it is installed, how it plays."""

import logging

import numpy as np
import pytest
import torch
import yaml

from metta_sweep.envs.config import MettagridEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.mettagrid import game_settings
from metta_sweep.envs.pictures import TILE, Viewable
from metta_sweep.envs.vec_env import Step
from metta_sweep.trainer.config import parse
from metta_sweep.trainer.metrics import metric_names
from metta_sweep.trainer.training import Training
from tests.trainer.configs import CONFIGS, put, shipped

SHIPPED = yaml.safe_load((CONFIGS / "env" / "mettagrid.yaml").read_text())


def config(**changes):
    return MettagridEnv(**put(SHIPPED, {name.replace("__", "."): value for name, value in changes.items()}))


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"game__objects__altar__hp": 3}, "game.objects.altar.hp"),
        ({"game__objects__mine__cooldown": 4}, "game.objects.mine.cooldown"),
        ({"game__map__rooms": 2}, "game.map.rooms"),
        ({"game__map__ascii": "#####\n#mgm#\n#a@.#\n#####"}, "game.map.ascii"),
        ({"game__view": 17}, "game.view"),
        ({"game__view": 10}, "game.view"),
        ({"game__rewards__gold": 1.0}, "game.rewards.gold"),
    ],
)
def test_what_mettagrid_does_not_have_is_refused(changes, key):
    assert key in [found for found, _ in config(**changes).problems()]


def test_the_shipped_game_is_valid():
    assert list(config().problems()) == []


def test_an_object_takes_its_inputs_if_they_are_there_and_gives_its_outputs():
    altar = game_settings(config())["objects"]["altar"]["on_use_handler"]
    assert altar["filters"] == [{"filter_type": "resource", "target": "actor", "resources": {"battery": 1}}]
    assert altar["mutations"][0]["deltas"] == {"battery": -1, "heart": 1}
    mine = game_settings(config())["objects"]["mine"]["on_use_handler"]
    assert mine["filters"] == []


def test_policies_of_other_games_cannot_play_it():
    assert config().appearance() != config(game__view=9).appearance()
    assert config().appearance() != parse(shipped()).env.appearance()


def started(seed=3, rows=8, **changes):
    pytest.importorskip("mettagrid", reason="the extra [mettagrid] is not installed")
    env = make_env(config(**changes), rows=rows)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    return env, out


def play(env, out, steps, seed=0):
    rng = np.random.default_rng(seed)
    seen = []
    for _ in range(steps):
        env.step(rng.integers(0, env.spec.actions.size, env.spec.rows), out)
        seen.append((out.observations.copy(), out.rewards.copy(), out.truncations.copy()))
    return seen


def test_a_seed_decides_everything():
    same, again, other = (play(*started(seed), 70) for seed in (3, 3, 4))
    assert all(
        np.array_equal(a, b) for one, two in zip(same, again, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert not all(np.array_equal(one[0], two[0]) for one, two in zip(same, other, strict=True))


def test_the_rewards_of_an_episode_are_those_of_what_was_got():
    env, out = started(rows=32, game__max_steps=50)
    steps = play(env, out, 100)
    episodes = env.drain()
    assert len(episodes.rows) == 64
    assert set(episodes.stats["episode_length"]) == {50.0}
    weights = SHIPPED["game"]["rewards"]
    paid = sum(weight * episodes.stats[f"{item}.get"] for item, weight in weights.items())
    np.testing.assert_allclose(episodes.stats["reward"], paid, atol=1e-5)
    assert episodes.stats["ore.get"].sum() > 0
    total = sum(rewards.sum() for _, rewards, _ in steps)
    np.testing.assert_allclose(total, episodes.stats["reward"].sum(), rtol=1e-5)


def test_a_time_limit_hands_out_the_last_observation_and_begins_anew():
    env, out = started(game__max_steps=5)
    for _ in range(4):
        assert env.step(np.zeros(8, np.int64), out) is None
    truncated = env.step(np.zeros(8, np.int64), out)
    assert out.truncations.all()
    assert not out.terminals.any()
    assert list(truncated.rows) == list(range(8))
    assert not np.array_equal(truncated.observations, out.observations)


def test_a_limit_that_is_part_of_the_task_is_a_terminal():
    env, out = started(game__max_steps=5, game__limit="terminal")
    for _ in range(4):
        env.step(np.zeros(8, np.int64), out)
    assert env.step(np.zeros(8, np.int64), out) is None
    assert out.terminals.all()
    assert not out.truncations.any()


def test_the_planes_show_what_stands_around_the_agent():
    env, out = started(rows=1, game__map__width=15, game__map__height=15, game__map__walls=20)
    (engine,), side = env._engines, env._planes._side
    tags = engine.config.game.id_map().tag_names()
    away = np.arange(side) - side // 2
    near = away[:, None] ** 2 + away**2 <= (side // 2) ** 2  # mettagrid lets an agent see a circle
    for _ in range(20):
        env.step(np.random.default_rng(1).integers(0, 5, 1), out)
        objects = engine.grid_objects().values()
        (me,) = (thing for thing in objects if thing["type_name"] == "agent")
        planes = out.observations[0].reshape(-1, side, side)[env._planes._first_tag :]
        expected = np.zeros_like(planes)
        for thing in objects:
            x, y = (thing["location"][k] - me["location"][k] + side // 2 for k in (0, 1))
            if 0 <= x < side and 0 <= y < side:
                expected[tags.index(f"type:{thing['type_name']}"), y, x] = 1.0
        np.testing.assert_array_equal(planes[:, near], expected[:, near])
        assert (planes <= expected).all(), "beyond the circle it may see nothing, but nothing that is not there"


def test_a_restored_one_starts_its_next_episodes():
    env, out = started()
    first = out.observations.copy()
    env.restore(env.state(), out.observations)
    assert not np.array_equal(first, out.observations)
    assert list(env.state()["episode"]) == [1] * 8


def test_agents_share_a_map_and_workers_do_not_matter():
    env, out = started(rows=8, num_agents=2)
    alone = play(env, out, 12)
    shared = make_env(config(num_agents=2), rows=8, workers=2)
    shared.reset(3, out.observations)
    apart = play(shared, out, 12)
    shared.close()
    assert all(np.array_equal(one[0], two[0]) for one, two in zip(alone, apart, strict=True))


def test_the_root_logger_is_left_alone():
    before = logging.getLogger().level, list(logging.getLogger().handlers)
    started()
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before


def test_an_episode_can_be_looked_at():
    env, out = started(rows=2, num_agents=2)
    assert isinstance(env, Viewable)
    assert env.action_names == ("noop", "north", "south", "west", "east")
    before = env.picture(0)
    assert before.shape == (9 * TILE, 9 * TILE, 3)
    assert {tuple(color) for color in before.reshape(-1, 3)} >= {tuple(color) for color in env.legend.values()}
    while not out.rewards[0]:
        env.step(np.random.default_rng(int(env._length[0])).integers(0, 5, 2), out)
    assert env.facts(0) == {"carries": "1 ore"}
    assert not np.array_equal(env.picture(0), before)


def test_it_trains(tmp_path):
    pytest.importorskip("mettagrid", reason="the extra [mettagrid] is not installed")
    changes = {"trainer.total_timesteps": 4096, "sim.num_envs": 8, "device": "cpu", "agent.hidden_size": 16}
    trained = parse(put(shipped(env="mettagrid"), changes))
    metrics = Training(trained, tmp_path, torch.device("cpu"), str).run()
    assert metrics["ore.get"] > 0
    assert set(metrics) == metric_names(trained)
