"""The launcher for SLURM: one job an attempt, kept on its node by the same keeper as at home.

Run directories lie on a file system that the nodes share. SLURM's own accounting is not needed: how an attempt ended
is told by its exit record, and ``squeue`` only says whether one is still to be expected.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from metta_sweep.errors import Problem, RequestError
from metta_sweep.launch.attempt.attempt import DEFAULT_GRACE_S, DEFAULT_LOG_LIMIT, VANISHED, AttemptFiles, Order
from metta_sweep.launch.attempt.child import NEVER_PASSED_ON
from metta_sweep.launch.attempt.keep import JOB_LABEL
from metta_sweep.launch.attempt.processes import processes_of, send
from metta_sweep.launch.slurm.queue import QUEUED, RUNNING, QueueView, SlurmQueue, ask_now
from metta_sweep.launch.slurm.request import check_taken, options_of, wanted, words_of
from metta_sweep.launch.slurm.settings import Option
from metta_sweep.result.values import as_cost_s
from metta_sweep.store.files import is_locked, read_json, write_whole
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, LaunchError, Resources

KIND = "slurm"

ID_FILE = "slurm.id"
"""In the sweep's folder for launchers: tells its jobs from those of any other sweep."""

COMMANDS = ("sbatch", "squeue", "scancel")
"""What must be in PATH."""

RECORD_PATIENCE_S = 10.0
"""Seconds for an exit record to come through a network file system once SLURM says that its job is over."""

CANCEL_MARGIN_S = 5.0
"""Seconds beside the grace after which a job whose keeper does not end it is killed by SLURM."""

OVERDUE_S = 30.0
"""Seconds beside time limit and grace after which a job that its keeper has not ended is killed by SLURM."""

_SBATCH_PATIENCE_S = 60.0
_REASONS = {"NODE_FAIL": "node_lost", "BOOT_FAIL": "node_lost", "PREEMPTED": "preempted"}


class SlurmLauncher:
    """Submits attempts to SLURM; implements the port ``Launcher``.

    The controller may be stopped and started while jobs are queued or run. A job that SLURM preempts or whose node
    fails is lost or killed, and the sweep's next attempt resumes from the checkpoint: jobs are submitted with
    ``--no-requeue``.

    Args:
        folder: Where jobs write what their keepers have to complain of; shared with the nodes.
        max_parallel: Jobs that are queued or run at once.
        sbatch: Any options of ``sbatch``: ``{"partition": "gpu", "time": "02:00:00", "exclusive": True}``.
        grace_s: Seconds between SIGTERM and SIGKILL at a time limit.
        log_limit: Bytes that a run's log may have.

    Raises:
        RequestError: SLURM's commands are not there, or an option is one that the launcher sets itself.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_parallel: int = 1,
        sbatch: Mapping[str, Option] | None = None,
        grace_s: float = DEFAULT_GRACE_S,
        log_limit: int = DEFAULT_LOG_LIMIT,
    ) -> None:
        _check_commands()
        self._options = options_of(sbatch or {})
        self._folder = folder
        self._slots = max_parallel
        self._grace_s = grace_s
        self._log_limit = log_limit
        self._queue = SlurmQueue()
        self._submitted_s: dict[str, float] = {}
        self._missed_s: dict[str, float] = {}
        self._kill_at_s: dict[str, float] = {}
        self._running_s: dict[str, float] = {}
        self._overdue: set[str] = set()
        self._scancels: list[subprocess.Popen[bytes]] = []

    def check(self, resources: Resources) -> None:
        """Ask SLURM whether it would take a job of this launcher; one that does not answer is not an objection.

        Raises:
            RequestError: It never would, in its own words.
        """
        check_taken([*wanted(resources), *self._options])

    def capacity(self) -> int:
        """Return how many jobs may be queued or run at once."""
        return self._slots

    # ---------------------------------------------------------------- submit

    def submit(self, spec: JobSpec) -> Handle:
        """Submit the attempt as one job, once however often it is submitted.

        Raises:
            LaunchError: ``sbatch`` does not take it.
        """
        known = self.find(spec)
        if known is not None:
            return known
        order = Order.of(spec, grace_s=self._grace_s, log_limit=self._log_limit)
        files = order.files
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            files.put_order(order)
            job_id = _sbatch(self._command(spec, order), _script(files))
        except (OSError, subprocess.SubprocessError) as error:
            files.ask_to_end(0.0)
            raise LaunchError(f"sbatch: {words_of(error)}") from error
        self._submitted_s[job_id] = time.monotonic()
        return self._handle(spec, job_id)

    def _handle(self, spec: JobSpec, job_id: str) -> Handle:
        return {
            "launcher": KIND,
            "job_id": job_id,
            "comment": self._comment(spec.attempt_id),
            "attempt_id": spec.attempt_id,
            "run_dir": str(spec.run_dir.absolute()),
            "time_limit_s": spec.time_limit_s,
        }

    def _comment(self, attempt_id: str) -> str:
        """Return what only this attempt's job has as its comment: another sweep of the same name has another id.

        Side effects:
            The sweep's id is made where it has none.
        """
        file = self._folder / ID_FILE
        if not file.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, uuid.uuid4().hex + "\n", keep_existing=True)
        return f"{file.read_text(encoding='ascii').strip()} {attempt_id}"

    def _command(self, spec: JobSpec, order: Order) -> list[str]:
        """Return the ``sbatch`` command line; the user's own options come last and win."""
        ours = {
            "job-name": spec.attempt_id,
            "comment": self._comment(spec.attempt_id),
            "output": str(self._folder.absolute() / "slurm-%j.log"),
            "chdir": order.cwd,
            "export": "ALL",
        }
        given = [f"--{name}={value}" for name, value in ours.items()]
        return ["sbatch", "--parsable", "--no-requeue", *wanted(spec.resources), *given, *self._options]

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of an attempt that was started or submitted by some controller, or None.

        Asks SLURM only where the attempt's order was written and it has not started: a controller died in that moment.
        Where SLURM does not answer the handle is without a job id, and polls look for the job.
        """
        files = AttemptFiles.of(spec)
        start = read_json(files.start)
        if start is not None or files.exit.exists():
            return self._handle(spec, str((start or {}).get(JOB_LABEL, "")))
        if not files.order.exists():
            return None
        try:
            job_id = ask_now().jobs.get(self._comment(spec.attempt_id))
        except (OSError, subprocess.SubprocessError):
            job_id = ""
        return None if job_id is None else self._handle(spec, job_id)

    # ---------------------------------------------------------------- poll

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order; SLURM is asked in the background once a second."""
        view = self._queue.look()
        self._scancels = [process for process in self._scancels if process.poll() is None]
        return [self._status(handle, view) for handle in handles]

    def _status(self, handle: Handle, view: QueueView | None) -> JobStatus:
        if handle.get("launcher") != KIND:
            return JobStatus(state=JobState.UNKNOWN, reason="not of this launcher")
        files = AttemptFiles.of_handle(handle)
        job_id = _job_of(handle, view)
        record = files.read_exit()
        if record is not None:
            self._forget(job_id)
            return record.status()
        self._kill_when_due(job_id)
        if view is None or view.asked_s < self._submitted_s.get(job_id, float("-inf")):
            if is_locked(files.lock):
                return JobStatus(state=JobState.RUNNING)
            return JobStatus(state=JobState.UNKNOWN, reason="SLURM does not answer")
        state = view.states.get(job_id, "")
        if state in QUEUED or state in RUNNING:
            self._missed_s.pop(job_id, None)
            if state in RUNNING:
                self._kill_overdue(handle, job_id)
            if files.have_vanished and job_id not in self._kill_at_s:
                self._scancel(job_id)
                self._kill_at_s[job_id] = time.monotonic() + CANCEL_MARGIN_S
            return JobStatus(state=JobState.QUEUED if state in QUEUED else JobState.RUNNING)
        return self._status_of_missing(files, job_id, state)

    def _kill_overdue(self, handle: Handle, job_id: str) -> None:
        """Have SLURM kill a job whose keeper has not ended it long after its time was over: somebody has stopped it."""
        now_s, limit_s = time.monotonic(), as_cost_s(handle.get("time_limit_s"))
        lived_s = now_s - self._running_s.setdefault(job_id, now_s)
        if limit_s is not None and lived_s > limit_s + self._grace_s + OVERDUE_S:
            self._overdue.add(job_id)
            self._kill_at_s.setdefault(job_id, now_s)

    def _status_of_missing(self, files: AttemptFiles, job_id: str, state: str) -> JobStatus:
        """Return the status of an attempt whose job is over and whose exit record has not come."""
        if files.wished_grace_s() is not None and not files.start.exists():
            self._forget(job_id)
            return JobStatus(state=JobState.EXITED, signal=signal.SIGTERM, reason="cancelled")
        if files.have_vanished:
            self._forget(job_id)
            return JobStatus(state=JobState.LOST, reason=VANISHED)
        missed_s = self._missed_s.setdefault(job_id, time.monotonic())
        if time.monotonic() - missed_s < RECORD_PATIENCE_S:
            return JobStatus(state=JobState.UNKNOWN, reason=f"job {job_id} is over, its record has not come yet")
        if is_locked(files.lock):
            send(processes_of(files), signal.SIGKILL)
            return JobStatus(state=JobState.UNKNOWN, reason=f"job {job_id} is over and has left a process behind")
        reason = "timeout" if job_id in self._overdue else _REASONS.get(state, f"job {job_id}: {state or 'gone'}")
        self._forget(job_id)
        return JobStatus(state=JobState.LOST, reason=reason)

    def _forget(self, job_id: str) -> None:
        self._overdue.discard(job_id)
        for times in (self._submitted_s, self._missed_s, self._kill_at_s, self._running_s):
            times.pop(job_id, None)

    # ---------------------------------------------------------------- cancel

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask the keeper on the node to end the whole tree; SLURM removes what waits and kills what lingers."""
        if handle.get("launcher") != KIND:
            return
        files, job_id = AttemptFiles.of_handle(handle), _job_of(handle, self._queue.view)
        if files.exit.exists():
            return
        if not files.have_vanished:
            files.ask_to_end(grace_s)
        if job_id:
            self._scancel("--state=PENDING", job_id)
            self._kill_at_s[job_id] = time.monotonic() + grace_s + CANCEL_MARGIN_S

    def _kill_when_due(self, job_id: str) -> None:
        if time.monotonic() >= self._kill_at_s.get(job_id, float("inf")):
            self._kill_at_s[job_id] = time.monotonic() + CANCEL_MARGIN_S
            self._scancel("--full", "--signal=KILL", job_id)

    def _scancel(self, *arguments: str) -> None:
        """Run ``scancel`` without waiting for it."""
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(["scancel", *arguments], stdin=quiet, stdout=quiet, stderr=quiet)
        self._scancels.append(process)

    def close(self) -> None:
        """Let go of what asks SLURM; jobs stay queued or running."""
        self._queue.close()
        for process in self._scancels:
            process.wait(_SBATCH_PATIENCE_S)


def _check_commands() -> None:
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    if absent:
        raise RequestError(
            Problem(
                key="launcher",
                message=f"launcher=slurm needs {', '.join(COMMANDS)} in PATH; not found: {', '.join(absent)}",
                fix="start the sweep on a login node of the cluster, or leave launcher=local",
            )
        )


def _script(files: AttemptFiles) -> str:
    """Return the job's script: this Python, wherever it lies on the shared file system, keeps the attempt."""
    return (
        f"#!/bin/sh\nexec {shlex.join([sys.executable, '-m', 'metta_sweep.launch.attempt.keep', str(files.order)])}\n"
    )


def _sbatch(command: list[str], script: str) -> str:
    """Submit and return the job id."""
    environment = {name: value for name, value in os.environ.items() if name not in NEVER_PASSED_ON}
    found = subprocess.run(
        command, input=script, capture_output=True, text=True, check=True, timeout=_SBATCH_PATIENCE_S, env=environment
    )
    return found.stdout.strip().split(";")[0]


def _job_of(handle: Handle, view: QueueView | None) -> str:
    """Return the number of the attempt's job; until version 0.1 jobs had the path of the attempt as their comment."""
    job_id = str(handle.get("job_id", ""))
    comment = str(handle.get("comment") or AttemptFiles.of_handle(handle).name.replace("|", "_"))
    return job_id if view is None else view.job(job_id, comment)
