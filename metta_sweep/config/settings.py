"""The blocks of settings that the sweep itself reads: written down here once, validated once, carried to the end.

They are plain frozen dataclasses, so that whoever only reads a sweep need not load pydantic: :mod:`.job` validates what
people write against the annotations here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from metta_sweep.config.durations import deadline_s, duration_s
from metta_sweep.config.forms import Exact, Read, listed, switch

STRICT: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}
"""How pydantic validates a block: an unknown name is an error, and every number is finite."""

Duration = Annotated[float, Read(duration_s)]
"""Seconds; a person may write ``30m`` or ``2h``."""
Deadline = Annotated[float, Read(deadline_s)]
"""Seconds since the epoch; a person writes a date and time."""
Whole = Annotated[int, Exact()]
Count = Annotated[int, Exact(), Ge(1), Le(1_000_000)]
Number = Annotated[float, Exact()]
Switch = Annotated[bool, Exact()]
Text = Annotated[str, Exact()]


def _without_unit(name: str) -> str:
    """Return how a person writes a field: ``wall_time`` for ``wall_time_s``."""
    return name.removesuffix("_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """``limits``: when the sweep ends, and when one run does; None means no such limit."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**STRICT, "alias_generator": _without_unit}
    rollouts: Count | None = None
    """The same as ``rollout_count``."""
    wall_time_s: Duration | None = None
    """Seconds that controllers may spend on the sweep, over all its starts."""
    total_cost_s: Duration | None = None
    """Seconds of runs, failed ones included."""
    deadline_s: Deadline | None = None
    """Seconds since the epoch after which nothing new is started."""
    target: Number | None = None
    """Value of the metric at which the search is over."""
    patience: Count | None = None
    """Rollouts without an improvement after which the search is over."""
    run_time_s: Duration | None = None
    """Seconds after which one attempt at a run is ended."""
    run_cost_s: Duration | None = None
    """Most seconds that one run may cost: Protein proposes nothing dearer, and a run that gets there is ended."""

    @property
    def run_end_s(self) -> float | None:
        """Seconds after which these limits end an attempt at a run."""
        ends = [limit for limit in (self.run_time_s, self.run_cost_s) if limit is not None]
        return min(ends, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmSettings:
    """``confirm``: the best of the search are run again on fresh seeds, so that the winner is not a lucky one."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    top_k: Annotated[Whole, Ge(1), Le(50)] = 3
    """How many points."""
    seeds: Annotated[Whole, Ge(1), Le(1000)] = 5
    """Runs a point on average: ``top_k`` times ``seeds`` in all, most of them where the best is in doubt."""
    within: Switch | None = False
    """Whether they are part of ``rollout_count``, or come on top; None: part of it where runs are ended early, so that
    it is money."""

    def reserved(self, rollouts: int, samples: int) -> int:
        """Return how many of the rollouts that were asked for these runs take, half of them at most."""
        return min(math.ceil(self.top_k * self.seeds / samples), rollouts // 2) if self.within else 0


AUTO_POINTS, AUTO_SHARE, AUTO_SEEDS = 3, 8, (2, 5)
"""What ``confirm: auto`` is: so many points, a run for so many rollouts, and the fewest and most runs a point."""


def auto_confirm(rollouts: int) -> ConfirmSettings:
    """Return what ``confirm: auto`` means beside a search of so many rollouts."""
    fewest, most = AUTO_SEEDS
    seeds = round(rollouts / (AUTO_SHARE * AUTO_POINTS))
    return ConfirmSettings(top_k=AUTO_POINTS, seeds=min(most, max(fewest, seeds)), within=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyStopSettings:
    """``early_stop``: runs that will not win are ended on their way, and their money tries other points."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    policy: Literal["auto", "model", "halving", "median"] = "auto"
    """Who judges: Protein's ``model`` of all curves; ``halving``, the better half at 20% and 50% of the length; the
    ``median`` rule at every report; ``auto`` is the model where the optimizer has one, else halving."""
    min_share: Annotated[float, Exact(), Gt(0), Le(1)] = 0.1
    """Share of its length before which a run is not judged."""
    min_full_runs: Annotated[Whole, Ge(1), Le(10_000)] = 4
    """Runs that must be known to their end before any run is judged."""
    resume: Switch | None = None
    """Whether a run that was ended goes on from its checkpoint once the model thinks better of it; None: where the
    bundled trainer trains, which can."""
    total_steps: Annotated[Whole, Ge(1)] | None = None
    """Steps of a whole run, where neither its config nor its reports say it; None: those of the runs that finished."""


STEPS = "trainer.total_timesteps"
"""Where the bundled trainer's config says how long a run is."""
EARLY_STOP_FROM = 20
"""Rollouts from which runs of the bundled trainer are ended early unless something else is said: with the money of ten
full runs it brings nothing, with that of twenty it does (benchmarks/early_stopping)."""


def read_early_stop(value: object) -> object:
    """Return what ``early_stop`` means: ``off``, ``auto``, the name of a policy, or a mapping.

    Raises:
        ValueError: It names something that there is not.
    """
    value = switch(value)
    if value in (None, "off"):
        return None
    if value in ("auto", "model", "halving", "median"):
        return {"policy": value}
    if isinstance(value, str | int | float | list):
        raise ValueError("need auto, off, or a mapping with policy: model, halving or median")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherSettings:
    """``launcher``: where runs are started, how many at once, and what each gets. Launchers may add settings."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    RUNS_HERE: ClassVar[bool] = True
    """Whether runs are on this machine: then its GPUs are theirs."""
    kind: Text = "local"
    """The launcher's name."""
    max_parallel: Count = 1
    """Runs at once."""
    gpus_per_run: Annotated[float, Exact(), Ge(0), Le(64)] | Literal["auto"] = "auto"
    """GPUs of one run; a fraction shares one, ``auto`` is one where there is one."""
    cpus_per_run: Annotated[Whole, Ge(1), Le(4096)] = 1
    """Cores of one run; its thread pools are limited to this number."""
    run_time_limit: Duration | None = None
    """Seconds after which one attempt at a run is ended."""
    max_retries: Annotated[Whole, Ge(0), Le(1000)] = 5
    """How often a run is started again after a failure that is not its parameters' (killed, infrastructure)."""
    kill_grace_s: Annotated[float, Exact(), Ge(0), Le(3600)] = 5.0
    """Seconds between asking a run to end and ending it."""
    exit_grace: Duration | None = 60.0
    """Seconds that a run has to end once its result is there; None for as long as it likes."""
    on_interrupt: Literal["requeue", "finish"] = "requeue"
    """What the first Ctrl-C does: end runs, which the next start resumes, or let them finish (the second ends them)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbSettings:
    """``wandb``: the mirror at W&B. Keys are never read from here."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    mode: Annotated[Literal["auto", "online", "offline", "off"], Read(switch)] = "auto"
    """Whether and when facts are sent."""
    project: Annotated[Text, MinLen(1), MaxLen(128)] | None = None
    """Project at W&B; None for that of WANDB_PROJECT, or metta-sweep."""
    entity: Text | None = None
    """User or team at W&B; None for the account's own."""
    tags: Annotated[tuple[Text, ...], Read(listed)] = ()
    """Tags of every run."""
    name: Annotated[Text, MaxLen(128)] | None = None
    """Name of runs; {run}, {sweep}, {rollout}, {number}, {seed} are filled in, and one without any is a prefix."""
    group: Annotated[Text, MaxLen(128)] | None = None
    """Group of every run, with the same blanks; None for one a rollout."""
    job_type: Annotated[Text, MaxLen(64)] | None = None
    """Job type of the runs of the search; None for train."""
    notes: Annotated[Text, MaxLen(2000)] | None = None
    """Notes of every run, with the same blanks."""
    share: Switch = False
    """Whether machines that are given the same ``run`` do one sweep together."""
    gone_after: Duration = 180.0
    """Seconds of silence after which another machine of a shared sweep is gone."""
    checkpoints: Switch = False
    """Whether each run's last checkpoint is kept as an artifact."""
    alert: Annotated[tuple[Literal["finished", "failed", "best"], ...], Read(listed)] = ()
    """What W&B alerts of: the sweep has done all that was asked, it failed, it has a new best."""
