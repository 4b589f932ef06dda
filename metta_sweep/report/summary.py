"""The summary of a sweep in the format that was asked for."""

from __future__ import annotations

import enum

from metta_sweep.report.as_json import as_json
from metta_sweep.report.markdown import markdown
from metta_sweep.report.place import HasRunPaths, Place
from metta_sweep.report.rows import rows_of
from metta_sweep.report.text import text
from metta_sweep.sweep.state import SweepState


class Format(enum.StrEnum):
    """How the summary is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


_WRITERS = {Format.TEXT: text, Format.MARKDOWN: markdown, Format.JSON: as_json}


def summary(
    state: SweepState, *, paths: HasRunPaths, fmt: Format | str = Format.TEXT, place: Place | None = None
) -> str:
    """Return the summary, during the sweep or after it.

    Args:
        state: The sweep so far.
        paths: Finds the directory of a run.
        fmt: ``text``, ``markdown`` or ``json``.
        place: Where the reader stands; by default this process's working directory and interpreter.

    Raises:
        ValueError: The format is unknown.
        WrongTransitionError: The state is empty.
    """
    return _WRITERS[Format(fmt)](rows_of(state), place or Place.here(paths))
