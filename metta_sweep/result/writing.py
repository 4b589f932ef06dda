"""What a trainer calls: one line an evaluation, one file at the end, and between them whether to go on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from metta_sweep.result.paths import RunPaths
from metta_sweep.result.values import plain_number


def report(*, step: int, run_dir: Path | str | None = None, **metrics: float) -> None:
    """Append one evaluation to the run's ``metrics.jsonl``.

    Args:
        step: Training steps done so far.
        run_dir: The run's directory; by default the one that the sweep gave this process.
        **metrics: Metric values by name.

    Side effects:
        One ``write`` of one line to a file opened for appending, so that concurrent lines never mix.
    """
    report_metrics(metrics, step=step, run_dir=run_dir)


def report_metrics(
    metrics: Mapping[str, float], *, step: int, run_dir: Path | str | None = None, time_s: float | None = None
) -> None:
    """Do what :func:`report` does for metric names that are no Python identifiers (``action.use.altar``).

    ``time_s`` says how many seconds the run has taken so far; None: as many as this process is old.
    """
    paths = RunPaths(Path(run_dir)) if run_dir is not None else RunPaths.of_environment()
    since_s = _since_start_s() if time_s is None else time_s
    line = {"step": int(step), "time_s": round(since_s, 3), "metrics": _plain(metrics)}
    descriptor = os.open(paths.metrics, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, (json.dumps(line) + "\n").encode())
    finally:
        os.close(descriptor)


def finish(
    *, cost_s: float | None = None, steps: int | None = None, run_dir: Path | str | None = None, **metrics: float
) -> None:
    """Write the run's ``result.json`` once; the run counts as finished from then on.

    Args:
        cost_s: Cost in seconds; where it is left out the run's wall time stands in.
        steps: Training steps done.
        run_dir: The run's directory; by default the one that the sweep gave this process.
        **metrics: Final metric values by name.

    Raises:
        FileExistsError: The run already has a result.

    Side effects:
        The file is written beside its place, synced, and linked into place: it exists whole or not at all.
    """
    finish_metrics(metrics, cost_s=cost_s, steps=steps, run_dir=run_dir)


def finish_metrics(
    metrics: Mapping[str, float],
    *,
    cost_s: float | None = None,
    eval_s: float | None = None,
    steps: int | None = None,
    run_dir: Path | str | None = None,
    sync: bool = True,
) -> None:
    """Do what :func:`finish` does for metric names that are no Python identifiers.

    ``eval_s`` says how many of the seconds of ``cost_s`` were spent on evaluations; without ``sync`` the caller sees
    to it that a power cut loses nothing.
    """
    paths = RunPaths(Path(run_dir)) if run_dir is not None else RunPaths.of_environment()
    content: dict[str, Any] = {"metrics": _plain(metrics)}
    if cost_s is not None:
        content["cost_s"] = float(cost_s)
    if eval_s is not None:
        content["eval_s"] = round(float(eval_s), 3)
    if steps is not None:
        content["steps"] = int(steps)
    _write_once(paths.result, json.dumps(content, indent=1) + "\n", sync=sync)


def should_stop(*, run_dir: Path | str | None = None) -> bool:
    """Return whether the sweep wants this run to end early; False outside a sweep.

    A run that asks is not sent SIGTERM at once: it has ``launcher.exit_grace`` to ask again, save what is to be kept
    and end. What it leaves as a result after it was told to stop is no final score.

    Args:
        run_dir: The run's directory; by default the one that the sweep gave this process.

    Side effects:
        Empty files in the run's directory say that this run asks, and that it was told.
    """
    paths = RunPaths(Path(run_dir)) if run_dir is not None else RunPaths.given()
    if paths is None:
        return False
    paths.asks_stop.touch()
    if not paths.stop.exists():
        return False
    paths.saw_stop.touch()
    return True


_IMPORTED_S = time.monotonic()


def _since_start_s() -> float:
    """Return this process's age in seconds; a fork's own age, not that of the server it came from."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED_S


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
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


def _write_once(path: Path, text: str, *, sync: bool) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    try:
        os.link(beside, path)
    finally:
        beside.unlink()
