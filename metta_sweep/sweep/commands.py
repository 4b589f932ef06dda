"""The command line of a run: the bundled trainer, or the user's own with its blanks filled in."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from metta_sweep.config.config_files import BLANK, HANDING_OVER, filled_in, named_in
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import nearest
from metta_sweep.result import GOAL_VARIABLE, METRIC_VARIABLE, WANDB_VALUES_VARIABLE, RunPaths
from metta_sweep.secrecy import is_secret
from metta_sweep.sweep.records import SweepSpec
from metta_sweep.trees import leaves, nested, put

BUNDLED_TRAINER = (sys.executable, "-m", "metta_sweep.train")
"""Program of the bundled trainer; a launcher may start it from a warm process."""

PLACEHOLDERS = ("run_dir", "config", "overrides", "args", "flags", "args_json", "seed", "cwd")
"""What a command template may contain, in braces, beside the names of values that are in force."""

COMMAND_KEY = "sweep.command"
"""Where a command stands in a sweep file."""

SEARCH_PATH = "PYTHONPATH"
"""The one variable that the sweep and a sweep file may both add to."""

_BLANK = re.compile(rf"\{{\{{|\}}\}}|\{{({BLANK}[^{{}}]+|[A-Za-z_+][\w.+/\-]*)\}}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:+\-]+")
_WRITTEN_TO = re.compile(
    r"(?i)(?:--?)?(?:.*[._-])?"
    r"(?:(?:out(?:put)?|save|work|default_root|results?)[_-]?(?:dir|folder|path)|(?:ckpt|checkpoint)s?[_-]?(?:dir|folder)"
    r"|run\.dir|output|out)"
)
"""Options and keys that name a folder which a program writes to."""
_LOOKS_TYPED = re.compile(r"(?i)(true|false|null|none|nan|[+-]?inf|[+-]?[\d.][\d._e+\-]*)$")


def command_of(spec: SweepSpec, paths: RunPaths, params: Mapping[str, Any], seed: int) -> list[str]:
    """Return the program and arguments of a run of a sweep; see :func:`render_command`."""
    return render_command(
        spec.command, paths=paths, params=params, seed=seed, fixed=fixed_values(spec.training), styles=_styles(spec)
    )


def environment_of(
    spec: SweepSpec, paths: RunPaths, params: Mapping[str, Any], seed: int, beside: Mapping[str, str]
) -> dict[str, str]:
    """Return a run's environment variables.

    Args:
        spec: The sweep; the blanks of its ``env`` are filled in as in its command.
        paths: The run's directory.
        params: The suggestion's values by dotted path.
        seed: The run's seed.
        beside: The sweep's own variables. Those of the sweep file win, and a search path of both is joined.
    """
    if not spec.env:
        return dict(beside)
    fixed = fixed_values(spec.training)
    blanks = _Blanks.of(paths=paths, params=params, seed=seed, fixed=fixed, styles=_styles(spec))
    given = {name: _filled(text, blanks.texts) for name, text in spec.env.items()}
    if SEARCH_PATH in given and SEARCH_PATH in beside:
        given[SEARCH_PATH] = os.pathsep.join([given[SEARCH_PATH], beside[SEARCH_PATH]])
    return {**beside, **given}


def _styles(spec: SweepSpec) -> dict[str, str]:
    return {name: str(leaf["as"]) for name, leaf in spec.parameters.items() if "as" in leaf}


def options_of(spec: SweepSpec, params: Mapping[str, Any]) -> list[str]:
    """Return the values at a point as the options by which a run of the sweep is told them."""
    values, styles = in_force(spec, params), _styles(spec)
    return long_options(values, _with_flags(values, styles) if "flags" in names_in(spec.command) else styles)


def _with_flags(values: Mapping[str, Any], styles: Mapping[str, str]) -> dict[str, str]:
    """Return how values are handed over among ``{flags}``."""
    return {**{name: "flag" for name, value in values.items() if isinstance(value, bool)}, **styles}


def in_force(spec: SweepSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return every value that a run of an external command is given by name; for the bundled trainer the swept ones."""
    return {**params, **fixed_values(spec.training), **params} if spec.command else dict(params)


def render_command(
    template: tuple[str, ...],
    *,
    paths: RunPaths,
    params: Mapping[str, Any],
    seed: int,
    fixed: Mapping[str, Any] | None = None,
    styles: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the program and arguments of a run.

    ``{overrides}``, ``{args}`` and ``{flags}`` become arguments of their own where they stand alone; the others are
    replaced inside their argument, and ``{{`` and ``}}`` are braces. No shell ever sees the result.

    Args:
        template: The user's command; empty for the bundled trainer.
        paths: The run's directory.
        params: The suggestion's values by dotted path.
        seed: The run's seed.
        fixed: Values that are the same for every run, by dotted path: pinned ones and the sweep's overrides.
        styles: How single values are handed over among ``{args}``, of :data:`HANDED_OVER`, by dotted path.
    """
    if not template:
        return [*BUNDLED_TRAINER, f"config={paths.config.resolve()}", f"run_dir={paths.root.resolve()}"]
    if not any("{" in word for word in template):
        return list(template)
    blanks = _Blanks.of(paths=paths, params=params, seed=seed, fixed=fixed or {}, styles=styles or {})
    files = {f"{BLANK}{name}": str(paths.filled(Path(name).name).resolve()) for name in named_in(template)}
    command: list[str] = []
    for word in template:
        alone = _BLANK.fullmatch(word)
        if alone and alone[1] in blanks.lists:
            command += blanks.lists[alone[1]]
        else:
            command.append(_filled(word, {**blanks.texts, **files}))
    return command


def files_of(spec: SweepSpec, params: Mapping[str, Any], seed: int, env: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of the files by which a run gets its values, by their paths in its directory.

    These are the config files that its command names, and what W&B's client looks for where ``env`` tells it to.

    Raises:
        ConfigFileError: A config file cannot be read any more.
    """
    values = {path: value for path, value in leaves(spec.training) if path != "seed"} | dict(params)
    here = RunPaths(Path())
    files = {here.filled(Path(name).name): filled_in(Path(name), values, seed=seed) for name in named_in(spec.command)}
    if WANDB_VALUES_VARIABLE in env:
        named = {name: value for name, value in in_force(spec, params).items() if "-" not in name}  # else an option
        given = nested({"seed": seed, **named})
        files[here.wandb_values] = yaml.safe_dump({name: {"value": value} for name, value in given.items()})
    return {path.as_posix(): text for path, text in files.items()}


@dataclass(frozen=True, slots=True)
class _Blanks:
    """What the placeholders of one run stand for."""

    lists: Mapping[str, list[str]]
    """Those that become arguments of their own where they stand alone."""
    texts: Mapping[str, str]
    """All of them, inside a text."""

    @classmethod
    def of(
        cls,
        *,
        paths: RunPaths,
        params: Mapping[str, Any],
        seed: int,
        fixed: Mapping[str, Any],
        styles: Mapping[str, str],
    ) -> _Blanks:
        """Return what they stand for; see :func:`render_command`."""
        values = {**params, **{name: value for name, value in fixed.items() if name not in params}}
        lists = {
            "overrides": hydra_overrides(values),
            "args": long_options(values, styles),
            "flags": long_options(values, _with_flags(values, styles)),
        }
        texts = {name: _plain_value(value) for name, value in values.items()}
        texts |= {name: " ".join(words) for name, words in lists.items()}
        texts |= {"run_dir": str(paths.root.resolve()), "config": str(paths.config.resolve()), "seed": str(seed)}
        texts |= {"args_json": json.dumps(values), "cwd": _working_directory()}
        return cls(lists, texts)


def _working_directory() -> str:
    """Return the controller's working directory; one that was removed has no name any more."""
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return "."


def fixed_values(training: Mapping[str, Any]) -> dict[str, Any]:
    """Return by dotted path what is asked for every run of an external command, and may stand on its command line.

    The seed has a placeholder of its own, and what is named as a secret stands in the config file alone.
    """
    return {path: value for path, value in leaves(training) if path != "seed" and not is_secret(path)}


def render_env(env: Mapping[str, str], *, paths: RunPaths, run_id: str) -> dict[str, str]:
    """Return a run's environment variables with its directory and its name filled in."""
    run_dir = str(paths.root.resolve())
    return {name: value.replace("{run_dir}", run_dir).replace("{run_id}", run_id) for name, value in env.items()}


def searched_for(spec: SweepSpec) -> dict[str, str]:
    """Return the environment variables that tell a run what its sweep searches for: the metric and the goal."""
    metric = spec.objectives[0].metric if spec.objectives else spec.metric
    return {METRIC_VARIABLE: metric, GOAL_VARIABLE: str(spec.goal)}


def _filled(text: str, texts: Mapping[str, str]) -> str:
    """Return a text with its blanks filled in; doubled braces are single ones where an opening one is doubled.

    JSON may end in ``}}``, and never has ``{{``: it stays as it is.
    """
    doubled = "{{" in text

    def fill(blank: re.Match[str]) -> str:
        if blank[1] is None:
            return blank[0][0] if doubled else blank[0]
        return texts.get(blank[1], blank[0])

    return _BLANK.sub(fill, text)


def names_in(template: tuple[str, ...]) -> list[str]:
    """Return the placeholders of a command, in order."""
    return [found for word in template for found in _BLANK.findall(word) if found]


def unseen(template: tuple[str, ...], env: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Return which values no placeholder of a command hands over: its program has to read them by itself."""
    blanks = {*names_in(template), *names_in(tuple(env.values()))}
    if not template or blanks & HANDING_OVER or any(blank.startswith(BLANK) for blank in blanks):
        return []
    return [name for name in names if name not in blanks]


def common_folders(template: tuple[str, ...], fixed: Mapping[str, Any]) -> dict[str, str]:
    """Return by option the folders to write to that a command gives every run alike: ``{"--output_dir": "out"}``.

    Args:
        template: The user's command.
        fixed: What is the same for every run, by dotted path.
    """
    said = [word.partition("=")[::2] for word in template if "=" in word]
    said += [(word, after) for word, after in pairwise(template) if word.startswith("-") and "=" not in word]
    said += [(name, value) for name, value in fixed.items() if isinstance(value, str)]
    return {
        name: value
        for name, value in said
        if _WRITTEN_TO.fullmatch(name) and value and not (value.startswith("-") or _BLANK.search(value))
        if not _LOOKS_TYPED.match(value)
    }


def check_command(
    template: tuple[str, ...],
    names: Collection[str] = (),
    conditional: Collection[str] = (),
    *,
    key: str = COMMAND_KEY,
) -> None:
    """Refuse a template with an unknown placeholder.

    Args:
        template: The user's command.
        names: The values that are in force at every point, by dotted path.
        conditional: Parameters that not every point has.
        key: Where the template stands.

    Raises:
        RequestError: It names the placeholder and those that exist.
    """
    known = [*PLACEHOLDERS, *names]
    problems = []
    blanks = {name for name in names_in(template) if not (name.startswith(BLANK) and key == COMMAND_KEY)}
    for name in sorted(blanks - set(known)):
        if name in conditional:
            message = f"{{{name}}} has no value at points where {name} does not count"
            fix = f"give it one for those points (sweep.{name}: VALUE), or use {{args}}"
            problems.append(Problem(key=key, message=message, fix=fix))
            continue
        near = nearest(name, known)
        listed = ", ".join(f"{{{each}}}" for each in known[:12])
        fix = f"write {{{near}}}" if near else f"use one of {listed}; a brace itself is written {{{{"
        problems.append(Problem(key=key, message=f"unknown placeholder {{{name}}}", fix=fix))
    if problems:
        raise RequestError(*problems)


def hydra_overrides(params: Mapping[str, Any]) -> list[str]:
    """Return one Hydra override a parameter, with values quoted so that Hydra reads the same value back."""
    return [f"{path}={_hydra_value(value)}" for path, value in params.items()]


def long_options(params: Mapping[str, Any], styles: Mapping[str, str] | None = None) -> list[str]:
    """Return the values as options for argparse, click or tyro: ``--path=value``, or as a style says."""
    return [word for path, value in params.items() for word in _option(path, value, (styles or {}).get(path, "value"))]


def _option(path: str, value: Any, style: str) -> list[str]:
    if style in ("flag", "switch") and isinstance(value, bool):
        return [f"--{path}"] if value else [f"--no-{path}"] if style == "switch" else []
    if style == "repeat" and isinstance(value, list | tuple):
        return [f"--{path}={_plain_value(part)}" for part in value]
    if style == "dash" and isinstance(value, bool):
        return [f"-{path}"] if value else []
    if style in ("words", "dash"):
        values = value if isinstance(value, list | tuple) else [value]
        return [f"-{path}" if style == "dash" else f"--{path}", *map(_plain_value, values)]
    return [f"--{path}={_plain_value(value)}"]


def _plain_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hydra_value(value: Any) -> str:
    """Return the value in the grammar of Hydra 1.3 overrides; strings are quoted wherever another reading exists."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_hydra_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_hydra_value(part)}' for key, part in value.items())}}}"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and not _LOOKS_TYPED.match(value):
        return value
    # Hydra's quoted strings: a quote is escaped by a backslash, and backslashes before a quote are doubled.
    escaped = re.sub(r"(\\+)('|$)", lambda found: found[1] * 2 + found[2], value).replace("'", "\\'")
    return f"'{escaped}'"


def run_config(training: Mapping[str, Any], params: Mapping[str, Any], *, run_id: str, seed: int) -> dict[str, Any]:
    """Return the whole training config of a run: the base, the suggestion's values over it, its name and seed."""
    config: dict[str, Any] = json.loads(json.dumps(dict(training)))
    for path, value in params.items():
        put(config, path, value)
    return {**config, "run": run_id, "seed": seed}
