"""The run command: a sweep is run, resumed or extended."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console

from metta_sweep.commands.sweeps import OVERRIDES, PASS_ON, words


@click.command(context_settings=PASS_ON, epilog=OVERRIDES)
@words
def command(words: Sequence[str]) -> int:
    """Run, resume or extend a sweep.

    The same command goes on with it after an interruption, and says so where it is complete; a larger rollout_count
    extends it.
    """
    from metta_sweep.commands.controller import compose, run_sweep

    asked = compose(words)
    if asked.cmd == "plan":
        from metta_sweep.commands.plan import plan_sweep

        return plan_sweep(asked, Console())
    return run_sweep(asked, words, Console())
