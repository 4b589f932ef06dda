"""The mirror beside the loop: started once there is something to show, glanced at between turns, ended at the end."""

from __future__ import annotations

import os
from collections.abc import Callable

from metta_sweep.config.settings import WandbSettings
from metta_sweep.space import SearchSpace
from metta_sweep.store.instructions import InstructionFile
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import Instructed, SweepRegistered
from metta_sweep.sweep.ports import Instruction
from metta_sweep.sweep.recorder import Recorder
from metta_sweep.sweep.records import Run
from metta_sweep.track.controller import HURRIED_S, MirrorProcess, start_mirror
from metta_sweep.track.joining import joining
from metta_sweep.track.labels import labels_of
from metta_sweep.track.link import SOURCE, Link
from metta_sweep.track.settings import Mode, entity_of, mirrors, project_of
from metta_sweep.track.share.peers import BoardPeers

END_SHARE, SHORTEST_END_S, LONGEST_END_S = 0.1, 90.0, 180.0
"""Share of the sweep's time that its end may spend on sending what is left, and the limits of that in seconds.

Nothing is waited for where everything is there, and next to nothing where W&B has never answered.
"""


class MirrorCompanion:
    """Keeps the mirror of one sweep. Nothing that happens here can fail the sweep or make it wait."""

    def __init__(
        self,
        paths: SweepPaths,
        settings: WandbSettings,
        mode: Mode,
        recorder: Recorder,
        *,
        slots: int = 1,
        description: str = "",
    ) -> None:
        """Keep the mirror of ``paths``; ``slots``, the runs at once, matter to a sweep that other machines share."""
        self._description = description
        self._paths = paths
        self._slots = slots
        self._settings = settings
        self._mode = mode
        self._recorder = recorder
        self._mirror: MirrorProcess | None = None
        self._is_started = False
        self._instructions = 0
        self._peers: BoardPeers | None = None

    def join(self, space: SearchSpace) -> BoardPeers | None:
        """Return the other machines that work on the same sweep; None where it is not shared.

        Args:
            space: Its center is the point of the first rollout.
        """
        created = self._recorder.state.created
        if created is not None and created.shared:
            self._peers = BoardPeers(
                self._paths,
                self._recorder,
                center=space.decode(space.feasible_center),
                gone_after_s=self._settings.gone_after,
                is_mirrored=self._settings.share and self._mode is Mode.ONLINE,
            )
        return self._peers

    def environment(self, run: Run) -> dict[str, str]:
        """Return what makes a trainer's own ``wandb.init`` join the run of the sweep at W&B; nothing without a mirror.

        Args:
            run: The run that is about to be started.
        """
        state = self._recorder.state
        if state.created is None or not mirrors(self._settings, self._mode, os.environ):
            return {}
        entity = entity_of(self._settings, os.environ)
        joined = joining(state, run, self._paths, labels=labels_of(self._settings, os.environ))
        place = {
            "WANDB_PROJECT": project_of(self._settings, os.environ),
            **({"WANDB_ENTITY": entity} if entity else {}),
        }
        known = state.registered
        is_here = known is not None and known.project == place["WANDB_PROJECT"] and entity in (None, known.entity)
        sweep = {"WANDB_SWEEP_ID": known.sweep_id} if known is not None and is_here else {}
        return {**joined, **place, **sweep}

    def tick(self) -> None:
        """Start the mirror with the first run, pass on what it says, keep the sweep's id in the journal."""
        if self._mirror is not None:
            for line in self._mirror.poll():
                self._recorder.note(line)
            self._keep_registration(self._mirror)
            self._obey(self._mirror.link)
        elif not self._is_started and (self._recorder.state.live_runs or self._peers is not None):
            # The runs' own processes load first: the first result is worth more than its mirror image.
            self._is_started = True
            self._mirror = start_mirror(
                self._paths, self._settings, self._mode, slots=self._slots, description=self._description
            )
        if self._peers is not None:
            self._peers.tick()

    def _obey(self, link: Link) -> None:
        """Pass on what a person asks at W&B: of the sweep as from the command line, of a run through the journal."""
        if link.instructions > self._instructions:
            self._instructions = link.instructions
            InstructionFile(self._paths).give(Instruction(link.instruction), source=SOURCE)
        state = self._recorder.state
        live = {run.run_id for run in state.live_runs if not state.is_to_end(run)}
        for run_id in live.intersection(link.stopped_runs):
            self._recorder.record(Instructed(instruction="end_run", source=SOURCE, run_id=run_id))

    def _keep_registration(self, mirror: MirrorProcess) -> None:
        found = mirror.registration
        known = self._recorder.state.registered
        if found is not None and (known is None or known.sweep_id != found["sweep_id"]):
            self._recorder.record(
                SweepRegistered(
                    sweep_id=found["sweep_id"], entity=found["entity"], project=found["project"], url=found["url"]
                )
            )

    def end(self, *, hurry: bool, interrupted: Callable[[], bool] = lambda: False) -> None:
        """Let the mirror send what is left, for a bounded time, and say how far it came.

        Args:
            hurry: Whether a signal asked to stop: the rest is sent by the next start, or by ``metta-sweep sync``.
            interrupted: Whether a person waits no longer.
        """
        if self._mirror is None:
            return
        share_s = END_SHARE * self._recorder.elapsed_s
        over = sum(run.state.is_over for run in self._recorder.state.runs.values())
        limit_s = HURRIED_S if hurry else min(LONGEST_END_S, max(SHORTEST_END_S, share_s))
        line = self._mirror.stop(limit_s, runs=over, interrupted=interrupted)
        self._keep_registration(self._mirror)
        self._recorder.note(line)
