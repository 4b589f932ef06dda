"""The command line: thin subcommands, one way in which errors end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from metta_sweep.errors import MettaSweepError, RequestError, SweepFailedError
from metta_sweep.report.commands import add_commands, default_data_dir, paths_of, state_of
from metta_sweep.store.paths import SweepPaths

if TYPE_CHECKING:
    from metta_sweep.config import Asked


OVERRIDES_HELP = """\
what can be asked, in Hydra's grammar:
  run=NAME                     the sweep's name; the same name goes on with it
  ++sweep_params=sweep/FILE    configs/sweep/FILE.yaml, or any path ending in .yaml
  rollout_count=N              how many rollouts in all, over all starts
  +hardware=macbook|aws|pufferbox   +user=NAME   env=NAME   wandb=auto|online|offline|off
  launcher=local|slurm|ray     launcher.max_parallel=N   launcher.gpus_per_run=N
  trainer.KEY=VALUE            any value of the training config; a swept one is held at it
  data_dir=PATH                where sweeps lie (default: $DATA_DIR or train_dir)
  cmd=plan                     only show what would be done

example:
  metta-sweep run run=my_test ++sweep_params=sweep/my_test_sweep +hardware=macbook trainer.num_workers=1
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code: 0 done, 1 failed, 2 wrong request, 130/143 interrupted."""
    options, rest = parser().parse_known_args(arguments)
    if rest and not getattr(options, "takes_overrides", False):
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        command: Callable[[argparse.Namespace, list[str]], int] = options.command
        return command(options, rest)
    except MettaSweepError as error:
        return _say_error(error)
    except KeyboardInterrupt:
        return 130
    except PermissionError as error:
        return _say_error(SweepFailedError(f"not allowed: {error.filename or ''}: {error.strerror}"))
    except BrokenPipeError:
        # The reader of a pipe (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands."""
    top = argparse.ArgumentParser(
        prog="metta-sweep", description="Find good hyperparameters for expensive training.", allow_abbrev=False
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="run, resume or extend a sweep: run=NAME ++sweep_params=sweep/FILE [Hydra overrides]",
        **_overridden("run"),
    )
    run.set_defaults(command=_run, takes_overrides=True, calibrate=False)
    plan = commands.add_parser("plan", help="show what `run` would do, and do nothing of it", **_overridden("plan"))
    plan.add_argument("--calibrate", action="store_true", help="do one run at the center to tell what runs cost")
    plan.set_defaults(command=_plan, takes_overrides=True)
    summarize = commands.add_parser("summarize", help="say what a sweep found", allow_abbrev=False)
    _add_sweep(summarize)
    summarize.add_argument("--format", choices=("text", "markdown", "json"), default="text")
    summarize.set_defaults(command=_summarize)
    add_commands(commands, _add_sweep)
    _add_replay(commands)
    _add_control(commands)
    sync = commands.add_parser("sync", help="bring W&B up to what a sweep knows", allow_abbrev=False)
    _add_sweep(sync)
    sync.set_defaults(command=_sync)
    bring = commands.add_parser("import", help="build a sweep here from one at W&B", allow_abbrev=False)
    bring.add_argument("path", metavar="ENTITY/PROJECT/SWEEP")
    _add_sweep(bring)
    bring.set_defaults(command=_import)
    migrate = commands.add_parser("migrate", help="turn a CARBS sweep file into one of ours", allow_abbrev=False)
    migrate.add_argument("old", metavar="OLD.yaml", type=Path)
    migrate.add_argument("new", metavar="NEW.yaml", type=Path, nargs="?", help="default: OLD.migrated.yaml beside it")
    migrate.set_defaults(command=_migrate)
    return top


def _overridden(command: str) -> dict[str, Any]:
    """Return how a subcommand that takes Hydra overrides explains itself."""
    return {
        "usage": f"metta-sweep {command} run=NAME ++sweep_params=sweep/FILE [Hydra overrides]",
        "epilog": OVERRIDES_HELP,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def _add_control(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add what is said to a sweep that is there."""
    stop = commands.add_parser("stop", help="let a sweep's runs end and stop it", allow_abbrev=False)
    _add_sweep(stop)
    stop.add_argument("--now", action="store_true", help="end its runs too; the next start resumes them")
    stop.set_defaults(command=_stop)
    for name, text in (("pause", "let runs end and start nothing new"), ("resume", "go on after a pause")):
        command = commands.add_parser(name, help=text, allow_abbrev=False)
        _add_sweep(command)
        command.set_defaults(command=_instruct, instruction="pause" if name == "pause" else "work")
    confirm = commands.add_parser(
        "confirm", help="run the best of a sweep again on fresh seeds, to tell luck from merit", allow_abbrev=False
    )
    _add_sweep(confirm)
    confirm.add_argument("--top-k", type=int, default=3, help="how many points (default: 3)")
    confirm.add_argument("--seeds", type=int, default=5, help="runs a point on average (default: 5)")
    confirm.set_defaults(command=_confirm)
    doctor = commands.add_parser("doctor", help="check this machine, or a sweep's files", allow_abbrev=False)
    doctor.add_argument("name", metavar="NAME", nargs="?", help="a sweep, also as run=NAME")
    _add_data_dir(doctor)
    doctor.add_argument("--repair", action="store_true", help="put a mended journal in the place of a damaged one")
    doctor.set_defaults(command=_doctor)
    retry = commands.add_parser("retry", help="have failed runs done again by the next start", allow_abbrev=False)
    _add_sweep(retry)
    retry.add_argument("runs", nargs="+", metavar="RUN", help="NAME.r.K")
    retry.set_defaults(command=_retry)


def _add_replay(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``replay``."""
    command = commands.add_parser("replay", help="show an episode of a run of the bundled trainer", allow_abbrev=False)
    command.add_argument("run", metavar="RUN", help="NAME.r.K, a sweep's NAME for its best run, or a run's directory")
    _add_data_dir(command)
    command.add_argument("--format", choices=("html", "gif"), default="html", dest="form")
    command.add_argument("--checkpoint", choices=("best", "last"), default="best", help="which policy plays")
    command.add_argument("--simulation", help="one of the run's named simulations (default: each of them)")
    command.add_argument("--episode", type=int, default=0, metavar="K", help="of the evaluation's episodes, from 0")
    command.add_argument("--out", type=Path, help="the file to write (default: replay.html in the run's directory)")
    command.set_defaults(command=_replay)


def _add_sweep(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="the sweep's name, also as run=NAME")
    _add_data_dir(command)


def _add_data_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-dir",
        type=Path,
        default=default_data_dir(),
        help="where sweeps lie (default: $DATA_DIR or train_dir)",
    )


def _run(options: argparse.Namespace, overrides: list[str]) -> int:
    from metta_sweep.optimize.worker import end_twin, start_twin

    spare = start_twin() if _seems_begun(overrides) else None
    try:
        from metta_sweep.commands.controller import compose, run_sweep

        asked = compose(overrides)
        if asked.cmd == "plan":
            return _show_plan(asked, options.calibrate)
        return run_sweep(asked, overrides, Console(), spare)
    finally:
        if spare is not None:
            end_twin(spare)


def _seems_begun(overrides: Sequence[str]) -> bool:
    """Return whether the words name a sweep that is there already, as far as can be told before they are composed."""
    words = dict(word.lstrip("+").partition("=")[::2] for word in overrides)
    try:
        paths = SweepPaths(Path(words.get("data_dir") or default_data_dir()), words.get("run", ""))
    except RequestError:
        return False
    return paths.journal.exists()


def _plan(options: argparse.Namespace, overrides: list[str]) -> int:
    from metta_sweep.commands.controller import compose

    return _show_plan(compose(overrides), options.calibrate)


def _show_plan(asked: Asked, calibrate: bool) -> int:
    from metta_sweep.commands.plan import plan_sweep

    return plan_sweep(asked, Console(), calibrate=calibrate)


def _stop(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.control import stop

    return stop(paths_of(options.name, options.data_dir), Console(), now=options.now)


def _instruct(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.control import instruct
    from metta_sweep.sweep.ports import Instruction

    return instruct(paths_of(options.name, options.data_dir), Console(), Instruction(options.instruction))


def _confirm(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.confirm import confirm_sweep

    paths = paths_of(options.name, options.data_dir)
    return confirm_sweep(paths, Console(), top_k=options.top_k, seeds=options.seeds)


def _doctor(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.doctor.doctor import doctor

    name = paths_of(options.name, options.data_dir).name if options.name else None
    if options.repair and name is None:
        raise RequestError.of(
            "--repair needs the name of a sweep", key="doctor", fix="metta-sweep doctor NAME --repair"
        )
    return doctor(options.data_dir, name, Console(), repair=options.repair)


def _retry(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.control import retry

    return retry(paths_of(options.name, options.data_dir), Console(), options.runs)


def _replay(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.commands.replay import Replay, replay

    asked = Replay(
        run=options.run,
        data_dir=options.data_dir,
        form=options.form,
        checkpoint=options.checkpoint,
        simulation=options.simulation,
        episode=options.episode,
        out=options.out,
    )
    sys.stdout.write(f"{replay(asked)}\n")
    return 0


def _sync(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.track import sync

    done = sync(paths_of(options.name, options.data_dir))
    sys.stdout.write(done.line + "\n")
    return 0 if done.complete else 1


def _import(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.store.paths import SweepPaths
    from metta_sweep.track.importing import import_sweep

    paths = SweepPaths(options.data_dir, options.name.removeprefix("run="))
    sys.stdout.write(import_sweep(options.path, paths).line + "\n")
    return 0


def _migrate(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.config.migration import migrate

    new = options.new or options.old.with_suffix(".migrated.yaml")
    migrated = migrate(_text_of(options.old), shown=str(options.old))
    try:
        with new.open("x", encoding="utf-8") as file:
            file.write(migrated.text)
    except OSError as error:
        raise RequestError.of(f"cannot be written: {error.strerror}", file=str(new), fix="name another file") from error
    sys.stdout.write(f"wrote {new}\n")
    for line in migrated.undecided:
        sys.stdout.write(f"look at: {line}\n")
    return 0


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise RequestError.of(f"cannot be read: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise RequestError.of("is not UTF-8 text", file=str(file), fix="save it as UTF-8") from error


def _summarize(options: argparse.Namespace, rest: list[str]) -> int:
    del rest
    from metta_sweep.report import Place, summary
    from metta_sweep.store.lock import holder

    paths = paths_of(options.name, options.data_dir)
    place = Place.here(paths, controller=str(holder(paths) or ""))
    sys.stdout.write(summary(state_of(paths), paths=paths, fmt=options.format, place=place))
    return 0


def _say_error(error: MettaSweepError) -> int:
    head = "error: " if isinstance(error, RequestError) else ""
    sys.stderr.write(f"{head}{error}\n")
    return error.exit_code
