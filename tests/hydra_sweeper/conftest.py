"""The plugin as it lies in the repository, whether it is installed or not, and a Hydra app to try it on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "hydra-protein-sweeper"
SHOP = Path(__file__).parent / "shop"

APP_PYTHON = os.environ.get("HYDRA_APP_PYTHON", sys.executable)
"""Python of the app: one that has another Hydra, where the plugin is to be tried with that."""

sys.path.append(str(PLUGIN))


def environment(**more):
    """Return the variables of a person who has the plugin, and a controller that uses one thread."""
    own = {"PYTHONPATH": str(PLUGIN), "OMP_NUM_THREADS": "1", "HYDRA_FULL_ERROR": "1", **more}
    return {**{name: value for name, value in os.environ.items() if name != "DATA_DIR"}, **own}


def typed(*words, cwd, app=SHOP / "train.py"):
    """Return the words of an app that is swept with the plugin."""
    own = ["hydra/sweeper=protein", f"hydra.sweeper.data_dir={cwd}/data", f"hydra.sweeper.controller={sys.executable}"]
    return [APP_PYTHON, str(app), "-m", *own, *words]


def run(*words, cwd, app=SHOP / "train.py"):
    """Type the app's command line with ``-m`` and wait for it."""
    command = typed(*words, cwd=cwd, app=app)
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, check=False, timeout=200)


@pytest.fixture
def loader():
    """Return what composes the shop's config."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.core.utils import JobRuntime, setup_globals
    from hydra.version import setbase

    from tests.hydra_sweeper.shop import train

    assert train.Config
    setbase(None)
    setup_globals()
    JobRuntime().set("name", "train")
    return ConfigLoaderImpl(config_search_path=create_config_search_path(str(SHOP / "conf")))
