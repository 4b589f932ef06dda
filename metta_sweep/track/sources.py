"""Where a run's facts are read: the journal's state, the run's directory, and what is kept out of them."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from metta_sweep.result import RunPaths
from metta_sweep.secrecy import Redaction
from metta_sweep.store.files import read_json, write_whole
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import Run
from metta_sweep.track.facts import Row, RunFacts, history, is_here, last_checkpoint, run_facts, run_files
from metta_sweep.track.feed import Feed
from metta_sweep.track.joining import has_joined
from metta_sweep.track.labels import Labels
from metta_sweep.track.link import folder
from metta_sweep.track.ranges import identity_of

JOINING_S = 60.0
"""Seconds after its start in which a trainer may begin a W&B run of its own; one that reports sooner does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """All that is to be at W&B of a run that is over."""

    facts: RunFacts
    """Config, summary and state."""
    rows: list[Row]
    """History."""
    files: Mapping[str, str]
    """Texts by name."""
    checkpoint: Path | None = None
    """What is kept as an artifact."""

    @property
    def seal(self) -> str:
        """Return the digest of all of it."""
        return self.facts.seal(self.rows, self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSources:
    """Reads what is to be sent of each run."""

    paths: SweepPaths
    """The sweep."""
    feed: Feed
    """Its journal."""
    redaction: Redaction
    """Keeps secrets out."""
    labels: Labels = field(default_factory=Labels)
    """The user's names and tags."""
    with_checkpoints: bool = False
    """Whether checkpoints are sent."""

    @property
    def identity(self) -> str:
        """Return the sweep's identity.

        Raises:
            ValueError: Nothing was asked yet.
        """
        if self.feed.state.created is None:
            raise ValueError("the journal is empty yet")
        return identity_of(self.feed.state.created)

    def is_ours(self, run: Run) -> bool:
        """Return whether this machine did it; what another did is its own mirror's to send."""
        return run.confirms or not self.feed.state.rollouts[run.rollout].machine

    def is_here(self, run: Run) -> bool:
        """Return whether what the run left lies on this disk; otherwise only the journal knows of it."""
        return is_here(self.run_paths(run))

    def is_joined(self, run: Run) -> bool:
        """Return whether the run's trainer writes the run at W&B itself: history and files are left to it."""
        return has_joined(self.run_paths(run), self.wandb_id(run))

    def may_join(self, run: Run) -> bool:
        """Return whether its trainer may still do so: programs that are not ours may, soon after they start."""
        is_young = time.time() - (self.feed.times(run.run_id).starts or (0.0,))[-1] < JOINING_S
        return bool(self.feed.state.spec.command) and is_young

    def started_at(self, run: Run) -> float | None:
        """Return when its first attempt was started, seconds since the epoch; None before that."""
        starts = self.feed.times(run.run_id).starts
        return starts[0] if starts else None

    def wandb_id(self, run: Run) -> str:
        """Return the run's id at W&B."""
        return f"{run.run_id}-{self.identity}"

    def run_paths(self, run: Run) -> RunPaths:
        """Return the run's directory."""
        return self.paths.run(run.run_id)

    def facts(self, run: Run) -> RunFacts:
        """Return what identifies and describes the run now."""
        return run_facts(
            self.feed.state,
            run,
            self.run_paths(run),
            identity=self.identity,
            redaction=self.redaction,
            labels=self.labels,
            times=self.feed.times(run.run_id),
        )

    def rows(self, run: Run) -> list[Row]:
        """Return the run's evaluations so far."""
        return history(self.run_paths(run), self.feed.times(run.run_id))

    def files(self, run: Run) -> dict[str, str]:
        """Return the run's files."""
        if self.is_joined(run):
            return {}
        return run_files(self.run_paths(run), self.redaction)

    def delivery(self, run: Run) -> Delivery:
        """Return all that is to be sent of a run that is over."""
        if self.is_joined(run):
            return Delivery(facts=replace(self.facts(run), times={}), rows=[], files={})
        checkpoint = last_checkpoint(self.run_paths(run)) if self.with_checkpoints else None
        return Delivery(facts=self.facts(run), rows=self.rows(run), files=self.files(run), checkpoint=checkpoint)

    def history_size(self, run: Run) -> int:
        """Return the bytes of the run's evaluations: reading them all at each look would cost too much."""
        path = self.run_paths(run).metrics
        return path.stat().st_size if path.exists() else 0

    def process_of(self, run: Run) -> int | None:
        """Return the id of the training process, where the launcher has noted one on this host for a living attempt."""
        if not run.attempts or not run.attempts[-1].state.is_live:
            return None
        attempt_id = f"{run.run_id}.a{run.attempts[-1].number}"
        started = read_json(self.run_paths(run).attempts / f"{attempt_id}.start.json") or {}
        child = started.get("child") if started.get("host", socket.gethostname()) == socket.gethostname() else None
        return int(child["pid"]) if isinstance(child, dict) and isinstance(child.get("pid"), int) else None


class Marks:
    """Small notes about runs in the sweep's folder: what was begun online, what was written offline."""

    def __init__(self, paths: SweepPaths) -> None:
        self._folder: Path = folder(paths) / "marks"

    def get(self, name: str) -> str | None:
        """Return the note, or None where there is none."""
        path = self._folder / name
        return path.read_text("utf-8") if path.exists() else None

    def set(self, name: str, mark: str) -> None:
        """Write the note."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / name, mark, sync=False)
