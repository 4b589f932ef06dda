"""Every file name of a sweep."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from metta_sweep.errors import Problem, RequestError
from metta_sweep.result import RunPaths

NAME_LIMIT = 100
"""Longest sweep name in characters: file systems take 255 bytes, and names of runs and attempts are made from it."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_RERUN = re.compile(r".+\.r\.[0-9]+\.rerun[0-9]*")


def validate_name(name: str) -> str:
    """Return the name where it can be a sweep's name.

    Raises:
        RequestError: It is empty, too long, leads out of the data directory, or holds other characters than letters,
            digits, ``.``, ``_`` and ``-``.
    """
    if _NAME.fullmatch(name) and len(name) <= NAME_LIMIT:
        return name
    raise RequestError(
        Problem(
            key="run",
            message=f"need a name of 1 to {NAME_LIMIT} letters, digits, '.', '_' or '-' "
            f"that starts with a letter, a digit or '_', got {name[: NAME_LIMIT + 20]!r}",
            fix=f"run={_proposed(name)}",
        )
    )


def _proposed(name: str) -> str:
    """Return the nearest name that would be taken."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:NAME_LIMIT].strip("._-") or "my_sweep"


@dataclass(frozen=True, slots=True)
class SweepPaths:
    """Every file and folder of the sweep ``name`` under ``data_dir``.

    Raises:
        RequestError: The name cannot be a sweep's name.
    """

    data_dir: Path
    """Where state lives, ``train_dir`` by default."""
    name: str
    """The sweep's name, ``run=NAME``."""

    def __post_init__(self) -> None:
        validate_name(self.name)

    @classmethod
    def of_folder(cls, folder: Path) -> SweepPaths | None:
        """Return the paths of a sweep by its own folder, ``DATA_DIR/sweep/NAME``; None where no sweep lies so."""
        folder = folder.expanduser().absolute()
        paths = cls(folder.parent.parent, folder.name)
        return paths if paths.root == folder else None

    @property
    def root(self) -> Path:
        """The sweep's own folder; one that does a run again and keeps it lies apart from the searches."""
        return self.data_dir / ("rerun" if _RERUN.fullmatch(self.name) else "sweep") / self.name

    @property
    def journal(self) -> Path:
        """The events: the truth."""
        return self.root / "sweep.db"

    @property
    def head(self) -> Path:
        """How far the journal was written, beside it: rows lost from its end show."""
        return self.root / "sweep.head"

    @property
    def lock(self) -> Path:
        """Held by the sweep's controller; says who that is."""
        return self.root / "sweep.lock"

    @property
    def asked(self) -> Path:
        """A copy of the latest request, for a journal that was lost altogether."""
        return self.root / "asked.json"

    @property
    def code(self) -> Path:
        """Folder of what differed from the git revision, a file for each that a start found."""
        return self.root / "code"

    @property
    def instruction(self) -> Path:
        """What a person at another terminal asks of the controller."""
        return self.root / "instruction.json"

    @property
    def requests(self) -> Path:
        """Points that people want run next and runs that they correct, a line each; the controller records them."""
        return self.root / "requests.jsonl"

    @property
    def imported(self) -> Path:
        """The sweep file that goes on with a sweep of another tool whose runs were imported."""
        return self.root / f"{self.name}.yaml"

    @property
    def launch(self) -> Path:
        """The launcher's own files: server locks and the server's log."""
        return self.root / "launch"

    @property
    def runs(self) -> Path:
        """Folder of the run directories."""
        return self.root / "runs"

    def run(self, run_id: str) -> RunPaths:
        """Return the paths of one run, whether or not they exist."""
        return RunPaths(self.runs / run_id)

    def aside(self, run_id: str, attempt: int) -> RunPaths:
        """Return where a run's directory is kept once it is begun anew after so many attempts."""
        return RunPaths(self.runs / f"{run_id}.attempt-{attempt}")

    def run_id(self, number: int) -> str:
        """Return the name of the run with that number, ``NAME.r.K``."""
        return f"{self.name}.r.{number}"

    def run_ids(self) -> list[str]:
        """Return the runs that have a directory, in the order of their numbers; other folders are left out."""
        prefix = f"{self.name}.r."
        try:
            names = [entry.name for entry in self.runs.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        numbers = (name.removeprefix(prefix) for name in names if name.startswith(prefix))
        return [prefix + text for text in sorted((text for text in numbers if text.isdecimal()), key=int)]

    def exists(self) -> bool:
        """Return whether anything of a sweep is there, damaged or not."""
        return self.journal.exists() or self.head.exists() or bool(self.run_ids())


def rerun_name(run_id: str, number: int) -> str:
    """Return the name under which a run is done again; ``number`` is from 1, for each way in which it is asked for."""
    return f"{run_id}.rerun{number if number > 1 else ''}"


def sweep_names(data_dir: Path) -> list[str]:
    """Return the names of the sweeps under ``data_dir``, sorted: searches, then runs that are done again."""
    entries = [*_folders(data_dir / "sweep"), *_folders(data_dir / "rerun")]
    found = (name for name in entries if _NAME.fullmatch(name) and SweepPaths(data_dir, name).exists())
    return list(dict.fromkeys(found))


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def unknown_sweep(data_dir: Path, name: str) -> RequestError:
    """Return the error for a sweep that is not there: which there are, and the nearest name."""
    names = sweep_names(data_dir)
    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    amount = "is 1 sweep" if len(names) == 1 else f"are {len(names)} sweeps"
    there = f"there {amount}: {', '.join(names)}" if names else f"there is no sweep under {data_dir / 'sweep'}"
    fix = f"did you mean {nearest[0]}?" if nearest else ""
    return RequestError(Problem(key="run", message=f"no sweep named {name!r}: {there}", fix=fix))
