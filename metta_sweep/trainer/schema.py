"""What a sweep may know of this trainer: the ``TrainingSchema`` protocol of the sweep's side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel

from metta_sweep.envs.altar_game import Problem
from metta_sweep.trainer.config import RULES, ConfigError, ConfigRule, TrainingConfig, parse
from metta_sweep.trainer.machine import HardwareHere
from metta_sweep.trainer.metrics import metric_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The keys, types and rules of a training config."""

    machine: HardwareHere | None = None
    """Where its runs will be; None where that is not known, and nothing can be said about it."""

    @property
    def rules(self) -> tuple[ConfigRule, ...]:
        """What must hold between keys."""
        return RULES

    def here(self, gpus: int | None) -> Schema:
        """Return the schema of runs on this machine: it also refuses what the machine lacks.

        Args:
            gpus: How many of them a run is shown; None: all.
        """
        return Schema(machine=HardwareHere(gpus=gpus))

    def problems(self, config: Mapping[str, Any]) -> list[Problem]:
        """Return each problem of a config as its key and the rule."""
        try:
            parsed = parse(config)
        except ConfigError as error:
            return error.problems
        return [] if self.machine is None else list(self.machine.lacks(parsed))

    def metrics(self, config: Mapping[str, Any]) -> frozenset[str] | None:
        """Return what a run of a config reports; None where the config is invalid."""
        try:
            return metric_names(parse(config))
        except ConfigError:
            return None

    def notes(self, config: Mapping[str, Any]) -> list[Problem]:
        """Return what is valid and yet hardly meant, as the key and what comes of it; nothing where it is invalid."""
        try:
            parsed = parse(config)
        except ConfigError:
            return []
        return [
            (
                f"trainer.{name}",
                f"{each.describe()} exceed the run, which has {parsed.num_updates} updates of "
                f"{parsed.trainer.batch_size} steps: {_CONSEQUENCES[name]}",
            )
            for name, each in parsed.intervals.items()
            if each.every is not None and parsed.num_updates > 1 and each.exceeds
        ]

    def has_path(self, dotted: str) -> bool:
        """Say whether a config can have a value at a dotted path; any name fits a free-form mapping."""
        parts = dotted.split(".")
        return any(_fits(parts, path.split(".")) for path in self.paths())

    def paths(self) -> list[str]:
        """Return every settable leaf; ``*`` stands for a name of one's own."""
        return sorted(set(_leaves(TrainingConfig)))


_CONSEQUENCES = {
    "evaluate_interval": "it is evaluated at its end only, and there is no curve to stop it early by",
    "checkpoint_interval": "it has no checkpoint before its end, and starts again if it is killed",
}


def _fits(parts: list[str], path: list[str]) -> bool:
    return len(parts) == len(path) and all(known in (part, "*") for part, known in zip(parts, path, strict=True))


def _leaves(kind: Any, prefix: str = "") -> Iterator[str]:
    """Yield the leaves of a field's type: models, unions of them, mappings with free names."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from _leaves(field.annotation, f"{prefix}.{name}" if prefix else name)
        return
    inner = [part for part in get_args(kind) if _holds_model(part)]
    if getattr(kind, "__origin__", None) is Mapping:
        yield from _leaves(get_args(kind)[1], f"{prefix}.*")
    elif inner:
        for part in inner:
            yield from _leaves(part, prefix)
    else:
        yield prefix


def _holds_model(kind: Any) -> bool:
    return (isinstance(kind, type) and issubclass(kind, BaseModel)) or any(map(_holds_model, get_args(kind)))


schema = Schema()
"""The one that the sweep is handed."""
