"""The init command: a sweep file for a program as it is, from its help, its config and one short run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from metta_sweep.errors import RequestError, SweepFailedError
from metta_sweep.invocation import invoked

LONGEST_S = 86_400.0
"""Most seconds of the trial run."""
LOG_CHARACTERS = 2000
"""Characters of a failed run's log that are shown."""


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option(
    "--output", "-o", "file", type=click.Path(path_type=Path), default=Path("sweep.yaml"), help="The file to write."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, LONGEST_S),
    default=120.0,
    show_default=True,
    help="When the trial run is ended.",
)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND]")
def command(program: Sequence[str], file: Path, *, force: bool, seconds: float) -> int:
    """Write a sweep file for a program as it is.

    `metta-sweep init -- python train.py` asks the program for its --help (a Hydra app for its config), runs it once
    as it is, and writes sweep.yaml: ranges by what each option is called, the metric that was found, and the reader
    for it. Options after COMMAND stay in the command and are not searched. Without COMMAND the file is one for the
    bundled trainer. Nothing is written where the run fails or has no number in it.
    """
    _check_file(file, force=force)
    text, lines = _proposed(list(program), file, seconds) if program else (_bundled(), [])
    try:
        with file.open("w" if force else "x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise RequestError.of(
            f"cannot be written: {error.strerror}", file=str(file), fix="name another with -o"
        ) from error
    for line in lines:
        click.echo(line)
    click.echo(f"wrote {file}")
    click.echo(f"next: {_start(_name(_stem(program)) if program else 'my_sweep', file)}")
    return 0


def _check_file(file: Path, *, force: bool) -> None:
    """Refuse to write over a file before anything is started.

    Raises:
        RequestError: It is there, or its folder is not.
    """
    if file.exists() and (not force or not file.is_file()):
        raise RequestError.of("is there already", file=str(file), fix="name another with -o, or add --force")
    if not file.parent.is_dir():
        raise RequestError.of(
            "its folder does not exist", file=str(file), fix=f"mkdir -p {shlex.quote(str(file.parent))}"
        )


def _bundled() -> str:
    """Return the template of a sweep of the bundled trainer."""
    from metta_sweep.config.places import ConfigPlaces

    return (ConfigPlaces.of(Path.cwd()).bundled / "sweep" / "my_sweep.yaml").read_text(encoding="utf-8")


def _proposed(words: list[str], file: Path, seconds: float) -> tuple[str, list[str]]:
    """Return the file for a program, and what a person is told of it.

    Raises:
        RequestError: The program does not run, has no options, or nothing that it left is a number.
    """
    from metta_sweep.commands.inspection import TryOut, inspect, try_command
    from metta_sweep.config.proposal.metrics import choose
    from metta_sweep.config.proposal.pairs import pairs_in
    from metta_sweep.config.proposal.proposing import propose
    from metta_sweep.config.proposal.ranges import is_known

    shown = shlex.join(words)
    try:
        click.echo(f"looking at the options of {shown} …", err=True)
        found = inspect(words)
        click.echo(f"running it once as it is, for {seconds:g} s at most …", err=True)
        trial: TryOut = try_command(words, is_hydra=found.is_hydra, limit_s=seconds)
    except SweepFailedError as error:
        raise RequestError.of(f"cannot be started: {error}", key=shown) from error
    if trial.code not in (0, None):
        fix = "options that it needs go after the command, and stay in it"
        log = trial.printed[-LOG_CHARACTERS:].rstrip()
        raise RequestError.of(f"failed with exit {trial.code}:\n{log}", key=shown, fix=fix)
    seen = [each for each in trial.seen if each.reader == "wandb" or not found.is_wandb]
    chosen = choose(seen, own={} if found.is_wandb else trial.own)
    how = f"ended after {trial.wall_s:.0f} s" if trial.code is None else f"{trial.wall_s:.1f} s, exit 0"
    if chosen is None:
        longer = f"--seconds {seconds * 5:g} lets it run longer; " if trial.code is None else ""
        fix = f"{longer}docs/own_trainer.md says what a trainer may write"
        raise RequestError.of(f"no number was found that could be a metric ({how})", key=shown, fix=fix)
    pairs = None if is_known(found.options) else pairs_in(found.told, trial.printed)
    proposed = propose(
        [*words, *found.added],
        found.options if pairs is None else [*found.options, *pairs[1]],
        chosen,
        pairs=None if pairs is None else pairs[0],
        is_hydra=found.is_hydra,
        config_file=found.config_file,
        is_wandb=found.is_wandb,
        looked_at=f"Written by metta-sweep init from the options of `{shown}` and one run of it ({how})",
        start=_start(_name(_stem(words)), file),
    )
    if proposed is None:
        fix = "write them under sweep.parameters, as docs/own_trainer.md shows"
        raise RequestError.of("no option was found that could be searched", key=shown, fix=fix)
    text, searched = proposed
    reader = chosen.results.get("from", "result.json")
    place = f" in {chosen.results['path']}" if "path" in chosen.results else ""
    doubt = "" if chosen.is_sure else " (a guess: look at it)"
    return text, [
        f"the run: {how}",
        f"metric: {chosen.metric}, {chosen.goal}{doubt}, from {reader}{place}",
        f"searched: {', '.join(searched)}",
    ]


def _stem(words: Sequence[str]) -> str:
    """Return what a sweep of the program is called: its script's or module's name."""
    for before, word in zip(["", *words], words, strict=False):
        if before == "-m" or Path(word).suffix in (".py", ".js", ".mjs", ".sh", ".ts", ".R", ".jl"):
            return Path(word.rpartition(".")[2] if before == "-m" else word).stem
    return Path(words[0]).stem


def _name(stem: str) -> str:
    kept = "".join(each if each.isalnum() or each in "_-" else "_" for each in stem if each.isascii())
    return kept.lstrip("-") or "my_sweep"


def _start(name: str, file: Path) -> str:
    return invoked("run", f"run={name}", f"++sweep_params={file}")
