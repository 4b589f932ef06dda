"""Composition: the job's defaults, groups, sweep files and the command line become one tree.

Hydra composes them, the sweep file last among the files as its experiment configs are. Then the ``sweep.<group>``
blocks are laid over the groups of the training config, and the command line over that once more, so that it wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from metta_sweep.config.command_line import PLACE, CommandLine, ValueOverride, quoted
from metta_sweep.config.environment import without_variables
from metta_sweep.config.interpolation import first_line
from metta_sweep.config.places import ConfigPlaces
from metta_sweep.config.sweep_file import AT_ROOT_TOO, SWEEP_KEYS
from metta_sweep.config.sweep_files import STORE_GROUP, SweepFiles
from metta_sweep.config.yaml_source import read_yaml
from metta_sweep.errors import Problem, RequestError
from metta_sweep.nearest import nearest
from metta_sweep.trees import leaves, nested

VERSION_BASE = "1.3"
"""The version of Hydra whose defaults hold."""
_CANNOT_COMPOSE = (HydraException, OmegaConfBaseException, yaml.YAMLError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The composed tree before interpolations are resolved."""

    config: DictConfig
    """Every root key; the ``sweep`` node as the sweep files and the command line left it."""
    blocks: Mapping[str, Any]
    """The ``sweep.<group>`` blocks, ``sweep.optimizer`` and ``sweep.protein``, unresolved."""
    choices: Mapping[str, str | None]
    """Chosen option by config group."""
    hydra: DictConfig
    """Hydra's own settings, with the folders that were searched."""


def composed(places: ConfigPlaces, line: CommandLine, files: SweepFiles) -> Composed:
    """Compose the request.

    Raises:
        RequestError: It cannot be composed; the message is Hydra's own, in one piece, or names the file at fault.

    Side effects:
        As of :func:`hydra_overrides`.
    """
    overrides = hydra_overrides(places, line, files)
    try:
        with initialize_config_dir(str(places.bundled), version_base=VERSION_BASE):
            whole = compose(places.job, overrides=overrides, return_hydra_config=True)
        config = OmegaConf.masked_copy(whole, [str(key) for key in whole if key != "hydra"])
        blocks = _blocks(config)
        config = _laid_over(config, blocks, line.values)
    except _CANNOT_COMPOSE as error:
        raise RequestError(*_causes(places, error)) from error
    chosen = OmegaConf.to_container(whole.hydra.runtime.choices)
    options = chosen.items() if isinstance(chosen, dict) else ()
    choices = {str(group): None if option is None else str(option) for group, option in options}
    return Composed(config=config, blocks=blocks, choices=choices, hydra=whole.hydra)


def hydra_overrides(places: ConfigPlaces, line: CommandLine, files: SweepFiles) -> list[str]:
    """Return the request in Hydra's own overrides, which know neither ``run`` nor sweep files.

    Side effects:
        The sweep files are put into Hydra's global config store, in a group that only this module uses.
    """
    store = ConfigStore.instance()
    for number, node in files.nodes.items():
        store.store(name="file", group=f"{STORE_GROUP}_{number}", node=node, package="_global_")
    folders = ",".join(quoted(f"file://{folder}") for folder in places.own)
    chosen = [f"~{group}" if name is None else f"{group}={quoted(name)}" for group, name in line.choices.items()]
    return [
        *([f"hydra.searchpath=[{folders}]"] if folders else []),
        *chosen,
        *([f"+{STORE_GROUP}_0=file"] if files.nodes else []),
        *(given.hydra for given in line.values if not given.removed),
    ]


def _blocks(config: DictConfig) -> dict[str, Any]:
    whole = OmegaConf.to_container(config, resolve=False)
    content = whole.get("sweep") if isinstance(whole, dict) else None
    if not isinstance(whole, dict) or not isinstance(content, dict):
        return {}
    if whole.get("command") or content.get("command"):
        content, _ = without_variables(content)
    moved = {str(key): value for key, value in content.items() if key not in SWEEP_KEYS or key in AT_ROOT_TOO}
    return {key: value for key, value in nested(moved).items() if value is not None}


def _laid_over(config: DictConfig, blocks: Mapping[str, Any], values: Sequence[ValueOverride]) -> DictConfig:
    """Return the config with the blocks over it, and the values of the command line over them."""
    OmegaConf.set_struct(config, False)
    merged = OmegaConf.merge(config, OmegaConf.create(dict(blocks)))
    if not isinstance(merged, DictConfig):  # merging mappings gives a mapping
        return config
    for given in values:
        if given.removed:
            _remove(merged, given.key)
        else:
            OmegaConf.update(merged, given.key, given.value, merge=True, force_add=True)
    return merged


def _remove(config: DictConfig, key: str) -> None:
    above, _, last = key.rpartition(".")
    parent = OmegaConf.select(config, above) if above else config
    if not isinstance(parent, DictConfig) or last not in parent:
        known = [path for path, _ in leaves(OmegaConf.to_container(config, resolve=False))]
        close = nearest(key, known)
        fix = f"did you mean ~{close}?" if close else ""
        problem = Problem(message="there is nothing to remove", key=key, file=PLACE, fix=fix)
        raise RequestError(problem)
    del parent[last]


def _causes(places: ConfigPlaces, error: BaseException) -> list[Problem]:
    """Return what is wrong with a file if a file is at fault, else Hydra's own words."""
    problems: list[Problem] = []
    for folder in places.folders:
        for path in sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]):
            try:
                problems += read_yaml(path, shown=places.shown(path)).problems
            except RequestError as unreadable:
                problems += unreadable.problems
    return problems or [Problem(message=f"the configuration cannot be composed: {first_line(error)}")]
