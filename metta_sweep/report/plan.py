"""What a sweep would do, shown before the money is spent."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from metta_sweep.goal import in_words
from metta_sweep.optimize.port import Suggestion
from metta_sweep.report.estimate import Estimate
from metta_sweep.report.narration import why_in_short
from metta_sweep.report.requested_space import rules_that_matter
from metta_sweep.report.wording import count, duration, optimizer_in_words, params, plain, printable, short_names, size
from metta_sweep.trees import leaves

if TYPE_CHECKING:
    from metta_sweep.config.asked import Asked
    from metta_sweep.space import SearchSpace
    from metta_sweep.space.parameter import Parameter


MORE_POINTS = (1.3, 2.2)
"""How many points the money of one tries where runs are ended early: most of the tasks of benchmarks/early_stopping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that the plan shows."""

    asked: Asked
    """The request."""
    feasible_share: float
    """Share of the space that satisfies the constraints, 0 to 1."""
    suggestions: Sequence[Suggestion]
    """The next points that the optimizer would propose."""
    command: Sequence[str]
    """The command of a run."""
    done: int
    """Rollouts that were suggested already."""
    confirmed: bool = False
    """Whether the best were chosen to be run again."""
    unspent: float = 0.0
    """Whole rollouts that were saved by stopping runs early."""
    changes: Sequence[str] = ()
    """What the request changes about the sweep that is there, a line each."""
    sources: Sequence[str] = ()
    """What each sweep under ``from`` is worth, a line each."""
    run_cost: Estimate | None
    """What one run will cost; None where nothing like it was ever run."""
    disk_bytes: int | None
    """What one run leaves on disk; None where nothing like it was ever run."""
    free_bytes: int
    """What the disk has left."""
    mirror: str
    """Where else it will be logged, in one line."""
    tried: bool = False
    """Whether one run was done to tell."""

    @property
    def left(self) -> int:
        """Rollouts that are left to do."""
        return max(0, math.ceil(self.asked.rollout_count - self.done + self.unspent))


def show_plan(plan: Plan, console: Console) -> None:
    """Print the plan."""
    asked = plan.asked
    console.print(
        Text(f"PLAN: {asked.name} ({in_words(asked.metric, asked.goal, asked.objectives, asked.bounds)})", style="bold")
    )
    console.print(Text(f"from {asked.sweep_file}; {_done(plan)}", style="dim"))
    console.print(_space_table(asked.space))
    for line in _sections(plan):
        console.print(Text(line, style="bold" if line and not line.startswith(" ") else ""), soft_wrap=True)


def _done(plan: Plan) -> str:
    kept = "nothing of it was kept" if plan.tried else "nothing was written"
    return f"{'one run was tried' if plan.tried else 'nothing was started'} and {kept}"


def _space_table(space: SearchSpace) -> Table:
    table = Table(title="Search space", title_justify="left", title_style="bold")
    rows = [_cells(parameter) for parameter in space.parameters]
    for heading in ("parameter", "range", "center", "radius", "values", "only when"):
        if any(row[heading] for row in rows):
            table.add_column(heading, overflow="fold", no_wrap=heading == "parameter")
    for row in rows:
        table.add_row(*(Text(row[column.header]) for column in table.columns if isinstance(column.header, str)))
    return table


def _cells(parameter: Parameter) -> dict[str, str]:
    """Return a parameter's cells by heading; what is as usual stays empty."""
    size = parameter.domain.size
    return {
        "parameter": printable(parameter.name),
        "range": printable(parameter.describe()),
        "center": plain(parameter.center),
        "radius": "" if parameter.radius == 1 else f"{parameter.radius:g}",
        "values": "" if size is None else str(size),
        "only when": printable(parameter.when.describe()) if parameter.when else "",
    }


def _sections(plan: Plan) -> Iterator[str]:
    for title, lines in (
        ("What changes about the sweep that is there", [f"  {printable(line)}" for line in plan.changes]),
        ("What to know", _notes(plan.asked)),
        ("Evidence from other sweeps", [f"  {line}" for line in plan.sources]),
        (f"Constraints ({_share(plan.feasible_share)} of the space satisfies them)", _constraints(plan)),
        ("Pinned on the command line (not searched)", _pairs(plan.asked.pinned)),
        ("Where values that differ from the defaults come from", _origins(plan.asked)),
        (_head_of_suggestions(plan), _suggestions(plan)),
        ("Command of the first run", [f"  {printable(shlex.join(plan.command))}"] * (plan.left > 0)),
        ("What it takes", _takes(plan)),
        ("Where it goes", _goes(plan)),
    ):
        shown = list(lines)
        if shown:
            yield ""
            yield title
            yield from shown


def _share(share: float) -> str:
    """Return an estimated share in words: none of the points tried is not none at all."""
    return f"{100 * share:.3g}%" if share > 0 else "less than 0.01%"


def _constraints(plan: Plan) -> Iterator[str]:
    yield from (f"  {printable(rule)}" for rule in rules_that_matter(plan.asked.space))


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"  {printable(name)} = {plain(value)}"


def _notes(asked: Asked) -> Iterator[str]:
    """Yield what a person should know; what is pinned comes first and has a section of its own."""
    yield from (f"  {printable(note)}" for note in asked.notes[len(asked.pinned) :])


def _origins(asked: Asked) -> Iterator[str]:
    swept = {parameter.name for parameter in asked.space.parameters}
    values = dict(leaves(asked.training))
    chosen = {origin.choice: origin.source for origin in asked.origins.values() if origin.choice}
    for choice, source in chosen.items():
        yield f"  {printable(choice.replace('=', ' = ', 1))}    {source}"
    for path, origin in asked.origins.items():
        given = origin.source != "defaults" and not origin.choice and path in values and path not in swept
        if given and origin.default != values[path]:
            place = "" if origin.place == origin.source else f": {printable(origin.place)}"
            yield f"  {printable(path)} = {plain(values[path])}    {origin.source}{place}"


def _head_of_suggestions(plan: Plan) -> str:
    return f"{'Next' if plan.done else 'First'} suggestions by {optimizer_in_words(plan.asked.optimizer)}"


def _suggestions(plan: Plan) -> Iterator[str]:
    short = short_names(parameter.name for parameter in plan.asked.space.parameters)
    for number, suggestion in enumerate(plan.suggestions[: plan.left], start=plan.done):
        yield f"  rollout {number}: {', '.join(params(suggestion.params, short))}"
        yield f"    {why_in_short(suggestion, plan.asked.metric)}"


def _takes(plan: Plan) -> Iterator[str]:
    asked = plan.asked
    left = plan.left
    again = asked.confirm.top_k * asked.confirm.seeds if asked.confirm and not plan.confirmed else 0
    if not left and not again:
        done = count(asked.rollout_count, "rollout")
        yield f"  nothing: all of {done} were suggested before; a larger rollout_count goes on"
        return
    runs = left * asked.num_samples + again
    same = "common " if asked.common_seeds else ""
    seeds = f" x {count(asked.num_samples, f'{same}seed')}" if asked.num_samples > 1 or same else ""
    confirmed = f" + {again} that confirm the best {asked.confirm.top_k}" if asked.confirm and again else ""
    every = f"{count(left, 'rollout')}{seeds}{confirmed} = {count(runs, 'run')}"
    yield f"  {every}, {asked.launcher.max_parallel} at a time"
    if plan.done:
        yield f"  {plan.done} of {count(asked.rollout_count, 'rollout')} were suggested before"
    if plan.run_cost is None:
        yield "  time: unknown, nothing like it was run here before; --try does one run at the center to tell"
    else:
        yield f"  a run: {_interval(plan.run_cost)} ({plan.run_cost.basis})"
        yield f"  all of it: {_interval(plan.run_cost.times(runs / asked.launcher.max_parallel))}"
    yield from _early_stop(asked, left)
    yield from _limits(asked)
    need = "not known before the first run" if plan.disk_bytes is None else size(plan.disk_bytes * runs)
    yield f"  disk: {need}; {size(plan.free_bytes)} are free"


def _early_stop(asked: Asked, left: int) -> Iterator[str]:
    """Yield what the same money tries with runs ended on their way, and without."""
    low, high = (math.floor(times * left) for times in MORE_POINTS)
    if asked.early_stop is not None:
        yield (
            f"  early_stop: {asked.early_stop.policy}: that is the most it trains; runs that will not win are ended on "
            f"their way, so that it may try {low} to {high} points, and {left} with early_stop: off"
        )
    elif left > 1:
        yield f"  early_stop: off; with early_stop: auto the same money may try {low} to {high} points"


def _limits(asked: Asked) -> Iterator[str]:
    """Yield the stop rules that were asked for, by the names that a person gives them."""
    limits = {**asdict(asked.limits), "launcher.run_time_limit_s": asked.launcher.run_time_limit}
    for rule, limit in limits.items():
        if limit is not None and rule not in ("rollouts", "deadline_s"):
            yield f"  limit {rule.removesuffix('_s')}: {duration(limit) if rule.endswith('_s') else plain(limit)}"
    if asked.limits.deadline_s is not None:
        when = datetime.fromtimestamp(asked.limits.deadline_s, UTC).astimezone()
        yield f"  limit deadline: {when.isoformat(sep=' ', timespec='minutes')}"


def _goes(plan: Plan) -> Iterator[str]:
    yield f"  {printable(str(plan.asked.data_dir))}/sweep/{plan.asked.name}/"
    yield f"  {plan.mirror}"


def _interval(estimate: Estimate) -> str:
    return f"{duration(estimate.middle_s)} ({duration(estimate.low_s)} to {duration(estimate.high_s)})"
