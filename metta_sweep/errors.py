"""Errors that a person can cause and mend, each one message and one exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in what was asked, with all that is known about where it stands."""

    message: str
    """What was expected and what came: ``need min < max, got min=256 max=32``."""
    key: str = ""
    """Dotted path of the offending key, as the user spells it."""
    file: str = ""
    """File that holds the key, relative to the working directory where possible."""
    line: int | None = None
    """Line of the key in the file, counted from 1."""
    fix: str = ""
    """What to type or edit to mend it."""

    def located(self, file: str, line: int | None = None) -> Problem:
        """Return the same problem at a place; a place already known is kept."""
        return replace(self, file=self.file or file, line=self.line or line)

    def __str__(self) -> str:
        place = f"{self.file}, line {self.line}" if self.file and self.line else self.file
        head = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{head}\n  fix: {self.fix}" if self.fix else head


class MettaSweepError(Exception):
    """A sweep could not do what was asked; ``exit_code`` is what the command exits with."""

    exit_code = 1


class RequestError(MettaSweepError):
    """The request was wrong: nothing was started, nothing was lost, and ``problems`` says why."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))

    @classmethod
    def of(cls, message: str, *, key: str = "", file: str = "", fix: str = "") -> RequestError:
        """Make the error of a single problem."""
        return cls(Problem(message=message, key=key, file=file, fix=fix))


class SweepFailedError(MettaSweepError):
    """The sweep stopped because its runs cannot succeed; the message shows the one cause."""
