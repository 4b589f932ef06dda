"""What holds for all tests."""

from __future__ import annotations

import gc
import os
from collections import Counter

# Before numpy is loaded: on busy cores two threads of a small matrix product wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

settings.register_profile("same_every_time", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None)  # HYPOTHESIS=search looks for examples that nobody has seen yet
gc.disable()  # until all tests are collected: what that makes stays, and is not to be looked through again and again
settings.load_profile(os.environ.get("HYPOTHESIS", "same_every_time"))

CLUSTERS = ("slurm", "ray")


def pytest_collection_finish():
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests that start a real cluster belong to the long form: the quick forms must not depend on its daemons' mood."""
    for item in items:
        named = any(f"[{kind}" in item.nodeid or f"test_{kind}.py" in item.nodeid for kind in CLUSTERS)
        if named and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.long)
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.slow)  # -m "not slow" leaves out both
    longest_files_first(items)


def longest_files_first(items):
    """Order files by how many slow tests they have, then how many at all: no worker is left alone with a long one."""
    count = Counter()
    for item in items:
        count[item.path] += 100 if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: -count[item.path])
