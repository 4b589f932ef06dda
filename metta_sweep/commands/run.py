"""The run command: a sweep is run, resumed or extended."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console

from metta_sweep.commands.by_name import with_name_resolved
from metta_sweep.commands.sweeps import RequestCommand, asks_about_the_config, words


@click.command(cls=RequestCommand)
@words
def command(words: Sequence[str]) -> int:
    """Run, resume or extend a sweep.

    `run NAME` goes on with a sweep that is there as it was asked for; further overrides change that.
    The same command goes on with it after an interruption, and says so where it is complete; a larger rollout_count
    extends it.
    """
    if asks_about_the_config(words):
        return 0
    from metta_sweep.commands.controller import compose, run_sweep

    words = with_name_resolved(words)
    asked = compose(words)
    if asked.cmd == "plan":
        from metta_sweep.commands.plan import plan_sweep

        return plan_sweep(asked, Console())
    return run_sweep(asked, words, Console())
