"""What SLURM says of our jobs, asked in the background so that nobody waits for it."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

FORMAT = "%i|%T|%k"
"""Job id, state, comment."""

QUEUED = frozenset({"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"})
RUNNING = frozenset({"RUNNING", "COMPLETING", "STAGE_OUT", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING"})

_EVERY_S = 1.0
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """The user's jobs at a moment."""

    asked_s: float
    """When SLURM was asked, monotonic seconds: a job submitted later may be missing."""
    states: Mapping[str, str] = field(default_factory=dict)
    """State by job id, of jobs that are there or ended a few minutes ago."""
    jobs: Mapping[str, str] = field(default_factory=dict)
    """Job id by comment, the latest where there are several."""
    comments: Mapping[str, str] = field(default_factory=dict)
    """Comment by job id."""

    @classmethod
    def parse(cls, text: str, asked_s: float) -> QueueView:
        """Return what the lines of ``squeue`` say; a line of another form is passed over."""
        rows = [line.split("|", 2) for line in text.splitlines() if line.count("|") >= 2]
        states = {job_id: state for job_id, state, _ in rows}
        comments = {job_id: comment for job_id, _, comment in rows}
        return cls(
            asked_s=asked_s,
            states=states,
            jobs={comment: job_id for job_id, comment in comments.items()},
            comments=comments,
        )

    def job(self, job_id: str, comment: str) -> str:
        """Return the number of the job that was submitted with this comment; empty where it is not there any more.

        Args:
            job_id: The number that was recorded, which is taken unless it is another job's by now: SLURM gives numbers
                twice once it has lost its state. Empty where none was recorded.
            comment: What only that job has.
        """
        if job_id and self.comments.get(job_id, comment) == comment:
            return job_id
        return self.jobs.get(comment, "")


def ask_now() -> QueueView:
    """Ask SLURM and wait for its answer.

    Raises:
        OSError: ``squeue`` cannot be run.
        subprocess.SubprocessError: SLURM does not answer.
    """
    asked_s = time.monotonic()
    found = subprocess.run(_command(), capture_output=True, text=True, check=True, timeout=_PATIENCE_S)
    return QueueView.parse(found.stdout, asked_s)


class SlurmQueue:
    """Asks SLURM every second while somebody looks, and keeps the last answer."""

    def __init__(self) -> None:
        self.view: QueueView | None = None
        self._asked_s = float("-inf")
        self._asking: tuple[subprocess.Popen[bytes], IO[bytes]] | None = None

    def look(self) -> QueueView | None:
        """Return the last answer, or None where SLURM did not give one to the last question; never waits."""
        if self._asking is not None:
            self._take_answer(*self._asking)
        if self._asking is None and time.monotonic() - self._asked_s >= _EVERY_S:
            self._ask()
        return self.view

    def _ask(self) -> None:
        self._asked_s = time.monotonic()
        answer = tempfile.TemporaryFile()  # noqa: SIM115  read and closed when the answer is there
        try:
            process = subprocess.Popen(_command(), stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL)
        except OSError:
            self.view = None
            answer.close()
        else:
            self._asking = process, answer

    def _take_answer(self, process: subprocess.Popen[bytes], answer: IO[bytes]) -> None:
        if process.poll() is None:
            if time.monotonic() - self._asked_s > _PATIENCE_S:
                process.kill()
            return
        answer.seek(0)
        text = answer.read().decode(errors="replace")
        answer.close()
        self.view = QueueView.parse(text, self._asked_s) if process.returncode == 0 else None
        self._asking = None

    def close(self) -> None:
        """Give up a question that is still open."""
        if self._asking is not None:
            process, answer = self._asking
            process.kill()
            process.wait()
            answer.close()
            self._asking = None


def _command() -> list[str]:
    return ["squeue", "--me", "--noheader", "--states=all", f"--format={FORMAT}"]
