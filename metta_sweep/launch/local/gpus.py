"""Which GPUs a run may see: leases within what the user allows."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from metta_sweep.errors import Problem, RequestError
from metta_sweep.sweep.ports import LaunchError

_SLACK = 1e-9
"""Three thirds make a whole."""


def visible_gpus(environment: Mapping[str, str] | None = None, devices: Path = Path("/dev")) -> tuple[str, ...]:
    """Return the GPUs that the user allows, as ``CUDA_VISIBLE_DEVICES`` names them.

    That variable where it is set (indices or UUIDs, up to the first ``-1``, as CUDA reads it), or else every NVIDIA
    device of the machine.
    """
    listed = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        found = (re.fullmatch(r"nvidia(\d+)", entry.name) for entry in devices.glob("nvidia*"))
        return tuple(sorted((match[1] for match in found if match), key=int))
    names: list[str] = []
    for name in (part.strip() for part in listed.split(",")):
        if name in ("", "-1"):
            break
        names.append(name)
    return tuple(names)


class GpuLeases:
    """Hands out GPUs: whole ones, or shares of one.

    Args:
        gpus: The GPUs that may be used.
        per_run: GPUs a run: 0, a share of one (0.25: four runs a GPU), or a whole number.

    Raises:
        RequestError: ``per_run`` is not such a number, or larger than the number of GPUs.
    """

    def __init__(self, gpus: tuple[str, ...], per_run: float) -> None:
        _validate(gpus, per_run)
        self._gpus = gpus
        self._per_run = per_run
        self._leases: dict[str, tuple[str, ...]] = {}

    @property
    def capacity(self) -> int | None:
        """How many runs fit; None where runs need no GPU."""
        if self._per_run == 0:
            return None
        if self._per_run < 1:
            return len(self._gpus) * int(1 / self._per_run + _SLACK)
        return len(self._gpus) // int(self._per_run)

    def lease(self, attempt_id: str) -> tuple[str, ...] | None:
        """Return the GPUs for an attempt, the least used ones; None where runs need none.

        Raises:
            LaunchError: They are all taken.
        """
        if self._per_run == 0:
            return None
        if attempt_id not in self._leases:
            share = min(self._per_run, 1.0)
            free = [gpu for gpu in self._gpus if self._load(gpu) + share <= 1 + _SLACK]
            wanted = max(1, int(self._per_run))
            if len(free) < wanted:
                raise LaunchError(f"{wanted} GPU wanted and all of {', '.join(self._gpus)} are taken")
            self._leases[attempt_id] = tuple(sorted(free, key=self._load)[:wanted])
        return self._leases[attempt_id]

    def keep(self, attempt_id: str, gpus: tuple[str, ...]) -> None:
        """Count GPUs as taken by an attempt that an earlier controller started."""
        self._leases.setdefault(attempt_id, gpus)

    def release(self, attempt_id: str) -> None:
        """Take an attempt's GPUs back; one that has none is passed over."""
        self._leases.pop(attempt_id, None)

    def _load(self, gpu: str) -> float:
        return sum(min(self._per_run, 1.0) for gpus in self._leases.values() if gpu in gpus)


def _validate(gpus: tuple[str, ...], per_run: float) -> None:
    if per_run < 0 or (per_run > 1 and per_run != int(per_run)):
        raise _wrong(f"need 0, a share of one GPU (0 < x <= 1) or a whole number of GPUs, got {per_run:g}", "1")
    if per_run > len(gpus):
        seen = f"CUDA_VISIBLE_DEVICES allows {', '.join(gpus)}" if gpus else "no GPU is visible"
        raise _wrong(f"{per_run:g} GPU a run wanted, but {seen}", str(len(gpus)))


def _wrong(message: str, proposed: str) -> RequestError:
    return RequestError(Problem(key="launcher.gpus_per_run", message=message, fix=f"launcher.gpus_per_run={proposed}"))
