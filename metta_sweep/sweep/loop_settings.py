"""How the loop starts runs and ends them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from metta_sweep.sweep.ports import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How runs are started and ended."""

    launcher: str = ""
    """Kind of the launcher that starts them."""
    resources: Resources = field(default_factory=Resources)
    """What a run occupies."""
    max_retries: int = 5
    """How often a run is retried after a failure that is not its parameters'."""
    kill_grace_s: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""
    time_limit_s: float | None = None
    """Seconds after which an attempt is ended."""
    exit_grace_s: float | None = 60.0
    """Seconds that a run has to end once its result is there; None for as long as it likes."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every run; ``{run_dir}`` and ``{run_id}`` in them are filled in."""
    command: tuple[str, ...] = ()
    """Template of the command as it is started: where runs have a directory of their own, its files are absolute."""
    reader: tuple[str, ...] = ()
    """Program that finds a run's numbers beside it; empty where runs leave their own results."""
