"""Pages are made where no sweep lies."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up sweeps have the names of real ones, as of the README's, which may have run in this checkout."""
    monkeypatch.chdir(tmp_path)
