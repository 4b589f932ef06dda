"""metta_sweep: hyperparameter sweeps for expensive training.

Imports are lazy: ``from metta_sweep import Protein`` loads neither hydra nor wandb, and
``metta_sweep.report`` in a training script loads the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metta_sweep.errors import MettaSweepError, RequestError, SweepFailedError
from metta_sweep.result.writing import finish, report, should_stop

if TYPE_CHECKING:
    from metta_sweep.function.running import run, run_async
    from metta_sweep.function.trial import Trial
    from metta_sweep.launch.threads.launcher import RunEndedError
    from metta_sweep.optimize.protein import Protein
    from metta_sweep.report.opened import Sweep

    __version__: str
    """The installed version."""

__all__ = [
    "MettaSweepError",
    "Protein",
    "RequestError",
    "RunEndedError",
    "Sweep",
    "SweepFailedError",
    "Trial",
    "__version__",
    "finish",
    "report",
    "run",
    "run_async",
    "should_stop",
]

_LAZY = {
    "Protein": "metta_sweep.optimize.protein",
    "RunEndedError": "metta_sweep.launch.threads.launcher",
    "Sweep": "metta_sweep.report.opened",
    "Trial": "metta_sweep.function.trial",
    "run": "metta_sweep.function.running",
    "run_async": "metta_sweep.function.running",
}
"""Where each name is that is loaded when it is first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("metta-sweep")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
