"""The mirror's work: which runs have something to send, sending it, and proving that it arrived."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from metta_sweep.result import RunPaths
from metta_sweep.store.files import read_json, write_whole
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import AttemptState, Run, RunState
from metta_sweep.track.client import Client, OpenRun, SentRun, TryLaterError
from metta_sweep.track.facts import OWN_KEY, SEAL_KEY, RunFacts, history, run_facts, run_files
from metta_sweep.track.feed import Feed
from metta_sweep.track.link import folder
from metta_sweep.track.overview import overview
from metta_sweep.track.ranges import identity_of
from metta_sweep.track.redaction import Redaction

PROVE_S = 20.0
"""Seconds between two looks at whether what was sent arrived."""

OVERVIEW = "overview"
"""Name of the run that shows the whole sweep."""

BEGUN = "begun online"
"""Mark of a run of which something was sent; any other mark is the digest of what was written offline."""

SEND_LIMIT = 3
"""How often a run is sent whole before a person is told that it does not arrive."""


class Mirroring:
    """Brings runs to W&B. What has been done is known from the server itself, so that nothing is done twice.

    A run's history goes on at the row that the server has; its summary carries, last of all, the digest of everything
    that was sent. A run whose digest is there is whole.
    """

    def __init__(
        self, paths: SweepPaths, feed: Feed, client: Client, *, redaction: Redaction, tags: tuple[str, ...], work: Path
    ) -> None:
        self._paths = paths
        self._feed = feed
        self._client = client
        self._redaction = redaction
        self._tags = tags
        self._work = work
        self._marks = folder(paths) / "marks"
        self._left: set[str] = set()
        self._open: dict[str, OpenRun] = {}
        self._sizes: dict[str, int] = {}
        self._todo: dict[str, None] = {}
        self._listed = 0
        self._unproven: dict[str, str] = {}
        self._sends: dict[str, int] = {}
        self._rested: dict[str, int] = {}
        self._looked_s = 0.0
        self.whole: set[str] = set()
        """Runs that are whole at W&B, by id."""

    @property
    def pending(self) -> int:
        """How many runs have something to send or to prove."""
        return len(self._todo) + len(self._unproven)

    @property
    def is_settled(self) -> bool:
        """Whether every run that is over is whole at W&B."""
        return not self._unproven and not any(self._run(run_id).state.is_over for run_id in self._todo)

    def begin(self, sent: dict[str, SentRun], *, compare: bool) -> None:
        """Learn from the server which runs are whole.

        Args:
            sent: What the server has.
            compare: Whether each digest is compared with the journal, rather than taken as right.
        """
        for run in self._feed.state.runs.values():
            seal = sent[self._wandb_id(run)].seal if self._wandb_id(run) in sent else None
            if seal is not None and run.state.is_over and (not compare or seal == self._expected_seal(run)):
                self.whole.add(run.run_id)

    def begin_offline(self) -> None:
        """Learn from the marks in the sweep's folder which runs were written already.

        A run that was begun online is left to a later sync: ``wandb sync`` would add all of it to what is there.
        """
        for run in self._feed.state.runs.values():
            mark = self._mark(run.run_id)
            if mark == BEGUN:
                self._left.add(run.run_id)
            elif mark is not None and run.state.is_over and mark == self._expected_seal(run):
                self.whole.add(run.run_id)

    def tick(self, between: Callable[[], None] = lambda: None) -> None:
        """Send what is new of every run that is not whole.

        Args:
            between: Called between two runs: a sign of life.

        Raises:
            TryLaterError, RefusedError: See :class:`Client`.
        """
        self._list_new_runs()
        for run_id in list(self._todo):
            between()
            run = self._run(run_id)
            if run.state.is_over:
                self._finish(run, self._opened(run))
            elif run.state is RunState.RUNNING and not self._client.is_offline:
                self._watch(run)
            elif run.attempts and not self._client.is_offline:
                self._rest(run)

    def prove(self, *, again: bool = True) -> None:
        """Ask the server which of the sent runs arrived whole; with ``again`` the others are sent once more."""
        if not self._unproven:
            return
        if self._client.is_offline:
            self._mark_written()
            return
        if self._client.place.sweep_id is None:
            return
        self._looked_s = time.monotonic()
        sent = self._client.sent_runs(self._client.place.sweep_id)
        for run_id, seal in list(self._unproven.items()):
            wandb_id = self._wandb_id(self._run(run_id))
            if wandb_id in sent and sent[wandb_id].seal == seal and self._has_files(run_id, wandb_id):
                self.whole.add(run_id)
                del self._unproven[run_id]
            elif again:
                self._send_again(run_id)

    def prove_now_and_then(self) -> None:
        """Do :meth:`prove` where the last time is long enough ago."""
        if time.monotonic() - self._looked_s >= PROVE_S:
            self.prove()

    def pause(self) -> None:
        """Let go of the runs that are not over; the next mirror goes on with them."""
        for run_id in list(self._open):
            self._open.pop(run_id).pause()

    def send_overview(self) -> None:
        """Bring the sweep's overview up to date where anything of it has changed since the last time."""
        state = self._feed.state
        shown = overview(state)
        mark = json.dumps([self._client.place.sweep_id, shown.summary], sort_keys=True, default=str)
        if self._client.is_offline or not shown.curves or self._mark(OVERVIEW) == mark:
            return
        name, spec = f"{state.spec.name} {OVERVIEW}", state.spec
        described = {"sweep": spec.name, "identity": self._identity, "metric": spec.metric, "goal": str(spec.goal)}
        config = {OWN_KEY: {**described, "parameters": dict(spec.parameters), "constraints": list(spec.constraints)}}
        wandb_id = f"{spec.name}.{OVERVIEW}-{self._identity}"
        self._client.send_overview(name, wandb_id, shown, self._redaction.of_config(config))
        self._client.discard_local(wandb_id)
        self._set_mark(OVERVIEW, mark)

    # ---------------------------------------------------------------- one run

    def _opened(self, run: Run) -> OpenRun:
        if run.run_id not in self._open:
            if not self._client.is_offline:
                self._set_mark(run.run_id, BEGUN)
            self._client.discard_local(self._wandb_id(run))
            self._open[run.run_id] = self._client.open_run(self._facts(run), pid=self._process_of(run))
        return self._open[run.run_id]

    def _watch(self, run: Run) -> None:
        """Send what a living run has reported since the last time; it is opened once its process is there."""
        if run.attempts[-1].state is AttemptState.STARTING:
            return
        paths, opened = self._paths.run(run.run_id), self._opened(run)
        if self._has_grown(run.run_id, paths):
            opened.send(history(paths))

    def _rest(self, run: Run) -> None:
        """Send what a run that waits for its next attempt has, once an attempt, and let go of it."""
        if self._rested.get(run.run_id) != len(run.attempts):
            opened = self._opened(run)
            opened.send(history(self._paths.run(run.run_id)))
            self._open.pop(run.run_id).pause()
            self._rested[run.run_id] = len(run.attempts)

    def _finish(self, run: Run, opened: OpenRun) -> None:
        paths, facts = self._paths.run(run.run_id), self._facts(run)
        rows, files = history(paths), run_files(paths, self._redaction)
        seal = facts.seal(rows, files)
        summary = {**facts.summary, OWN_KEY: {**facts.summary[OWN_KEY], SEAL_KEY: seal}}
        staged = self._work / run.run_id
        opened.send(rows)
        del self._open[run.run_id]
        opened.close(summary=summary, files=files, folder=staged, exit_code=facts.exit_code)
        shutil.rmtree(staged, ignore_errors=True)
        del self._todo[run.run_id]
        self._unproven[run.run_id] = seal

    def _mark_written(self) -> None:
        """Remember offline runs as written: their folders may be synced and cleaned away."""
        for run_id, seal in self._unproven.items():
            self._set_mark(run_id, seal)
        self.whole.update(self._unproven)
        self._unproven.clear()

    def _mark(self, run_id: str) -> str | None:
        path = self._marks / run_id
        return path.read_text("utf-8") if path.exists() else None

    def _set_mark(self, run_id: str, mark: str) -> None:
        self._marks.mkdir(parents=True, exist_ok=True)
        write_whole(self._marks / run_id, mark, sync=False)

    def _send_again(self, run_id: str) -> None:
        self._sends[run_id] = self._sends.get(run_id, 1) + 1
        if self._sends[run_id] > SEND_LIMIT:
            raise TryLaterError(f"{run_id} was sent {SEND_LIMIT} times and did not arrive whole")
        del self._unproven[run_id]
        self._todo[run_id] = None

    def _facts(self, run: Run) -> RunFacts:
        return run_facts(
            self._feed.state,
            run,
            self._paths.run(run.run_id),
            identity=self._identity,
            redaction=self._redaction,
            tags=self._tags,
        )

    def _expected_seal(self, run: Run) -> str:
        paths = self._paths.run(run.run_id)
        return self._facts(run).seal(history(paths), run_files(paths, self._redaction))

    def _has_files(self, run_id: str, wandb_id: str) -> bool:
        wanted = run_files(self._paths.run(run_id), self._redaction)
        return not wanted or self._client.sent_files(wandb_id).issuperset(wanted)

    def _has_grown(self, run_id: str, paths: RunPaths) -> bool:
        """Return whether there may be new evaluations; reading them all at each look would cost too much."""
        size = paths.metrics.stat().st_size if paths.metrics.exists() else 0
        before, self._sizes[run_id] = self._sizes.get(run_id), size
        return size != before

    def _process_of(self, run: Run) -> int | None:
        """Return the id of the training process where it runs on this host."""
        if not run.attempts or not run.attempts[-1].state.is_live:
            return None
        attempt_id = f"{run.run_id}.a{run.attempts[-1].number}"
        started = read_json(self._paths.run(run.run_id).attempts / f"{attempt_id}.start.json") or {}
        child = started.get("child")
        return int(child["pid"]) if isinstance(child, dict) and isinstance(child.get("pid"), int) else None

    # ---------------------------------------------------------------- all runs

    def _list_new_runs(self) -> None:
        run_ids = list(self._feed.state.runs)
        for run_id in run_ids[self._listed :]:
            if run_id not in self.whole | self._left:
                self._todo[run_id] = None
        self._listed = len(run_ids)

    def _run(self, run_id: str) -> Run:
        return self._feed.state.runs[run_id]

    def _wandb_id(self, run: Run) -> str:
        return f"{run.run_id}-{self._identity}"

    @property
    def _identity(self) -> str:
        created = self._feed.state.created
        if created is None:
            raise TryLaterError("the journal is empty yet")
        return identity_of(created)
