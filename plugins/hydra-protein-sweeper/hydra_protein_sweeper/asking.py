"""What the controller is asked: a sweep file whose command is the app's own, and the words of its command line."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hydra_protein_sweeper.callback import OVERRIDE
from hydra_protein_sweeper.grammar import written
from hydra_protein_sweeper.launchers import Launching

OUTPUT = "output"
"""Folder of a run's directory that is ``hydra.run.dir``."""

_SAME = ("bounds", "weights", "constraints", "limits", "confirm", "early_stop", "protein", "results")
"""Settings that a sweep file calls the same."""

_CALLBACK = "++hydra.callbacks.protein_sweeper"

HEAD = "# Written by hydra/sweeper=protein; the command of the Hydra app that asked for it writes it anew.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A sweep as its controller is asked for it."""

    name: str
    """The sweep's name."""
    data_dir: Path
    """Folder of all sweeps, absolute."""
    content: str
    """The sweep file."""
    words: tuple[str, ...]
    """The words of its command line but for the sweep file."""

    @property
    def file(self) -> Path:
        """The sweep file: other content has another name, so that what a sweep was asked for is never overwritten."""
        digest = hashlib.sha256(self.content.encode()).hexdigest()[:8]
        name = re.sub(r"[^\w.-]", "_", self.name[:100])
        return self.data_dir / "hydra" / f"{name}-{digest}.yaml"


def request_of(
    settings: Mapping[str, Any],
    *,
    name: str,
    parameters: Mapping[str, Any],
    command: Sequence[str],
    launching: Launching,
    cwd: Path,
) -> Request:
    """Return what the controller is asked.

    Args:
        settings: The block ``hydra.sweeper``.
        name: The sweep's name.
        parameters: The space.
        command: The app's command line, ``{overrides}`` in it.
        launching: The launcher.
        cwd: Working directory.
    """
    given = settings["data_dir"] or os.environ.get("DATA_DIR") or "train_dir"
    data_dir = cwd / Path(str(given)).expanduser()
    return Request(
        name=name,
        data_dir=data_dir,
        content=HEAD + yaml.safe_dump(_content(settings, parameters, command), sort_keys=False, width=1000),
        words=(
            f"data_dir={written(str(data_dir))}",
            f"seed={settings['seed']}",
            *_group("wandb", settings["wandb"]),
            f"launcher={launching.kind}",
            *(f"++launcher.{key}={written(value)}" for key, value in launching.settings.items()),
            *(f"{key}={written(settings[key])}" for key in ("change", "takeover") if settings[key]),
            *(["cmd=plan"] if settings["plan"] else []),
        ),
    )


def _group(name: str, value: Any) -> list[str]:
    """Return the words for a config group of ours: an option, or single settings."""
    if isinstance(value, Mapping):
        return [f"++{name}.{key}={written(part)}" for key, part in value.items()]
    return [f"{name}={'off' if value is False else value}"]


def _content(settings: Mapping[str, Any], parameters: Mapping[str, Any], command: Sequence[str]) -> dict[str, Any]:
    same = {
        key: settings[key]
        for key in ("bounds", "weights", "constraints", "limits", "confirm", "early_stop", "protein", "results")
    }
    return {
        "rollout_count": settings["rollout_count"],
        "num_samples": settings["num_samples"],
        "sweep": {
            "command": [_word(word) for word in command],
            "metric": settings["metric"],
            "goal": settings["goal"],
            "parameters": dict(parameters),
            **{key: value for key, value in same.items() if value not in (None, {}, [])},
        },
    }


def template(
    program: Sequence[str],
    overrides: Sequence[str],
    *,
    passes_seed: bool,
    keeps_return: bool,
    metrics: Sequence[str] = (),
) -> list[str]:
    """Return the command of a run; words of ``overrides`` are taken as they are.

    Args:
        program: The app with Hydra's flags.
        overrides: What every run is given.
        passes_seed: Whether the app's key ``seed`` is set for every run.
        keeps_return: Whether the return value is the result.
        metrics: Names of what is searched by, where these are several.
    """
    own = [OVERRIDE] if keeps_return else [OVERRIDE, f"{_CALLBACK}.keeps_return=false"]
    own += [_braces(f"{_CALLBACK}.metrics={written(list(metrics))}")] if metrics else []
    return [
        *map(_braces, [*program, "hydra.mode=RUN", *overrides]),
        *(["seed={seed}"] if passes_seed else []),
        "{overrides}",
        f"hydra.run.dir='{{run_dir}}/{OUTPUT}'",
        *own,
    ]


def _braces(word: str) -> str:
    """Double the braces of a word that is no template."""
    return word.replace("{", "{{").replace("}", "}}") if "{" in word else word


def _word(word: str) -> str:
    """Return a word in which OmegaConf sees no interpolation: the app is to see it."""
    return re.sub(r"(\\*)\$\{", lambda found: f"{found[1]}{found[1]}\\${{", word)
