"""The migrate command: another tool's sweep file becomes one of ours."""

from __future__ import annotations

from pathlib import Path

import click

from metta_sweep.config.foreign.reading import migrate_any
from metta_sweep.errors import RequestError


@click.command()
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="[NEW.yaml]", type=click.Path(path_type=Path), required=False)
@click.option("--function", default="", help="The function of a Python file that is meant, where several have ranges.")
def command(old: Path, new: Path | None, function: str) -> int:
    """Turn a sweep file of W&B, Hydra, PufferLib, CARBS, Optuna or Ray Tune into one of ours.

    OLD is a W&B sweep, the config of a Hydra app that names the parameters of its Optuna or Ax sweeper, a PufferLib
    config (.ini) with sections [sweep.NAME], a CARBS sweep file, or a Python file (.py) with trial.suggest_… of Optuna
    (rl-zoo3's hyperparams_opt.py), tune.… of Ray Tune or wandb.sweep, which is read and never run. The new file is
    OLD.migrated.yaml beside the old one unless it is named. No file is written over; what could not be kept is said.
    """
    file = new or old.with_suffix(".migrated.yaml")
    migrated = migrate_any(_text_of(old), shown=str(old), function=function)
    _write(file, migrated.text)
    click.echo(f"wrote {file}")
    for line in migrated.undecided:
        click.echo(f"look at: {line}")
    return 0


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError.of(f"cannot be read: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise RequestError.of("is not UTF-8 text", file=str(file), fix="save it as UTF-8") from error


def _write(file: Path, text: str) -> None:
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise RequestError.of(
            f"cannot be written: {error.strerror}", file=str(file), fix="name another file"
        ) from error
