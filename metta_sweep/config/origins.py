"""Where each value came from: the layers of a composed config, strongest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from metta_sweep.config.command_line import PLACE, CommandLine
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.sweep_files import SweepFiles
from metta_sweep.config.yaml_source import YamlSource, read_yaml
from metta_sweep.errors import Problem
from metta_sweep.trees import MISSING, get, leaves

COMMAND_LINE, SWEEP_FILE, USER, HARDWARE, DEFAULTS = "command line", "sweep file", "user", "hardware", "defaults"
SOURCES = (COMMAND_LINE, SWEEP_FILE, USER, HARDWARE, DEFAULTS)
"""What a value can come from, strongest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where one value came from."""

    source: str
    """``command line``, ``sweep file``, ``user``, ``hardware`` or ``defaults``."""
    place: str
    """The file and line, or the word on the command line."""
    choice: str = ""
    """The choice of a config group that brought it, as in ``env=pong``; empty where it was given itself."""
    default: Any = MISSING
    """What the value would be without it, as written in the defaults; MISSING where they have no such key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A file, and the config path at which its root lies."""

    source: str
    file: YamlSource
    prefix: str = ""
    chosen: str = ""
    is_sweep: bool = False

    def key(self, path: str) -> str | None:
        """Return the file's own spelling of exactly this config path, or None where the file has none."""
        if not path.startswith(self.prefix):
            return None
        inside = path.removeprefix(self.prefix)
        spellings = (inside, f"sweep.{inside}") if self.is_sweep else (inside,)
        return next((spelling for spelling in spellings if spelling in self.file.lines), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """The layers of one request."""

    line: CommandLine
    """The strongest of them."""
    layers: Sequence[_Layer]
    """The files, strongest first."""

    @classmethod
    def of(cls, places: ConfigPlaces, line: CommandLine, files: SweepFiles, choices: Mapping[str, Any]) -> Origins:
        """Read the files that a composition used.

        Raises:
            RequestError: One of them cannot be read.
        """
        layers = [_Layer(source=SWEEP_FILE, file=file.source, is_sweep=True) for file in files.stronger_first()]
        groups = {group: option for group, option in choices.items() if isinstance(option, str)}
        for group in (USER, HARDWARE, *sorted(set(groups) - {USER, HARDWARE})):
            for option in _with_bases(places, group, groups[group]) if group in groups else ():
                path = places.file(group, option)
                if path is not None:
                    read = read_yaml(path, shown=places.shown(path))
                    layers.append(_group_layer(group, groups[group], read, line, files))
        job = places.file("", places.job)
        if job is not None:
            layers.append(_Layer(source=DEFAULTS, file=read_yaml(job, shown=places.shown(job))))
        return cls(line=line, layers=layers)

    @property
    def files(self) -> list[YamlSource]:
        """Every file that was used beside the sweep files."""
        return [layer.file for layer in self.layers if not layer.is_sweep]

    def origin(self, path: str) -> Origin:
        """Return where the value at a config path came from."""
        while path:
            if self._typed(path):
                return Origin(source=COMMAND_LINE, place=PLACE, default=self._default(path))
            for layer in self.layers:
                key = layer.key(path)
                if key is not None:
                    return self._of_layer(layer, key, path)
            path = path.rpartition(".")[0]
        return Origin(source=DEFAULTS, place="")

    def _of_layer(self, layer: _Layer, key: str, path: str) -> Origin:
        place = f"{layer.file.file}, line {layer.file.lines[key]}"
        where = f"{layer.chosen}: {place}" if layer.chosen else place
        return Origin(source=layer.source, place=where, choice=layer.chosen, default=self._default(path))

    def _default(self, path: str) -> Any:
        """Return what the chosen groups and the job's defaults say of a path."""
        for layer in self.layers:
            key = layer.key(path) if layer.source == DEFAULTS or layer.chosen else None
            if key is not None:
                return get(layer.file.data, key)
        return MISSING

    def of_leaves(self, tree: Mapping[str, Any]) -> dict[str, Origin]:
        """Return the origin of every value of a config tree."""
        return {path: self.origin(path) for path, _ in leaves(tree)}

    def located(self, problem: Problem) -> Problem:
        """Return a problem with the place where its key, or the nearest mapping around it, was written.

        The key then reads as it does in that file: ``sweep.trainer.gamma`` in a sweep file.
        """
        path, layers = problem.key, self.layers
        while path and not problem.file:
            if self._typed(path) or any(given.key.startswith(f"{problem.key}.") for given in self.line.values):
                return problem.located(PLACE)
            for layer in layers:
                key = layer.key(path)
                if key is not None:
                    spelled = layer.prefix * (not layer.is_sweep) + key + problem.key[len(path) :]
                    return replace(problem.located(layer.file.file, layer.file.lines[key]), key=spelled)
            path = path.rpartition(".")[0]
            if problem.key.startswith(
                "sweep."
            ):  # what a sweep file lacks is not to be looked for in the job's defaults
                layers = [layer for layer in self.layers if layer.is_sweep]
        in_sweep = problem.key.startswith("sweep") and self.layers[0].is_sweep
        return problem.located(self.layers[0].file.file) if in_sweep else problem

    def _typed(self, path: str) -> bool:
        return self.line.gives(path) or self.line.gives(f"sweep.{path}")


def _with_bases(places: ConfigPlaces, group: str, option: str) -> list[str]:
    """Return an option of a group and those of the same group that its defaults list names, strongest first."""
    found = [option]
    for name in found:
        path = places.file(group, name)
        named = read_yaml(path, shown=places.shown(path)).data.get("defaults") if path is not None else None
        bases = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
        found += [base for base in bases if base != "_self_" and base not in found]
    return found


def _group_layer(group: str, option: str, file: YamlSource, line: CommandLine, files: SweepFiles) -> _Layer:
    prefix = "" if file.at_root else f"{group}."
    if group in (USER, HARDWARE):
        return _Layer(source=group, file=file, prefix=prefix)
    chooser = COMMAND_LINE if group in line.choices else SWEEP_FILE if group in files.choices else ""
    chosen = f"{group}={option}" if chooser else ""
    return _Layer(source=chooser or DEFAULTS, file=file, prefix=prefix, chosen=chosen)
