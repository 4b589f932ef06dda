"""Hydra's own flags among the words of a request: where configs lie, and what is asked about the composed config.

They are read by Hydra's parser. What starts no sweep is a question, which ``hydra_app`` answers.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from metta_sweep.config.places import JOB, ConfigPlaces
from metta_sweep.errors import Problem

SEARCH_PATH = "hydra.searchpath"
_FILE, _PACKAGE = "file://", "pkg://"


@dataclass(slots=True, kw_only=True)
class Typed:
    """What was typed after the command, the flags told from the overrides."""

    words: list[str]
    """The overrides."""
    places: ConfigPlaces
    """Where configs lie."""
    question: argparse.Namespace | None = None
    """What is asked about the config instead of a sweep, as Hydra's parser reads it."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the flags."""


def read_flags(arguments: Sequence[str], *, cwd: Path, configs: Path | None = None) -> Typed:
    """Tell Hydra's flags from overrides.

    Args:
        arguments: The words as typed.
        cwd: Absolute working directory; folders are relative to it.
        configs: The project's config folder; by default the one that came with the package.

    Raises:
        SystemExit: A flag lacks its value, or has one that it does not take; Hydra's parser has said so.
    """
    names = [word for word in arguments if word.startswith("--run=")]  # meant as run=NAME; Hydra's --run has no value
    flags, unknown = get_args_parser().parse_known_intermixed_args([word for word in arguments if word not in names])
    search = [word for word in flags.overrides if word.lstrip("+").startswith(f"{SEARCH_PATH}=")]
    problems: list[Problem] = []
    job = flags.config_name or JOB
    bundled = _folder("--config-path", flags.config_path, cwd, problems) or configs
    more = [_folder("--config-dir", flags.config_dir, cwd, problems), *_searched(search, cwd, problems)]
    folders = [folder for folder in more if folder is not None]
    places = ConfigPlaces.of(cwd) if bundled is None else ConfigPlaces.at(bundled, cwd)
    places = replace(places, own=(*places.own, *folders), job=job)
    if places.file("", job) is None:
        there = ", ".join(map(places.shown, places.folders))
        problems.append(Problem(message=f"there is no {job}.yaml in {there}", key="--config-name"))
        places = replace(places, job=JOB, bundled=ConfigPlaces.of(cwd).bundled)
    problems += _unanswered(flags)
    return Typed(
        words=[*(word for word in flags.overrides if word not in search), *names, *unknown],
        places=places,
        question=flags if _is_question(flags) else None,
        problems=problems,
    )


def _is_question(flags: argparse.Namespace) -> bool:
    asked = (flags.cfg, flags.info, flags.shell_completion, flags.hydra_help, flags.help)
    return any(asked) or flags.resolve or flags.package is not None


def _unanswered(flags: argparse.Namespace) -> list[Problem]:
    """Return a problem for each flag that means nothing for a sweep."""
    problems = []
    if flags.multirun:
        message = "a sweep decides itself what its runs are, and starts them"
        fix = "write the values under sweep.parameters, as in   trainer.gamma: {values: [0.9, 0.99]}"
        problems.append(Problem(message=message, key="--multirun", fix=fix))
    if flags.experimental_rerun:
        fix = "python -m metta_sweep.train config=RUN_DIRECTORY/config.yaml repeats a run"
        problems.append(Problem(message="is not used here", key="--experimental-rerun", fix=fix))
    return problems


def _folder(key: str, typed: str | None, cwd: Path, problems: list[Problem]) -> Path | None:
    if typed is None:
        return None
    folder = cwd / Path(typed).expanduser()
    if not folder.is_dir():
        problems.append(Problem(message=f"there is no folder {typed!r}", key=key))
        return None
    return folder


def _searched(words: Sequence[str], cwd: Path, problems: list[Problem]) -> list[Path | None]:
    """Return the folders that ``hydra.searchpath=[file://FOLDER,pkg://MODULE]`` names."""
    found: list[Path | None] = []
    for word in words:
        try:
            value = OverridesParser.create().parse_override(word.lstrip("+")).value()
        except HydraException:
            value = None
        if not isinstance(value, list):
            fix = f"'{SEARCH_PATH}=[file://FOLDER,pkg://MODULE]'"
            problems.append(Problem(message="need a list of folders and packages", key=SEARCH_PATH, fix=fix))
            continue
        found += [_source(str(source), cwd, problems) for source in value]
    return found


def _source(source: str, cwd: Path, problems: list[Problem]) -> Path | None:
    if source.startswith(_FILE):
        return _folder(SEARCH_PATH, source.removeprefix(_FILE), cwd, problems)
    if source.startswith(_PACKAGE):
        return _package(source.removeprefix(_PACKAGE), problems)
    problems.append(Problem(message=f"need {_FILE}FOLDER or {_PACKAGE}MODULE, got {source!r}", key=SEARCH_PATH))
    return None


def _package(name: str, problems: list[Problem]) -> Path | None:
    """Return the folder of a package of configs."""
    try:
        spec = importlib.util.find_spec(name.replace("/", "."))
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not folders:
        problems.append(Problem(message=f"there is no package {name!r}", key=SEARCH_PATH))
    return Path(folders[0]) if folders else None
