"""How a run is started, and how one is taken over that an earlier controller started or meant to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from metta_sweep.config.config_files import ConfigFileError
from metta_sweep.sweep.collecting import handles_of
from metta_sweep.sweep.commands import (
    command_of,
    environment_of,
    files_of,
    render_env,
    run_config,
    searched_for,
)
from metta_sweep.sweep.events import AttemptInterrupted, AttemptRefused, AttemptStarted, AttemptSubmitted
from metta_sweep.sweep.loop_settings import LoopSettings
from metta_sweep.sweep.peers import Peers
from metta_sweep.sweep.planning import suggestion_file
from metta_sweep.sweep.ports import JobSpec, Launcher, LaunchError, RunStore
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import AttemptState, Run


class Starter:
    """Starts runs by the launcher. What it does is in the journal before it is done."""

    def __init__(
        self,
        *,
        recorder: Recorder,
        launcher: Launcher,
        runs: RunStore,
        settings: LoopSettings,
        fence: Callable[[], None],
        environment: Callable[[Run], Mapping[str, str]],
        peers: Peers,
    ) -> None:
        self._recorder = recorder
        self._launcher = launcher
        self._runs = runs
        self._settings = settings
        self._fence = fence
        self._environment = environment
        self._peers = peers

    def start(self, run: Run) -> None:
        """Start the next attempt of a run that waits."""
        number = len(run.attempts) + 1
        refused = self._set_aside(run)
        launcher = self._settings.launcher
        self._recorder.record(AttemptStarted(run_id=run.run_id, attempt=number, launcher=launcher))
        if refused:
            self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=number, message=refused))
        else:
            self._submit(run, number)

    def _set_aside(self, run: Run) -> str:
        """Keep what an earlier attempt left out of the way of the next one; return why that cannot be."""
        if run.begins_anew:
            try:
                self._runs.set_run_aside(run.run_id, run.anew)
            except OSError as error:
                return f"what it left cannot be set aside: {error}"
        elif run.attempts and (run.attempts[-1].failure is not None or run.ended_before is not None):
            self._runs.set_result_aside(run.run_id, run.attempts[-1].number)
        return ""

    def _submit(self, run: Run, number: int) -> None:
        self._fence()
        try:
            handle = self._launcher.submit(self._job(run, number))
        except (LaunchError, OSError) as error:  # the second where the run's directory cannot be made or written
            self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=number, message=str(error)))
        else:
            self._recorder.record(AttemptSubmitted(run_id=run.run_id, attempt=number, handle=handle))

    def _job(self, run: Run, number: int) -> JobSpec:
        spec, rollout = self._recorder.state.spec, self._recorder.state.rollouts[run.rollout]
        params = rollout.suggestion.params
        paths = self._runs.prepare(
            run.run_id,
            config=run_config(spec.training, params, run_id=run.run_id, seed=run.seed),
            suggestion=suggestion_file(run, rollout.suggestion),
            has_workdir=spec.workdir == "run",
            files=self._files(run, params),
        )
        started = replace(spec, command=self._settings.command or spec.command)
        ours = {**searched_for(spec), **render_env(self._settings.env, paths=paths, run_id=run.run_id)}
        return JobSpec(
            attempt_id=f"{run.run_id}.a{number}",
            command=tuple(command_of(started, paths, params, run.seed)),
            run_dir=paths.root,
            cwd=paths.workdir if spec.workdir == "run" else None,
            env={**environment_of(spec, paths, params, run.seed, ours), **self._environment(run)},
            resources=self._settings.resources,
            time_limit_s=self._settings.time_limit_s,
            exit_grace_s=self._settings.exit_grace_s,
            launcher=run.attempts[-1].launcher if run.attempts else "",
            reader=self._settings.reader,
        )

    def _files(self, run: Run, params: Mapping[str, Any]) -> dict[str, str]:
        """Return the files by which the run's program gets its values.

        Raises:
            LaunchError: One is not what it was when the sweep began.
        """
        try:
            return files_of(self._recorder.state.spec, params, run.seed, self._settings.env)
        except ConfigFileError as error:
            raise LaunchError(f"its config file: {error}") from error

    def adopt(self) -> None:
        """Take over what an earlier controller left: find what it started, start what it only meant to start."""
        # What runs already is looked at first: what it occupies is not given away.
        left = self._recorder.state.live_runs
        self._launcher.poll(handles_of([run for run in left if run.attempts[-1].handle is not None]))
        for run in left:
            attempt = run.attempts[-1]
            if attempt.state is not AttemptState.STARTING:
                self._recorder.note(f"{run.run_id} was left running by an earlier start: watching it again")
                continue
            try:
                handle = self._launcher.find(self._job(run, attempt.number))
            except (LaunchError, OSError) as error:
                self._recorder.record(AttemptRefused(run_id=run.run_id, attempt=attempt.number, message=str(error)))
                continue
            if handle is None and self._peers.is_known():
                self._submit(run, attempt.number)
            elif handle is None:  # another machine may have taken it over
                self._recorder.record(AttemptInterrupted(run_id=run.run_id, attempt=attempt.number, wall_s=0.0))
            else:
                self._recorder.record(AttemptSubmitted(run_id=run.run_id, attempt=attempt.number, handle=handle))
