"""The plan command: compose what was asked, look at what is there, show what would happen. Writes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from metta_sweep.commands.by_name import with_name_resolved
from metta_sweep.commands.controller import compose
from metta_sweep.commands.parts import machine_seed_offset, search_task, spec_of, start_event
from metta_sweep.commands.source_sweeps import all_sources
from metta_sweep.commands.sweeps import RequestCommand, asks_about_the_config, words
from metta_sweep.commands.trial import try_center
from metta_sweep.config.asked import Asked
from metta_sweep.config.settings import STEPS
from metta_sweep.optimize.completion import complete
from metta_sweep.optimize.port import Optimizer, Source, Suggestion, worth_of_sources
from metta_sweep.optimize.registry import kind_of
from metta_sweep.report.estimate import Estimate, Sample, cost_of_a_run, similar_runs
from metta_sweep.report.plan import Plan, show_plan
from metta_sweep.report.sources import describe_worth
from metta_sweep.space.given import point_problems
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths, sweep_names
from metta_sweep.store.requests import left_requests
from metta_sweep.sweep.change import Change
from metta_sweep.sweep.changes import check_request
from metta_sweep.sweep.commands import command_of, run_config
from metta_sweep.sweep.events import PointAdded, from_json
from metta_sweep.sweep.state import SweepState
from metta_sweep.sweep.teaching import lessons_of, pending_points, teach
from metta_sweep.trees import get

SHOWN = 3
"""Suggestions that are shown."""


@click.command(cls=RequestCommand)
@click.option(
    "--try",
    "--calibrate",
    "tries",
    is_flag=True,
    help="Do one run at the center: what it costs, and what each reader sees of its results.",
)
@words
def command(words: Sequence[str], *, tries: bool) -> int:
    """Show what `run` would do, and do nothing of it."""
    if asks_about_the_config(words):
        return 0
    return plan_sweep(compose(with_name_resolved(words)), Console(), tries=tries)


def plan_sweep(asked: Asked, console: Console, *, tries: bool = False) -> int:
    """Show what the sweep would do and return the exit code.

    Args:
        asked: What was asked.
        console: Where to show it.
        tries: Do one run at the center, in a temporary directory, and show what it costs and what is seen of it.

    Raises:
        RequestError: What was asked does not fit what is there.
        SweepFailedError: The run that was tried left no result.
    """
    paths = SweepPaths(asked.data_dir, asked.name)
    state = _state(paths)
    found: tuple[Change, ...] = ()
    if state is not None:
        found = check_request(state, spec_of(asked), said=asked.change)
        state.apply(replace(start_event(spec_of(asked), ()), elapsed_s=state.elapsed_s))  # as if it had been asked for
    optimizer = _taught(asked, state, all_sources(asked, state))
    suggestions = _first_suggestions(asked, state, optimizer)
    samples, basis = _samples(asked, state)
    if tries:
        samples, basis = [try_center(asked, suggestions[0], console)], "one run, just now; others within a factor of 2"
    show_plan(
        Plan(
            asked=asked,
            feasible_share=asked.space.feasible_share(np.random.default_rng(asked.seed)),
            suggestions=suggestions,
            command=_first_command(asked, paths, suggestions[0]),
            done=0 if state is None else len(state.rollouts),
            confirmed=state is not None and state.confirmation is not None,
            unspent=0.0 if state is None else state.counted_rollouts - state.full_rollouts,
            changes=[change.describe() for change in found],
            sources=[describe_worth(worth) for worth in worth_of_sources(optimizer)],
            run_cost=_run_cost(samples, asked, suggestions[0], basis),
            disk_bytes=_disk_bytes(paths),
            free_bytes=shutil.disk_usage(_nearest_existing(asked.data_dir)).free,
            mirror=f"W&B mode: {asked.wandb.mode}",
            tried=tries,
        ),
        console,
    )
    return 0


def _state(paths: SweepPaths) -> SweepState | None:
    return SweepState.fold(map(from_json, read_events(paths))) if paths.exists() else None


def _taught(asked: Asked, state: SweepState | None, sources: tuple[Source, ...]) -> Optimizer:
    """Return the sweep's optimizer as it is now."""
    turn = 0 if state is None else machine_seed_offset(state)
    optimizer = kind_of(asked.optimizer).make(search_task(asked, turn=turn, sources=sources))
    for lesson in () if state is None else lessons_of(state).observations:
        teach(optimizer, lesson)
    return optimizer


def _first_suggestions(asked: Asked, state: SweepState | None, optimizer: Optimizer) -> list[Suggestion]:
    queue = [*asked.points] if state is None else [*state.queued_points, *_unrecorded(asked, state)]
    queue = [point for point in queue if not point_problems(asked.space, point)]
    pending = [] if state is None else [*pending_points(state), *lessons_of(state).avoided]
    suggestions: list[Suggestion] = []
    for point in queue[:SHOWN]:
        suggestions.append(complete(search_task(asked), point, optimizer))
        pending = [*pending, suggestions[-1].params]
    while len(suggestions) < SHOWN:
        suggestions.append(optimizer.suggest(pending))
        pending = [*pending, suggestions[-1].params]
    return suggestions


def _unrecorded(asked: Asked, state: SweepState) -> Iterator[Mapping[str, Any]]:
    """Yield points that were added since a controller looked last."""
    for request in left_requests(SweepPaths(asked.data_dir, asked.name)):
        if isinstance(request, PointAdded) and not state.has_request(request.id):
            yield request.point


def _first_command(asked: Asked, paths: SweepPaths, suggestion: Suggestion) -> list[str]:
    run_id = paths.run_id(0)
    return command_of(spec_of(asked), paths.run(run_id), suggestion.params, asked.seed)


def _samples(asked: Asked, state: SweepState | None) -> tuple[list[Sample], str]:
    """Return runs of this sweep, or of other sweeps that trained the same thing, and say which."""
    command = asked.command or ()
    own = similar_runs(state, training=asked.training, command=command) if state is not None else []
    if own:
        return own, f"from {len(own)} runs of this sweep"
    found: list[Sample] = []
    for name in sweep_names(asked.data_dir):
        other = _state(SweepPaths(asked.data_dir, name))
        if other is not None and not other.is_empty:
            found += similar_runs(other, training=asked.training, command=command)
    return found, f"from {len(found)} similar runs of other sweeps"


def _run_cost(samples: Sequence[Sample], asked: Asked, suggestion: Suggestion, basis: str) -> Estimate | None:
    config = run_config(asked.training, suggestion.params, run_id="", seed=0)
    steps = get(config, STEPS) if asked.command is None else None
    return cost_of_a_run(samples, steps=steps, basis=basis)


def _disk_bytes(paths: SweepPaths) -> int | None:
    """Return the mean size of a run directory of this sweep, or None where there is none."""
    sizes = [
        sum(file.stat().st_size for file in paths.run(run_id).root.rglob("*") if file.is_file())
        for run_id in paths.run_ids()
    ]
    return sum(sizes) // len(sizes) if sizes else None


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
