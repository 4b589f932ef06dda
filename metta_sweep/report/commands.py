"""The subcommands that read a sweep: thin, each a call of one function of this package."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from metta_sweep.store.paths import SweepPaths
    from metta_sweep.sweep.state import SweepState

DATA_DIR_VARIABLE = "DATA_DIR"
"""Environment variable that says where sweeps lie."""

AddSweep = Callable[[argparse.ArgumentParser], None]
"""Adds the arguments ``NAME`` and ``--data-dir`` to a subcommand."""


def add_commands(commands: Any, add_sweep: AddSweep) -> None:
    """Add ``explain``, ``best``, ``watch``, ``export`` and ``report`` to the subparsers of the command line."""
    explain = _command(commands, add_sweep, "explain", "say why each point was suggested and what came of it", _explain)
    explain.add_argument("--rollout", type=int, help="only this one, with its evidence where it failed")
    explain.add_argument("--format", choices=("text", "json"), default="text")
    best = _command(commands, add_sweep, "best", "show the winner and how it differs from the base config", _best)
    best.add_argument("--as", dest="form", choices=("text", "json", "hydra", "args"), default="text")
    watch = _command(commands, add_sweep, "watch", "watch a sweep from another terminal", _watch)
    watch.add_argument("--once", action="store_true", help="print the view once, for scripts")
    export = _command(commands, add_sweep, "export", "write every run as one record", _export)
    export.add_argument("--to", choices=("csv", "json", "parquet"), default="csv")
    export.add_argument("--out", type=Path, help="the file to write (default: standard output)")


def default_data_dir() -> Path:
    """Return where sweeps lie: ``$DATA_DIR``, or ``train_dir``."""
    return Path(os.environ.get(DATA_DIR_VARIABLE, "train_dir"))


def _command(
    commands: Any, add_sweep: AddSweep, name: str, text: str, does: Callable[[argparse.Namespace, list[str]], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    add_sweep(parser)
    parser.set_defaults(command=does)
    return parser


def paths_of(name: str, data_dir: Path) -> SweepPaths:
    """Return the paths of a sweep that is there; ``run=NAME`` is taken as well.

    Raises:
        RequestError: There is no such sweep; it lists those that exist.
    """
    from metta_sweep.store.paths import SweepPaths, unknown_sweep

    paths = SweepPaths(data_dir, name.removeprefix("run="))
    if not paths.exists():
        raise unknown_sweep(data_dir, paths.name)
    return paths


def state_of(paths: SweepPaths) -> SweepState:
    """Return the state of a sweep from its journal.

    Raises:
        MettaSweepError: The journal is damaged or foreign.
    """
    from metta_sweep.store.journal import read_events
    from metta_sweep.sweep.events import from_json
    from metta_sweep.sweep.state import SweepState

    return SweepState.fold(map(from_json, read_events(paths)))


def _read(options: argparse.Namespace) -> tuple[SweepPaths, SweepState]:
    paths = paths_of(options.name, options.data_dir)
    return paths, state_of(paths)


def _explain(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report.explain import explain

    _, state = _read(options)
    sys.stdout.write(explain(state, rollout=options.rollout, fmt=options.format))
    return 0


def _best(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report.best import best
    from metta_sweep.report.place import Place
    from metta_sweep.store.lock import holder

    paths, state = _read(options)
    place = Place.here(paths, controller=str(holder(paths) or ""))
    sys.stdout.write(best(state, paths=paths, form=options.form, place=place))
    return 0


def _watch(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from rich.console import Console

    from metta_sweep.report.watch import watch

    watch(paths_of(options.name, options.data_dir), Console(), once=options.once)
    return 0


def _export(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report.export import export

    paths, state = _read(options)
    sys.stdout.write(export(state, paths=paths, to=options.to, out=options.out))
    return 0
