"""Which rules hang together: rules that share no parameter can be satisfied one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metta_sweep.space.constraints import Constraint
from metta_sweep.space.parameter import Condition, Parameter
from metta_sweep.space.reading import Tied


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Parameters that rules tie together, with those rules."""

    members: tuple[int, ...]
    """Indices of the parameters."""
    constraints: tuple[Constraint, ...]
    """The rules between them."""
    tied: tuple[Tied, ...]
    """The tied parameters that hang on them."""


def swept_behind(names: frozenset[str], tied: Sequence[Tied], parameters: Sequence[Parameter]) -> frozenset[str]:
    """Return the swept parameters behind names: through tied values, and through conditions."""
    rules: dict[str, tuple[frozenset[str], Condition | None]] = {
        item.name: (item.expression.names, item.when) for item in tied
    }
    rules |= {parameter.name: (frozenset(), parameter.when) for parameter in parameters}
    seen: set[str] = set()
    left = set(names)
    while left:
        name = left.pop()
        if name in rules and name not in seen:
            seen.add(name)
            others, when = rules[name]
            left |= others | {other for other, _ in (when.clauses if when else ())}
    return frozenset(seen & {parameter.name for parameter in parameters})


def independent_groups(
    constraints: Sequence[Constraint], tied: Sequence[Tied], parameters: Sequence[Parameter], index: Mapping[str, int]
) -> tuple[Group, ...]:
    """Put rules that share a parameter together; rules over fixed values alone form a group without members."""
    reads = [(constraint, constraint.reads) for constraint in constraints]
    reads_of_tied = [(item, swept_behind(frozenset({item.name}), tied, parameters)) for item in tied]
    clusters: list[frozenset[str]] = []
    for _, names in (*reads, *reads_of_tied):
        apart = [cluster for cluster in clusters if not cluster & names]
        clusters = [*apart, names.union(*(cluster for cluster in clusters if cluster & names))]
    return tuple(
        Group(
            members=tuple(sorted(index[name] for name in cluster)),
            constraints=tuple(constraint for constraint, names in reads if names <= cluster),
            tied=tuple(item for item, names in reads_of_tied if names <= cluster),
        )
        for cluster in clusters
    )
