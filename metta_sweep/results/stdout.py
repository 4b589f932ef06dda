"""What the run prints: a regular expression a metric, or any ``name: number`` where nobody wrote one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from metta_sweep.results.numbers import number, step_of
from metta_sweep.results.patterns import PAIRS, NamedNumber, Pattern, SlowPatternError, patience
from metta_sweep.results.port import Point, Source
from metta_sweep.results.run_log import FollowedLog
from metta_sweep.results.seen import Seen

PLACE = "train.log"
"""Where a person finds what the run printed."""

LINES_A_TURN = 500
"""Lines that are looked at before the time is checked."""

SURVEYED_LINES = 2_000
"""Lines in which names of numbers are looked for that nobody asked for."""


class StdoutReader:
    """Reads the run's standard output and error, as they are kept in its log."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._log = FollowedLog(source.run.log, source.log_start, source.log_limit)
        self._patterns = {ours: _pattern(ours, theirs, source) for ours, theirs in source.sought.items()}
        self._step_pattern = _step_pattern(source, self._patterns)
        self._step: float | None = None
        self._lines = 0
        self.seen = Seen("what the run prints")
        self.seen.place(PLACE)

    def read(self, *, final: bool) -> Iterator[Point]:
        """Yield what is wanted and new; see :class:`metta_sweep.results.port.Reader`."""
        batch: list[str] = []
        for line in self._log.lines(final=final):
            batch.append(line)
            if len(batch) == LINES_A_TURN:
                yield from self._points(batch)
                batch = []
        yield from self._points(batch)
        if self._log.lost_bytes:
            self._source.notes.say(
                "the run prints faster than can be read: part of its output was left out, the end never is"
            )

    def _points(self, lines: list[str]) -> list[Point]:
        """Return the values in a few lines, within a bounded time."""
        points: list[Point] = []
        line = ""
        try:
            with patience():
                for line in lines:
                    self._survey(line)
                    points += self._of_line(line)
        except SlowPatternError:
            self._source.notes.refuse(
                f"a regular expression under sweep.results takes more than a second on this line: {line[:120]!r}; "
                "avoid a repetition inside a repetition, as in (a+)+"
            )
            self._patterns, self._step_pattern = {}, None
        return points

    def _survey(self, line: str) -> None:
        """Remember which names have a number beside them, in the first lines."""
        self._lines += 1
        if self._lines <= SURVEYED_LINES:
            for match in PAIRS.finditer(line):
                self.seen.add(PLACE, match[1], float(match[2].replace("_", "")))

    def _of_line(self, line: str) -> Iterator[Point]:
        if self._step_pattern is not None:
            for text, _ in self._step_pattern.numbers(line)[:1]:
                step = step_of(number(text))
                self._step = self._step if step is None else step
        for ours, pattern in self._patterns.items():
            found = pattern.numbers(line)
            if not found:
                continue
            texts = {text for text, _ in found}
            if len(texts) > 1:
                self._source.notes.refuse(
                    f"the expression for {ours} fits twice in one line: {line[:200]!r}; {_once(ours, line)}"
                )
                continue
            yield from self._point(ours, *found[0], line)

    def _point(self, ours: str, text: str, step_text: str | None, line: str) -> Iterator[Point]:
        value = number(text)
        if value is None:
            self._source.notes.say(f"the expression for {ours} takes {text[:40]!r} from {line[:120]!r}: not a number")
            return
        step = step_of(number(step_text)) if step_text is not None else self._step
        yield Point(name=ours, value=value, place=PLACE, step=step)


def _once(name: str, line: str) -> str:
    """Return what makes an expression fit once: the word before the name, where that tells the places apart."""
    longer = list(dict.fromkeys(re.findall(rf"\w+ {re.escape(name)}(?!\w)", line)))
    if len(longer) > 1:
        return f"ask for one of them by more of its name: {', '.join(longer[:4])}"
    return r"make it fit once, for example with (?<!\w) before the name"


def _pattern(ours: str, theirs: str, source: Source) -> Pattern | NamedNumber:
    return Pattern.of(theirs, step=source.step) if source.wanted else NamedNumber(ours)


def _step_pattern(source: Source, patterns: Mapping[str, Pattern | NamedNumber]) -> Pattern | NamedNumber | None:
    """Return what finds the step on its own: an expression with a group, or a name with a number after it."""
    if source.step is None or any(isinstance(each, Pattern) and each.step_group for each in patterns.values()):
        return None
    return Pattern.of(source.step) if "(" in source.step else NamedNumber(source.step)
