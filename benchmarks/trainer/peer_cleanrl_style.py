"""PPO as a single file in the way of CleanRL: plain tensors, one-hot observations, autograd; nothing of our trainer."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical
from torch.nn import functional

from benchmarks.trainer.workloads import HIDDEN, SETTINGS, Workload, environment
from metta_sweep.envs.vec_env import Step


def layer(inputs, outputs, std=2**0.5):
    made = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(made.weight, std)
    nn.init.constant_(made.bias, 0.0)
    return made


class Agent(nn.Module):
    def __init__(self, sizes, actions):
        super().__init__()
        self.codes = max(sizes)
        self.torso = nn.Sequential(layer(len(sizes) * self.codes, HIDDEN), nn.Tanh(), layer(HIDDEN, HIDDEN), nn.Tanh())
        self.actor, self.critic = layer(HIDDEN, actions, 0.01), layer(HIDDEN, 1, 1.0)

    def features(self, x):
        return self.torso(functional.one_hot(x.long(), self.codes).float().flatten(1))

    def get_value(self, x):
        return self.critic(self.features(x))

    def get_action_and_value(self, x, action=None):
        hidden = self.features(x)
        probs = Categorical(logits=self.actor(hidden))
        action = probs.sample() if action is None else action
        return action, probs.log_prob(action), probs.entropy(), self.critic(hidden)


class Contender:
    def __init__(self, workload: Workload) -> None:
        self.work, self.env = workload, environment(workload)
        spec = self.env.spec
        self.agent = Agent(spec.code_sizes, spec.actions.size)
        self.optimizer = torch.optim.Adam(self.agent.parameters(), lr=SETTINGS["learning_rate"], eps=1e-5)
        self.out = Step.empty(spec)
        self.env.reset(0, self.out.observations)
        self.next_obs = torch.tensor(self.out.observations)
        self.next_done = torch.zeros(workload.rows)
        shape = (workload.steps, workload.rows)
        self.obs = torch.zeros((*shape, spec.width), dtype=torch.uint8)
        self.actions, self.logprobs, self.rewards, self.dones, self.values = (torch.zeros(shape) for _ in range(5))

    def update(self) -> None:
        work, s = self.work, SETTINGS
        for t in range(work.steps):
            self.obs[t], self.dones[t] = self.next_obs, self.next_done
            with torch.no_grad():
                action, logprob, _, value = self.agent.get_action_and_value(self.next_obs)
                self.values[t] = value.flatten()
            self.actions[t], self.logprobs[t] = action, logprob
            self.env.step(action.cpu().numpy(), self.out)
            self.rewards[t] = torch.tensor(self.out.rewards)
            self.next_obs = torch.tensor(self.out.observations)
            self.next_done = torch.tensor(self.out.terminals | self.out.truncations, dtype=torch.float32)
        self.env.drain()
        with torch.no_grad():
            next_value = self.agent.get_value(self.next_obs).reshape(1, -1)
            advantages, last = torch.zeros_like(self.rewards), 0.0
            for t in reversed(range(work.steps)):
                going_on = 1.0 - (self.next_done if t == work.steps - 1 else self.dones[t + 1])
                following = next_value if t == work.steps - 1 else self.values[t + 1]
                delta = self.rewards[t] + s["gamma"] * following * going_on - self.values[t]
                advantages[t] = last = delta + s["gamma"] * s["gae_lambda"] * going_on * last
            returns = advantages + self.values
        flat = [x.reshape(-1) for x in (self.logprobs, self.actions, advantages, returns)]
        self.learn(self.obs.reshape(work.batch, -1), *flat)

    def learn(self, obs, logprobs, actions, advantages, returns):
        work, s, indices = self.work, SETTINGS, np.arange(self.work.batch)
        for _ in range(work.epochs):
            np.random.shuffle(indices)
            for start in range(0, work.batch, work.minibatch):
                mb = indices[start : start + work.minibatch]
                _, new, entropy, value = self.agent.get_action_and_value(obs[mb], actions.long()[mb])
                logratio = new - logprobs[mb]
                ratio = logratio.exp()
                with torch.no_grad():
                    approx_kl = ((ratio - 1) - logratio).mean()
                gains = advantages[mb]
                gains = (gains - gains.mean()) / (gains.std() + 1e-8)
                clipped = torch.clamp(ratio, 1 - s["clip_coef"], 1 + s["clip_coef"])
                pg_loss = torch.max(-gains * ratio, -gains * clipped).mean()
                v_loss = 0.5 * ((value.view(-1) - returns[mb]) ** 2).mean()
                loss = pg_loss - s["entropy_coef"] * entropy.mean() + v_loss * s["value_coef"]
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.agent.parameters(), s["max_grad_norm"])
                self.optimizer.step()
        return approx_kl
