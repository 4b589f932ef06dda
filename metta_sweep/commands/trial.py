"""One run at the center, in a directory that is thrown away: what it costs, and what the readers see of it."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from metta_sweep.commands.one_run import Outputs, run_once, with_own
from metta_sweep.commands.parts import spec_of
from metta_sweep.commands.reading import reading_plan, reads_wandb
from metta_sweep.commands.workdir import started_words, with_search_path
from metta_sweep.config.asked import Asked
from metta_sweep.errors import SweepFailedError
from metta_sweep.optimize.port import Suggestion
from metta_sweep.report.estimate import Sample
from metta_sweep.report.trial import Tried, show_trial
from metta_sweep.result import read_result
from metta_sweep.results.environment import run_environment
from metta_sweep.results.gathering import Gathering
from metta_sweep.results.notes import Notes
from metta_sweep.results.port import Source
from metta_sweep.results.registry import OWN
from metta_sweep.results.survey import Survey
from metta_sweep.results.tail import conclude
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.run_log import NO_RESULT
from metta_sweep.store.runs import RunDirectories
from metta_sweep.sweep.commands import (
    command_of,
    environment_of,
    files_of,
    render_env,
    run_config,
    searched_for,
)

SHOWN_LOG = 2000
"""Characters of a failed run's log that are shown."""


def try_center(asked: Asked, suggestion: Suggestion, console: Console) -> Sample:
    """Do one run and show what came of it.

    Args:
        asked: The request.
        suggestion: The point.
        console: Where to show it.

    Raises:
        SweepFailedError: It failed, or left no result.

    Side effects:
        What the command itself writes below the working directory stays there.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = SweepPaths(Path(folder), asked.name)
        run_id = paths.run_id(0)
        config = run_config(asked.training, suggestion.params, run_id=run_id, seed=asked.seed)
        is_apart = asked.workdir == "run"
        shown = {"params": dict(suggestion.params)}
        spec = spec_of(asked)
        variables = _variables(asked)
        files = files_of(spec, suggestion.params, asked.seed, variables)
        run = RunDirectories(paths).prepare(run_id, config=config, suggestion=shown, has_workdir=is_apart, files=files)
        cwd = run.workdir if is_apart else Path.cwd()
        started = replace(spec, command=started_words(spec.command, asked.workdir)) if spec.command else spec
        command = command_of(started, run, suggestion.params, asked.seed)
        ours = {**searched_for(spec), **render_env(variables, paths=run, run_id=run_id)}
        env = environment_of(spec, run, suggestion.params, asked.seed, ours)
        source = Source(run=run, cwd=cwd, metric=asked.first_metric, began_s=time.time())
        surveys = _surveys(asked, source)
        gathering = _gathering(asked, source)
        outputs = Outputs(Path.cwd(), besides=asked.data_dir) if asked.command and not is_apart else None
        with console.status("one run at the center …"):
            code, wall_s = run_once(command, run, with_own(env, run), cwd, _limit_s(asked))
        sightings = [sighting for survey in surveys for sighting in survey.sightings()]
        written = outputs.written() if outputs is not None else []
        if code == 0 and gathering is not None:
            conclude(gathering, run)
        log = run.log.read_text(encoding="utf-8", errors="replace")
        result = read_result(run) if code == 0 else None
    tried = Tried(
        code=code,
        wall_s=wall_s,
        sightings=[(each.reader, each.place, each.name, each.count, each.last, each.step) for each in sightings],
        metrics=dict(result.metrics) if result is not None else {},
        metric=asked.first_metric,
        written=written,
        is_parallel=asked.launcher.max_parallel > 1,
    )
    show_trial(tried, console)
    if result is None:
        raise SweepFailedError(_why(code, log))
    return Sample(cost_s=result.cost_s or wall_s, steps=result.steps)


def _surveys(asked: Asked, source: Source) -> list[Survey]:
    """Return what looks at the run with the readers that are asked for, where they are to look, and with all others."""
    if asked.command is None:
        return []
    chosen = asked.results.readers if asked.results is not None else ()
    path = asked.results.path if asked.results is not None else None
    others = [name for name in OWN if name not in chosen]
    return [Survey(replace(source, path=path), chosen), Survey(source, others)]


def _gathering(asked: Asked, source: Source) -> Gathering | None:
    if asked.results is None:
        return None
    plan = reading_plan(asked, asked.results)
    there = replace(source, path=plan.path, wanted=plan.metrics, step=plan.step, notes=Notes())
    return Gathering(plan, there)


def _variables(asked: Asked) -> dict[str, str]:
    """Return the variables by which the run's numbers are found; the W&B client is kept offline, whoever reads it."""
    if not asked.command:
        return {}
    readers = {*(asked.results.readers if asked.results is not None else ()), "stdout", "wandb", "mlflow"}
    ours = run_environment(readers, sweep=asked.name, base=os.environ, has_values=reads_wandb(asked))
    return with_search_path(ours, asked.command, asked.workdir)


def _limit_s(asked: Asked) -> float | None:
    ends_s = [end_s for end_s in (asked.limits.run_end_s, asked.launcher.run_time_limit) if end_s is not None]
    return min(ends_s, default=None)


def _why(code: int | None, log: str) -> str:
    said = [line.removeprefix(NO_RESULT) for line in log.splitlines() if line.startswith(NO_RESULT)]
    if code == 0 and said:
        return f"the run left no result: {said[-1]}"
    how = "reached its time limit" if code is None else "left no result" if code == 0 else f"failed with exit {code}"
    return f"the run {how}:\n{log[-SHOWN_LOG:]}"
