"""The plugin as Hydra sees it: ``hydra/sweeper=protein``. Every Hydra app imports this file, so it imports nothing."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

DEFAULTS: dict[str, Any] = {
    "_target_": "hydra_plugins.hydra_protein_sweeper.protein_sweeper.ProteinSweeper",
    "_recursive_": False,  # another sweeper's sampler that is left in a config is named, not made
    "_convert_": "all",
    "name": None,
    "metric": "return",
    "goal": "minimize",
    "rollout_count": 20,
    "num_samples": 1,
    "params": {},
    "constraints": [],
    "bounds": None,
    "weights": None,
    "limits": {},
    "confirm": None,
    "early_stop": None,
    "protein": {},
    "results": None,
    "seed": 0,
    "launcher": {},
    "wandb": "off",
    "data_dir": None,
    "controller": None,
    "change": None,
    "takeover": False,
    "plan": False,
}
"""Every setting; docs/hydra.md says what each is."""


class ProteinSweeper(Sweeper):
    """Hands the sweep over to a controller of metta_sweep, which starts the app's own command line for every run."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Keep what the sweep needs; runs are processes of their own, so neither launcher nor function is."""
        del task_function
        self.hydra_context = hydra_context
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the sweep to its total and return what it found.

        Raises:
            SystemExit: With 2 where the request is wrong, 1 where the sweep failed, 130 or 143 where it was
                interrupted.
        """
        from hydra_protein_sweeper.sweeping import sweep

        assert self.hydra_context is not None and self.config is not None  # noqa: PT018  # setup came first
        return sweep(self.config, self.hydra_context.config_loader, arguments, self._settings)


# The node is open, so that a setting of another sweeper reaches us and is answered with the edit that mends it.
ConfigStore.instance().store(
    group="hydra/sweeper",
    name="protein",
    node=OmegaConf.create(DEFAULTS, flags={"struct": False}),
    provider="protein_sweeper",
)
