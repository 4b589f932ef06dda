"""The direction of a metric: the one place where a sign is applied."""

from __future__ import annotations

import enum


class Goal(enum.StrEnum):
    """Whether a larger or a smaller metric is better."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    @property
    def sign(self) -> float:
        """+1 for maximize, -1 for minimize."""
        return 1.0 if self is Goal.MAXIMIZE else -1.0

    def score(self, metric: float) -> float:
        """Return the metric made larger-is-better; applied twice it gives the metric back."""
        return self.sign * metric
