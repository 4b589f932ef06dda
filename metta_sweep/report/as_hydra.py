"""YAML that Hydra reads back as it was: OmegaConf sees numbers and interpolations where YAML itself sees text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

_NUMBER_LIKE = re.compile(r"[-+.0-9]")
_INTERPOLATION = re.compile(r"(\\*)\$\{")


class _Dumper(yaml.SafeDumper):
    """Quotes text that begins as a number does: ``1e-5`` is text in YAML 1.1 and a number to OmegaConf."""


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "'" if _NUMBER_LIKE.match(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def hydra_yaml(config: Mapping[str, Any]) -> str:
    """Return plain values as YAML that composes to exactly these values."""
    return str(yaml.dump(_escaped(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))


def _escaped(value: Any) -> Any:
    """Return the value with ``${`` escaped, which would otherwise be looked up; backslashes before it are doubled."""
    if isinstance(value, str):
        return _INTERPOLATION.sub(lambda found: f"{found[1]}{found[1]}\\${{", value)
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list | tuple) else value
