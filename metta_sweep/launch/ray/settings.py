"""What a person may set about Ray under ``launcher``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from annotated_types import Ge

from metta_sweep.config.forms import Exact
from metta_sweep.config.settings import LauncherSettings, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class RaySettings(LauncherSettings):
    """``launcher=ray``."""

    RUNS_HERE: ClassVar[bool] = False
    kind: str = "ray"
    address: Text | None = None
    """Address of the cluster; ``RAY_ADDRESS`` or the one on this machine by default."""
    resources: dict[str, Annotated[float, Exact(), Ge(0)]] = field(default_factory=dict)
    """Custom resources of one run: ``{big_memory: 1}``."""
