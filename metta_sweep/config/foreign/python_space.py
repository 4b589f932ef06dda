"""The search space of a Python file as one of ours: Optuna's ``trial.suggest_…`` (so rl-zoo3's), Ray Tune's, W&B's.

The file is parsed and never executed: what is computed only when it runs cannot be known, and is said.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metta_sweep.config.foreign.draft import Draft
from metta_sweep.config.foreign.python_ranges import OPTUNA, TUNE, shifted
from metta_sweep.config.foreign.wandb_python import migrate_wandb_program
from metta_sweep.config.migration import Migration
from metta_sweep.errors import RequestError

_ZOO = re.compile(r"sample_(\w+?)_params")
_TRIAL = re.compile(r"suggest_(\w+)")
_GOALS = {"min": "minimize", "max": "maximize", "minimize": "minimize", "maximize": "maximize"}
_SCHEDULERS = frozenset({"ASHAScheduler", "AsyncHyperBandScheduler", "HyperBandScheduler", "MedianStoppingRule"})
_PRUNERS = frozenset({"HyperbandPruner", "SuccessiveHalvingPruner", "MedianPruner", "PercentilePruner"})
_LENGTH = 80


@dataclass(frozen=True, slots=True)
class _Found:
    """One range in the source."""

    name: str
    call: ast.Call
    kind: str
    place: str
    """The function around it; empty at the top of the file."""
    above: ast.AST | None
    """The expression that its value is used in; None where it is used as it is."""
    target: str
    """The variable that gets the value of that expression."""


def migrate_python(text: str, *, shown: str, function: str = "") -> Migration:
    """Return the search space of a Python file in the form of this project.

    Args:
        text: The source.
        shown: The file's name for messages.
        function: The function that is meant, where several have ranges.

    Raises:
        RequestError: It is not valid Python, has no search space, or several and none is named.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RequestError.of(f"is not valid Python: {error}", file=shown) from error
    if (moved := migrate_wandb_program(tree, shown=shown)) is not None:
        return moved
    found = _chosen([*_optuna(tree), *_tune(tree)], shown, function)
    draft = Draft()
    for each in found:
        _parameter(draft, each)
    place = found[0].place
    zoo = _ZOO.fullmatch(place)
    _search(draft, tree)
    if zoo:
        _zoo_program(draft, zoo[1])
    else:
        _program(draft, Path(shown).name)
    return draft.migration()


def _chosen(found: list[_Found], shown: str, function: str) -> list[_Found]:
    places = list(dict.fromkeys(each.place for each in found))
    if not found:
        fix = 'it has neither trial.suggest_float("name", …) nor {"name": tune.loguniform(…)} nor wandb.sweep(…)'
        raise RequestError.of("no search space was found in it", file=shown, fix=fix)
    if function and function not in places:
        raise RequestError.of(f"there is no range in {function}", file=shown, fix=f"--function {places[0]}")
    if not function and len(places) > 1:
        names = ", ".join(place or "(top of the file)" for place in places)
        raise RequestError.of(f"several functions have ranges: {names}", file=shown, fix=f"--function {places[-1]}")
    return [each for each in found if each.place == (function or places[0])]


def _parameter(draft: Draft, each: _Found) -> None:
    reader = (OPTUNA if each.kind.startswith("suggest_") else TUNE)[each.kind]
    path = f"{each.kind}({each.name!r})"
    shown = ast.unparse(each.call)[:_LENGTH]
    try:
        leaf = reader(_arguments(each.call, skip=each.kind.startswith("suggest_")))
    except ValueError as error:
        draft.leave(path, shown, str(error))
        return
    name, used = each.name, each.above
    if used is not None:
        written = ast.unparse(used)[:_LENGTH]
        known = shifted(used, leaf) if each.target else None
        name, leaf = (name, leaf) if known is None else (each.target, known)
        told = "the program computes with it" if known is None else f"became {name}, which the program computes"
        draft.say(f"{each.name}: {told} ({written}){': hand it over like that' if known is None else ''}")
    draft.parameter(path, name, leaf)


def _arguments(call: ast.Call, *, skip: bool) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a call.

    Raises:
        ValueError: One of them is not written out.
    """
    try:
        given = [ast.literal_eval(word) for word in call.args[1 if skip and call.args else 0 :]]
        named = {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg and word.arg != "name"}
    except (ValueError, TypeError, SyntaxError):
        raise ValueError("its arguments are known only when the program runs") from None
    return given, named


def _optuna(tree: ast.Module) -> Iterator[_Found]:
    for node, above, place in _calls(tree):
        if isinstance(node.func, ast.Attribute) and node.func.attr in OPTUNA and _TRIAL.fullmatch(node.func.attr):
            word = node.args[0] if node.args else next((w.value for w in node.keywords if w.arg == "name"), None)
            if isinstance(word, ast.Constant) and isinstance(word.value, str):
                used, target = _use(above)
                yield _Found(word.value, node, node.func.attr, place, used, target)


def _tune(tree: ast.Module) -> Iterator[_Found]:
    """Yield what stands in a mapping, by the path of its keys, or is assigned to ``config["name"]``."""
    for node, above, place in _calls(tree):
        is_tune = isinstance(node.func, ast.Attribute) and node.func.attr in TUNE and _base(node.func) == "tune"
        if is_tune and isinstance(node.func, ast.Attribute):
            name = _path(node, above)
            if name:
                yield _Found(name, node, node.func.attr, place, None, "")


def _base(attribute: ast.Attribute) -> str:
    return attribute.value.id if isinstance(attribute.value, ast.Name) else getattr(attribute.value, "attr", "")


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, list[ast.AST], str]]:
    """Yield each call with what is around it, the nearest first, and the function that it is in."""
    stack: list[tuple[ast.AST, list[ast.AST]]] = [(tree, [])]
    while stack:
        node, above = stack.pop()
        if isinstance(node, ast.Call):
            place = next((each.name for each in reversed(above) if isinstance(each, ast.FunctionDef)), "")
            yield node, above[::-1], place
        stack += [(child, [*above, node]) for child in reversed(list(ast.iter_child_nodes(node)))]


def _use(above: list[ast.AST]) -> tuple[ast.AST | None, str]:
    """Return the expression that a value is used in, and the variable that gets it."""
    used: ast.AST | None = None
    for node in above:
        if isinstance(node, ast.BinOp | ast.Call | ast.Subscript | ast.IfExp | ast.UnaryOp | ast.Compare):
            used = used or (node if not isinstance(node, ast.Call) or _is_plain(node) else None)
        elif isinstance(node, ast.Assign):
            return used, node.targets[0].id if isinstance(node.targets[0], ast.Name) else ""
        elif isinstance(node, ast.stmt):
            break
    return used, ""


def _is_plain(call: ast.Call) -> bool:
    """Return whether a call computes with its arguments, rather than takes them as settings."""
    return isinstance(call.func, ast.Name) and call.func.id in ("int", "float", "round", "str")


def _path(node: ast.AST, above: list[ast.AST]) -> str:
    keys: list[str] = []
    child: ast.AST = node
    for each in above:
        if isinstance(each, ast.Dict):
            key = next((key for key, value in zip(each.keys, each.values, strict=True) if value is child), None)
            keys.append(str(key.value) if isinstance(key, ast.Constant) else "")
        elif isinstance(each, ast.keyword) and each.arg:
            keys.append(each.arg if not isinstance(_next(above, each), ast.Call) or _makes(_next(above, each)) else "")
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Subscript):
            index = each.targets[0].slice
            keys.append(str(index.value) if isinstance(index, ast.Constant) else "")
        child = each
    return ".".join(filter(None, reversed(keys)))


def _next(above: list[ast.AST], node: ast.AST) -> ast.AST | None:
    at = above.index(node) + 1
    return above[at] if at < len(above) else None


def _makes(call: ast.AST | None) -> bool:
    """Return whether a call is ``dict(…)``: its keywords are names of parameters."""
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "dict"


def _search(draft: Draft, tree: ast.Module) -> None:
    """Take what the file says of the search itself: direction, metric, number of trials, early stopping."""
    given: dict[str, Any] = {}
    for node, _, _ in _calls(tree):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        wanted = _SETTINGS.get(name)
        if wanted:
            given |= {
                w.arg: w.value.value for w in node.keywords if w.arg in wanted and isinstance(w.value, ast.Constant)
            }
            directions = [_written(w.value) for w in node.keywords if w.arg == "directions" and name == "create_study"]
            if any(directions):
                given["directions"] = directions[0]
        if name in _SCHEDULERS | _PRUNERS and "early_stop" not in draft.settings:
            draft.setting("", "early_stop", "auto")
            draft.say(
                f"{name} became early_stop: auto, which ends runs by their whole curves; its settings were left out"
            )
    count = given.get("n_trials", given.get("num_samples"))
    if isinstance(count, int) and 1 <= count <= 1_000_000 and not isinstance(count, bool):
        draft.rollout_count = count
    if "directions" in given:
        _several_goals(draft, given["directions"])
        return
    metric = given.get("metric")
    draft.setting("", "metric", metric if isinstance(metric, str) and metric else "score")
    if not isinstance(metric, str):
        draft.say("metric: score stands in for it; write the name of what your program prints or logs")
    goal = _GOALS.get(str(given.get("direction", given.get("mode"))))
    draft.setting("", "goal", goal or "maximize")
    if goal is None:
        draft.say("goal: maximize was written; the file does not say which way is better")


def _written(value: ast.AST) -> list[str]:
    """Return the goals of a list of directions; empty where one of them is not written out."""
    texts = [each.value for each in value.elts if isinstance(each, ast.Constant)] if isinstance(value, ast.List) else []
    goals = [_GOALS.get(str(text), "") for text in texts]
    return goals if isinstance(value, ast.List) and len(goals) == len(value.elts) and all(goals) else []


def _several_goals(draft: Draft, goals: Sequence[str]) -> None:
    """Take a study with several directions for a sweep with a front."""
    draft.setting("", "metric", [f"score_{number}" for number in range(1, len(goals) + 1)])
    draft.setting("", "goal", list(goals))
    draft.say("metric: score_1 and so on stand in for the values of the objective, in its order; write their names")


_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "create_study": ("direction",),
    "optimize": ("n_trials",),
    "TuneConfig": ("metric", "mode", "num_samples"),
    "run": ("metric", "mode", "num_samples"),
}


def _program(draft: Draft, name: str) -> None:
    draft.setting("", "command", f"python {name} {{args}}")
    draft.setting("", "results", {"from": "stdout"})
    draft.say(f"command: {name} is the study itself; name the program that takes each value as an option")


_OF_THE_ZOO = frozenset({"net_arch", "activation_fn", "n_quantiles", "subsample_steps", "top_frac_size"})
"""Names that rl-zoo3 draws under and its algorithms do not have (``HYPERPARAMS_CONVERTER``)."""


def _zoo_parameters(draft: Draft) -> None:
    """Name what rl-zoo3 draws as its algorithms do: ``x_pow`` stands for ``2 ** x_pow``, ``one_minus_x`` for ``x``."""
    for drawn, leaf in list(draft.parameters.items()):
        name = drawn.removesuffix("_pow").removeprefix("one_minus_")
        if name == drawn and drawn not in _OF_THE_ZOO:
            continue
        del draft.parameters[drawn]
        made = "2 ** x" if drawn.endswith("_pow") else "1 - x"
        known = None if drawn in _OF_THE_ZOO else shifted(ast.parse(made, mode="eval").body, leaf)
        if known is None:
            draft.leave(
                drawn,
                leaf.get("values", leaf),
                "rl-zoo3 makes other settings of it when it runs; `policy_kwargs` takes a network",
            )
        else:
            draft.say(f"{drawn} became {name}, which rl-zoo3 computes")
            draft.parameters[name] = known


def _zoo_program(draft: Draft, algorithm: str) -> None:
    """Write rl-zoo3's own command: values as ``-params name:value``, the evaluations from its ``evaluations.npz``."""
    _zoo_parameters(draft)
    values = [f"{name}:{{{name}}}" for name in draft.parameters]
    words = ["python", "-m", "rl_zoo3.train", "--algo", algorithm, "--env", "CartPole-v1", "--seed", "{seed}"]
    words += ["--log-folder", "{run_dir}/logs", "--eval-freq", "10000", "-params", *values]
    draft.setting("", "command", " ".join(words))
    draft.setting("", "metric", "reward")
    draft.setting("", "goal", "maximize")
    found = {"from": "npz", "path": "{run_dir}/logs/**/evaluations.npz", "metrics": {"reward": "results"}}
    draft.setting("", "results", found)
    draft.undecided[:] = [line for line in draft.undecided if not line.startswith(("metric:", "goal:"))]
    draft.say("command: CartPole-v1 stands in for your environment")
