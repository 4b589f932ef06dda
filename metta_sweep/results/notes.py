"""What a reader has to say about what it reads."""

from __future__ import annotations

NOTES = 40
"""Most notes that are made about one run."""


class Notes:
    """What a reader has to say about what it reads: each thing once, faults apart from what is only odd."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}
        self._told = 0
        self.fault = ""
        """What makes the numbers unusable; the first one found."""

    def say(self, text: str) -> None:
        """Note something odd that changes no number."""
        if len(self._said) < NOTES:
            self._said.setdefault(text)

    def refuse(self, text: str) -> None:
        """Note a fault: no result is made from this run's numbers."""
        self.fault = self.fault or text

    @property
    def said(self) -> list[str]:
        """Everything noted so far."""
        return list(self._said)

    def news(self) -> list[str]:
        """Return the notes made since the last call."""
        new = list(self._said)[self._told :]
        self._told = len(self._said)
        return new
