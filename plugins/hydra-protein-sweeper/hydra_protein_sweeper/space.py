"""``hydra.sweeper.params`` and the command line, sorted: what is searched, and what every run is given as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from hydra_protein_sweeper.grammar import leaf_of, plain, written
from hydra_protein_sweeper.problems import Problem, first_line

LEAF = frozenset({"min", "max", "values", "expr", "distribution", "mean"})
"""Keys by which a mapping under ``params`` is one parameter, and not a level of names."""

_KINDS = frozenset({"distribution", "values", "expr"})
_WORDS = frozenset({*LEAF, "scale", "step", "integer", "ordered", "when"})
"""A mapping on the command line is a parameter where one of its keys is of the first and all are of the second."""


@dataclass(slots=True, kw_only=True)
class Space:
    """What a request searches and what it holds."""

    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Parameters by their key with its prefix and package (``+model.lr``, ``db@source``), in the order written."""
    held: dict[str, str] = field(default_factory=dict)
    """Overrides that every run is given as they were typed, by key."""
    notes: list[str] = field(default_factory=list)
    """What a person should know, one line each."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong."""


def read_space(params: Mapping[str, Any], arguments: Sequence[str], loader: ConfigLoader) -> Space:
    """Sort the parameters of a config and the overrides of a command line; the command line wins.

    Args:
        params: ``hydra.sweeper.params``.
        arguments: The app's overrides as typed, Hydra's own left out.
        loader: Knows the config groups, for ``glob``.
    """
    space, parser = Space(), OverridesParser.create(config_loader=loader)
    for key, value in _flat(params, ""):
        if isinstance(value, Mapping):
            space.parameters[key] = dict(value)
        else:
            text = value if isinstance(value, str) else written(value)
            _take(space, parser, f"{key}={text}", f"hydra.sweeper.params.{key}", searched=set())
    in_config = set(space.parameters)
    for text in arguments:
        _take(space, parser, text, text.partition("=")[0], searched=in_config)
    return space


def bare(key: str) -> str:
    """Return a key without the prefix by which it is added and the package: ``+db@source`` is ``db``."""
    return key.lstrip("+~").partition("@")[0]


def _flat(params: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping) and not LEAF.intersection(value):
            yield from _flat(value, f"{key}.")
        else:
            yield key, value


def _take(space: Space, parser: OverridesParser, text: str, place: str, *, searched: set[str]) -> None:
    try:
        (override,) = parser.parse_overrides([text])  # unlike parse_override it hands the loader on
    except (HydraException, RecursionError) as error:
        space.problems.append(Problem(key=place, message=f"cannot be read: {first_line(error)}"))
        return
    key = override.get_key_element()
    if not override.is_sweep_override():
        value = plain(override.value()) if not override.is_delete() else None
        if isinstance(value, dict) and _KINDS & value.keys() and value.keys() <= _WORDS:
            space.held.pop(key, None)
            space.parameters[key] = value
        else:
            _hold(space, override, key, text, searched)
        return
    problem = _refusal(override)
    try:
        leaf = leaf_of(override) if problem is None else {}
    except (ValueError, HydraException) as error:
        problem = Problem(key=place, message=str(error))
    if problem is not None:
        space.problems.append(problem)
    elif len(leaf.get("values", ())) == 1:
        space.parameters.pop(key, None)
        space.held[key] = f"{key}={written(leaf['values'][0])}"
    else:
        space.held.pop(key, None)
        space.parameters[key] = {**_condition(space, key), **leaf}


def _hold(space: Space, override: Override, key: str, text: str, searched: set[str]) -> None:
    """Hold a value; one that the config searches stays a parameter, so that the sweep goes on in a smaller space."""
    same = [name for name in space.parameters if bare(name) == bare(key)]
    value = plain(override.value())
    for name in same:
        del space.parameters[name]
    if any(name in searched for name in same) and not override.is_delete():
        space.parameters[key] = {"values": [value]}
        space.notes.append(f"{key} is held at {value} by the command line and is not searched")
    else:
        space.held[key] = text


def _condition(space: Space, key: str) -> dict[str, Any]:
    """Return the ``when`` that the config has for a parameter whose range the command line gives anew."""
    before = space.parameters.get(key, {})
    return {"when": before["when"]} if "when" in before else {}


def _refusal(override: Override) -> Problem | None:
    key, value = override.key_or_group, override.get_value_string()
    if override.is_hydra_override():
        return Problem(key=key, message="settings of Hydra itself cannot be searched", fix=f"give {key} one value")
    if override.is_delete():
        return Problem(key=f"~{key}", message="a removal cannot be searched", fix=f"remove one: ~{key}")
    if key == "seed":
        count = len(list(override.sweep_iterator())) if override.is_discrete_sweep() else 3
        message = f"a seed is not searched, got {value}; runs of one point with other seeds are its samples"
        return Problem(key=key, message=message, fix=f"hydra.sweeper.num_samples={count} instead of seed={value}")
    return None
