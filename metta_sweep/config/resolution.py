"""From a composed tree to plain values: every interpolation resolved, every failure one problem."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metta_sweep.config.interpolation import UNSET, first_line


@dataclass(slots=True)
class Resolution:
    """Resolves a composed tree, value by value."""

    config: DictConfig
    """The composed tree."""
    verbatim: Collection[str] = ()
    """Keys whose content keeps its texts as they were written: expressions of ours."""
    failures: list[tuple[str, str, str]] = field(default_factory=list)
    """Dotted path, message and fix of every value that could not be resolved."""

    def root(self, key: str) -> Any:
        """Return the plain value of a root key; None for one that is missing or could not be resolved."""
        raw = OmegaConf.to_container(self.config, resolve=False)
        if not isinstance(raw, dict) or key not in raw:
            return None
        return self._value(self.config, key, raw[key], key)

    def below(self, root: str, keys: Collection[str]) -> dict[str, Any]:
        """Return the plain values of some of the keys below a root key; only these are resolved."""
        raw = OmegaConf.to_container(self.config, resolve=False)
        content = raw.get(root) if isinstance(raw, dict) else None
        if not isinstance(content, dict):
            return {}
        parent = self.config[root]
        return {
            str(key): self._value(parent, key, value, f"{root}.{key}") for key, value in content.items() if key in keys
        }

    def _value(self, parent: Any, key: Any, raw: Any, path: str) -> Any:
        if str(key) in self.verbatim:
            return raw
        if isinstance(raw, dict):
            return {str(name): self._value(parent[key], name, raw[name], f"{path}.{name}") for name in raw}
        if isinstance(raw, list):
            return [self._value(parent[key], at, item, f"{path}.{at}") for at, item in enumerate(raw)]
        if raw == UNSET:
            self.failures.append((path, f"has no value yet ({UNSET})", f"give it one: {path}=VALUE"))
            return None
        return self._resolved(parent, key, path) if isinstance(raw, str) and "${" in raw else raw

    def _resolved(self, parent: Any, key: Any, path: str) -> Any:
        try:
            value = parent[key]
            return OmegaConf.to_container(value, resolve=True) if isinstance(value, DictConfig | ListConfig) else value
        except (OmegaConfBaseException, RecursionError) as error:
            reason = first_line(error)
            fix = "set it, or give a default: ${oc.env:NAME,default}" if "Environment variable" in reason else ""
            self.failures.append((path, reason.rpartition("interpolation: ")[2].strip('"'), fix))
            return None
