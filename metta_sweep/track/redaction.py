"""Keeps keys and passwords out of what is sent: by the name of the entry, and by the secrets of this environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REDACTED = "[redacted]"
"""Stands in the place of a secret."""

_WORDS = r"(?:key|token|secret|password|passwd|credentials?)"
_SECRET_NAME = re.compile(rf"(?i)(?:^|[_.\-]){_WORDS}(?:$|[_.\-](?:id|value)$)|^api_?key$")
_SECRET_LINE = re.compile(
    rf"(?im)^(\s*-?\s*['\"]?(?:[\w.\-]*[_.\-])?(?:{_WORDS}|apikey)['\"]?\s*[:=]\s*)(?![\d.]+\s*$)\S.*$"
)
_SECRET_VALUE = re.compile(
    r"wandb_v\d_[A-Za-z0-9_]{20,}|sk-[A-Za-z0-9_\-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|hf_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}"
    r"|xox[abp]-[A-Za-z0-9\-]{10,}|(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)"
)
_SHORTEST = 8
"""Characters: a shorter value of the environment is a word, not a secret."""


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces secrets in configs and texts."""

    known: tuple[str, ...] = ()
    """Secret values that are known, wherever they appear; longest first."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Redaction:
        """Return the redaction that knows the values of this environment's variables with secret names."""
        values = {value for name, value in environ.items() if is_secret_name(name) and len(value) >= _SHORTEST}
        return cls(tuple(sorted(values, key=len, reverse=True)))

    def of_config(self, value: Any, name: str = "") -> Any:
        """Return a config tree without its secrets; numbers are never secrets."""
        if isinstance(value, Mapping):
            return {str(key): self.of_config(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of_config(item, name) for item in value]
        if not isinstance(value, str):
            return value
        return REDACTED if value and is_secret_name(name) else self.of_values(value)

    def of_text(self, text: str) -> str:
        """Return a file's text without its secrets."""
        return self.of_values(_SECRET_LINE.sub(rf"\1{REDACTED}", text))

    def of_values(self, text: str) -> str:
        """Return a text without values that are secrets wherever they stand."""
        for value in self.known:
            text = text.replace(value, REDACTED)
        return _SECRET_VALUE.sub(REDACTED, text)


def is_secret_name(name: str) -> bool:
    """Return whether an entry of this name holds a key, a token or a password."""
    return bool(_SECRET_NAME.search(name))
