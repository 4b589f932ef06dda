"""A request in the keywords of a Python call: the keys of the sweep file, without a file, without Hydra."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from metta_sweep.config.aims import Aims, Wrong, bounds_on_settings, read_aims, unsupported
from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import CHANGES
from metta_sweep.config.job import JobSettings, Launchers, job_problems, name_problem
from metta_sweep.config.parameters import Swept, flat_parameters
from metta_sweep.config.yaml_source import brief
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import did_you_mean
from metta_sweep.secrecy import Redaction
from metta_sweep.space import SearchSpace
from metta_sweep.space.given import checked_points
from metta_sweep.trees import leaves, nested

SETTINGS = (
    "constraints",
    "limits",
    "confirm",
    "early_stop",
    "points",
    "from",
    "common_seeds",
    "description",
    "optimizer",
    "seed",
    "num_samples",
    "rollout_count",
    "metric",
    "goal",
    "weights",
    "bounds",
    "launcher",
    "wandb",
    "data_dir",
)
"""Keywords that the sweep's own settings take as they are."""

_PLAIN = (str, int, float, bool, type(None))
_OWN = ("seed", "run")
"""Keys of a config that the sweep sets for every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    """What a call asks for, as it was written."""

    name: str
    """The sweep's name."""
    params: Mapping[str, Any]
    """The search space, in the form of ``sweep.parameters``."""
    command: tuple[str, ...]
    """What stands for a run's command: which function is called."""
    source: str
    """Where the request comes from, for a person."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Values that are the same for every run."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The other keys, of :data:`SETTINGS`; None means the default."""
    protein: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the optimizer."""
    change: tuple[str, ...] = ()
    """What the call says that it means to change about the sweep that is there."""
    takeover: bool = False
    """Whether to take the sweep from a controller that holds it."""


def ask_in_keywords(
    given: Keywords,
    *,
    cwd: Path,
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
    launchers: Launchers,
) -> Asked:
    """Validate a request.

    Args:
        given: The keywords.
        cwd: Absolute working directory; ``data_dir`` is relative to it.
        optimizer: Returns the optimizer's settings, given its name and what was written.
        launchers: The settings of each launcher there is, by kind.

    Raises:
        RequestError: With every problem found, each under its keyword.
    """
    problems: list[Problem] = []
    plain = _Plain(problems)
    wrong = name_problem(given.name) if isinstance(given.name, str) else f"need text, got {brief(given.name)}"
    if wrong:
        problems.append(Problem(key="name", message=wrong))
    problems += _change_problems(given.change)
    settings = {key: value for key, value in plain.mapping("", given.settings).items() if value is not None}
    aims, wrong_aims = read_aims(settings)
    problems += [_problem(each) for each in [*wrong_aims, *unsupported(aims, settings, given.protein)]]
    job = _job(aims, settings, launchers, problems)
    params, config = plain.mapping("params", given.params), nested(plain.mapping("config", given.config))
    problems += _config_problems(config)
    constraints = job.constraints if job is not None else ()
    swept, space = _searched(params, config, constraints, problems)
    problems += [
        _problem(each) for each in bounds_on_settings(aims, list(swept.declared), [p for p, _ in leaves(config)])
    ]
    points: list[dict[str, Any]] = []
    protein: Mapping[str, Any] = {}
    if job is not None:
        protein = _optimizer_settings(job, plain.mapping("protein", given.protein), optimizer, problems)
        if space is not None:
            points = _points(space, job.points, problems)
    if problems or job is None or space is None:
        raise RequestError(*problems)
    return _asked(given, cwd, job, aims, protein, config, swept, space, points)


def _asked(
    given: Keywords,
    cwd: Path,
    job: JobSettings,
    aims: Aims,
    protein: Mapping[str, Any],
    config: Mapping[str, Any],
    swept: Swept,
    space: SearchSpace,
    points: Sequence[Mapping[str, Any]],
) -> Asked:
    """Return what was found to be right as one request."""
    rollouts = job.limits.rollouts
    return Asked(
        name=given.name,
        cmd="sweep",
        sweep_file=given.source,
        rollout_count=job.rollout_count if rollouts is None else min(job.rollout_count, rollouts),
        num_samples=job.num_samples,
        common_seeds=job.common_seeds,
        metric=job.metric,
        goal=job.goal,
        objectives=aims.objectives,
        bounds=aims.bounds,
        parameters=swept.declared,
        constraints=tuple(constraint.expression.text for constraint in space.constraints),
        limits=job.limits,
        confirm=job.confirm,
        early_stop=job.early_stop,
        optimizer=job.optimizer,
        protein=protein,
        command=given.command,
        training=config,
        overrides=config,
        pinned={},
        launcher=job.launcher,
        wandb=job.wandb,
        data_dir=cwd / Path(job.data_dir).expanduser(),
        hardware=None,
        user=None,
        seed=job.seed,
        space=space,
        notes=(),
        origins={},
        description=job.description,
        points=tuple(points),
        sources=tuple(dict.fromkeys(job.sources)),
        change=given.change,
        takeover=given.takeover,
    )


def _config_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the values that are the same for every run."""
    for key in _OWN:
        if key in config:
            yield Problem(key=f"config.{key}", message="is set by the sweep for every run", fix="leave it out")
    redaction = Redaction.of_environment(os.environ)
    message = "holds the value of a secret of the environment: it would be written to disk"
    for path, text in leaves(config):
        if isinstance(text, str) and redaction.of_known(text) != text:
            yield Problem(
                key=f"config.{path}", message=message, fix="read it from the environment inside of the function"
            )


@dataclass(frozen=True, slots=True)
class _Plain:
    """Makes plain JSON data of what a program passes: numbers of numpy, tuples, paths."""

    problems: list[Problem]

    def mapping(self, key: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            self.problems.append(Problem(key=key, message=f"need a mapping, got {brief(value)}"))
            return {}
        return {str(name): self.value(f"{key}.{name}".lstrip("."), part) for name, part in value.items()}

    def value(self, key: str, value: Any) -> Any:
        if isinstance(value, bool | str) or type(value) in _PLAIN:
            return value
        if isinstance(value, Mapping):
            return self.mapping(key, value)
        if isinstance(value, list | tuple | range):
            return [self.value(f"{key}.{place}", part) for place, part in enumerate(value)]
        if isinstance(value, Path | datetime):
            return str(value)
        if callable(getattr(value, "item", None)) and getattr(value, "ndim", None) == 0:  # a number of numpy or torch
            return self.value(key, value.item())
        if isinstance(value, int | float):
            return float(value) if isinstance(value, float) else int(value)
        message = f"need plain data (numbers, text, lists, mappings), got {type(value).__name__}: it is written to disk"
        fix = "pass what makes it (a name, a path) and make it inside of the function"
        self.problems.append(Problem(key=key, message=message, fix=fix))
        return None


def _change_problems(change: Sequence[str]) -> Iterator[Problem]:
    for word in change:
        if word not in CHANGES:
            fix = did_you_mean(str(word), CHANGES)
            yield Problem(key="change", message=f"need {' or '.join(CHANGES)}, got {word!r}", fix=fix)


def _problem(wrong: Wrong) -> Problem:
    key, message, fix = wrong
    return Problem(key=key, message=message, fix=fix)


def _job(aims: Aims, settings: Mapping[str, Any], launchers: Launchers, problems: list[Problem]) -> JobSettings | None:
    content = {key: value for key, value in settings.items() if key not in ("weights", "bounds")}
    content |= {"metric": aims.metric, "goal": aims.goal}
    try:
        return JobSettings.model_validate(content, context={"launchers": launchers})
    except ValidationError as error:
        problems += [Problem(key=k, message=m, fix=f) for k, m, f in job_problems(error, content, launchers)]
        return None


def _searched(
    params: Mapping[str, Any], config: Mapping[str, Any], constraints: Collection[str], problems: list[Problem]
) -> tuple[Swept, SearchSpace | None]:
    swept = Swept(declared=dict(flat_parameters(params)), training=config, schema=None)
    swept.check_forms()
    swept.check_paths()
    swept.mark_integers()
    space = swept.space(list(constraints))
    if not swept.declared and not swept.problems and not problems:
        fix = 'params={"lr": {"min": 1e-5, "max": 1e-1, "distribution": "log_normal"}}'
        problems.append(Problem(key="params", message="there are no parameters to search", fix=fix))
    problems += [replace(problem, key=_in_a_call(problem.key)) for problem in swept.problems]
    return swept, space


def _in_a_call(key: str) -> str:
    """Return the key of a sweep file as the keyword that it is in a call."""
    inside = key.removeprefix("sweep.")
    return f"params{inside.removeprefix('parameters')}" if inside.startswith("parameters") else inside


def _optimizer_settings(
    job: JobSettings,
    written: Mapping[str, Any],
    optimizer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]],
    problems: list[Problem],
) -> Mapping[str, Any]:
    """Return the optimizer's settings; what a run may cost is also the most that it proposes."""
    asked, cap_s = dict(written), job.limits.run_cost_s
    given_s = asked.get("max_suggestion_cost")
    if cap_s is not None and (not isinstance(given_s, int | float) or given_s > cap_s):
        asked["max_suggestion_cost"] = cap_s
    try:
        return optimizer(job.optimizer, asked)
    except RequestError as error:
        problems += error.problems
        return {}


def _points(space: SearchSpace, given: Sequence[Mapping[str, Any]], problems: list[Problem]) -> list[dict[str, Any]]:
    points, wrong = checked_points(space, given)
    for number, problem in wrong:
        problems.append(replace(problem, key=f"points.{number}{f'.{problem.key}' if problem.key else ''}"))
    return points
