"""Expressions over config values: constraints, tied parameters and the trainer's own rules.

An expression is text that a person wrote in a file, so it is parsed with :mod:`ast` against a whitelist and
turned into closures; nothing is ever handed to ``eval``. What it can do is bounded: the text, the number of
parts, and the size of every intermediate value. Standard library only: both sides of the wall use it.
"""

from __future__ import annotations

import ast
import math
import numbers
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_CHARACTERS = 1_000
"""Longest text of an expression."""
MAX_PARTS = 200
"""Most nodes of an expression; also bounds how deep it nests."""
MAX_BITS = 1_024
"""Largest integer that may appear, in bits."""
MAX_STRING = 1_000
"""Longest string that may appear."""

_REFERENCE = re.compile(r"\$\{\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*\}")

Value = Any
"""None, a boolean, number or string; or a list of those, to look into with ``in``."""
Run = Callable[[Mapping[str, Any]], Value]


class ExpressionError(ValueError):
    """An expression is not allowed, or cannot be computed; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: call it with values by dotted path.

    Allowed are constants, dotted names (``trainer.batch_size`` or ``${trainer.batch_size}``), ``+ - * / // % **``,
    comparisons (chained ones too), ``and or not``, ``in [..]``, ``a if b else c``, and calls of ``min max abs round
    int float log2 sqrt``.
    """

    text: str
    """The expression as it was written."""
    names: frozenset[str]
    """Dotted paths that it reads."""
    tree: ast.expr = field(repr=False, compare=False)
    """Its syntax tree, every part of which is allowed."""
    path_of: Callable[[ast.expr], str] = field(repr=False, compare=False)
    """Returns the dotted path that a name or attribute of the tree stands for."""
    _run: Run = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Parse an expression.

        Raises:
            ExpressionError: The text is not an expression, is too large, or holds something that is not allowed.
        """
        if not isinstance(text, str):
            raise ExpressionError(f"need an expression as text, got {text!r}")
        if len(text) > MAX_CHARACTERS:
            raise ExpressionError(f"need at most {MAX_CHARACTERS} characters, got {len(text)}")
        compiler = _Compiler(text)
        return cls(text, frozenset(compiler.names), compiler.tree, compiler.path_of, compiler.run)

    def __call__(self, values: Mapping[str, Any]) -> Value:
        """Compute the expression.

        Args:
            values: Plain values by dotted path; more than the expression reads may be there.

        Raises:
            ExpressionError: A name is missing, or the values do not fit the operations.
        """
        try:
            return self._run(values)
        except ExpressionError as error:
            raise ExpressionError(f"{self.text!r}: {error}") from None


class _Compiler:
    """Turns a syntax tree into closures, one method a kind of node."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: set[str] = set()
        self._marker = "ref_"
        while self._marker in text:
            self._marker += "_"
        self._references: list[str] = []
        self._source = _REFERENCE.sub(self._mark, text.strip())
        self.tree = self._tree()
        self.run = self._compile(self.tree)

    def _mark(self, match: re.Match[str]) -> str:
        """Replace ``${a.b}`` by a plain name, so that a path may hold keywords, digits and dashes."""
        self._references.append(match.group(1))
        return f"{self._marker}{len(self._references) - 1}"

    def _tree(self) -> ast.expr:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                body = ast.parse(self._source, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            hint = " (a comparison is written ==)" if re.search(r"[^=!<>]=[^=]", self.text) else ""
            raise ExpressionError(f"{self.text!r} is not an expression{hint}: {getattr(error, 'msg', error)}") from None
        parts = sum(1 for _ in ast.walk(body))
        if parts > MAX_PARTS:
            raise ExpressionError(f"{self.text[:60]!r}... has {parts} parts, at most {MAX_PARTS} are allowed")
        return body

    def _refuse(self, node: ast.AST, why: str) -> ExpressionError:
        part = ast.get_source_segment(self._source, node) or self._source
        for index, path in reversed(list(enumerate(self._references))):
            part = part.replace(f"{self._marker}{index}", f"${{{path}}}")
        return ExpressionError(f"{self.text!r}: {part!r} {why}")

    def _compile(self, node: ast.expr) -> Run:
        method = getattr(self, f"_of_{type(node).__name__.lower()}", None)
        if method is None:
            raise self._refuse(node, "is not allowed in an expression")
        run: Run = method(node)
        return run

    def _of_constant(self, node: ast.Constant) -> Run:
        value = node.value
        if not isinstance(value, int | float | str | None):
            raise self._refuse(node, "is not allowed: need a number, a string, True, False or None")
        if isinstance(value, str) and self._references and self._marker in value:
            raise self._refuse(node, "is not allowed: a reference cannot stand inside a string")
        _bounded(value)
        return lambda _values: value

    def _of_name(self, node: ast.Name) -> Run:
        return self._read(self.path_of(node))

    def _of_attribute(self, node: ast.Attribute) -> Run:
        return self._read(self.path_of(node))

    def path_of(self, node: ast.expr) -> str:
        """Return the dotted path that a name or attribute stands for."""
        if isinstance(node, ast.Attribute):
            if node.attr.startswith("__"):
                raise self._refuse(node, "is not allowed: no config key starts with two underscores")
            return f"{self.path_of(node.value)}.{node.attr}"
        if not isinstance(node, ast.Name):
            raise self._refuse(node, "is not allowed before a dot: need a dotted config path")
        if node.id.startswith("__"):
            raise self._refuse(node, "is not allowed: no config key starts with two underscores")
        if node.id.startswith(self._marker):
            return self._references[int(node.id.removeprefix(self._marker))]
        return {"true": "True", "false": "False", "null": "None"}.get(node.id, node.id)

    def _read(self, path: str) -> Run:
        if path in _YAML_WORDS:
            word = _YAML_WORDS[path]
            return lambda _values: word
        self.names.add(path)

        def read(values: Mapping[str, Any]) -> Value:
            try:
                return _plain(values[path])
            except KeyError:
                raise ExpressionError(f"there is no value for {path}") from None

        return read

    def _of_unaryop(self, node: ast.UnaryOp) -> Run:
        apply, operand = _UNARY.get(type(node.op)), self._compile(node.operand)
        if apply is None:
            raise self._refuse(node, "is not allowed")
        return lambda values: apply(operand(values))

    def _of_binop(self, node: ast.BinOp) -> Run:
        apply = _BINARY.get(type(node.op))
        if apply is None:
            hint = ": a power is written **" if isinstance(node.op, ast.BitXor) else ""
            raise self._refuse(node, f"is not allowed{hint}")
        left, right = self._compile(node.left), self._compile(node.right)
        return lambda values: _computed(apply, left(values), right(values))

    def _of_boolop(self, node: ast.BoolOp) -> Run:
        parts = [self._compile(part) for part in node.values]
        if isinstance(node.op, ast.And):
            return lambda values: all(part(values) for part in parts)
        return lambda values: any(part(values) for part in parts)

    def _of_compare(self, node: ast.Compare) -> Run:
        for kind in node.ops:
            if type(kind) not in _COMPARE:
                raise self._refuse(node, "is not allowed: write == or != for is")
        first = self._compile(node.left)
        rest = [
            (_COMPARE[type(kind)], self._items(part) if isinstance(kind, ast.In | ast.NotIn) else self._compile(part))
            for kind, part in zip(node.ops, node.comparators, strict=True)
        ]

        def compare(values: Mapping[str, Any]) -> bool:
            left = first(values)
            for apply, part in rest:
                right = part(values)
                if not _computed(apply, left, right):
                    return False
                left = right
            return True

        return compare

    def _items(self, node: ast.expr) -> Run:
        """Compile what stands after ``in``: the only place for a list."""
        if not isinstance(node, ast.List | ast.Tuple):
            return self._compile(node)
        items = [self._compile(item) for item in node.elts]
        return lambda values: [item(values) for item in items]

    def _of_ifexp(self, node: ast.IfExp) -> Run:
        test, yes, no = self._compile(node.test), self._compile(node.body), self._compile(node.orelse)
        return lambda values: yes(values) if test(values) else no(values)

    def _of_call(self, node: ast.Call) -> Run:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _CALLS:
            raise self._refuse(node, f"is not allowed: only {', '.join(_CALLS)} can be called")
        if node.keywords or any(isinstance(part, ast.Starred) for part in node.args):
            raise self._refuse(node, "is not allowed: only plain arguments can be passed")
        apply, parts = _CALLS[name], [self._compile(part) for part in node.args]
        return lambda values: _computed(apply, *(part(values) for part in parts))


def _plain(value: Any) -> Value:
    """Return a value as a built-in one, so that numpy's numbers can be passed as they come."""
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise ExpressionError(f"a {type(value).__name__} cannot stand in an expression")


def _bounded(value: Value) -> Value:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"a number grew beyond {MAX_BITS} bits")
    if isinstance(value, str) and len(value) > MAX_STRING:
        raise ExpressionError(f"a string grew beyond {MAX_STRING} characters")
    if isinstance(value, complex):
        raise ExpressionError("the root of a negative number is not a number")
    return value


def _computed(apply: Callable[..., Value], *operands: Value) -> Value:
    try:
        return _bounded(apply(*operands))
    except ZeroDivisionError:
        raise ExpressionError("division by zero") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ExpressionError(str(error)) from None


def _number(value: Value) -> Value:
    if not isinstance(value, int | float):
        raise ExpressionError(f"need a number, got {value!r}")
    return value


def _on_numbers(apply: Callable[..., Value]) -> Callable[..., Value]:
    """Restrict an operation to numbers: ``"a" * 10**9`` and ``"%1000000000d" % 1`` must never run."""
    return lambda *operands: apply(*map(_number, operands))


def _add(left: Value, right: Value) -> Value:
    both_strings = isinstance(left, str) and isinstance(right, str)
    return left + right if both_strings else _number(left) + _number(right)


def _power(base: Value, exponent: Value) -> Value:
    if isinstance(base, int) and isinstance(exponent, int) and base.bit_length() * exponent > 2 * MAX_BITS:
        raise ExpressionError(f"{base} ** {exponent} is too large")
    return base**exponent


def _log2(value: Value) -> float:
    if value <= 0:
        raise ExpressionError(f"log2 needs a number above 0, got {value}")
    return math.log2(value)


def _sqrt(value: Value) -> float:
    if value < 0:
        raise ExpressionError(f"sqrt needs a number of at least 0, got {value}")
    return math.sqrt(value)


def _round(value: Value, digits: Value = None) -> Value:
    if digits is not None and not (isinstance(digits, int) and abs(digits) <= 300):
        raise ExpressionError(f"round needs a whole number of digits from -300 to 300, got {digits!r}")
    return round(_number(value), digits)


_YAML_WORDS = {"True": True, "False": False, "None": None}
_UNARY: Mapping[type[ast.unaryop], Callable[[Value], Value]] = {
    ast.Not: operator.not_,
    ast.USub: _on_numbers(operator.neg),
    ast.UAdd: _on_numbers(operator.pos),
}
_BINARY: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: _add,
    ast.Sub: _on_numbers(operator.sub),
    ast.Mult: _on_numbers(operator.mul),
    ast.Div: _on_numbers(operator.truediv),
    ast.FloorDiv: _on_numbers(operator.floordiv),
    ast.Mod: _on_numbers(operator.mod),
    ast.Pow: _on_numbers(_power),
}
_COMPARE: Mapping[type[ast.cmpop], Callable[[Value, Value], Value]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, items: item in items,
    ast.NotIn: lambda item, items: item not in items,
}
_CALLS: Mapping[str, Callable[..., Value]] = {
    "min": _on_numbers(min),
    "max": _on_numbers(max),
    "abs": _on_numbers(abs),
    "round": _round,
    "int": int,
    "float": float,
    "log2": _on_numbers(_log2),
    "sqrt": _on_numbers(_sqrt),
}
