"""The mirror's work: which runs have something to send, sending it, and proving that it arrived."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from metta_sweep.store.journal import read_events
from metta_sweep.sweep.records import AttemptState, Run, RunState
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.client import Client, OpenRun
from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.facts import OWN_KEY, SEAL_KEY, STARTED_KEY
from metta_sweep.track.link import folder
from metta_sweep.track.overview import no_answer, overview
from metta_sweep.track.overview_run import send_overview
from metta_sweep.track.ranges import JOURNAL_FILE, OVERVIEW, machine_of, overview_id
from metta_sweep.track.server import SentRun, batches
from metta_sweep.track.sources import APART, RunSources
from metta_sweep.track.state_file import StateFile

PROVE_S = 30.0
"""Seconds between two looks at whether what was sent arrived."""

AT_ONCE = 8
"""Runs that are sent at once: a server that answers slowly or not at once must not hold up the others."""

BEGUN = "begun online"
"""Mark of a run of which something was sent; any other mark is the digest of what was written offline."""

BEST = "best"
"""Tag of the best rollout's runs."""

SAME_START_S = 1.0
"""Seconds by which the start of a run may differ here and there and be the same."""

SEND_LIMIT = 3
"""How often a run is sent whole before a person is told that it does not arrive."""

_log = logging.getLogger("metta_sweep.track")


class Mirroring:
    """Brings runs to W&B. What has been done is known from the server itself, so that nothing is done twice.

    A run's history goes on at the row that the server has; its summary carries, last of all, the digest of everything
    that was sent. A run whose digest is there is whole.
    """

    def __init__(
        self,
        sources: RunSources,
        client: Client,
        *,
        work: Path,
        alive: Callable[[], None] = lambda: None,
        answer: Callable[[SweepState, str], str] = no_answer,
    ) -> None:
        """Mirror a sweep.

        Args:
            sources: Tell what there is.
            client: Sends it.
            work: A folder for what is to be sent.
            alive: Is called between two runs.
            answer: Returns the report's answer as a page, given the address of a run's page with ``{run}`` in it.
        """
        self._sources = sources
        self._client = client
        self._work = work
        self._alive = alive
        self._answer = answer
        self._kept = StateFile(sources.paths)
        self._open: dict[str, OpenRun] = {}
        self._sizes: dict[str, int] = {}
        self._todo: dict[str, None] = {}
        self._left: set[str] = set()
        self._listed = 0
        self._unproven: dict[str, str] = {}
        self._sends: dict[str, int] = {}
        self._rested: dict[str, int] = {}
        self._looked_s = 0.0
        self._sent: dict[str, SentRun] = {}
        self._untouched = 0
        self._begun: set[str] = set()
        self._is_drawn = True
        self._forms: dict[str, tuple[str | None, int]] = {}
        self.whole: set[str] = set()
        """Runs that are whole at W&B, by id."""
        self.elsewhere: set[str] = set()
        """Those of them that another machine sent: a copy of the sweep went on there."""

    @property
    def pending(self) -> int:
        """How many runs have something to send or to prove."""
        return len(self._todo) + len(self._unproven)

    @property
    def is_settled(self) -> bool:
        """Whether every run that is over is whole at W&B."""
        is_sent = not any(self._run(run_id).state.is_over for run_id in self._todo)
        return is_sent and not self._unproven and not self._untouched

    @property
    def stopped_runs(self) -> tuple[str, ...]:
        """Living runs that a person stopped at W&B."""
        return tuple(run_id for run_id, opened in self._open.items() if opened.is_stopped)

    def begin(self, sent: dict[str, SentRun], *, compare: bool, is_new: bool = False) -> None:
        """Learn from the server which runs are whole.

        Args:
            sent: What the server has.
            compare: Whether each digest is compared with the journal, rather than taken as right.
            is_new: Whether the sweep was registered just now: only runs that trainers began themselves, and those that
                were written offline for ``wandb sync``, can be there.
        """
        self._is_drawn = not is_new
        self._sent, sealed = sent, []
        for run in self._runs():
            there = sent.get(self._sources.wandb_id(run))
            if there is None or self._is_from_elsewhere(run, there):
                continue
            seal = there.seal if run.state.is_over and there.shows(run) else None
            is_taken = not compare or not self._sources.is_here(run)
            if seal is not None and (is_taken or seal == self._sources.delivery(run).seal):
                sealed.append(run)
        self._look(self._sources.wandb_id(run) for run in sealed if self._has_files_here(run))
        torn = self._torn(sealed)  # an earlier mirror may have died between a run's summary and its files
        for run in sealed:
            if run.run_id not in torn:
                self._is_whole(run)
        unseen = [
            self._sources.wandb_id(run)
            for run in self._runs()
            if run.attempts and (not is_new or self._sources.is_joined(run) or self._kept.mark(run.run_id) is not None)
        ]
        self._begun |= self._client.ids_there([wandb_id for wandb_id in unseen if wandb_id not in sent])
        self._untouched = int(bool(self._to_touch_up()))

    def _is_from_elsewhere(self, run: Run, there: SentRun) -> bool:
        """Return whether the run there was started on another machine; it is not written over."""
        theirs, ours = there.own.get(STARTED_KEY), self._sources.started_at(run)
        is_another = theirs is not None and ours is not None and abs(theirs - ours) > SAME_START_S
        if is_another and run.run_id not in self.elsewhere:
            _log.warning("%s at W&B was done by another machine; it is left alone", run.run_id)
            self.elsewhere.add(run.run_id)
            self.whole.add(run.run_id)
        return is_another

    def begin_offline(self) -> None:
        """Learn from the marks in the sweep's folder which runs were written already.

        A run that was begun online is left to a later sync: ``wandb sync`` would add all of it to what is there.
        """
        for run in self._runs():
            mark = self._kept.mark(run.run_id)
            if mark in (BEGUN, APART):
                self._left.add(run.run_id)
            elif mark is not None and run.state.is_over and mark == self._sources.delivery(run).seal:
                self.whole.add(run.run_id)

    # ---------------------------------------------------------------- sending

    def tick(self) -> None:
        """Send what is new of every run that is not whole.

        Raises:
            TryLaterError, RefusedError: See :class:`Client`.
        """
        self._list_new_runs()
        self._leave_to_others()
        runs = [self._run(run_id) for run_id in self._todo]
        for run in runs:
            if run.attempts and not run.state.is_over and not self._client.is_offline:
                self._alive()
                self._follow(run)
        self._finish([run for run in runs if run.state.is_over])

    def _leave_to_others(self) -> None:
        """Take out of the list what another machine has sent meanwhile."""
        for run_id in list(self._todo):
            run = self._run(run_id)
            there = self._sent.get(self._sources.wandb_id(run))
            if there is not None and run_id not in self._open and self._is_from_elsewhere(run, there):
                del self._todo[run_id]

    def send_over(self) -> None:
        """Send what is left of the runs that are over."""
        self._finish([run for run_id in self._todo if (run := self._run(run_id)).state.is_over])

    def pause(self) -> None:
        """Let go of the runs that are not over; the next mirror goes on with them."""
        for run_id in list(self._open):
            self._open.pop(run_id).pause()

    def _let_go(self, run_id: str) -> None:
        """Write a run no longer: its trainer does."""
        if run_id in self._open:
            _log.warning("%s began a W&B run of its own after it had reported: leaving it to that one", run_id)
            self._open.pop(run_id).pause()

    def _follow(self, run: Run) -> None:
        """Send what a run has reported since the last time; let go of one that waits for its next attempt."""
        if run.begins_anew:
            return  # what lies there is of before
        is_alive = run.state is RunState.RUNNING
        if run.attempts[-1].state is AttemptState.STARTING or self._rested.get(run.run_id) == len(run.attempts):
            return
        if self._sources.is_joined(run):
            self._let_go(run.run_id)
            return
        if run.run_id not in self._open:
            if self._sources.history_size(run) == 0 and is_alive and self._sources.may_join(run):
                return
            self._open[run.run_id] = self._opened(run)
        before, self._sizes[run.run_id] = self._sizes.get(run.run_id), self._sources.history_size(run)
        if before != self._sizes[run.run_id] or not is_alive:
            self._open[run.run_id].send(self._sources.rows(run))
        self._send_log(run, self._open[run.run_id])
        if not is_alive:
            self._rested[run.run_id] = len(run.attempts)
            self._open.pop(run.run_id).pause()

    def _opened(self, run: Run) -> OpenRun:
        """Open the run anew; what an earlier mirror left of it on this disk is not needed."""
        if not self._client.is_offline and self._kept.mark(run.run_id) != APART:
            self._kept.set_mark(run.run_id, BEGUN)
        self._client.discard_local(self._sources.wandb_id(run))
        facts, origin = self._sources.facts(run), self._sources.origin(run)
        is_new = facts.wandb_id not in self._sent.keys() | self._begun and not self._sources.is_shared
        self._begun.add(facts.wandb_id)
        return self._client.open_run(facts, origin, is_new=is_new, pid=self._sources.process_of(run))

    def _send_log(self, run: Run, opened: OpenRun) -> None:
        """Send what the run's log has beyond what was sent."""
        wandb_id = self._sources.wandb_id(run)
        while True:
            text, opened.log_bytes = self._sources.log(run, opened.log_bytes)
            if not text:
                return
            opened.send_log(text, there=lambda: self._client.log_lines(wandb_id))

    def _finish(self, runs: Sequence[Run]) -> None:
        """Send all that is left of runs that are over, several at once."""
        if not runs:
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            futures = [pool.submit(self._deliver, run, self._open.pop(run.run_id, None)) for run in runs]
            for future in as_completed(futures):
                run_id, seal = future.result()
                self._alive()
                del self._todo[run_id]
                self._unproven[run_id] = seal

    def _deliver(self, run: Run, opened: OpenRun | None) -> tuple[str, str]:
        began_s = time.monotonic()
        delivery = self._sources.delivery(run)
        facts, seal = delivery.facts, delivery.seal
        if self._sources.is_joined(run):
            if self._client.annotate(facts, seal, creates=self._sources.is_offline_there(run)):
                return run.run_id, seal
            self._sources.set_apart(run)  # it named another project before the sweep was registered
            return self._deliver(run, opened)
        opened = opened or self._opened(run)
        own = {**self._known_there(run), **facts.summary[OWN_KEY], SEAL_KEY: seal}
        summary = {**facts.summary, OWN_KEY: own}
        staged = self._work / run.run_id
        opened.send(delivery.rows)
        self._send_log(run, opened)
        if not opened.has_stats:
            self._client.send_usage(facts.wandb_id, self._sources.usage(run))
        if delivery.checkpoint is not None:
            opened.keep(delivery.checkpoint, name=f"{run.run_id}-checkpoint")
        opened.close(summary=summary, files=delivery.files, folder=staged, exit_code=facts.exit_code)
        shutil.rmtree(staged, ignore_errors=True)
        _log.info("sent %s in %.2f s", run.run_id, time.monotonic() - began_s)
        return run.run_id, seal

    def _known_there(self, run: Run) -> Mapping[str, Any]:
        """Return what W&B knows of a run of which only the journal tells here: that is added to, not replaced."""
        there = self._sent.get(self._sources.wandb_id(run))
        return {} if there is None or self._sources.is_here(run) else there.own

    def _list_new_runs(self) -> None:
        run_ids = list(self._sources.feed.state.runs)
        ours = (run_id for run_id in run_ids[self._listed :] if self._is_to_send(self._run(run_id)))
        self._todo.update(dict.fromkeys(run_id for run_id in ours if run_id not in self.whole | self._left))
        self._listed = len(run_ids)
        for run_id, form in list(self._forms.items()):
            if form != _form(self._run(run_id)):  # it was discarded, had back, or is done again
                del self._forms[run_id]
                self.whole.discard(run_id)
                self._sends.pop(run_id, None)
                self._todo[run_id] = None

    def _is_to_send(self, run: Run) -> bool:
        """Return whether the run is this machine's; one that its trainer writes offline is left to a later catch-up."""
        return self._sources.is_ours(run) and not (self._client.is_offline and self._sources.is_joined(run))

    # ---------------------------------------------------------------- proving

    def prove(self, *, again: bool = True) -> None:
        """Ask the server which of the sent runs arrived whole; with ``again`` the others are sent once more."""
        self._looked_s = time.monotonic()
        if self._client.is_offline:
            self._mark_written()
            return
        unproven = [self._sources.wandb_id(self._run(run_id)) for run_id in self._unproven]
        self._look(dict.fromkeys([*unproven, *(there.wandb_id for there in self._to_touch_up())]))
        self._prove_sent(again=again)
        self._touch_up()

    def _look(self, wandb_ids: Iterable[str]) -> None:
        """Read anew what the server has of these runs: what a person changed there since it was read stays."""
        for chosen in batches(list(wandb_ids)):
            self._alive()
            found = self._client.runs_there(chosen)
            for wandb_id in chosen:
                self._sent.pop(wandb_id, None)
            self._sent.update(found)

    def _prove_sent(self, *, again: bool) -> None:
        """Tell of each run that was sent whether it has arrived."""
        runs = {run_id: self._run(run_id) for run_id in self._unproven}
        sealed = {run_id for run_id, run in runs.items() if self._seal_there(run) == self._unproven[run_id]}
        torn = self._torn([runs[run_id] for run_id in sealed])
        for run_id, run in runs.items():
            self._alive()
            if run_id in sealed - torn:
                del self._unproven[run_id]
                self._is_whole(run)
                self._untouched = max(1, self._untouched)
            elif again:
                self._send_again(run_id)

    def _seal_there(self, run: Run) -> str | None:
        there = self._sent.get(self._sources.wandb_id(run))
        return None if there is None else there.seal

    def _torn(self, runs: Iterable[Run]) -> set[str]:
        """Return which of these runs, just looked at, lack a file at W&B; what trainers write is left to them."""
        return {run.run_id for run in runs if self._has_files_here(run) and self._lacks_a_file(run)}

    def _has_files_here(self, run: Run) -> bool:
        return self._sources.is_here(run) and not self._sources.is_joined(run)

    def _lacks_a_file(self, run: Run) -> bool:
        there = self._sent.get(self._sources.wandb_id(run))
        names = there.files if there is not None else None
        return not (names or frozenset()) >= self._sources.files(run).keys()

    def _touch_up(self) -> None:
        """Have whole runs show the training's times and the best of them its tag: one request where any does not."""
        if not (changed := self._to_touch_up()):
            self._untouched = 0
            return
        self._untouched += 1
        try:
            self._client.change_runs(changed)
        except TryLaterError as error:
            if self._untouched <= SEND_LIMIT:
                raise
            _log.warning("times and tags could not be set: %s", error)
        self._sent.update((there.wandb_id, there) for there in changed)
        self._untouched = 0

    def _to_touch_up(self) -> list[SentRun]:
        """Return whole runs that do not show what they are to show yet, as they are to be.

        W&B's own columns are to show when the training was and how long it took, not the mirror's part in it. Runs of
        the best rollout, or of the front of several goals, and no others, carry the tag ``best``.
        """
        state, found = self._sources.feed.state, []
        chosen = [seen.rollout for seen in state.front] if state.incumbent is None else [state.incumbent.rollout]
        best = [run_id for rollout in chosen for run_id in state.rollouts[rollout].run_ids]
        for run in self._runs():
            there = self._sent.get(self._sources.wandb_id(run))
            if there is None or run.run_id not in self.whole - self.elsewhere:
                continue
            tags = [tag for tag in there.tags if tag != BEST] + [BEST] * (run.run_id in best and run.discarded is None)
            summary = {**there.summary, **self._sources.shown_times(run)}
            if summary != there.summary or sorted(tags) != sorted(there.tags):
                found.append(replace(there, summary=summary, tags=tuple(tags)))
        return found

    def prove_now_and_then(self) -> None:
        """Do :meth:`prove` where the last time is long enough ago."""
        if time.monotonic() - self._looked_s >= PROVE_S:
            self.prove()

    def _is_whole(self, run: Run) -> None:
        """Remember it; an offline copy of the run goes, since sending that as well would double its history."""
        self.whole.add(run.run_id)
        self._forms[run.run_id] = _form(run)
        for path in folder(self._sources.paths).glob(f"offline-run-*-{self._sources.wandb_id(run)}"):
            shutil.rmtree(path, ignore_errors=True)

    def _mark_written(self) -> None:
        """Remember offline runs as written: their folders may be synced and cleaned away."""
        for run_id, seal in self._unproven.items():
            self._kept.set_mark(run_id, seal)
        self.whole.update(self._unproven)
        self._unproven.clear()

    def _send_again(self, run_id: str) -> None:
        self._sends[run_id] = self._sends.get(run_id, 1) + 1
        if self._sends[run_id] > SEND_LIMIT:
            raise TryLaterError(f"{run_id} was sent {SEND_LIMIT} times and did not arrive whole")
        del self._unproven[run_id]
        self._todo[run_id] = None

    # ---------------------------------------------------------------- the sweep as a whole

    def id_there(self, run_id: str) -> str | None:
        """Return the W&B id of a run that is whole, or of the overview for an empty name; None before that."""
        if run_id:
            return self._sources.wandb_id(self._run(run_id)) if run_id in self.whole else None
        return self._overview_id if self._kept.mark(OVERVIEW) is not None else None

    @property
    def _overview_id(self) -> str:
        created, identity = self._sources.feed.state.created, self._sources.identity
        machine = machine_of(created) if created is not None and created.shared else ""
        return overview_id(self._sources.feed.state.spec.name, identity, machine)

    def _answer_page(self, wandb_id: str) -> str:
        """Return the report's answer; where it cannot be made the overview goes without."""
        try:
            return self._answer(self._sources.feed.state, self._client.run_page(wandb_id))
        except Exception:  # noqa: BLE001  it is a picture of the sweep: runs are sent whatever becomes of it
            _log.warning("the answer could not be made", exc_info=True)
            return ""

    def send_overview(self) -> None:
        """Bring the sweep's overview up to date where anything of it has changed since the last time."""
        state, identity = self._sources.feed.state, self._sources.identity
        shown = overview(state)
        mark = json.dumps([self._client.place.sweep_id, shown.summary], sort_keys=True, default=str)
        if self._client.is_offline or not shown.curves or self._kept.mark(OVERVIEW) == mark:
            return
        name, spec = f"{state.spec.name} {OVERVIEW}", state.spec
        described = {"sweep": spec.name, "identity": identity, "metric": spec.metric, "goal": str(spec.goal)}
        if spec.objectives or spec.bounds:
            described |= {"aim": spec.aim}
        config = {OWN_KEY: {**described, "parameters": dict(spec.parameters), "constraints": list(spec.constraints)}}
        wandb_id, redaction = self._overview_id, self._sources.redaction
        kept = "".join(json.dumps(redaction.of_config(event)) + "\n" for event in read_events(self._sources.paths))
        staged = self._work / OVERVIEW / JOURNAL_FILE
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(kept, encoding="utf-8")
        config = redaction.of_config(config)
        files = self._work / OVERVIEW
        answer = redaction.of_text(self._answer_page(f"{{run}}-{identity}"))
        is_new, self._is_drawn = not self._is_drawn, True
        send_overview(
            self._client,
            shown,
            name=name,
            wandb_id=wandb_id,
            config=config,
            files=files,
            answer=answer,
            is_new=is_new,
        )
        self._client.discard_local(wandb_id)
        self._kept.set_mark(OVERVIEW, mark)

    def _run(self, run_id: str) -> Run:
        return self._sources.feed.state.runs[run_id]

    def _runs(self) -> list[Run]:
        return [run for run in self._sources.feed.state.runs.values() if self._sources.is_ours(run)]


def _form(run: Run) -> tuple[str | None, int]:
    """Return what a person may change of a run that is over."""
    return run.discarded, run.anew
