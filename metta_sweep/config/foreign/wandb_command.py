"""W&B's ``program`` and ``command`` with its macros, as a command of ours."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from metta_sweep.secrecy import is_secret

MACROS = {
    "${args}": "{args}",
    "${args_no_boolean_flags}": "{flags}",
    "${args_no_hyphens}": "{overrides}",
    "${args_append_hydra}": "{overrides}",
    "${args_json}": "{args_json}",
    "${args_json_file}": "{config}",
    "${interpreter}": "python",
}
"""What replaces each macro; ``${env}`` is dropped and ``${program}`` filled in."""

DEFAULT = ("${env}", "${interpreter}", "${program}", "${args}")
"""What W&B runs where the file has no command."""

_MACRO = re.compile(r"\$\{[^{}]*\}")
_UNQUOTED = re.compile(r"[\w./:=@%+,{}-]+")


def command_of(given: Any, program: str, leave: Callable[[str, str], None]) -> list[str]:
    """Return the words of the command.

    Args:
        given: ``command`` as the file has it, or None.
        program: ``program`` as the file has it; empty where it has none.
        leave: Is told each word that was left out, and why.
    """
    words = list(DEFAULT) if given is None else _split(given)
    command = []
    for word in words:
        new = _translated(word, program, leave)
        command += [new] if new else []
    return command


def written(words: list[str]) -> str | list[str]:
    """Return a command as a person writes it: one text where no word needs quotes."""
    return " ".join(words) if all(map(_UNQUOTED.fullmatch, words)) else words


def _split(given: Any) -> list[str]:
    if not isinstance(given, list):
        try:
            return shlex.split(str(given))
        except ValueError:  # an open quote
            return str(given).split()
    return [str(word) for word in given]


def _translated(word: str, program: str, leave: Callable[[str, str], None]) -> str:
    """Return a word in our form; empty where it is dropped."""
    if word == "${env}":
        return ""
    pieces, end = [], 0
    for found in _MACRO.finditer(word):
        new = _macro(found[0], program)
        if new is None:
            leave(word, _why(found[0]))
            return ""
        pieces += [_braced(word[end : found.start()]), new]
        end = found.end()
    rest = word[end:]
    if "${" in rest:
        leave(word, "its ${ is not closed")
        return ""
    return "".join([*pieces, _braced(rest)])


def _macro(macro: str, program: str) -> str | None:
    """Return what replaces a macro, or None where nothing does."""
    if macro == "${program}":
        return _braced(program) or None
    kind, _, name = macro[2:-1].partition(":")
    if kind == "envvar" and re.fullmatch(r"[A-Za-z_]\w*", name) and not is_secret(name):
        return f"${{oc.env:{name}}}"
    return MACROS.get(macro)


def _why(macro: str) -> str:
    if macro == "${program}":
        return "the file names no program"
    if macro.startswith("${envvar:"):
        return "the variable is a secret or has no name; the runs see the environment as it is"
    return f"there is no counterpart of {macro}"


def _braced(text: str) -> str:
    """Return a text with its braces doubled, so that none is taken for a placeholder."""
    return text.replace("{", "{{").replace("}", "}}")
