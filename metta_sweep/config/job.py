"""The settings of the sweep itself, validated: what is not the training's and not the search space's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from metta_sweep.config.environment import read_env
from metta_sweep.config.forms import one_or_more, switch
from metta_sweep.config.results import MetricName, ResultSettings
from metta_sweep.config.settings import (
    ConfirmSettings,
    Count,
    EarlyStopSettings,
    LauncherSettings,
    LimitSettings,
    Switch,
    WandbSettings,
    auto_confirm,
    read_early_stop,
)
from metta_sweep.config.yaml_source import brief
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import did_you_mean
from metta_sweep.secrecy import is_secret

AT_ROOT = ("rollout_count", "num_samples", "seed", "data_dir", "optimizer", "launcher", "wandb")
"""Settings that stand at the root of the job config."""
IN_SWEEP = (
    "metric",
    "goal",
    "weights",
    "bounds",
    "constraints",
    "limits",
    "confirm",
    "early_stop",
    "description",
    "results",
    "points",
    "common_seeds",
    "env",
    "workdir",
    "from",
)
"""Settings that stand inside ``sweep``."""
JOB_KEYS = frozenset(
    {
        *AT_ROOT,
        "run",
        "cmd",
        "sweep_params",
        "takeover",
        "change",
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


def _words(value: object) -> object:
    """Split a command that is one text as a shell would, without ever running one."""
    return tuple(shlex.split(value)) if isinstance(value, str) else value


Command = Annotated[tuple[Annotated[str, Field(strict=True)], ...], Field(min_length=1), BeforeValidator(_words)]


Launchers = Mapping[str, type[LauncherSettings]]
"""The settings of each launcher, by kind."""

LOCAL_ONLY: Launchers = {"local": LauncherSettings}
"""What there is where nobody says which launchers there are."""


def _chosen_launcher(value: object, info: ValidationInfo) -> object:
    """Return the settings of the launcher that the block chooses by its ``kind``; the context has ``launchers``."""
    kind = _kind_of(value)
    if not isinstance(value, Mapping) or not isinstance(kind, str):
        return value
    launchers: Launchers = (info.context or {}).get("launchers", LOCAL_ONLY)
    if kind not in launchers:
        wrong = InitErrorDetails(
            type="literal_error", loc=("kind",), input=kind, ctx={"expected": ", ".join(map(repr, sorted(launchers)))}
        )
        raise ValidationError.from_exception_data("launcher", [wrong])
    return TypeAdapter(launchers[kind]).validate_python(value)


def _kind_of(block: object) -> object:
    return block.get("kind", LOCAL.kind) if isinstance(block, Mapping) else LOCAL.kind


def _chosen_confirm(value: object, info: ValidationInfo) -> object:
    """Return what ``confirm`` means: ``off``, ``auto``, or a mapping; the count of rollouts was read before it.

    Raises:
        ValueError: It is another text.
    """
    value = switch(value)
    if value == "auto":
        limits = info.data.get("limits", LimitSettings())
        return auto_confirm(limits.rollouts or info.data.get("rollout_count", 1))
    if isinstance(value, str | int | float | list) and value != "off":
        raise ValueError("need auto, off, or a mapping with top_k and seeds")
    return None if value == "off" else value


LOCAL = LauncherSettings()
"""The launcher that is used where nothing is asked."""


class JobSettings(BaseModel):
    """Everything beside the training config and the search space."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    rollout_count: Count
    """Rollouts in total."""
    num_samples: Annotated[int, Field(strict=True, ge=1, le=10_000)]
    """Runs a rollout, with different seeds."""
    metric: MetricName
    """Name of the metric that is searched for."""
    goal: Literal["maximize", "minimize"]
    """Which direction is better."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)]
    """Decides every draw of the search and the seeds of the runs."""
    data_dir: Annotated[str, Field(strict=True, pattern=r"^[^\x00]*$", max_length=4000)]
    """Folder of all sweeps."""
    optimizer: Annotated[str, Field(strict=True)] = "protein"
    """What suggests: ``protein``, ``random``, ``sobol``, or the name under which another package brings one."""
    constraints: tuple[Annotated[str, Field(strict=True)], ...] = ()
    """Expressions over config paths."""
    points: tuple[dict[str, Any], ...] = ()
    """Points to run first, in full or in part, as written."""
    sources: Annotated[
        tuple[Annotated[str, Field(strict=True, min_length=1, max_length=4000)], ...],
        BeforeValidator(one_or_more),
        Field(alias="from", max_length=50),
    ] = ()
    """Sweeps whose runs are evidence: names, paths of their folders, or ENTITY/PROJECT/SWEEP at W&B."""
    common_seeds: Switch = False
    """Whether every point is run with the same seeds."""
    description: Annotated[str, Field(strict=True, max_length=2000)] | None = None
    """What the sweep is about, for people."""
    limits: LimitSettings = LimitSettings()
    """When to stop."""
    confirm: Annotated[ConfirmSettings | None, BeforeValidator(_chosen_confirm)] = None
    """How the best are run again; None for not at all."""
    early_stop: Annotated[EarlyStopSettings | None, BeforeValidator(read_early_stop)] = None
    """How runs that will not win are ended on their way; None for not at all."""
    launcher: Annotated[LauncherSettings, BeforeValidator(_chosen_launcher)] = LOCAL
    """How runs are started."""
    wandb: WandbSettings = WandbSettings()
    """The mirror."""
    command: Command | None = None
    """What a run is; None for the bundled trainer."""
    results: ResultSettings | None = None
    """Where a run's numbers come from; None where it writes them itself."""
    env: Annotated[dict[str, Annotated[str, Field(max_length=10_000)]], BeforeValidator(read_env)] = {}
    """Environment variables of every run, with the placeholders of the command."""
    workdir: Literal["here", "run"] = "here"
    """Where a command is started: in the sweep's own working directory, or in one of the run's own."""


def workdir_problems(job: JobSettings) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong with ``workdir``: the bundled trainer has its run's directory already."""
    if job.workdir == "run" and job.command is None:
        yield (
            "workdir",
            "is for a command of your own: the bundled trainer writes into the run's directory",
            "remove it",
        )


def name_problem(name: str) -> str | None:
    """Return what is wrong with the name of a sweep, or None."""
    if not name:
        return "need a name: it becomes a folder"
    if len(name) > MAX_NAME:
        return f"need at most {MAX_NAME} characters, got {len(name)}"
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        return f"need letters, digits, '.', '_' and '-', not starting with '.' or '-', got {name!r}"
    return None


def read_confirm(content: Mapping[str, Any]) -> ConfirmSettings:
    """Return how the best are to be run again, as ``metta-sweep confirm`` asks for it.

    Raises:
        RequestError: A setting is wrong; its key is that of the command's option.
    """
    try:
        return TypeAdapter(ConfirmSettings).validate_python(content)
    except ValidationError as error:
        told = [(f"--{details['loc'][0]}".replace("_", "-"), *_in_words("", details)) for details in error.errors()]
        raise RequestError(*(Problem(key=key, message=message, fix=fix) for key, message, fix in told)) from None


def job_problems(
    error: ValidationError, content: Mapping[str, Any], launchers: Launchers = LOCAL_ONLY
) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted key, the message and the fix of every error of the settings.

    Args:
        error: What pydantic says.
        content: What it looked at.
        launchers: The settings of each launcher, by kind.
    """
    seen: set[str] = set()
    for details in error.errors(include_url=False):
        key = _key(details["loc"], content)
        if key not in seen:
            seen.add(key)
            unknown = details["type"] in ("extra_forbidden", "unexpected_keyword_argument")
            yield key, *(_unknown(key, content, launchers) if unknown else _in_words(key, details))


def _unknown(key: str, content: Mapping[str, Any], launchers: Launchers) -> tuple[str, str]:
    """Return what is said of a name that its block does not have."""
    root, _, last = key.rpartition(".")
    if is_secret(last):
        return "keys and tokens are never read from a config", "set WANDB_API_KEY, or run wandb login"
    if root == "launcher":
        of = [kind for kind, block in launchers.items() if last in keys_of(block)]
        kind = _kind_of(content.get("launcher"))
        if of:
            return "is not known", f"it is a setting of launcher={of[0]}, and this is launcher={kind}"
        return "is not known", did_you_mean(last, keys_of(launchers.get(str(kind), LauncherSettings)))
    return "is not known", did_you_mean(last, keys_of(_BLOCKS[root]) if root in _BLOCKS else _ROOT_KEYS)


def _key(loc: tuple[int | str, ...], content: Mapping[str, Any]) -> str:
    """Return the part of pydantic's location that is in the content: branches of a union are not."""
    parts: list[str] = []
    level: Any = content
    for part in loc:
        inside = isinstance(level, Mapping) and (part in level or (level is content and part in _ROOT_KEYS))
        if not inside and not (isinstance(level, list | tuple) and isinstance(part, int)):
            break
        parts.append(str(part))
        level = level.get(part) if isinstance(level, Mapping) else level[int(part)] if int(part) < len(level) else None
    return ".".join(parts)


def _in_words(key: str, details: Any) -> tuple[str, str]:
    kind, got, context = details["type"], details["input"], details.get("ctx") or {}
    last = key.rpartition(".")[2]
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
        "greater_than": ("more than", "gt"),
        "less_than_equal": ("at most", "le"),
        "less_than": ("less than", "lt"),
    }
    if kind in limits:
        word, name = limits[kind]
        return f"need {word} {context[name]:g}"
    known = {
        "finite_number": "need a finite number",
        "string_type": "need text",
        "bool_type": "need true or false",
        "tuple_type": "need a command line, or a list of its words" if key == "command" else "need a list",
        "dataclass_type": "need a mapping",
        "too_short": "need at least one word",
        "string_pattern_mismatch": "need a name of letters, digits, '.', '/', '-' and '_'",
        "string_too_short": "need text, which may not be empty",
        "dict_type": "need a mapping",
        "string_too_long": "need a shorter text",
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


def keys_of(block: type[Any]) -> list[str]:
    """Return the names of a block's settings as a person writes them."""
    written = getattr(block, "__pydantic_config__", {}).get("alias_generator") or str
    return [written(each.name) for each in fields(block)]


_BLOCKS: Mapping[str, type[Any]] = {
    "limits": LimitSettings,
    "confirm": ConfirmSettings,
    "early_stop": EarlyStopSettings,
    "launcher": LauncherSettings,
    "wandb": WandbSettings,
    "results": ResultSettings,
}
_ROOT_KEYS = frozenset(JobSettings.model_fields)
