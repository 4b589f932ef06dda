"""Regular expressions of people on lines of trainers: what one takes out of a line, and never for too long."""

from __future__ import annotations

import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

NUMBER = r"[-+]?(?:\d[\d_]*(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|(?i:nan|inf(?:inity)?))"
"""A number as programs print it."""

PATIENCE_S = 1.0
"""CPU seconds that expressions may take on one turn's lines; what takes longer backtracks without end."""


class SlowPatternError(Exception):
    """A pattern took longer than its share."""


_BEFORE, _BETWEEN, _AFTER = r"(?<![\w./@-])", r"\s*[:=|]\s*['\"]?", r"(?!\w)(?!\.\d)"
PAIRS = re.compile(rf"{_BEFORE}([A-Za-z_][\w./@%()\[\]-]{{0,99}}?)['\"]?{_BETWEEN}({NUMBER}){_AFTER}")
"""Any name with a number after it: what could be asked for."""


def twice_in_a_line(log: str) -> set[str]:
    """Return names that have a number after them twice in one line: the name alone does not say which one is meant."""
    names = [[name for name, _ in PAIRS.findall(line)] for line in log.splitlines()]
    return {name for of_line in names for name, count in Counter(of_line).items() if count > 1}


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled expression and the group that has the number."""

    compiled: re.Pattern[str]
    group: int
    step_group: str | None = None

    @classmethod
    def of(cls, text: str, *, step: str | None = None) -> Pattern:
        """Compile an expression.

        Args:
            text: With one group that is the number, beside a named one that ``step`` may name.
            step: Name of the group that has the step, where it is one.

        Raises:
            ValueError: It does not compile, or has not exactly one group; the message says which.
        """
        try:
            compiled = re.compile(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is not a regular expression: {error}") from None
        step_group = step if step is not None and step in compiled.groupindex else None
        groups = set(range(1, compiled.groups + 1)) - ({compiled.groupindex[step_group]} if step_group else set())
        if len(groups) != 1:
            raise ValueError(f"need one group in parentheses that is the number, got {len(groups)}")
        return cls(compiled, groups.pop(), step_group)

    def numbers(self, line: str) -> list[tuple[str, str | None]]:
        """Return the texts of the number and of the step wherever the expression fits, at most three."""
        found = []
        for match in self.compiled.finditer(line):
            found.append((match[self.group] or "", match[self.step_group] if self.step_group else None))
            if len(found) == 3:
                break
        return found


class NamedNumber:
    """Finds a number after a name: ``loss: 0.3``, ``loss=0.3``, ``"loss": "0.3"``, ``| loss | 0.3 |``.

    ``loss 0.3`` too, as long as none of the others was there: with blanks alone between, any word may have a number
    after it.
    """

    def __init__(self, name: str) -> None:
        escaped = re.escape(name)
        self._pair = Pattern.of(rf"{_BEFORE}['\"]?{escaped}['\"]?{_BETWEEN}({NUMBER}){_AFTER}")
        self._spoken: Pattern | None = Pattern.of(rf"{_BEFORE}{escaped}\s+({NUMBER}){_AFTER}")

    def numbers(self, line: str) -> list[tuple[str, str | None]]:
        """Return the texts of the number wherever it stands, at most three; see :meth:`Pattern.numbers`."""
        found = self._pair.numbers(line)
        if found:
            self._spoken = None
        return found if self._spoken is None else self._spoken.numbers(line)


@contextmanager
def patience(seconds: float = PATIENCE_S) -> Iterator[None]:
    """Bound the CPU time of what is done inside; matching an expression is interrupted too.

    Raises:
        SlowPatternError: The time is over. Only in a process's main thread; elsewhere nothing is bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _interrupt)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SlowPatternError
