"""Machines of a shared sweep without processes: real journals, the mirror's turns, a server that is a dictionary."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from metta_sweep.result import RunPaths
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import (
    AttemptInterrupted,
    AttemptStarted,
    AttemptSubmitted,
    PlannedRun,
    RolloutSuggested,
    RunFinished,
    SweepAsked,
)
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.facts import OWN_KEY, run_facts
from metta_sweep.track.labels import number_of
from metta_sweep.track.server import SentRun
from metta_sweep.track.share.claims import Machine
from metta_sweep.track.share.machines import Page
from metta_sweep.track.share.peers import BoardPeers
from metta_sweep.track.share.sharing import Sharing
from tests.factories import Suggestion
from tests.sweep.simulation import SimulatedClock, spec
from tests.track.told import NO_SECRETS

GONE_AFTER_S = 12.0
CENTER = {"trainer.x": 0.0}


class DictServer:
    """Keeps runs and records; a request is lost before or after the deed with the chance ``faults``."""

    def __init__(self, seed: int = 0, *, faults: float = 0.0, page: int = 4) -> None:
        self.runs: dict[int, SentRun] = {}
        self.machines: dict[str, Machine] = {}
        self.is_away = False
        self.looks: list[str | None] = []
        self._page, self._faults, self._rng = page, faults, random.Random(seed)

    @contextlib.contextmanager
    def _request(self):
        if self.is_away or self._rng.random() < self._faults / 2:
            raise TryLaterError("no answer")
        yield
        if self._rng.random() < self._faults / 2:
            raise TryLaterError("the reply was lost")

    def look(self, after: str | None) -> Page:
        with self._request():
            self.looks.append(after)
            start, runs = int(after or 0), list(self.runs.values())
            end = start + self._page
            cursor = str(end) if end < len(runs) else None
            return Page(runs=runs[start:end], machines=list(self.machines.values()), next_page=cursor)

    def create(self, number: int) -> bool:
        with self._request():
            inserted = number not in self.runs
            if inserted:
                self.runs[number] = SentRun(wandb_id=f"s.r.{number}-i", name="", state="running", config={}, summary={})
        return inserted

    def sign(self, number: int, machine: str) -> None:
        with self._request():
            self.runs[number] = replace(self.runs[number], config={OWN_KEY: {"machine": machine}})

    def post(self, record: Machine) -> None:
        with self._request():
            self.machines[record.machine] = record


class Member:
    """One machine: what its controller, its runs and its mirror do, a step at a time."""

    def __init__(self, data: Path, server: DictServer, clock: SimulatedClock, **asked: Any) -> None:
        self.paths, self.server, self.clock = SweepPaths(data, "s"), server, clock
        self.journal = SqliteJournal.open(self.paths, create=True)
        self.recorder = Recorder(self.journal, clock)
        self.recorder.record(SweepAsked(spec=spec(**asked), versions={}, host=data.name, shared=True))
        self.begin()
        self.started: list[int] = []

    def begin(self) -> None:
        """Start, for the first time or again; what ran has ended."""
        for run in self.state.live_runs:
            self.recorder.record(AttemptInterrupted(run_id=run.run_id, attempt=run.attempts[-1].number, wall_s=1.0))
        self.peers = BoardPeers(
            self.paths,
            self.recorder,
            center=CENTER,
            gone_after_s=GONE_AFTER_S,
            is_mirrored=True,
            clock=self.clock.monotonic_s,
        )
        self.begin_mirror()

    def begin_mirror(self) -> None:
        self.sharing = Sharing(
            self.paths, self.server, slots=1, gone_after_s=GONE_AFTER_S, clock=self.clock.monotonic_s, host="h"
        )

    @property
    def state(self):
        return self.recorder.state

    @property
    def is_done(self) -> bool:
        return self.state.counted_rollouts >= self.state.spec.rollout_count and not self.state.open_rollouts

    def mirror(self) -> None:
        with contextlib.suppress(TryLaterError):
            self.sharing.turn()

    def control(self) -> None:
        """Do what the loop does in one turn: finish what runs, else start what waits, else suggest."""
        self.peers.tick()
        if not self.peers.is_known():
            return
        if self.state.live_runs:
            self.finish(self.state.live_runs[0])
        elif self.state.waiting_runs:
            self.start(self.state.waiting_runs[0])
        elif self.state.counted_rollouts < self.state.spec.rollout_count:
            self.suggest()

    def suggest(self) -> None:
        number = self.peers.claim(self.state)
        if number is None:
            return
        self.started.append(number)
        samples = self.state.spec.num_samples
        planned = tuple(PlannedRun(run_id=f"s.r.{number + k}", seed=number + k) for k in range(samples))
        point = Suggestion(params={"trainer.x": float(number)}, origin="protein")
        self.recorder.record(
            RolloutSuggested(rollout=len(self.state.rollouts), suggestion=point, runs=planned, max_retries=0)
        )

    def start(self, run) -> None:
        number = len(run.attempts) + 1
        self.recorder.record(AttemptStarted(run_id=run.run_id, attempt=number))
        self.recorder.record(AttemptSubmitted(run_id=run.run_id, attempt=number, handle={"pid": 1}))

    def finish(self, run) -> None:
        attempt = run.attempts[-1].number
        value = {"reward": float(number_of(run.run_id))}
        self.recorder.record(
            RunFinished(run_id=run.run_id, attempt=attempt, metrics=value, cost_s=2.0, steps=7, wall_s=3.0)
        )

    def publish(self) -> None:
        """Bring every run of its own that is over to the server, as the mirror does."""
        if self.server.is_away:
            return
        for run in list(self.state.runs.values()):
            number = number_of(run.run_id)
            sent = self.server.runs.get(number)
            if not self.state.rollouts[run.rollout].machine and run.state.is_over and (sent is None or not sent.seal):
                facts = run_facts(
                    self.state, run, RunPaths(self.paths.run(run.run_id).root), identity="i", redaction=NO_SECRETS
                )
                summary = {**facts.summary, OWN_KEY: {**facts.summary[OWN_KEY], "seal": "all of it"}}
                self.server.runs[number] = SentRun(
                    wandb_id=f"{run.run_id}-i",
                    name=run.run_id,
                    state=str(run.state),
                    config=facts.config,
                    summary=summary,
                )

    def close(self) -> None:
        self.journal.close()
