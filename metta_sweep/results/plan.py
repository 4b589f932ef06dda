"""What is read of a run, as it is handed to the process that reads: plain JSON, so that it needs no configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DEFAULT_REDUCTION = "last"
"""How a metric is reduced where nobody says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingPlan:
    """What is read of every run of a sweep."""

    metric: str
    """The metric that is searched for."""
    maximizes: bool
    """Whether more of it is better."""
    readers: tuple[str, ...]
    """Names of the readers."""
    path: str | None = None
    """Glob below the run's working directory."""
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Tag, column, key or expression by the sweep's name; empty for every name as it is."""
    step: str | None = None
    """Column, key or group of the step."""
    reduce: Mapping[str, str] = field(default_factory=dict)
    """How each metric is reduced."""
    reduce_others: str = DEFAULT_REDUCTION
    """How the rest is."""
    is_shared: bool = False
    """Whether several runs may write below one working directory at the same time."""

    @classmethod
    def parse(cls, text: str) -> ReadingPlan:
        """Return the plan that :meth:`to_json` gave."""
        content: dict[str, Any] = json.loads(text)
        return cls(**{**content, "readers": tuple(content["readers"])})

    def to_json(self) -> str:
        """Return the plan as text."""
        return json.dumps(asdict(self))

    def reduction(self, metric: str) -> str:
        """Return how a metric is reduced; ``best`` is what the goal makes of it."""
        how = self.reduce.get(metric, self.reduce_others)
        return how if how != "best" else "max" if self.maximizes else "min"
