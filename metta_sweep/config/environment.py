"""``sweep.env``: environment variables of every run of a command, as a person writes them.

With the bundled trainer ``env`` is the environment that is trained in, and so it may be with a command: names in
capitals are variables there, any other name is a value that is handed over, as in every group.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from metta_sweep.secrecy import is_secret

ENV = "env"
"""The key inside ``sweep``."""
OURS = ("METTA_SWEEP_", "WANDB_SERVICE", "CUDA_VISIBLE_DEVICES")
"""Beginnings of the variables that the sweep and its launcher set for each run."""

_NAME = re.compile(r"[A-Z_][A-Z0-9_]*|[a-z]+_proxy")


def without_variables(sweep: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what stands inside ``sweep`` without the environment variables, and the variables."""
    env = sweep.get(ENV)
    if not isinstance(env, Mapping):
        return dict(sweep), {}
    variables = {str(name): value for name, value in env.items() if _NAME.fullmatch(str(name))}
    values = {name: value for name, value in env.items() if name not in variables}
    rest = {key: value for key, value in sweep.items() if key != ENV}
    return {**rest, ENV: values} if values or not variables else rest, variables


def read_env(value: object) -> object:
    """Return the variables as texts: numbers and truth values as YAML has them.

    Raises:
        ValueError: One of them is no single value.
    """
    if not isinstance(value, Mapping):
        return value
    texts = {}
    for name, each in value.items():
        if not isinstance(each, str | int | float):
            raise ValueError(f"need text, a number, true or false for {name}")
        texts[str(name)] = each if isinstance(each, str) else json.dumps(each)
    return texts


def env_problems(env: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the key below ``sweep``, the message and the fix of everything that is wrong with the variables."""
    for name, text in env.items():
        key = f"env.{name}"
        if is_secret(name):
            yield key, "keys and tokens are never read from a config", f"export {name}; runs see the environment as is"
        elif name == "CUDA_VISIBLE_DEVICES":
            yield (
                key,
                "is set for each run by launcher.gpus_per_run",
                "set it before you start the sweep: runs share what is visible",
            )
        elif name.startswith(OURS):
            yield key, "is set by the sweep for every run", "remove it"
        elif "\x00" in text:
            yield key, "need text without a NUL character", ""
