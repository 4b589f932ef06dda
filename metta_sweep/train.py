"""The training process: ``python -m metta_sweep.train config=PATH [run_dir=DIR] [dotted.key=value ...]``.

Exit codes: 0 done, 1 it failed, 2 the config is invalid, 3 the training diverged, 143 ended by SIGTERM or SIGUSR1 with
a checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import yaml

from metta_sweep.envs.config import EnvUnavailableError
from metta_sweep.result import RUN_DIR_VARIABLE, RunPaths
from metta_sweep.trainer.config import ConfigError, TrainingConfig, parse

FAILED, INVALID, DIVERGED, TERMINATED = 1, 2, 3, 128 + signal.SIGTERM

HELP = f"""\
Usage: python -m metta_sweep.train config=PATH [run_dir=DIR] [dotted.key=value ...]

  Train a policy as a config file says, and evaluate it.

  config=PATH        a file with the whole training config: config.yaml of a run's directory,
                     or what `metta-sweep best NAME --as hydra` writes
  run_dir=DIR        where checkpoints, metrics and the result go; the same directory resumes
                     (default: ${RUN_DIR_VARIABLE}, or a new repeat-N beside the config)
  dotted.key=value   values over those of the file, as in trainer.total_timesteps=100000

Exit codes: 0 done, {FAILED} it failed, {INVALID} the config is invalid, {DIVERGED} the training diverged,
{TERMINATED} ended by SIGTERM or SIGUSR1 with a checkpoint.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command line."""

    config: Path
    """File with the whole training config."""
    run_dir: Path | None
    """Where the run goes, if the command line says so."""
    overrides: Mapping[str, Any]
    """Values by dotted key, over those of the file."""


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the arguments say; return the exit code.

    Nothing is read at import: the environment, the threads and the seed are those of the call.
    """
    words = sys.argv[1:] if argv is None else argv
    if any(word in ("-h", "--help") for word in words):
        sys.stdout.write(HELP)
        return 0
    try:
        arguments = read_arguments(words)
        config = parse(read_config(arguments))
        run_dir = choose_run_dir(arguments)
        if RunPaths(run_dir).result.exists():
            sys.stderr.write(f"{run_dir}: has a result already; nothing to do\n")
            return 0
        return _train(config, run_dir)
    except ConfigError as error:
        for key, message in error.problems:
            sys.stderr.write(f"invalid_config: {key}: {message}\n")
        return INVALID


def _train(config: TrainingConfig, run_dir: Path) -> int:
    """Run the training; torch is imported here, after everything that can be wrong with the request."""
    from metta_sweep.envs.workers import WorkerDiedError
    from metta_sweep.trainer.checkpoint import CheckpointError
    from metta_sweep.trainer.device import find_device, limit_threads, local_rank
    from metta_sweep.trainer.metrics import Judge
    from metta_sweep.trainer.team import find_team, meet
    from metta_sweep.trainer.training import DivergedError, InterruptedRunError, Training

    limit_threads()
    device = find_device(config.device, local_rank())
    team = find_team(device)
    asked = _listen_for_ends()
    if team.leads:
        _keep_config(config, run_dir)
    meet(team)
    try:
        training = Training(config, run_dir, device, _tell, team, Judge.of_sweep(config, os.environ))
        if training.resume() and team.leads:
            _tell(f"resumed from the checkpoint at step {training.step}")
        training.run(lambda: bool(asked))
    except DivergedError as error:
        sys.stderr.write(f"diverged: {error}\n")
        return DIVERGED
    except InterruptedRunError as error:
        sys.stderr.write(f"terminated: {error}\n")
        return TERMINATED
    except WorkerDiedError as error:
        sys.stderr.write(f"WorkerDiedError: {error}\n")
        return FAILED
    except CheckpointError as error:
        raise ConfigError([("run_dir", str(error))]) from error
    except EnvUnavailableError as error:
        raise ConfigError([(error.key, error.message)]) from error
    finally:
        team.part()
    return 0


def read_arguments(argv: Sequence[str]) -> Arguments:
    """Take the command line apart.

    Raises:
        ConfigError: An argument has no ``=``, or there is no ``config``.
    """
    wrong = [argument for argument in argv if "=" not in argument]
    if wrong:
        raise ConfigError([(argument, "need key=value") for argument in wrong])
    pairs = dict(argument.lstrip("+").split("=", 1) for argument in argv)
    config, run_dir = pairs.pop("config", None), pairs.pop("run_dir", None)
    if config is None:
        raise ConfigError([("config", "need config=PATH, the file with the training config")])
    try:
        overrides = {key: yaml.safe_load(text) for key, text in pairs.items()}
    except yaml.YAMLError as error:
        raise ConfigError([("overrides", f"not YAML: {error}")]) from error
    return Arguments(config=Path(config), run_dir=Path(run_dir) if run_dir else None, overrides=overrides)


def read_config(arguments: Arguments) -> dict[str, Any]:
    """Return the file's mapping with the command line's values.

    Raises:
        ConfigError: The file cannot be read, or is no mapping.
    """
    try:
        content = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError([("config", f"cannot read {arguments.config}: {error}")]) from error
    if not isinstance(content, dict):
        raise ConfigError([("config", f"{arguments.config} holds no mapping")])
    _drop_choices(content)
    for key, value in arguments.overrides.items():
        _put(content, key.split("."), value)
    return content


def _drop_choices(content: dict[str, Any]) -> None:
    """Take out a Hydra file's choices of groups that the file itself holds; any other defaults stay, to be refused."""
    choices = content.get("defaults")
    if not isinstance(choices, list) or not all(isinstance(entry, dict) for entry in choices):
        return
    groups = {str(key).removeprefix("override ").removeprefix("/") for entry in choices for key in entry}
    if groups <= set(content):
        del content["defaults"]


def _put(tree: dict[str, Any], path: Sequence[str], value: object) -> None:
    for part in path[:-1]:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError([(".".join(path), f"{part} holds a value, not a mapping")])
        tree = inner
    tree[path[-1]] = value


def choose_run_dir(arguments: Arguments) -> Path:
    """Return the run's directory, made if need be: run_dir=, METTA_SWEEP_RUN_DIR, or a fresh one beside the config."""
    given = arguments.run_dir or os.environ.get(RUN_DIR_VARIABLE)
    if given:
        Path(given).mkdir(parents=True, exist_ok=True)
        return Path(given)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise ConfigError([("run_dir", f"several processes must be told one: run_dir=DIR, or {RUN_DIR_VARIABLE}")])
    number = 1
    while True:
        fresh = arguments.config.parent / f"repeat-{number}"
        try:
            fresh.mkdir()
        except FileExistsError:
            number += 1
        else:
            return fresh


def _keep_config(config: TrainingConfig, run_dir: Path) -> None:
    """Leave the whole config with the run, unless it has one."""
    path = RunPaths(run_dir).config
    if not path.exists():
        path.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), encoding="utf-8")


def _listen_for_ends() -> list[int]:
    """Return a list that SIGTERM makes non-empty, or SIGUSR1, by which some queueing systems announce a preemption."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, note)
    return asked


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _leave(code: int) -> NoReturn:
    """End this process with an exit code.

    One of several ends at once, without Python's and C++'s last rites: where the others were faster, threads that
    served the group can still be there, and ending them makes the process abort after all its work is done.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    _leave(main())
