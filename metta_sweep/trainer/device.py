"""Where the network computes."""

from __future__ import annotations

import os

import torch

from metta_sweep.trainer.config import ConfigError
from metta_sweep.trainer.machine import device_problem


def find_device(name: str, local_rank: int | None = None) -> torch.device:
    """Return the device of a config's ``device``; ``auto`` is a GPU where there is one.

    Args:
        name: As the config says.
        local_rank: Number of this process on its machine, where there are several: each has a GPU of its own.

    Raises:
        ConfigError: The machine has no such device.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    wanted = torch.device("cuda" if name == "auto" else name)
    if wanted.index is None:
        wanted = torch.device("cuda", local_rank or 0)
    problem = device_problem(str(wanted), torch.cuda.device_count() if torch.cuda.is_available() else 0)
    if problem:
        raise ConfigError([("device", problem)])
    return wanted


def local_rank() -> int | None:
    """Return this process's number on its machine, as torchrun tells it."""
    number = os.environ.get("LOCAL_RANK")
    return None if number is None else int(number)


def limit_threads() -> None:
    """Use as many threads as OMP_NUM_THREADS says, one by default: small matrices gain nothing from more."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
