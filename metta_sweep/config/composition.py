"""Composition by Hydra: the job's defaults, groups, sweep files and the command line become one tree.

Two passes. The first has everything but the ``sweep.<group>`` blocks in place and yields them as the sweep files and
the command line left them; the second puts them where the training config has these groups, after hardware and user
groups and before the command line.
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

from metta_sweep.config.command_line import CommandLine, quoted
from metta_sweep.config.interpolation import first_line
from metta_sweep.config.places import JOB, ConfigPlaces
from metta_sweep.config.sweep_file import SWEEP_KEYS
from metta_sweep.config.sweep_files import STORE_GROUP, SweepFiles
from metta_sweep.config.trees import copied, nested
from metta_sweep.config.yaml_source import read_yaml
from metta_sweep.errors import Problem, RequestError

BLOCKS_GROUP = "sweep_blocks"
"""Group of Hydra's config store that holds the ``sweep.<group>`` blocks in the second pass."""
_CANNOT_COMPOSE = (HydraException, OmegaConfBaseException, yaml.YAMLError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """The composed tree before interpolations are resolved."""

    config: DictConfig
    """Every root key; the ``sweep`` node as the sweep files and the command line left it."""
    blocks: Mapping[str, Any]
    """The ``sweep.<group>`` blocks and ``sweep.protein``, unresolved."""
    choices: Mapping[str, str | None]
    """Chosen option by config group."""


def composed(places: ConfigPlaces, line: CommandLine, files: SweepFiles) -> Composed:
    """Compose the request.

    Raises:
        RequestError: Hydra cannot compose it; the message is its own, in one piece.

    Side effects:
        Nodes are put into Hydra's global config store, under names that only this module uses.
    """
    store = ConfigStore.instance()
    for name, node in files.nodes.items():
        store.store(name=name, group=STORE_GROUP, node=node, package="_global_")
    overrides = [f"{group}={'null' if name is None else quoted(name)}" for group, name in line.choices.items()]
    overrides += [f"+{STORE_GROUP}=file_0"] if files.nodes else []
    values = [given.hydra for given in line.values]
    first = _compose(places, [*overrides, *values])
    blocks = _blocks(first)
    store.store(name="blocks", group=BLOCKS_GROUP, node=copied(blocks), package="_global_")
    second = _compose(places, [*overrides, f"+{BLOCKS_GROUP}=blocks", *values])
    choices = OmegaConf.to_container(second.hydra.runtime.choices)
    config = OmegaConf.masked_copy(second, [str(key) for key in second if key != "hydra"])
    chosen = choices.items() if isinstance(choices, dict) else ()
    options = {str(group): None if option is None else str(option) for group, option in chosen}
    return Composed(config=config, blocks=blocks, choices=options)


def _blocks(config: DictConfig) -> dict[str, Any]:
    sweep = OmegaConf.to_container(config, resolve=False)
    content = sweep.get("sweep") if isinstance(sweep, dict) else None
    if not isinstance(content, dict):
        return {}
    moved = {str(key): value for key, value in content.items() if key not in SWEEP_KEYS or key == "protein"}
    blocks = nested(moved)
    return {key: value for key, value in blocks.items() if value is not None}


def _compose(places: ConfigPlaces, overrides: Sequence[str]) -> DictConfig:
    search = [] if places.own is None else [f"hydra.searchpath=[{quoted(f'file://{places.own}')}]"]
    try:
        with initialize_config_dir(str(places.bundled), version_base="1.3"):
            return compose(JOB, overrides=[*search, *overrides], return_hydra_config=True)
    except _CANNOT_COMPOSE as error:
        raise RequestError(*_causes(places, error)) from error


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
