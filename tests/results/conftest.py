from __future__ import annotations

import pytest

from metta_sweep.result import RunPaths
from metta_sweep.results.port import Source


@pytest.fixture
def run(tmp_path):
    run = RunPaths(tmp_path / "runs" / "my.r.0")
    run.attempts.mkdir(parents=True)
    run.suggestion.write_text("{}")
    return run


@pytest.fixture
def source(tmp_path, run):
    """Make a source in a working directory of its own."""
    cwd = tmp_path / "work"
    cwd.mkdir()

    def make(**values):
        return Source(**{"run": run, "cwd": cwd, "metric": "loss", **values})

    return make


def values_of(points, name="loss"):
    return [(point.step, point.value) for point in points if point.name == name]
