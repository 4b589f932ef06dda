"""One run of a command outside a sweep: bounded, ended with everything that it started, its outputs noticed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from metta_sweep.errors import SweepFailedError
from metta_sweep.launch.attempt.child import NEVER_PASSED_ON
from metta_sweep.result import RUN_DIR_VARIABLE, RunPaths
from metta_sweep.results.globs import TooManyEntriesError, find

GRACE_S = 5.0
"""Seconds that a run has to end once it is asked to."""


def with_own(env: Mapping[str, str], run: RunPaths) -> dict[str, str]:
    """Return the whole environment of a run: this process's, what is given, and where its directory is."""
    base = {name: value for name, value in os.environ.items() if name not in NEVER_PASSED_ON}
    return {"OMP_NUM_THREADS": "1", **base, **env, RUN_DIR_VARIABLE: str(run.root.resolve())}


def run_once(
    command: Sequence[str], run: RunPaths, env: Mapping[str, str], cwd: Path, limit_s: float | None
) -> tuple[int | None, float]:
    """Run a command into its log, and return its exit status, None at the time limit, and its seconds.

    At the limit, or where this process is interrupted, the command and all of its process group are ended.

    Raises:
        SweepFailedError: It cannot be started.
    """
    began_s = time.monotonic()
    with run.log.open("ab") as log:
        try:
            process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise SweepFailedError(f"{command[0]}: {error.strerror}") from error
    try:
        code: int | None = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _end(process)
    return code, time.monotonic() - began_s


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is left of a process group: asked first, as trainers save what they have then."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Outputs:
    """The files below a folder that something writes; made before it starts.

    Args:
        folder: The folder.
        besides: A folder whose files do not count.
    """

    def __init__(self, folder: Path, *, besides: Path) -> None:
        self._folder = folder
        self._besides = besides
        self._before = dict(self._states())

    def written(self) -> list[str]:
        """Return what was written since, by its name below the folder; nothing where there is too much to look at."""
        return [name for name, state in self._states() if self._before.get(name) != state]

    def _states(self) -> Iterator[tuple[str, tuple[int, int]]]:
        with contextlib.suppress(TooManyEntriesError):
            for path in find("**", self._folder, skips=lambda folder: folder == self._besides):
                with contextlib.suppress(OSError):
                    found = path.stat()
                    yield str(path.relative_to(self._folder)), (found.st_mtime_ns, found.st_size)
