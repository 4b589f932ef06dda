"""The report command: one HTML file with everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from metta_sweep.commands.sweeps import SweepName, data_dir
from metta_sweep.report.checklist import checklist_text
from metta_sweep.report.html.writing import default_file, keep_writing, write_report
from metta_sweep.report.place import Place
from metta_sweep.report.reading import paths_of, state_of
from metta_sweep.report.wording import size


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True, type=SweepName())
@data_dir
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write.  [default: report.html in the sweep's folder]",
)
@click.option("--png", is_flag=True, help="Write every plot as a picture too; needs Chromium.")
@click.option(
    "--checklist",
    "asks",
    is_flag=True,
    help="Print what a paper should state of the search, filled in from the sweep, and write no file.",
)
@click.option("--watch", "stays", is_flag=True, help="Write it again while the sweep goes on.")
def command(names: Sequence[str], *, data_dir: Path, out: Path | None, png: bool, stays: bool, asks: bool) -> int:
    """Write one HTML file with everything about a sweep.

    Several sweeps are compared, the first with the others.
    """
    sweeps = [paths_of(name, data_dir) for name in dict.fromkeys(names)]
    if asks:
        click.echo("\n".join(checklist_text(state_of(paths), Place.here(paths)) for paths in sweeps), nl=False)
        return 0
    file = out or default_file(sweeps)
    if stays:
        keep_writing(sweeps, file, click.echo)
    click.echo(f"{file} ({size(write_report(sweeps, file))}): open it in a browser")
    if png:
        _write_pictures(file)
    return 0


def _write_pictures(report: Path) -> None:
    from metta_sweep.report.html.pictures import write_pictures

    folder = report.with_suffix("")
    files = write_pictures(report.read_text(encoding="utf-8"), folder)
    click.echo(f"{len(files)} pictures in {folder}/")
