"""Several processes that train one policy: each plays its share of the rows, and gradients are added up.

Started by ``torchrun --nproc-per-node=N -m metta_sweep.train …``. All processes draw the same random numbers and use
their part of them, so that N processes do what one would with the same batch, up to rounding.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """This process among those of its run."""

    rank: int = 0
    """Number of this process."""
    size: int = 1
    """How many there are."""
    place: torch.device = _CPU
    """Where tensors have to be to be added up: this process's own GPU where there are GPUs."""

    @property
    def leads(self) -> bool:
        """Whether this process evaluates, reports and writes."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Return which of ``count`` things are this process's: a block."""
        each = count // self.size
        return range(self.rank * each, (self.rank + 1) * each)

    def add(self, tensor: Tensor) -> Tensor:
        """Replace a tensor by its sum over all processes, in place, and return it."""
        if self.size > 1:
            there = tensor.to(self.place)
            dist.all_reduce(there)
            if there is not tensor:
                tensor.copy_(there)
        return tensor

    def any(self, flag: bool) -> bool:
        """Say whether the flag is up anywhere; all processes must ask."""
        return flag if self.size == 1 else bool(self.add(torch.tensor(float(flag))) > 0)

    def wait(self) -> None:
        """Wait for all."""
        if self.size > 1:
            dist.barrier()

    def part(self) -> None:
        """Leave the group of processes."""
        if self.size > 1:
            dist.destroy_process_group()


def find_team(device: torch.device, environment: Mapping[str, str] = os.environ) -> Team:
    """Return the team that torchrun's environment variables describe; alone without them."""
    return Team(rank=int(environment.get("RANK", 0)), size=int(environment.get("WORLD_SIZE", 1)), place=device)


def meet(team: Team) -> None:
    """Join the group of processes: over NCCL on GPUs, over gloo otherwise.

    Side effects:
        Makes the process's GPU the one that torch and NCCL use where none is named: without that all use the first.
    """
    on_gpu = team.place.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(team.place)
    if team.size > 1:
        dist.init_process_group("nccl" if on_gpu else "gloo", device_id=team.place if on_gpu else None)
