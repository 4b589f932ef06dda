"""An attempt's order and the marks it leaves in its run directory, by which any later process knows its state."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from metta_sweep.result import RunPaths
from metta_sweep.result.values import as_cost_s
from metta_sweep.store.files import is_locked, read_json, take_lock, write_json, write_whole
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus

ATTEMPT_VARIABLE = "METTA_SWEEP_ATTEMPT"
"""Environment variable that tells a run, and whatever it starts, which attempt it is part of."""

DEFAULT_GRACE_S = 5.0
"""Seconds between SIGTERM and SIGKILL where nobody says otherwise."""

DEFAULT_LOG_LIMIT = 8 * 1024 * 1024
"""Bytes that a run's log may have."""

VANISHED = "directory_gone"
"""Reason of an attempt whose run directory was removed while it ran."""

_LOCK_PATIENCE_S = 0.2
"""Longer than any look at an attempt's lock; whoever holds it longer is running the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Everything that a keeper is told about its attempt; JSON."""

    attempt_id: str
    """Unique name of the attempt, ``NAME.r.K.aN``."""
    command: tuple[str, ...]
    """Program and arguments."""
    run_dir: str
    """The run's directory, absolute."""
    cwd: str
    """Working directory of the command: that of the controller, or one of the run's own."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beside those that the keeper was started with."""
    cpus: int = 1
    """Cores; the thread pools of the usual libraries are limited to this number."""
    gpus: tuple[str, ...] | None = None
    """What ``CUDA_VISIBLE_DEVICES`` lists; None leaves it as it is."""
    time_limit_s: float | None = None
    """Seconds after which the whole tree is ended with reason ``timeout``."""
    exit_grace_s: float | None = None
    """Seconds after the run's result until the whole tree is ended with reason ``no_exit``; None for never."""
    grace_s: float = DEFAULT_GRACE_S
    """Seconds between SIGTERM and SIGKILL where the time limit ends the tree."""
    log_limit: int = DEFAULT_LOG_LIMIT
    """Bytes that the run's log may have."""
    reader: tuple[str, ...] = ()
    """Program that reads the run's numbers beside it, see :mod:`metta_sweep.launch.attempt.result_reader`."""

    @classmethod
    def of(cls, spec: JobSpec, *, grace_s: float, log_limit: int, gpus: tuple[str, ...] | None = None) -> Order:
        """Return the order for a job of this process: it runs in its working directory, or in this process's."""
        return cls(
            attempt_id=spec.attempt_id,
            command=spec.command,
            run_dir=str(spec.run_dir.absolute()),
            cwd=str(Path.cwd() if spec.cwd is None else spec.cwd.absolute()),
            env=dict(spec.env),
            cpus=spec.resources.cpus,
            gpus=gpus,
            time_limit_s=spec.time_limit_s,
            exit_grace_s=spec.exit_grace_s,
            grace_s=grace_s,
            log_limit=log_limit,
            reader=spec.reader,
        )

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Order:
        """Return the order that :meth:`to_json` gave."""
        gpus = content.get("gpus")
        known = {**content, "command": tuple(content["command"]), "gpus": None if gpus is None else tuple(gpus)}
        known["reader"] = tuple(content.get("reader", ()))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """Return the order as plain JSON values."""
        return asdict(self)

    @property
    def files(self) -> AttemptFiles:
        """The attempt's marks."""
        return AttemptFiles(RunPaths(Path(self.run_dir)), self.attempt_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRecord:
    """How an attempt ended; written once, by its keeper, when nothing of it is alive any more."""

    code: int | None
    """Exit status, where the command exited by itself."""
    signal: int | None = None
    """Number of the signal that ended it."""
    reason: str | None = None
    """``timeout``, ``no_exit`` or ``cancelled`` where the keeper ended it, ``disk_full`` where it failed on a full
    disk."""
    wall_s: float | None = None
    """Seconds from start to end."""
    result_s: float | None = None
    """Seconds from start to the run's result, where it left one."""

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> ExitRecord:
        """Return the record of a file that lies where a run can write; what cannot be is None."""
        code, number, reason = (content.get(name) for name in ("code", "signal", "reason"))
        return cls(
            code=code if isinstance(code, int) else None,
            signal=number if isinstance(number, int) else None,
            reason=reason if isinstance(reason, str) else None,
            wall_s=as_cost_s(content.get("wall_s")),
            result_s=as_cost_s(content.get("result_s")),
        )

    def status(self) -> JobStatus:
        """Return the record as a launcher's answer."""
        return JobStatus(
            state=JobState.EXITED,
            code=self.code,
            signal=self.signal,
            reason=self.reason or "",
            wall_s=self.wall_s,
            result_s=self.result_s,
        )


@dataclass(frozen=True, slots=True)
class AttemptFiles:
    """The marks of one attempt.

    ``lock`` is held by the keeper and the command from before the start to after the end; ``start`` says which
    processes they are; ``cancel`` asks the keeper to end the attempt; ``exit`` says how it ended. So: an exit record
    means ended, a held lock means alive, and a start without either means that the attempt was lost.
    """

    run: RunPaths
    attempt_id: str

    @classmethod
    def of(cls, spec: JobSpec) -> AttemptFiles:
        """Return the marks of a job."""
        return cls(RunPaths(spec.run_dir.absolute()), spec.attempt_id)

    @classmethod
    def of_handle(cls, handle: Handle) -> AttemptFiles:
        """Return the marks of the job that a handle of ours stands for."""
        return cls(RunPaths(Path(str(handle["run_dir"]))), str(handle["attempt_id"]))

    def put_order(self, order: Order) -> None:
        """Leave the order for the job that will run ``keep``, readable by its user alone."""
        self.run.attempts.mkdir(parents=True, exist_ok=True)
        write_whole(self.order, json.dumps(order.to_json()) + "\n")
        self.order.chmod(0o600)

    @property
    def name(self) -> str:
        """What tells the attempt from any other of the user's: two sweeps may have the same name."""
        return str(self.run.root / self.attempt_id)

    @property
    def lock(self) -> Path:
        """Held while anything of the attempt is alive."""
        return self.run.attempts / f"{self.attempt_id}.lock"

    @property
    def start(self) -> Path:
        """Who keeps the attempt and which process it is."""
        return self.run.started(self.attempt_id)

    @property
    def usage(self) -> Path:
        """What its processes used, noted every few seconds where they ran."""
        return self.run.attempts / f"{self.attempt_id}.usage.jsonl"

    @property
    def order(self) -> Path:
        """What a queueing system's job is to do; there from before it is queued until it starts."""
        return self.run.attempts / f"{self.attempt_id}.order.json"

    @property
    def cancel(self) -> Path:
        """A wish to end the attempt."""
        return self.run.attempts / f"{self.attempt_id}.cancel.json"

    @property
    def exit(self) -> Path:
        """How the attempt ended."""
        return self.run.attempts / f"{self.attempt_id}.exit.json"

    @property
    def exit_draft(self) -> Path:
        """Room for the exit record, taken at the start so that a full disk cannot refuse it at the end."""
        return self.run.attempts / f".{self.attempt_id}.exit.draft"

    @property
    def have_vanished(self) -> bool:
        """Whether the run's directory was removed; where the folder of all runs is away, too, that is not known."""
        try:
            self.run.attempts.stat()
        except FileNotFoundError:
            return self.run.root.parent.is_dir()
        except OSError:
            return False
        return False

    def make_folder(self) -> None:
        """Make the folder of the marks before anybody is told of the attempt: from then on it is there or removed."""
        self.run.attempts.mkdir(parents=True, exist_ok=True)

    @property
    def was_started(self) -> bool:
        """Whether the attempt ever began."""
        return self.start.exists() or self.exit.exists() or is_locked(self.lock)

    def claim(self) -> int | None:
        """Return the held lock of the attempt where nobody ever started it, or None.

        Side effects:
            The folder of the marks is made where it is missing.
        """
        self.run.attempts.mkdir(parents=True, exist_ok=True)
        lock = take_lock(self.lock, patience_s=_LOCK_PATIENCE_S)
        if lock is not None and (self.start.exists() or self.exit.exists()):
            os.close(lock)
            return None
        return lock

    def read_exit(self) -> ExitRecord | None:
        """Return how the attempt ended, or None where it has not."""
        content = read_json(self.exit)
        return None if content is None else ExitRecord.parse(content)

    def ask_to_end(self, grace_s: float) -> None:
        """Leave the wish that the attempt be ended; the keeper finds it within a second, at once if it is signalled."""
        write_json(self.cancel, {"grace_s": grace_s})

    def wished_grace_s(self) -> float | None:
        """Return the grace of a wish to end the attempt, or None where there is no wish."""
        content = read_json(self.cancel)
        if content is None:
            return None
        grace_s = as_cost_s(content.get("grace_s"))
        return DEFAULT_GRACE_S if grace_s is None else grace_s

    def status(self, *, may_start: bool) -> JobStatus:
        """Return the attempt's state from its marks.

        Args:
            may_start: Whether whoever was told to start it was able to, looked up before this call: what has been
                started since then shows in the marks.
        """
        alive = is_locked(self.lock)
        record = self.read_exit()
        if record is not None:
            return record.status()
        if alive:
            return JobStatus(state=JobState.RUNNING)
        if self.have_vanished:
            return JobStatus(state=JobState.LOST, reason=VANISHED)
        if may_start and not self.start.exists():
            return JobStatus(state=JobState.QUEUED)
        return self._status_without_a_living_process()

    def _status_without_a_living_process(self) -> JobStatus:
        """Look once more: a record may have been written, and the lock let go, between the two looks above."""
        record = self.read_exit()
        if record is not None:
            return record.status()
        return JobStatus(state=JobState.RUNNING if is_locked(self.lock) else JobState.LOST)
