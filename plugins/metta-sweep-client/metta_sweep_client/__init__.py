"""What a training script calls when a metta_sweep sweep runs it: ``report``, ``finish``, ``should_stop``.

Standard library only. The sweep says by the environment variable ``METTA_SWEEP_RUN_DIR`` where the run's files go.
"""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from typing import Any, Mapping, Optional

__all__ = ["finish", "report", "run_dir", "should_stop"]

RUN_DIR_VARIABLE = "METTA_SWEEP_RUN_DIR"
"""Environment variable that has the run's directory."""

STOP_FILE, ASKED_FILE, SEEN_FILE = "stop", "stop.asked", "stop.seen"
"""Empty files in the run's directory: the sweep wants the run to end early; the run looks for that; it has seen it."""

_IMPORTED_S = time.monotonic()


def run_dir() -> Path:
    """Return the run's directory; the working directory outside a sweep."""
    return Path(os.environ.get(RUN_DIR_VARIABLE, "."))


def report(metrics: Optional[Mapping[str, Any]] = None, *, step: int, **more: Any) -> None:
    """Append one evaluation to the run's ``metrics.jsonl``.

    Args:
        metrics: Values by name, for names that are no Python identifiers.
        step: Training steps done so far.
        **more: Values by name.
    """
    values = _plain({**(metrics or {}), **more})
    line = {"step": int(step), "time_s": round(time.monotonic() - _IMPORTED_S, 3), "metrics": values}
    descriptor = os.open(run_dir() / "metrics.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


def finish(
    metrics: Optional[Mapping[str, Any]] = None,
    *,
    cost_s: Optional[float] = None,
    steps: Optional[int] = None,
    **more: Any,
) -> None:
    """Write the run's result, once.

    Args:
        metrics: Final values by name, for names that are no Python identifiers.
        cost_s: Cost in seconds; where it is left out the run's wall time stands in.
        steps: Training steps done.
        **more: Final values by name.

    Raises:
        FileExistsError: The run has a result already.
    """
    content: dict[str, Any] = {"metrics": _plain({**(metrics or {}), **more})}
    if cost_s is not None:
        content["cost_s"] = float(cost_s)
    if steps is not None:
        content["steps"] = int(steps)
    write_once(run_dir() / "result.json", content)


def should_stop() -> bool:
    """Return whether the sweep wants this run to end early; its checkpoint and what it has reported are kept.

    A run that asks is not sent SIGTERM at once: it has ``launcher.exit_grace`` (a minute) to ask again, save what is to
    be kept and end. What it leaves as a result after it was told to stop is no final score.
    """
    if RUN_DIR_VARIABLE not in os.environ:
        return False
    (run_dir() / ASKED_FILE).touch()
    if not (run_dir() / STOP_FILE).exists():
        return False
    (run_dir() / SEEN_FILE).touch()
    return True


def write_once(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that exists whole or not at all.

    Raises:
        FileExistsError: There is one already.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    finally:
        beside.unlink()


def plain_number(value: Any) -> float:
    """Return a number of Python, or the one value of an array of numpy, torch or JAX, as a float.

    Raises:
        TypeError, ValueError, RuntimeError: It is none, or several.
    """
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _plain(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return built-in floats, so that what numpy, torch and JAX have of one value can be passed as it comes.

    Raises:
        TypeError: One is no number.
    """
    found = {}
    for name, value in metrics.items():
        try:
            found[str(name)] = plain_number(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"{name}: need a number, got {value!r:.60} ({type(value).__name__})") from error
    return found
