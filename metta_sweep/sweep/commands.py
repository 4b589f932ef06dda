"""The command line of a run: the bundled trainer, or the user's own with its blanks filled in."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from metta_sweep.errors import Problem, RequestError
from metta_sweep.result import RunPaths

BUNDLED_TRAINER = (sys.executable, "-m", "metta_sweep.train")
"""Program of the bundled trainer; a launcher may start it from a warm process."""

PLACEHOLDERS = ("run_dir", "config", "overrides", "args", "args_json", "seed")
"""What a command template may contain, in braces."""

_BLANK = re.compile(r"\{(\w+)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:+\-]+")
_LOOKS_TYPED = re.compile(r"(?i)(true|false|null|none|nan|[+-]?inf|[+-]?[\d.][\d._e+\-]*)$")


def render_command(template: tuple[str, ...], *, paths: RunPaths, params: Mapping[str, Any], seed: int) -> list[str]:
    """Return the program and arguments of a run.

    ``{overrides}`` and ``{args}`` become one argument a parameter where they stand alone; the others are replaced
    inside their argument. No shell ever sees the result.

    Args:
        template: The user's command; empty for the bundled trainer.
        paths: The run's directory.
        params: The suggestion's values by dotted path.
        seed: The run's seed.
    """
    run_dir, config = str(paths.root.resolve()), str(paths.config.resolve())
    if not template:
        return [*BUNDLED_TRAINER, f"config={config}", f"run_dir={run_dir}"]
    lists = {"overrides": hydra_overrides(params), "args": long_options(params)}
    texts = {"run_dir": run_dir, "config": config, "seed": str(seed), "args_json": json.dumps(dict(params))}
    texts |= {name: " ".join(words) for name, words in lists.items()}
    command: list[str] = []
    for word in template:
        alone = _BLANK.fullmatch(word)
        if alone and alone[1] in lists:
            command += lists[alone[1]]
        else:
            command.append(_BLANK.sub(lambda blank: texts.get(blank[1], blank[0]), word))
    return command


def render_env(env: Mapping[str, str], *, paths: RunPaths, run_id: str) -> dict[str, str]:
    """Return a run's environment variables with its directory and its name filled in."""
    blanks = {"{run_dir}": str(paths.root.resolve()), "{run_id}": run_id}
    return {name: _filled(value, blanks) for name, value in env.items()}


def _filled(text: str, blanks: Mapping[str, str]) -> str:
    return _BLANK.sub(lambda blank: blanks.get(blank[0], blank[0]), text)


def check_command(template: tuple[str, ...]) -> None:
    """Refuse a template with an unknown placeholder.

    Raises:
        RequestError: It names the placeholder and those that exist.
    """
    unknown = sorted({name for word in template for name in _BLANK.findall(word)} - set(PLACEHOLDERS))
    if unknown:
        raise RequestError(
            *(
                Problem(
                    key="sweep.command",
                    message=f"unknown placeholder {{{name}}}",
                    fix="use one of " + ", ".join(f"{{{known}}}" for known in PLACEHOLDERS),
                )
                for name in unknown
            )
        )


def hydra_overrides(params: Mapping[str, Any]) -> list[str]:
    """Return one Hydra override a parameter, with values quoted so that Hydra reads the same value back."""
    return [f"{path}={_hydra_value(value)}" for path, value in params.items()]


def long_options(params: Mapping[str, Any]) -> list[str]:
    """Return one ``--path=value`` a parameter, for argparse, click or tyro."""
    return [f"--{path}={_plain_value(value)}" for path, value in params.items()]


def _plain_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _hydra_value(value: Any) -> str:
    """Return the value in the grammar of Hydra 1.3 overrides; strings are quoted wherever another reading exists."""
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
        _put(config, path.split("."), value)
    return {**config, "run": run_id, "seed": seed}


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(tree.get(key), dict):
            tree[key] = {}
        tree = tree[key]
    tree[keys[-1]] = value
