"""What the commands take: a sweep by its name, the folder of sweeps, the overrides of a request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metta_sweep.invocation import DATA_DIR_VARIABLE, default_data_dir
from metta_sweep.report.place import Place
from metta_sweep.report.reading import paths_of
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
  launcher.max_parallel=N      how many runs at the same time
  trainer.KEY=VALUE            any value of the training config; a swept one is
                               held at it
  data_dir=PATH                where sweeps lie (default: $DATA_DIR or train_dir)
  cmd=plan                     only show what would be done

\b
Hydra's flags, as in any Hydra app:
  --cfg job|hydra|all          print the composed config instead of running
                               [--resolve] [--package KEY]
  --info [defaults|searchpath|config|plugins|all]   say how it is composed
  --config-dir DIR             one more folder of configs, also as
                               'hydra.searchpath=[file://DIR,pkg://MODULE]'
  --config-path DIR, --config-name NAME    other defaults than sweep_job.yaml
  --shell-completion install=bash          completion of ./devops/sweep.sh

\b
Example:
  metta-sweep run run=my_test ++sweep_params=sweep/my_test_sweep \\
      +hardware=macbook trainer.num_workers=1
"""


class RequestCommand(click.Command):
    """A command that takes the overrides of a request; its help lists the config groups that are there."""

    ignore_unknown_options = True
    """What click does not know is the request's business: Hydra's flags, and words that are refused with a reason."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.epilog = OVERRIDES

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the grammar of overrides, then the groups."""
        from metta_sweep.config.places import ConfigPlaces

        super().format_epilog(ctx, formatter)
        groups = ConfigPlaces.of(Path.cwd()).groups()
        with formatter.section("Config groups, chosen by GROUP=NAME (+GROUP=NAME where there is no default)"):
            formatter.write_dl([(group, ", ".join(names)) for group, names in groups.items() if names])


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


def asks_about_the_config(typed: Sequence[str]) -> bool:
    """Return whether Hydra's flags ask about the config instead of a sweep; if so they have been answered.

    Raises:
        RequestError: The config cannot be composed.
    """
    if not any(word.startswith("-") for word in typed):
        return False  # Hydra takes a while to load
    from metta_sweep.config.hydra_app import answer_question
    from metta_sweep.trainer.schema import schema

    return answer_question(typed, training=schema, cwd=Path.cwd())


def here(paths: SweepPaths) -> Place:
    """Return a sweep's files as the person who reads about them would type them, and who controls it."""
    return Place.here(paths, controller=str(holder(paths) or ""))
