"""The folder in OptunaHub's form is what its loader takes: a module with the sampler, a page with its fields."""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from pathlib import Path

import pytest
import yaml

pytest.importorskip("optuna")

PACKAGE = Path(__file__).parents[2] / "plugins" / "optunahub" / "package" / "samplers" / "protein"
FIELDS = {"author", "title", "description", "tags", "optuna_versions", "license"}


@pytest.fixture
def hub(monkeypatch):
    """Loads packages from the folder, as ``optunahub.load_local_module`` does."""

    def load_module(package: str) -> types.ModuleType:
        path = PACKAGE.parents[1] / package / "__init__.py"
        spec = importlib.util.spec_from_file_location("optunahub_package", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    stand_in = types.ModuleType("optunahub")
    stand_in.load_module = load_module
    monkeypatch.setitem(sys.modules, "optunahub", stand_in)


def test_the_page_has_the_fields_that_the_registry_asks_for():
    _, front, _ = (PACKAGE / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields.keys() == FIELDS
    assert "sampler" in fields["tags"]
    assert fields["license"] == "MIT License"
    assert "MIT License" in (PACKAGE / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_of_the_page_runs(hub):
    page = (PACKAGE / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.S)
    space = {}
    exec(example, space)
    assert len(space["study"].trials) == 20
    assert space["study"].best_value < 0.001
