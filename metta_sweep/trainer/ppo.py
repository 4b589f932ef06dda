"""Learning: proximal policy optimization on a batch of trajectories (Schulman et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from metta_sweep.trainer.config import TrainerConfig
from metta_sweep.trainer.losses import approximate_kl, loss_gradient, normalized
from metta_sweep.trainer.memory import State
from metta_sweep.trainer.native.kernel import kernel_for
from metta_sweep.trainer.optimizers import make_optimizer
from metta_sweep.trainer.parameters import clip_norm, flattened, gradient_of
from metta_sweep.trainer.passes import passes_of
from metta_sweep.trainer.playing import Player
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.priorities import draw, weights, worth
from metta_sweep.trainer.team import Team
from metta_sweep.trainer.trajectories import Trajectories, advantages, vtrace


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch cut into S segments of H steps; a minibatch is some of the segments."""

    observations: Tensor
    """(H, S, W)"""
    starts: Tensor
    """(H, S)"""
    actions: Tensor
    """(H, S), or (H, S, D) where an action has parts"""
    log_probs: Tensor
    """(H, S) when the actions were drawn"""
    values: Tensor
    """(H, S) then"""
    advantages: Tensor
    """(H, S)"""
    memory: State
    """(S, features) each: the policy's state before a segment."""
    weights: Tensor | None = None
    """(S,) what a segment counts; None: each the same."""

    def shuffled(self, order: Tensor) -> Batch:
        """Return the segments in another order."""
        return Batch(
            weights=None if self.weights is None else self.weights.index_select(0, order),
            memory=tuple(part.index_select(0, order) for part in self.memory),
            **{name: getattr(self, name).index_select(1, order) for name in _STEPWISE},
        )

    def split(self, sizes: Sequence[int]) -> Iterator[Batch]:
        """Yield the batch in minibatches of so many segments."""
        first = 0
        for size in sizes:
            part = slice(first, first + size)
            first += size
            yield Batch(
                weights=None if self.weights is None else self.weights[part],
                memory=tuple(state[part] for state in self.memory),
                **{name: getattr(self, name)[:, part] for name in _STEPWISE},
            )


_STEPWISE = ("observations", "starts", "actions", "log_probs", "values", "advantages")


def make_batch(player: Player, config: TrainerConfig, device: torch.device) -> Batch:
    """Cut the player's trajectories into segments: of single steps, or for a memory of ``bptt_horizon`` steps."""
    kept, horizon = player.trajectories, config.bptt_horizon if config.use_lstm else 1
    parts = {
        "observations": kept.observations[:-1],
        "starts": kept.starts[:-1],
        "actions": kept.actions,
        "log_probs": kept.log_probs(),
        "values": kept.values,
        "advantages": advantages(kept, gamma=config.gamma, gae_lambda=config.gae_lambda),
    }
    before = [player.memory_before(t) for t in range(0, len(kept.actions), horizon)]
    memory = tuple(torch.cat(states) for states in zip(*before, strict=True))
    return Batch(memory=memory, **{name: _segments(part, horizon).to(device) for name, part in parts.items()})


def _segments(part: Tensor, horizon: int) -> Tensor:
    """(T, N, ...) to (H, T / H * N, ...)."""
    return part.reshape(-1, horizon, *part.shape[1:]).transpose(0, 1).flatten(1, 2)


def _in_order(part: Tensor, rows: int) -> Tensor:
    """(H, T / H * N) back to (T, N)."""
    return part.reshape(len(part), -1, rows).transpose(0, 1).flatten(0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update did."""

    gradient_norm: float
    """Mean length of the gradients before clipping; not finite if anything was not."""
    kl: float | None
    """How far the policy moved in the last pass, in nats; None where no ``target_kl`` asks for it."""
    epochs: int
    """Passes over the batch."""
    learning_rate: float
    """Where the schedule had it."""

    def metrics(self) -> dict[str, float]:
        """Return what is reported of it beside the evaluations."""
        return {"train/gradient_norm": self.gradient_norm, "train/learning_rate": self.learning_rate}


class Learner:
    """Owns the policy's parameters, as one vector, and their optimizer."""

    def __init__(self, policy: Policy, config: TrainerConfig, team: Team) -> None:
        self._policy, self._config, self._team = policy, config, team
        self._annealed = config
        self._parameters = flattened(policy)
        self.optimizer = make_optimizer(policy, self._parameters, config)
        self._kernel = kernel_for(config) if self._parameters.device.type == "cpu" else None
        self._passes = passes_of(policy, self._parameters, config, self._kernel)
        self.playing = passes_of(policy, self._parameters, config, self._kernel)
        """The ways through the policy for whoever plays, with memory of its own."""

    def update(
        self, batch: Batch, generator: torch.Generator, *, progress: float, played: Trajectories
    ) -> UpdateReport:
        """Learn from a batch.

        Args:
            batch: What is learned.
            generator: Decides the minibatches.
            progress: Share of the run that is done, for the schedules.
            played: What the batch was cut from.
        """
        rate = self._config.learning_rate * schedule(self._config.learning_rate_schedule, progress)
        rate *= warmup(self._config, progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._annealed = annealed(self._config, progress)
        norms: list[float] = []
        kl = 0.0
        while len(norms) < self._config.update_epochs:
            if norms and self._config.vtrace:
                batch = self._corrected(batch, played)
            norm, kl = self._pass_over(batch, generator, progress)
            norms.append(norm)
            if self._config.target_kl is not None and kl > self._config.target_kl:
                break
        measured = None if self._config.target_kl is None else kl
        return UpdateReport(gradient_norm=sum(norms) / len(norms), kl=measured, epochs=len(norms), learning_rate=rate)

    @torch.no_grad()
    def _corrected(self, batch: Batch, played: Trajectories) -> Batch:
        """Return the batch with values of the policy as it is now, and advantages by V-trace."""
        config, family = self._config, self._policy.family
        horizon, count = batch.actions.shape[:2]
        size = max(1, config.minibatch_size // horizon)
        sizes = [size] * (count // size) + ([count % size] if count % size else [])
        outputs = torch.cat([self._outputs(part).view(horizon, -1, family.width + 1) for part in batch.split(sizes)], 1)
        log_probs = family.of(outputs[..., :-1].flatten(0, 1)).log_probs(batch.actions.flatten(0, 1))
        ratios = (log_probs.view(horizon, -1) - batch.log_probs).exp()
        rows, values = played.rewards.shape[1], outputs[..., -1]
        gains = vtrace(
            played,
            _in_order(values, rows),
            _in_order(ratios, rows),
            gamma=config.gamma,
            gae_lambda=config.gae_lambda,
            rho_clip=config.vtrace_rho_clip,
            c_clip=config.vtrace_c_clip,
        )
        return replace(batch, values=values, advantages=_segments(gains, horizon).to(values.device))

    def _outputs(self, batch: Batch) -> Tensor:
        return self._policy.unroll(batch.observations, batch.starts, batch.memory).float()

    def _pass_over(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[float, float]:
        """Learn from as many segments as there are; return the means of the gradient's length and the distance moved.

        They are all of them once, or with priorities as many draws.
        """
        everywhere = batch.actions.shape[1] * self._team.size
        if self._config.priority_alpha > 0.0:
            order, batch = self._by_priority(batch, generator, progress)
        else:
            order = torch.randperm(everywhere, generator=generator, device=generator.device)
        mine, sizes = own_segments(order, self._team, self._config)
        minibatches = batch.shuffled(mine).split(sizes)
        norm, kl = torch.stack([self._descend(minibatch) for minibatch in minibatches]).mean(0).tolist()
        return norm, kl

    def _by_priority(self, batch: Batch, generator: torch.Generator, progress: float) -> tuple[Tensor, Batch]:
        """Return drawn segments, by their number among those of all processes, and the batch with their weights."""
        alpha, beta = self._config.priority_alpha, self._config.priority_beta
        mine = own_numbers(batch.actions.shape[1], self._team, self._config)
        everybodys = batch.advantages.new_zeros(len(mine) * self._team.size)
        everybodys[mine] = worth(batch.advantages, alpha)
        chances = self._team.add(everybodys)
        chances /= chances.sum()
        weighed = weights(chances, beta + (1.0 - beta) * progress)[mine]
        return draw(chances, generator), replace(batch, weights=weighed)

    def _descend(self, batch: Batch) -> Tensor:
        """Take one optimizer step; return the gradient's length and the distance to the old policy."""
        config, count = self._annealed, self._config.minibatch_size
        old_log_probs, values, gains = batch.log_probs.flatten(), batch.values.flatten(), batch.advantages.flatten()
        by_output, log_probs = loss_gradient(
            self._passes.outputs(batch),
            batch.actions.flatten(0, 1),
            old_log_probs,
            values,
            gains + values,
            normalized(gains, count, self._team) if config.normalize_advantage else gains,
            config,
            self._policy.family,
            self._kernel,
        )
        if batch.weights is not None:
            by_output *= batch.weights.repeat(len(batch.actions)).unsqueeze(-1)
        self._passes.backward(by_output.div_(count))
        norm = self._step(self._team.add(gradient_of(self._parameters)))
        if config.target_kl is None:
            return torch.stack((norm, norm))
        return torch.stack((norm, self._team.add(approximate_kl(log_probs, old_log_probs)) / count))

    def _step(self, gradient: Tensor) -> Tensor:
        """Take a step along the clipped gradient; return its length before."""
        longest, optimizer = self._config.max_grad_norm, self.optimizer
        if self._kernel is None or not isinstance(optimizer, torch.optim.AdamW):
            norm = clip_norm(gradient, longest)
            optimizer.step()
            return norm
        length = self._kernel.norm(gradient)
        self._kernel.adam(optimizer, 1.0 if longest is None else min(1.0, longest / (length + 1e-6)))
        return torch.tensor(length)


def own_segments(order: Tensor, team: Team, config: TrainerConfig) -> tuple[Tensor, list[int]]:
    """Return which of a team's shuffled segments this process holds, by their number here, and how many a minibatch.

    Args:
        order: The segments of all processes, numbered time by time and within that row by row.
        team: Who holds which rows.
        config: Sizes.
    """
    size = config.minibatch_size // (config.bptt_horizon if config.use_lstm else 1)
    if team.size == 1:
        return order, [size] * (len(order) // size)
    rows = config.batch_size // config.num_steps
    held = team.share(rows)
    time, row = order // rows, order % rows
    mine = (row >= held.start) & (row < held.stop)
    here = time * len(held) + row - held.start
    return here[mine], mine.reshape(-1, size).sum(1).tolist()


def own_numbers(count: int, team: Team, config: TrainerConfig) -> Tensor:
    """Return the numbers, among a team's segments, of the ``count`` that this process holds; see own_segments."""
    rows = config.batch_size // config.num_steps
    held, here = team.share(rows), torch.arange(count)
    return here // len(held) * rows + held.start + here % len(held)


def annealed(config: TrainerConfig, progress: float) -> TrainerConfig:
    """Return the config with the entropy bonus as its schedule has it after a share of the run."""
    if config.entropy_coef_schedule == "constant":
        return config
    weight = config.entropy_coef * schedule(config.entropy_coef_schedule, progress)
    return config.model_copy(update={"entropy_coef": weight})


def warmup(config: TrainerConfig, progress: float) -> float:
    """Return the factor of the learning rate in an update that begins after a share of the run: never 0, then 1."""
    if config.learning_rate_warmup == 0.0:
        return 1.0
    own = config.batch_size / config.total_timesteps
    return min(1.0, (progress + own) / max(config.learning_rate_warmup, own))


def schedule(name: str, progress: float) -> float:
    """Return the factor of what is scheduled after a share of the run."""
    if name == "linear":
        return 1.0 - progress
    if name == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * progress))
    return 1.0
