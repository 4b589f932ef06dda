"""Enough GraphQL to answer a client: parses its queries and returns exactly the fields that it selects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""(?:[\s,]|\#[^\n]*)*  (?: (?P<punct>\.\.\.|[{}()\[\]:=!$@|]) | (?P<string>"(?:[^"\\]|\\.)*")
        | (?P<number>-?\d+(?:\.\d+)?) | (?P<name>[_A-Za-z]\w*) | $ )""",
    re.VERBOSE,
)


class GraphQLError(Exception):
    """The query is one that this server does not know."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str


@dataclass(frozen=True, slots=True)
class Selection:
    """A field, or a named or inline fragment (``name`` is then empty)."""

    name: str = ""
    alias: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    include: Any = True
    selections: tuple[Selection, ...] = ()
    fragment: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    operation: str
    defaults: Mapping[str, Any]
    selections: tuple[Selection, ...]
    fragments: Mapping[str, tuple[Selection, ...]]


def parse(text: str) -> Document:
    """Return the document's one operation and its fragments."""
    return _Parser(text).document()


def execute(document: Document, variables: Mapping[str, Any], root: Mapping[str, Callable[..., Any]]) -> dict[str, Any]:
    """Return the selected fields. An object is a mapping; a callable value takes the field's arguments."""
    return _Executor(document, {**document.defaults, **variables}).fields(root, document.selections, "Query")


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def document(self) -> Document:
        operation, defaults, selections = "", {}, ()
        fragments: dict[str, tuple[Selection, ...]] = {}
        while self._peek() is not None:
            kind = self._next()
            name = self._next()
            if kind == "fragment":
                self._expect("on")
                self._next()
                fragments[name] = self._selections()
            else:
                operation, defaults, selections = name, self._definitions(), self._selections()
        return Document(operation, defaults, selections, fragments)

    def _definitions(self) -> dict[str, Any]:
        """Skip the types of the variables and return their default values."""
        defaults: dict[str, Any] = {}
        if self._peek() != "(":
            return defaults
        self._next()
        name = ""
        while (token := self._next()) != ")":
            if token == "$":
                name = self._next()
            elif token == "=":
                defaults[name] = self._value()
        return defaults

    def _selections(self) -> tuple[Selection, ...]:
        self._expect("{")
        found = []
        while self._peek() != "}":
            found.append(self._selection())
        self._next()
        return tuple(found)

    def _selection(self) -> Selection:
        if self._peek() == "...":
            self._next()
            if self._peek() == "on":
                self._next()
                self._next()
                return Selection(selections=self._selections())
            return Selection(fragment=self._next())
        alias = name = self._next()
        if self._peek() == ":":
            self._next()
            name = self._next()
        arguments = self._arguments()
        include = self._include()
        below = self._selections() if self._peek() == "{" else ()
        return Selection(name, alias, arguments, include, below)

    def _arguments(self) -> dict[str, Any]:
        if self._peek() != "(":
            return {}
        self._next()
        return self._pairs(")")

    def _include(self) -> Any:
        include: Any = True
        while self._peek() == "@":
            self._next()
            if (name := self._next()) != "include":
                raise GraphQLError(f"unknown directive @{name}")
            include = self._arguments()["if"]
        return include

    def _pairs(self, end: str) -> dict[str, Any]:
        pairs = {}
        while self._peek() != end:
            name = self._next()
            self._expect(":")
            pairs[name] = self._value()
        self._next()
        return pairs

    def _value(self) -> Any:
        token = self._next()
        if token == "$":
            return Variable(self._next())
        if token == "{":
            return self._pairs("}")
        if token == "[":
            values = []
            while self._peek() != "]":
                values.append(self._value())
            self._next()
            return values
        if token[0] in '"-0123456789' or token in ("true", "false", "null"):
            return json.loads(token)
        return token

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise GraphQLError("the query ends too early")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if (got := self._next()) != token:
            raise GraphQLError(f"need {token!r}, got {got!r}")


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise GraphQLError(f"cannot read {text[at : at + 20]!r}")
        at = found.end()
        if found.lastgroup:
            yield found[found.lastgroup]


@dataclass(frozen=True, slots=True)
class _Executor:
    document: Document
    variables: Mapping[str, Any]

    def fields(self, node: Mapping[str, Any], selections: tuple[Selection, ...], place: str) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for chosen in selections:
            if not chosen.name:
                below = chosen.selections or self._fragment(chosen.fragment)
                answer.update(self.fields(node, below, place))
            elif self._resolve(chosen.include):
                answer[chosen.alias] = self._field(node, chosen, place)
        return answer

    def _fragment(self, name: str) -> tuple[Selection, ...]:
        if name not in self.document.fragments:
            raise GraphQLError(f"unknown fragment {name}")
        return self.document.fragments[name]

    def _field(self, node: Mapping[str, Any], chosen: Selection, place: str) -> Any:
        if chosen.name not in node:
            raise GraphQLError(f"cannot query field {chosen.name!r} of {place} in {self.document.operation}")
        value = node[chosen.name]
        if callable(value):
            value = value(**{name: self._resolve(given) for name, given in chosen.arguments.items()})
        return self._project(value, chosen, f"{place}.{chosen.name}")

    def _project(self, value: Any, chosen: Selection, place: str) -> Any:
        if isinstance(value, list):
            return [self._project(item, chosen, place) for item in value]
        if isinstance(value, Mapping) and chosen.selections:
            return self.fields(value, chosen.selections, place)
        return value

    def _resolve(self, given: Any) -> Any:
        if isinstance(given, Variable):
            return self.variables.get(given.name)
        if isinstance(given, dict):
            return {name: self._resolve(value) for name, value in given.items()}
        if isinstance(given, list):
            return [self._resolve(value) for value in given]
        return given
