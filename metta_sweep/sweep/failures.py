"""What became of an attempt: from exit status, signal, result file and log to a result or a classified failure."""

from __future__ import annotations

import math
import re
import signal
from dataclasses import dataclass

from metta_sweep.result import RunResult
from metta_sweep.sweep.ports import JobState, JobStatus
from metta_sweep.sweep.records import Failure, FailureClass

DETAIL_LIMIT = 8_000
"""Characters of evidence kept with a failure."""

_OOM = re.compile(
    r"out of memory|OutOfMemoryError|\bMemoryError\b|std::bad_alloc|cannot allocate memory|oom[- ]kill"
    r"|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED",
    re.IGNORECASE,
)
_DIVERGED = re.compile(r"^diverged:|FloatingPointError|^OverflowError", re.MULTILINE)
_INVALID = re.compile(r"^invalid_config:", re.MULTILINE)
_INFRASTRUCTURE = re.compile(
    r"No space left on device|Disk quota exceeded|Stale file handle|uncorrectable ECC error"
    r"|CUDA-capable device\(s\) is/are busy|device is lost|Read-only file system|NCCL error.*(?:remote|system)",
    re.IGNORECASE,
)
_TRACEBACK = re.compile(r"^Traceback \(most recent call last\):$", re.MULTILINE)
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known about an attempt that is over."""

    status: JobStatus
    """The launcher's answer."""
    result: RunResult | None = None
    """The result file's content, where it holds one."""
    result_problem: str = ""
    """What is wrong with the result file, where something is."""
    log_tail: str = ""
    """The end of the run's log."""


def failure_of(ending: Ending, metric: str) -> Failure | None:
    """Return why the attempt failed, or None where it left a usable result.

    A result wins over the exit status: a process that crashes while it closes down has done its work.
    A result that lacks ``metric`` is no failure of the run; the caller tells the user which metrics there are.
    """
    if ending.result is not None:
        return _of_value(metric, ending.result.metrics.get(metric))
    kind, message = _class_and_message(ending)
    return Failure(kind=kind, message=message, detail=_evidence(ending.log_tail))


def _of_value(metric: str, value: float | None) -> Failure | None:
    if value is None or math.isfinite(value):
        return None
    return Failure(kind=FailureClass.DIVERGED, message=f"{metric} is {value}")


def _class_and_message(ending: Ending) -> tuple[FailureClass, str]:
    status, log = ending.status, ending.log_tail
    number = _signal_number(status)
    if status.reason == "timeout":
        return FailureClass.TIMEOUT, _seconds("time limit reached", status.wall_s)
    if status.state is JobState.LOST or status.reason in ("node_lost", "preempted"):
        return FailureClass.INFRASTRUCTURE, f"the job was lost ({status.reason or 'its process is gone'})"
    if status.reason == "disk_full":
        return FailureClass.INFRASTRUCTURE, "it failed while the disk of its run directory was full"
    if ending.result_problem:
        return FailureClass.NO_RESULT, ending.result_problem
    if status.code == 0:
        return (
            FailureClass.NO_RESULT,
            "exit 0 without a result: nothing wrote result.json in the run directory",
        )
    by_log = _by_log(log)
    if by_log is not None:
        return by_log
    if number in _FROM_OUTSIDE:
        return FailureClass.KILLED, f"killed by {_signal_name(number)}"
    return FailureClass.CRASH, _crash_message(status, number, log)


def _by_log(log: str) -> tuple[FailureClass, str] | None:
    """Return the class that the log's own words give; the more specific patterns come first."""
    patterns = (
        (FailureClass.INVALID_CONFIG, _INVALID),
        (FailureClass.DIVERGED, _DIVERGED),
        (FailureClass.OOM, _OOM),
        (FailureClass.INFRASTRUCTURE, _INFRASTRUCTURE),
    )
    for kind, pattern in patterns:
        found = pattern.search(log)
        if found:
            return kind, _line_around(log, found.start()).removeprefix(f"{kind}: ")
    return None


def _line_around(log: str, position: int) -> str:
    start = log.rfind("\n", 0, position) + 1
    end = log.find("\n", position)
    return log[start : end if end >= 0 else len(log)].strip()[:300]


def _signal_number(status: JobStatus) -> int | None:
    """Return the signal that ended the job, also where a shell reports it as 128 + n."""
    if status.signal is not None:
        return status.signal
    if status.code is not None and status.code > 128 and status.code - 128 in set(signal.Signals):
        return status.code - 128
    return None


def _signal_name(number: int | None) -> str:
    try:
        return signal.Signals(number or 0).name
    except ValueError:
        return f"signal {number}"


def _crash_message(status: JobStatus, number: int | None, log: str) -> str:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    how = _signal_name(number) if number is not None else f"exit {status.code}"
    return f"{how}: {last[:300]}" if last else how


def _seconds(text: str, seconds: float | None) -> str:
    return text if seconds is None else f"{text} after {seconds:.1f} s"


def _evidence(log: str) -> str:
    """Return the last traceback of the log, or its end."""
    starts = [found.start() for found in _TRACEBACK.finditer(log)]
    return log[starts[-1] if starts else 0 :][-DETAIL_LIMIT:]
