"""The mirror's part in a shared sweep: claim rollouts, tell the others what is done here, pass on what they do."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.commands import run_config
from metta_sweep.sweep.events import to_json
from metta_sweep.sweep.records import Rollout
from metta_sweep.track.errors import RefusedError, TryLaterError
from metta_sweep.track.feed import Feed
from metta_sweep.track.labels import number_of
from metta_sweep.track.ranges import machine_of
from metta_sweep.track.server import SentRun
from metta_sweep.track.share.board import Board
from metta_sweep.track.share.claims import Claimed, Machine, Standing, wanted
from metta_sweep.track.share.machines import Page
from metta_sweep.track.share.retelling import is_over, retold

TICK_S = 0.25
"""Seconds between two looks at the journal."""

LOOK_S = 5.0
"""Seconds between two looks at W&B while nothing happens here; a sixth of ``gone_after`` where that is less."""

RETOLD_AT_ONCE = 50
"""Rollouts of others that are passed on at a time; the rest follows once these are in the journal."""

_log = logging.getLogger("metta_sweep.track")


class Server(Protocol):
    """What is asked of W&B; :class:`metta_sweep.track.share.machines.SharedServer` does."""

    def look(self, after: str | None) -> Page:
        """Return what is there."""

    def create(self, number: int) -> bool:
        """Claim a number, and return whether nobody had."""

    def sign(self, number: int, machine: str) -> None:
        """Say whose a claimed number is."""

    def post(self, record: Machine) -> None:
        """Replace this machine's record."""


class Sharing:
    """One machine's part in a shared sweep. ``turn`` is all of its work; ``start`` repeats it on a thread."""

    def __init__(
        self,
        paths: SweepPaths,
        server: Server,
        *,
        slots: int,
        gone_after_s: float,
        clock: Callable[[], float] = time.monotonic,
        host: str = "",
    ) -> None:
        """Share the sweep of ``paths``, whose journal has begun."""
        self._paths = paths
        self._server = server
        self._slots = slots
        self._gone_after_s = gone_after_s
        self._clock = clock
        self._feed = Feed(paths)
        self._feed.follow()
        assert self._feed.state.created is not None
        self._machine = machine_of(self._feed.state.created)
        self._record = Machine(machine=self._machine, host=host or socket.gethostname())
        self._others: dict[str, Machine] = {}
        self._runs: dict[int, SentRun] = {}
        self._claimed: set[int] = set()
        self._heard: dict[object, tuple[object, float]] = {}
        self._page: str | None = None
        self._done = (0, 0)
        self._has_looked = False
        self._next_look_s = self._clock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Sharing:
        """Begin to take turns and return this."""
        self._thread.start()
        return self

    def stop(self, *, left: bool) -> None:
        """Take no more turns; ``left`` says goodbye, so that what is unfinished here may be done elsewhere at once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5.0)
        if left:
            try:
                self._feed.follow()
                self._look()
                self._post(left=True)
                self._look()  # of two that leave at once, the later one sees that the other has left
                self._has_looked = True
            except (TryLaterError, RefusedError) as error:
                _log.info("could not say goodbye: %s", error)

    @property
    def has_looked(self) -> bool:
        """Whether it is known who else is at work."""
        return self._has_looked

    @property
    def has_company(self) -> bool:
        """Whether another machine is at work."""
        return not all(self._is_gone(machine) for machine in self._others)

    @property
    def is_last(self) -> bool:
        """Whether this machine has left and nobody else is at work: the end here is the sweep's."""
        return self._record.left and not self.has_company

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            try:
                self.turn()
            except (TryLaterError, RefusedError) as error:
                _log.info("sharing: %s", error)
                self._stop.wait(self._look_s)

    @property
    def _look_s(self) -> float:
        return min(LOOK_S, self._gone_after_s / 6)

    def turn(self) -> None:
        """Where something happened here or it is time: look, claim, tell, and write the board.

        Raises:
            TryLaterError, RefusedError: W&B does not take it now; the board is left as it was.
        """
        self._feed.follow()
        done = (len(self._feed.state.rollouts), len(self._feed.state.decided_rollouts))
        if done == self._done and self._clock() < self._next_look_s:
            return
        self._look()
        self._has_looked = True
        self._claim()
        self._post()
        self._board().write(self._paths)
        self._done, self._next_look_s = done, self._clock() + self._look_s

    # ---------------------------------------------------------------- what others do

    def _look(self) -> None:
        """Read every page on which something may have changed."""
        after: str | None = self._page
        while True:
            page = self._server.look(after)
            self._runs.update((number_of(run.run_id), run) for run in page.runs)
            self._others = {record.machine: record for record in page.machines}
            self._remember(self._others.pop(self._machine, None))
            if page.next_page is None:
                return
            if after == self._page and all(self._is_settled(run) for run in page.runs):
                self._page = page.next_page
            after = page.next_page

    def _remember(self, own: Machine | None) -> None:
        """Go on with the record that an earlier mirror of this machine left."""
        if own is not None and own.beat > self._record.beat:
            self._record = own

    def _is_settled(self, run: SentRun) -> bool:
        return run.seal is not None or number_of(run.run_id) in self._given_up

    @property
    def _given_up(self) -> frozenset[int]:
        return self._record.given_up.union(*(record.given_up for record in self._others.values()))

    def _is_silent(self, who: object, says: object) -> bool:
        """Return whether it has said the same for too long, by this machine's own clock."""
        before, since_s = self._heard.setdefault(who, (says, self._clock()))
        if before != says:
            self._heard[who] = (says, self._clock())
            return False
        return self._clock() - since_s > self._gone_after_s

    def _is_gone(self, machine: str) -> bool:
        record = self._others.get(machine)
        return record is not None and (record.left or self._is_silent(machine, record.beat))

    # ---------------------------------------------------------------- how things stand

    def _standing(self) -> Standing:
        known: dict[int, Claimed] = {}
        for number, runs in self._by_rollout().items():
            owner = self._owner(number, runs)
            over = bool(runs) and is_over(runs)
            known[number] = Claimed(number=number, owner=owner, is_over=over, is_left=self._is_left(number, owner))
        for record in self._others.values():
            for number in record.points:
                left = self._is_gone(record.machine)
                known.setdefault(number, Claimed(number=number, owner=record.machine, is_over=False, is_left=left))
        for number, rollout in self._own().items():
            decided = self._feed.state.is_decided(rollout)
            known[number] = Claimed(number=number, owner=self._machine, is_over=decided, is_left=False)
        return Standing(samples=self._samples, rollouts=known, given_up=self._given_up)

    @property
    def _samples(self) -> int:
        return self._feed.state.spec.num_samples

    def _by_rollout(self) -> dict[int, list[SentRun]]:
        """Return the search's runs at W&B by their rollout's number, in order; a claim is the first of its rollout."""
        found: dict[int, list[SentRun]] = {}
        for number, run in sorted(self._runs.items()):
            own = run.own
            if not own.get("confirms"):
                found.setdefault(own.get("first", number), []).append(run)
        return found

    def _owner(self, number: int, runs: list[SentRun]) -> str:
        """Return the machine that signed the number or says that it has it; empty where none does."""
        if number in self._claimed:
            return self._machine
        named = (record.machine for record in self._others.values() if number in record.points)
        return str(runs[0].own.get("machine") or next(named, ""))

    def _is_left(self, number: int, owner: str) -> bool:
        """Return whether the owner is gone; a claim that nobody signs had its reply lost, or its owner died there."""
        if owner == self._machine:
            return False
        return self._is_gone(owner) if owner in self._others else self._is_silent(number, owner)

    def _own(self) -> dict[int, Rollout]:
        """Return this machine's own rollouts by number."""
        mine = (rollout for rollout in self._feed.state.rollouts if not rollout.machine)
        return {number_of(rollout.run_ids[0]): rollout for rollout in mine}

    def _in_journal(self) -> dict[int, Rollout]:
        return {number_of(rollout.run_ids[0]): rollout for rollout in self._feed.state.rollouts}

    # ---------------------------------------------------------------- what is done here

    def _claim(self) -> None:
        """Have as many claims in hand as are needed, and give up what gone machines have left where none is free."""
        while not self._stop.is_set():
            standing, state = self._standing(), self._feed.state
            saved = int(state.counted_rollouts - state.full_rollouts)
            left = state.spec.rollout_count + saved - standing.counted
            if len(standing.in_hand(self._machine, self._own())) >= self._wanted(left):
                return
            if left > 0:
                self._take(standing.next_number)
            elif standing.left_over:
                self._record = replace(self._record, given_up=self._record.given_up | {standing.left_over[0]})
                self._post()
            else:
                return

    def _wanted(self, left: int) -> int:
        state = self._feed.state
        if state.stopped is not None or self._slots == 0:
            return 0
        open_runs = [run for rollout in state.open_rollouts for run in state.runs_of(rollout) if not run.state.is_over]
        alive = 1 + sum(not self._is_gone(machine) for machine in self._others)
        free = max(0, self._slots - len(open_runs))
        return wanted(free_runs=free, slots=self._slots, samples=self._samples, machines=alive, left=left)

    def _take(self, number: int) -> None:
        """Claim the number, or learn of whose it is."""
        if self._server.create(number):
            self._claimed.add(number)
            self._server.sign(number, self._machine)
        self._look()
        self._runs.setdefault(number, SentRun(wandb_id=f".{number}-", name="", state="", config={}, summary={}))

    def _post(self, *, left: bool = False) -> None:
        """Tell the others what is under way here."""
        state, own = self._feed.state, self._own()
        points: dict[int, Mapping[str, Any] | None] = {
            number: rollout.suggestion.params
            for number, rollout in own.items()
            if rollout in state.open_rollouts and number not in self._given_up
        }
        points.update(dict.fromkeys(self._standing().in_hand(self._machine, own)))
        self._record = replace(self._record, beat=self._record.beat + 1, points=points, left=left)
        self._server.post(self._record)

    # ---------------------------------------------------------------- the board

    def _board(self) -> Board:
        standing, known = self._standing(), self._in_journal()
        elsewhere = standing.elsewhere(self._machine)
        points = {number: self._point(number) for number in elsewhere}
        mine = {number: rollout for number, rollout in self._own().items() if not self._feed.state.is_decided(rollout)}
        return Board(
            beat=self._record.beat,
            in_hand=standing.in_hand(self._machine, self._own()),
            elsewhere=elsewhere,
            points=[dict(point) for point in points.values() if point is not None],
            is_first_elsewhere=0 in points and points[0] is None,
            ceded=sorted(standing.given_up & mine.keys()),
            finished=[
                self._finished(runs)
                for number, runs in self._by_rollout().items()
                if number not in known and standing.rollouts[number].owner != self._machine and is_over(runs)
            ][:RETOLD_AT_ONCE],
            machines=sorted(r.host for r in self._others.values() if not self._is_gone(r.machine)),
        )

    def _point(self, number: int) -> Mapping[str, Any] | None:
        """Return the point of another machine's rollout, where it is known."""
        told = next((r.points[number] for r in self._others.values() if r.points.get(number) is not None), None)
        return told if told is not None else self._runs[number].own.get("params")

    def _finished(self, runs: list[SentRun]) -> dict[str, Any]:
        owner = runs[0].own["machine"]
        host = self._others[owner].host if owner in self._others else owner
        training = self._feed.state.spec.training
        told = [run.own for run in runs]
        configs = {
            own["run"]: run_config(training, own["params"], run_id=own["run"], seed=own["seed"])
            for own in told
            if "params" in own
        }
        return {"events": [to_json(event) for event in retold(runs, host=host)], "configs": configs}
