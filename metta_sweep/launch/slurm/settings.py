"""What a person may set about SLURM under ``launcher``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from metta_sweep.config.settings import LauncherSettings

Option = str | int | float | bool | None
"""Value of an option of ``sbatch``: true gives the option alone, false and null leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmSettings(LauncherSettings):
    """``launcher=slurm``."""

    RUNS_HERE: ClassVar[bool] = False
    kind: str = "slurm"
    sbatch: dict[str, Option] = field(default_factory=dict)
    """Options of ``sbatch`` by name: ``{partition: gpu, time: "02:00:00"}``."""
