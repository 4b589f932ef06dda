"""From a CARBS sweep file to a sweep file: ``${ss:...}``, ``space:`` mappings, blocks at the root."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from metta_sweep.config.carbs import OLD_KEYS, is_carbs, migrated_leaf, read_space
from metta_sweep.config.parameters import flat_parameters
from metta_sweep.config.sweep_file import SWEEP_KEYS
from metta_sweep.config.yaml_comments import Comments, read_comments, write_yaml
from metta_sweep.config.yaml_source import brief, parse_yaml
from metta_sweep.errors import RequestError
from metta_sweep.trees import leaves, nested, put

_WRAPPERS = ("sweep_params", "sweep_overrides")
_OPTIMIZERS = ("carbs", "protein", "optimizer")
_PROTEIN_KEYS = ("num_random_samples", "max_suggestion_cost", "resample_frequency", "seed")
_COUNTS = {"rollout_count": "rollout_count", "num_rollouts": "rollout_count", "max_rollouts": "rollout_count"}
DEFAULT_ROLLOUTS = 10
"""Rollouts of a migrated file whose old one does not say how many."""
_TAKEN = OLD_KEYS - {"rounding_factor"}
_LOGIT = "{}: logit became uniform, as the sweep guide has it; logit_normal would keep its scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A migrated file."""

    text: str
    """The new sweep file."""
    undecided: tuple[str, ...]
    """What a person has to look at, one line each; empty where everything was clear."""


def migrate(text: str, *, shown: str) -> Migration:
    """Return a CARBS sweep file in the form of this project.

    Args:
        text: The old file.
        shown: Its name for messages.

    Raises:
        RequestError: It is not valid YAML.
    """
    source = parse_yaml(text, shown=shown)
    if source.problems:
        raise RequestError(*source.problems)
    work = _Work(comments=read_comments(text, source))
    work.root(source.data)
    return Migration(text=write_yaml(work.tree(), work.comments), undecided=tuple(work.undecided))


@dataclass(slots=True)
class _Work:
    """The new file as it grows."""

    comments: Comments
    counts: dict[str, Any] = field(default_factory=dict)
    defaults: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, Any] = field(default_factory=dict)
    undecided: list[str] = field(default_factory=list)

    def root(self, data: Mapping[str, Any], at: str = "") -> None:
        """Take over the keys of the file's root, or of a wrapper around it."""
        for key, value in data.items():
            path = f"{at}{key}"
            if key in _COUNTS or key == "num_samples":
                self._count(path, _COUNTS.get(key, key), value)
            elif key == "defaults":
                self.defaults = value
            elif key == "sweep" and isinstance(value, Mapping):
                self.sweep(value, f"{path}.")
            elif key in _WRAPPERS and isinstance(value, Mapping):
                self.root(value, f"{path}.")
            else:
                self._key(path, key, value)

    def sweep(self, sweep: Mapping[str, Any], at: str) -> None:
        """Take over the keys inside ``sweep``."""
        for key, value in sweep.items():
            if key in _COUNTS or key == "num_samples":
                self._count(f"{at}{key}", _COUNTS.get(key, key), value)
            else:
                self._key(f"{at}{key}", key, value)

    def tree(self) -> dict[str, Any]:
        """Return the new file's content."""
        if "rollout_count" not in self.counts:
            self.undecided.append(f"rollout_count: {DEFAULT_ROLLOUTS} was added; choose how many rollouts you want")
            self.comments.beside["rollout_count"] = "# added: choose how many"
        root: dict[str, Any] = {} if self.defaults is None else {"defaults": self.defaults}
        root |= {"rollout_count": self.counts.get("rollout_count", DEFAULT_ROLLOUTS)}
        root |= {"num_samples": self.counts.get("num_samples", 1)}
        first = {key: self.settings[key] for key in ("description", "metric", "goal") if key in self.settings}
        rest = {key: value for key, value in self.settings.items() if key not in first}
        return {**root, "sweep": {**first, "parameters": self.parameters, **rest, **self.blocks}}

    def _key(self, path: str, key: str, value: Any) -> None:
        if key == "parameters":
            self._parameters(path, value)
        elif key == "metric" and isinstance(value, Mapping):  # W&B's form: {name, goal}
            names = {"name": "metric", "goal": "goal"}
            self.settings.update({names[old]: part for old, part in value.items() if old in names})
        elif key in _OPTIMIZERS and isinstance(value, Mapping):
            self._optimizer(path, value)
        elif key in SWEEP_KEYS:
            self.settings[key] = value
            self.comments.move(path, f"sweep.{key}")
        elif isinstance(value, Mapping) or "." in key:
            self._block(path, key, value)
        else:
            self._leave(path, value, "it has no place in a sweep file")

    def _count(self, path: str, name: str, value: Any) -> None:
        self.counts[name] = value
        self.comments.move(path, name)

    def _optimizer(self, path: str, value: Mapping[str, Any]) -> None:
        for key, setting in value.items():
            if key in _PROTEIN_KEYS:
                self.settings.setdefault("protein", {})[key] = setting
                self.comments.move(f"{path}.{key}", f"sweep.protein.{key}")
            else:
                self._leave(f"{path}.{key}", setting, "Protein has no such setting")

    def _parameters(self, path: str, value: Any) -> None:
        if isinstance(value, list):  # [{name: ..., space: ...}]
            named = [item for item in value if isinstance(item, Mapping) and isinstance(item.get("name"), str)]
            value = {item["name"]: {key: part for key, part in item.items() if key != "name"} for item in named}
        if not isinstance(value, Mapping):
            self._leave(path, value, "parameters need a mapping")
            return
        for name, leaf in _flat(value):
            if all(name.split(".")):
                self._parameter(f"{path}.{name}", name, leaf)
            else:
                self._leave(f"{path}.{name}", leaf, "its key is not a dotted path")

    def _parameter(self, path: str, name: str, leaf: Any) -> None:
        if isinstance(leaf, str) and is_carbs(leaf):
            self._space(path, name, leaf)
        elif isinstance(leaf, Mapping) and set(leaf) == {"value"}:
            put(self.blocks, name, leaf["value"])
            self.comments.move(path, f"sweep.{name}")
        elif isinstance(leaf, Mapping):
            self._mapping(path, name, leaf)
        else:
            put(self.blocks, name, leaf)
            self.comments.move(path, f"sweep.{name}")
            self.undecided.append(f"{name}: {brief(leaf)} is not a range and became an override")

    def _mapping(self, path: str, name: str, leaf: Mapping[str, Any]) -> None:
        new = dict(leaf)
        if OLD_KEYS & leaf.keys():
            try:
                new = migrated_leaf(leaf)
            except ValueError as error:
                self._leave(path, leaf, str(error))
                return
            for key in [key for key in leaf if key not in new and key not in _TAKEN]:
                self.undecided.append(f"{name}.{key}: {brief(leaf[key])} has no counterpart and was left out")
            if str(leaf.get("space")).lower().startswith("logit"):
                self.undecided.append(_LOGIT.format(name))
        self.parameters[name] = new
        self.comments.move(path, f"sweep.parameters.{name}")
        self.comments.move(f"sweep.parameters.{name}.space", f"sweep.parameters.{name}.distribution")
        self.comments.move(f"sweep.parameters.{name}.search_center", f"sweep.parameters.{name}.mean")

    def _space(self, path: str, name: str, text: str) -> None:
        space = read_space(text)
        if space is None:
            self._leave(path, text, "its arguments are not known")
            return
        self.parameters[name] = space.leaf()
        self.comments.move(path, f"sweep.parameters.{name}")
        if space.kind == "logit":
            self.undecided.append(_LOGIT.format(name))

    def _block(self, path: str, group: str, value: Any) -> None:
        """Take over overrides; the search spaces in them become parameters."""
        for below, leaf in list(leaves(nested({group: value}))):
            old = f"{path}{below.removeprefix(group)}"
            if not all(below.split(".")):
                self._leave(old, leaf, "its key is not a dotted path")
            elif isinstance(leaf, str) and is_carbs(leaf):
                self._space(old, below, leaf)
            else:
                put(self.blocks, below, leaf)
                self.comments.move(old, f"sweep.{below}")
        self.comments.move(path, f"sweep.{group}")

    def _leave(self, path: str, value: Any, why: str) -> None:
        told = "".join(each if each.isprintable() else repr(each)[1:-1] for each in f"{path}: {brief(value)}")
        self.undecided.append(f"{told} was left out: {why}")
        self.comments.footer.append(f"# not migrated, {why}: {told}")


def _flat(parameters: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return parameters by dotted path; a mapping of the old form is never taken for a nesting."""
    flat: list[tuple[str, Any]] = []
    for name, leaf in flat_parameters(parameters):
        inner = isinstance(leaf, Mapping) and any(
            isinstance(part, Mapping) or is_carbs(str(part)) for part in leaf.values()
        )
        is_leaf = isinstance(leaf, Mapping) and leaf.keys() & {*OLD_KEYS, "min", "max", "values", "value", "expr"}
        if isinstance(leaf, Mapping) and inner and not is_leaf:
            flat += [(f"{name}.{below}", part) for below, part in _flat(leaf)]
        else:
            flat.append((name, leaf))
    return flat
