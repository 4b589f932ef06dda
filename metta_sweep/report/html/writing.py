"""Writing the report to a file, once or again and again while the sweep goes on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from metta_sweep.report.html.gather import gather
from metta_sweep.report.html.page import html_report
from metta_sweep.report.place import Place
from metta_sweep.report.reading import state_of
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths

REFRESH_S = 15
"""Seconds between two versions of a page that is kept up to date."""


def page_of(sweeps: Sequence[SweepPaths], out: Path, *, refresh_s: int | None = None) -> str:
    """Return the report of sweeps on disk, with links that fit a page at ``out``.

    Raises:
        MettaSweepError: A journal is damaged or foreign, or plotly is not installed.
    """
    page_dir = out.absolute().parent
    found = [
        gather(state_of(paths), Place.here(paths, controller=str(holder(paths) or "")), page_dir) for paths in sweeps
    ]
    return html_report(found, refresh_s=refresh_s)


def default_file(sweeps: Sequence[SweepPaths]) -> Path:
    """Return where a report goes where nothing else is asked: into the sweep's own folder, or beside several."""
    if len(sweeps) == 1:
        return sweeps[0].root / "report.html"
    return sweeps[0].root.parent / f"report-{'-'.join(paths.name for paths in sweeps)[:100]}.html"


def write_report(sweeps: Sequence[SweepPaths], out: Path, *, refresh_s: int | None = None) -> int:
    """Write the report and return its size in bytes.

    Side effects:
        The file is written beside its place and moved there: a reader never sees half of it.
    """
    content = page_of(sweeps, out, refresh_s=refresh_s).encode()
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    beside.write_bytes(content)
    beside.replace(out)
    return len(content)


def keep_writing(sweeps: Sequence[SweepPaths], out: Path, said: Callable[[str], None]) -> None:
    """Write the report anew as long as one of the sweeps has a controller, and once more at the end."""
    while any(holder(paths) is not None for paths in sweeps):
        write_report(sweeps, out, refresh_s=REFRESH_S)
        said(f"{out} is up to date")
        time.sleep(REFRESH_S)
    write_report(sweeps, out)
