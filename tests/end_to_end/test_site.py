"""The documentation is a site: it can be built without a network, and nothing in it is broken."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from metta_sweep.commands.cli import NAMES
from tests.end_to_end.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    nowhere = {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9", "NO_MKDOCS_2_WARNING": "1"}
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


@pytest.mark.slow
def test_the_site_has_no_broken_link_and_loads_nothing_from_elsewhere(site):
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    loaded = [
        found
        for text in pages.values()
        for found in re.findall(r"<(?:script|img|link|iframe)\b[^>]*(?:src|href)=[\"']?(https?://[^\"'> ]+)", text)
    ]
    assert loaded == []
    assert [path for path in site.rglob("*.py") if path.is_file()] == []


@pytest.mark.slow
def test_the_site_shows_every_command_and_what_pages_link_to_outside_of_them(site):
    options = (site / "project" / "options" / "index.html").read_text()
    assert [name for name in NAMES if f"metta-sweep {name}" not in options] == []
    assert (site / "project" / "examples" / "any_script" / "train.py" / "index.html").exists()
