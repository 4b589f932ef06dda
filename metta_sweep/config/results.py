"""``sweep.results``: where a run's numbers come from, as a person writes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar

from annotated_types import MaxLen, MinLen

from metta_sweep.config.forms import Exact, Read
from metta_sweep.config.settings import STRICT
from metta_sweep.nearest import did_you_mean, listing

OWN = ("report",)
"""What is read where nobody says it: what the run itself reported."""

_REDUCTION = re.compile(r"last|first|best|max|min|mean:[1-9]\d{0,5}")
_REDUCTIONS = "last, first, best, max, min or mean:N (the mean of the last N values)"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _several(value: object) -> object:
    """Take one name for a list of one."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _one_line(value: object) -> object:
    """Refuse a name that would break a line.

    Raises:
        ValueError: It has a control character in it.
    """
    if isinstance(value, str) and _CONTROL.search(value):
        raise ValueError("need a name in one line, without control characters")
    return value


def _written(name: str) -> str:
    """Return how a person writes a field: ``from`` cannot be the name of one."""
    return "from" if name == "readers" else name


MetricName = Annotated[str, Exact(), MinLen(1), MaxLen(300), Read(_one_line)]
"""A metric's name: whatever JSON allows, but for what would break a line."""
Text = Annotated[str, Exact(), MinLen(1), MaxLen(2000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultSettings:
    """``results``: where a run's numbers come from; left out, runs write ``result.json`` themselves."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {**STRICT, "alias_generator": _written}
    readers: Annotated[tuple[Text, ...], MinLen(1), MaxLen(8), Read(_several)] = OWN
    """``from``: the name of a reader, or a list of them."""
    path: Text | None = None
    """A glob below the run's working directory, for readers of files."""
    metrics: Annotated[dict[MetricName, Text], MaxLen(200)] = field(default_factory=dict)
    """Tag, column, key or (stdout) regular expression by the sweep's name for it; left out, names are as found."""
    step: Text | None = None
    """Column, key or group that counts training steps."""
    reduce: dict[MetricName, Text] | Text = "last"
    """How the values of a run become one: for all metrics, or each."""

    def as_written(self) -> dict[str, Any]:
        """Return the block as plain JSON values under the keys that a person writes, defaults left out."""
        default = ResultSettings()
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        given = {name: value for name, value in values.items() if value != getattr(default, name)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        return {_written(name): value for name, value in plain.items()}


def results_problems(
    results: ResultSettings, *, metrics: Sequence[str], known: Collection[str], has_command: bool
) -> Iterator[tuple[str, str, str]]:
    """Yield the key below ``sweep``, the message and the fix of everything that is wrong with the block.

    Args:
        results: The block.
        metrics: The metrics that every run has to report, the first one above all.
        known: The readers that there are; empty where nobody knows.
        has_command: Whether runs are a command of the user's own.
    """
    if not has_command:
        yield (
            "results",
            "is for a command of your own: the bundled trainer writes its results itself",
            "remove it, or set command",
        )
    for name in results.readers:
        if known and name not in known:
            yield "results.from", f"need a reader, got {name!r}", did_you_mean(name, known, otherwise="there are")
    yield from _metric_problems(results, metrics)
    yield from _reduction_problems(results, metrics)
    yield from _pattern_problems(results)


def _metric_problems(results: ResultSettings, metrics: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    missing = [metric for metric in metrics if results.metrics and metric not in results.metrics]
    for metric in missing[:1]:
        where = "sweep.metric" if metric == metrics[0] else "sweep.metric or sweep.bounds"
        message = f"need an entry for the metric {metric!r}, which {where} names"
        yield "results.metrics", message, f"it has {listing(results.metrics)}"
    if isinstance(results.reduce, Mapping):
        names = {*metrics, *results.metrics}
        for name in results.reduce:
            if results.metrics and name not in names:
                yield f"results.reduce.{name}", "there is no such metric", did_you_mean(name, names)


def _reduction_problems(results: ResultSettings, metrics: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    each = results.reduce if isinstance(results.reduce, Mapping) else {"": results.reduce}
    for name, how in each.items():
        key = f"results.reduce.{name}" if name else "results.reduce"
        if not _REDUCTION.fullmatch(how):
            yield key, f"need {_REDUCTIONS}, got {how!r}", did_you_mean(how, ["last", "first", "best", "mean:20"])
        elif how == "best" and (len(metrics) > 1 or (name or metrics[0]) != metrics[0]):
            yield key, *_no_best(metrics)


def _no_best(metrics: Sequence[str]) -> tuple[str, str]:
    """Return why the best value of a metric is not known, and what to write."""
    if len(metrics) > 1:
        return "the best values of several metrics may be of different moments", "write last, max or min for each"
    return f"best is known for {metrics[0]} alone, which has a goal", "write max or min"


def _pattern_problems(results: ResultSettings) -> Iterator[tuple[str, str, str]]:
    """Look at regular expressions; with other readers beside stdout a text may as well be a tag of theirs."""
    if results.readers != ("stdout",):
        return
    for name, text in results.metrics.items():
        problem = pattern_problem(text, step=results.step)
        if problem:
            yield f"results.metrics.{name}", f"{problem}, got {text!r}", _pattern_fix(text)
    if results.step is not None and "(" in results.step:
        problem = pattern_problem(results.step)
        if problem:
            yield "results.step", f"{problem}, got {results.step!r}", ""


def pattern_problem(text: str, *, step: str | None = None) -> str:
    """Return what is wrong with a regular expression for a number; empty where nothing is.

    Args:
        text: The expression.
        step: Name of the group that has the step, where it has one.
    """
    try:
        compiled = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return f"need a regular expression ({error})"
    groups = compiled.groups - (step in compiled.groupindex)
    return "" if groups == 1 else f"need exactly one group in parentheses, the number (it has {groups})"


def _pattern_fix(text: str) -> str:
    if re.fullmatch(r"[\w./@% -]+", text):
        return rf"write '{text}[:=]\s*(\S+)'"
    return "groups that only group are written (?:…)" if "(" in text else ""
