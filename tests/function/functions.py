"""Functions that tests search with; other processes find them here by their names."""

from __future__ import annotations

import os
import time

SPACE = {"x": {"min": -1.0, "max": 2.0, "distribution": "uniform"}}


def squared(config):
    return config["x"] ** 2


def with_curve(config, trial):
    for step in range(1, 5):
        trial.report(step, loss=config["x"] ** 2 + 1 / step)
    return {"loss": config["x"] ** 2, "seed": trial.seed, "pid": os.getpid()}


def raising(config, trial):
    print("about to fail")  # noqa: T201  it is to be in the log
    raise ValueError(f"nothing at {config['x']}")


def returning_none(config):
    return None


def slow(config, trial):
    for step in range(1, 200):
        time.sleep(0.02)
        trial.report(step, loss=config["x"] ** 2)
    return config["x"] ** 2
