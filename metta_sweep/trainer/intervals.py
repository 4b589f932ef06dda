"""How often something is done during a run: the rule of ``evaluate_interval`` and ``checkpoint_interval``. Light.

An interval counts updates. One of more updates than the run has counts agent-steps, so that ``evaluate_interval: 5000``
means the same for every batch size of a short run. Without one there are :data:`USUAL` a run, at the same shares of
every run's length.
"""

from __future__ import annotations

from dataclasses import dataclass

USUAL = 10
"""How often something is done in a run that names no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """When something is due."""

    every: int | None
    """As the config has it."""
    batch_size: int
    """Agent-steps of an update."""
    num_updates: int
    """Updates of the run."""

    @property
    def in_steps(self) -> bool:
        """Whether it counts agent-steps: it is longer than the run in updates, and not shorter than an update."""
        return self.every is not None and self.every > self.num_updates and self.every >= self.batch_size

    @property
    def exceeds(self) -> bool:
        """Whether it never comes before the end of the run."""
        return not any(self.due(update) for update in range(1, self.num_updates))

    def due(self, update: int) -> bool:
        """Say whether it is time after an update, the first of which is 1; after the last it always is."""
        if update == self.num_updates:
            return True
        if self.every is None:
            return update * USUAL // self.num_updates > (update - 1) * USUAL // self.num_updates
        size = self.batch_size if self.in_steps else 1
        return update * size // self.every > (update - 1) * size // self.every

    def describe(self) -> str:
        """Return the interval in words."""
        return f"{self.every} {'agent-steps' if self.in_steps else 'updates'}"
