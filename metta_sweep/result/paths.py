"""Every file name in a run directory."""

from __future__ import annotations

import os
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

RUN_DIR_VARIABLE = "METTA_SWEEP_RUN_DIR"
"""Environment variable that tells a run where its directory is."""
METRIC_VARIABLE = "METTA_SWEEP_METRIC"
"""Environment variable that tells a run the metric that its sweep searches by."""
GOAL_VARIABLE = "METTA_SWEEP_GOAL"
"""Environment variable that tells a run whether that is to be large or small: ``maximize`` or ``minimize``."""

WANDB_VALUES_VARIABLE = "WANDB_SWEEP_PARAM_PATH"
"""Environment variable that tells the W&B client which file has values for ``wandb.config``, as W&B's agent sets it."""

RUN_HERE: ContextVar[Path | None] = ContextVar("RUN_HERE", default=None)
"""Directory of the run that this thread is, where runs are threads of one process; None everywhere else."""


@dataclass(frozen=True, slots=True)
class RunPaths:
    """Every file name inside a run directory."""

    root: Path

    @classmethod
    def given(cls) -> RunPaths | None:
        """Return the directory that the sweep gave this thread or this process; None outside a sweep."""
        root = RUN_HERE.get() or os.environ.get(RUN_DIR_VARIABLE)
        return None if root is None else cls(Path(root))

    @classmethod
    def of_environment(cls) -> RunPaths:
        """Return the directory that the sweep gave this thread or this process, or ``.`` outside a sweep."""
        return cls.given() or cls(Path())

    @property
    def config(self) -> Path:
        """The whole resolved training config."""
        return self.root / "config.yaml"

    @property
    def wandb_values(self) -> Path:
        """What ``wandb.config`` gets, where a program takes its values from there."""
        return self.root / "wandb_values.yaml"

    def used_config(self) -> Path:
        """Return what the run was configured by: its program's own config file where it has one."""
        own = self.own_configs()
        return own[0] if len(own) == 1 else self.config

    def own_configs(self) -> list[Path]:
        """Return the program's own config files as the run was given them; none for most programs."""
        return sorted(self.filled("").glob("*"))

    def filled(self, name: str) -> Path:
        """Return the program's own config file of that name, with the run's values in it."""
        return self.root / "filled" / name

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
    def stop(self) -> Path:
        """Exists once the sweep wants the run to end early."""
        return self.root / "stop"

    @property
    def asks_stop(self) -> Path:
        """Left by a run that looks for the file above by itself, and so is given time to see it."""
        return self.root / "stop.asked"

    @property
    def saw_stop(self) -> Path:
        """Left by a run that has seen it: what it reports as a result after that is not one of a whole run."""
        return self.root / "stop.seen"

    @property
    def checkpoints(self) -> Path:
        """Folder of the trainer's checkpoints."""
        return self.root / "checkpoints"

    @property
    def log(self) -> Path:
        """Standard output and error of every attempt, bounded in size."""
        return self.root / "train.log"

    @property
    def workdir(self) -> Path:
        """Where the command of the run is started, if it is to have a directory of its own."""
        return self.root / "work"

    @property
    def attempts(self) -> Path:
        """Folder of the launcher's marks: one lock and one exit record an attempt."""
        return self.root / "attempts"

    def started(self, attempt_id: str) -> Path:
        """Return the record that an attempt's process leaves as it begins."""
        return self.attempts / f"{attempt_id}.start.json"
