"""Gymnasium's environments behind our interface."""

import re

import numpy as np
import pytest

from metta_sweep.envs.action_spaces import Box, Discrete, MultiDiscrete
from metta_sweep.envs.config import EnvUnavailableError, GymnasiumEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.vec_env import Step
from metta_sweep.extras import how_to_install

gymnasium = pytest.importorskip("gymnasium")


def config(env_id="CartPole-v1", **options):
    return GymnasiumEnv(name="gymnasium", id=env_id, options=options)


def first_seed(seed, number, episode):
    return int(uniforms(seed, np.array([number]), np.array([episode]), 1)[0, 0] * 2**31)


def test_it_plays_like_the_environment_itself():
    env = make_env(config(max_episode_steps=25), rows=2)
    out = Step.empty(env.spec)
    env.reset(3, out.observations)
    plain = [gymnasium.make("CartPole-v1", max_episode_steps=25) for _ in range(2)]
    seen = [one.reset(seed=first_seed(3, k, 0))[0] for k, one in enumerate(plain)]
    episodes, totals, ended = [0, 0], [0.0, 0.0], []
    rng = np.random.default_rng(0)
    cuts = 0
    for _ in range(200):
        np.testing.assert_allclose(out.observations, seen)
        actions = np.where(out.observations[:, 2] > 0, 1, 0) if rng.random() < 0.9 else rng.integers(0, 2, 2)
        truncated = env.step(actions, out)
        for k, one in enumerate(plain):
            seen[k], reward, terminal, truncation, _ = one.step(int(actions[k]))
            totals[k] += reward
            assert (out.rewards[k], out.terminals[k], out.truncations[k]) == (
                reward,
                terminal,
                truncation and not terminal,
            )
            if truncation and not terminal:
                cuts += 1
                np.testing.assert_allclose(truncated.observations[list(truncated.rows).index(k)], seen[k])
            if terminal or truncation:
                ended.append((k, totals[k]))
                totals[k] = 0.0
                episodes[k] += 1
                seen[k] = one.reset(seed=first_seed(3, k, episodes[k]))[0]
    drained = env.drain()
    assert list(zip(drained.rows, drained.stats["reward"], strict=True)) == ended
    assert cuts > 0
    env.close()


def test_discrete_observations_are_codes():
    env = make_env(config("FrozenLake-v1"), rows=2)
    assert env.spec.code_sizes == (16,)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    env.step(np.array([1, 2]), out)
    assert out.observations.dtype == np.uint8
    env.close()


class Screen:
    """An environment that shows a picture: each colour of each pixel has a number of its own."""

    def __init__(self, shape):
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(2)
        self._screen = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)

    def reset(self, seed):
        return self._screen, {}


@pytest.mark.parametrize(
    ("shape", "picture"), [((4, 5, 3), (3, 4, 5)), ((4, 5), (1, 4, 5)), ((4, 5, 1), (1, 4, 5)), ((7, 5, 9), None)]
)
def test_pictures_keep_their_bytes_with_the_channels_first(monkeypatch, shape, picture):
    monkeypatch.setattr("metta_sweep.envs.gymnasium._make", lambda env_id, options: Screen(shape))
    env = make_env(config("Screen-v0"), rows=1)
    assert env.spec.picture == picture
    out = Step.empty(env.spec)
    assert out.observations.dtype == (np.float32 if picture is None else np.uint8)
    env.reset(0, out.observations)
    if picture is not None:
        shown = out.observations.reshape(picture)
        np.testing.assert_array_equal(shown[:, 2, 3], Screen(shape).reset(0)[0].reshape(4, 5, -1)[2, 3])


def test_options_reach_the_environment():
    env = make_env(config("FrozenLake-v1", map_name="8x8"), rows=1)
    assert env.spec.code_sizes == (64,)
    env.close()


def play(env, steps=60):
    out = Step.empty(env.spec)
    env.reset(7, out.observations)
    rng = np.random.default_rng(0)
    seen = [out.observations.copy()]
    cuts = []
    for _ in range(steps):
        truncated = env.step(rng.integers(0, 2, env.spec.rows), out)
        seen += [out.observations.copy(), out.rewards.copy(), out.terminals.copy(), out.truncations.copy()]
        cuts.append(None if truncated is None else (truncated.rows.tolist(), truncated.observations.tolist()))
    drained = env.drain()
    order = np.argsort(drained.rows, kind="stable")
    return seen, cuts, drained.rows[order].tolist(), {k: v[order].tolist() for k, v in drained.stats.items()}


@pytest.mark.slow
def test_the_number_of_workers_changes_nothing_but_the_speed():
    asked = config(max_episode_steps=15)
    alone, shared = make_env(asked, rows=4), make_env(asked, rows=4, workers=2)
    one, two = play(alone), play(shared)
    for mine, theirs in zip(one[0], two[0], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert one[1:] == two[1:]
    assert any(cut is not None for cut in one[1])
    state = shared.state()
    restored = np.zeros((4, 4), np.float32)
    shared.restore(state, restored)
    again = np.zeros((4, 4), np.float32)
    alone.restore({name: array.reshape(-1)[: 4 if name == "episode" else 1] for name, array in state.items()}, again)
    np.testing.assert_array_equal(restored, again)
    processes = shared._processes
    shared.close()
    alone.close()
    assert all(process.exitcode == 0 for process in processes)


@pytest.mark.slow
def test_a_worker_that_cannot_make_its_environment_says_why():
    with pytest.raises(EnvUnavailableError, match="NoSuchThing"):
        make_env(config("NoSuchThing-v1"), rows=2, workers=2)


def test_a_tuple_of_observations_is_laid_out_as_numbers():
    env = make_env(config("Blackjack-v1"), rows=2)
    out = Step.empty(env.spec)
    env.reset(1, out.observations)
    assert (env.spec.width, env.spec.numbers) == (32 + 11 + 2, True)
    assert out.observations.sum(1).tolist() == [3.0, 3.0]
    env.step(np.ones(2, np.int64), out)
    assert out.observations.sum(1).tolist() == [3.0, 3.0]
    env.close()


def test_a_restored_environment_starts_the_episodes_after_those_that_were_played():
    env = make_env(config(), rows=2)
    out = Step.empty(env.spec)
    env.reset(5, out.observations)
    env.restore(env.state(), out.observations)
    expected = [gymnasium.make("CartPole-v1").reset(seed=first_seed(5, k, 1))[0] for k in range(2)]
    np.testing.assert_allclose(out.observations, expected)
    env.close()


@pytest.mark.parametrize(
    ("env_id", "rule"),
    [
        ("NoSuchThing-v1", "gymnasium cannot make 'NoSuchThing-v1'"),
        (
            "tests.envs.bad_environments:Wordy-v0",
            "need actions of one kind: Discrete, MultiDiscrete, MultiBinary",
        ),
        ("Taxi-v4", "up to 255 discrete observations"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(env_id, rule):
    with pytest.raises(EnvUnavailableError) as caught:
        make_env(config(env_id), rows=1)
    assert caught.value.key == "env.id"
    assert rule in caught.value.message


def test_without_gymnasium_one_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gymnasium", None)
    with pytest.raises(EnvUnavailableError, match=re.escape(how_to_install("gymnasium"))):
        make_env(config(), rows=1)


class Asking:
    """An environment that keeps what it was asked to do."""

    observation_space = gymnasium.spaces.Box(-1.0, 1.0, (2,))

    def __init__(self, action_space):
        self.action_space, self.asked = action_space, []

    def reset(self, seed):
        return np.zeros(2, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.asked.append(action)
        return np.zeros(2, np.float32), 0.0, False, False, {}


BINARY = gymnasium.spaces.MultiBinary((2, 2))


@pytest.mark.parametrize(
    ("space", "understood", "action", "asked"),
    [
        (gymnasium.spaces.Discrete(3, start=-1), Discrete(3), 2, 1),
        (gymnasium.spaces.MultiDiscrete([3, 2], start=[1, 0]), MultiDiscrete((3, 2)), [2, 1], [3, 1]),
        (BINARY, MultiDiscrete((2,) * 4), [1, 0, 0, 1], [[1, 0], [0, 1]]),
        (
            gymnasium.spaces.Box(-2.0, 4.0, (2, 1), np.float64),
            Box((-2.0, -2.0), (4.0, 4.0)),
            [0.5, 3.0],
            [[0.5], [3.0]],
        ),
    ],
)
def test_actions_reach_the_environment_as_its_space_has_them(monkeypatch, space, understood, action, asked):
    made = Asking(space)
    monkeypatch.setattr("metta_sweep.envs.gymnasium._make", lambda env_id, options: made)
    env = make_env(config("Asking-v0"), rows=1)
    assert env.spec.actions == understood
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    env.step(np.array([action]), out)
    np.testing.assert_array_equal(made.asked[0], asked)
    width = {Discrete: lambda: 3, MultiDiscrete: lambda: sum(understood.sizes), Box: lambda: 2}[type(understood)]()
    assert len(env.action_names) == width
