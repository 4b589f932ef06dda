"""Environments of gymnasium that misbehave, by the ids ``tests.envs.bad_environments:NAME``."""

import os

import gymnasium
import numpy as np
from gymnasium import spaces

BAD_STEP = 3


class Bad(gymnasium.Env):
    """Ten steps of nothing; what goes wrong does so at the third."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.age = 0
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.age += 1
        seen = np.full(2, self.age / 100, np.float32)
        return seen, float(action), self.age >= 10, False, {}


class Blind(Bad):
    def step(self, action):
        _, *rest = super().step(action)
        return np.full(2, np.nan if self.age == BAD_STEP else 0.0, np.float32), *rest


class Rich(Bad):
    def step(self, action):
        seen, reward, *rest = super().step(action)
        return seen, 1e9 * (reward - 0.5), *rest


class Endless(Bad):
    def step(self, action):
        seen, reward, _, *rest = super().step(action)
        return seen * 0, reward, False, *rest


class BrokenError(Exception):
    """Cannot be made from its arguments alone, as a pickle would try to."""

    def __init__(self, what, *, where):
        super().__init__(f"{what} at {where}")


class Broken(Bad):
    def step(self, action):
        if self.age == BAD_STEP:
            raise KeyError("the map has no north")
        return super().step(action)


class Odd(Bad):
    def step(self, action):
        raise BrokenError("odd", where="north")


class Deadly(Bad):
    def step(self, action):
        if self.age == BAD_STEP:
            os._exit(7)
        return super().step(action)


class Wordy(Bad):
    action_space = spaces.Text(5)


for kind in (Wordy, Blind, Rich, Endless, Broken, Odd, Deadly):
    gymnasium.register(id=f"{kind.__name__}-v0", entry_point=kind, disable_env_checker=True)
