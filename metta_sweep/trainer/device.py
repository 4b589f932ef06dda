"""Where the network computes."""

from __future__ import annotations

import os

import torch

from metta_sweep.trainer.config import ConfigError


def find_device(name: str) -> torch.device:
    """Return the device of a config's ``device``; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: The machine has no such device.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    wanted = torch.device("cuda" if name == "auto" else name)
    if not torch.cuda.is_available() or (wanted.index or 0) >= torch.cuda.device_count():
        raise ConfigError([("device", f"this machine has no {name} (cpu and auto always work)")])
    return wanted


def limit_threads() -> None:
    """Use as many threads as OMP_NUM_THREADS says, one by default: small matrices gain nothing from more."""
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
