"""Pages of told sweeps."""

from __future__ import annotations

from pathlib import Path

from metta_sweep.report import Place
from metta_sweep.report.html import html_report
from metta_sweep.report.html.gather import Gathered, gather
from tests.factories import Directories, History


def gathered(history: History) -> Gathered:
    place = Place(paths=Directories(history.name), cwd=Path("/lab"), python="python", controller="")
    return gather(history.state, place, Path("/lab/train_dir/sweep") / history.name)


def page(*histories: History) -> str:
    return html_report([gathered(history) for history in histories])


def written(tmp_path: Path, *histories: History) -> Path:
    out = tmp_path / "report.html"
    out.write_text(page(*histories), encoding="utf-8")
    return out
