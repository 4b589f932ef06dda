"""How a user wants the runs of a sweep to be called and marked at W&B: from the request, or from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metta_sweep.config.settings import WandbSettings

BLANKS = ("run", "sweep", "rollout", "number", "seed")
"""What may stand in braces in a label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """How a user wants runs to be called and marked; blanks in braces are filled in. Empty: as we do."""

    name: str = ""
    """Shown name; one without a blank becomes a prefix of the run's own."""
    group: str = ""
    """Runs of one group stand together."""
    job_type: str = ""
    """Kind of the search's runs."""
    notes: str = ""
    """Notes."""
    tags: tuple[str, ...] = ()
    """Tags, beside those of ours."""


def labels_of(settings: WandbSettings, environ: Mapping[str, str]) -> Labels:
    """Return the labels; where the request leaves one open the client's own variable decides, tags go together."""
    tags = (tag.strip() for tag in environ.get("WANDB_TAGS", "").split(","))
    return Labels(
        name=settings.name or environ.get("WANDB_NAME", ""),
        group=settings.group or environ.get("WANDB_RUN_GROUP", ""),
        job_type=settings.job_type or environ.get("WANDB_JOB_TYPE", ""),
        notes=settings.notes or environ.get("WANDB_NOTES", ""),
        tags=tuple(dict.fromkeys([*settings.tags, *filter(None, tags)])),
    )


def number_of(run_id: str) -> int:
    """Return the number of ``NAME.r.K``."""
    return int(run_id.rpartition(".")[2])
