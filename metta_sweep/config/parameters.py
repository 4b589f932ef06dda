"""The swept parameters of a request: which there are, which follow others, and whether the training takes them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import yaml

from metta_sweep.config.carbs import OLD_KEYS, replacement
from metta_sweep.config.training_schema import TrainingSchema
from metta_sweep.config.yaml_source import brief
from metta_sweep.errors import Problem, RequestError
from metta_sweep.expression import Expression, ExpressionError
from metta_sweep.nearest import listing, nearest, siblings
from metta_sweep.space import SearchSpace
from metta_sweep.space.scales import SCALES
from metta_sweep.trees import MISSING, get, leaves, with_values

_LONGEST = 200
"""Characters of a text that is looked at for a list in quotes."""

_SET_BY_THE_SWEEP = ("seed", "run")
_REFERENCE = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*\}")


@dataclass(slots=True, kw_only=True)
class Swept:
    """The parameters of one request on their way to a search space."""

    declared: dict[str, Any]
    """Definitions by dotted path, in the order written; pinned ones are left out."""
    training: Mapping[str, Any]
    """The resolved base config."""
    schema: TrainingSchema | None
    """What the training knows; None where an external command decides that for itself."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """What a command's own config files hold, by dotted path: what the searched ones are without a sweep."""
    problems: list[Problem] = field(default_factory=list)
    """Everything wrong with them."""

    def follow(self, raw: Mapping[str, Any]) -> list[str]:
        """Tie config values that follow a swept parameter by interpolation to it; return a note on each.

        Args:
            raw: The training config before interpolations are resolved.
        """
        notes = []
        for path, target, alone in list(_following(raw, self.declared)):
            if alone:
                self.declared[path] = {"expr": target}
                notes.append(f"{path} follows {target}, as the config says")
            else:
                message = f"depends on the swept {target} in a way that a suggestion cannot follow"
                fix = f"write under sweep.parameters   {path}: {{expr: ...}}"
                self.problems.append(Problem(message=message, key=path, fix=fix))
        return notes

    def quoted_lists(self) -> list[str]:
        """Return a note on each parameter whose values are lists or mappings in quotes, which arrive as text."""
        return [
            f"{path}: {brief(leaf['values'][0])} arrives as text, as it is in quotes; without quotes it is a list or a "
            "mapping"
            for path, leaf in self.declared.items()
            if isinstance(leaf, Mapping) and _are_quoted_lists(leaf.get("values"))
        ]

    def check_paths(self) -> None:
        """Note every swept path that the training does not have, or that is not a single value in it."""
        for path in self.declared:
            if path in _SET_BY_THE_SWEEP:
                fix = (
                    "several seeds a point are num_samples"
                    if path == "seed"
                    else f"search for my_{path}; --{path}={{my_{path}}} in the command hands it over"
                )
                self._wrong(path, "is set by the sweep for every run", fix)
            elif self.schema is not None and not self.schema.has_path(path):
                fix = known_fix(path, self.schema, self.training)
                self._wrong(path, f"the training config has no {path}", fix)
            elif isinstance(get(self.training, path), Mapping):
                message = f"need a single value to sweep over, got {brief(get(self.training, path))}"
                is_group = "." not in path
                fix = "name one inside of it; a config group is searched with a command of your own" if is_group else ""
                self.problems.append(Problem(message=message, key=path, fix=fix))

    def check_forms(self) -> None:
        """Take out and note every definition in the form of older files."""
        for path, leaf in list(self.declared.items()):
            if isinstance(leaf, Mapping) and OLD_KEYS & leaf.keys():
                del self.declared[path]
                self._wrong(path, "this is the form of CARBS files", replacement(path, leaf))

    def mark_integers(self) -> None:
        """Mark a parameter ``integer: true`` where its bounds are whole and the training takes nothing else."""
        for path, leaf in self.declared.items():
            if isinstance(leaf, Mapping) and self._is_integer(path, leaf):
                self.declared[path] = {**leaf, "integer": True}

    def space(self, constraints: Sequence[str], *, with_rules: bool = True) -> SearchSpace | None:
        """Return the search space; where there is none, ``problems`` says why.

        Args:
            constraints: The user's own.
            with_rules: Whether the training's rules hold too; they say nothing about a base config that is wrong.
        """
        fixed = {path: value for path, value in self.own.items() if path in self.declared} | dict(leaves(self.training))
        known = fixed.keys() | self.declared.keys()
        rules = {rule.expression: rule.message for rule in self.schema.rules} if self.schema and with_rules else {}
        own = [text for text in rules if Expression.parse(text).names <= known]
        space, problems = _parsed(self.declared, [*constraints, *own], fixed)
        if own and any("together" in problem.message for problem in problems):
            problems = _parsed(self.declared, constraints, fixed)[1] or problems  # shorter where theirs alone conflict
        self.problems += [self._in_file(problem, rules) for problem in problems]
        return space

    def _broken_rules(self) -> list[str]:
        """Return the training's rules that the base config breaks and no parameter can mend."""
        fixed = dict(leaves(self.training))
        broken = []
        for rule in self.schema.rules if self.schema else ():
            expression = Expression.parse(rule.expression)
            if not expression.names & self.declared.keys() and expression.names <= fixed.keys():
                with suppress(ExpressionError):
                    broken += [] if expression(fixed) else [rule.expression]
        return broken

    def check_bounds(self, space: SearchSpace) -> None:
        """Note every bound and every value in a list that the training refuses on its own."""
        for parameter in space.parameters:
            if self.schema is None or not self.schema.has_path(parameter.name):
                continue
            leaf = space.declared[parameter.name]
            keys = [("values", value) for value in leaf["values"]] if "values" in leaf else _bounds(leaf)
            for key, value in keys:
                for refused, message in self._refused({parameter.name: value}):
                    if refused == parameter.name:
                        self._wrong(f"{parameter.name}.{key}", f"the training refuses it: {message}")

    def refused(self, space: SearchSpace | None) -> list[tuple[str, str]]:
        """Return what the training refuses about the base config, at a feasible point where there is one."""
        if self.schema is None:
            return []
        if space is None:
            held = [rule.message for rule in self.schema.rules if rule.expression not in self._broken_rules()]
            problems = self._refused({}, rules=held)
        else:
            point = space.decode(space.sample(1, np.random.default_rng(0))[0])
            problems = self._refused(point, rules=())
        return [(key, message) for key, message in problems if key not in self.declared]

    def _in_file(self, problem: Problem, rules: Mapping[str, str]) -> Problem:
        """Return a problem of the search space under the key that it has in the sweep file."""
        key = problem.key
        if key.partition(".")[0] == "constraints":
            text = next((text for text in rules if repr(text) in problem.message), None)
            return self._rule_problem(text, rules[text]) if text else replace(problem, key=f"sweep.{key}")
        below = "" if key in ("parameters", "expr", "") else f".{key}"
        return replace(problem, key=f"sweep.parameters{below}")

    def _rule_problem(self, text: str, message: str) -> Problem:
        """Return the problem that a rule of the training holds nowhere, at the value that no parameter can change."""
        names = sorted(Expression.parse(text).names)
        held = [name for name in names if name not in self.declared]
        free = [name for name in names if name in self.declared]
        values = ", ".join(f"{name}={get(self.training, name)}" for name in held)
        return Problem(
            message=f"{message}, and no point of the space does that{f' with {values}' if held else ''} ({text})",
            key=held[0] if held else f"sweep.parameters.{names[0]}",
            fix=" or ".join([f"change {' or '.join(held)}"] * bool(held) + [f"widen the range of {', '.join(free)}"]),
        )

    def _wrong(self, key: str, message: str, fix: str = "") -> None:
        self.problems.append(Problem(message=message, key=f"sweep.parameters.{key}", fix=fix))

    def _is_integer(self, path: str, leaf: Mapping[str, Any]) -> bool:
        """Tell whether a range without a word about it is searched in whole numbers.

        The bundled trainer knows the types of its keys. A command does not say: a fixed value of that name tells, or
        the bounds do where they count something (whole, written without a point, from 1 on).
        """
        low, high, scale = leaf.get("min"), leaf.get("max"), SCALES.get(str(leaf.get("distribution")))
        if scale is None or not scale.whole_by_bounds or "integer" in leaf:
            return False
        if low is None or high is None or not (_is_whole(low) and _is_whole(high)):
            return False
        if self.schema is None:
            fixed = get(self.training, path)
            fixed = self.own.get(path) if fixed is MISSING else fixed
            if isinstance(fixed, int | float) and not isinstance(fixed, bool):
                return isinstance(fixed, int)
            return low >= 1 and all(isinstance(leaf.get(key, 1), int) for key in ("min", "max", "mean", "step"))
        between, whole = math.floor((low + high) / 2) + 0.5, int(high)
        return self._refuses(path, between) and not self._refuses(path, whole)

    def _refuses(self, path: str, value: Any) -> bool:
        return any(key == path for key, _ in self._refused({path: value}))

    def _refused(self, values: Mapping[str, Any], rules: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Return the problems of the base config with some values in it.

        Args:
            values: Values by dotted path.
            rules: Messages of rules that do not count; None: of all.
        """
        if self.schema is None:
            return []
        skipped = [rule.message for rule in self.schema.rules] if rules is None else rules
        problems = self.schema.problems(with_values(self.training, values))
        return [(key, message) for key, message in problems if not any(rule in message for rule in skipped)]


def flat_parameters(parameters: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and definition of each parameter; nested mappings mean dotted paths."""
    for key, value in parameters.items():
        path = f"{above}{key}"
        if isinstance(value, Mapping) and value and all(isinstance(part, Mapping) for part in value.values()):
            yield from flat_parameters(value, f"{path}.")
        else:
            yield path, value


def _are_quoted_lists(values: Any) -> bool:
    if not isinstance(values, list) or not all(isinstance(text, str) and len(text) < _LONGEST for text in values):
        return False
    with suppress(yaml.YAMLError):
        return bool(values) and all(isinstance(yaml.safe_load(text), list | dict) for text in values)
    return False


def known_fix(path: str, schema: TrainingSchema, training: Mapping[str, Any]) -> str:
    """Return a fix that names the config path most like an unknown one, or what stands beside it."""
    known = [name for name in schema.paths() if "*" not in name] + [name for name, _ in leaves(training)]
    known = sorted({name for name in known if schema.has_path(name)})
    close = nearest(path, known)
    return f"did you mean {close}?" if close else f"its neighbours are: {listing(siblings(path, known))}"


def _parsed(
    declared: Mapping[str, Any], constraints: Sequence[str], fixed: Mapping[str, Any]
) -> tuple[SearchSpace | None, tuple[Problem, ...]]:
    try:
        return SearchSpace.parse(declared, constraints, fixed), ()
    except RequestError as error:
        return None, error.problems


def _following(raw: Mapping[str, Any], swept: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield a config path, the swept path that its interpolation reads, and whether it is nothing else."""
    for path, text in leaves(raw):
        if isinstance(text, str) and "${" in text and path not in swept:
            for target in _REFERENCE.findall(text):
                if target in swept:
                    yield path, target, _REFERENCE.fullmatch(text.strip()) is not None


def _bounds(leaf: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, leaf[key]) for key in ("min", "max") if key in leaf]


def _is_whole(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value == int(value)
