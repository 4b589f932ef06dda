"""Where a run's facts are read: the journal's state, the run's directory, and what is kept out of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metta_sweep.result import RunPaths
from metta_sweep.result.bounded import UnusableFileError, open_regular, read_bytes
from metta_sweep.secrecy import Redaction
from metta_sweep.store.files import read_json
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.records import Run
from metta_sweep.track.facts import (
    HistoryRow,
    RunFacts,
    Times,
    history,
    is_here,
    last_checkpoint,
    run_facts,
    run_files,
    times_shown,
    wandb_id_of,
)
from metta_sweep.track.feed import Feed
from metta_sweep.track.joining import has_joined
from metta_sweep.track.labels import Labels
from metta_sweep.track.ranges import identity_of
from metta_sweep.track.state_file import StateFile

JOINING_S = 60.0
"""Seconds after its start in which a trainer may begin a W&B run of its own; one that reports sooner does not."""

METADATA_FILE = "wandb-metadata.json"
"""Where W&B finds host, program and revision of a run."""

APART = "apart"
"""Mark of a run whose trainer has begun a W&B run in another project."""

LOG_AT_ONCE = 256 * 1024
"""Bytes of a log that are sent at a time."""

USAGE_BYTES = 16 * 1024 * 1024
"""Bytes of notes of what a run used; more are not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run was done and of what."""

    host: str
    """Its machine."""
    program: str
    """What was run, without arguments."""
    commit: str
    """Git revision of the folder that the sweep was started in; empty where it is not known."""
    words: tuple[str, ...] = ()
    """The sweep's command, as it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """All that is to be at W&B of a run that is over."""

    facts: RunFacts
    """Config, summary and state."""
    rows: list[HistoryRow]
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

    @property
    def is_shared(self) -> bool:
        """Whether other machines do runs of the same sweep."""
        return self.feed.state.created is not None and self.feed.state.created.shared

    def is_ours(self, run: Run) -> bool:
        """Return whether this machine did it; what another did is its own mirror's to send."""
        return run.confirms or not self.feed.state.rollouts[run.rollout].machine

    def is_here(self, run: Run) -> bool:
        """Return whether what the run left lies on this disk; otherwise only the journal knows of it."""
        return is_here(self.run_paths(run))

    def is_joined(self, run: Run) -> bool:
        """Return whether the run's trainer writes the run at W&B itself: history and files are left to it."""
        has_begun = has_joined(self.run_paths(run), self.wandb_id(run))
        return has_begun and StateFile(self.paths).mark(run.run_id) != APART

    def is_offline_there(self, run: Run) -> bool:
        """Return whether its trainer has written the run offline: it may come to W&B later."""
        return has_joined(self.run_paths(run), self.wandb_id(run), prefix="offline-run-")

    def set_apart(self, run: Run) -> None:
        """Remember that its trainer's run is somewhere else: this one is written from here."""
        StateFile(self.paths).set_mark(run.run_id, APART)

    def may_join(self, run: Run) -> bool:
        """Return whether its trainer may still do so: programs that are not ours may, soon after they start."""
        is_young = time.time() - (self.feed.times(run.run_id).starts or (0.0,))[-1] < JOINING_S
        return bool(self.feed.state.spec.command) and is_young

    def started_at(self, run: Run) -> float | None:
        """Return when its first attempt was started, seconds since the epoch; None before that."""
        starts = self._times(run).starts
        return starts[0] if starts else None

    def _times(self, run: Run) -> Times:
        """Return when its attempts were started and when it ended, since it was begun anew where it was."""
        times = self.feed.times(run.run_id)
        return replace(times, starts=times.starts[run.anew :])

    def wandb_id(self, run: Run) -> str:
        """Return the run's id at W&B."""
        return wandb_id_of(run, self.identity)

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
            times=self._times(run),
        )

    def shown_times(self, run: Run) -> dict[str, Any]:
        """Return what W&B's own columns of time are to show of a run that is over; nothing where its trainer says."""
        is_unknown = not self.is_here(run) or self.is_joined(run)
        return {} if is_unknown else times_shown(run, self._times(run))

    def rows(self, run: Run) -> list[HistoryRow]:
        """Return the run's evaluations so far."""
        return history(self.run_paths(run), self._times(run))

    def files(self, run: Run) -> dict[str, str]:
        """Return the run's files."""
        if self.is_joined(run):
            return {}
        found = run_files(self.run_paths(run), self.redaction)
        return {**found, METADATA_FILE: self._metadata(run)} if self.is_here(run) else found

    def _metadata(self, run: Run) -> str:
        """Return what the client would have noted of the training process where it was started."""
        origin, starts = self.origin(run), self._times(run).starts
        began = datetime.fromtimestamp(starts[0], UTC).isoformat() if starts else None
        found = {"host": origin.host, "program": origin.program, "args": list(origin.words), "startedAt": began}
        commit = {"git": {"commit": origin.commit}} if origin.commit else {}
        return json.dumps({**found, **commit, **self._start_of(run).get("machine", {})}, indent=1) + "\n"

    def origin(self, run: Run) -> Origin:
        """Return where the run was done and of what."""
        state = self.feed.state
        start = state.start_of(run) or state.created
        known = start.code if start is not None else None
        return Origin(
            host=str(self._start_of(run).get("host") or (start.host if start is not None else "")),
            program=program_of(state.spec.command),
            commit=known.commit if known is not None else "",
            words=tuple(map(self.redaction.of_values, state.spec.command)),
        )

    def log(self, run: Run, after: int) -> tuple[str, int]:
        """Return whole lines of the run's log behind so many bytes, and the bytes until there; no secrets."""
        try:
            with open_regular(self.run_paths(run).log) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(after if after <= size else size)  # a log that was cut is followed from its end
                read = file.read(LOG_AT_ONCE)
        except (OSError, UnusableFileError):
            return "", after
        whole = read[: read.rfind(b"\n") + 1]
        return self.redaction.of_text(whole.decode(errors="replace")), min(after, size) + len(whole)

    def usage(self, run: Run) -> list[dict[str, Any]]:
        """Return what the run's processes used, as W&B's system metrics, all attempts in order."""
        starts = self._times(run).starts
        found = []
        for attempt in run.attempts[run.anew :]:
            path = self.run_paths(run).attempts / f"{run.run_id}.a{attempt.number}.usage.jsonl"
            found += [system_metrics(noted, starts[0] if starts else noted["t"]) for noted in read_json_lines(path)]
        return found

    def _start_of(self, run: Run) -> Mapping[str, Any]:
        """Return what was noted where the last attempt was started."""
        if not run.attempts:
            return {}
        name = f"{run.run_id}.a{run.attempts[-1].number}.start.json"
        return read_json(self.run_paths(run).attempts / name) or {}

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
        """Return the training process whose GPUs the client is to watch: on this host, of a living attempt.

        What runs use beside GPUs is noted by whoever keeps them.
        """
        if not run.attempts or not run.attempts[-1].state.is_live:
            return None
        started = self._start_of(run)
        if not started.get("gpus"):
            return None
        child = started.get("child") if started.get("host", socket.gethostname()) == socket.gethostname() else None
        return int(child["pid"]) if isinstance(child, dict) and isinstance(child.get("pid"), int) else None


def program_of(command: Sequence[str]) -> str:
    """Return what a command runs: the script or module behind an interpreter, or the program itself."""
    if not command:
        return "metta_sweep.train"
    scripts = (word for word in command if word.endswith((".py", ".sh", ".js", ".jl", ".R")))
    modules = (after for word, after in itertools.pairwise(command) if word == "-m")
    return next(scripts, next(modules, command[0]))


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file of notes that have a time; none where it cannot be read."""
    found = []
    try:
        for line in read_bytes(path, USAGE_BYTES).decode(errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                noted = json.loads(line)
                found += [noted] if isinstance(noted, dict) and isinstance(noted.get("t"), int | float) else []
    except (OSError, UnusableFileError):
        return []
    return found


def system_metrics(noted: Mapping[str, Any], began: float) -> dict[str, Any]:
    """Return a note of what processes used, in the client's names."""
    names = {
        "cpu": "system.cpu",
        "rss_mb": "system.proc.memory.rssMB",
        "threads": "system.proc.cpu.threads",
        "host_memory": "system.memory_percent",
    }
    shown = {name: noted[ours] for ours, name in names.items() if ours in noted}
    return {**shown, "_timestamp": noted["t"], "_runtime": round(noted["t"] - began, 3), "_wandb": True}
