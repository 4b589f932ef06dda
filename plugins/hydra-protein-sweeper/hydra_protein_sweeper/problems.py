"""What is wrong with a request, each with the edit that mends it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake."""

    key: str
    """The key as it is written on the command line."""
    message: str
    """What was expected and what came."""
    fix: str = ""
    """What to write instead."""

    def __str__(self) -> str:
        head = f"{self.key}: {self.message}"
        return f"{head}\n  fix: {self.fix}" if self.fix else head


class RefusedError(Exception):
    """The request is wrong: nothing was started and nothing was written."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def first_line(error: BaseException) -> str:
    """Return what an exception of Hydra or OmegaConf says, in one line."""
    lines = [line.strip() for line in str(error.__cause__ or error).splitlines()]
    own = [line.strip() for line in str(error).splitlines()]
    said = next(filter(None, own), "") or next(filter(None, lines), type(error).__name__)
    cause = next(filter(None, lines), "")
    return said if not cause or cause in said else f"{said}: {cause}"


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return which of the known names may have been meant, or all of them."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
