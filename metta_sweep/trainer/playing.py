"""Playing: a policy fills trajectories, group of rows by group of rows.

Environments that step in the background come in groups that take turns: while one steps, the policy decides for the
next. All others are one group, and playing is lock-step. What a row plays does not depend on the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from metta_sweep.envs.mixture import Mixture
from metta_sweep.envs.vec_env import Actions, Background, Observations, VecEnv
from metta_sweep.trainer.memory import State
from metta_sweep.trainer.policy import Policy, forget
from metta_sweep.trainer.team import Team
from metta_sweep.trainer.trajectories import Trajectories

_ALONE = Team()
Decide: TypeAlias = Callable[[Tensor, State], tuple[Tensor, State]]
"""Observations (N, W) and the state before them to outputs (N, P + 1) and the state after."""


class Group:
    """Some rows of a player: where they stand, and what they remember.

    Args:
        env: Their environment.
        rows: Which of the trajectories' rows they are.
        policy: Decides.
        kept: The trajectories of all rows.
        most: Rows that the policy decides for at once; None: all.
        decide: Does what the policy's ``step`` does.
    """

    def __init__(
        self, env: VecEnv, rows: slice, policy: Policy, kept: Trajectories, most: int | None, decide: Decide
    ) -> None:
        self._env, self._rows, self._policy, self._kept, self._most = env, rows, policy, kept, most
        self._of_policy = decide
        self._background = env if isinstance(env, Background) else None
        self._device = kept.outputs.device
        self._steps = [kept.step(t).of(rows) for t in range(len(kept.actions))]
        self._pending: Actions = np.zeros(0)
        self._ahead: State = ()
        self.memory: State = policy.initial_state(rows.stop - rows.start)
        """Before the current step."""
        self.memories: list[State] = []
        """Before each of the steps of the last trajectories."""
        self.cuts: list[tuple[int, Tensor, Tensor, State]] = []
        """(step, rows, last observations, memories) of episodes that time limits cut."""

    def begin(self, t: int, chance: Tensor) -> None:
        """Decide for step t, and let the environment begin it if it can work in the background."""
        self.memories.append(self.memory)
        outputs, self._ahead = self._decide(self._kept.observations[t, self._rows], self.memory)
        family = self._policy.family
        actions = family.choose(outputs[..., :-1], chance[self._rows]).cpu()
        self._kept.outputs[t, self._rows], self._kept.actions[t, self._rows] = outputs, actions
        if self._background is not None:
            self._background.send(family.for_env(actions))
        else:
            self._pending = family.for_env(actions)

    def finish(self, t: int) -> None:
        """Have step t done, and note what time limits cut."""
        kept, out = self._kept, self._steps[t]
        if self._background is not None:
            truncated = self._background.receive(out)
        else:
            truncated = self._env.step(self._pending, out)
        if truncated is not None:
            rows = torch.from_numpy(truncated.rows)
            last = torch.from_numpy(truncated.observations)
            self.cuts.append((t, rows + self._rows.start, last, _of(self._ahead, rows)))
        starts = kept.starts[t + 1, self._rows]
        torch.logical_or(kept.terminals[t, self._rows], kept.truncations[t, self._rows], out=starts)
        self.memory = forget(self._ahead, starts)

    def values(self, observations: Tensor, state: State) -> Tensor:
        """Return the values of observations, on the CPU."""
        return self._decide(observations, state)[0][:, -1].float().cpu()

    def value_cuts(self) -> None:
        """Write what would have followed the cut episodes, all of them in one pass of the network."""
        if self.cuts:
            steps, rows, last, memories = zip(*self.cuts, strict=True)
            counts = torch.tensor([len(each) for each in rows])
            place = torch.repeat_interleave(torch.tensor(steps), counts), torch.cat(rows)
            self._kept.next_values[place] = self.values(torch.cat(last), _joined(list(memories)))

    def last_values(self) -> Tensor:
        """Return the values of what the rows see after the last step."""
        return self.values(self._kept.observations[-1, self._rows], self.memory)

    def _decide(self, observations: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the policy's outputs and the next state, a part of the rows at a time where there is a limit."""
        seen = observations.to(self._device, non_blocking=True)
        if self._most is None or len(seen) <= self._most:
            return self._of_policy(seen, state)
        parts = [self._of_policy(seen[part], _of(state, part)) for part in _parts(len(seen), self._most)]
        outputs, states = zip(*parts, strict=True)
        return torch.cat(outputs), tuple(torch.cat(each) for each in zip(*states, strict=True))


class Player:
    """Plays an environment with a policy; owns where every row stands.

    Args:
        env: Its first observations are written by whoever resets it, into :attr:`first_observations`.
        policy: Decides.
        steps: T.
        device: Where the policy computes.
        team: Who plays the other rows.
        most: Rows that the policy decides for at once; None: all.
        decide: A faster way to do what the policy's ``step`` does, if there is one.
    """

    def __init__(
        self,
        env: VecEnv,
        policy: Policy,
        *,
        steps: int,
        device: torch.device,
        team: Team = _ALONE,
        most: int | None = None,
        decide: Decide | None = None,
    ) -> None:
        self.env, self._team = env, team
        self.trajectories = Trajectories.empty(env.spec, policy.family, steps, device)
        self._groups = [
            Group(part, rows, policy, self.trajectories, most, decide or policy.step) for part, rows in _groups(env)
        ]

    @property
    def first_observations(self) -> Observations:
        """Where a fresh or restored environment writes its observations: (N, W)."""
        view: Observations = self.trajectories.observations[-1].numpy()
        return view

    @property
    def memory(self) -> State:
        """What every row remembers: (N, features) each."""
        return _joined([group.memory for group in self._groups])

    def remember(self, memory: State) -> None:
        """Put :attr:`memory` back."""
        start = 0
        for group in self._groups:
            stop = start + (len(group.memory[0]) if group.memory else 0)
            group.memory = _of(memory, slice(start, stop))
            start = stop

    def memory_before(self, t: int) -> State:
        """Return what every row remembered before step t of the last trajectories."""
        return _joined([group.memories[t] for group in self._groups])

    @torch.no_grad()
    def collect(self, generator: torch.Generator) -> Trajectories:
        """Play on for T steps."""
        kept, spec, steps = self.trajectories, self.env.spec, len(self.trajectories.actions)
        kept.observations[0], kept.starts[0] = kept.observations[-1], kept.starts[-1]
        everywhere = spec.rows * self._team.size
        held = self._team.share(everywhere)
        chance = kept.family.chance(steps, everywhere, generator)[:, held.start : held.stop]
        for group in self._groups:
            group.memories.clear()
            group.cuts.clear()
        for t in range(steps):
            for group in self._groups:
                if t:
                    group.finish(t - 1)
                group.begin(t, chance[t])
        for group in self._groups:
            group.finish(steps - 1)
        kept.next_values[:-1] = kept.values[1:]
        kept.next_values[-1] = torch.cat([group.last_values() for group in self._groups])
        for group in self._groups:
            group.value_cuts()
        return kept


def _groups(env: VecEnv) -> Iterator[tuple[VecEnv, slice]]:
    """Yield the parts of an environment that work in the background, or all of it as one."""
    if isinstance(env, Mixture) and all(isinstance(part, Background) for part in env.parts):
        yield from zip(env.parts, env.blocks, strict=True)
    else:
        yield env, slice(0, env.spec.rows)


def _parts(rows: int, most: int) -> Iterator[slice]:
    """Yield as few parts as can be, of as equal a size as can be."""
    count = -(-rows // most)
    for k in range(count):
        yield slice(k * rows // count, (k + 1) * rows // count)


def _of(state: State, rows: Any) -> State:
    return tuple(part[rows.to(part.device) if isinstance(rows, Tensor) else rows] for part in state)


def _joined(states: list[State]) -> State:
    return states[0] if len(states) == 1 else tuple(torch.cat(parts) for parts in zip(*states, strict=True))
