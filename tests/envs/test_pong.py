"""Pong against one court played slowly, ball by ball."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.envs.config import PongEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.vec_env import Step


def pong(**game):
    return PongEnv(name="pong", game={"max_steps": 120, "points": 3} | game)


class SlowCourt:
    """One episode on one court, in plain floats."""

    def __init__(self, game, seed, court, episode):
        self.game, self.draw, self.place = game, seed, (court, episode)
        self.mine = self.theirs = 0.5
        self.tick = self.won = self.lost = self.hits = self.serves = 0
        self.serve()

    def serve(self):
        court, episode = self.place
        number = episode * (self.game.points + 1) + self.serves
        side, angle = uniforms(self.draw, np.array([court]), np.array([number]), 2)[0]
        self.serves += 1
        angle = math.pi / 6 * (2 * angle - 1)
        self.x = self.y = 0.5
        self.vx = (-1 if side < 0.5 else 1) * self.game.ball_speed * math.cos(angle)
        self.vy = self.game.ball_speed * math.sin(angle)

    def within(self, y):
        half = self.game.paddle_size / 2
        return min(max(y, half), 1 - half)

    def step(self, action):
        game = self.game
        self.mine = self.within(self.mine + game.paddle_speed * {0: 0, 1: -1, 2: 1}[action])
        wish = self.y - self.theirs
        self.theirs = self.within(self.theirs + min(max(wish, -game.opponent_speed), game.opponent_speed))
        self.x, self.y = self.x + self.vx, self.y + self.vy
        if self.y < 0:
            self.y, self.vy = -self.y, -self.vy
        elif self.y > 1:
            self.y, self.vy = 2 - self.y, -self.vy
        reward = 0
        if self.x > 1 and abs(self.y - self.mine) <= game.paddle_size / 2:
            self.hits += 1
            self.give_back(self.mine, 2 - self.x, -1)
        elif self.x < 0 and abs(self.y - self.theirs) <= game.paddle_size / 2:
            self.give_back(self.theirs, -self.x, 1)
        elif self.x < 0 or self.x > 1:
            reward = 1 if self.x < 0 else -1
            self.won, self.lost = self.won + (reward > 0), self.lost + (reward < 0)
            self.serve()
        self.tick += 1
        over = self.won + self.lost >= game.points
        return reward, over, not over and self.tick >= game.max_steps

    def give_back(self, paddle, x, way):
        off = (self.y - paddle) / (self.game.paddle_size / 2)
        speed = min(math.hypot(self.vx, self.vy) * 1.05, 3 * self.game.ball_speed)
        self.x, self.vx, self.vy = x, way * speed * math.cos(math.pi / 3 * off), speed * math.sin(math.pi / 3 * off)

    def observation(self):
        top = 3 * self.game.ball_speed
        places = [2 * value - 1 for value in (self.x, self.y, self.mine, self.theirs)]
        score = (self.won - self.lost) / self.game.points
        return [*places, self.vx / top, self.vy / top, self.y - self.mine, score]


def play_both(config, seed, steps, courts=3):
    env = make_env(config, rows=courts)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    slow = [SlowCourt(config.game, seed, court, 0) for court in range(courts)]
    episodes = [0] * courts
    rng, ends, hits = np.random.default_rng(seed), {"terminal": 0, "cut": 0}, 0
    for _ in range(steps):
        np.testing.assert_allclose(out.observations, [court.observation() for court in slow], atol=1e-5)
        actions = rng.integers(0, 3, courts)
        truncated = env.step(actions, out)
        results = [court.step(int(action)) for court, action in zip(slow, actions, strict=True)]
        np.testing.assert_array_equal(out.rewards, [reward for reward, _, _ in results])
        np.testing.assert_array_equal(out.terminals, [over for _, over, _ in results])
        np.testing.assert_array_equal(out.truncations, [cut for _, _, cut in results])
        if truncated is not None:
            last = [slow[row].observation() for row in truncated.rows]
            np.testing.assert_allclose(truncated.observations, last, atol=1e-5)
        finished = env.drain()
        for k, row in enumerate(finished.rows):
            court = slow[row]
            told = {name: float(values[k]) for name, values in finished.stats.items()}
            assert told["reward"] == court.won - court.lost
            assert told["episode_length"] == court.tick
            assert (told["points.won"], told["points.lost"], told["hits"]) == (court.won, court.lost, court.hits)
            assert sum(told[f"action.{name}"] for name in ("stay", "up", "down")) == court.tick
            ends["terminal" if out.terminals[row] else "cut"] += 1
            hits += court.hits
            episodes[row] += 1
            slow[row] = SlowCourt(config.game, seed, row, episodes[row])
    return ends, hits


@pytest.mark.slow
def test_the_courts_play_like_the_slow_one():
    ends, hits = play_both(pong(), seed=0, steps=1500)
    assert min(ends.values()) > 0
    assert hits > 0


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    paddle=st.floats(0.05, 0.9),
    speed=st.floats(0.005, 0.2),
    opponent=st.floats(0.0, 0.1),
    ball=st.floats(0.01, 0.1),
    points=st.integers(1, 4),
)
def test_the_courts_play_like_the_slow_one_whatever_the_rules(seed, paddle, speed, opponent, ball, points):
    rules = {"paddle_size": paddle, "paddle_speed": speed, "opponent_speed": opponent, "ball_speed": ball}
    play_both(pong(points=points, max_steps=50, **rules), seed, steps=150, courts=2)


def trace(config, seed=0):
    env = make_env(config, rows=8)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    rng = np.random.default_rng(1)
    seen = [out.observations.tobytes()]
    for _ in range(250):
        env.step(rng.integers(0, 3, 8), out)
        seen += [out.observations.tobytes(), out.rewards.tobytes(), out.terminals.tobytes(), out.truncations.tobytes()]
    return b"".join(seen)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"max_steps": 121},
        {"points": 4},
        {"paddle_size": 0.25},
        {"paddle_speed": 0.05},
        {"opponent_speed": 0.03},
        {"ball_speed": 0.04},
    ],
    ids=str,
)
def test_every_setting_of_the_game_changes_the_game(change):
    assert trace(pong()) != trace(pong(**change))


def test_the_same_seed_gives_the_same_game_and_another_seed_another():
    assert trace(pong(), seed=5) == trace(pong(), seed=5)
    assert trace(pong(), seed=5) != trace(pong(), seed=6)


def test_restored_courts_play_on_as_the_ones_they_were_taken_from():
    env, twin = make_env(pong(), rows=6), make_env(pong(), rows=6)
    out, twin_out = Step.empty(env.spec), Step.empty(env.spec)
    env.reset(0, out.observations, stagger=True)
    rng = np.random.default_rng(0)
    for _ in range(100):
        env.step(rng.integers(0, 3, 6), out)
    twin.restore(env.state(), twin_out.observations)
    np.testing.assert_array_equal(out.observations, twin_out.observations)
    for _ in range(200):
        actions = rng.integers(0, 3, 6)
        env.step(actions, out)
        twin.step(actions, twin_out)
        np.testing.assert_array_equal(out.observations, twin_out.observations)
    env.drain()


def test_a_good_player_beats_the_opponent():
    env = make_env(pong(max_steps=1000, points=5), rows=16)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    for _ in range(1000):
        above = out.observations[:, 6]
        env.step(np.where(above > 0.06, 2, np.where(above < -0.06, 1, 0)), out)
    assert env.drain().stats["reward"].mean() > 0
