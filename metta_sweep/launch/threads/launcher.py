"""The launcher whose runs are calls in this process: on the thread that asked for the sweep, and others beside it."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType

from metta_sweep.result import RunPaths
from metta_sweep.result.paths import RUN_HERE
from metta_sweep.store.run_log import ATTEMPT_LINE
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus

KIND = "threads"

LONGEST_TRACEBACK = 64 * 1024
"""Characters of a traceback that a run's log keeps, its end."""

_OURS = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120  compared with frames' file names


class RunEndedError(BaseException):
    """Ends the call of a run that the sweep wants to end: raised by ``trial.report``.

    Like KeyboardInterrupt it is no ``Exception``, so that a training loop's own ``except Exception`` lets it through.
    """


class ThreadJob:
    """One call: what it is to do, and what became of it."""

    def __init__(self, spec: JobSpec) -> None:
        self.spec = spec
        self.status: JobStatus | None = None
        """How it ended; None before that."""
        self._began_s: float | None = None
        self._told: tuple[str, float] | None = None

    @property
    def told_to_end(self) -> str:
        """Why it is to end, ``cancelled`` or ``timeout``; empty where it is to go on."""
        return "" if self._told is None else self._told[0]

    def begin(self) -> None:
        """Note that the call begins."""
        self._began_s = time.monotonic()

    def tell_to_end(self, reason: str, grace_s: float) -> None:
        """Ask the call to end; the first reason stays."""
        self._told = self._told or (reason, time.monotonic() + grace_s)

    def look(self, *, is_leaving: bool) -> JobStatus:
        """Return its state at this moment; at its time limit it is told to end.

        Args:
            is_leaving: Whether nobody waits for calls any more that do not end when they are told to.
        """
        if self.status is not None:
            return self.status
        if self._began_s is None and not self._told:
            return JobStatus(state=JobState.QUEUED)
        limit_s, now_s = self.spec.time_limit_s, time.monotonic()
        if limit_s is not None and self._began_s is not None and now_s - self._began_s > limit_s:
            self.tell_to_end("timeout", 0.0)
        if self._told is not None and (self._began_s is None or (is_leaving and now_s > self._told[1])):
            self.end(number=signal.SIGTERM)
        return self.status or JobStatus(state=JobState.RUNNING)

    def end(self, *, code: int | None = None, number: int | None = None) -> None:
        """Note how it ended; the first ending stays."""
        wall_s = 0.0 if self._began_s is None else time.monotonic() - self._began_s
        self.status = self.status or JobStatus(
            state=JobState.EXITED, code=code, signal=number, reason=self.told_to_end, wall_s=wall_s
        )


Body = Callable[[ThreadJob], int]
"""Does what a job says, leaves its result in the run's directory, and returns an exit status."""


class ThreadLauncher:
    """Runs jobs as calls in this process; implements the port ``Launcher``.

    A thread cannot be ended from outside: what a run reports, or asks, is where it hears that it is to end.

    Args:
        body: What one job does.
        max_parallel: Calls at once: one on the thread that calls :meth:`work`, the others on threads of their own.
        wake: Called whenever a job has ended, from its thread.
    """

    def __init__(self, body: Body, *, max_parallel: int, wake: Callable[[], None]) -> None:
        self._body = body
        self._slots = max_parallel
        self._wake = wake
        self._session = uuid.uuid4().hex
        self._jobs: dict[str, ThreadJob] = {}
        self._queue: queue.SimpleQueue[ThreadJob | None] = queue.SimpleQueue()
        self._beside, self._open = 0, 0
        self._closed = False
        self.last_error: BaseException | None = None
        """What the last call that failed raised."""
        self.is_leaving = False
        """Set where the program itself is interrupted: calls that do not end in their grace are left behind."""

    def capacity(self) -> int:
        """Return the number of calls at once."""
        return self._slots

    def submit(self, spec: JobSpec) -> Handle:
        """Have the call made by the next thread that is free."""
        if spec.attempt_id not in self._jobs:
            job = self._jobs[spec.attempt_id] = ThreadJob(spec)
            self._open += 1
            self._start_beside()
            self._queue.put(job)
        return self._handle(spec)

    def _start_beside(self) -> None:
        """Start another thread where more calls are wanted than there are threads."""
        if self._beside < min(self._slots, self._open) - 1:
            self._beside += 1
            threading.Thread(target=self.work, name=f"run-{self._beside}", daemon=True).start()

    def _handle(self, spec: JobSpec) -> Handle:
        run_dir = str(spec.run_dir.absolute())
        return {"launcher": KIND, "attempt_id": spec.attempt_id, "run_dir": run_dir, "session": self._session}

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        """Return the status of each handle, in order; what another process had begun ended with it."""
        return [self._status(handle) for handle in handles]

    def _status(self, handle: Handle) -> JobStatus:
        job = self._job(handle)
        if job is None:
            return JobStatus(state=JobState.LOST, reason="the process that called it is gone")
        return job.look(is_leaving=self.is_leaving)

    def _job(self, handle: Handle) -> ThreadJob | None:
        is_ours = handle.get("session") == self._session
        return self._jobs.get(str(handle.get("attempt_id"))) if is_ours else None

    def cancel(self, handle: Handle, grace_s: float) -> None:
        """Tell the call to end."""
        job = self._job(handle)
        if job is not None:
            job.tell_to_end("cancelled", grace_s)

    def find(self, spec: JobSpec) -> Handle | None:
        """Return the handle of a call of this process; those of others ended with it."""
        return self._handle(spec) if spec.attempt_id in self._jobs else None

    def work(self) -> None:
        """Make calls until the launcher is closed.

        Raises:
            KeyboardInterrupt: It came on this thread; the call under way has ended.
        """
        while (job := self._queue.get()) is not None:
            try:
                if job.look(is_leaving=self.is_leaving).state is JobState.QUEUED:
                    self._make(job)
            finally:
                job.end(number=signal.SIGINT)  # an interruption between two lines leaves no job that never ends
                self._open -= 1
                self._wake()
        self._queue.put(None)  # for the next thread

    def _make(self, job: ThreadJob) -> None:
        """Make the call; whatever it raises is its own run's end, but for an interruption of this program."""
        here = RUN_HERE.set(job.spec.run_dir)
        job.begin()
        try:
            job.end(code=self._body(job))
        except RunEndedError as error:
            if job.told_to_end or self.is_leaving:
                job.tell_to_end("cancelled", 0.0)
                job.end(number=signal.SIGTERM)
            else:
                self._fail(job, error)
        except KeyboardInterrupt as error:
            if threading.current_thread() is not threading.main_thread():  # only there does one come from Ctrl-C
                self._fail(job, error)
                return
            job.tell_to_end("cancelled", 0.0)
            job.end(number=signal.SIGINT)
            raise
        except SystemExit as stop:
            job.end(code=_exit_status(job.spec, stop))
        except BaseException as error:  # noqa: BLE001  a function of somebody else's: it is in the run's log
            self._fail(job, error)
        finally:
            RUN_HERE.reset(here)

    def _fail(self, job: ThreadJob, error: BaseException) -> None:
        append_to_log(job.spec, traceback_of(error))
        self.last_error = error
        job.end(code=1)

    def close(self) -> None:
        """Let the threads go; a call under way goes on where nobody waits for it."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)


def _exit_status(spec: JobSpec, stop: SystemExit) -> int:
    """Return the exit status that Python would give."""
    if stop.code is None or isinstance(stop.code, int):
        return stop.code or 0
    append_to_log(spec, f"{stop.code}\n")
    return 1


def traceback_of(error: BaseException) -> str:
    """Return the traceback as Python prints it, from the first frame that is not ours."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OURS):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames or error.__traceback__))[-LONGEST_TRACEBACK:]


def append_to_log(spec: JobSpec, text: str) -> None:
    """Write into the run's log, behind a line that sets the attempt apart; a log that cannot be written is left."""
    log = RunPaths(spec.run_dir).log
    with contextlib.suppress(OSError), log.open("a", encoding="utf-8", errors="replace") as file:
        if file.tell() > 0:
            file.write(f"\n{ATTEMPT_LINE}{spec.attempt_id}\n")
        file.write(text)
