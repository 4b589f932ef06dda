"""The rerun command: a run is done again, and all that it leaves is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from metta_sweep.commands.by_name import words_of
from metta_sweep.commands.controller import compose, run_sweep
from metta_sweep.commands.parts import spec_of
from metta_sweep.commands.sweeps import data_dir
from metta_sweep.config.asked import Asked
from metta_sweep.config.command_line import read_command_line
from metta_sweep.config.settings import LimitSettings
from metta_sweep.errors import Problem, RequestError
from metta_sweep.report.reading import paths_of, state_of
from metta_sweep.report.rows import rows_of
from metta_sweep.space import SearchSpace
from metta_sweep.space.given import point_problems
from metta_sweep.store.paths import SweepPaths, rerun_name
from metta_sweep.sweep.commands import run_config
from metta_sweep.sweep.records import Run, SweepSpec
from metta_sweep.sweep.state import SweepState
from metta_sweep.trainer.schema import schema
from metta_sweep.trees import MISSING, get, leaves, with_values

ITS_OWN = ("run", "sweep_params", "cmd", "change", "rollout_count", "num_samples", "seed", "data_dir", "optimizer")
"""What a rerun has of its own; everything else that is said beside is an override of the run's config."""


@click.command()
@click.argument("which", metavar="NAME|RUN")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@data_dir
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Runs: its seed, and the next.")
def command(which: str, words: Sequence[str], *, data_dir: Path, seeds: int) -> int:
    """Train the best of a sweep, or any run, again and keep everything.

    NAME is a sweep, for its best run; RUN is NAME.r.K. KEY=VALUE changes something of it, as in
    `trainer.total_timesteps=1000000`. Checkpoints, result, log and provenance lie under rerun/ in the data directory,
    and every command that reads a sweep reads RUN.rerun. The same command goes on where it was interrupted.
    """
    paths, run_id = find(which, data_dir)
    state = state_of(paths)
    run = state.runs[run_id or _best(state, paths.name)]
    _refuse_own(words)
    typed = words_of(paths)
    swept = [word for word in words if _key(word) in _asked_for(state, run).parameters]
    others = [word for word in words if word not in swept]
    changes = Changes(before=compose(typed), after=compose([*typed, *others]), values=_values(swept), typed=others)
    asked = again(changes, state, run, seeds=seeds)
    name = name_of(asked, paths.data_dir.absolute(), run.run_id)
    beside = [word for word in words if not word.startswith("takeover=")]
    said = [run.run_id, *beside, *(["--seeds", str(seeds)] if seeds > 1 else [])]
    return run_sweep(replace(asked, name=name), said, Console())


def find(which: str, data_dir: Path) -> tuple[SweepPaths, str]:
    """Return a sweep and the run that is named; empty for its best.

    Raises:
        RequestError: There is no such sweep or run.
    """
    name = which.removeprefix("run=")
    of_run = re.fullmatch(r"(.+)\.r\.[0-9]+", name)
    if of_run is None or SweepPaths(data_dir, name).exists():
        return paths_of(name, data_dir), ""
    paths = paths_of(of_run[1], data_dir)
    if name not in state_of(paths).runs:
        raise RequestError.of(f"sweep {paths.name} has no such run", key=name)
    return paths, name


def _best(state: SweepState, name: str) -> str:
    best = None if state.is_empty else rows_of(state).best_run
    if best is None:
        raise RequestError.of(f"{name} has no run with a score yet", key="NAME", fix="name a run, NAME.r.K")
    return best.run_id


def _refuse_own(words: Sequence[str]) -> None:
    problems = [
        Problem(key=key, message="a rerun has its own", fix="leave it out; --seeds K has it run with K seeds")
        for word in words
        if (key := _key(word)) in ITS_OWN
    ]
    if problems:
        raise RequestError(*problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is said beside the run."""

    before: Asked
    """What the sweep asks for."""
    after: Asked
    """The same with what is said beside."""
    values: Mapping[str, Any]
    """Values of parameters that the run was searched with, by dotted path."""
    typed: Sequence[str]
    """The other words."""

    def held(self) -> dict[str, Any]:
        """Return every value that is changed, by dotted path."""
        then, now = (dict(leaves(asked.training)) for asked in (self.before, self.after))
        found = {path: value for path, value in now.items() if path not in then or then[path] != value}
        for key in map(_key, self.typed):  # a value that the base config has is not one that the run has
            value = get(self.after.training, key)
            found |= {} if value is MISSING else dict(leaves(value, key))
        return {**found, **self.values}


def _values(words: Sequence[str]) -> dict[str, Any]:
    line = read_command_line(words, groups={})
    if line.problems:
        raise RequestError(*line.problems)
    return {given.key: given.value for given in line.values}


def _asked_for(state: SweepState, run: Run) -> SweepSpec:
    """Return the request under which a run was started."""
    start = state.start_of(run)
    return state.spec if start is None else start.spec


def again(changes: Changes, state: SweepState, run: Run, *, seeds: int) -> Asked:
    """Return the request that does a run again.

    Args:
        changes: What is changed about it.
        state: The sweep.
        run: The run.
        seeds: How many runs, the first with the run's own seed.

    Raises:
        RequestError: What is said beside breaks a rule.
    """
    spec, held, changed = _asked_for(state, run), changes.held(), changes.after
    training = with_values(spec.training, held)
    parameters = {path: _at(leaf, held[path]) if path in held else leaf for path, leaf in spec.parameters.items()}
    space = SearchSpace.parse(parameters, spec.constraints, dict(leaves(training)))
    names = {parameter.name for parameter in space.parameters}
    params = {**state.rollouts[run.rollout].suggestion.params, **held}
    point = {path: value for path, value in params.items() if path in names}
    problems = point_problems(space, point)
    if not spec.command:
        config = run_config(training, point, run_id=run.run_id, seed=run.seed)
        problems += [Problem(key=key, message=message) for key, message in schema.problems(config)]
    if problems:
        raise RequestError(*problems)
    return replace(
        changed,
        rollout_count=1,
        num_samples=seeds,
        common_seeds=False,
        metric=state.spec.metric,
        goal=state.spec.goal.value,
        objectives=state.spec.objectives,
        bounds=state.spec.bounds,
        parameters=parameters,
        constraints=spec.constraints,
        limits=LimitSettings(),
        protein={},
        optimizer="random",
        command=spec.command or None,
        env=spec.env,
        workdir="run" if spec.workdir == "run" else "here",
        training=training,
        overrides=with_values(spec.overrides, held),
        pinned={},
        seed=run.seed,
        space=space,
        notes=(),
        points=(point,),
        sources=(),
        early_stop=None,
        confirm=None,
        confirms_only=False,
        description=f"{run.run_id} again",
        change=(),
        wandb=replace(changed.wandb, share=False, job_type=changed.wandb.job_type or "rerun"),
        reruns=run.run_id,
    )


def _at(leaf: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """Return a parameter that has one value only; how it is handed over, and when it is active, stay."""
    kept = {key: part for key, part in leaf.items() if key in ("as", "when")}
    return {**kept, "values": [value]}


def name_of(asked: Asked, data_dir: Path, run_id: str) -> str:
    """Return the name of the rerun that was asked for in the same way before, or the next that is free."""
    number = 1
    while True:
        name = rerun_name(run_id, number)
        paths = SweepPaths(data_dir, name)
        if not paths.exists() or _is_same(paths, spec_of(replace(asked, name=name))):
            return name
        number += 1


def _is_same(paths: SweepPaths, spec: SweepSpec) -> bool:
    state = state_of(paths)
    return state.is_empty or state.spec == spec


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
