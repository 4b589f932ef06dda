"""Constraints and tied parameters: rules between config values that hold at every point of a space."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.expression import Expression, ExpressionError
from metta_sweep.nearest import nearest
from metta_sweep.space.reading import Tied

Wrong = Callable[[str, str, str], None]
"""Notes a problem: key, message, fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A rule between config values: true where a point may be run."""

    expression: Expression
    """The rule."""
    reads: frozenset[str]
    """The swept parameters that it depends on, through tied ones and conditions too."""

    def can_fail(self, fixed: Mapping[str, Any]) -> bool:
        """Tell whether any point may break the rule: it reads what is swept, and no alternative of it always holds.

        Args:
            fixed: Base config values by dotted path, without those that are swept or tied.
        """
        tree = self.expression.tree
        parts = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or) else []
        return bool(self.reads) and not any(_always_holds(part, fixed) for part in parts)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the rule holds; one that reads an inactive parameter without a base value says nothing."""
        return self.complaint(values) is None

    def complaint(self, values: Mapping[str, Any]) -> str | None:
        """Return why the rule does not hold at plain values by path, or None where it does."""
        if any(name not in values for name in self.expression.names):
            return None
        try:
            result = self.expression(values)
        except ExpressionError as error:
            return str(error)
        if not isinstance(result, bool):
            return f"{self.expression.text!r} gives {result!r}: need a comparison"
        return None if result else "is not met"


def _always_holds(part: ast.expr, fixed: Mapping[str, Any]) -> bool:
    """Tell whether one alternative of a rule reads fixed values only and is true; one that cannot be told is not."""
    try:
        expression = Expression.parse(ast.unparse(part))
        return expression.names <= fixed.keys() and bool(expression(fixed))
    except ExpressionError:
        return False


def read_constraints(texts: Any, wrong: Wrong) -> list[Expression]:
    """Parse a list of constraints; what is wrong is noted."""
    if not isinstance(texts, list | tuple):
        wrong("constraints", f"need a list of expressions, got {texts!r}"[:200], "constraints: ['a % b == 0']")
        return []
    expressions: dict[str, Expression] = {}
    for index, text in enumerate(texts):
        try:
            expressions[str(text)] = Expression.parse(text)
        except ExpressionError as error:
            wrong(f"constraints.{index}", str(error), "")
    return list(expressions.values())


def check_names(
    expressions: Iterable[tuple[str, Expression]], known: Iterable[str], fixed: Mapping[str, Any], wrong: Wrong
) -> None:
    """Note every name that is neither swept nor in the base config."""
    names = [*known, *fixed]
    for key, expression in expressions:
        for name in sorted(expression.names - set(names)):
            near = nearest(name, names)
            fix = f"write {near}" if near else ""
            wrong(key, f"need config paths, got the unknown {name} in {expression.text!r}", fix)


def in_order(tied: Sequence[Tied], wrong: Wrong) -> tuple[Tied, ...]:
    """Return tied parameters so that each stands after those it is computed from; a cycle is noted."""
    left = {item.name: item for item in tied}
    order: list[Tied] = []
    while left:
        ready = [item for item in left.values() if not item.expression.names & left.keys()]
        if not ready:
            wrong(f"{next(iter(left))}.expr", f"need no cycle, got one through {', '.join(left)}", "")
            break
        for item in ready:
            order.append(item)
            del left[item.name]
    return tuple(order)


def add_tied(tied: Iterable[Tied], values: dict[str, Any], is_active: Callable[[Tied], bool]) -> list[str]:
    """Compute tied parameters into ``values``; return the names of those that have no value here.

    Raises:
        ExpressionError: A tied parameter cannot be computed.
    """
    absent = []
    for item in tied:
        if is_active(item) and item.expression.names <= values.keys():
            values[item.name] = item.expression(values)
        elif item.name not in values:
            absent.append(item.name)
    return absent
