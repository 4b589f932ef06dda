import shutil
from pathlib import Path

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.report.html.pictures import pictures_of, write_pictures
from tests.factories import guide_history
from tests.report.html.browser import needs_browser
from tests.report.html.pages import page
from tests.report.simulated import simulated


@pytest.mark.long
@needs_browser
def test_every_plot_becomes_a_picture(tmp_path: Path) -> None:
    files = write_pictures(page(simulated(20)), tmp_path / "report")
    names = {file.stem for file in files}
    assert {"by_rollout", "by_cost", "pareto", "importance", "parallel", "slice0", "predictions", "slots"} <= names
    for file in files:
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert int.from_bytes(content[16:20], "big") == 2200


def test_without_a_browser_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RequestError, match="pictures need Chromium"):
        pictures_of(page(guide_history()))


def test_a_browser_that_fails_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/false")
    with pytest.raises(RequestError, match="the browser failed"):
        pictures_of(page(guide_history()))
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/true")
    with pytest.raises(RequestError, match="could not draw"):
        pictures_of(page(guide_history()))
