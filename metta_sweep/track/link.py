"""Where the mirror stands, for its controller and for a person; and where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.labels import Labels
from metta_sweep.track.state_file import StateFile

SOURCE = "W&B"
"""Source of what is asked there, in the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The sweep's place at W&B and how much of it is there."""

    entity: str | None = None
    """User or team."""
    project: str = "metta-sweep"
    """Project."""
    labels: Labels = field(default_factory=Labels)
    """How runs are called and marked."""
    description: str = ""
    """What the sweep is about."""
    checkpoints: bool = False
    """Whether each run's last checkpoint is kept as an artifact."""
    alert: tuple[str, ...] = ()
    """What W&B alerts of: ``finished``, ``failed``, ``best``."""
    told: tuple[str, ...] = ()
    """What was alerted of, or was known before, since the sweep was started."""
    sweep_id: str | None = None
    """The registered sweep; None before it is."""
    url: str = ""
    """Its page."""
    namesake: str = ""
    """``ENTITY/PROJECT/SWEEP`` of an earlier sweep of this name that is not this one, where there is one."""
    mode: str = "online"
    """``online`` or ``offline``."""
    state: str = "starting"
    """``starting``, ``ok``, ``away``, ``refused``, ``busy`` or ``ended``."""
    message: str = ""
    """What is wrong, in one line."""
    sweep_state: str = ""
    """The sweep's state at W&B, as it was seen or set last since the sweep was started; empty before."""
    instruction: str = ""
    """What a person asked of the sweep at W&B, as :class:`Instruction` says it."""
    instructions: int = 0
    """How often somebody has asked something there since the sweep was started."""
    stopped_runs: tuple[str, ...] = ()
    """Living runs that a person stopped at W&B."""
    slots: int = 1
    """Runs of a shared sweep that may be alive at once on this machine; 0 where it takes no part."""
    gone_after_s: float = 180.0
    """Seconds of silence after which another machine of a shared sweep is gone."""
    mirrored: int = 0
    """Runs that are whole at W&B."""
    pending: int = 0
    """Runs that have something to send."""
    elsewhere: tuple[str, ...] = ()
    """Runs of these names that another machine has sent; they are left alone."""

    @classmethod
    def read(cls, paths: SweepPaths) -> Link | None:
        """Return what the file says, or None where there is none."""
        content = StateFile(paths).read("link")
        return None if content is None else cls.of(content)

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Link:
        """Return the link of a mapping; names of another version are passed over."""
        known = {f.name for f in fields(cls)}
        chosen = {name: value for name, value in content.items() if name in known}
        lists = {name: tuple(chosen.get(name, ())) for name in ("alert", "told", "stopped_runs", "elsewhere")}
        given = dict(chosen.get("labels", {}))
        labels = Labels(**{**given, "tags": tuple(given.get("tags", ()))})
        return cls(**{**chosen, "labels": labels, **lists})

    def write(self, paths: SweepPaths) -> None:
        """Replace it in the mirror's file."""
        StateFile(paths).write("link", asdict(self))

    def with_(self, **changes: Any) -> Link:
        """Return a changed copy."""
        return replace(self, **changes)


def lock_path(paths: SweepPaths) -> Path:
    """Return the file that the one mirror of the sweep holds locked."""
    return paths.root / "wandb.lock"


def folder(paths: SweepPaths) -> Path:
    """Return the folder of offline runs and of the mirror's log; ``wandb sync`` finds the runs there."""
    return paths.root / "wandb"
