"""The launcher for this machine: every attempt in a session of its own, kept by a process of its own."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from metta_sweep.errors import Problem, RequestError
from metta_sweep.launch.attempt.attempt import DEFAULT_GRACE_S, DEFAULT_LOG_LIMIT, VANISHED, AttemptFiles, Order
from metta_sweep.launch.attempt.orphans import Orphans, tell_keeper
from metta_sweep.launch.attempt.starting import forks
from metta_sweep.launch.local.gpus import GpuLeases, visible_gpus
from metta_sweep.launch.local.server_process import ServerProcess, WarmStart, accepts
from metta_sweep.store.files import read_json
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, LaunchError

KIND = "local"

_TELL_TIMES = 3
"""How many servers in a row may be killed before an attempt that none of them started is called lost."""


@dataclass(slots=True, kw_only=True)
class _Told:
    """An attempt that this controller has handed to a server."""

    order: Order
    handle: Handle
    server: str
    times: int = 1


class LocalLauncher:
    """Starts attempts on this machine through a fork server; implements the port ``Launcher``.

    What is running is told by locks and records in the run directories alone, so that a new controller adopts what a
    dead one started: it polls the handles it knows before it submits more, which also makes their GPUs count as taken.

    Args:
        folder: Where the fork server's lock and log go.
        max_parallel: Slots.
        gpus_per_run: GPUs a run: 0, a share of one, or a whole number, within the user's ``CUDA_VISIBLE_DEVICES``.
        warm: What the fork server loads so that runs start in milliseconds; None where runs are other commands.
        grace_s: Seconds between SIGTERM and SIGKILL at a time limit.
        log_limit: Bytes that a run's log may have.
        starts: Whether a fork server is started at once and loads while the caller goes on; otherwise the first
            attempt that is submitted starts it, and who only looks at attempts starts nothing.

    Raises:
        RequestError: The slots or the GPUs asked for cannot be had.
        LaunchError: The fork server cannot be started.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_parallel: int = 1,
        gpus_per_run: float = 0.0,
        warm: WarmStart | None = None,
        grace_s: float = DEFAULT_GRACE_S,
        log_limit: int = DEFAULT_LOG_LIMIT,
        starts: bool = True,
    ) -> None:
        self._leases = GpuLeases(visible_gpus() if gpus_per_run else (), gpus_per_run)
        self._slots = _slots(max_parallel, self._leases.capacity)
        self._folder = folder
        self._warm = warm if forks() else None
        self._grace_s = grace_s
        self._log_limit = log_limit
        self._told: dict[str, _Told] = {}
        self._errors: dict[str, str] = {}
        self._orphans = Orphans(grace_s)
        self._server: ServerProcess | None = ServerProcess(folder, self._warm) if starts else None

    def capacity(self) -> int:
        """Return the number of slots: ``max_parallel``, or fewer where the GPUs are fewer."""
        return self._slots

    def submit(self, spec: JobSpec) -> Handle:
        """Have the attempt started, once however often it is submitted.

        Returns:
            A handle; the attempt is queued until the fork server gets to it, a few milliseconds once it has loaded.

        Raises:
            LaunchError: The fork server cannot be started, or no GPU is free.
        """
        told = self._told.get(spec.attempt_id)
        known = told.handle if told is not None else self.find(spec)
        if known is not None:
            return known
        gpus = self._leases.lease(spec.attempt_id)
        order = Order.of(spec, grace_s=self._grace_s, log_limit=self._log_limit, gpus=gpus)
        try:
            order.files.make_folder()
            server = self._tell(order)
        except OSError as error:
            self._leases.release(spec.attempt_id)
            raise LaunchError(f"{order.files.run.attempts}: {error.strerror}") from error
        except LaunchError:
            self._leases.release(spec.attempt_id)
            raise
        handle = self._handle(spec, gpus, server=server)
        self._told[spec.attempt_id] = _Told(order=order, handle=handle, server=server)
        return handle

    def _tell(self, order: Order) -> str:
        """Hand the order to the server, or to a new one, light where the last one died while it was loading.

        Returns:
            The lock of the server that has it.
        """
        self._listen()
        server = self._server
        if server is not None and server.is_alive() and server.tell(order):
            return str(server.lock)
        if server is not None:
            self._warm = self._warm if server.is_ready else None
            server.close()
        self._server = ServerProcess(self._folder, self._warm)
        if not self._server.tell(order):
            raise LaunchError(f"the fork server exits at start, see {self._folder / 'server.log'}")
        return str(self._server.lock)

    def _handle(self, spec: JobSpec, gpus: tuple[str, ...] | None, server: str) -> Handle:
        return {
            "launcher": KIND,
            "host": socket.gethostname(),
            "attempt_id": spec.attempt_id,
            "run_dir": str(spec.run_dir.absolute()),
            "gpus": list(gpus or ()),
            "server": server,
        }

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order: a few system calls each."""
        self._listen()
        servers = {self._server_of(handle) for handle in handles if _is_ours(handle)}
        accepting = {server for server in servers if server and accepts(Path(server))}
        return [self._status(handle, accepting) for handle in handles]

    def _status(self, handle: Handle, accepting: Collection[str]) -> JobStatus:
        if not _is_ours(handle):
            return JobStatus(state=JobState.UNKNOWN, reason="not of this launcher")
        attempt_id, files = str(handle["attempt_id"]), AttemptFiles.of_handle(handle)
        may_start = attempt_id not in self._errors and self._server_of(handle) in accepting
        status = files.status(may_start=may_start)
        if status.state is JobState.LOST and status.reason == VANISHED:
            if self._orphans.end_now(files):
                return JobStatus(state=JobState.UNKNOWN, reason="its directory was removed: it is being ended")
        elif status.state is JobState.LOST:
            status = self._resubmit(attempt_id, files)
        if status.is_over:
            self._leases.release(attempt_id)
            self._told.pop(attempt_id, None)
            self._orphans.forget(files)
            return status
        self._leases.keep(attempt_id, tuple(handle.get("gpus", ())))
        self._orphans.mind(files)
        return status

    def _server_of(self, handle: Handle) -> str:
        """Return the lock of the server that was last told of the attempt."""
        told = self._told.get(str(handle["attempt_id"]))
        return told.server if told is not None else str(handle.get("server", ""))

    def _resubmit(self, attempt_id: str, files: AttemptFiles) -> JobStatus:
        """Tell another server of an attempt whose server was killed before it started it; otherwise it is lost."""
        told = self._told.get(attempt_id)
        reason = self._orphans.reason_of(files) or self._errors.get(attempt_id, "")
        if told is None or reason or told.times >= _TELL_TIMES or files.was_started:
            return JobStatus(state=JobState.LOST, reason=reason)
        try:
            told.server = self._tell(told.order)
        except LaunchError as error:
            return JobStatus(state=JobState.LOST, reason=str(error))
        told.times += 1
        return JobStatus(state=JobState.QUEUED)

    def _listen(self) -> None:
        """Take note of what the server could not start."""
        for answer in self._server.answers() if self._server is not None else ():
            if "error" in answer:
                self._errors[str(answer["attempt_id"])] = str(answer["error"])

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Ask the attempt's keeper to end its whole tree; where the keeper is dead, do it from here.

        Returns at once. An attempt that has not started yet never will.
        """
        if not _is_ours(handle):
            return
        files = AttemptFiles.of_handle(handle)
        if files.exit.exists():
            return
        if files.have_vanished:
            self._orphans.end_now(files)
            return
        files.ask_to_end(grace_s)
        if not tell_keeper(files) and files.start.exists():
            self._orphans.end(files, grace_s)

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of an attempt that some controller had started, or None."""
        files = AttemptFiles.of(spec)
        if not files.was_started:
            return None
        gpus = (read_json(files.start) or {}).get("gpus")
        handle = self._handle(spec, tuple(gpus) if gpus else None, server="")
        if gpus and files.read_exit() is None:
            self._leases.keep(spec.attempt_id, tuple(gpus))
        return handle

    def close(self) -> None:
        """Let the fork server go; attempts that run are left running and their exits are recorded."""
        self._orphans.close()
        if self._server is not None:
            self._server.close()


def _slots(max_parallel: int, gpu_slots: int | None) -> int:
    if max_parallel < 1:
        raise RequestError(
            Problem(
                key="launcher.max_parallel",
                message=f"need at least 1, got {max_parallel}",
                fix="launcher.max_parallel=1",
            )
        )
    return max_parallel if gpu_slots is None else min(max_parallel, gpu_slots)


def _is_ours(handle: Handle) -> bool:
    return handle.get("launcher") == KIND
