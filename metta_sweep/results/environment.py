"""What a run needs so that a reader finds its numbers: environment variables, and words on its command line."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

import metta_sweep
from metta_sweep.result import WANDB_VALUES_VARIABLE, RunPaths
from metta_sweep.results.hydra import OVERRIDE
from metta_sweep.results.mlflow import DATABASE

CLIENT = "metta-sweep-client"


def client_folder() -> Path:
    """Return the folder to put on a Python's path so that it finds ``metta_sweep_client``."""
    package = Path(metta_sweep.__file__).resolve().parent
    checkout = package.parent / "plugins" / CLIENT
    return checkout if checkout.is_dir() else package / "client"


def run_environment(
    readers: Collection[str],
    *,
    sweep: str,
    base: Mapping[str, str],
    is_online: bool = False,
    has_values: bool = False,
) -> dict[str, str]:
    """Return the variables of every run; ``{run_dir}`` and ``{run_id}`` in them are filled in for each.

    Args:
        readers: Names of the readers.
        sweep: The sweep's name.
        base: The variables that runs have anyway.
        is_online: Whether W&B is to be written to over the network: the client then keeps the same file.
        has_values: Whether ``wandb.config`` is given the values of a file in the run's directory.
    """
    variables: dict[str, str] = {}
    if "stdout" in readers:
        variables["PYTHONUNBUFFERED"] = "1"
    if "wandb" in readers:
        variables |= {"WANDB_DIR": "{run_dir}", "WANDB_RUN_ID": "{run_id}", "WANDB_NAME": "{run_id}"}
        variables |= {"WANDB_RUN_GROUP": sweep} if is_online else {"WANDB_RUN_GROUP": sweep, "WANDB_MODE": "offline"}
        if has_values:
            variables[WANDB_VALUES_VARIABLE] = str(RunPaths(Path("{run_dir}")).wandb_values)
    if "mlflow" in readers:
        variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{DATABASE}"
    if "hydra" in readers:
        paths = [base["PYTHONPATH"]] if base.get("PYTHONPATH") else []
        variables["PYTHONPATH"] = os.pathsep.join([*paths, str(client_folder())])
    return variables


def command_words(readers: Collection[str]) -> tuple[str, ...]:
    """Return what is added to the end of the command of every run."""
    return (OVERRIDE,) if "hydra" in readers else ()
