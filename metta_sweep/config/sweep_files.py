"""The asked sweep file and those it extends, with their defaults lists in the form that Hydra composes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.sweep_file import SweepFile, read_sweep
from metta_sweep.config.training_schema import TrainingKeys
from metta_sweep.config.yaml_source import brief, read_yaml
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import did_you_mean

STORE_GROUP = "sweep_file"
"""Start of the groups of Hydra's config store in which sweep files are put for a composition, one each."""
_MAX_FILES = 20  # sweep files that extend each other


@dataclass(slots=True)
class SweepFiles:
    """Sweep files, the asked one first."""

    places: ConfigPlaces
    groups: Mapping[str, Sequence[str]]
    training: TrainingKeys
    free: bool
    paths: list[Path] = field(default_factory=list)
    files: dict[int, SweepFile] = field(default_factory=dict)
    nodes: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Nodes for Hydra's config store, by the number of the file."""
    choices: dict[str, tuple[str | None, SweepFile]] = field(default_factory=dict)
    """Option that a file's defaults list chooses, by group, and that file; outer files win."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the files."""

    def add(self, path: Path, within: tuple[Path, ...] = ()) -> int:
        """Read a file and those it extends; return its number.

        Args:
            path: The file.
            within: The files that extend it, the asked one first.

        Raises:
            RequestError: A file cannot be read, or there are too many.
        """
        number = len(self.paths)
        if number >= _MAX_FILES:
            raise RequestError.of(f"need at most {_MAX_FILES} sweep files that extend each other", key="defaults")
        self.paths.append(path)
        source = read_yaml(path, shown=self.places.shown(path))
        file = self.files[number] = read_sweep(source, training=self.training, free=self.free)
        self.problems += file.problems
        self.nodes[number] = {"defaults": self._defaults(file, (*within, path)), **file.node()}
        return number

    @property
    def asked(self) -> SweepFile:
        """The file that was asked for."""
        return self.files[0]

    @property
    def command(self) -> bool:
        """Whether a file names a command of its own."""
        return any(file.settings.get("command") is not None for file in self.files.values())

    @property
    def swept(self) -> set[str]:
        """Dotted paths of the parameters of all files."""
        given = [file.settings.get("parameters") for file in self.files.values()]
        return {path for parameters in given if isinstance(parameters, dict) for path in parameters}

    def stronger_first(self) -> list[SweepFile]:
        """Return the files, those whose values win first."""
        return [self.files[number] for number in sorted(self.files)]

    def _defaults(self, file: SweepFile, within: tuple[Path, ...]) -> list[Any]:
        before: list[Any] = []
        overrides: list[Any] = []
        for number, entry in enumerate(file.defaults):
            if entry == "_self_":
                before.append(entry)
            elif isinstance(entry, str):
                before += self._extended(file, entry, number, within)
            elif isinstance(entry, dict) and len(entry) == 1:
                overrides += self._chosen(file, *next(iter(entry.items())), number)
            else:
                example = "defaults: [override /env: pong]"
                self._refuse(file, number, f"need a group choice or another sweep file, got {brief(entry)}", example)
        return [*before, *([] if "_self_" in before else ["_self_"]), *overrides]

    def _extended(self, file: SweepFile, entry: str, number: int, within: tuple[Path, ...]) -> list[Any]:
        try:
            base = self.places.sweep_file(entry.removeprefix("/"))
        except RequestError as error:
            self._refuse(file, number, error.problems[0].message, error.problems[0].fix)
            return []
        if base in within:
            self._refuse(file, number, f"{entry} extends itself", f"remove {entry} from the defaults")
            return []
        return [{f"/{STORE_GROUP}_{self.add(base, within)}": "file"}]

    def _chosen(self, file: SweepFile, key: str, option: Any, number: int) -> list[Any]:
        words = key.split()
        group = words[-1].removeprefix("/") if words else ""
        if isinstance(option, bool):
            option = "on" if option else "off"  # YAML reads the option `off` as a boolean
        if group not in self.groups or set(words[:-1]) - {"override", "optional"}:
            fix = did_you_mean(group, self.groups, otherwise="there are")
            self._refuse(file, number, f"need 'override /GROUP: NAME', got {key!r}", fix)
        elif option is not None and str(option) not in self.groups[group]:
            fix = did_you_mean(str(option), self.groups[group], otherwise="there are")
            self._refuse(file, number, f"there is no configs/{group}/{option}.yaml", fix)
        else:
            self.choices.setdefault(group, (None if option is None else str(option), file))
            return [{f"override /{group}": option if option is None else str(option)}]
        return []

    def _refuse(self, file: SweepFile, number: int, message: str, fix: str) -> None:
        self.problems.append(file.source.problem("defaults", message, fix=fix, at=f"defaults.{number}"))
