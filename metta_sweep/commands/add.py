"""The add command: a point is run next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import click
import yaml

from metta_sweep.commands.sweeps import here, of_a_sweep
from metta_sweep.errors import Problem, RequestError
from metta_sweep.report.reading import state_of
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.requests import leave_request
from metta_sweep.sweep.state import SweepState


@click.command()
@of_a_sweep
@click.argument("values", metavar="KEY=VALUE...", nargs=-1, required=True)
def command(paths: SweepPaths, *, values: Sequence[str]) -> int:
    """Have a point run next, also while the sweep runs.

    KEY is a parameter of the search; those that are left out are filled in with what the model favours.
    """
    from metta_sweep.report.requested_space import space_of
    from metta_sweep.space.given import checked_points

    state = state_of(paths)
    space = space_of(state.spec)
    if space is None:
        raise RequestError.of(f"sweep {paths.name!r} has no parameter to give a value", key="run")
    points, problems = checked_points(space, [_point(values)])
    if problems:
        raise RequestError(*(problem for _, problem in problems))
    leave_request(paths, points[0])
    click.echo(f"added: {', '.join(f'{path}={value}' for path, value in points[0].items())}")
    click.echo(_when(paths, state))
    return 0


def _point(values: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for word in values:
        key, sign, text = word.partition("=")
        if not sign or not key:
            raise RequestError(Problem(key=word, message="need KEY=VALUE", fix="lr=0.001"))
        found[key] = _value(key, text)
    return found


def _value(key: str, text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RequestError(Problem(key=key, message=f"need a value, got {text!r}", fix="quote it")) from None
    try:
        return float(value) if isinstance(value, str) else value  # YAML takes 1e-3 for text
    except ValueError:
        return value


def _when(paths: SweepPaths, state: SweepState) -> str:
    """Return when the point is going to be run."""
    by, place = holder(paths), here(paths)
    if state.full_rollouts + 1.0 > state.spec.rollout_count:
        confirm, needed = state.spec.confirm, math.ceil(state.full_rollouts + 1.0)
        kept = 0 if confirm is None else confirm.reserved(2 * needed, state.spec.num_samples)
        more = place.command("run", paths.name, f"rollout_count={needed + kept}")
        return f"all {state.spec.rollout_count} rollouts are suggested; it comes first with: {more}"
    return f"it comes next with: {place.command('run', paths.name)}" if by is None else f"{by} runs it next"
