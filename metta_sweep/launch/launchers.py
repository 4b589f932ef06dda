"""All launchers of one sweep as one: it starts with today's, and follows each earlier run with the one that made it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from metta_sweep.errors import MettaSweepError
from metta_sweep.launch.registry import following
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, Launcher, LaunchError

TRY_AGAIN_S = 30.0
"""Seconds until a launcher that could not be had is tried again."""


class Launchers:
    """Goes by the handle: whoever made it polls and cancels it. Implements the port ``Launcher``.

    Args:
        folder: The sweep's folder for the files of launchers.
        kind: What starts runs; empty where nothing is to be started.
        starting: The launcher of that kind.
    """

    def __init__(self, folder: Path, kind: str = "", starting: Launcher | None = None) -> None:
        self._folder = folder
        self._starting = starting
        self._known: dict[str, Launcher] = {} if starting is None else {kind: starting}
        self._away: dict[str, tuple[str, float]] = {}

    def capacity(self) -> int:
        """Return how many jobs the launcher that starts runs takes at once."""
        return self._starting.capacity() if self._starting is not None else 0

    def submit(self, spec: JobSpec) -> Handle:
        """Start the attempt with the launcher that starts runs.

        Raises:
            LaunchError: It could not be started.
        """
        if self._starting is None:
            raise LaunchError("nothing is started here")
        return self._starting.submit(spec)

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order; each launcher is asked once, for all of its own."""
        found: dict[int, JobStatus] = {}
        for kind in dict.fromkeys(map(kind_of, handles)):
            places = [place for place, handle in enumerate(handles) if kind_of(handle) == kind]
            own = [handles[place] for place in places]
            launcher = self._of(kind, own[0])
            if isinstance(launcher, str):
                statuses = [JobStatus(state=JobState.UNKNOWN, reason=launcher)] * len(own)
            else:
                statuses = launcher.poll(own)
            found.update(zip(places, statuses, strict=True))
        return [found[place] for place in range(len(handles))]

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Have the attempt ended by the launcher that made its handle; nothing is done where that cannot be had."""
        launcher = self._of(kind_of(handle), handle)
        if not isinstance(launcher, str):
            launcher.cancel(handle, grace_s)

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of an attempt that a launcher had started for an earlier controller, or None.

        Where that launcher cannot be had now the handle only names it, and polls say why.
        """
        if not spec.launcher:
            return self._starting.find(spec) if self._starting is not None else None
        handle = {"launcher": spec.launcher, "attempt_id": spec.attempt_id, "run_dir": str(spec.run_dir.absolute())}
        launcher = self._of(spec.launcher, handle)
        return handle if isinstance(launcher, str) else launcher.find(spec)

    def _of(self, kind: str, handle: Handle) -> Launcher | str:
        """Return the launcher of a kind, or why it cannot be had."""
        if kind in self._known:
            return self._known[kind]
        why, again_s = self._away.get(kind, ("", 0.0))
        if why and time.monotonic() < again_s:
            return why
        try:
            self._known[kind] = self._follow(kind, handle)
        except (MettaSweepError, LaunchError, OSError) as error:
            why = f"launcher {kind} cannot be reached from here: {str(error).splitlines()[0]}"
            self._away[kind] = why, time.monotonic() + TRY_AGAIN_S
            return why
        return self._known[kind]

    def _follow(self, kind: str, handle: Handle) -> Launcher:
        known = following()
        if kind not in known:
            raise LaunchError(f"there is none of that name; there are {', '.join(known)}")
        return known[kind].follow(self._folder, handle)

    def close(self) -> None:
        """Release what each launcher holds; jobs that still run are left running."""
        for launcher in self._known.values():
            launcher.close()


def kind_of(handle: Handle) -> str:
    """Return the kind of the launcher that made a handle."""
    return str(handle.get("launcher", ""))
