"""Keeps keys and passwords off the disk and off the network: by the name of the entry, and by the values of secrets.

The one place that knows what a secret is called. A name is taken apart into words whatever its spelling
(``PGPASSWORD``, ``clientSecret``, ``OPENAI_APIKEY``, ``access-tokens``) and judged by them. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REDACTED = "[redacted]"
"""Stands in the place of a secret."""

_SHORTEST = 8
"""Characters: a shorter value of the environment is a word, not a secret."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_ALWAYS = re.compile(r"(?i)(secrets?|passwords?|passwd|passphrase|passcode|pwd|credentials?|api_?keys?)$")
"""Endings of a word that mean a secret wherever the word stands: ``pgpassword``, ``nosecret``."""
_WORKING_DIRECTORY = frozenset({"PWD", "OLDPWD"})
"""Variables that every shell sets and that are no password."""
_PLURAL = frozenset({"keys", "tokens"})
_ACCESS = frozenset({"access", "api", "auth", "bearer", "client", "deploy", "encryption", "private", "refresh", "ssh"})
"""Words before ``keys`` and ``tokens`` that tell them from things that are counted."""
_LAST = frozenset({"key", "token", "pat", "pass", "creds", "cred"})
"""Words that mean a secret at the end of a name."""
_OF_A_VOCABULARY = ("bos", "cls", "eos", "mask", "next", "pad", "sep", "special", "start", "stop", "unk")
_TO_LOOK_UP_BY = ("dict", "foreign", "group", "index", "metric", "primary", "public", "sort")
_OVER_DATA = ("backward", "first", "forward", "multi", "second", "single", "two")
_HARMLESS = frozenset({*_OF_A_VOCABULARY, *_TO_LOOK_UP_BY, *_OVER_DATA})
"""Words before the last one that make it a plain word."""
_AFTER = frozenset({"id", "value", "file"})
"""Words that may follow the one that counts."""

_NAMED = r"['\"]?([A-Za-z_][\w.\-]*)['\"]?"
_LINE = re.compile(rf"(?m)^([ \t]*-?[ \t]*){_NAMED}([ \t]*[:=][ \t]*)(?![\d.]+[ \t]*$)(\S.*)$")
_LITERAL = re.compile(rf"{_NAMED}([ \t]*[:=][ \t]*)[rbf]?(['\"])([^'\"\n]{{4,}})\3")
_UNQUOTED = re.compile(
    r"(?m)^([+\- ]?[ \t]*(?:export[ \t]+)?)([A-Za-z_][\w.\-]*)(=|:[ \t]+)([^\s'\"(\[{=][^\s(\[{]*)[ \t]*$"
)
_VALUE = re.compile(
    r"wandb_v\d_[A-Za-z0-9_]{20,}|sk-[A-Za-z0-9_\-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|AKIA[A-Z0-9]{16}|xox[abp]-[A-Za-z0-9\-]{10,}|(?<=://)[^/\s:@]+:[^/\s:@]+(?=@)"
)


def is_secret(name: str) -> bool:
    """Return whether an entry or a variable of this name holds a key, a token or a password."""
    words = [word.lower() for word in _WORD.findall(name)]
    if any(_ALWAYS.search(word) for word in words):
        return True
    while len(words) > 1 and words[-1] in _AFTER:
        words.pop()
    if not words:
        return False
    before = words[-2] if len(words) > 1 else ""
    if words[-1] in _PLURAL:
        return before in _ACCESS
    return words[-1] in _LAST and before not in _HARMLESS and (before != "" or words[-1] in ("key", "token"))


@dataclass(frozen=True, slots=True)
class Redaction:
    """Replaces secrets in configs and texts."""

    known: tuple[str, ...] = ()
    """Secret values that are known, wherever they appear; longest first."""

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Redaction:
        """Return the redaction that knows the values of this environment's variables with secret names."""
        secret = {name for name in environ if is_secret(name) and name not in _WORKING_DIRECTORY}
        values = {environ[name] for name in secret if len(environ[name]) >= _SHORTEST}
        return cls(tuple(sorted(values, key=len, reverse=True)))

    def of_config(self, value: Any, name: str = "") -> Any:
        """Return a config tree without its secrets; numbers are never secrets."""
        if isinstance(value, Mapping):
            return {str(key): self.of_config(item, str(key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.of_config(item, name) for item in value]
        if not isinstance(value, str):
            return value
        return REDACTED if value and is_secret(name) else self.of_values(value)

    def of_text(self, text: str) -> str:
        """Return a file of entries (YAML, JSON lines, ``.env``) without its secrets."""

        def line(found: re.Match[str]) -> str:
            return found[0].removesuffix(found[4]) + REDACTED if is_secret(found[2]) else found[0]

        return self.of_values(_LINE.sub(line, text))

    def of_code(self, text: str) -> str:
        """Return source code, or a diff of it, without secrets that are written out: ``password = "hush"``."""

        def literal(found: re.Match[str]) -> str:
            return found[0].replace(found[4], REDACTED) if is_secret(found[1]) else found[0]

        def unquoted(found: re.Match[str]) -> str:
            is_written = found[3] == "=" or _ALWAYS.search(found[2])
            return found[1] + found[2] + found[3] + REDACTED if is_written and is_secret(found[2]) else found[0]

        return self.of_values(_UNQUOTED.sub(unquoted, _LITERAL.sub(literal, text)))

    def of_values(self, text: str) -> str:
        """Return a text without values that are secrets wherever they stand."""
        return _VALUE.sub(REDACTED, self.of_known(text))

    def of_known(self, text: str) -> str:
        """Return a text without the secret values that are known."""
        for value in self.known:
            text = text.replace(value, REDACTED)
        return text
