"""The new sweep file as it grows: what another tool's file says, put where ours says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metta_sweep.config.job import JOB_KEYS
from metta_sweep.config.migration import DEFAULT_ROLLOUTS, Migration
from metta_sweep.config.sweep_file import POINTS_WORDS, ROOT_KEYS, SWEEP_KEYS
from metta_sweep.config.yaml_comments import Comments, write_yaml
from metta_sweep.config.yaml_source import brief
from metta_sweep.nearest import nearest
from metta_sweep.trees import put, texts

_FIRST = ("description", "command", "metric", "goal")
INTERPOLATION = "a text in it would be read as an interpolation"
"""Why a text cannot stand in a sweep file."""
_OF_THE_SWEEP = frozenset({*SWEEP_KEYS, *ROOT_KEYS, *JOB_KEYS, *POINTS_WORDS, "early_stop"})


@dataclass(slots=True, kw_only=True)
class Draft:
    """A sweep file of ours in the making."""

    comments: Comments = field(default_factory=Comments)
    """Comments of the old file, by the paths of its keys until they are moved."""
    rollout_count: int | None = None
    """Rollouts in total, where the old file says it."""
    num_samples: int = 1
    """Runs a rollout."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Keys inside ``sweep`` that are the sweep's own."""
    parameters: dict[str, Any] = field(default_factory=dict)
    """Parameters by dotted path."""
    fixed: dict[str, Any] = field(default_factory=dict)
    """Values that are the same for every run, by dotted path."""
    is_seeded: bool = False
    """Whether the old file handed a seed over: the command then needs ``{seed}``."""
    undecided: list[str] = field(default_factory=list)
    """What a person has to look at, one line each."""

    def say(self, line: str) -> None:
        """Note what a person has to look at."""
        self.undecided.append(_printable(line))

    def leave(self, path: str, value: Any, why: str) -> None:
        """Leave a key of the old file out, and say so here and at the end of the new file."""
        told = _printable(f"{path}: {brief(value)}")
        self.undecided.append(f"{told} was left out: {why}")
        self.comments.footer.append(f"# not migrated, {_printable(why)}: {told}")

    def setting(self, old: str, key: str, value: Any) -> None:
        """Set a key of the sweep's own that stood at ``old``."""
        put(self.settings, key, value)
        self.comments.move(old, f"sweep.{key}")

    def parameter(self, old: str, name: str, leaf: Mapping[str, Any]) -> None:
        """Add a parameter that stood at ``old``; one with a single value is a fixed value."""
        single = leaf["values"] if len(leaf.get("values", ())) == 1 else None
        why = self._refusal(name, leaf)
        if why:
            self.leave(old, single[0] if single else dict(leaf), why)
        elif name == "seed":
            self._seed(leaf)
        elif single and not isinstance(single[0], Mapping) and not _is_ours(name):
            self.fixed[name] = single[0]
            self.comments.move(old, f"sweep.{name}")
        else:
            self.parameters[name] = dict(leaf)
            self.comments.move(old, f"sweep.parameters.{name}")

    def migration(self) -> Migration:
        """Return the file as text."""
        if self.rollout_count is None:
            self.undecided.append(f"rollout_count: {DEFAULT_ROLLOUTS} was added; choose how many rollouts you want")
            self.comments.beside["rollout_count"] = "# added: choose how many"
        if not self.parameters:
            self.undecided.append("sweep.parameters: the file has no range to search; add at least one")
        tree = self._tree()
        self._keep_comments(tree)
        return Migration(text=write_yaml(tree, self.comments), undecided=tuple(self.undecided))

    def _tree(self) -> dict[str, Any]:
        first = {key: self.settings[key] for key in _FIRST if key in self.settings}
        rest = {key: value for key, value in self.settings.items() if key not in first}
        fixed: dict[str, Any] = {}
        for name, value in self.fixed.items():
            put(fixed, name, value)
        return {
            "rollout_count": self.rollout_count or DEFAULT_ROLLOUTS,
            "num_samples": self.num_samples,
            "sweep": {**first, "parameters": self.parameters, **rest, **fixed},
        }

    def _keep_comments(self, tree: Mapping[str, Any]) -> None:
        """Move comments whose key is gone to the end of the file."""
        known = set(_paths(tree))
        for path in [path for path in self.comments.above if path not in known]:
            self.comments.footer += [line for line in self.comments.above.pop(path) if line]
        for path in [path for path in self.comments.beside if path not in known]:
            self.comments.footer.append(f"{self.comments.beside.pop(path)} ({_printable(path)})")

    def _refusal(self, name: str, leaf: Mapping[str, Any]) -> str:
        """Return why a parameter has no place in a sweep file; empty where it has one."""
        if not all(name.split(".")) or re.search(r"[\s\x00-\x1f\x7f]", name):
            return "its name is not a dotted path"
        if name == "run":
            return "the sweep sets it for every run"
        if any(is_interpolation(text) for _, text in texts(leaf.get("values", ()))):
            return INTERPOLATION
        others = [other for other in (*self.parameters, *self.fixed) if other != name]
        if any(name.startswith(f"{other}.") or other.startswith(f"{name}.") for other in others):
            return "another parameter is inside of it, or it is inside of another"
        return ""

    def _seed(self, leaf: Mapping[str, Any]) -> None:
        """Take values of a seed for runs of the same point: the sweep gives each its seed."""
        self.is_seeded = True
        self.num_samples = max(1, min(len(leaf.get("values", (0,))), 10_000))
        self.say(
            f"seed: became {{seed}} in the command, which the sweep gives each run; num_samples: {self.num_samples}"
        )


def is_interpolation(text: str) -> bool:
    """Return whether OmegaConf would not take a text for itself."""
    return "${" in text or text == "???"


def _is_ours(name: str) -> bool:
    """Return whether a fixed value of that name would be taken for a key of the sweep itself."""
    group = name.partition(".")[0]
    return group in _OF_THE_SWEEP or bool(nearest(group, SWEEP_KEYS)) or bool(nearest(name, SWEEP_KEYS))


def _paths(tree: Mapping[str, Any], above: str = "") -> list[str]:
    found = []
    for key, value in tree.items():
        path = f"{above}.{key}" if above else key
        found += [path, *(_paths(value, path) if isinstance(value, Mapping) else [])]
    return found


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
