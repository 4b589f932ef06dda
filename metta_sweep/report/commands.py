"""The subcommands that read a sweep: thin, each a call of one function of this package."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from metta_sweep.report.reading import default_data_dir, paths_of, state_of
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState

__all__ = ["add_commands", "default_data_dir", "paths_of", "state_of"]

AddSweep = Callable[[argparse.ArgumentParser], None]
"""Adds the arguments ``NAME`` and ``--data-dir`` to a subcommand."""


def add_commands(commands: Any, add_sweep: AddSweep) -> None:
    """Add ``explain``, ``best``, ``watch``, ``export`` and ``report`` to the subparsers of the command line."""
    explain = _command(commands, add_sweep, "explain", "say why each point was suggested and what came of it", _explain)
    one = "only this one, with its evidence where it failed"
    explain.add_argument("number", metavar="ROLLOUT", nargs="?", type=int, help=one)
    explain.add_argument("--rollout", type=int, help="the same")
    explain.add_argument("--format", choices=("text", "json"), default="text")
    best = _command(commands, add_sweep, "best", "show the winner and how it differs from the base config", _best)
    best.add_argument("--as", dest="form", choices=("text", "json", "hydra", "args"), default="text")
    watch = _command(commands, add_sweep, "watch", "watch a sweep from another terminal", _watch)
    watch.add_argument("--once", action="store_true", help="print the view once, for scripts")
    export = _command(commands, add_sweep, "export", "write every run as one record", _export)
    export.add_argument("--to", choices=("csv", "json", "parquet", "optuna"), default="csv")
    export.add_argument("--out", type=Path, help="the file to write (default: standard output)")
    report = _command(
        commands, add_sweep, "report", "write one HTML file with everything; several sweeps are compared", _report
    )
    report.add_argument("others", metavar="NAME", nargs="*", help="sweeps to compare it with")
    report.add_argument("--out", type=Path, help="the file to write (default: report.html in the sweep's folder)")
    report.add_argument("--png", action="store_true", help="write every plot as a picture too; needs Chromium")
    report.add_argument("--watch", action="store_true", help="write it again while the sweep goes on")


def _command(
    commands: Any, add_sweep: AddSweep, name: str, text: str, does: Callable[[argparse.Namespace, list[str]], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    add_sweep(parser)
    parser.set_defaults(command=does)
    return parser


def _read(options: argparse.Namespace) -> tuple[SweepPaths, SweepState]:
    paths = paths_of(options.name, options.data_dir)
    return paths, state_of(paths)


def _explain(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report.explain import explain

    _, state = _read(options)
    rollout = options.rollout if options.number is None else options.number
    sys.stdout.write(explain(state, rollout=rollout, fmt=options.format))
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


def _report(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report.html.writing import default_file, keep_writing, write_report

    sweeps = [paths_of(name, options.data_dir) for name in dict.fromkeys([options.name, *options.others])]
    out = options.out or default_file(sweeps)
    if options.watch:
        keep_writing(sweeps, out, _say)
    size = write_report(sweeps, out)
    _say(f"{out} ({size / 1e6:.1f} MB): open it in a browser")
    if options.png:
        from metta_sweep.report.html.pictures import write_pictures

        files = write_pictures(out.read_text(encoding="utf-8"), out.with_suffix(""))
        _say(f"{len(files)} pictures in {out.with_suffix('')}/")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
