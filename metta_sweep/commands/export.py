"""The export command: every run as one record."""

from __future__ import annotations

from pathlib import Path

import click

from metta_sweep.commands.sweeps import of_a_sweep
from metta_sweep.report.export import export
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


@click.command()
@of_a_sweep
@click.option("--to", type=click.Choice(["csv", "json", "parquet", "optuna"]), default="csv", help="The format.")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write.  [default: standard output]")
def command(paths: SweepPaths, *, to: str, out: Path | None) -> int:
    """Write every run as one record, for a table, a data frame or Optuna's dashboard."""
    click.echo(export(state_of(paths), paths=paths, to=to, out=out), nl=False)
    return 0
