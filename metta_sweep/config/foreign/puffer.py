"""The ``[sweep.…]`` sections of a PufferLib config (.ini) as a sweep file of ours."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Mapping
from typing import Any

from metta_sweep.config.foreign.draft import Draft
from metta_sweep.config.migration import Migration
from metta_sweep.errors import RequestError
from metta_sweep.space.scales import SCALES

_SECTION = re.compile(r"^\[sweep[].]", re.MULTILINE)
_KEYS = ("distribution", "min", "max", "mean", "scale")
_METHODS = ("protein", "carbs")
_STAND_IN = "puffer_breakout"
Section = Mapping[str, Any]


def is_puffer(text: str) -> bool:
    """Return whether a text is a PufferLib config with a section ``[sweep]`` or ``[sweep.…]``."""
    return _SECTION.search(text) is not None


def migrate_puffer(text: str, *, shown: str) -> Migration:
    """Return the sweep of a PufferLib config in the form of this project; what it trains with stays in that file.

    Raises:
        RequestError: It is not a valid .ini file.
    """
    sections = _sections(text, shown)
    draft = Draft()
    for title, section in sections.items():
        if title.startswith("sweep."):
            _parameter(draft, title, section, sections)
    _search(draft, sections.get("sweep", {}))
    _program(draft, sections.get("base", {}))
    return draft.migration()


def _sections(text: str, shown: str) -> dict[str, Section]:
    """Return the sections with their values as PufferLib reads them: Python literals, and else text."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text, source=shown)
    except configparser.Error as error:
        raise RequestError.of(f"is not a valid .ini file: {error.message}", file=shown) from error
    return {title: {key: _literal(value) for key, value in parser[title].items()} for title in parser.sections()}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _parameter(draft: Draft, title: str, section: Section, sections: Mapping[str, Section]) -> None:
    path = title.removeprefix("sweep.")
    name = path.replace("_", "-")  # PufferLib's options are written with hyphens
    group, _, key = path.rpartition(".")
    try:
        leaf = _leaf(section, sections.get(group, {}).get(key))
    except ValueError as error:
        draft.leave(title, dict(section), str(error))
        return
    if "mean" in leaf and leaf["mean"] != section["mean"]:
        draft.say(f"{name}.mean: {section['mean']} is outside of the range and became {leaf['mean']}")
    if leaf.get("distribution") != section["distribution"] and "values" not in leaf:
        draft.say(f"{name}: {section['distribution']} became {leaf['distribution']}, which these bounds allow")
    for other in [key for key in section if key not in _KEYS]:
        draft.leave(f"{title}.{other}", section[other], "a parameter of ours has no such key")
    draft.parameter(title, name, leaf)


def _leaf(section: Section, default: Any) -> dict[str, Any]:
    """Return a section as a parameter: whole where its distribution says so, or PufferLib's own default is whole.

    Raises:
        ValueError: It is not a range; the message says why.
    """
    kind = str(section.get("distribution"))
    if kind not in SCALES:
        raise ValueError(f"the distribution {kind!r} is not known")
    low, high = (_number(section, key) for key in ("min", "max"))
    if low > high:
        raise ValueError(f"min {low} is above max {high}")
    if low == high:
        return {"values": [low]}
    whole = SCALES[kind].integer or (type(default) is int and low.is_integer() and high.is_integer())
    convert = int if whole else float
    if not all(SCALES[kind].domain[0] < bound < SCALES[kind].domain[1] for bound in (low, high)):
        kind = "int_uniform" if whole else "uniform"
    leaf: dict[str, Any] = {"distribution": kind, "min": convert(low), "max": convert(high)}
    if "mean" in section:
        leaf["mean"] = convert(min(max(_number(section, "mean"), low), high))
    if "scale" in section and section["scale"] != "auto":
        leaf["scale"] = section["scale"]
    return {**leaf, "integer": True} if whole and not SCALES[kind].integer else leaf


def _number(section: Section, key: str) -> float:
    value = section.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= 1e300:
        raise ValueError(f"{key} is not a number")
    return float(value)


def _search(draft: Draft, sweep: Section) -> None:
    metric, goal = str(sweep.get("metric", "score")), sweep.get("goal", "maximize")
    draft.settings["metric"] = metric if "/" in metric else f"environment/{metric}"
    if goal not in ("minimize", "maximize"):
        draft.leave("sweep.goal", goal, "it is neither minimize nor maximize; maximize was written")
        goal = "maximize"
    draft.settings |= {"goal": goal, "results": {"from": "wandb"}}
    draft.say(f"metric: PufferLib logs {metric} as {draft.settings['metric']}")
    runs = sweep.get("max_runs")
    if isinstance(runs, int) and 1 <= runs <= 1_000_000:
        draft.rollout_count = runs
    if str(sweep.get("method", "Protein")).lower() not in _METHODS:
        draft.say(f"sweep.method: {sweep['method']} became Protein")
    _cost(draft, "sweep.max_suggestion_cost", sweep.get("max_suggestion_cost"))
    read = {"metric", "goal", "method", "max_suggestion_cost", *(["max_runs"] if draft.rollout_count else [])}
    for key in [key for key in sweep if key not in read]:
        draft.leave(f"sweep.{key}", sweep[key], "it is a setting of PufferLib's sweep")


def _program(draft: Draft, base: Section) -> None:
    env = str(base.get("env_name") or "").split()
    name = env[0] if env and env[0] != "None" and re.fullmatch(r"[\w.-]+", env[0]) else ""
    seed = " --train.seed={seed}"
    draft.settings["command"] = f"puffer train {name or _STAND_IN} --wandb {{args}}{seed}"
    if "protein" not in draft.settings:
        _cost(draft, "base.max_suggestion_cost", base.get("max_suggestion_cost"))
    if not name:
        draft.comments.beside["sweep.command"] = "# write the environment that you train"
        draft.say(f"command: the file names no environment; {_STAND_IN} stands in for it")


def _cost(draft: Draft, path: str, cost: Any) -> None:
    if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 < cost <= 1e9:
        draft.settings["protein"] = {"max_suggestion_cost": cost}
    elif cost is not None:
        draft.leave(path, cost, "it is not a number of seconds above 0")
