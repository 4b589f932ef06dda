"""A Hydra callback that keeps what ``@hydra.main`` returns, handed over by an override: the app stays as it is.

``++hydra.callbacks.metta_sweep._target_=metta_sweep_client.hydra.ReturnValue``
"""

from __future__ import annotations

import os
from typing import Any, Mapping

from hydra.experimental.callback import Callback

from metta_sweep_client import RUN_DIR_VARIABLE, plain_number, run_dir, write_once

FILE = "returned.json"
"""What is written in the run's directory: ``{"value": …}``, or ``{"type": …}`` for what JSON cannot hold."""

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")


class ReturnValue(Callback):
    """Writes the return value of the job to the run's directory; outside a sweep it does nothing."""

    def on_job_end(self, config: Any, job_return: Any, **kwargs: Any) -> None:
        """Keep the value of a job that ended well, as its first process returns it."""
        del config, kwargs
        is_first = all(os.environ.get(name, "0") == "0" for name in _RANKS)
        if RUN_DIR_VARIABLE not in os.environ or not is_first or job_return.status.name != "COMPLETED":
            return
        value = job_return._return_value
        plain = _plain(value)
        write_once(run_dir() / FILE, {"type": type(value).__name__} if plain is None else {"value": plain})


def _plain(value: Any) -> Any:
    """Return the numbers in a value as JSON has them; None where there are none."""
    if value is None or isinstance(value, (str, bytes)):
        return None
    if isinstance(value, Mapping):
        known = {str(key): _plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in known.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    try:
        return plain_number(value)
    except (TypeError, ValueError, RuntimeError):
        return None
