"""How the runs' numbers are read: from what was asked to the process that reads beside each run."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace

from metta_sweep.config.asked import Asked
from metta_sweep.config.results import ResultSettings
from metta_sweep.results.environment import command_words, run_environment
from metta_sweep.results.plan import DEFAULT_REDUCTION, ReadingPlan
from metta_sweep.track.settings import Mode, resolve_mode

TAIL = "metta_sweep.results.tail"
"""Module that reads one run's numbers while it runs."""


def reading_plan(asked: Asked, settings: ResultSettings) -> ReadingPlan:
    """Return what is read of every run."""
    each = isinstance(settings.reduce, Mapping)
    return ReadingPlan(
        metric=asked.first_metric,
        maximizes=asked.goal == "maximize",
        readers=settings.readers,
        path=settings.path,
        metrics=settings.metrics,
        step=settings.step,
        reduce=dict(settings.reduce) if isinstance(settings.reduce, Mapping) else {},
        reduce_others=DEFAULT_REDUCTION if each else str(settings.reduce),
        is_shared=asked.launcher.max_parallel > 1,
    )


def reading_environment(asked: Asked) -> dict[str, str]:
    """Return the variables of a run by which its numbers are found."""
    if asked.results is None:
        return {}
    mode, _ = resolve_mode(asked.wandb, os.environ)
    is_online = mode is Mode.ONLINE
    return run_environment(
        asked.results.readers, sweep=asked.name, base=os.environ, is_online=is_online, has_values=True
    )


def reads_wandb(asked: Asked) -> bool:
    """Return whether the runs' numbers are read from the W&B client's file."""
    return asked.results is not None and "wandb" in asked.results.readers


def with_reading_words(asked: Asked) -> Asked:
    """Return the request with what its readers need on the command line of a run."""
    words = command_words(asked.results.readers) if asked.results is not None else ()
    return replace(asked, command=(*asked.command, *words)) if asked.command and words else asked


def reader_command(asked: Asked) -> tuple[str, ...]:
    """Return the program that reads a run's numbers; empty where runs write their results themselves."""
    if asked.results is None:
        return ()
    return (sys.executable, "-m", TAIL, reading_plan(asked, asked.results).to_json())
