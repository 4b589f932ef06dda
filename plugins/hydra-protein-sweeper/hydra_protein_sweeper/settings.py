"""The block ``hydra.sweeper``: what is ours, and what to write instead of the names of other sweepers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra_plugins.hydra_protein_sweeper.protein_sweeper import DEFAULTS

from hydra_protein_sweeper.grammar import written
from hydra_protein_sweeper.problems import Problem, did_you_mean

PLACE = "hydra.sweeper"
OURS = tuple(name for name in DEFAULTS if not name.startswith("_"))
"""The settings that there are."""

_MAPPINGS = ("params", "limits", "protein", "launcher")
_BY_CORES = "launcher.max_parallel=NUMBER_OF_CORES"


def settings_problems(settings: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the names in the block and with what has to be a mapping, a switch or a name."""
    for name, value in settings.items():
        if name not in OURS:
            yield _foreign(name, value)
    for name in _MAPPINGS:
        if not isinstance(settings[name] or {}, Mapping):
            yield Problem(key=f"{PLACE}.{name}", message=f"need a mapping, got {settings[name]!r}")
    if not isinstance(settings["plan"], bool):
        yield Problem(key=f"{PLACE}.plan", message=f"need true or false, got {settings['plan']!r}")
    for name in ("name", "controller", "data_dir"):
        if settings[name] is not None and not isinstance(settings[name], str | int | float):
            yield Problem(key=f"{PLACE}.{name}", message=f"need text, got {settings[name]!r}")


def _foreign(name: str, value: Any) -> Problem:
    """Return what to write instead of a setting that other sweepers have."""
    of, edit = _OTHERS.get(name, ("", None))
    if edit is None:
        return Problem(key=f"{PLACE}.{name}", message="is not known", fix=did_you_mean(name, OURS))
    message = f"is a setting of {of}" if value is None else f"is a setting of {of}, got {written(_plain(value))}"
    return Problem(key=f"{PLACE}.{name}", message=message, fix=edit(value))


def _plain(value: Any) -> Any:
    """Return a value that can be shown: an enum of another plugin by its name."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value if isinstance(value, str | int | float | None) else getattr(value, "name", str(value))


def _instead(name: str) -> Callable[[Any], str]:
    """Return the edit by which the same value stands under another name."""
    return lambda value: f"write {PLACE}.{name}={'...' if value is None else written(_plain(value))}, and remove it"


def _jobs(value: Any) -> str:
    known = isinstance(value, int) and value > 0
    return f"write {PLACE}.{f'launcher.max_parallel={value}' if known else _BY_CORES}, and remove it"


def _direction(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) != 1:
        goals = written(_plain(value))
        return f"write {PLACE}.goal={goals} and as many names, {PLACE}.metric=[a,b], and remove it"
    return _instead("goal")(value[0] if isinstance(value, list | tuple) else value)


def _sampler(value: Any) -> str:
    seed = value.get("seed") if isinstance(value, Mapping) else None
    return "remove it: Protein samples" + ("" if seed is None else f"; write {PLACE}.seed={seed} for its seed")


def _space(value: Any) -> str:
    """Return the ranges of the older form in Hydra's grammar."""
    if not isinstance(value, Mapping) or not value:
        return f"write the ranges under {PLACE}.params, and remove it"
    ranges = " ".join(f"'{name}={_range(spec)}'" for name, spec in value.items())
    return f"write {ranges} on the command line, or the same under {PLACE}.params"


def _range(spec: Any) -> str:
    """Return ``interval(0,1)`` for ``{type: float, low: 0, high: 1}`` (Optuna) or ``{type: range, bounds: [0, 1]}``."""
    if not isinstance(spec, Mapping):
        return written(_plain(spec))
    choices = spec.get("choices", spec.get("values"))
    low, high = spec.get("bounds", [spec.get("low", spec.get("lower")), spec.get("high", spec.get("upper"))])[:2]
    if choices is not None or low is None:
        return f"choice({','.join(map(written, _plain(choices or [])))})"
    if spec.get("step") is not None:
        return f"range({low},{high},{spec['step']})"
    text = f"interval({low},{high})"
    text = f"int({text})" if "int" in (spec.get("type"), spec.get("value_type")) else text
    return f"tag(log,{text})" if spec.get("log") or spec.get("log_scale") else text


def _remove(why: str) -> Callable[[Any], str]:
    return lambda _: f"remove it: {why}"


_OPTUNA, _AX, _NEVERGRAD, _BASIC = "the Optuna sweeper", "the Ax sweeper", "the Nevergrad sweeper", "the basic sweeper"
_OTHERS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "n_trials": (_OPTUNA, _instead("rollout_count")),
    "n_jobs": (_OPTUNA, _jobs),
    "direction": (_OPTUNA, _direction),
    "study_name": (_OPTUNA, _instead("name")),
    "storage": (_OPTUNA, _remove(f"the sweep is kept in a folder, {PLACE}.data_dir=FOLDER")),
    "max_failure_rate": (
        _OPTUNA,
        _remove("a failed run is learned from, and the same failure three times in a row stops the sweep"),
    ),
    "sampler": (_OPTUNA, _sampler),
    "search_space": (_OPTUNA, _space),
    "custom_search_space": (
        _OPTUNA,
        _remove(f"write when: or expr: at a parameter of {PLACE}.params, or {PLACE}.constraints"),
    ),
    "max_batch_size": (_BASIC, _remove("there are no batches: each run starts as soon as there is a slot")),
    "max_trials": (_AX, _instead("rollout_count")),
    "ax_config": (_AX, _remove(f"write its params under {PLACE}.params and max_trials as {PLACE}.rollout_count")),
    "budget": (_NEVERGRAD, _instead("rollout_count")),
    "num_workers": (_NEVERGRAD, _jobs),
    "parametrization": (_NEVERGRAD, _space),
    "optim": (
        _NEVERGRAD,
        _remove(f"write its budget as {PLACE}.rollout_count, num_workers as {PLACE}.launcher.max_parallel"),
    ),
}
"""Names of other sweepers: whose, and the edit for a value."""
