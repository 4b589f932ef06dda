"""What is evaluated: the ``sim`` group, and the simulations that it means.

Without names there is one simulation, the training environment itself. With names each one is that environment with
changes, or another one that looks the same to the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from metta_sweep.envs.altar_game import Problem, Settings
from metta_sweep.envs.config import CogevalEnv, EnvConfig

Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class SimulationConfig(Settings):
    """A named simulation; what is null is as the ``sim`` group says."""

    weight: Annotated[float, Field(gt=0.0)] = 1.0
    """Its share in the overall metrics, relative to the others."""
    num_envs: Positive | None = None
    """Environments side by side."""
    episodes: Positive | None = None
    """Episodes that each of them plays."""
    seed: Seed | None = None
    """Decides the episodes."""
    env: Mapping[str, Any] = Field(default_factory=dict)
    """Changes to the training environment; with a ``name`` an environment of its own."""


class SimConfig(Settings):
    """The evaluation: always the same episodes."""

    num_envs: Positive = 64
    """Environments side by side."""
    episodes: Positive = 2
    """Episodes that each of them plays."""
    seed: Seed = 1_000_003
    """Decides the episodes; the same for every run, so that runs compare."""
    deterministic: bool = False
    """Take the likeliest action instead of drawing one."""
    simulations: Mapping[str, SimulationConfig] = Field(default_factory=dict)
    """Named simulations; none: the training environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """One simulation with nothing left open."""

    name: str
    """Prefix of its metrics; empty for the training environment itself."""
    weight: float
    """Share in the overall metrics; all shares sum to 1."""
    env: EnvConfig
    """What is played."""
    num_envs: int
    """Environments side by side."""
    episodes: int
    """Episodes that each of them plays."""
    seed: int
    """Decides the episodes."""


def simulations(sim: SimConfig, env: EnvConfig) -> list[Simulation]:
    """Return what is evaluated for a training environment.

    Raises:
        pydantic.ValidationError: The changes do not make a valid environment.
    """
    named = sim.simulations or {"": SimulationConfig()}
    total = sum(each.weight for each in named.values())
    return [
        Simulation(
            name=name,
            weight=each.weight / total,
            env=_changed(env, each.env),
            num_envs=sim.num_envs if each.num_envs is None else each.num_envs,
            episodes=sim.episodes if each.episodes is None else each.episodes,
            seed=sim.seed if each.seed is None else each.seed,
        )
        for name, each in named.items()
    ]


def simulation_problems(sim: SimConfig, env: EnvConfig) -> Iterator[Problem]:
    """Yield what is wrong with the simulations of a valid environment."""
    for each in simulations(sim, env):
        key = f"sim.simulations.{each.name}.env"
        problems = list(each.env.problems()) if each.name else []
        yield from ((f"{key}.{inner}", rule) for inner, rule in problems)
        if not problems and each.env.appearance() != env.appearance():
            yield key, "a policy of the training environment cannot play it: what it sees is of another shape"


def _changed(env: EnvConfig, changes: Mapping[str, Any]) -> EnvConfig:
    evaluated = env.as_evaluated() if isinstance(env, CogevalEnv) else env
    whole = changes if "name" in changes else _merged(evaluated.model_dump(), changes)
    adapter: TypeAdapter[EnvConfig] = TypeAdapter(EnvConfig)
    return adapter.validate_python(whole)


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested mappings with changes; anything but a mapping is replaced."""
    merged = dict(base)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged
