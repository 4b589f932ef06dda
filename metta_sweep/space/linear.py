"""Linear rules: weighted sums of parameters with a bound. They are solved where other rules can only be tried out.

Rules over one group of plain intervals make a polytope in user units, ``A x <= b`` with ``x`` ``(k,)``. Its points are
judged together as one product of matrices, and drawn by Gibbs sampling (Geman and Geman, 1984): one parameter at a
time, evenly over the part of its line that the others leave to it, which no rejection reaches in many dimensions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metta_sweep.expression import Expression
from metta_sweep.space.constraints import Constraint
from metta_sweep.space.parameter import Interval
from metta_sweep.space.reading import Tied
from metta_sweep.space.scales import Array

_CLOSE = 1e-9
"""Relative distance from a bound within which rounding could decide: there the rule itself is asked."""
_SWEEPS = 24
"""Rounds through all parameters of a group that a drawn point goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """A weighted sum of parameters and a constant."""

    weights: Mapping[str, float]
    """Factor of each parameter, by dotted path."""
    constant: float
    """What is added."""

    def plus(self, other: Affine, factor: float = 1.0) -> Affine:
        """Return the sum with a multiple of another one."""
        names = {**self.weights, **other.weights}
        weights = {name: self.weights.get(name, 0.0) + factor * other.weights.get(name, 0.0) for name in names}
        return Affine(weights=weights, constant=self.constant + factor * other.constant)

    def times(self, factor: float) -> Affine:
        """Return a multiple."""
        weights = {name: factor * weight for name, weight in self.weights.items()}
        return Affine(weights=weights, constant=factor * self.constant)


class _NotLinearError(Exception):
    """Part of a rule is not linear."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the linear form of expressions; tied parameters are replaced by what they are computed from."""

    swept: frozenset[str]
    tied: Mapping[str, Tied]
    fixed: Mapping[str, Any]

    def halfspaces(self, expression: Expression) -> Iterator[Affine]:
        """Yield sums that a rule wants to be at most 0."""
        yield from self._rule(expression.tree, expression)

    def _rule(self, node: ast.expr, within: Expression) -> Iterator[Affine]:
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            for part in node.values:
                yield from self._rule(part, within)
            return
        if not isinstance(node, ast.Compare):
            raise _NotLinearError
        sides = [self._sum(side, within) for side in (node.left, *node.comparators)]
        for left, kind, right in zip(sides[:-1], node.ops, sides[1:], strict=True):
            if isinstance(kind, ast.Lt | ast.LtE):
                yield left.plus(right, -1.0)
            elif isinstance(kind, ast.Gt | ast.GtE):
                yield right.plus(left, -1.0)
            else:
                raise _NotLinearError

    def _sum(self, node: ast.expr, within: Expression) -> Affine:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return Affine(weights={}, constant=float(value))
            case ast.Name() | ast.Attribute():
                return self.named(within.path_of(node))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._sum(operand, within).times(-1.0)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._sum(operand, within)
            case ast.BinOp(left=left, op=kind, right=right):
                return self._combined(self._sum(left, within), kind, self._sum(right, within))
        raise _NotLinearError

    def _combined(self, left: Affine, kind: ast.operator, right: Affine) -> Affine:
        match kind:
            case ast.Add():
                return left.plus(right)
            case ast.Sub():
                return left.plus(right, -1.0)
            case ast.Mult() if not right.weights:
                return left.times(right.constant)
            case ast.Mult() if not left.weights:
                return right.times(left.constant)
            case ast.Div() if not right.weights and right.constant:
                return left.times(1.0 / right.constant)
        raise _NotLinearError

    def named(self, path: str) -> Affine:
        """Return the sum that a path stands for."""
        if path in self.swept:
            return Affine(weights={path: 1.0}, constant=0.0)
        if path in self.tied and self.tied[path].when is None:
            return self._sum(self.tied[path].expression.tree, self.tied[path].expression)
        value = self.fixed.get(path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Affine(weights={}, constant=float(value))
        raise _NotLinearError


@dataclass(frozen=True, kw_only=True)
class Polytope:
    """The part of a box of intervals that linear rules leave: ``A x <= b`` in user units."""

    intervals: tuple[Interval, ...]
    """The axes, ``k`` of them."""
    matrix: Array
    """``A`` ``(r, k)``."""
    bounds: Array
    """``b`` ``(r,)``."""
    rule_of: NDArray[np.int64]
    """Index of the rule that each row belongs to, ``(r,)``."""

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        intervals: Sequence[Interval],
        constraints: Sequence[Constraint],
        tied: Sequence[Tied],
        fixed: Mapping[str, Any],
    ) -> Polytope | None:
        """Return the polytope of rules over intervals, or None where a rule or a tied value is not linear."""
        reader = _Reader(frozenset(names), {item.name: item for item in tied}, fixed)
        rows: list[Affine] = []
        rule_of: list[int] = []
        try:
            for item in tied:
                reader.named(item.name)  # one that cannot be computed everywhere is a rule of its own
            for index, constraint in enumerate(constraints):
                found = list(reader.halfspaces(constraint.expression))
                rows, rule_of = [*rows, *found], [*rule_of, *([index] * len(found))]
        except (_NotLinearError, OverflowError):
            return None
        if not rows:
            return None
        matrix = np.array([[row.weights.get(name, 0.0) for name in names] for row in rows])
        bounds = np.array([-row.constant for row in rows])
        if not (np.isfinite(matrix).all() and np.isfinite(bounds).all()):
            return None
        return cls(intervals=tuple(intervals), matrix=matrix, bounds=bounds, rule_of=np.array(rule_of))

    def numbers(self, codes: Array) -> Array:
        """Return the values ``(n, k)`` of codes ``(n, k)``, but for the last digits as a run gets them."""
        return np.stack([interval.numbers(codes[:, i]) for i, interval in enumerate(self.intervals)], axis=1)

    def violations(self, codes: Array) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return how many rules each of the codes ``(n, k)`` violates, and where rounding could decide: ``(n,)``."""
        values = self.numbers(codes)
        excess = values @ self.matrix.T - self.bounds
        room = _CLOSE * (np.abs(values) @ np.abs(self.matrix.T) + np.abs(self.bounds))
        broken = np.zeros((len(codes), int(self.rule_of.max()) + 1), dtype=bool)
        for row, rule in enumerate(self.rule_of):
            broken[:, rule] |= excess[:, row] > 0
        doubtful = np.asarray((np.abs(excess) <= room).any(axis=1))
        return broken.sum(axis=1), doubtful

    def walk(self, codes: Array, rng: np.random.Generator) -> Array:
        """Return points ``(n, k)`` drawn from the polytope, each reached from one of the feasible codes given."""
        codes = codes.copy()
        for _ in range(_SWEEPS):
            for i in rng.permutation(len(self.intervals)):
                moved = codes.copy()
                moved[:, i] = self._between(codes, int(i), rng.random(len(codes)))
                count, doubtful = self.violations(moved)
                codes = np.where(((count == 0) & ~doubtful)[:, None], moved, codes)
        return codes

    def _between(self, codes: Array, i: int, share: Array) -> Array:
        """Return codes ``(n,)`` of parameter ``i``, at a share of the stretch that the others leave to it."""
        interval, values = self.intervals[i], self.numbers(codes)
        weight = self.matrix[:, i]
        rest = self.bounds - values @ self.matrix.T + values[:, i : i + 1] * weight
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = rest / weight
        high = np.minimum(interval.high, np.where(weight > 0, ends, np.inf).min(axis=1))
        low = np.maximum(interval.low, np.where(weight < 0, ends, -np.inf).max(axis=1))
        start, end = (interval.codes(np.clip(side, interval.low, interval.high)) for side in (low, high))
        return interval.snap(start + share * np.maximum(end - start, 0.0))

    def interior(self) -> Array | None:
        """Return the codes ``(1, k)`` of the center of the largest ball inside, or None where there is no point.

        The linear program is that of Boyd and Vandenberghe (2004), section 8.5.1, with each axis as long as its range.
        """
        from scipy.optimize import linprog

        low, high = (np.array([getattr(interval, end) for interval in self.intervals]) for end in ("low", "high"))
        scaled = self.matrix * (high - low)
        found = linprog(
            np.r_[np.zeros(len(low)), -1.0],
            A_ub=np.column_stack([scaled, np.linalg.norm(scaled, axis=1)]),
            b_ub=self.bounds - self.matrix @ low,
            bounds=[*([(0.0, 1.0)] * len(low)), (0.0, 0.5)],
        )
        if found.status != 0:
            return None
        values = low + found.x[:-1] * (high - low)
        return np.array([[interval.codes(np.asarray(v)) for interval, v in zip(self.intervals, values, strict=True)]])
