"""The arguments of :func:`metta_sweep.run` as a request."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from metta_sweep.config.asked import Asked
from metta_sweep.config.keywords import Keywords, ask_in_keywords
from metta_sweep.config.settings import LauncherSettings
from metta_sweep.errors import Problem, RequestError
from metta_sweep.function.calling import Function, check_callable, is_async, name_of
from metta_sweep.function.reference import Reference
from metta_sweep.invocation import default_data_dir
from metta_sweep.launch.registry import settings_by_kind
from metta_sweep.launch.threads.launcher import KIND as THREADS
from metta_sweep.nearest import did_you_mean
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.sweep.records import CALLED

PROCESSES = "processes"
"""Workers that are processes of this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What :func:`metta_sweep.run` was called with, checked."""

    function: Function
    """The function."""
    asked: Asked
    """The request."""
    reference: Reference | None
    """How other processes find the function; None where it is called in this one."""

    @property
    def name(self) -> str:
        """The function's name."""
        return name_of(self.function)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that a run has to report."""
        asked = self.asked
        names = [one.metric for one in asked.objectives] or [asked.metric]
        return tuple(dict.fromkeys([*names, *(bound.metric for bound in asked.bounds)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The keywords of :func:`metta_sweep.run`, under the names of the sweep file where it has them."""

    name: str
    metric: Any
    goal: Any
    weights: Any = None
    bounds: Any = None
    rollout_count: int = 10
    max_parallel: int = 1
    workers: str = THREADS
    data_dir: Path | str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    constraints: Sequence[str] = ()
    points: Sequence[Mapping[str, Any]] = ()
    limits: Mapping[str, Any] | None = None
    early_stop: Any = None
    confirm: str | Mapping[str, Any] | None = None
    num_samples: int = 1
    common_seeds: bool = False
    seed: int = 0
    optimizer: str = "protein"
    protein: Mapping[str, Any] = field(default_factory=dict)
    sources: str | Sequence[str] = ()
    description: str | None = None
    wandb: Any = None
    launcher: Mapping[str, Any] = field(default_factory=dict)
    change: str | Sequence[str] = ()
    takeover: bool = False


def known_options() -> list[str]:
    """Return the keywords there are."""
    return [each.name for each in fields(Options)]


def read_call(function: Function, params: Any, given: Mapping[str, Any], *, may_await: bool) -> Call:
    """Return what a call asks for.

    Args:
        function: The function.
        params: The search space.
        given: The other arguments.
        may_await: Whether an ``async`` function can be called.

    Raises:
        RequestError: With every problem found, each under its keyword.
    """
    unknown = [name for name in given if name not in known_options()]
    if unknown:
        raise RequestError.of("there is no such argument", key=unknown[0], fix=_meant(unknown[0]))
    check_callable(function)
    options = Options(**given)
    if is_async(function):
        _check_async(function, options, may_await=may_await)
    launchers = {**settings_by_kind(), THREADS: LauncherSettings}
    _check_workers(options.workers, [THREADS, PROCESSES, *(kind for kind in settings_by_kind() if kind != "local")])
    given_here = _keywords(function, params, options)
    try:
        asked = ask_in_keywords(given_here, cwd=Path.cwd(), optimizer=read_optimizer, launchers=launchers)
    except RequestError as error:
        raise RequestError(*map(in_keywords, error.problems)) from None
    is_here = asked.launcher.kind == THREADS
    return Call(function=function, asked=asked, reference=None if is_here else Reference.of(function))


def _check_workers(workers: Any, known: Sequence[str]) -> None:
    if workers not in known:
        message = f"need one of {', '.join(known)}, got {workers!r}"
        raise RequestError.of(message, key="workers", fix=did_you_mean(str(workers), known))


def _check_async(function: Function, options: Options, *, may_await: bool) -> None:
    name = name_of(function)
    if options.workers != THREADS:
        fix = "leave workers out, or wrap it: def train(config, trial): return asyncio.run(...)"
        raise RequestError.of(f"{name} is async, and is awaited in this process", key="workers", fix=fix)
    if not may_await:
        fix = f"await metta_sweep.run_async({name}, …)"
        raise RequestError.of(f"{name} is async", key="function", fix=fix)


_INSIDE = re.compile(
    r"\bsweep\.(?=(?:metric|goal|weights|bounds|parameters|constraints|from|early_stop|points|limits|confirm)\b)"
)


def in_keywords(problem: Problem) -> Problem:
    """Return a problem of a sweep file's key under the keyword that stands for it in a call."""
    key, message = _INSIDE.sub("", problem.key), problem.message
    if key == "sweep.command":
        key, message = "function", re.sub(rf"\['{re.escape(CALLED)}', '(.*?)'\]", r"\1", message)
    for written, keyword in (("parameters", "params"), ("launcher.max_parallel", "max_parallel"), ("run", "name")):
        if key == written or key.startswith(f"{written}."):
            key = f"{keyword}{key.removeprefix(written)}"
    return replace(problem, key=key, message=message, fix=_INSIDE.sub("", problem.fix))


def _meant(name: str) -> str:
    """Return what may have been meant by an unknown keyword; what other tools call some of them is known."""
    theirs = {
        "n_trials": "rollout_count",
        "num_trials": "rollout_count",
        "max_evals": "rollout_count",
        "max_trials": "rollout_count",
        "count": "rollout_count",
        "n_jobs": "max_parallel",
        "max_concurrent": "max_parallel",
        "direction": "goal",
        "mode": "goal",
        "study_name": "name",
        "space": "params",
        "timeout": "limits={'wall_time': …}",
    }
    return f"write {theirs[name]}" if name in theirs else did_you_mean(name, [*known_options(), "progress"])


def _keywords(function: Function, params: Any, options: Options) -> Keywords:
    kind = "local" if options.workers == PROCESSES else options.workers
    launcher = {**options.launcher, "kind": kind, "max_parallel": options.max_parallel}
    change = (options.change,) if isinstance(options.change, str) and options.change else tuple(options.change)
    return Keywords(
        name=options.name,
        params=params,
        command=(CALLED, name_of(function)),
        source=f"metta_sweep.run({name_of(function)})",
        config=options.config,
        protein=options.protein,
        change=change,
        takeover=options.takeover,
        settings={
            "metric": options.metric,
            "goal": options.goal,
            "weights": options.weights,
            "bounds": options.bounds,
            "rollout_count": options.rollout_count,
            "num_samples": options.num_samples,
            "common_seeds": options.common_seeds,
            "seed": options.seed,
            "data_dir": str(default_data_dir() if options.data_dir is None else options.data_dir),
            "optimizer": options.optimizer,
            "constraints": options.constraints,
            "points": options.points,
            "limits": options.limits,
            "early_stop": options.early_stop,
            "confirm": options.confirm,
            "from": options.sources or None,
            "description": options.description,
            "launcher": launcher,
            "wandb": _wandb(options.wandb),
        },
    )


def _wandb(asked: Any) -> Any:
    """Return the block: nothing is sent where nobody asks; ``True`` is as the command line has it, text is a mode."""
    if asked is None or asked is False:
        return {"mode": "off"}
    return {} if asked is True else {"mode": asked} if isinstance(asked, str) else asked


def child_command(reference: Reference) -> tuple[str, ...]:
    """Return the command of one run in a process of its own."""
    return (sys.executable, "-m", "metta_sweep.function.child", reference.to_argument())
