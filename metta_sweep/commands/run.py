"""The run command: a sweep is run, resumed or extended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from metta_sweep.commands.sweeps import OVERRIDES, PASS_ON, words
from metta_sweep.errors import RequestError
from metta_sweep.optimize.worker import end_twin, start_twin
from metta_sweep.report.reading import default_data_dir
from metta_sweep.store.paths import SweepPaths


@click.command(context_settings=PASS_ON, epilog=OVERRIDES)
@words
def command(words: Sequence[str]) -> int:
    """Run, resume or extend a sweep.

    The same command goes on with it after an interruption, and says so where it is complete; a larger rollout_count
    extends it.
    """
    spare = start_twin() if _seems_begun(words) else None
    try:
        from metta_sweep.commands.controller import compose, run_sweep

        asked = compose(words)
        if asked.cmd == "plan":
            from metta_sweep.commands.plan import plan_sweep

            return plan_sweep(asked, Console())
        return run_sweep(asked, words, Console(), spare)
    finally:
        if spare is not None:
            end_twin(spare)


def _seems_begun(overrides: Sequence[str]) -> bool:
    """Return whether the words name a sweep that is there already, as far as can be told before they are composed."""
    typed = dict(word.lstrip("+").partition("=")[::2] for word in overrides)
    try:
        paths = SweepPaths(Path(typed.get("data_dir") or default_data_dir()), typed.get("run", ""))
    except RequestError:
        return False
    return paths.journal.exists()
