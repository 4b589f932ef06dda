"""The page of sweep files in the documentation, made from the files themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from metta_sweep.config.asked import Asked
from metta_sweep.config.settings import STEPS
from metta_sweep.goal import in_words
from metta_sweep.space import SearchSpace
from metta_sweep.trees import get

_HEAD = """\
# The sweep files that come with the project

Made from `configs/sweep` by `python docs/make_sweep_files.py`; a test holds this page equal to the files.
Start one with `./devops/sweep.sh run=NAME ++sweep_params=sweep/FILE`, or look at it first by adding `cmd=plan`,
which also says how long it will take on your machine.
"""


def catalogue(files: Sequence[Path], asked: Callable[[str], Asked]) -> str:
    """Return the page as Markdown.

    Args:
        files: The sweep files.
        asked: Returns the request for a file's name, without running anything.
    """
    rows, sections = [], []
    for file in files:
        request = asked(file.stem)
        rows.append(_row(file, request))
        sections.append(_section(file, request))
    head = ["file", "purpose", "parameters", "rollouts", "steps a run", "metric"]
    return "\n".join([_HEAD, *_table(head, rows), "", *sections])


def purpose(text: str) -> str:
    """Return what a sweep file's first comment says, in one line; the package header is not a comment."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("#") and "@package" not in line:
            lines.append(line.lstrip("# ").rstrip())
        elif lines or not line.startswith("#"):
            break
    return " ".join(lines)


def _row(file: Path, asked: Asked) -> list[str]:
    text = file.read_text(encoding="utf-8")
    steps = asked.parameters.get(STEPS)
    length = (
        f"{_count(steps['min'])} to {_count(steps['max'])}"
        if isinstance(steps, Mapping)
        else _count(get(asked.training, STEPS))
    )
    link = f"[`{file.stem}`](#{file.stem})"
    metric = in_words(asked.metric, asked.goal, asked.objectives, asked.bounds)
    metric = f"{asked.metric} ({asked.goal})" if not asked.objectives and not asked.bounds else metric
    return [link, purpose(text), str(len(asked.parameters)), str(asked.rollout_count), length, metric]


def _section(file: Path, asked: Asked) -> str:
    lines = [f"## {file.stem}", ""]
    if asked.parameters:
        head = ["parameter", "range", "search starts at", "when"]
        lines += [*_table(head, [_parameter(name, asked.space) for name in asked.parameters]), ""]
    else:
        lines += ["No parameters yet: a template to fill in.", ""]
    own = [text for text in asked.constraints if text in file.read_text(encoding="utf-8")]
    if own:
        lines += ["What must hold: " + ", ".join(f"`{text}`" for text in own) + ".", ""]
    overrides = [f"`{path}={value}`" for path, value in _leaves(asked.overrides)]
    if overrides:
        lines += [f"The same for every run: {', '.join(overrides)}.", ""]
    return "\n".join(lines)


def _parameter(name: str, space: SearchSpace) -> list[str]:
    leaf = space.declared[name]
    parameter = next((each for each in space.parameters if each.name == name), None)
    described = parameter.describe() if parameter else f"= {leaf['expr']}"
    center = space.center().get(name, "")
    when = leaf.get("when")
    condition = ", ".join(f"`{path}` is {value}" for path, value in _leaves(when)) if isinstance(when, Mapping) else ""
    return [f"`{name}`", described, f"{center:.4g}" if isinstance(center, float) else str(center), condition]


def _leaves(tree: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}.")
        elif isinstance(value, list):
            yield f"{above}{key}", " or ".join(map(str, value))
        else:
            yield f"{above}{key}", str(value).lower() if isinstance(value, bool) else str(value)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines]


def _count(steps: int) -> str:
    return f"{steps:,}"
