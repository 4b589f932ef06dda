"""What the mirror knows of a shared sweep's other machines, for the controller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from metta_sweep.store.paths import SweepPaths
from metta_sweep.track.state_file import StateFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What was seen at the last look at W&B."""

    beat: int
    """Differs from look to look."""
    in_hand: Sequence[int] = ()
    """Numbers that this machine has claimed and not used yet."""
    elsewhere: Sequence[int] = ()
    """Numbers of rollouts that others are doing."""
    points: Sequence[Mapping[str, Any]] = ()
    """The points of those, as far as they are known."""
    is_first_elsewhere: bool = False
    """Whether another machine does rollout 0 at a point that is not known yet: it is the center."""
    ceded: Sequence[int] = ()
    """Numbers of this machine's rollouts that others have given up on."""
    finished: Sequence[Mapping[str, Any]] = ()
    """Rollouts of others that the journal does not have yet: ``events`` as JSON, ``configs`` by run id."""
    machines: Sequence[str] = ()
    """Hosts of the other machines at work."""

    @classmethod
    def read(cls, paths: SweepPaths) -> Board | None:
        """Return what the file says, or None where there is none."""
        content = StateFile(paths).read("machines")
        return None if content is None else cls(**content)

    def write(self, paths: SweepPaths) -> None:
        """Replace it in the mirror's file."""
        StateFile(paths).write("machines", asdict(self))
