"""metta_sweep: hyperparameter sweeps for expensive training.

Imports are lazy: ``from metta_sweep import Protein`` loads neither hydra nor wandb, and
``metta_sweep.report`` in a training script loads the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metta_sweep.result.writing import finish, report, should_stop

if TYPE_CHECKING:
    from metta_sweep.optimize.protein import Protein
    from metta_sweep.report.opened import Sweep

    __version__: str
    """The installed version."""

__all__ = ["Protein", "Sweep", "__version__", "finish", "report", "should_stop"]


def __getattr__(name: str) -> Any:
    if name == "Protein":
        from metta_sweep.optimize.protein import Protein

        return Protein
    if name == "Sweep":
        from metta_sweep.report.opened import Sweep

        return Sweep
    if name == "__version__":
        from importlib.metadata import version

        return version("metta-sweep")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
