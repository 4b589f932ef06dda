"""The mirror process (``python -m metta_sweep.commands.mirror``): follows a sweep's journal and brings it to W&B.

It is crash-only: whatever goes wrong with W&B, the process ends with a status that says whether to start it again, and
the next one learns from the server where to go on. No call of the client is ever on the controller's path.
"""

from __future__ import annotations

import argparse
import functools
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from metta_sweep.secrecy import Redaction
from metta_sweep.store.files import take_lock
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.ports import Instruction
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.alerts import THE_END, Alerts, known
from metta_sweep.track.errors import ClientFailedError, RefusedError, TryLaterError
from metta_sweep.track.feed import Feed
from metta_sweep.track.link import Link, folder, lock_path
from metta_sweep.track.overview import no_answer
from metta_sweep.track.ranges import identity_of, registration
from metta_sweep.track.state_file import StateFile
from metta_sweep.track.watchdog import INCOMPLETE, REFUSED, TRY_AGAIN, Watchdog

if TYPE_CHECKING:
    from metta_sweep.track.graphql import GraphQL
    from metta_sweep.track.mirroring import Mirroring
    from metta_sweep.track.server import SentRun
    from metta_sweep.track.share.sharing import Sharing
    from metta_sweep.track.steering import Steering

TICK_S = 0.5
"""Seconds between two looks at the journal."""

REDRAW_S, REDRAW_SHARE = 120.0, 0.05
"""Seconds between two drawings of the overview while the sweep goes on, and the share of its time at the least."""

OVERVIEW_S = 3.0
"""Seconds that must be left for the overview at the end; it is drawn anew at the next catch-up."""

SETTLE_S = 2.0
"""Seconds in which two machines that register the same sweep at once will see each other's."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0
"""Seconds before W&B is asked again after a failure, doubled each time."""

REFUSED_PAUSE_S = 300.0
"""Seconds before credentials that were rejected are tried again."""

FIRST_LOOK_S, LOOKS = 0.2, 5
"""Seconds before an ending mirror looks again at what arrived, doubled each time, and looks before it sends again."""

PATIENCE_S = 30.0
"""Seconds that a catch-up waits for a server that does not answer."""

STRANGER_S = 5.0
"""Seconds that an ending mirror waits for a server that has never answered in this sweep."""

_log = logging.getLogger("metta_sweep.track")

Answer = Callable[[SweepPaths, SweepState, str], str]
"""Returns the report's answer as a page: of a sweep, with the address of a run's page, ``{run}`` in it."""


def main(arguments: Sequence[str] | None = None, *, answer: Answer = no_answer) -> int:
    """Mirror the sweep until told to stop, or once; return 0 where every finished run is whole at W&B."""
    options = parser().parse_args(arguments)
    os.nice(10)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    paths = SweepPaths(options.data_dir, options.name)
    link = Link.of(json.loads(options.link)).with_(state="starting", message="")
    folder(paths).mkdir(parents=True, exist_ok=True)
    if take_lock(lock_path(paths), patience_s=1.0) is None:
        _log.info("another mirror of this sweep is at work")
        return TRY_AGAIN
    watchdog = Watchdog(listen=not options.once, limit_s=options.limit_s)
    return _Process(paths, link, watchdog, once=options.once, answer=answer).run()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the mirror's own arguments; none of them is a secret."""
    parser = argparse.ArgumentParser(prog="metta_sweep.commands.mirror")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--link", required=True, help="a Link as JSON")
    parser.add_argument("--once", action="store_true", help="bring everything to W&B and end")
    parser.add_argument("--limit-s", type=float, default=None)
    return parser


class _Process:
    """One life of the mirror."""

    def __init__(
        self,
        paths: SweepPaths,
        link: Link,
        watchdog: Watchdog,
        *,
        once: bool,
        answer: Answer = no_answer,
    ) -> None:
        self._paths = paths
        self._link = link
        self._watchdog = watchdog
        self._once = once
        self._answer = answer
        self._feed = Feed(paths)
        self._work = folder(paths) / "work"
        self._noted = False
        self._drawn_s = time.monotonic()
        self._sharing: Sharing | None = None
        self._steering: Steering | None = None
        self._alerts: Alerts | None = None

    def run(self) -> int:
        end_left_service(self._paths)
        shutil.rmtree(self._work, ignore_errors=True)
        if not self._wait_for_work():
            return 0
        self._work.mkdir(parents=True, exist_ok=True)
        if not self._link.told:
            self._link = self._link.with_(told=tuple(known(self._feed.state) - {THE_END}))
        try:
            return self._mirror()
        except RefusedError as error:
            return self._fail("refused", error, REFUSED)
        except TryLaterError as error:
            return self._fail("away", error, TRY_AGAIN)

    @property
    def _offline(self) -> bool:
        return self._link.mode == "offline"

    @property
    def _is_ending(self) -> bool:
        return self._once or self._watchdog.is_stopping

    def _wait_for_work(self) -> bool:
        """Wait for the first event, offline for the first run that is over: until then the client is not needed."""
        while True:
            self._feed.follow()
            runs = self._feed.state.runs.values()
            if any(run.state.is_over for run in runs) if self._offline else not self._feed.state.is_empty:
                return True
            if self._is_ending:
                return False
            self._watchdog.wait(TICK_S)

    def _mirror(self) -> int:
        mirroring = self._begin()
        self._noted = note_service(self._paths)
        while True:
            self._feed.follow()
            mirroring.tick()
            self._noted = self._noted or note_service(self._paths)
            ending = self._is_ending
            self._report(mirroring)
            if ending and self._has_everything():
                return self._end(mirroring)
            self._try(mirroring.prove_now_and_then)
            self._try(self._steer)
            self._try(functools.partial(self._alert, mirroring))
            if time.monotonic() - self._drawn_s > max(REDRAW_S, REDRAW_SHARE * self._feed.state.elapsed_s):
                self._draw(mirroring)
            self._watchdog.wait(TICK_S)

    def _try(self, ask: Callable[[], None]) -> None:
        """Ask something of the service; where there is no answer it is asked again later."""
        try:
            ask()
        except ClientFailedError:
            raise
        except TryLaterError as error:
            _log.info("not now: %s", error)

    def _steer(self) -> None:
        """Keep the sweep's state the same on both sides; of a shared sweep it is that of all machines together."""
        state, sharing = self._feed.state, self._sharing
        if self._steering is None or self._others_go_on or (self._once and state.stopped is None):
            return
        if sharing is not None and not sharing.has_looked:
            return
        joins = sharing is not None and sharing.has_company
        self._steering.turn(state, listens=not self._is_ending, joins=joins)

    @property
    def _others_go_on(self) -> bool:
        """Whether the sweep is over here alone: other machines that share it are at work."""
        return self._feed.state.stopped is not None and self._sharing is not None and not self._sharing.is_last

    def _alert(self, mirroring: Mirroring) -> None:
        if self._alerts is not None and not self._others_go_on:
            self._alerts.turn(self._feed.state, mirroring.id_there)

    def _remember(self, told: str) -> None:
        self._link = self._link.with_(told=(*self._link.told, told))

    def _hear(self, instruction: Instruction) -> None:
        self._link = self._link.with_(instruction=str(instruction), instructions=self._link.instructions + 1)

    def _draw(self, mirroring: Mirroring) -> None:
        """Bring the overview up to date; without it the mirror is whole all the same."""
        self._drawn_s = time.monotonic()
        if self._watchdog.left_s > OVERVIEW_S:
            self._watchdog.alive()
            try:
                mirroring.send_overview()
            except TryLaterError as error:
                _log.warning("the overview could not be drawn: %s", error)

    def _has_everything(self) -> bool:
        """Return whether the journal holds nothing that was not read: the last tick was the last."""
        return not self._feed.follow()

    def _begin(self) -> Mirroring:
        """Come to know what W&B has; the client is loaded once the service has answered."""
        graphql, sent = self._connect() if not self._offline else (None, None)
        from metta_sweep.track.client import Client, WandbPath, prepare_environment
        from metta_sweep.track.mirroring import Mirroring
        from metta_sweep.track.sources import RunSources
        from metta_sweep.track.steering import Steering

        prepare_environment(self._work)
        place = WandbPath(entity=self._link.entity, project=self._link.project, sweep_id=self._link.sweep_id)
        client = Client(place, graphql=graphql, folder=self._paths.root if self._offline else self._work)
        sources = RunSources(
            paths=self._paths,
            feed=self._feed,
            redaction=Redaction.of_environment(os.environ),
            labels=self._link.labels,
            with_checkpoints=self._link.checkpoints,
        )
        mirroring = Mirroring(
            sources,
            client,
            work=self._work,
            alive=self._watchdog.alive,
            answer=functools.partial(self._answer, self._paths),
        )
        if graphql is None:
            mirroring.begin_offline()
        else:
            mirroring.begin(sent or {}, compare=self._once, is_new=sent is None)
            self._share(graphql)
            sweep_id, known = str(self._link.sweep_id), self._link.sweep_state
            self._steering = Steering(graphql, sweep_id, known=known, hear=self._hear)
            if not self._once:
                told, remember = self._link.told, self._remember
                self._alerts = Alerts(graphql, self._link.alert, sources.redaction, told=told, remember=remember)
        self._say("ok")
        return mirroring

    def _connect(self) -> tuple[GraphQL, dict[str, SentRun] | None]:
        """Register the sweep and read what W&B has of it, however long the service takes to answer.

        Returns:
            What asks the service, and the sweep's runs there; None where the sweep was made just now.

        Raises:
            TryLaterError: The time to end is up.
            RefusedError: The service rejected the credentials, and there is no time to try again.
        """
        pause_s, began_s = FIRST_PAUSE_S, time.monotonic()
        while True:
            self._watchdog.alive()
            try:
                return self._connected()
            except RefusedError as error:
                if self._is_ending:
                    raise
                self._say("refused", self._clean(error))
                self._watchdog.wait(REFUSED_PAUSE_S)
            except TryLaterError as error:
                if self._is_given_up(began_s):
                    raise
                self._say("away", self._clean(error))
                self._watchdog.pause(max(pause_s, min(error.retry_after_s, LONGEST_PAUSE_S)))
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            self._feed.follow()

    def _is_given_up(self, began_s: float) -> bool:
        """Return whether an ending mirror waits no longer: the rest is for a later catch-up."""
        waited_s = time.monotonic() - began_s
        is_stranger = self._link.sweep_id is None and waited_s > STRANGER_S
        is_late = self._once and waited_s > PATIENCE_S
        return self._is_ending and (is_stranger or is_late or self._watchdog.left_s <= 1.0)

    def _connected(self) -> tuple[GraphQL, dict[str, SentRun] | None]:
        from metta_sweep.track.graphql import GraphQL
        from metta_sweep.track.server import sent_runs

        graphql = GraphQL.of_environment(os.environ, entity=self._link.entity, project=self._link.project)
        graphql.check()
        is_new = self._register(graphql)
        return graphql, None if is_new else sent_runs(graphql, str(self._link.sweep_id))

    def _share(self, graphql: GraphQL) -> None:
        """Work together with other machines, where the sweep is shared."""
        from metta_sweep.track.share.machines import SharedServer
        from metta_sweep.track.share.sharing import Sharing

        created = self._feed.state.created
        if created is not None and created.shared:
            identity, sweep_id = identity_of(created), str(self._link.sweep_id)
            server = SharedServer(graphql.again(), sweep_id, name=created.spec.name, identity=identity)
            link = self._link
            self._sharing = Sharing(self._paths, server, slots=link.slots, gone_after_s=link.gone_after_s)
            if not self._once:
                self._sharing.start()

    def _known_id(self) -> str | None:
        """Return the id that the journal keeps for this place, or the one that an earlier mirror left."""
        kept = self._feed.state.registered
        here = kept is not None and kept.project == self._link.project and self._link.entity in (None, kept.entity)
        return kept.sweep_id if kept is not None and here else self._link.sweep_id

    def _register(self, graphql: GraphQL) -> bool:
        """Register the sweep where it is not, and return whether it was made just now."""
        from metta_sweep.track.register import register

        created = self._feed.state.created
        if created is None:
            return False
        identity = identity_of(created)
        settle_s = SETTLE_S if created.shared else 0.0
        config = registration(self._feed.state.spec, identity, self._link.description)
        found = register(graphql, config, identity, self._known_id(), settle_s=settle_s)
        self._link = self._link.with_(
            entity=found.entity,
            project=found.project,
            sweep_id=found.sweep_id,
            url=found.url,
            namesake=found.namesake or self._link.namesake,
        )
        return found.is_new

    def _end(self, mirroring: Mirroring) -> int:
        """Send what is left, prove it, and let go of runs that are not over."""
        mirroring.pause()
        self._settle(mirroring)
        self._report(mirroring)  # what is there is known before the overview, which may take the time that is left
        if self._sharing is not None:
            is_over = not self._once or self._feed.state.stopped is not None
            self._sharing.stop(left=is_over and not self._watchdog.controller_died)
        self._try(self._steer)
        self._draw(mirroring)
        self._try(functools.partial(self._alert, mirroring))
        self._report(mirroring)
        self._say("ended")
        shutil.rmtree(self._work, ignore_errors=True)
        return 0 if mirroring.is_settled else INCOMPLETE

    def _settle(self, mirroring: Mirroring) -> None:
        """Prove what was sent while there is time; what has not arrived after a while is sent once more."""
        pause_s, looks = FIRST_LOOK_S, 0
        while True:
            try:
                mirroring.prove(again=looks == LOOKS)
                mirroring.send_over()
                looks += 1
            except ClientFailedError:
                raise
            except TryLaterError as error:
                _log.info("not proven yet: %s", error)
            if mirroring.is_settled or self._watchdog.left_s <= pause_s:
                return
            self._watchdog.pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    @property
    def _state_there(self) -> str:
        return self._steering.known if self._steering is not None else self._link.sweep_state

    def _report(self, mirroring: Mirroring) -> None:
        counted = self._link.with_(
            mirrored=len(mirroring.whole),
            pending=mirroring.pending,
            stopped_runs=mirroring.stopped_runs,
            sweep_state=self._state_there,
            elsewhere=tuple(sorted(mirroring.elsewhere)),
        )
        if counted != self._link:
            self._link = counted
            self._link.write(self._paths)

    def _fail(self, state: str, error: Exception, status: int) -> int:
        """Say why and end without the client's own closing down, which might wait for the server."""
        self._say(state, self._clean(error))
        end_left_service(self._paths)
        sys.stderr.flush()
        os._exit(status)

    def _say(self, state: str, message: str = "") -> None:
        _log.info("%s %s", state, message)
        self._link = self._link.with_(state=state, message=message)
        self._link.write(self._paths)

    def _clean(self, error: Exception) -> str:
        return Redaction.of_environment(os.environ).of_values(str(error))


def note_service(paths: SweepPaths) -> bool:
    """Write down which process of the client sends for this mirror: the next one makes sure that it is gone.

    Returns:
        Whether there is one yet; looking through all processes is not for every turn.
    """
    services = [child for child in psutil.Process().children() if "wandb-core" in child.name()]
    if services:
        known = {str(child.pid): child.create_time() for child in services}
        StateFile(paths).write("service", known)
    return bool(services)


def end_left_service(paths: SweepPaths) -> None:
    """End the client's process of a mirror that died: two writers of one run destroy each other's history."""
    for pid, created in (StateFile(paths).read("service") or {}).items():
        try:
            process = psutil.Process(int(pid))
            if process.create_time() == created:
                process.kill()
                process.wait(5)
        except (psutil.Error, ValueError):
            continue
