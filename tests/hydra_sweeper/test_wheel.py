"""The plugin's wheel has what Hydra looks for and what that needs, and asks for Hydra alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile

import pytest

from tests.hydra_sweeper.conftest import PLUGIN


@pytest.mark.slow
def test_the_wheel_has_the_plugin_and_needs_hydra_alone(tmp_path):
    words = ["-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, PLUGIN]
    subprocess.run([sys.executable, *map(str, words)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith("METADATA")]
    sources = {path.relative_to(PLUGIN).as_posix() for path in PLUGIN.rglob("*.py") if "build" not in path.parts}
    assert {name for name in names if name.endswith(".py")} == sources
    assert "hydra_plugins/__init__.py" not in names  # a folder that all plugins share
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    assert needed == ["Requires-Dist: hydra-core>=1.3"]
