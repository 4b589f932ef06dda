"""Trainers that call ``wandb.init`` themselves: what makes them join our run, and how the mirror knows that one did."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.result import RunPaths
from metta_sweep.secrecy import Redaction
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import Run
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.facts import run_facts
from metta_sweep.track.labels import Labels
from metta_sweep.track.ranges import identity_of

FOLDER_VARIABLE = "WANDB_DIR"
"""Where the client keeps its files: the run's directory, so that the mirror sees that the trainer has begun a run."""


def joining(state: SweepState, run: Run, paths: SweepPaths, *, labels: Labels) -> dict[str, str]:
    """Return the client's variables for a run: its id, name, group and folder.

    Args:
        state: The sweep; somebody has asked for it.
        run: The run.
        paths: Its directory is the client's folder.
        labels: The user's names.
    """
    assert state.created is not None
    identity = identity_of(state.created)
    facts = run_facts(state, run, paths.run(run.run_id), identity=identity, redaction=Redaction(), labels=labels)
    return {
        "WANDB_RUN_ID": facts.wandb_id,
        "WANDB_NAME": facts.name,
        "WANDB_RUN_GROUP": facts.group,
        "WANDB_JOB_TYPE": facts.job_type,
        "WANDB_RESUME": "allow",
        FOLDER_VARIABLE: str(paths.run(run.run_id).root.resolve()),
    }


def has_joined(paths: RunPaths, wandb_id: str, *, prefix: str = "") -> bool:
    """Return whether a run's trainer has begun the W&B run of that id: the client made a folder for it.

    Args:
        paths: The run's directory.
        wandb_id: The id.
        prefix: What the folder's name begins with: ``offline-run-`` for one that was not sent.
    """
    names = [*_names(paths.root / "wandb"), *_names(paths.root / ".wandb")]
    return any(name.startswith(prefix) and name.endswith(f"-{wandb_id}") for name in names)


def _names(place: Path) -> list[str]:
    try:
        return [path.name for path in place.iterdir()]
    except OSError:
        return []
