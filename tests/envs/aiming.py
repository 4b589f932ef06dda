"""Games of one step for each kind of action: hit what is seen. Ids: ``tests.envs.aiming:Aim-v0``, ``Match-v0``."""

import gymnasium
import numpy as np
from gymnasium import spaces


class Game(gymnasium.Env):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 - as gymnasium has it

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seen = self.observation_space.low + self.np_random.random(2) * 2.0
        return self.seen.astype(np.float32), {}

    def render(self):
        return np.zeros((4, 4, 3), np.uint8)


class Aim(Game):
    """Name the two numbers that are seen, doubled."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Box(-2.0, 2.0, (2,), np.float32)

    def step(self, action):
        miss = float(np.square(action - 2.0 * self.seen).sum())
        return self.seen.astype(np.float32), -miss, True, False, {}


class Match(Game):
    """Say of each of two numbers which third of its range it lies in."""

    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.MultiDiscrete([3, 3])

    def step(self, action):
        hits = np.digitize(self.seen, [-1 / 3, 1 / 3]) == action
        return self.seen.astype(np.float32), float(hits.mean()), True, False, {}


for kind in (Aim, Match):
    gymnasium.register(id=f"{kind.__name__}-v0", entry_point=kind, disable_env_checker=True)
