"""Metrics that a program prints as a table: a line of names, and a line of numbers for each epoch (skorch, fastai)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from metta_sweep.config.proposal.metrics import SPOKEN_NUMBER, SeenMetric, is_known

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BETWEEN = re.compile(r"[ ]{2,}|\t+|[ ]*\|[ ]*")
_RULE = re.compile(r"[-=+|:\s]*")
_NUMBER = re.compile(SPOKEN_NUMBER)
_STEP = re.compile(r"(?i)(?:global_?|total_?)?(?:steps?|iter\w*|epochs?|rounds?)")


def tabulated_in(log: str) -> list[SeenMetric]:
    """Return metrics that are columns of a table, with an expression that takes their cells.

    Only names that the field knows as metrics, and only where a row has as many cells as there are names.
    """
    lines = [_COLOURS.sub("", line).strip() for line in log.splitlines()]
    found: dict[str, SeenMetric] = {}
    for at, line in enumerate(lines):
        names = [name for name in _BETWEEN.split(line) if name]
        if len(names) < 2 or any(map(_NUMBER.fullmatch, names)) or not any(map(is_known, names)):
            continue
        rows = list(_rows(lines[at + 1 :], len(names)))
        for column, name in enumerate(names):
            values = [float(row[column]) for row in rows if _NUMBER.fullmatch(row[column])]
            if values and len(values) == len(rows) and is_known(name):
                found[name] = SeenMetric(
                    reader="stdout",
                    place="train.log",
                    name=re.sub(r"\W+", "_", name).strip("_"),
                    count=len(values),
                    pattern=_cell(column, len(names)),
                    step_pattern=_cell(0, len(names), r"\d+") if _STEP.fullmatch(names[0]) else "",
                    rise=values[-1] - values[0],
                )
    return list(found.values())


def _rows(lines: list[str], columns: int) -> Iterator[list[str]]:
    """Yield the rows below a table's head; other lines may stand between them."""
    for line in lines:
        cells = line.replace("|", " ").split()
        if len(cells) == columns and not _RULE.fullmatch(line) and _NUMBER.fullmatch(cells[0]):
            yield cells


def _cell(column: int, columns: int, what: str = SPOKEN_NUMBER) -> str:
    """Return an expression for one cell of a row with so many."""
    before, after = column, columns - 1 - column
    return rf"^[\s|]*(?:\S+[\s|]+){{{before}}}({what})(?:[\s|]+\S+){{{after}}}[\s|]*$"
