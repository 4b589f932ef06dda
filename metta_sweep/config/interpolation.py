"""Which ``${...}`` a file or a command line may use: references to other keys, and the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metta_sweep.config.carbs import is_carbs, parameter_yaml
from metta_sweep.nearest import listing
from metta_sweep.secrecy import is_secret
from metta_sweep.trees import texts

ALLOWED_RESOLVERS = ("oc.env", "oc.select", "oc.decode", "oc.dict.keys", "oc.dict.values")
"""Resolvers that only read the config or the environment."""

UNSET = "???"
"""OmegaConf's mark of a value that must still be given."""

_RESOLVER = re.compile(r"\$\{\s*([A-Za-z_][\w.]*)\s*:")
_ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\\$\{")
"""An interpolation that OmegaConf takes for text: an odd number of backslashes before it."""
_VARIABLE = re.compile(r"(?=\$\{\s*oc\.env\s*:\s*['\"]?((?:\$\{)?[^,}'\"\s]+))")


def refused(tree: Any, *, expressions: frozenset[str] = frozenset()) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted path, the message and the fix of every interpolation that may not be used.

    Args:
        tree: A config tree whose texts are as they were written.
        expressions: Keys whose texts are expressions of ours: ``${a.b}`` means the path there.
    """
    for path, text in texts(tree):
        if text == UNSET:
            yield path, f"has no value yet ({UNSET})", "write a value, or remove the key"
        elif "${" in _ESCAPED.sub("", text) and not expressions.intersection(path.split(".")):
            yield from ((path, *reason) for reason in _reasons(path, text))


def _reasons(path: str, text: str) -> Iterator[tuple[str, str]]:
    if is_carbs(text):
        yield f"CARBS search spaces (${{ss:...}}) are no longer supported, got {text!r}", parameter_yaml(path, text)
        return
    meant = _ESCAPED.sub("", text)
    for name in _RESOLVER.findall(meant):
        if name not in ALLOWED_RESOLVERS:
            allowed = listing(f"${{{known}:...}}" for known in ALLOWED_RESOLVERS)
            yield f"${{{name}:...}} is not allowed", f"allowed are ${{some.key}} and {allowed}"
    for variable in _VARIABLE.findall(meant):
        if "${" in variable:
            yield f"{variable}}} names a variable by another one", "write the variable's name itself"
        elif is_secret(variable):
            yield f"{variable} must not enter a config: it would be written to disk", _secret_fix(variable)
    try:
        OmegaConf.create({"value": text})
    except OmegaConfBaseException as error:
        yield (
            f"cannot be read as an interpolation: {first_line(error)}",
            "write ${path.to.key} or ${oc.env:NAME,default}",
        )


def _secret_fix(variable: str) -> str:
    return "remove it; W&B reads it itself" if variable.startswith("WANDB") else "remove it; the runs see it as it is"


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
