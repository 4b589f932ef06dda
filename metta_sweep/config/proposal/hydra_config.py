"""Options of a Hydra app: the leaves of its config, its groups, and the keys that only one choice of a group has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from metta_sweep.config.proposal.options import Option, kind_of
from metta_sweep.trees import leaves

_GROUPS = re.compile(r"==\s*Configuration groups\s*==(.*?)(?:\n\s*==|\Z)", re.DOTALL)
_GROUP = re.compile(r"(?m)^([\w/@.-]+):\s*(\S.*)$")


def groups_in(text: str) -> dict[str, list[str]]:
    """Return the config groups that a Hydra app's help lists, with their choices; Hydra's own are left out."""
    section = _GROUPS.search(text)
    found = _GROUP.findall(section[1]) if section else []
    groups = {name: [choice.strip() for choice in choices.split(",")] for name, choices in found}
    return {name: choices for name, choices in groups.items() if not name.startswith("hydra") and len(choices) > 1}


def config_in(text: str) -> dict[str, Any]:
    """Return the config that ``--cfg job`` printed, whatever was printed around it; empty where there is none."""
    lines = text.splitlines()
    begins = [at for at, line in enumerate(lines) if re.match(r"[A-Za-z_][\w-]*:", line)]
    for begin in begins[:3]:
        try:
            content = yaml.safe_load("\n".join(lines[begin:]))
        except (yaml.YAMLError, RecursionError):
            continue
        if isinstance(content, dict):
            return {str(key): value for key, value in content.items() if key != "hydra"}
    return {}


def options_of(
    config: Mapping[str, Any], groups: Mapping[str, Sequence[str]], others: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Iterator[Option]:
    """Yield the groups, then the keys of the config.

    Args:
        config: The config as it is.
        groups: The groups and their choices.
        others: The config with another choice of a group, by group and choice; the present one's own included.
    """
    for name, choices in groups.items():
        if len([choice for group, choice in others if group == name]) > 1:
            yield Option(name=name, kind="choice", choices=tuple(choices))
    configs = {key: dict(leaves(tree)) for key, tree in others.items()}
    everywhere = dict(leaves(config))
    for path, value in {**{path: v for tree in configs.values() for path, v in tree.items()}, **everywhere}.items():
        if isinstance(value, str) and "${" in value:
            continue
        when = {}
        for name in groups:
            having = [choice for (group, choice), tree in configs.items() if group == name and path in tree]
            tried = [choice for group, choice in configs if group == name]
            if path.startswith(f"{name.replace('/', '.')}.") and having and len(having) < len(tried):
                when[name] = having[0] if len(having) == 1 else having
        yield Option(name=path, kind=kind_of(value), default=value, when=when)
