"""What a run writes and a sweep reads: the files of a run directory.

Standard library only: a training script can ``import metta_sweep`` and call :func:`report` and
:func:`finish` without paying for torch, and a program in another language can write the same files.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUN_DIR_VARIABLE = "METTA_SWEEP_RUN_DIR"
"""Environment variable that tells a run where its directory is."""


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Every file name inside a run directory."""

    root: Path

    @classmethod
    def of_environment(cls) -> RunPaths:
        """Return the directory that the sweep gave this process, or ``.`` outside a sweep."""
        return cls(Path(os.environ.get(RUN_DIR_VARIABLE, ".")))

    @property
    def config(self) -> Path:
        """The whole resolved training config."""
        return self.root / "config.yaml"

    @property
    def suggestion(self) -> Path:
        """What Protein proposed, and why."""
        return self.root / "protein_suggestion.yaml"

    @property
    def metrics(self) -> Path:
        """One JSON line an evaluation."""
        return self.root / "metrics.jsonl"

    @property
    def result(self) -> Path:
        """The final metrics; its existence means that the run is finished."""
        return self.root / "result.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of the trainer's checkpoints."""
        return self.root / "checkpoints"

    @property
    def log(self) -> Path:
        """Standard output and error of every attempt, bounded in size."""
        return self.root / "train.log"

    @property
    def attempts(self) -> Path:
        """Folder of the launcher's marks: one lock and one exit record an attempt."""
        return self.root / "attempts"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The content of ``result.json``."""

    metrics: Mapping[str, float]
    """Final metrics by name, raw: the sweep's goal says which direction is better."""
    cost_s: float | None = None
    """What the run cost in seconds; None where its wall time stands in."""
    steps: int | None = None
    """Training steps done."""


class ResultError(ValueError):
    """A result file exists but does not hold a result; the message says what is wrong with it."""


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


def report_metrics(metrics: Mapping[str, float], *, step: int, run_dir: Path | str | None = None) -> None:
    """Do what :func:`report` does for metric names that are no Python identifiers (``action.use.altar``)."""
    paths = RunPaths(Path(run_dir)) if run_dir is not None else RunPaths.of_environment()
    line = {"step": int(step), "time_s": round(_since_start_s(), 3), "metrics": _plain(metrics)}
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
    steps: int | None = None,
    run_dir: Path | str | None = None,
) -> None:
    """Do what :func:`finish` does for metric names that are no Python identifiers."""
    paths = RunPaths(Path(run_dir)) if run_dir is not None else RunPaths.of_environment()
    content: dict[str, Any] = {"metrics": _plain(metrics)}
    if cost_s is not None:
        content["cost_s"] = float(cost_s)
    if steps is not None:
        content["steps"] = int(steps)
    _write_once(paths.result, json.dumps(content, indent=1) + "\n")


def read_result(paths: RunPaths) -> RunResult | None:
    """Return the run's result, or None where there is none yet.

    NaN and infinite metrics are returned as they are: judging them is the sweep's business.

    Raises:
        ResultError: The file is no JSON object of the documented form.
    """
    try:
        text = paths.result.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        metrics = {str(name): float(value) for name, value in content["metrics"].items()}
        cost_s, steps = content.get("cost_s"), content.get("steps")
        return RunResult(
            metrics=metrics,
            cost_s=None if cost_s is None else float(cost_s),
            steps=None if steps is None else int(steps),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ResultError(
            f'{paths.result.name}: need {{"metrics": {{name: number}}}}, got {text[:200]!r} ({error})'
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One line of ``metrics.jsonl``."""

    step: int
    """Training steps done."""
    time_s: float
    """Seconds since the attempt started."""
    metrics: Mapping[str, float]
    """Metric values by name."""


def read_evaluations(paths: RunPaths) -> Iterator[Evaluation]:
    """Yield the run's evaluations in the order written; a torn or foreign line is skipped."""
    try:
        lines = paths.metrics.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            content = json.loads(line)
            metrics = {str(name): float(value) for name, value in content["metrics"].items()}
            yield Evaluation(step=int(content["step"]), time_s=float(content.get("time_s", math.nan)), metrics=metrics)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            continue


_IMPORTED_S = time.monotonic()


def _since_start_s() -> float:
    """Return this process's age in seconds; a fork's own age, not that of the server it came from."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        return time.monotonic() - _IMPORTED_S


def _plain(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return built-in floats, so that numpy and torch scalars can be passed as they come."""
    return {str(name): float(value) for name, value in metrics.items()}


def _write_once(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, path)
    finally:
        beside.unlink()
