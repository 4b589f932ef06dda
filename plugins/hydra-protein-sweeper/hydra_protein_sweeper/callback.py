"""Inside each run: what the function under ``@hydra.main`` returns becomes the run's ``result.json``.

Handed over as an override at the end of the app's command line, so that the app stays as it is.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import open_dict, read_write

RUN_DIR, METRIC = "METTA_SWEEP_RUN_DIR", "METTA_SWEEP_METRIC"
"""Environment variables of a run: its directory, the metric that the sweep searches by."""

OVERRIDE = "++hydra.callbacks.protein_sweeper._target_=hydra_protein_sweeper.callback.RunCallback"
"""The word that adds the callback to a command line."""

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


class RunCallback(Callback):
    """Gives a run its job number, and keeps its return value; outside a sweep it does nothing.

    Args:
        keeps_return: Whether the return value is the result; not where it is read from the run's files.
        metrics: Names of the values that are returned together, where the sweep searches by several metrics.
    """

    def __init__(self, keeps_return: bool = True, metrics: Sequence[str] = ()) -> None:
        self._keeps_return, self._metrics = keeps_return, list(metrics)

    def on_run_start(self, config: Any, **kwargs: Any) -> None:
        """Set ``hydra.job.num`` and ``hydra.job.id`` as in any multirun: configs refer to them."""
        del kwargs
        name = Path(os.environ.get(RUN_DIR, "")).name
        number = name.rpartition(".")[2]
        if number.isdecimal():
            with read_write(config.hydra.job), open_dict(config.hydra.job):
                config.hydra.job.num, config.hydra.job.id = int(number), name

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Write the result of a job that ended well, as its first process returns it."""
        del config, kwargs
        folder, is_first = os.environ.get(RUN_DIR), all(os.environ.get(name, "0") == "0" for name in _RANKS)
        if not self._keeps_return or not folder or not is_first or job_return.status.name != "COMPLETED":
            return
        result = Path(folder) / "result.json"
        if result.exists():  # the app has called finish()
            return
        metrics, problem = metrics_of(job_return._return_value, os.environ.get(METRIC, "return"), self._metrics)
        if problem:
            sys.stdout.flush()
            sys.stderr.write(f"\nno_result: {problem}\n")
        else:
            _write(result, {"metrics": metrics})


def metrics_of(value: Any, metric: str, several: Sequence[str] = ()) -> tuple[dict[str, Any], str]:
    """Return the metrics in a return value, or why there are none.

    A number is the metric itself; a mapping has metrics by name; a pair is the metric's mean and its standard error,
    which is kept as ``METRIC_se``. Where the sweep has several metrics, as many numbers are those, in their order.
    """
    main = "the function under @hydra.main returned"
    if isinstance(value, Mapping):
        found = _numbers(value)
        return found, "" if found else f"{main} a mapping without a number"
    number = _number(value)
    if number is not None:
        return {metric: number}, ""
    if isinstance(value, list | tuple):
        pair = [_number(part) for part in value]
        if several and len(pair) == len(several) and None not in pair:
            return dict(zip(several, pair, strict=True)), ""
        mean, spread = pair if len(pair) == 2 and not several else (None, None)
        if mean is not None and spread is not None and (spread >= 0.0 or math.isnan(spread)):
            return {metric: mean, **({} if math.isnan(spread) else {f"{metric}_se": spread})}, ""
        shown = f"a {type(value).__name__} of {len(value)}"
        return {}, f"{main} {shown}: need a number, a mapping of metrics, or (mean, standard error)"
    shown = "None" if value is None else f"{type(value).__name__} {str(value)[:80]!r}"
    return {}, f"{main} {shown}: have it return {metric}, a number, or a mapping of metrics"


def _numbers(value: Mapping[Any, Any]) -> dict[str, Any]:
    known = {str(key): _numbers(part) if isinstance(part, Mapping) else _number(part) for key, part in value.items()}
    return {key: part for key, part in known.items() if part is not None and part != {}}


def _number(value: Any) -> float | None:
    """Return a number of Python, numpy, torch or JAX as a float."""
    if value is None or isinstance(value, str | bytes | bytearray):
        return None
    item = getattr(value, "item", None)  # an array or tensor of one number, on whatever device
    try:
        return float(item() if callable(item) else value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that exists whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
