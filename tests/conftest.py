"""What holds for all tests."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("any_load", deadline=None)
settings.load_profile("any_load")

CLUSTERS = ("slurm", "ray")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that start a real cluster belong to the long form: the quick forms must not depend on its daemons' mood."""
    for item in items:
        named = any(f"[{kind}" in item.nodeid or f"test_{kind}.py" in item.nodeid for kind in CLUSTERS)
        if named and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.long)
