"""The network: observations to a distribution over actions and a value.

A policy is stepped while trajectories are collected and unrolled over whole segments while it learns. ``State`` is
what it carries from step to step: the LSTM's memory, or nothing.

========  ============================================================================
symbol    meaning
========  ============================================================================
N, S      rows that play, segments that are learned from
H         steps of a segment
W         places of an observation
P         parameters of a distribution over actions: see :mod:`metta_sweep.trainer.distributions`
F         features
outputs   (..., P + 1): the parameters of the distribution, then the value
========  ============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.trainer.config import AgentConfig, TrainingConfig
from metta_sweep.trainer.distributions import Family, Numbers, family_of
from metta_sweep.trainer.encoders import Dense, make_encoder
from metta_sweep.trainer.memory import Memory, State
from metta_sweep.trainer.native.kernel import kernel_for
from metta_sweep.trainer.normalizing import SeenSoFar

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


class Torso(nn.Module):
    """Observations to features: the encoder, the layers, and the memory if one is asked for."""

    def __init__(self, config: TrainingConfig, spec: EnvSpec, generator: torch.Generator) -> None:
        super().__init__()
        size, gain = config.agent.hidden_size, math.sqrt(2.0)
        self.activation = config.agent.activation
        """Name of what follows each layer."""
        self._activation = _ACTIVATIONS[self.activation]
        self.encoder = make_encoder(config.agent, spec, generator, kernel_for(config.trainer))
        self.layers = nn.ModuleList(Dense(size, ((size, gain),), generator) for _ in range(config.agent.num_layers - 1))
        self.memory = Memory(size, config.trainer.lstm_hidden_size, generator) if config.trainer.use_lstm else None
        self.features = size if self.memory is None else self.memory.size
        self._learn_encoder, self._learn_body = self.encoder.forward, self._body
        if config.trainer.compile:
            self._compile_learning(spec)

    def initial_state(self, rows: int) -> State:
        """Return the memory of agents at the start of an episode."""
        if self.memory is None:
            return ()
        empty = self.memory.recurrent.new_zeros(rows, self.memory.size)
        return empty, empty

    def look(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the features (N, F) of a single step and the next state. observations: (N, W)."""
        return self._body(self.encoder(observations), None, state)

    def study(self, observations: Tensor, starts: Tensor, state: State) -> Tensor:
        """Return the features (H * S, F) of segments; arguments as for :meth:`Policy.unroll`."""
        return self._learn_body(self._learn_encoder(observations.flatten(0, 1)), starts, state)[0]

    def _body(self, encoded: Tensor, starts: Tensor | None, state: State) -> tuple[Tensor, State]:
        """Return the features for what the encoder made of observations, and the state after them.

        Args:
            encoded: (H * S, features) step by step.
            starts: (H, S) whether an episode starts with an observation; None: a single step, of which none does.
            state: Memory before the first step.
        """
        features = self._activation(encoded)
        for layer in self.layers:
            features = self._activation(layer(features))
        if self.memory is not None:
            steps = 1 if starts is None else len(starts)
            recalled, state = self.memory(features.reshape(steps, -1, features.shape[-1]), starts, state)
            features = recalled.flatten(0, 1)
        return features, state

    def _compile_learning(self, spec: EnvSpec) -> None:
        """Have torch compile what learns: always the same sizes, and most of the time.

        The sum of codes leaves torch for numpy; it is fast as it is.
        """
        self._learn_body = torch.compile(self._body)
        if spec.code_sizes is None:
            self._learn_encoder = torch.compile(self.encoder.forward)


class Policy(Torso):
    """A torso and the heads of policy and value; the value may have a torso of its own."""

    def __init__(self, config: TrainingConfig, spec: EnvSpec, generator: torch.Generator) -> None:
        super().__init__(config, spec, generator)
        self._half = config.trainer.precision == "bfloat16"
        self.seen = SeenSoFar(spec.width) if config.trainer.normalize_observation and spec.numbers else None
        """Statistics of the observations, where they are normalized."""
        self.family = family_of(spec.actions, config.agent)
        """What the outputs mean."""
        separate = config.agent.separate_value
        self.heads = Heads(self.features, self.family, config.agent, generator, with_value=not separate)
        self.critic = Critic(config, spec, generator) if separate else None

    def initial_state(self, rows: int) -> State:
        """Return the memory of agents at the start of an episode: the policy's, then the value's."""
        own = super().initial_state(rows)
        return own if self.critic is None else own + self.critic.initial_state(rows)

    def step(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Return outputs (N, P + 1) and the next state. observations: (N, W)."""
        observations = self._normalized(observations)
        with self._precision(observations):
            if self.critic is None:
                features, state = self.look(observations, state)
                return self.heads(features), state
            mine, others = self.split(state)
            features, after = self.look(observations, mine)
            judged, others = self.critic.look(observations, others)
            return torch.cat((self.heads(features), self.critic.head(judged)), -1), after + others

    def unroll(self, observations: Tensor, starts: Tensor, state: State) -> Tensor:
        """Return outputs (H * S, P + 1) of segments, step by step.

        Args:
            observations: (H, S, W).
            starts: (H, S) whether an episode starts with this observation.
            state: Memory before the first step.
        """
        observations = self._normalized(observations)
        with self._precision(observations):
            mine, others = self.split(state)
            outputs: Tensor = self.heads(self.study(observations, starts, mine))
            if self.critic is None:
                return outputs
            return torch.cat((outputs, self.critic.head(self.critic.study(observations, starts, others))), -1)

    def _normalized(self, observations: Tensor) -> Tensor:
        return observations if self.seen is None else self.seen(observations)

    def split(self, state: State) -> tuple[State, State]:
        """Return the policy's memory and the value's."""
        own = len(state) if self.critic is None else len(state) // 2
        return state[:own], state[own:]

    def _precision(self, observations: Tensor) -> AbstractContextManager[object]:
        """Return the context in which matrix products have the precision that was asked for."""
        return torch.autocast(observations.device.type, torch.bfloat16) if self._half else nullcontext()


class Critic(Torso):
    """A torso for the value alone."""

    def __init__(self, config: TrainingConfig, spec: EnvSpec, generator: torch.Generator) -> None:
        super().__init__(config, spec, generator)
        self.head = Dense(self.features, ((1, 1.0),), generator)


class Heads(Dense):
    """The heads as one layer: small outputs, so that a fresh policy prefers nothing, then the value if it is here.

    The deviations of numbers do not depend on what is seen: they are parameters of their own.
    """

    def __init__(
        self, inputs: int, family: Family, agent: AgentConfig, generator: torch.Generator, *, with_value: bool
    ) -> None:
        self._means = family.shape[0] if isinstance(family, Numbers) else 0
        value = ((1, 1.0),) if with_value else ()
        super().__init__(inputs, ((self._means or family.width, 0.01), *value), generator)
        self.log_std = nn.Parameter(torch.full((self._means,), agent.log_std_init)) if self._means else None
        """Logarithms of the deviations of numbers."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., P), with the value (..., P + 1)."""
        made = super().forward(x)
        if self.log_std is None:
            return made
        log_std = self.log_std.to(made.dtype).expand(*made.shape[:-1], -1)
        return torch.cat((made[..., : self._means], log_std, made[..., self._means :]), -1)


def forget(state: State, starts: Tensor) -> State:
    """Return the memory with the rows that start an episode at zero. starts: (N,)."""
    return tuple(part.masked_fill(starts.to(part.device).unsqueeze(-1), 0.0) for part in state)
