"""Checkpoints: all that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

FORMAT = 1
KEPT = 2
"""How many of the latest checkpoints stay; the second is there should the first be damaged."""


@dataclass(frozen=True, slots=True)
class CheckpointFolder:
    """The files of a run's ``checkpoints`` folder: the latest, and the best evaluated so far."""

    root: Path

    @property
    def best(self) -> Path:
        """The checkpoint with the best evaluation."""
        return self.root / "best.pt"

    def at(self, step: int) -> Path:
        """The checkpoint after a number of agent-steps."""
        return self.root / f"step-{step:012d}.pt"

    def part(self, step: int, rank: int) -> Path:
        """What another process than the first adds to the checkpoint of a step."""
        return self.root / f"part-{step:012d}-{rank}.pt"

    def save_part(self, content: Mapping[str, Any], *, step: int, rank: int) -> None:
        """Write what a process adds, before the first one writes the checkpoint itself."""
        self.root.mkdir(parents=True, exist_ok=True)
        _write(self.part(step, rank), content)

    def all(self) -> list[Path]:
        """Return the checkpoints by step, oldest first."""
        return sorted(self.root.glob("step-*.pt"))

    def save(self, content: Mapping[str, Any], *, step: int, best: bool) -> None:
        """Write a checkpoint and drop the oldest beyond :data:`KEPT`.

        Side effects:
            The file is written beside its place, synced and renamed: it exists whole or not at all.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        _write(self.at(step), content)
        if best:
            _link(self.at(step), self.best)
        for old in self.all()[:-KEPT]:
            old.unlink(missing_ok=True)
            for part in self.root.glob(old.name.replace("step-", "part-").replace(".pt", "-*.pt")):
                part.unlink(missing_ok=True)

    def latest(self) -> dict[str, Any] | None:
        """Return the newest checkpoint that can be read, or None; a damaged one is passed over."""
        for path in reversed(self.all()):
            try:
                return load(path)
            except CheckpointError:
                continue
        return None


class CheckpointError(ValueError):
    """A file is not a checkpoint that this trainer can read."""


def load(path: Path) -> dict[str, Any]:
    """Return a checkpoint's content, on the CPU; it can hold tensors and plain values only.

    Raises:
        CheckpointError: The file is damaged, or of another format.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: cannot be read, it is damaged or no checkpoint at all") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{path}: need a checkpoint of format {FORMAT}")
    return content


def put_weights(policy: nn.Module, weights: Mapping[str, torch.Tensor], source: Path) -> None:
    """Give a policy the weights of a checkpoint.

    Raises:
        CheckpointError: They are of another network.
    """
    try:
        policy.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).partition("\n\t")[2].partition("\n")[0]
        raise CheckpointError(f"{source}: holds the weights of another network ({first})") from error


def _write(path: Path, content: Mapping[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _link(path: Path, name: Path) -> None:
    beside = name.with_name(f".{name.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    os.link(path, beside)
    beside.replace(name)
