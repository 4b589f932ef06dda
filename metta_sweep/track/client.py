"""The W&B client as the mirror uses it: the only module that imports wandb, and only in the mirror's own process."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import wandb
from wandb.errors import Error

from metta_sweep.track.errors import ClientFailedError, one_line
from metta_sweep.track.facts import OWN_KEY, HistoryRow, RunFacts
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.server import SentRun, annotate, change_runs, ids_there, log_lines, runs_there, sent_runs
from metta_sweep.track.settings import page_url
from metta_sweep.track.sources import Origin
from metta_sweep.track.stream import send_usage

INIT_S, FINISH_S, HTTP_S = 20.0, 30.0, 10
"""Seconds: to start a run, to send what is left of it, for one request of the client."""

RETRY_S = 0.3
"""Seconds before the client asks again after a failure, doubled each time."""

SEND_S, SEND_VARIABLE = 15.0, "WANDB__FILE_STREAM_TRANSMIT_INTERVAL"
"""Seconds between two requests about a living run, and the client's own variable, which has the last word."""

STATS_S = 5.0
"""Seconds between two readings of a training process's CPU and GPU use; the client's own 15 would miss short runs."""

CLIENTS_FILES = ("config.yaml", "wandb-summary.json")
"""Files of the client's own that are not sent: W&B has their content as the run's config and summary."""

LONGEST_TEMPORARY, SHORT_TEMPORARY = 48, "/tmp"
"""Characters of a temporary folder's path, and what stands in for a longer one: the client's process that reads CPU and
GPU use has a socket there, whose whole path may have 107, and without it that use is not shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbPath:
    """Where things go."""

    entity: str | None
    """User or team; None for the account's own."""
    project: str
    """Project."""
    sweep_id: str | None = None
    """The sweep that runs join; None while it is not registered."""


def prepare_environment(folder: Path) -> None:
    """Bound the client's requests and keep it from joining another process's service or from asking anything.

    Args:
        folder: Where the client may leave files.

    Side effects: changes this process's environment, before the client starts its own.
    """
    os.environ.pop("WANDB_SERVICE", None)
    os.environ.setdefault("WANDB_HTTP_TIMEOUT", str(HTTP_S))
    os.environ["WANDB_DIR"] = str(folder)
    if len(tempfile.gettempdir()) > LONGEST_TEMPORARY:
        os.environ["TMPDIR"] = tempfile.tempdir = SHORT_TEMPORARY
    os.environ["WANDB_SILENT"] = "true"
    os.environ["WANDB_CONSOLE"] = "off"
    for name in ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_RUN_GROUP", "WANDB_NAME", "WANDB_RESUME", "WANDB_MODE"):
        os.environ.pop(name, None)


class OpenRun:
    """A W&B run that this process writes; it is the only one that does."""

    def __init__(self, run: wandb.Run, stopped: threading.Event, *, is_watched: bool = False) -> None:
        self._run = run
        self._stats_from_s = time.monotonic() + 2 * STATS_S if is_watched else math.inf
        self._stopped = stopped
        self.log_bytes = 0
        """Bytes of the run's log that were looked at."""
        self._log_lines_there: int | None = None
        self.rows = run.starting_step
        """Rows of the history that the server had, and those that were sent since."""

    @property
    def url(self) -> str:
        """Return the run's page."""
        return str(self._run.url or "")

    @property
    def has_stats(self) -> bool:
        """Whether the client itself has measured what the training process uses."""
        return time.monotonic() > self._stats_from_s

    @property
    def is_stopped(self) -> bool:
        """Whether a person pressed Stop on the run's page."""
        return self._stopped.is_set()

    def send(self, rows: Sequence[HistoryRow]) -> None:
        """Send those of all the run's rows that were not sent yet."""
        for number in range(self.rows, len(rows)):
            self._run.log(dict(rows[number]), step=number, commit=True)
        self.rows = max(self.rows, len(rows))

    def send_log(self, text: str, *, there: Callable[[], int]) -> None:
        """Send lines of the run's log; those that an earlier mirror has sent are passed over.

        Args:
            text: Whole lines, the next ones of the log.
            there: Asks how many lines the server has; for a run that an earlier mirror began.
        """
        if self._log_lines_there is None:
            self._log_lines_there = there() if self._run.resumed else 0
        lines = text.splitlines()
        new, self._log_lines_there = lines[self._log_lines_there :], max(0, self._log_lines_there - len(lines))
        if new:
            self._run.write_logs("\n".join(new))

    def keep(self, path: Path, *, name: str) -> None:
        """Keep a file or folder as an artifact of the run; one that is there already is not sent again."""
        with client_errors():
            artifact = wandb.Artifact(name, type="model")
            if path.is_dir():
                artifact.add_dir(str(path), policy="immutable")
            else:
                artifact.add_file(str(path), policy="immutable")
            self._run.log_artifact(artifact)

    def close(self, *, summary: Mapping[str, Any], files: Mapping[str, str], folder: Path, exit_code: int) -> None:
        """End the run with its summary and files.

        Args:
            summary: Replaces what the history left in the summary.
            files: Texts by their names at W&B.
            folder: Where the files are written to be sent; the client reads them until the run is closed.
            exit_code: 0 for finished.

        Raises:
            TryLaterError: Not everything could be sent in time.
        """
        with client_errors():
            self._run.summary.update(dict(summary))
            for name, text in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
                self._run.save(str(path), base_path=str(folder), policy="now")
            self._run.finish(exit_code=exit_code)

    def pause(self) -> None:
        """End the run for now: W&B shows it as preempted, and the next mirror goes on with it."""
        with client_errors():
            self._run.mark_preempting()
            self._run.finish(exit_code=1)


class Client:
    """The operations of the mirror; each is bounded in time and raises TryLaterError or RefusedError."""

    def __init__(self, place: WandbPath, *, graphql: GraphQL | None, folder: Path) -> None:
        """Write runs of ``place``, and read them with ``graphql``; without it they are written offline."""
        self.place = place
        self.graphql = graphql
        self.folder = folder

    @property
    def is_offline(self) -> bool:
        """Whether runs are only written down, for ``wandb sync``."""
        return self.graphql is None

    def run_page(self, wandb_id: str) -> str:
        """Return the address of a run's page."""
        if self.graphql is None:
            return ""
        return f"{page_url(self.graphql.url, os.environ)}/{self.place.entity}/{self.place.project}/runs/{wandb_id}"

    def sent_runs(self) -> dict[str, SentRun]:
        """Return what the server has of the sweep, by W&B id."""
        return {} if self.graphql is None else sent_runs(self.graphql, str(self.place.sweep_id))

    def runs_there(self, wandb_ids: Sequence[str]) -> dict[str, SentRun]:
        """Return those of these runs that the server has, by W&B id, with the names of their files."""
        return {} if self.graphql is None else runs_there(self.graphql, wandb_ids)

    def annotate(self, facts: RunFacts, seal: str, *, creates: bool) -> bool:
        """Add outcome, swept parameters and state to a run that its trainer writes; what it has stays.

        Args:
            facts: What is known.
            seal: The digest of it.
            creates: Whether a run that is not there is created.

        Returns:
            Whether the run is there.

        Raises:
            TryLaterError, RefusedError: See :meth:`GraphQL.ask`.
        """
        if self.graphql is None:
            return False
        return annotate(self.graphql.again(), facts, seal, sweep_id=str(self.place.sweep_id), creates=creates)

    def ids_there(self, wandb_ids: Sequence[str]) -> set[str]:
        """Return which of these runs are in the project, in a sweep or not."""
        return set() if self.graphql is None else ids_there(self.graphql, wandb_ids)

    def change_runs(self, runs: Sequence[SentRun]) -> None:
        """Give runs that are over their summaries and tags as told."""
        if self.graphql is not None:
            change_runs(self.graphql, runs)

    def send_usage(self, wandb_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send system metrics that were measured where the run is done."""
        if self.graphql is not None and rows:
            send_usage(self.graphql.again(), wandb_id, rows)

    def log_lines(self, wandb_id: str) -> int:
        """Return how many lines of a run's log the server has."""
        return 0 if self.graphql is None else log_lines(self.graphql.again(), wandb_id)

    def open_run(self, facts: RunFacts, origin: Origin, *, is_new: bool, pid: int | None = None) -> OpenRun:
        """Open the run, new or to go on with it; safe to repeat.

        Args:
            facts: What identifies and describes it.
            origin: Where and of what it was done.
            is_new: Whether the server has nothing of it: it is not asked then.
            pid: The training process, whose CPU and GPU are to be shown; None for a run of the past.
        """
        stopped = threading.Event()
        with client_errors():
            run = wandb.init(
                entity=self.place.entity,
                project=self.place.project,
                id=facts.wandb_id,
                name=facts.name,
                notes=facts.notes or None,
                group=facts.group,
                job_type=facts.job_type,
                tags=list(facts.tags),
                config=dict(facts.config),
                resume=None if self.is_offline or is_new else "allow",
                reinit="create_new",
                mode="offline" if self.is_offline else "online",
                dir=str(self.folder),
                settings=self.run_settings(pid, origin, sweep_id=self.place.sweep_id, stop_fn=stopped.set),
            )
        run.define_metric("step")
        run.define_metric("*", step_metric="step")
        for name, is_maximized in (facts.goals or {facts.metric: facts.is_maximized}).items():
            run.define_metric(name, step_metric="step", summary="max" if is_maximized else "min")
        run.summary.update({OWN_KEY: facts.summary[OWN_KEY]})
        return OpenRun(run, stopped, is_watched=pid is not None)

    def discard_local(self, wandb_id: str) -> None:
        """Remove what the client wrote down of a run: what is not at W&B is sent anew from the journal."""
        for path in (self.folder / "wandb").glob(f"*-{wandb_id}"):
            shutil.rmtree(path, ignore_errors=True)

    def run_settings(
        self,
        pid: int | None,
        origin: Origin | None = None,
        *,
        sweep_id: str | None,
        finish_s: float = FINISH_S,
        stop_fn: Callable[[], None] = lambda: None,
    ) -> wandb.Settings:
        """Return the client's settings for one run: everything bounded, nothing printed, nothing guessed.

        Args:
            pid: The training process to watch, or None.
            origin: Where and of what the run was done.
            sweep_id: The sweep that it joins, or None.
            finish_s: Seconds that its end may take.
            stop_fn: Called where a person stops the run at W&B; the client would interrupt this process instead.
        """
        told: dict[str, Any] = {"ignore_globs": CLIENTS_FILES, "program": "metta-sweep"}
        if origin is not None:
            told |= {"program": origin.program, "host": origin.host, "git_commit": origin.commit or None}
        watched = {} if pid is None else {"x_stats_pid": pid, "x_stats_track_process_tree": True}
        paced = {} if SEND_VARIABLE in os.environ else {"x_file_stream_transmit_interval": SEND_S}
        return wandb.Settings(
            sweep_id=sweep_id,
            init_timeout=INIT_S,
            finish_timeout=finish_s,
            finish_timeout_raises=True,
            console="off",
            stop_fn=stop_fn,
            silent=True,
            symlink=False,
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            x_disable_viewer=True,
            x_disable_meta=True,
            x_disable_machine_info=pid is None,
            x_disable_stats=pid is None,
            x_stats_sampling_interval=STATS_S,
            x_save_requirements=False,
            x_graphql_retry_max=5,
            x_graphql_retry_wait_min_seconds=RETRY_S,
            x_graphql_retry_wait_max_seconds=5,
            x_graphql_timeout_seconds=HTTP_S,
            x_file_stream_retry_max=8,
            x_file_stream_retry_wait_min_seconds=RETRY_S,
            x_file_stream_retry_wait_max_seconds=5,
            x_file_stream_timeout_seconds=HTTP_S,
            x_file_transfer_retry_max=8,
            x_file_transfer_retry_wait_min_seconds=RETRY_S,
            x_file_transfer_retry_wait_max_seconds=5,
            **watched,
            **paced,
            **told,
        )


@contextlib.contextmanager
def client_errors() -> Iterator[None]:
    """Turn whatever the client raises into the one thing that the mirror can do about it: end, and go on anew.

    What the client says of the cause proves nothing: its texts hold run names and pages of proxies, and it raises
    ``AuthenticationError`` for many a failure. The next start asks the service itself.

    Raises:
        ClientFailedError: The client's own errors, time-outs, connection errors, answers that are not what it expects.
    """
    try:
        yield
    except (Error, OSError, TimeoutError, requests.RequestException, ValueError, TypeError) as error:
        raise ClientFailedError(one_line(error)) from error
