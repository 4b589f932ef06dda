"""A sweep on one screen: read what is asked, check it, hand it to a controller, tell what was found."""

from __future__ import annotations

import logging
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf

from hydra_protein_sweeper.app import flags, hydra_overrides, program
from hydra_protein_sweeper.asking import OUTPUT, Request, request_of, template
from hydra_protein_sweeper.checking import Checked, check
from hydra_protein_sweeper.controller import best, control, controller_words
from hydra_protein_sweeper.grammar import written
from hydra_protein_sweeper.launchers import Launching, launching
from hydra_protein_sweeper.problems import Problem, RefusedError
from hydra_protein_sweeper.settings import settings_problems
from hydra_protein_sweeper.space import Space, read_space

RESULTS = "optimization_results.yaml"
"""File that has the best of the sweep, in ``hydra.sweep.dir`` and in the sweep's own folder."""

REFUSED = 2
"""Exit code of a request that is wrong: nothing was started and nothing was written."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked, checked."""

    request: Request
    """What the controller is asked."""
    app: tuple[str, ...]
    """The app's own command line with all that every run is given."""
    passes_seed: bool
    """Whether every run gets a seed of its own."""


def sweep(config: DictConfig, loader: ConfigLoader, arguments: Sequence[str], settings: Mapping[str, Any]) -> Any:
    """Run a sweep to its total and return what it found.

    Args:
        config: The config that Hydra has composed for the whole sweep.
        loader: Composes configs.
        arguments: The app's overrides as typed.
        settings: The block ``hydra.sweeper``.

    Raises:
        SystemExit: With the exit code of the controller where that is not 0.
    """
    try:
        words = controller_words(None if settings["controller"] is None else str(settings["controller"]))
        asked = _asked(config, loader, arguments, settings)
        code = control(words, asked.request)
        found = best(words, asked.request) if code != REFUSED and not settings["plan"] else None
    except RefusedError as error:
        sys.stderr.write(f"error: {error}\n")
        raise SystemExit(REFUSED) from None
    except KeyboardInterrupt:  # while nothing ran: the controller is told by itself
        raise SystemExit(128 + signal.SIGINT) from None
    results = _results(found, asked) if found is not None else None
    if results is not None:
        _keep(results, asked.request, config)
    if code == 128 + signal.SIGKILL:
        sys.stderr.write("error: the controller was killed; its runs go on, and the same command adopts them\n")
    if code != 0:
        raise SystemExit(code)
    return results


def _asked(config: DictConfig, loader: ConfigLoader, arguments: Sequence[str], settings: Mapping[str, Any]) -> Asked:
    """Return what was asked.

    Raises:
        RefusedError: Something is wrong, with all problems.
    """
    params = settings["params"] if isinstance(settings["params"], Mapping) else {}
    space = read_space(params, arguments, loader)
    checked = check(space, config, loader)
    problems = [*settings_problems(settings), *space.problems, *checked.problems]
    is_searched = any(len(leaf.get("values", (0, 1))) > 1 for leaf in space.parameters.values())
    if not is_searched and not problems:
        fix = "write 'lr=interval(1e-4,1e-1)' or model=mlp,cnn on the command line, or hydra.sweeper.params"
        problems.append(Problem(key="hydra.sweeper.params", message="there is nothing to search", fix=fix))
    if problems:
        raise RefusedError(problems)
    runs = _launching(config, settings)
    passes_seed = _passes_seed(settings, space, checked)
    several = settings["metric"] if isinstance(settings["metric"], list) else []
    app = [*program(), *flags(sys.argv[1:])]
    own = [*hydra_overrides(config.hydra.overrides.hydra), *space.held.values()]
    request = request_of(
        settings,
        name=str(settings["name"] or config.hydra.job.name),
        parameters=checked.parameters,
        command=template(app, own, passes_seed=passes_seed, keeps_return=settings["results"] is None, metrics=several),
        launching=runs,
        cwd=Path.cwd(),
    )
    _tell(settings, space, checked, runs)
    is_said = "hydra.mode=MULTIRUN" in config.hydra.overrides.hydra  # by -m; otherwise the app's config may say it
    return Asked(request=request, app=(*app, *([] if is_said else ["hydra.mode=RUN"]), *own), passes_seed=passes_seed)


def _launching(config: DictConfig, settings: Mapping[str, Any]) -> Launching:
    block = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    plain = {str(key): value for key, value in block.items()} if isinstance(block, dict) else {}
    return launching(str(config.hydra.runtime.choices.get("hydra/launcher")), plain, settings["launcher"] or {})


def _passes_seed(settings: Mapping[str, Any], space: Space, checked: Checked) -> bool:
    """Return whether runs get a seed of their own: where a point has several, which would all be the same otherwise."""
    is_repeated = settings["num_samples"] != 1 or settings["confirm"]
    return bool(is_repeated and checked.has_seed and "seed" not in space.held)


def _tell(settings: Mapping[str, Any], space: Space, checked: Checked, runs: Launching) -> None:
    notes = [*space.notes, *checked.notes, *([runs.note] if runs.note else [])]
    if (settings["num_samples"] != 1 or settings["confirm"]) and (not checked.has_seed or "seed" in space.held):
        why = "seed is given on the command line" if "seed" in space.held else "the app's config has no key seed"
        notes.append(f"runs of one point differ only by what the app draws itself: {why}")
    for note in notes:
        log.info(note)


def _results(found: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Return the best of the sweep; the first three keys are those of the Optuna sweeper."""
    rollout, run = found["rollout"], found["run"]
    params = rollout["params"]
    seed = [f"seed={run['seed']}"] if asked.passes_seed else []
    overrides = [*seed, *(f"{key}={written(value)}" for key, value in params.items())]
    directory = asked.request.data_dir / "sweep" / asked.request.name / "runs" / run["run"]
    return {
        "name": "protein",
        "best_params": dict(params),
        "best_value": rollout["mean"],
        "metric": found["metric"],
        "goal": found["goal"],
        "run": run["run"],
        "directory": str(directory / OUTPUT),
        "overrides": overrides,
        "command": shlex.join([*asked.app, *overrides]),
    }


def _keep(results: Mapping[str, Any], request: Request, config: DictConfig) -> None:
    """Write what was found, and beside it the config of the sweep as other sweepers do."""
    text = yaml.safe_dump(dict(results), sort_keys=False, width=1000)
    folder = Path(config.hydra.sweep.dir)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "multirun.yaml")
    for place in (folder, request.data_dir / "sweep" / request.name):
        (place / RESULTS).write_text(text, encoding="utf-8")
    log.info(f"best {results['metric']}: {results['best_value']:.6g} by {results['run']}")
    log.info(f"{folder / RESULTS} has it, and the command that repeats it")
