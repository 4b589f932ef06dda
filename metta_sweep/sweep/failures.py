"""What became of an attempt: from exit status, signal, result file and log to a result or a classified failure."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from metta_sweep.result import RunResult
from metta_sweep.result.values import as_metric
from metta_sweep.sweep.ports import JobState, JobStatus
from metta_sweep.sweep.records import Failure, FailureClass
from metta_sweep.sweep.tracebacks import LONGEST_MESSAGE, Raised, last_raised, last_words

DETAIL_LIMIT = 8_000
"""Characters of evidence kept with a failure."""

LONGEST_LISTING = 1_500
"""Longest message of what was found where a metric did not come."""

_OOM = re.compile(
    r"out of memory|OutOfMemoryError|\bMemoryError\b|std::bad_alloc|cannot allocate memory(?! in static TLS)"
    r"|oom[- ]kill|CUBLAS_STATUS_ALLOC_FAILED|RESOURCE_EXHAUSTED",
    re.IGNORECASE,
)
_DIVERGED = re.compile(
    r"^(?:[\w.]+\.)?FloatingPointError\b|^OverflowError: (?:\(34|math range|cannot convert float|.*float)"
    r"|found invalid values:\s[\s\S]*nan|probability tensor contains either `inf`, `nan`",
    re.MULTILINE,
)
_INFRASTRUCTURE = re.compile(
    r"No space left on device|Disk quota exceeded|Stale file handle|uncorrectable ECC error"
    r"|CUDA-capable device\(s\) is/are busy|device is lost|Read-only file system|NCCL error.*(?:remote|system)",
    re.IGNORECASE,
)
_WORDS = (
    (FailureClass.DIVERGED, _DIVERGED),
    (FailureClass.OOM, _OOM),
    (FailureClass.INFRASTRUCTURE, _INFRASTRUCTURE),
)
_MARK = re.compile(rf"^({FailureClass.INVALID_CONFIG}|{FailureClass.DIVERGED}): (.*)", re.MULTILINE)
"""A line by which a trainer names the class itself, as the bundled one does."""

_NO_RESULT = re.compile(rf"^{FailureClass.NO_RESULT}: (.+)$", re.MULTILINE)
"""A line by which the reader of a run's numbers says why there are none."""

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
    unreadable: str = ""
    """Why the file system did not let it be read, where it did not."""
    log_tail: str = ""
    """The end of the run's log."""
    last_step: float | None = None
    """The last step of what the run reported, where it reported anything but has no result."""


def failure_of(ending: Ending, *metrics: str) -> Failure | None:
    """Return why the attempt failed, or None where it left a usable result.

    A result wins over the exit status: a process that crashes while it closes down has done its work.
    A result that lacks one of ``metrics`` is not a failure of the run; the caller tells the user which there are.
    """
    if ending.result is not None:
        found = (_of_value(metric, ending.result.metrics.get(metric)) for metric in metrics)
        return next((failure for failure in found if failure is not None), None)
    kind, message = _class_and_message(ending)
    external = kind is FailureClass.KILLED or _is_of_the_machine(ending)
    return Failure(kind=kind, message=message, detail=_evidence(ending.log_tail), external=external)


def _is_of_the_machine(ending: Ending) -> bool:
    status = ending.status
    lost = status.state is JobState.LOST or status.reason in ("node_lost", "preempted", "disk_full")
    return lost or bool(ending.unreadable)


def _of_value(metric: str, value: float | None) -> Failure | None:
    if value is None or as_metric(value) is not None:
        return None
    return Failure(kind=FailureClass.DIVERGED, message=f"{metric} is {value:.6g}")


def _class_and_message(ending: Ending) -> tuple[FailureClass, str]:
    status = ending.status
    if ending.unreadable:
        return FailureClass.INFRASTRUCTURE, f"result.json cannot be read: {ending.unreadable}"
    if status.reason == "timeout":
        return FailureClass.TIMEOUT, _seconds("time limit reached", status.wall_s)
    if status.state is JobState.LOST or status.reason in ("node_lost", "preempted"):
        return FailureClass.INFRASTRUCTURE, f"the job was lost ({status.reason or 'its process is gone'})"
    if status.reason == "disk_full":
        return FailureClass.INFRASTRUCTURE, "it failed while the disk of its run directory was full"
    if status.reason == "no_exit" or status.code == 0:
        return FailureClass.NO_RESULT, ending.result_problem or _why_no_result(ending)
    number, raised = _signal_number(status), last_raised(ending.log_tail)
    by_log = _by_log(ending.log_tail, raised, by_signal=number is not None)
    if by_log is not None:
        return by_log
    if number in _FROM_OUTSIDE:
        return FailureClass.KILLED, f"killed by {_signal_name(number)}"
    how = _signal_name(number) if number is not None else f"exit {status.code}"
    said = raised.line if raised is not None else last_words(ending.log_tail)
    return FailureClass.CRASH, f"{how}: {said}" if said else how


def _why_no_result(ending: Ending) -> str:
    """Return why a run that exited with 0 has no result: as its reader says it, or as its files show."""
    said = _NO_RESULT.findall(ending.log_tail)
    if said:
        return str(said[-1])[:LONGEST_LISTING]
    if ending.last_step is not None:
        return (
            f"exit 0 without a result: it reported values up to step {ending.last_step:g}, but finish() was never "
            "called; call it at the end, or write results: {from: report} in the sweep file to take the last of what "
            "was reported"
        )
    return "exit 0 without a result: nothing wrote result.json in the run directory"


def _by_log(log: str, raised: Raised | None, *, by_signal: bool) -> tuple[FailureClass, str] | None:
    """Return the class that the log gives: the last traceback decides, and words elsewhere only where there is none.

    A trainer's own mark counts where no traceback follows it; so do words behind the traceback of one that a signal
    ended, which can print no other.
    """
    after = log if raised is None else raised.rest
    marks = list(_MARK.finditer(after))
    if marks:
        return FailureClass(marks[-1][1]), marks[-1][2].strip()[:LONGEST_MESSAGE]
    if raised is not None:
        for kind, pattern in _WORDS:
            if pattern.search(raised.message):
                return kind, raised.line
    return _by_words(after) if raised is None or by_signal else None


def _by_words(log: str) -> tuple[FailureClass, str] | None:
    for kind, pattern in _WORDS:
        found = list(pattern.finditer(log))
        if found:
            return kind, _line_around(log, found[-1].start())
    return None


def _line_around(log: str, position: int) -> str:
    start = log.rfind("\n", 0, position) + 1
    end = log.find("\n", position)
    return log[start : end if end >= 0 else len(log)].strip()[:LONGEST_MESSAGE]


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


def _seconds(text: str, seconds: float | None) -> str:
    return text if seconds is None else f"{text} after {seconds:.1f} s"


def _evidence(log: str) -> str:
    """Return the last traceback of the log and what follows it, or the log's end."""
    raised = last_raised(log)
    return (log if raised is None else f"{raised.text}\n{raised.rest}".rstrip())[-DETAIL_LIMIT:]
