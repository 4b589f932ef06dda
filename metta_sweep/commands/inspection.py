"""A look at a program that nobody described: its help, its source, its config, and one short run of it."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from metta_sweep.commands.one_run import run_once, with_own
from metta_sweep.config.config_files import ConfigFileError, values_of
from metta_sweep.config.proposal.help_text import options_in
from metta_sweep.config.proposal.hydra_config import config_in, groups_in
from metta_sweep.config.proposal.hydra_config import options_of as options_of_config
from metta_sweep.config.proposal.metrics import SeenMetric, spoken_in
from metta_sweep.config.proposal.options import Option, kind_of
from metta_sweep.config.proposal.ranges import is_known, proposals
from metta_sweep.config.proposal.source_code import config_dict_of, is_hydra_app, wandb_config_of
from metta_sweep.config.proposal.source_code import options_of as options_of_source
from metta_sweep.config.proposal.tables import tabulated_in
from metta_sweep.result import RunPaths, read_result
from metta_sweep.result.reading import ResultError
from metta_sweep.results.environment import command_words, run_environment
from metta_sweep.results.patterns import twice_in_a_line
from metta_sweep.results.port import Source
from metta_sweep.results.survey import Survey
from metta_sweep.sweep.commands import render_env

HELP_S = 60.0
"""Seconds that a program has to print its help or its config."""
TEXT_BYTES = 1 << 20
"""So much of a text is looked at."""
CHOICES = 12
"""Choices of config groups whose configs are looked at, in all."""
SOURCES = (".py", ".js", ".mjs", ".cjs", ".ts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is known of a program before it is run."""

    options: tuple[Option, ...]
    is_hydra: bool
    config_file: str = ""
    """The word of the command that names the file which the options are keys of; empty where they are options."""
    is_wandb: bool = False
    """Whether the options are keys of ``wandb.config``, where a sweep puts their values."""
    added: tuple[str, ...] = ()
    """What the command needs beside its words to be given that file."""
    told: str = ""
    """Its help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TryOut:
    """What one short run left."""

    code: int | None
    """Its exit status; None where it was ended at its limit."""
    wall_s: float
    seen: tuple[SeenMetric, ...] = ()
    own: Mapping[str, float] = field(default_factory=dict)
    """The metrics of a result that it wrote itself."""
    printed: str = ""
    """What it printed, or the end of it."""


def inspect(command: Sequence[str]) -> Program:
    """Return what a program's help, source and config say of it.

    Args:
        command: Program and arguments.

    Raises:
        SweepFailedError: It cannot be started.

    Side effects:
        Starts it with ``--help`` and, where it is a Hydra app, with ``--cfg job``.
    """
    sources = _sources(command)
    told = _said([*command, "--help"])
    is_hydra = "Powered by Hydra" in told or any(is_hydra_app(text) for text, _ in sources)
    if is_hydra:
        return Program(options=tuple(_hydra_options(command, told)), is_hydra=True)
    declared: dict[str, Option] = {}
    for text, suffix in sources:
        declared |= options_of_source(text, suffix=suffix)
    listed = {option.name: option for option in options_in(told)}
    options = [_joined(option, declared.get(option.name)) for option in listed.values()]
    options += _config_files(command, options)
    options = options or list(declared.values())
    if not is_known(options):
        for text, _ in sources:
            if is_known(keys := wandb_config_of(text)):
                return Program(options=tuple(keys), is_hydra=False, is_wandb=True)
    by_default = [f"--{each.name}={each.default}" for each in options if isinstance(each.default, str)]
    for word in [*command, *by_default]:
        file = word.rpartition("=")[2]
        held = _keys_of(file)
        if held and not is_known(options) and (is_known(held.values()) or not proposals(options)):
            added = () if word in command else (word,)
            return Program(options=tuple(held.values()), is_hydra=False, config_file=file, added=added)
        given = {name: key.default for name, key in held.items() if key.default is not None}
        options = [replace(each, default=given.get(each.name.replace("-", "_"), each.default)) for each in options]
    return Program(options=tuple(options), is_hydra=False, told=told)


def _keys_of(word: str) -> dict[str, Option]:
    """Return by name the keys of a config file that a word names; none where it names no such file."""
    file = Path(word)
    with contextlib.suppress(ConfigFileError, OSError, ValueError):  # any text may stand there
        if file.is_file():
            held = values_of(file).items()
            return {name: Option(name=name, kind=kind_of(value), default=value) for name, value in held}
    return {}


def _config_files(command: Sequence[str], options: Sequence[Option]) -> list[Option]:
    """Return what config files of ml_collections hold, as ``config.lr`` where ``--config`` names the file."""
    given = dict(pairwise(command)) | dict(word.split("=", 1) for word in command if "=" in word)
    named = {option.name: option.default for option in options} | {
        name.lstrip("-"): value for name, value in given.items() if name.startswith("--")
    }
    found: list[Option] = []
    for name, value in named.items():
        file = Path(str(value).rpartition(":")[0] if ".py:" in str(value) else str(value))
        if file.suffix == ".py":
            held = config_dict_of(_text_of(file))
            found += [replace(option, name=f"{name}.{option.name}") for option in held]
    return found


def _joined(listed: Option, declared: Option | None) -> Option:
    """Return an option of the help with the type and the default that its source has."""
    if declared is None:
        return listed
    default = listed.default if declared.default is None else declared.default
    kind = listed.kind if declared.kind == "unknown" else declared.kind
    if listed.kind == "choice":
        kind = "choice"
    choices = declared.choices or listed.choices
    return replace(listed, kind=kind, default=default, choices=choices, style=declared.style or listed.style)


def _hydra_options(command: Sequence[str], told: str) -> list[Option]:
    config = config_in(_said([*command, "--cfg", "job"]))
    groups, others, left = groups_in(told), {}, CHOICES
    for name, choices in groups.items():
        if len(choices) > left:
            continue
        left -= len(choices)
        for choice in choices:
            found = config_in(_said([*command, f"{name}={choice}", "--cfg", "job"]))
            if found:
                others[name, choice] = found
    return list(options_of_config(config, groups, others))


def _sources(command: Sequence[str]) -> list[tuple[str, str]]:
    """Return text and suffix of the program's files that the command names, as file or as ``-m module``."""
    found = []
    for before, word in zip(["", *command], command, strict=False):
        parts = Path(*word.split("."))
        files = [parts.with_suffix(".py"), parts / "__main__.py"] if before == "-m" else [Path(word)]
        found += [(text, file.suffix) for file in files if file.suffix in SOURCES and (text := _text_of(file))]
    return found


def _text_of(file: Path) -> str:
    """Return the beginning of a file; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")[:TEXT_BYTES] if file.is_file() else ""
    except (OSError, ValueError):
        return ""


def _said(command: Sequence[str]) -> str:
    """Return what a command prints within its time.

    Raises:
        SweepFailedError: It cannot be started.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = RunPaths(Path(folder))
        env = {**os.environ, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", "WANDB_MODE": "offline"}
        run_once(command, run, {**env, "WANDB_DIR": folder}, Path.cwd(), HELP_S)
        return run.log.read_bytes()[:TEXT_BYTES].decode(errors="replace")


def try_command(command: Sequence[str], *, is_hydra: bool, limit_s: float) -> TryOut:
    """Run a program as it is, and return what was seen of it.

    Args:
        command: Program and arguments.
        is_hydra: Whether what its main returns is asked for.
        limit_s: Seconds after which it is ended.

    Raises:
        SweepFailedError: It cannot be started.

    Side effects:
        What the program itself writes stays there. The W&B client is kept offline.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = RunPaths(Path(folder) / "init.r.0")
        run.attempts.mkdir(parents=True)
        readers = {"stdout", "wandb", "mlflow", *(["hydra"] if is_hydra else [])}
        ours = run_environment(readers, sweep="init", base=os.environ)
        env = with_own(render_env(ours, paths=run, run_id="init-r-0"), run)
        survey = Survey(Source(run=run, cwd=Path.cwd(), metric="", began_s=time.time()))
        code, wall_s = run_once([*command, *command_words(readers)], run, env, Path.cwd(), limit_s)
        found = [each for each in survey.sightings() if each.name]
        printed = run.log.read_bytes()[-TEXT_BYTES:].decode(errors="replace")
        own: Mapping[str, float] = {}
        with contextlib.suppress(ResultError, OSError):
            result = read_result(run)
            own = {} if result is None else result.metrics
        seen = [
            SeenMetric(reader=s.reader, place=_shown(s.place, run), name=s.name, count=s.count, rise=s.last - s.first)
            for s in found
        ]
    twice = twice_in_a_line(printed)
    seen = [each for each in seen if each.reader != "stdout" or each.name not in twice]
    seen += [*spoken_in(printed), *tabulated_in(printed)]
    return TryOut(code=code, wall_s=wall_s, seen=tuple(seen), own=own, printed=printed)


def _shown(place: str, run: RunPaths) -> str:
    """Return a place as any run has it: below its own directory, or below the working directory."""
    root = str(run.root)
    return place.replace(root, "{run_dir}") if place.startswith(root) else place
