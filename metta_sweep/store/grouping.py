"""Events of one turn in one transaction, for a controller whose runs cannot outlive it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metta_sweep.result import RunPaths
from metta_sweep.store.journal import SqliteJournal
from metta_sweep.store.paths import SweepPaths
from metta_sweep.store.runs import RunDirectories


class GroupedJournal:
    """Holds events back until something depends on them; implements the port ``Journal``.

    Where runs are calls in the controller's own process, a death takes both. So an event need not be on disk at once,
    but before anything is done that a later controller finds: before a run's directory is made, and before the
    controller waits for longer than a moment. :meth:`flush` is called at both, and a result is in its run's directory
    before it is here.
    """

    def __init__(self, journal: SqliteJournal) -> None:
        self._journal = journal
        self._held: list[Mapping[str, Any]] = []

    def append(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Take note of events, in order."""
        self._held.extend(events)

    def flush(self) -> None:
        """Store what is held back in one transaction; when it returns that survives a power cut.

        Raises:
            JournalWriteError: It could not be stored; nothing of it is.
            TakenOverError: Another controller has the sweep; nothing of it is stored.
        """
        if self._held:
            self._journal.append(self._held)
            self._held = []

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield every event in the order written."""
        self.flush()
        yield from self._journal.read()

    def close(self) -> None:
        """Store what is held back and release the file."""
        try:
            self.flush()
        finally:
            self._journal.close()


class GroupedRuns(RunDirectories):
    """The run directories of a sweep with a :class:`GroupedJournal`: no run has one before its events are on disk.

    What is written into one is not synced: it repeats what the journal has, and each attempt writes it anew.
    """

    def __init__(self, paths: SweepPaths, journal: GroupedJournal) -> None:
        super().__init__(paths, sync=False)
        self._journal = journal
        self._configs: dict[str, Mapping[str, Any]] = {}

    def prepare(
        self,
        run_id: str,
        *,
        config: Mapping[str, Any],
        suggestion: Mapping[str, Any],
        has_workdir: bool = False,
        files: Mapping[str, str] | None = None,
    ) -> RunPaths:
        """Make the run's directory once its events are on disk."""
        self._journal.flush()
        self._configs[run_id] = config
        return super().prepare(run_id, config=config, suggestion=suggestion, has_workdir=has_workdir, files=files)

    def _make_folders(self, run: RunPaths, *, has_workdir: bool) -> None:
        """Make the run's directory alone: a call leaves no marks of a launcher."""
        del has_workdir
        try:
            run.root.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:  # the first of all runs
            run.root.mkdir(parents=True, exist_ok=True)

    def take_config(self, run_id: str) -> dict[str, Any]:
        """Return the config of the attempt that was prepared last, to whoever begins it."""
        return dict(self._configs.pop(run_id))
