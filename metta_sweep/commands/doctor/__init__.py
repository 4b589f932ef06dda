"""The doctor command: how this machine and a sweep's files look, and a journal that is mended where asked."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from metta_sweep.commands.sweeps import SweepName, data_dir
from metta_sweep.errors import RequestError
from metta_sweep.report.reading import paths_of


@click.command()
@click.argument("name", metavar="[NAME]", required=False, type=SweepName())
@data_dir
@click.option("--repair", is_flag=True, help="Put a mended journal in the place of a damaged one.")
def command(name: str | None, *, data_dir: Path, repair: bool) -> int:
    """Check this machine, or a sweep's files.

    It exits with 1 where something is bad and was not mended.
    """
    from metta_sweep.commands.doctor.doctor import doctor

    if repair and name is None:
        raise RequestError.of(
            "--repair needs the name of a sweep", key="doctor", fix="metta-sweep doctor NAME --repair"
        )
    sweep = paths_of(name, data_dir).name if name else None
    return doctor(data_dir, sweep, Console(), repair=repair)
