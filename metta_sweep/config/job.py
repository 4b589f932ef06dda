"""The settings of the sweep itself, validated: what is not the training's and not the search space's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from metta_sweep.config.durations import deadline_s, duration_s
from metta_sweep.config.nearest import did_you_mean
from metta_sweep.config.yaml_source import brief
from metta_sweep.secrecy import is_secret

Duration = Annotated[float, BeforeValidator(duration_s)]
Deadline = Annotated[float, BeforeValidator(deadline_s)]
PositiveInt = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]

AT_ROOT = ("rollout_count", "num_samples", "seed", "data_dir", "launcher", "wandb")
"""Settings that stand at the root of the job config."""
IN_SWEEP = ("metric", "goal", "constraints", "limits", "confirm", "description")
"""Settings that stand inside ``sweep``."""
JOB_KEYS = frozenset(
    {
        *AT_ROOT,
        "run",
        "cmd",
        "sweep_params",
        "takeover",
        "sweep",
        "protein",
        "command",
        "hardware",
        "user",
        "experiment",
    }
)
"""Root keys that are the sweep's own."""
MAX_NAME = 100
"""Longest name of a sweep."""


class Settings(BaseModel):
    """A block of settings: frozen, and a key that it does not have is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class LimitSettings(Settings):
    """``limits``: when the sweep ends, and when one run does."""

    rollouts: PositiveInt | None = None
    """The same as ``rollout_count``."""
    wall_time: Duration | None = None
    """Time that controllers spend on the sweep."""
    total_cost: Duration | None = None
    """Cost of all runs together."""
    deadline: Deadline | None = None
    """Point in time after which nothing new is started."""
    target: Number | None = None
    """Value of the metric at which the search is over."""
    patience: PositiveInt | None = None
    """Rollouts without an improvement after which the search is over."""
    run_time: Duration | None = None
    """Time after which one attempt at a run is ended."""
    run_cost: Duration | None = None
    """Most that one run may cost: Protein proposes nothing dearer, and a run that gets there is ended."""


class ConfirmSettings(Settings):
    """``confirm``: the best of the search are run again on fresh seeds, so that the winner is not a lucky one."""

    top_k: Annotated[int, Field(strict=True, ge=1, le=50)] = 3
    """How many points."""
    seeds: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5
    """Runs a point on average: ``top_k`` times ``seeds`` in all, most of them where the best is in doubt."""


class LauncherSettings(Settings):
    """``launcher``: where runs are started, how many at once, and what each gets."""

    kind: Literal["local", "slurm", "ray"] = "local"
    """What starts runs: this machine, SLURM, or a Ray cluster."""
    sbatch: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    """Options of ``sbatch`` by name, for SLURM only: ``{partition: gpu, time: "02:00:00"}``."""
    address: str | None = None
    """Address of the cluster, for Ray only; ``RAY_ADDRESS`` or the one on this machine by default."""
    resources: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(default_factory=dict)
    """Custom resources of one run, for Ray only: ``{big_memory: 1}``."""
    max_parallel: PositiveInt = 1
    """Runs at once."""
    gpus_per_run: Annotated[float, Field(strict=True, ge=0, le=64, allow_inf_nan=False)] | Literal["auto"] = "auto"
    """GPUs of one run; a fraction shares one, ``auto`` is one where there is one."""
    cpus_per_run: Annotated[int, Field(strict=True, ge=1, le=4096)] = 1
    """Cores of one run; its thread pools are limited to this number."""
    run_time_limit: Duration | None = None
    """Time after which one attempt at a run is ended."""
    max_retries: Annotated[int, Field(strict=True, ge=0, le=1000)] = 5
    """How often a run is started again after a failure that is not its parameters' (killed, infrastructure)."""
    kill_grace_s: Annotated[float, Field(strict=True, ge=0, le=3600, allow_inf_nan=False)] = 5.0
    """Seconds between asking a run to end and ending it."""
    on_interrupt: Literal["requeue", "finish"] = "requeue"
    """What the first Ctrl-C does: end runs, which the next start resumes, or let them finish (the second ends them)."""


def _switch(value: object) -> object:
    """Undo YAML's reading of ``off`` and ``on`` as booleans."""
    return {False: "off", True: "on"}[value] if isinstance(value, bool) else value


class WandbSettings(Settings):
    """``wandb``: the mirror at W&B. Keys are never read from here."""

    mode: Annotated[Literal["auto", "online", "offline", "off"], BeforeValidator(_switch)] = "auto"
    """Whether and when facts are sent."""
    project: Annotated[str, Field(strict=True, min_length=1, max_length=128)] = "metta-sweep"
    """Project at W&B."""
    entity: Annotated[str, Field(strict=True)] | None = None
    """User or team at W&B; None for the account's own."""
    tags: tuple[str, ...] = ()
    """Tags of every run."""
    share: Annotated[bool, Field(strict=True)] = False
    """Whether machines that are given the same ``run`` do one sweep together."""
    gone_after: Duration = 180.0
    """Time of silence after which another machine of a shared sweep is gone."""
    checkpoints: Annotated[bool, Field(strict=True)] = False
    """Whether each run's last checkpoint is kept as an artifact."""


def _words(value: object) -> object:
    """Split a command that is one text as a shell would, without ever running one."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


Command = Annotated[tuple[Annotated[str, Field(strict=True)], ...], Field(min_length=1), BeforeValidator(_words)]


class JobSettings(Settings):
    """Everything beside the training config and the search space."""

    rollout_count: PositiveInt
    """Rollouts in total."""
    num_samples: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    """Runs a rollout, with different seeds."""
    metric: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z_][\w./\- ]{0,199}$")]
    """Name of the metric that is searched for."""
    goal: Literal["maximize", "minimize"]
    """Which direction is better."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)]
    """Decides every draw of the search and the seeds of the runs."""
    data_dir: Annotated[str, Field(strict=True, pattern=r"^[^\x00]*$", max_length=4000)]
    """Folder of all sweeps."""
    constraints: tuple[Annotated[str, Field(strict=True)], ...] = ()
    """Expressions over config paths."""
    description: Annotated[str, Field(strict=True, max_length=2000)] | None = None
    """What the sweep is about, for people."""
    limits: LimitSettings = LimitSettings()
    """When to stop."""
    confirm: ConfirmSettings | None = None
    """How the best are run again; None for not at all."""
    launcher: LauncherSettings = LauncherSettings()
    """How runs are started."""
    wandb: WandbSettings = WandbSettings()
    """The mirror."""
    command: Command | None = None
    """What a run is; None for the bundled trainer."""


def name_problem(name: str) -> str | None:
    """Return what is wrong with the name of a sweep, or None."""
    if not name:
        return "need a name: it becomes a folder"
    if len(name) > MAX_NAME:
        return f"need at most {MAX_NAME} characters, got {len(name)}"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        return f"need letters, digits, '.', '_' and '-', not starting with '.' or '-', got {name!r}"
    return None


def job_problems(error: ValidationError, content: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted key, the message and the fix of every error of the settings."""
    seen: set[str] = set()
    for details in error.errors(include_url=False):
        key = _key(details["loc"], content)
        if key not in seen:
            seen.add(key)
            yield key, *_in_words(key, details)


def _key(loc: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
    """Return the part of pydantic's location that is in the content: branches of a union are not."""
    parts: list[str] = []
    level: Any = content
    for part in loc:
        inside = isinstance(level, Mapping) and (part in level or part in _ALL_FIELDS)
        if not inside and not (isinstance(level, list | tuple) and isinstance(part, int)):
            break
        parts.append(str(part))
        level = level.get(part) if isinstance(level, Mapping) else level[int(part)] if int(part) < len(level) else None
    return ".".join(parts)


def _in_words(key: str, details: Any) -> tuple[str, str]:
    kind, got, context = details["type"], details["input"], details.get("ctx") or {}
    last = key.rpartition(".")[2]
    if kind == "extra_forbidden":
        block = _BLOCKS.get(key.partition(".")[0])
        if is_secret(last):
            return "keys and tokens are never read from a config", "set WANDB_API_KEY, or run wandb login"
        known = [name for name in (block or JobSettings).model_fields if name != "kind"]
        return "is not known", did_you_mean(last, known)
    need = _need(last, kind, context, details["msg"])
    shown = f"{need}, got {brief(got)}"
    if kind == "literal_error" and isinstance(got, str):
        options = [part.strip().strip("'") for part in re.split(r",| or ", str(context.get("expected", "")))]
        return shown, did_you_mean(got, options)
    return shown, _unquote_fix(last, kind, got)


def _need(key: str, kind: str, context: Mapping[str, Any], message: str) -> str:
    if kind == "value_error":
        return str(context.get("error", message))
    if kind.startswith(("int", "float")):
        return "need a whole number" if kind.startswith("int") else "need a number"
    limits = {
        "greater_than_equal": ("at least", "ge"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
    }
    if kind in limits:
        word, name = limits[kind]
        return f"need {word} {context[name]:g}"
    known = {
        "finite_number": "need a finite number",
        "string_type": "need text",
        "tuple_type": "need a command line, or a list of its words" if key == "command" else "need a list",
        "model_type": "need a mapping",
        "too_short": "need at least one word",
        "string_pattern_mismatch": "need a name of letters, digits, '.', '/', '-' and '_'",
        "literal_error": f"need one of {context.get('expected', '')}".replace(" or ", ", ").replace("'", ""),
    }
    return known.get(kind, message)


def _unquote_fix(key: str, kind: str, got: object) -> str:
    """Return how to write a number that came as text."""
    if not kind.startswith(("int", "float")) or not isinstance(got, str):
        return ""
    try:
        float(got)
    except ValueError:
        return ""
    return f"write it without quotes: {key}: {got.strip()}"


_BLOCKS: dict[str, type[Settings]] = {
    "limits": LimitSettings,
    "confirm": ConfirmSettings,
    "launcher": LauncherSettings,
    "wandb": WandbSettings,
}
_ALL_FIELDS = frozenset(JobSettings.model_fields).union(*(block.model_fields for block in _BLOCKS.values()))
