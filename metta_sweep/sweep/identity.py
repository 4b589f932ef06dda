"""When two requests are the same search, so that one may continue the other."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.trees import leaves

FREE_TO_CHANGE = frozenset({"device", "seed", "trainer.num_workers"})
"""Training keys that say how a run is done, not what it does."""


IMPORTED = "imported"
"""The sweep file of a sweep that was built from somebody else's results: what they trained is not known."""


def check_continues(before: SweepSpec, now: SweepSpec, *, searched: Collection[str] = ()) -> None:
    """Refuse to continue a sweep with another search: its results would not compare.

    What may change is where to search (``parameters``, ``constraints``, the value at which a parameter is held), how
    long (``rollout_count``, ``num_samples``, ``limits``), how to judge (``metric``, ``goal``: results are judged again)
    and how runs are started.

    Args:
        before: The sweep as it is kept.
        now: The request.
        searched: Every path that was ever searched: its value is a run's own.

    Raises:
        RequestError: It lists every difference.
    """
    if before.sweep_file == IMPORTED:
        return
    then, here = ({k: v for k, v in _trained(spec).items() if k not in searched} for spec in (before, now))
    differences = list(_differences(then, here))
    if differences:
        raise RequestError(
            *(
                Problem(key=path, message=f"sweep {now.name!r} was started with {_told(old, new)}")
                for path, old, new in differences[:8]
            ),
            Problem(
                message=f"this is a different search from the one that run={now.name} holds",
                fix="choose another run= name, or ask for what it was started with; the ranges under parameters "
                "may change",
            ),
        )


def _told(old: Any, new: Any) -> str:
    """Return what is kept and what came; of commands only the words in which they differ."""
    if not isinstance(old, list) or not isinstance(new, list) or set(old) == set(new):
        return f"{old!r}, got {new!r}"
    parts = ([word for word in one if word not in other] for one, other in ((old, new), (new, old)))
    return ", got ".join(shlex.join(map(str, words)) or "nothing beside the rest" for words in parts)


def search_of(spec: SweepSpec) -> dict[str, Any]:
    """Return by path what is the same on every machine that does the same search, wherever its programs lie."""
    programs = [Path(word).name if Path(word).is_absolute() else word for word in spec.command]
    seeds = {"sweep.common_seeds": True} if spec.common_seeds else {}
    return {**_identity(spec), "sweep.command": programs, "num_samples": spec.num_samples, **seeds}


def _identity(spec: SweepSpec) -> dict[str, Any]:
    """Return by path what decides whether two machines do the same search."""
    return {
        **_trained(spec),
        **{f"sweep.parameters.{path}": value for path, value in leaves(spec.parameters)},
        "sweep.constraints": list(spec.constraints),
    }


def _trained(spec: SweepSpec) -> dict[str, Any]:
    """Return by path what decides whether results compare."""
    training = dict(leaves(spec.training))
    return {
        **{path: value for path, value in training.items() if path not in FREE_TO_CHANGE},
        **{f"sweep.results.{path}": value for path, value in leaves(spec.results)},
        "sweep.command": list(spec.command),
    }


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for path in dict.fromkeys([*before, *now]):
        old, new = before.get(path, "nothing"), now.get(path, "nothing")
        if old != new:
            yield path, old, new
