"""The launchers there are: one door by which a sweep gets what starts its runs, and what follows runs started before.

A launcher of one's own is a :class:`LauncherKind` behind an entry point of the group ``metta_sweep.launchers``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar

from metta_sweep.config.settings import LauncherSettings
from metta_sweep.errors import RequestError
from metta_sweep.sweep.ports import Handle, Launcher, Resources

S = TypeVar("S", bound=LauncherSettings)

GROUP = "metta_sweep.launchers"
"""Entry points of launchers from other packages."""

BUILT_IN: Mapping[str, str] = {
    "local": "metta_sweep.launch.local.kind",
    "slurm": "metta_sweep.launch.slurm.kind",
    "ray": "metta_sweep.launch.ray.kind",
}
"""Modules of our own launchers by kind, each with its ``KIND``."""

FOLLOWED: Mapping[str, str] = {"threads": "metta_sweep.launch.threads.kind"}
"""Modules of launchers that no request chooses: a program makes them itself, and whoever comes later follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartOrder(Generic[S]):
    """What a launcher is made with to start the runs of one sweep."""

    folder: Path
    """A folder of the sweep's own for the launcher's files; it need not exist."""
    settings: S
    """What was asked, of the kind's own type."""
    resources: Resources
    """What one run occupies."""
    is_bundled: bool
    """Whether runs are the bundled trainer, which a launcher may keep loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherKind(Generic[S]):
    """A launcher, as the rest of the package finds it."""

    name: str
    """What ``launcher.kind`` says, and ``launcher`` in each of its handles."""
    settings: type[S]
    """What may be set; a frozen dataclass that adds to :class:`LauncherSettings`."""
    start: Callable[[StartOrder[S]], Launcher]
    """Makes the launcher that starts runs; raises RequestError where it cannot be had here."""
    follow: Callable[[Path, Handle], Launcher]
    """Makes a launcher that polls and cancels what an earlier one started, told by the folder and one of its handles;
    it starts nothing. Raises RequestError where the jobs cannot be reached from here."""


@cache
def kinds() -> Mapping[str, LauncherKind[Any]]:
    """Return every launcher there is by name: our own first, then those of other packages.

    Raises:
        RequestError: One of another package cannot be loaded, or has a name that is taken.
    """
    found: dict[str, LauncherKind[Any]] = {name: import_module(module).KIND for name, module in BUILT_IN.items()}
    for point in entry_points(group=GROUP):
        if point.name in found:
            raise _unusable(point.name, "its name is taken")
        found[point.name] = _loaded(point)
    return found


def _loaded(point: EntryPoint) -> LauncherKind[Any]:
    try:
        kind = point.load()
    except Exception as error:  # whatever another package's code raises, the message names it
        raise _unusable(point.name, f"{type(error).__name__}: {error}") from error
    if not isinstance(kind, LauncherKind):
        raise _unusable(point.name, f"need a LauncherKind, got {type(kind).__name__}")
    return kind


def _unusable(name: str, why: str) -> RequestError:
    fix = "mend or uninstall the package that brings it"
    return RequestError.of(f"the launcher {name!r} of another package cannot be used: {why}", key="launcher", fix=fix)


def following() -> Mapping[str, LauncherKind[Any]]:
    """Return every launcher that a handle may name."""
    return {**kinds(), **{name: import_module(module).KIND for name, module in FOLLOWED.items()}}


def settings_by_kind() -> dict[str, type[LauncherSettings]]:
    """Return what may be set about each launcher."""
    return {name: kind.settings for name, kind in kinds().items()}
