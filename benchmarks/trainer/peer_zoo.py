"""Stable-Baselines3's PPO with the settings of rl-baselines3-zoo, seed by seed; runs in an environment of its own.

    V/bin/python -m benchmarks.trainer.peer_zoo Acrobot-v1 100000 [--seeds 3] [--out FILE]

The evaluation is that of the zoo's: 20 episodes of the likeliest actions, rewards as the environment gives them.
CPU-seconds are those of learning alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
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


def one(env_id: str, steps: int, seed: int) -> dict[str, float]:
    settings = dict(SETTINGS[env_id])
    env = make_vec_env(env_id, settings.pop("n_envs"), seed=seed)
    if settings.pop("normalize", False):
        env = VecNormalize(env, gamma=settings.get("gamma", 0.99))
    model = PPO("MlpPolicy", env, seed=seed, device="cpu", **settings)
    began_s = time.process_time()
    model.learn(steps)
    took_s = time.process_time() - began_s
    judged = make_vec_env(env_id, 10, seed=1000 + seed)
    if isinstance(env, VecNormalize):
        judged = VecNormalize(judged, training=False, norm_reward=False)
        judged.obs_rms = env.obs_rms
    reward, _ = evaluate_policy(model, judged, n_eval_episodes=20, warn=False)
    return {"seed": seed, "reward": round(float(reward), 3), "cpu_s": round(took_s, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env_id", choices=SETTINGS)
    parser.add_argument("steps", type=int)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for seed in range(arguments.seeds):
        rows.append(one(arguments.env_id, arguments.steps, seed))
        print(json.dumps(rows[-1]), flush=True)
    if arguments.out:
        found = {"env_id": arguments.env_id, "steps": arguments.steps, "runs": rows}
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
