"""Where configuration files lie: the project's own ``configs`` and those of the working directory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import metta_sweep
from metta_sweep.config.yaml_source import shown_path
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import nearest

JOB = "sweep_job"
"""Name of the root config."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigPlaces:
    """The folders that are searched for config files."""

    bundled: Path
    """The project's configs; its groups are found first."""
    own: tuple[Path, ...]
    """Folders beside it in Hydra's order of search: ``./configs`` of the working directory where it is another one,
    then what ``--config-dir`` and ``hydra.searchpath`` name. Sweep files are found in the last of them first."""
    cwd: Path
    """Working directory, absolute; names are shown relative to it."""
    job: str = JOB
    """Name of the root config."""

    @classmethod
    def of(cls, cwd: Path) -> ConfigPlaces:
        """Return the folders for a working directory: a checkout's configs, or those in the installed package."""
        package = Path(metta_sweep.__file__).resolve().parent
        checkout = package.parent / "configs"
        bundled = checkout if (checkout / f"{JOB}.yaml").is_file() else package / "configs"
        return cls.at(bundled, cwd)

    @classmethod
    def at(cls, bundled: Path, cwd: Path) -> ConfigPlaces:
        """Do what :meth:`of` does for project configs that lie elsewhere."""
        cwd = cwd.absolute()
        own = cwd / "configs"
        here = (own,) if own.is_dir() and own.resolve() != bundled.resolve() else ()
        return cls(bundled=bundled, own=here, cwd=cwd)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders in Hydra's order of search."""
        return (self.bundled, *self.own)

    def groups(self) -> dict[str, list[str]]:
        """Return the options of every config group that the project has; sweep files are no group."""
        names = [path.name for path in sorted(self.bundled.iterdir()) if path.is_dir() and path.name != "sweep"]
        return {name: self.options(name) for name in names}

    def options(self, group: str) -> list[str]:
        """Return the names of the files in a group, sorted."""
        return sorted({path.stem for folder in self.folders for path in (folder / group).glob("*.yaml")})

    def file(self, group: str, option: str) -> Path | None:
        """Return the file of a group's option; None where there is none."""
        found = (folder / group / f"{option}.yaml" for folder in self.folders)
        return next((path for path in found if path.is_file()), None)

    def sweep_file(self, asked: str) -> Path:
        """Return the sweep file that ``sweep/NAME``, ``NAME`` or a path ending in ``.yaml`` names.

        Raises:
            RequestError: There is none; the message lists those that exist and the nearest.
        """
        name = asked.removesuffix(".yaml")
        folders = reversed(self.folders)
        candidates = [folder / group / f"{name}.yaml" for folder in folders for group in ("", "sweep")]
        if asked.endswith((".yaml", ".yml")):
            candidates = [self.cwd / Path(asked).expanduser(), *candidates]
        inside = [path for path in candidates if _is_file(path) and path.name != f"{self.job}.yaml"]
        if not re.search(r"[\x00-\x1f]", asked) and asked.strip() and inside:
            return inside[0]
        known = [f"sweep/{option}" for option in self.options("sweep")]
        raise RequestError(
            Problem(
                message=f"there is no sweep file {asked[:200]!r}" if asked.strip() else "need the name of a sweep file",
                key="sweep_params",
                fix=_sweep_fix(asked, known),
            )
        )

    def shown(self, path: Path) -> str:
        """Return a file's name for a person."""
        return shown_path(path, self.cwd)


def _sweep_fix(asked: str, known: list[str]) -> str:
    there_are = f"there are: {', '.join(known)}"
    close = nearest(asked.rpartition("/")[2].removesuffix(".yaml"), [name.removeprefix("sweep/") for name in known])
    return f"did you mean sweep/{close}? ({there_are})" if close else there_are


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL byte
        return False
