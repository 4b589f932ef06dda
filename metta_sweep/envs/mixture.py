"""Several environments as one: each has rows of its own, one block after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.vec_env import Actions, EnvSpec, Episodes, Observations, Step, Truncated, VecEnv


class Mixture:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of parts that look alike to a policy.

    Raises:
        ValueError: The parts differ in what is seen or in what can be done.
    """

    def __init__(self, parts: Sequence[VecEnv]) -> None:
        kinds = {(part.spec.width, part.spec.code_sizes, part.spec.actions) for part in parts}
        if len(kinds) != 1:
            raise ValueError(f"need parts with the same observations and actions, got {kinds}")
        self.parts = parts
        ends = np.cumsum([part.spec.rows for part in parts])
        self.blocks = [slice(int(end) - part.spec.rows, int(end)) for part, end in zip(parts, ends, strict=True)]

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types of all rows together."""
        return replace(self.parts[0].spec, rows=self.blocks[-1].stop)

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every part."""
        for part, block in zip(self.parts, self.blocks, strict=True):
            part.reset(seed, observations[block], stagger=stagger)

    def step(self, actions: Actions, out: Step) -> Truncated | None:
        """Play one step of every part."""
        cuts = []
        for part, block in zip(self.parts, self.blocks, strict=True):
            cut = part.step(actions[block], out.of(block))
            if cut is not None:
                cuts.append((cut.rows + block.start, cut.observations))
        if not cuts:
            return None
        rows, last = zip(*cuts, strict=True)
        return Truncated(rows=np.concatenate(rows), observations=np.concatenate(last))

    def drain(self) -> Episodes:
        """Return the episodes of all parts; statistics that only some parts have are left out."""
        drained = [part.drain() for part in self.parts]
        names = [name for name in drained[0].stats if all(name in episodes.stats for episodes in drained)]
        rows = [episodes.rows + block.start for episodes, block in zip(drained, self.blocks, strict=True)]
        stats = {name: np.concatenate([episodes.stats[name] for episodes in drained]) for name in names}
        return Episodes(rows=np.concatenate(rows), stats=stats)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the states of the parts, by number."""
        return {f"{k}.{name}": array for k, part in enumerate(self.parts) for name, array in part.state().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Continue from :meth:`state`."""
        for k, (part, block) in enumerate(zip(self.parts, self.blocks, strict=True)):
            prefix = f"{k}."
            own = {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
            part.restore(own, observations[block])

    def close(self) -> None:
        """Close every part."""
        for part in self.parts:
            part.close()
