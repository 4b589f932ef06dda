"""Which optimizers there are: those that come with the package, and those of other packages by entry point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from metta_sweep.decoding import decode
from metta_sweep.errors import RequestError
from metta_sweep.goal import Bound, Objective
from metta_sweep.optimize.bundled import PROTEIN, RANDOM, SOBOL
from metta_sweep.optimize.port import OptimizerKind, SearchTask, Source

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "metta_sweep.optimizers"
"""Entry points of this group name an :class:`~metta_sweep.optimize.port.OptimizerKind`."""
DEFAULT = PROTEIN.name
"""What suggests where nothing else was asked for."""
_BUNDLED: Mapping[str, OptimizerKind] = {kind.name: kind for kind in (PROTEIN, RANDOM, SOBOL)}


def optimizer_names() -> list[str]:
    """Return the names that ``optimizer:`` may have, those of this package first."""
    return list(dict.fromkeys([*_BUNDLED, *sorted(point.name for point in _installed())]))


def _installed() -> list[EntryPoint]:
    from importlib.metadata import entry_points  # a command that only shows a sweep of Protein's starts without it

    return list(entry_points(group=GROUP))


def kind_of(name: str) -> OptimizerKind:
    """Return the optimizer of a name.

    Raises:
        RequestError: There is none, or the package that brings it cannot be loaded.
    """
    if name in _BUNDLED:
        return _BUNDLED[name]
    found = [point for point in _installed() if point.name == name]
    if not found:
        from metta_sweep.nearest import nearest

        near = nearest(name, optimizer_names())
        fix = f"did you mean {near}?" if near else ""
        raise RequestError.of(f"need one of {', '.join(optimizer_names())}, got {name!r}", key="optimizer", fix=fix)
    return _loaded(found[0])


def known_kind(name: str) -> OptimizerKind | None:
    """Return the optimizer of a name that a sweep was started with; None where it is not installed here."""
    try:
        return kind_of(name)
    except RequestError:
        return None


def has_model(name: str) -> bool:
    """Return whether the optimizer of a name predicts anything; one that is not installed here does not."""
    kind = known_kind(name)
    return kind is not None and kind.has_model


def read_optimizer(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the optimizer that was asked for, defaults filled in, before anything is started.

    Args:
        name: The optimizer.
        settings: What stands under ``protein``: held to be right whatever the optimizer is.

    Raises:
        RequestError: There is no such optimizer, or a setting is wrong.
    """
    from metta_sweep.optimize.protein import ProteinSettings

    read = ProteinSettings.parse(settings)
    kind_of(name)
    return asdict(read)


def to_json(name: str, task: SearchTask) -> dict[str, Any]:
    """Return what makes an optimizer that has observed nothing, as plain JSON values."""
    space = task.space
    return {
        "optimizer": name,
        "parameters": {path: dict(definition) for path, definition in space.declared.items()},
        "constraints": [constraint.expression.text for constraint in space.constraints],
        "fixed": dict(space.fixed),
        "goal": str(task.goal),
        "seed": task.seed,
        "settings": dict(task.settings),
        "sources": [asdict(source) for source in task.sources],
        "objectives": [asdict(objective) for objective in task.objectives],
        "bounds": [asdict(bound) for bound in task.bounds],
        "metric": task.metric,
    }


def from_json(told: Mapping[str, Any]) -> tuple[OptimizerKind, SearchTask]:
    """Return the kind and the task that :func:`to_json` was given."""
    from metta_sweep.space import SearchSpace

    space = SearchSpace.parse(told["parameters"], told["constraints"], told["fixed"])
    sources = tuple(decode(Source, source) for source in told["sources"])
    task = SearchTask(
        space=space,
        goal=told["goal"],
        seed=told["seed"],
        settings=told["settings"],
        sources=sources,
        objectives=tuple(decode(Objective, objective) for objective in told["objectives"]),
        bounds=tuple(decode(Bound, bound) for bound in told["bounds"]),
        metric=told["metric"],
    )
    return kind_of(told["optimizer"]), task


def _loaded(point: EntryPoint) -> OptimizerKind:
    source = f"the entry point {point.name} = {point.value}" + (f" of {point.dist.name}" if point.dist else "")
    try:
        kind = point.load()
    except (ImportError, AttributeError) as error:
        raise RequestError.of(f"{source} cannot be loaded: {error}", key="optimizer") from error
    if not isinstance(kind, OptimizerKind):
        raise RequestError.of(f"{source} gives {type(kind).__name__}, need an OptimizerKind", key="optimizer")
    return kind
