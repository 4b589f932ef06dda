"""The list command: all sweeps of a data directory."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from metta_sweep.commands.sweeps import data_dir
from metta_sweep.report.overview import SweepLine, sweep_line, table
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths, sweep_names


@click.command()
@data_dir
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(*, data_dir: Path, form: str) -> int:
    """Show all sweeps: state, best, progress, age and size."""
    lines = [_line(SweepPaths(data_dir, name)) for name in sweep_names(data_dir)]
    if form == "json":
        click.echo(json.dumps([line.to_json() for line in lines], indent=2))
    elif lines:
        click.echo(table(lines))
    else:
        click.echo(f"no sweep under {data_dir / 'sweep'}")
    return 0


def _line(paths: SweepPaths) -> SweepLine:
    return sweep_line(paths, controller=str(holder(paths) or ""), now_s=time.time())
