"""Stable-Baselines3's PPO with the same torso shared by policy and value, and with a memory sb3-contrib's; runs in an
environment of its own."""

# ruff: noqa: ARG002 - signatures are those of SB3
from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import nn
from torch.nn import functional

from benchmarks.trainer.workloads import HIDDEN, SETTINGS, Workload, environment, training_config
from metta_sweep.envs.vec_env import Step


class Adapter(VecEnv):
    """Our environment as one of SB3's vectorized environments, without a copy more than it asks for."""

    def __init__(self, workload: Workload, seed: int = 0) -> None:
        self.env, self.seed_of_ours = environment(workload), seed
        spec = self.env.spec
        self.code_sizes = spec.code_sizes
        self.out = Step.empty(spec)
        space = spaces.Box(0, 255, (spec.width,), np.uint8)
        super().__init__(spec.rows, space, spaces.Discrete(spec.actions.size))

    def reset(self):
        self.env.reset(self.seed_of_ours, self.out.observations)
        return self.out.observations.copy()

    def step_async(self, actions):
        self.truncated = self.env.step(actions.astype(np.int64), self.out)
        self.env.drain()

    def step_wait(self):
        infos = [{} for _ in range(self.num_envs)]
        if self.truncated is not None:
            for row, last in zip(self.truncated.rows, self.truncated.observations, strict=True):
                infos[row] = {"TimeLimit.truncated": True, "terminal_observation": last}
        done = self.out.terminals | self.out.truncations
        return self.out.observations.copy(), self.out.rewards.copy(), done, infos

    def close(self):
        pass

    def get_attr(self, attr_name, indices=None):
        return [None] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        pass

    def env_method(self, method_name, *args, indices=None, **kwargs):
        return []

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs


class Torso(BaseFeaturesExtractor):
    def __init__(self, space, codes):
        super().__init__(space, HIDDEN)
        self.codes = codes
        self.layers = nn.Sequential(
            nn.Linear(space.shape[0] * codes, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh()
        )

    def forward(self, x):
        return self.layers(functional.one_hot(x.long(), self.codes).float().flatten(1))


def _recurrent(size: int):
    """Return the algorithm with a memory, its policy and that policy's settings: one LSTM for policy and value."""
    from sb3_contrib import RecurrentPPO

    shared = {"lstm_hidden_size": size, "shared_lstm": True, "enable_critic_lstm": False}
    return RecurrentPPO, "MlpLstmPolicy", shared


class Contender:
    def __init__(self, workload: Workload, seed: int = 0) -> None:
        env = Adapter(workload, seed)
        self.work, s = workload, SETTINGS
        algorithm, policy, memory = _recurrent(workload.memory) if workload.memory else (PPO, "MlpPolicy", {})
        self.model = algorithm(
            policy,
            env,
            learning_rate=s["learning_rate"],
            n_steps=workload.steps,
            batch_size=workload.minibatch,
            n_epochs=workload.epochs,
            gamma=s["gamma"],
            gae_lambda=s["gae_lambda"],
            clip_range=s["clip_coef"],
            ent_coef=s["entropy_coef"],
            vf_coef=s["value_coef"],
            max_grad_norm=s["max_grad_norm"],
            seed=seed,
            device="cpu",
            policy_kwargs={
                "net_arch": [],
                "features_extractor_class": Torso,
                "features_extractor_kwargs": {"codes": max(env.code_sizes)},
                "normalize_images": False,
                **memory,
            },
        )

        class Nothing(BaseCallback):
            def _on_step(self) -> bool:
                return True

        _, self.callback = self.model._setup_learn(10**9, Nothing())

    def update(self) -> None:
        model = self.model
        model.collect_rollouts(model.env, self.callback, model.rollout_buffer, n_rollout_steps=self.work.steps)
        model.train()

    def score(self) -> float:
        """Play the same fixed evaluation as ours: as many episodes, drawn actions."""
        sim = training_config(self.work).sim
        env = Adapter(Workload(rows=sim.num_envs, steps=1, minibatch=1, epochs=1), sim.seed)
        seen, total = env.reset(), 0.0
        for _ in range(sim.episodes * training_config(self.work).env.game.max_steps):
            actions, _ = self.model.predict(seen, deterministic=False)
            env.step_async(actions)
            seen, rewards, _, _ = env.step_wait()
            total += float(rewards.sum())
        return total / (sim.num_envs * sim.episodes)


def torch_version() -> str:
    return torch.__version__
