"""What was asked: one request, composed, resolved and valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from metta_sweep.config.origins import Origin
from metta_sweep.config.results import ResultSettings
from metta_sweep.config.settings import (
    ConfirmSettings,
    EarlyStopSettings,
    LauncherSettings,
    LimitSettings,
    WandbSettings,
)
from metta_sweep.goal import Bound, Objective
from metta_sweep.space import SearchSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A sweep as it was asked for. Its settings are what was validated; values of the training are JSON data."""

    name: str
    """The sweep's name, ``run=NAME``."""
    cmd: Literal["sweep", "plan"]
    """Whether to run the sweep or only to show it."""
    sweep_file: str
    """The sweep file, as a person would name it."""
    rollout_count: int
    """Rollouts in total."""
    num_samples: int
    """Runs a rollout, with different seeds."""
    metric: str
    """Name of the metric that is searched for."""
    goal: Literal["maximize", "minimize"]
    """Which direction is better."""
    parameters: Mapping[str, Any]
    """The swept parameters by dotted path, as written; pinned ones are left out, whole-number ones marked."""
    constraints: tuple[str, ...]
    """The sweep file's constraints, then the bundled trainer's own."""
    limits: LimitSettings
    """When the sweep ends, and when one run does."""
    protein: Mapping[str, Any]
    """Settings of Protein, complete; other optimizers may look at them."""
    command: tuple[str, ...] | None
    """Program and arguments of a run with their blanks; None for the bundled trainer."""
    training: Mapping[str, Any]
    """The whole resolved base config of a run; with an external command only what was asked for."""
    overrides: Mapping[str, Any]
    """The sweep file's own ``sweep.<group>`` blocks."""
    pinned: Mapping[str, Any]
    """Swept parameters that the command line holds at a value."""
    launcher: LauncherSettings
    """What starts runs, with the settings of its kind."""
    wandb: WandbSettings
    """The mirror."""
    data_dir: Path
    """Folder of all sweeps, absolute."""
    hardware: str | None
    """The chosen hardware group."""
    user: str | None
    """The chosen user group."""
    seed: int
    """Decides every draw of the search and the seeds of the runs."""
    space: SearchSpace
    """The search space, validated and not empty."""
    notes: tuple[str, ...]
    """What a person should know before the sweep starts, one line each."""
    origins: Mapping[str, Origin]
    """Where each value of the training config and of the sweep's own settings came from, by dotted path."""
    optimizer: str = "protein"
    """Name of what suggests."""
    early_stop: EarlyStopSettings | None = None
    """How runs that will not win are ended on their way; None for not at all."""
    confirm: ConfirmSettings | None = None
    """How the best are run again; None for not at all."""
    confirms_only: bool = False
    """Whether the search itself is left as it is: a confirmation of what is there was asked for."""
    results: ResultSettings | None = None
    """Where a run's numbers come from; None where it writes them itself."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables of every run of a command, with their blanks."""
    workdir: Literal["here", "run"] = "here"
    """Where a command is started: in this working directory, or in one of the run's own."""
    points: tuple[Mapping[str, Any], ...] = ()
    """Points to run first, in full or in part, by dotted path."""
    sources: tuple[str, ...] = ()
    """Sweeps whose runs are evidence, as written under ``from``."""
    description: str | None = None
    """What the sweep is about."""
    objectives: tuple[Objective, ...] = ()
    """All of several metrics with their goals; empty where there is one. ``metric`` is then the first of them, or what
    their weighted sum is called."""
    bounds: tuple[Bound, ...] = ()
    """Limits on reported metrics that a point must keep to count."""
    common_seeds: bool = False
    """Whether every point is run with the same seeds."""
    change: tuple[str, ...] = ()
    """What the request says that it means to change about the sweep that is there: ``metric``, ``goal``."""
    reruns: str = ""
    """The run that is done again and kept; empty for a search."""
    takeover: bool = False
    """Whether to take the sweep from a controller that holds it."""

    @property
    def first_metric(self) -> str:
        """The metric that a single number is: the one there is, or the first of several."""
        return self.objectives[0].metric if self.objectives else self.metric
