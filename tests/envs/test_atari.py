"""Atari behind our interface; skipped where ale-py is not installed."""

import re
import sys

import numpy as np
import pytest

from metta_sweep.envs.config import AtariEnv, EnvUnavailableError
from metta_sweep.envs.make import make_env
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.vec_env import Step
from metta_sweep.extras import how_to_install

vector_env = pytest.importorskip("ale_py.vector_env")

SHORT = 240
"""Frames: an episode is cut after about 60 steps."""


def config(**settings):
    return AtariEnv(name="atari", **({"max_frames": SHORT} | settings))


def seeds(seed, numbers, episode):
    numbers = np.asarray(numbers)
    draws = uniforms(seed, numbers, np.full(len(numbers), episode), 1)[:, 0]
    return (draws * 2**31).astype(np.int64)


def started(rows=3, seed=5, first=0, **settings):
    env = make_env(config(**settings), rows=rows, first=first)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    return env, out


def trace(steps=65, **settings):
    env, out = started(rows=1, **settings)
    rng = np.random.default_rng(0)
    seen = [out.observations.tobytes()]
    for _ in range(steps):
        env.step(rng.integers(0, env.spec.actions.size, 1), out)
        seen += [out.observations.tobytes(), out.rewards.tobytes(), out.truncations.tobytes()]
    return seen


@pytest.mark.slow
def test_it_plays_like_the_emulator_itself_and_starts_each_episode_from_a_seed_of_its_own():
    """Breakout: random play loses its lives at any time, and the time limit cuts what is left."""
    env, out = started(rows=2, id="breakout", max_frames=600)
    plain = vector_env.AtariVectorEnv(
        "breakout", 2, autoreset_mode="SameStep", max_num_frames_per_episode=600, reward_clipping=False
    )
    seen, _ = plain.reset(seed=seeds(5, range(2), 0))
    rng, episode, returns, lost, cut = np.random.default_rng(0), np.zeros(2, np.int64), np.zeros(2), 0, 0
    ended = []
    for _ in range(450):
        np.testing.assert_array_equal(out.observations, seen.reshape(2, -1))
        actions = rng.integers(0, 4, 2)
        truncated = env.step(actions, out)
        seen, rewards, terminals, truncations, info = plain.step(actions)
        returns += rewards
        np.testing.assert_array_equal(out.rewards, np.sign(rewards))
        np.testing.assert_array_equal(out.terminals, terminals)
        np.testing.assert_array_equal(out.truncations, truncations & ~terminals)
        lost, cut = lost + terminals.sum(), cut + out.truncations.sum()
        if truncated is not None:
            np.testing.assert_array_equal(truncated.rows, np.flatnonzero(out.truncations))
            np.testing.assert_array_equal(truncated.observations, info["final_obs"].reshape(2, -1)[out.truncations])
        for row in np.flatnonzero(terminals | truncations):
            episode[row] += 1
            ended.append((row, returns[row]))
            returns[row] = 0.0
            seed = seeds(5, [row], episode[row])
            seen, _ = plain.reset(seed=seed, options={"reset_mask": np.arange(2) == row})
    drained = env.drain()
    assert list(zip(drained.rows, drained.stats["reward"], strict=True)) == ended
    assert lost > 0
    assert cut > 0


@pytest.mark.slow
def test_the_screens_are_a_picture():
    env, out = started(stack=2, size=40)
    assert env.spec.picture == (2, 40, 40)
    assert (env.spec.width, env.spec.actions.size, out.observations.dtype) == (3200, 6, np.uint8)


@pytest.fixture(scope="module")
def plain():
    return trace()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"id": "breakout"},
        {"frame_skip": 3},
        {"stack": 3},
        {"size": 64},
        {"noop_max": 0},
        {"sticky_actions": 0.5},
        {"max_frames": 100},
        {"full_action_space": True},
    ],
    ids=str,
)
def test_every_setting_of_the_game_changes_it(change, plain):
    assert trace(**change) != plain


@pytest.mark.slow
def test_rewards_are_clipped_for_learning_and_counted_in_full():
    def play(**settings):
        env, out = started(rows=2, id="space_invaders", max_frames=800, **settings)
        rng, learnt = np.random.default_rng(0), np.zeros(2)
        for _ in range(190):
            env.step(rng.integers(0, 6, 2), out)
            learnt += out.rewards
        assert not env.drain().rows.size
        return learnt, env._returns

    clipped, score = play()
    learnt, same = play(clip_rewards=False)
    np.testing.assert_array_equal(score, same)
    np.testing.assert_array_equal(learnt, score)
    assert clipped.max() < score.max()
    assert clipped.max() > 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_game_whatever_plays_beside_it():
    both, out = started(rows=2)
    alone, own = started(rows=1, first=1)
    rng = np.random.default_rng(0)
    for _ in range(70):
        actions = rng.integers(0, 6, 2)
        both.step(actions, out)
        alone.step(actions[1:], own)
        np.testing.assert_array_equal(out.observations[1:], own.observations)


@pytest.mark.slow
def test_restored_emulators_start_the_episodes_after_those_that_were_played():
    env, out = started()
    env.step(np.zeros(3, np.int64), out)
    again, there = started(seed=9)
    again.restore(env.state(), there.observations)
    plain = vector_env.AtariVectorEnv("pong", 3, num_threads=1)
    seen, _ = plain.reset(seed=seeds(5, range(3), 1))
    np.testing.assert_array_equal(there.observations, seen.reshape(3, -1))


def test_an_unknown_game_is_refused():
    with pytest.raises(EnvUnavailableError, match="no game 'chess'"):
        make_env(config(id="chess"), rows=1)


def test_without_ale_py_one_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ale_py", None)
    with pytest.raises(EnvUnavailableError, match=re.escape(how_to_install("atari"))):
        make_env(config(), rows=1)
