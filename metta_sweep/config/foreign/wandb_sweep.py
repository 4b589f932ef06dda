"""A W&B sweep file as a sweep file of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from metta_sweep.config.foreign.draft import INTERPOLATION, Draft, is_interpolation
from metta_sweep.config.foreign.wandb_command import command_of, written
from metta_sweep.config.foreign.wandb_ranges import KEYS, parameter_of
from metta_sweep.config.migration import Migration
from metta_sweep.config.yaml_comments import read_comments
from metta_sweep.config.yaml_source import YamlSource, brief

_ONLY_THEIRS = frozenset({"method", "program", "early_terminate", "run_cap"})
_TYPED = {"project": "wandb.project", "entity": "wandb.entity"}
_STAND_IN = "train.py"


def is_wandb(data: Mapping[str, Any]) -> bool:
    """Return whether a file is a W&B sweep: it has keys at its root that neither our files nor CARBS's have."""
    return "sweep" not in data and bool(_ONLY_THEIRS & data.keys())


def migrate_wandb(text: str, source: YamlSource) -> Migration:
    """Return a W&B sweep file in the form of this project.

    Args:
        text: The file.
        source: The same, read.
    """
    draft = Draft(comments=read_comments(text, source))
    data = source.data
    _describe(draft, data)
    _metric(draft, data.get("metric"))
    _parameters(draft, data.get("parameters"), "parameters", "")
    _command(draft, data)
    _search(draft, data)
    draft.settings.setdefault("results", {"from": "wandb"})
    for key in [key for key in data if key not in _READ]:
        draft.leave(key, data[key], "a sweep of ours has no such key")
    return draft.migration()


def _describe(draft: Draft, data: Mapping[str, Any]) -> None:
    told = [str(data[key]) for key in ("name", "description") if data.get(key)]
    if is_interpolation(": ".join(told)):
        draft.leave("description", ": ".join(told), INTERPOLATION)
    elif told:
        draft.setting("description" if data.get("description") else "name", "description", ": ".join(told)[:2000])
    for key in [key for key in _TYPED if key in data]:
        draft.say(f"{key}: goes on the command line: {_TYPED[key]}={data[key]}")


def _metric(draft: Draft, metric: Any) -> None:
    given = metric if isinstance(metric, Mapping) else {}
    name = given.get("name")
    if isinstance(name, str) and name and not is_interpolation(name):
        draft.setting("metric.name", "metric", name)
    else:
        draft.setting("metric", "metric", "loss")
        draft.comments.beside["sweep.metric"] = "# added: the name of what your program logs"
        draft.say("metric: the file names none; loss stands in for it, write the name of what your program logs")
    goal = given.get("goal", "minimize")
    if goal not in ("minimize", "maximize"):
        draft.leave("metric.goal", goal, "it is neither minimize nor maximize; minimize was written")
        goal = "minimize"
    draft.setting("metric.goal", "goal", goal)
    draft.comments.move("metric", "sweep.metric")
    target = given.get("target")
    if isinstance(target, int | float) and not isinstance(target, bool) and math.isfinite(target):
        draft.setting("metric.target", "limits.target", target)
    read = {"name", "goal", *(["target"] if "limits" in draft.settings else [])}
    for key in [key for key in given if key not in read]:
        draft.leave(f"metric.{key}", given[key], "a metric of ours has no such key")


def _parameters(draft: Draft, parameters: Any, path: str, above: str) -> None:
    if not isinstance(parameters, Mapping):
        if parameters is not None:
            draft.leave(path, parameters, "parameters need a mapping")
        return
    for key, spec in parameters.items():
        at, name = f"{path}.{key}", f"{above}{key}"
        if isinstance(spec, Mapping) and isinstance(spec.get("parameters"), Mapping):
            _parameters(draft, spec["parameters"], f"{at}.parameters", f"{name}.")
        elif isinstance(spec, Mapping):
            _parameter(draft, at, name, spec)
        else:
            draft.leave(at, spec, "it is neither a range nor value: SOMETHING")


def _parameter(draft: Draft, path: str, name: str, spec: Mapping[str, Any]) -> None:
    try:
        leaf, note = parameter_of(spec)
    except ValueError as error:
        draft.leave(path, dict(spec), str(error))
        return
    draft.parameter(path, name, leaf)
    if note:
        draft.say(f"{name}: {note}")
    if "probabilities" in spec:
        draft.leave(f"{path}.probabilities", spec["probabilities"], "every value counts the same at first")
    for key in [key for key in spec if key not in KEYS]:
        draft.leave(f"{path}.{key}", spec[key], "a parameter of ours has no such key")


def _command(draft: Draft, data: Mapping[str, Any]) -> None:
    program, given = str(data.get("program") or ""), data.get("command")
    if is_interpolation(program):
        draft.leave("program", program, INTERPOLATION)
        program = _STAND_IN
    if not program and given is None:
        program = _STAND_IN
        draft.comments.beside["sweep.command"] = "# added: the program that calls wandb.init"
        draft.say(f"command: the file names no program; {_STAND_IN} stands in for it")

    def leave(word: str, why: str) -> None:
        draft.leave("command", word, why)

    words = command_of(given, program, leave)
    if draft.is_seeded:
        words.append("seed={seed}" if "{overrides}" in words else "--seed={seed}")
    draft.setting("command" if given is not None else "program", "command", written(words))


def _search(draft: Draft, data: Mapping[str, Any]) -> None:
    cap = data.get("run_cap")
    if isinstance(cap, int) and not isinstance(cap, bool) and 1 <= cap <= 1_000_000:
        draft.rollout_count = cap
        draft.comments.move("run_cap", "rollout_count")
    elif cap is not None:
        draft.leave("run_cap", cap, "it is not a number of runs")
    if data.get("method"):
        draft.say(_METHODS.get(str(data["method"]), f"method: {brief(data['method'])} became Protein"))
    if data.get("early_terminate"):
        _early_stop(draft, data["early_terminate"])


def _early_stop(draft: Draft, given: Any) -> None:
    """Take Hyperband for early stopping of ours; its first bracket is the share from which runs are judged."""
    block = given if isinstance(given, Mapping) else {}
    if block.get("type") != "hyperband":
        draft.leave("early_terminate", given, "only its type hyperband is known; `early_stop: auto` ends runs early")
        return
    share = _first_bracket(block)
    draft.setting("early_terminate", "early_stop", "auto" if share is None else {"policy": "auto", "min_share": share})
    draft.say("early_terminate: hyperband became early_stop: auto, which judges a run by the model of all curves")
    for key in [key for key in block if key not in ("type", "min_iter", "max_iter", "s", "eta")]:
        draft.leave(f"early_terminate.{key}", block[key], "early_stop has no such key")


def _first_bracket(block: Mapping[str, Any]) -> float | None:
    """Return the share of a run's length at which Hyperband judges first; None where its length is not said."""
    longest, first, brackets = (_positive(block.get(key)) for key in ("max_iter", "min_iter", "s"))
    eta = _positive(block.get("eta", 3))
    if longest is None:
        return None
    if first is None and eta is not None and brackets is not None:
        first = longest / eta ** min(brackets, 20.0)
    return float(f"{first / longest:.3g}") if first is not None and first <= longest else None


def _positive(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number and value > 0 else None


_METHODS = {
    "bayes": "method: bayes became Protein, which learns from every run and its cost",
    "random": "method: random became Protein; `optimizer: random` under sweep: draws at random",
    "grid": "method: grid became Protein, which tries the promising points of the grid and not all of it",
}
_READ = frozenset(
    {"name", "description", "metric", "parameters", "program", "command", "run_cap", "method", "early_terminate"}
    | _TYPED.keys()
)
