"""What the commands take: a sweep by its name, the folder of sweeps, the overrides of a request."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metta_sweep.report.place import Place
from metta_sweep.report.reading import DATA_DIR_VARIABLE, default_data_dir, paths_of
from metta_sweep.store.lock import holder
from metta_sweep.store.paths import SweepPaths, sweep_names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Command = Callable[..., int]
"""What a command does; it returns the exit code."""

OVERRIDES = """\b
Overrides, in Hydra's grammar:
  run=NAME                     the sweep's name; the same name goes on with it
  ++sweep_params=sweep/FILE    configs/sweep/FILE.yaml, or any path ending in .yaml
  rollout_count=N              how many rollouts in all, over all starts
  +hardware=macbook|aws|pufferbox   +user=NAME   env=NAME
  wandb=auto|online|offline|off
  launcher=local|slurm|ray     launcher.max_parallel=N   launcher.gpus_per_run=N
  trainer.KEY=VALUE            any value of the training config; a swept one is
                               held at it
  data_dir=PATH                where sweeps lie (default: $DATA_DIR or train_dir)
  cmd=plan                     only show what would be done

\b
Example:
  metta-sweep run run=my_test ++sweep_params=sweep/my_test_sweep \\
      +hardware=macbook trainer.num_workers=1
"""

PASS_ON = {"ignore_unknown_options": True}
"""Context settings of a command that takes overrides: what click does not know is the request's business."""


class SweepName(click.ParamType[str]):
    """The name of a sweep, also as ``run=NAME``; shells complete it."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the bare name."""
        del param, ctx
        return str(value).removeprefix("run=")

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the sweeps that are there."""
        from click.shell_completion import CompletionItem

        del param
        names = sweep_names(ctx.params.get("data_dir") or default_data_dir())
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    default=default_data_dir,
    help=f"Where sweeps lie.  [default: ${DATA_DIR_VARIABLE} or train_dir]",
)
"""The option ``--data-dir``."""

words = click.argument(
    "words", nargs=-1, type=click.UNPROCESSED, metavar="run=NAME ++sweep_params=sweep/FILE [OVERRIDE]..."
)
"""The overrides of a request, as typed."""


def of_a_sweep(function: Command) -> Command:
    """Give a command the arguments NAME and ``--data-dir``; it is called with the paths of that sweep."""

    @click.argument("name", type=SweepName())
    @data_dir
    @functools.wraps(function)
    def called(*, name: str, data_dir: Path, **options: Any) -> int:
        return function(paths_of(name, data_dir), **options)

    return called


def here(paths: SweepPaths) -> Place:
    """Return a sweep's files as the person who reads about them would type them, and who controls it."""
    return Place.here(paths, controller=str(holder(paths) or ""))
