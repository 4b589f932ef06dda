"""What the sweep needs from the outside, as Protocols that ``launch``, ``store`` and ``track`` implement."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from metta_sweep.result import Evaluation, RunPaths, RunResult

Handle = Mapping[str, Any]
"""What a launcher needs to find a job again: JSON, survives the controller, opaque to the sweep but for ``launcher``,
the launcher's kind, by which every later call goes to the launcher that made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one run occupies."""

    cpus: int = 1
    """Processor cores; the run's thread pools are limited to this number."""
    gpus: float = 0.0
    """GPUs; a fraction shares one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One attempt at one run, ready to be started."""

    attempt_id: str
    """Unique name of the attempt, ``NAME.r.K.aN``; submitting it twice starts it once."""
    command: tuple[str, ...]
    """Program and arguments; never a shell string."""
    run_dir: Path
    """The run's directory; results are left there."""
    cwd: Path | None = None
    """Working directory of the command, which exists; None for the controller's."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside those of the controller."""
    resources: Resources = field(default_factory=Resources)
    """What the run occupies."""
    time_limit_s: float | None = None
    """Seconds after which the launcher ends the whole process tree with reason ``timeout``."""
    launcher: str = ""
    """Kind of the launcher that an earlier controller was about to give the attempt to; empty: that is not known."""
    exit_grace_s: float | None = None
    """Seconds after the run's result until the launcher ends its process tree with reason ``no_exit``; None: never."""
    reader: tuple[str, ...] = ()
    """Program that finds the run's numbers beside it; empty where the run leaves its own result."""


class JobState(enum.StrEnum):
    """Where a job is. ``UNKNOWN`` is never a failure: ask again."""

    QUEUED = "queued"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A launcher's answer about one job."""

    state: JobState
    code: int | None = None
    """Exit status, where the job exited by itself."""
    signal: int | None = None
    """Number of the signal that ended it."""
    reason: str = ""
    """Why the launcher ended it: ``timeout``, ``cancelled``, ``no_exit`` (its result was there, and it went on),
    ``node_lost``, ``preempted``, ``disk_full``, or empty."""
    wall_s: float | None = None
    """Seconds from start to end as the launcher measured them, where it knows."""
    result_s: float | None = None
    """Seconds from start to the run's result, where the launcher saw it appear."""

    @property
    def is_over(self) -> bool:
        """Whether nothing of the job is alive any more."""
        return self.state in (JobState.EXITED, JobState.LOST)


class Launcher(Protocol):
    """Starts runs somewhere. Every method is quick; results lie in the run directory and never pass through here."""

    def capacity(self) -> int:
        """Return how many jobs may be started or running at once (slots)."""

    def submit(self, spec: JobSpec) -> Handle:
        """Start the attempt, once however often it is submitted.

        Raises:
            LaunchError: It could not be started; it is tried again later.
        """

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order, without blocking."""

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask the whole process tree to end (SIGTERM), end it after ``grace_s`` seconds (SIGKILL); return at once."""

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of an attempt that was submitted but not recorded, or None where it never started."""

    def close(self) -> None:
        """Release what the launcher holds; jobs that still run are left running."""


class LaunchError(Exception):
    """A launcher could not start a job; the run is not to blame."""


class Journal(Protocol):
    """The append-only table of events of one sweep; the truth."""

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Store events in order and in one transaction; when it returns they survive a power cut."""

    def read(self) -> Iterable[Mapping[str, Any]]:
        """Yield every stored event in the order written."""

    def close(self) -> None:
        """Release the file."""


class RunStore(Protocol):
    """The run directories."""

    def prepare(
        self,
        run_id: str,
        *,
        config: Mapping[str, Any],
        suggestion: Mapping[str, Any],
        has_workdir: bool = False,
        files: Mapping[str, str] | None = None,
    ) -> RunPaths:
        """Make the run's directory with its config and suggestion files; what is there already is kept.

        ``has_workdir`` asks for the directory, inside of it, that a command of its own is started in; ``files`` are
        the texts of further files, by their paths in it.
        """

    def paths(self, run_id: str) -> RunPaths:
        """Return the run's paths, whether or not they exist."""

    def result(self, run_id: str) -> RunResult | None:
        """Return the run's result or None.

        Raises:
            ResultError: The file holds none.
            OSError: The file system does not let it be read at this moment.
        """

    def evaluations(self, run_id: str) -> Iterable[Evaluation]:
        """Return the run's evaluations so far; of very many, some from beginning to end."""

    def report_bytes(self, run_id: str) -> int:
        """Return how much the run has written of its evaluations: it has grown where there is news."""

    def set_result_aside(self, run_id: str, attempt: int) -> None:
        """Rename what an attempt left as a result: the next one's is not taken for it. Nor is it asked to stop."""

    def ask_to_stop(self, run_id: str) -> bool:
        """Leave word that the run is to end early, and return whether it looks for that by itself."""

    def saw_stop(self, run_id: str) -> bool:
        """Return whether the run has seen that it is to end early: a result that it left is not one of a whole run."""

    def has_checkpoint(self, run_id: str) -> bool:
        """Return whether the run has left a checkpoint that it can go on from."""

    def set_run_aside(self, run_id: str, attempt: int) -> None:
        """Rename the directory of a run that is begun anew after so many attempts; it may have been renamed already.

        Raises:
            OSError: It cannot be.
        """

    def log_tail(self, run_id: str) -> str:
        """Return the end of the run's log, at most 16 KiB."""


class Instruction(enum.StrEnum):
    """What a person at another terminal asks of the controller."""

    WORK = "work"
    """Go on as usual."""
    PAUSE = "pause"
    """Let runs end and start nothing until told to work again."""
    STOP = "stop"
    """Let runs end, then stop."""
    STOP_NOW = "stop_now"
    """End the runs and stop."""


class Clock(Protocol):
    """Time as the sweep sees it."""

    def now_s(self) -> float:
        """Return seconds since the epoch: for the record and ``deadline``, never to measure how long something took."""

    def monotonic_s(self) -> float:
        """Return seconds that only go forward."""

    def sleep(self, seconds: float) -> None:
        """Wait; returns early on a signal."""
