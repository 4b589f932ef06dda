"""``result.json`` and ``metrics.jsonl``: the one place where they are read.

Whoever trains decides what is in them, so nothing is taken on trust: sizes are bounded, every value is judged, and what
cannot be used is named in a note instead of spoiling what can.
"""

from __future__ import annotations

import errno
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from metta_sweep.result.bounded import WINDOW_BYTES, UnusableFileError, read_bytes, read_end, read_lines
from metta_sweep.result.paths import RunPaths
from metta_sweep.result.values import LONGEST_NAME, as_cost_s, as_number, as_steps, kind_of, leaves

RESULT_BYTES = 16 * 1024 * 1024
"""Most that a result file may have."""

EVALUATIONS_BYTES = 32 * 1024 * 1024
"""Most that is read of a run's evaluations; a longer file is read in evenly spaced places."""

NAMED = 5
"""Metrics that a note names; the others are counted."""

_OF_THE_RUN = frozenset({errno.EACCES, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.ENXIO})
"""What the run itself made of the file; any other error of the file system may pass."""

_NOT_JSON = (ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The content of ``result.json``."""

    metrics: Mapping[str, float]
    """Final metrics by name, raw, ``outer/inner`` where they were nested: the sweep's goal says which is better."""
    cost_s: float | None = None
    """What the run cost in seconds; None where its wall time stands in."""
    steps: int | None = None
    """Training steps done."""
    notes: tuple[str, ...] = ()
    """What was left out and why, one line each."""


class ResultError(ValueError):
    """A result file exists but does not hold a result; the message says what is wrong with it."""


def read_result(paths: RunPaths) -> RunResult | None:
    """Return the run's result, or None where there is none yet.

    NaN and infinite metrics are returned as they are: judging them is the sweep's business. What is not a number is
    left out with a note; a cost or a step count that cannot be is None with a note.

    Raises:
        ResultError: The file is not JSON object of the documented form, no regular file, or too long.
        OSError: The file system does not let it be read at this moment.
    """
    try:
        text = read_bytes(paths.result, RESULT_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return None
    except UnusableFileError as error:
        raise ResultError(f"{paths.result.name}: {error}") from error
    except OSError as error:
        if error.errno not in _OF_THE_RUN:
            raise
        raise ResultError(f"{paths.result.name}: cannot be read: {error.strerror}") from error
    try:
        content = json.loads(text)
    except _NOT_JSON as error:
        why = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ResultError(_not_the_form(paths, text, f"invalid JSON: {why}")) from error
    if not isinstance(content, dict) or not isinstance(content.get("metrics"), dict):
        raise ResultError(_not_the_form(paths, text, "no mapping of this name"))
    return _judged(content, content["metrics"])


def _not_the_form(paths: RunPaths, text: str, why: str) -> str:
    return f'{paths.result.name}: need {{"metrics": {{name: number}}}}, got {text[:200]!r} ({why})'


def _judged(content: Mapping[str, Any], given: Mapping[str, Any]) -> RunResult:
    metrics: dict[str, float] = {}
    left_out: list[str] = []
    for name, value in leaves(given):
        number = as_number(value)
        if number is None or len(name) > LONGEST_NAME:
            left_out.append(f"{name[:60]} ({kind_of(value) if number is None else 'a name too long'})")
        else:
            metrics[name] = number
    cost_s, steps = content.get("cost_s"), content.get("steps")
    notes = [f"left out of the metrics: {_some(left_out)}"] if left_out else []
    if cost_s is not None and as_cost_s(cost_s) is None:
        notes.append(f"cost_s is {_shown(cost_s)}: the run's wall time stands in")
    if steps is not None and as_steps(steps) is None:
        notes.append(f"steps is {_shown(steps)}: left out")
    return RunResult(metrics=metrics, cost_s=as_cost_s(cost_s), steps=as_steps(steps), notes=tuple(notes))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def _shown(value: object) -> str:
    number = as_number(value)
    return kind_of(value) if number is None else f"{number:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One line of ``metrics.jsonl``."""

    step: int
    """Training steps done."""
    time_s: float
    """Seconds since the attempt started; NaN where it does not say."""
    metrics: Mapping[str, float]
    """Metric values by name."""


def read_evaluations(paths: RunPaths, most_bytes: int = EVALUATIONS_BYTES) -> Iterator[Evaluation]:
    """Yield the run's evaluations in the order written; a torn or foreign line is passed over, and so is a lost file.

    Args:
        paths: The run.
        most_bytes: About as much is read: a longer file in evenly spaced places, its end among them.
    """
    try:
        for line in read_lines(paths.metrics, most_bytes):
            evaluation = _evaluation(line)
            if evaluation is not None:
                yield evaluation
    except (OSError, UnusableFileError):
        return


def newest_evaluation(paths: RunPaths, *metrics: str) -> Evaluation | None:
    """Return the run's last line, from the end of its file alone; None where there is none.

    Lines in between say how the learning goes: where the last one lacks one of ``metrics``, it is taken from the newest
    that has it.
    """
    try:
        lines = read_end(paths.metrics, WINDOW_BYTES).split(b"\n")
    except (OSError, UnusableFileError):
        return None
    found = (one for line in reversed(lines) if (one := _evaluation(line)) is not None)
    newest = next(found, None)
    if newest is None:
        return None
    values = dict(newest.metrics)
    missing = [metric for metric in metrics if metric not in values]
    while missing and (before := next(found, None)) is not None:
        values |= {metric: before.metrics[metric] for metric in missing if metric in before.metrics}
        missing = [metric for metric in missing if metric not in values]
    return newest if len(values) == len(newest.metrics) else replace(newest, metrics=values)


def _evaluation(line: bytes) -> Evaluation | None:
    try:
        content = json.loads(line)
        step, given = as_steps(content["step"]), leaves(content["metrics"])
        metrics = {name: number for name, value in given if (number := as_number(value)) is not None}
        time_s = as_cost_s(content.get("time_s"))
    except (*_NOT_JSON, KeyError, TypeError, AttributeError):
        return None
    return (
        None if step is None else Evaluation(step=step, time_s=math.nan if time_s is None else time_s, metrics=metrics)
    )
