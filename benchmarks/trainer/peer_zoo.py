"""Stable-Baselines3's PPO with the settings of rl-baselines3-zoo; runs in an environment of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

SETTINGS: dict[str, dict[str, Any]] = {
    "CartPole-v1": {
        "n_envs": 8,
        "n_steps": 32,
        "batch_size": 256,
        "gae_lambda": 0.8,
        "gamma": 0.98,
        "n_epochs": 20,
        "learning_rate": lambda left: 0.001 * left,
        "clip_range": lambda left: 0.2 * left,
    },
    "Acrobot-v1": {"n_envs": 16, "normalize": True, "n_steps": 256, "gae_lambda": 0.94, "n_epochs": 4},
    "LunarLander-v3": {
        "n_envs": 16,
        "n_steps": 1024,
        "batch_size": 64,
        "gae_lambda": 0.98,
        "gamma": 0.999,
        "n_epochs": 4,
        "ent_coef": 0.01,
    },
    "Pendulum-v1": {
        "n_envs": 4,
        "n_steps": 1024,
        "gae_lambda": 0.95,
        "gamma": 0.9,
        "n_epochs": 10,
        "learning_rate": 0.001,
        "clip_range": 0.2,
        "use_sde": True,
        "sde_sample_freq": 4,
    },
    "MountainCarContinuous-v0": {
        "n_envs": 1,
        "normalize": True,
        "batch_size": 256,
        "n_steps": 8,
        "gamma": 0.9999,
        "learning_rate": 7.77e-05,
        "ent_coef": 0.00429,
        "clip_range": 0.1,
        "n_epochs": 10,
        "gae_lambda": 0.9,
        "max_grad_norm": 5,
        "vf_coef": 0.19,
        "use_sde": True,
        "policy_kwargs": {"log_std_init": -3.29, "ortho_init": False},
    },
}
"""hyperparams/ppo.yml of rl-baselines3-zoo 2.x, whose steps are given here by the caller; LunarLander's are of v2."""


@dataclass
class Learned:
    model: PPO
    normalize: Callable[[Any], Any]
    steps: int
    cpu_s: float

    def likeliest(self, seen: Any) -> Any:
        return self.model.predict(self.normalize(seen), deterministic=True)[0]

    def drawn(self, seen: Any) -> Any:
        return self.model.predict(self.normalize(seen), deterministic=False)[0]


def learn(env_id: str, steps: int, seed: int) -> Learned:
    settings = dict(SETTINGS[env_id])
    began_s = time.process_time()
    env = make_vec_env(env_id, settings.pop("n_envs"), seed=seed)
    if settings.pop("normalize", False):
        env = VecNormalize(env, gamma=settings.get("gamma", 0.99))
    model = PPO("MlpPolicy", env, seed=seed, device="cpu", **settings)
    model.learn(steps)
    normalize = env.normalize_obs if isinstance(env, VecNormalize) else lambda seen: seen
    return Learned(model, normalize, model.num_timesteps, time.process_time() - began_s)
