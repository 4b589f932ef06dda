"""Reading a sweep from disk: its paths by name, its state from the journal."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths, unknown_sweep
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState


def paths_of(name: str, data_dir: Path) -> SweepPaths:
    """Return the paths of a sweep that is there, by its name or its folder; ``run=NAME`` is taken as well.

    Raises:
        RequestError: There is no such sweep; it lists those that exist.
    """
    given = name.removeprefix("run=")
    paths = (SweepPaths.of_folder(Path(given)) if "/" in given else None) or SweepPaths(data_dir, given)
    if not paths.exists():
        raise unknown_sweep(paths.data_dir, paths.name)
    return paths


def state_of(paths: SweepPaths) -> SweepState:
    """Return the state of a sweep from its journal.

    Raises:
        MettaSweepError: The journal is damaged or foreign.
    """
    return SweepState.fold(map(from_json, read_events(paths)))
