"""Learning: proximal policy optimization on a batch of trajectories (Schulman et al., 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.losses import approximate_kl, entropy, normalized, policy_loss, value_loss
from metta_sweep.trainer.policy import Policy, State
from metta_sweep.trainer.trajectories import Trajectories, advantages


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch cut into S segments of H steps; a minibatch is some of the segments."""

    observations: Tensor
    """(H, S, W)"""
    starts: Tensor
    """(H, S)"""
    actions: Tensor
    """(H, S)"""
    log_probs: Tensor
    """(H, S) when the actions were drawn"""
    values: Tensor
    """(H, S) then"""
    advantages: Tensor
    """(H, S)"""
    returns: Tensor
    """(H, S)"""
    memory: State
    """(S, features) each: the policy's state before a segment."""

    def __len__(self) -> int:
        return self.actions.shape[1]

    def select(self, segments: Tensor) -> Batch:
        """Return the batch of some segments."""
        return Batch(
            memory=tuple(part.index_select(0, segments) for part in self.memory),
            **{name: getattr(self, name).index_select(1, segments) for name in _STEPWISE},
        )


_STEPWISE = ("observations", "starts", "actions", "log_probs", "values", "advantages", "returns")


def make_batch(kept: Trajectories, config: TrainerConfig, device: torch.device) -> Batch:
    """Lay trajectories out as single steps, with their advantages and returns."""
    gains = advantages(kept, gamma=config.gamma, gae_lambda=config.gae_lambda)
    parts = {
        "observations": kept.observations[:-1],
        "starts": kept.starts[:-1],
        "actions": kept.actions,
        "log_probs": kept.log_probs,
        "values": kept.values,
        "advantages": gains,
        "returns": gains + kept.values,
    }
    return Batch(memory=(), **{name: part.flatten(0, 1).unsqueeze(0).to(device) for name, part in parts.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update did, as means over its minibatches."""

    loss: float
    """Not finite if anything was not."""
    kl: float
    """How far the policy moved in the last pass, in nats."""
    epochs: int
    """Passes over the batch."""


class Learner:
    """Owns the policy's optimizer."""

    def __init__(self, policy: Policy, config: TrainerConfig) -> None:
        self._policy, self._config = policy, config
        adam = config.optimizer
        self.optimizer = torch.optim.AdamW(
            policy.parameters(),
            lr=config.learning_rate,
            betas=(adam.beta1, adam.beta2),
            eps=adam.eps,
            weight_decay=adam.weight_decay,
            fused=True,
        )

    def update(self, batch: Batch, generator: torch.Generator, *, progress: float) -> UpdateReport:
        """Learn from a batch. progress: share of the run that is done, for the schedule."""
        rate = self._config.learning_rate * schedule(self._config.learning_rate_schedule, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses: list[float] = []
        kl = 0.0
        while len(losses) < self._config.update_epochs:
            loss, kl = self._pass_over(batch, generator)
            losses.append(loss)
            if self._config.target_kl is not None and kl > self._config.target_kl:
                break
        return UpdateReport(loss=sum(losses) / len(losses), kl=kl, epochs=len(losses))

    def _pass_over(self, batch: Batch, generator: torch.Generator) -> tuple[float, float]:
        """Learn from every segment once; return the means of the loss and of the distance to the old policy."""
        horizon, count = batch.actions.shape
        order = torch.randperm(count, generator=generator, device=generator.device)
        size = self._config.minibatch_size // horizon
        steps = [self._descend(batch.select(order[first : first + size])) for first in range(0, count, size)]
        loss, kl = torch.stack([torch.stack(step) for step in steps]).mean(0).tolist()
        return loss, kl

    def _descend(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Take one optimizer step; return the loss and the distance to the old policy."""
        loss, distance = self._loss(batch)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch
        if self._config.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._policy.parameters(), self._config.max_grad_norm)
        self.optimizer.step()
        return loss.detach(), distance

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """L = L_policy + c_value L_value - c_entropy H, equation 9."""
        config = self._config
        logits, values = self._policy.unroll(batch.observations, batch.starts, batch.memory)
        every = torch.log_softmax(logits.float(), dim=-1)
        log_probs = every.gather(-1, batch.actions.reshape(-1, 1)).squeeze(-1)
        old_log_probs, gains = batch.log_probs.reshape(-1), batch.advantages.reshape(-1)
        gains = normalized(gains) if config.normalize_advantage else gains
        loss = (
            policy_loss(log_probs, old_log_probs, gains, config.clip_coef)
            + config.value_coef
            * value_loss(values.float(), batch.values.reshape(-1), batch.returns.reshape(-1), config.value_clip)
            - config.entropy_coef * entropy(every)
        )
        return loss, approximate_kl(log_probs.detach(), old_log_probs)


def schedule(name: str, progress: float) -> float:
    """Return the factor of the learning rate after a share of the run."""
    if name == "linear":
        return 1.0 - progress
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0
