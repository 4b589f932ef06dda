"""What the configuration must know of a training config, as Protocols.

The trainer implements them and the composition hands the object in: configuration never imports a trainer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class TrainingRule(Protocol):
    """Something that the training requires of its own config."""

    @property
    def expression(self) -> str:
        """What must hold, over config paths: ``trainer.batch_size % trainer.minibatch_size == 0``."""

    @property
    def message(self) -> str:
        """The same for a person."""


class TrainingSchema(Protocol):
    """The keys, types and rules of a training config."""

    @property
    def rules(self) -> Sequence[TrainingRule]:
        """Return what must hold between the values of one config."""

    def problems(self, config: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return every key that is wrong in ``config`` with what is wrong; empty where it can be trained."""

    def here(self, gpus: int | None) -> TrainingSchema:
        """Return the schema of runs on this machine: it also refuses what the machine lacks.

        Args:
            gpus: How many GPUs a run is shown; None: all there are.
        """

    def metrics(self, config: Mapping[str, Any]) -> Collection[str] | None:
        """Return the metrics that a run of ``config`` reports; None where that is not known before it has run."""

    def notes(self, config: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return what is valid and yet hardly meant, as the key and what comes of it."""

    def has_path(self, dotted: str) -> bool:
        """Return whether a training config may hold a value at this path."""

    def paths(self) -> Sequence[str]:
        """Return every settable path, for hints; free-form mappings need not be complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingKeys:
    """The root keys of a training config."""

    roots: tuple[str, ...]
    """All of them, sorted."""
    values: frozenset[str]
    """Those that are plain values (``device``); the others are groups."""

    @classmethod
    def of(cls, schema: TrainingSchema) -> TrainingKeys:
        """Return the root keys of a schema; ``run`` is the sweep's to set."""
        paths = [path for path in schema.paths() if path != "run"]
        roots = sorted({path.partition(".")[0] for path in paths})
        return cls(roots=tuple(roots), values=frozenset(path for path in paths if "." not in path))
