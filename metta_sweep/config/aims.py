"""``sweep.metric``, ``goal``, ``weights`` and ``bounds``: what the runs' metrics are to reach, as a person writes it.

One metric and one goal are two words. Several metrics have a goal each, in the same order or by name, and weights where
one number is to decide between them; without weights there is a Pareto front.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.config.results import MetricName
from metta_sweep.config.yaml_source import brief
from metta_sweep.goal import MOST_OBJECTIVES, Bound, Goal, Objective, weighted_name
from metta_sweep.nearest import did_you_mean
from metta_sweep.trees import leaves

Wrong = tuple[str, str, str]
"""The key below ``sweep``, the message and the fix of a problem."""
GOALS = tuple(str(goal) for goal in Goal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """What is asked of the metrics that runs report."""

    metric: Any
    """The one metric, the first of several, or what their weighted sum is called."""
    goal: Any
    """Its goal."""
    objectives: tuple[Objective, ...] = ()
    """All of several metrics; empty where there is one."""
    bounds: tuple[Bound, ...] = ()
    """Limits that a point must keep to count."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every metric that a run has to report, each once."""
        own = [one.metric for one in self.objectives] or [self.metric]
        return tuple(dict.fromkeys([*own, *(bound.metric for bound in self.bounds)]))

    def key_of(self, metric: str) -> str:
        """Return the key of the sweep file that names a metric."""
        bounded = {bound.metric for bound in self.bounds} - {one.metric for one in self.objectives} - {self.metric}
        return "bounds" if metric in bounded else "metric"

    @property
    def has_front(self) -> bool:
        """Whether no weights decide between several metrics."""
        return any(one.weight is None for one in self.objectives)


def read_aims(sweep: Mapping[str, Any]) -> tuple[Aims, list[Wrong]]:
    """Return what a sweep file asks of its metrics, and what is wrong with it.

    A single metric and a single goal are handed on as they stand: the job's settings judge them.
    """
    metric, goal, weights = sweep.get("metric"), sweep.get("goal"), sweep.get("weights")
    bounds, problems = _bounds(sweep.get("bounds"))
    if isinstance(metric, list | tuple | Mapping):
        names = list(metric) if isinstance(metric, list | tuple) else []
        wrong = list(_wrong_names(metric, names))
        goals = {} if wrong else _by_name("goal", goal, names, problems)
        problems += wrong or [*_wrong_goals(goals, isinstance(goal, Mapping))]
        weighing = {} if wrong or weights is None else _by_name("weights", weights, names, problems)
        problems += _wrong_weights(weighing, isinstance(weights, Mapping))
        if wrong or any(key in ("goal", "weights") for key, _, _ in _roots(problems)):
            return Aims(metric="metric", goal="maximize", bounds=bounds), problems
        return _several(names, goals, weighing, bounds), problems
    if weights is not None:
        message = "weigh several metrics against each other, and there is one"
        problems.append(("weights", message, "remove it, or name all of them: metric: [A, B]"))
    if isinstance(goal, list | tuple | Mapping):
        if len(goal) == 1 and (not isinstance(goal, Mapping) or metric in goal):
            goal = goal[metric] if isinstance(goal, Mapping) else goal[0]
        else:
            message = f"need one goal for the one metric, got {brief(goal)}"
            problems.append(("goal", message, "write goal: maximize, or name all the metrics: metric: [A, B]"))
            goal = str(Goal.MAXIMIZE)
    return Aims(metric=metric, goal=goal, bounds=bounds), problems


def _roots(problems: Sequence[Wrong]) -> Iterator[Wrong]:
    yield from ((key.partition(".")[0], message, fix) for key, message, fix in problems)


def _several(
    names: Sequence[str], goals: Mapping[str, Any], weights: Mapping[str, Any], bounds: tuple[Bound, ...]
) -> Aims:
    if len(names) == 1:
        return Aims(metric=names[0], goal=goals[names[0]], bounds=bounds)
    objectives = tuple(
        Objective(metric=name, goal=Goal(goals[name]), weight=float(weights[name]) if weights else None)
        for name in names
    )
    metric = weighted_name(objectives) if weights else names[0]
    return Aims(metric=metric, goal=str(objectives[0].goal), objectives=objectives, bounds=bounds)


def _wrong_names(written: Any, names: Sequence[Any]) -> Iterator[Wrong]:
    """Yield what is wrong with a list of metrics."""
    from pydantic import TypeAdapter, ValidationError

    if isinstance(written, Mapping):
        yield "metric", f"need a metric's name or a list of names, got {brief(written)}", _as_lists(written)
        return
    if not 1 <= len(names) <= MOST_OBJECTIVES:
        yield "metric", f"need 1 to {MOST_OBJECTIVES} metrics, got {len(names)}", ""
    for number, name in enumerate(names):
        try:
            TypeAdapter(MetricName).validate_python(name)
        except ValidationError:
            yield f"metric.{number}", f"need a metric's name, got {brief(name)}", ""
    known = [name for name in names if isinstance(name, str)]
    for name in dict.fromkeys(name for name in known if known.count(name) > 1):
        yield "metric", f"{name!r} is named twice", "remove one of them"


def _as_lists(written: Mapping[str, Any]) -> str:
    """Return how a mapping of metrics to goals is written."""
    if not written or not all(value in GOALS for value in written.values()):
        return "write metric: [A, B] and goal: [maximize, minimize]"
    return f"write metric: {_listed(list(written))} and goal: {_listed(list(written.values()))}"


def _by_name(key: str, written: Any, names: Sequence[str], problems: list[Wrong]) -> dict[str, Any]:
    """Return what is written for each metric, in a list of their order or by name; note what does not fit them."""
    what = "a goal" if key == "goal" else "a weight"
    metrics = f"each of the {len(names)} metrics ({', '.join(names)})" if len(names) > 1 else f"the metric {names[0]}"
    example = "maximize" if key == "goal" else "1"
    fix = f"write {key}: {_listed([example] * len(names))}, in the order of metric"
    fix += ", with minimize where less is better" if key == "goal" else ""
    if isinstance(written, Mapping):
        unknown = [str(name) for name in written if name not in names]
        missing = [name for name in names if name not in written]
        problems += [(f"{key}.{name}", "there is no such metric", did_you_mean(name, names)) for name in unknown]
        if missing and not unknown:
            problems.append((key, f"need {what} for {', '.join(missing)} too", f"add {missing[0]}: {example}"))
        return {name: written[name] for name in names if name in written}
    if isinstance(written, list | tuple) and len(written) == len(names):
        return dict(zip(names, written, strict=True))
    if len(names) == 1 and not isinstance(written, list | tuple):
        return {names[0]: written}
    got = f"{len(written)}: {_listed(written)}" if isinstance(written, list | tuple) else brief(written)
    problems.append((key, f"need {what} for {metrics}, got {got}", fix))
    return {}


def _listed(words: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, words))}]"


def _wrong_goals(goals: Mapping[str, Any], by_name: bool) -> Iterator[Wrong]:
    for number, (name, goal) in enumerate(goals.items()):
        if goal not in GOALS:
            fix = did_you_mean(goal, GOALS) if isinstance(goal, str) else ""
            yield f"goal.{name if by_name else number}", f"need one of {', '.join(GOALS)}, got {brief(goal)}", fix


def _wrong_weights(weights: Mapping[str, Any], by_name: bool) -> Iterator[Wrong]:
    for number, (name, weight) in enumerate(weights.items()):
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (is_number and math.isfinite(weight) and weight > 0):
            message = f"need a number above 0, got {brief(weight)}"
            fix = "the goal says which direction is better; leave a metric out that is not to count"
            yield f"weights.{name if by_name else number}", message, fix


def _bounds(written: Any) -> tuple[tuple[Bound, ...], list[Wrong]]:
    """Return the bounds, and what is wrong with them."""
    if written is None:
        return (), []
    texts = [written] if isinstance(written, str) else written
    if not isinstance(texts, list | tuple):
        texts = [f"{name} {limit}" for name, limit in written.items()] if isinstance(written, Mapping) else []
        fix = f"write bounds: {_listed(texts or ['METRIC <= NUMBER'])}"
        return (), [("bounds", f"need a list of bounds, got {brief(written)}", fix)]
    found: list[Bound] = []
    problems: list[Wrong] = []
    for number, text in enumerate(texts):
        try:
            if not isinstance(text, str):
                raise ValueError(f"need METRIC <= NUMBER or METRIC >= NUMBER, got {brief(text)}")
            found.append(Bound.parse(text))
        except ValueError as error:
            problems.append((f"bounds.{number}", str(error), ""))
    return tuple(dict.fromkeys(found)), [*problems, *_contradictions(found)]


def _contradictions(bounds: Sequence[Bound]) -> Iterator[Wrong]:
    for name in dict.fromkeys(bound.metric for bound in bounds):
        above = max((b for b in bounds if b.metric == name and not b.is_upper), key=lambda b: b.limit, default=None)
        below = min((b for b in bounds if b.metric == name and b.is_upper), key=lambda b: b.limit, default=None)
        if above is not None and below is not None and above.limit > below.limit:
            yield "bounds", f"no value of {name} keeps both {above} and {below}", "mend one of them"


def bounds_on_settings(aims: Aims, swept: Sequence[str], configured: Sequence[str]) -> Iterator[Wrong]:
    """Yield the problem of each bound that is on a setting of the training instead of a metric.

    Args:
        aims: What is asked.
        swept: Dotted paths of the swept parameters.
        configured: Dotted paths of the training config.
    """
    for bound in aims.bounds:
        if bound.metric in swept:
            what, fix = "a swept parameter", f"narrow its range, or write constraints: [{bound}]"
        elif bound.metric in configured:
            what, fix = "a setting of the training", f"set it, or write constraints: [{bound}]"
        else:
            continue
        yield "bounds", f"{bound.metric} is {what}: a bound is on a metric that runs report", fix


def as_bound(constraint: str, unknown: str) -> str:
    """Return what is to be written of a constraint over the config that was meant for a metric; empty for any other.

    Args:
        constraint: The expression.
        unknown: What is said of it: a metric is an unknown name there.
    """
    try:
        bound = Bound.parse(constraint)
    except ValueError:
        return ""
    is_meant = "unknown" in unknown and bound.metric in unknown
    return f"a limit on a metric that runs report is written under bounds: [{bound}]" if is_meant else ""


def unsupported(aims: Aims, sweep: Mapping[str, Any], protein: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield what does not go together with the metrics and their goals, or with bounds.

    Args:
        aims: What is asked.
        sweep: The keys of the sweep file.
        protein: Settings of the optimizer.
    """
    weigh = "weigh the metrics: weights: [1, …]"
    limits = sweep.get("limits")
    if aims.has_front:
        why = f"and there are {len(aims.objectives)} without weights"
        if sweep.get("early_stop") not in (None, False, "off"):
            yield "early_stop", f"judges runs by one metric, {why}", f"remove it, or {weigh}"
        if sweep.get("confirm"):
            yield "confirm", f"tells which point is the best by one metric, {why}", f"remove it, or {weigh}"
        if isinstance(limits, Mapping) and limits.get("target") is not None:
            yield "limits.target", f"is a value of one metric, {why}", f"remove it, or {weigh}"
        if sweep.get("from"):
            yield "from", f"other sweeps tell of one metric, {why}", f"remove it, or {weigh}"
        if protein.get("resample_frequency"):
            yield "protein.resample_frequency", f"runs the one best point again, {why}", f"remove it, or {weigh}"
    yield from _wrong_ranges(aims, protein.get("metric_range"))
    if sweep.get("common_seeds") is True and (aims.has_front or aims.bounds):
        what = "several goals without weights" if aims.has_front else "bounds"
        yield "common_seeds", f"is not known together with {what}", "remove it; num_samples averages over seeds"


def _wrong_ranges(aims: Aims, written: Any) -> Iterator[Wrong]:
    """Yield what is wrong with the metrics that ``protein.metric_range`` is of; the ranges are judged with the rest."""
    metrics = tuple(
        dict.fromkeys([aims.metric, *(aims.names if aims.has_front else ()), *(b.metric for b in aims.bounds)])
    )
    if isinstance(written, Mapping):
        for name in [name for name, _ in leaves(written) if name not in metrics]:
            yield f"protein.metric_range.{name}", "there is no such metric", did_you_mean(name, metrics)
    elif written is not None and len(metrics) > 1:
        fix = f"write metric_range: {{{metrics[0]}: [0, 1]}}"
        yield "protein.metric_range", f"need the range of each by its name, as there are {len(metrics)} metrics", fix
