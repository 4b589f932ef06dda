"""The app's own command line, as it was typed, so that every run is a process like the one a person starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser

OURS = ("hydra/sweeper", "hydra.sweeper", "hydra/launcher", "hydra.launcher", "hydra.mode", "hydra.run.dir")
"""Overrides that are about the sweep and not about a run."""


def program() -> list[str]:
    """Return what starts this app: the interpreter with its options, then a file, ``-m MODULE``, or a script."""
    given = sys.argv[1:]
    typed = list(getattr(sys, "orig_argv", ()))
    if given and typed[len(typed) - len(given) :] == given:
        words = typed[1 : len(typed) - len(given)]
    else:  # the app has changed sys.argv
        words = [*subprocess._args_from_interpreter_flags(), *_main_words()]  # type: ignore[attr-defined]  # private
    return [sys.executable, *(os.path.abspath(word) if os.path.isfile(word) else word for word in words)]  # noqa: PTH100, PTH113  # links stay links


def _main_words() -> list[str]:
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name:
        return ["-m", spec.name.removesuffix(".__main__")]
    return [getattr(main, "__file__", None) or sys.argv[0]]


def flags(given: Sequence[str]) -> list[str]:
    """Return Hydra's own flags that say where the config is, of a command line's words."""
    typed, _ = get_args_parser().parse_known_args(list(given))
    folder = typed.config_dir and os.path.abspath(typed.config_dir)  # noqa: PTH100  # links stay links
    found = {"--config-path": typed.config_path, "--config-name": typed.config_name, "--config-dir": folder}
    return [word for flag, value in found.items() if value is not None for word in (flag, value)]


def hydra_overrides(given: Sequence[str]) -> list[str]:
    """Return Hydra's overrides that a run is given as they were typed; those about the sweep are left out."""
    parser = OverridesParser.create()
    keys = {text: parser.parse_override(text).key_or_group for text in given}
    return [text for text, key in keys.items() if not any(key == our or key.startswith(f"{our}.") for our in OURS)]
