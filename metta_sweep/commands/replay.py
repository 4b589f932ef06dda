"""The replay command: an episode of a run to look at."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from metta_sweep.commands.sweeps import data_dir
from metta_sweep.envs.config import EnvUnavailableError
from metta_sweep.errors import RequestError
from metta_sweep.invocation import invoked
from metta_sweep.report.reading import paths_of, state_of
from metta_sweep.report.rows import rows_of
from metta_sweep.report.wording import size
from metta_sweep.result import RunPaths
from metta_sweep.trainer.config import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What is to be shown."""

    run: str
    """A run ``NAME.r.K``, a sweep (its best run), or a run's directory."""
    data_dir: Path
    """Where sweeps lie."""
    form: str
    """``html`` or ``gif``."""
    checkpoint: str
    """``best`` or ``last``."""
    simulation: str | None
    """One of the run's named simulations; None for all."""
    episode: int
    """Number of the environment whose first episode is shown."""
    out: Path | None
    """The file to write; None for ``replay.html`` or ``replay.gif`` in the run's directory."""


@click.command()
@click.argument("run")
@data_dir
@click.option("--format", "form", type=click.Choice(["html", "gif"]), default="html", show_default=True)
@click.option(
    "--checkpoint", type=click.Choice(["best", "last"]), default="best", show_default=True, help="Which policy plays."
)
@click.option("--simulation", metavar="NAME", help="One of the run's named simulations.  [default: each of them]")
@click.option(
    "--episode", type=int, default=0, show_default=True, metavar="K", help="Of the evaluation's episodes, from 0."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file to write.  [default: replay.html in the run's directory]"
)
def command(**options: Any) -> int:
    """Show an episode of a run of the bundled trainer.

    RUN is a run's id NAME.r.K, a sweep's NAME for its best run, or a run's directory.
    """
    click.echo(replay(Replay(**options)))
    return 0


def replay(asked: Replay) -> str:
    """Play an episode of a run again, write it to a file, and return a line that says where and what.

    Raises:
        RequestError: There is no such run, it has no checkpoint of the bundled trainer, or its environment cannot be
            made or drawn here.
    """
    run = find_run(asked.run, asked.data_dir)
    try:
        content, text = _played(asked, run)
    except ConfigError as error:
        key, message = error.problems[0]
        raise RequestError.of(message, key=key) from error
    except EnvUnavailableError as error:
        raise RequestError.of(error.message, key=error.key) from error
    out = asked.out or run.root / f"replay.{asked.form}"
    try:
        out.write_bytes(content)
    except OSError as error:
        raise RequestError.of(f"cannot be written: {error.strerror}", file=str(out), fix="name another file") from error
    return f"{text}\n{out} ({size(len(content))}): open it in a browser"


def find_run(name: str, data_dir: Path) -> RunPaths:
    """Return the directory of a run that is named by its id, by its sweep, or by its path.

    Raises:
        RequestError: There is none.
    """
    here = RunPaths(Path(name))
    if here.checkpoints.is_dir() or (os.sep in name and here.root.is_dir()):
        return here
    sweep, _, number = name.rpartition(".r.")
    paths = paths_of(sweep if number.isdecimal() and sweep else name, data_dir)
    if number.isdecimal() and sweep:
        if name not in paths.run_ids():
            raise RequestError.of(
                f"sweep {sweep} has no run {name}", key="replay", fix=invoked("summarize", sweep, data_dir=data_dir)
            )
        return paths.run(name)
    best = rows_of(state_of(paths)).best_run
    if best is None:
        raise RequestError.of(f"{paths.name} has no run with a score yet", key="replay", fix="name a run, NAME.r.K")
    return paths.run(best.run_id)


def _played(asked: Replay, run: RunPaths) -> tuple[bytes, str]:
    """Return the file's content and what it shows."""
    from metta_sweep.trainer.checkpoint import CheckpointError
    from metta_sweep.trainer.config import parse
    from metta_sweep.trainer.replay.recording import films, load_policy
    from metta_sweep.trainer.replay.writing import in_words, moving_picture, page

    try:
        checkpoint = _checkpoint(asked, run)
        config = parse(json.loads(checkpoint["config"]))
        policy = load_policy(config, checkpoint["policy"], run.checkpoints)
    except CheckpointError as error:
        raise RequestError.of(str(error), key="replay") from error
    shown = films(policy, config, number=asked.episode, only=asked.simulation)
    text = in_words(shown, checkpoint)
    if asked.form == "html":
        return page(shown, title=config.run or run.root.resolve().name, subtitle=text).encode(), text
    if len(shown) > 1:
        names = ", ".join(film.name for film in shown)
        raise RequestError.of(f"a GIF shows one simulation: need --simulation, one of {names}", key="replay")
    moving = moving_picture(shown[0])
    if moving is None:
        raise RequestError.of("this environment cannot be drawn", key="replay", fix="--format html shows its numbers")
    return moving, text


def _checkpoint(asked: Replay, run: RunPaths) -> dict[str, Any]:
    from metta_sweep.trainer.checkpoint import CheckpointFolder, load

    folder = CheckpointFolder(run.checkpoints)
    content = load(folder.best) if asked.checkpoint == "best" and folder.best.exists() else folder.latest()
    if content is None:
        message = f"{run.root} has no checkpoint: only runs of the bundled trainer that have reached one can be shown"
        raise RequestError.of(message, key="replay")
    return content
