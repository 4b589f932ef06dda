"""What a config needs of the machine that its run will be on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from pydantic import TypeAdapter

from metta_sweep.envs.altar_game import Problem
from metta_sweep.envs.config import EXTRAS, EnvConfig, EnvUnavailableError
from metta_sweep.envs.vec_env import EnvSpec
from metta_sweep.extras import how_to_install
from metta_sweep.trainer.config import TrainingConfig
from metta_sweep.trainer.filters import picture_problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HardwareHere:
    """This machine, as a run is shown it."""

    gpus: int | None = None
    """How many of its GPUs; None: all."""

    def lacks(self, config: TrainingConfig) -> Iterator[Problem]:
        """Yield what a valid config asks for and is not there, by key.

        An environment of a package that is installed is made once: nothing else can judge what it was asked for.
        """
        if config.device.startswith("cuda"):
            problem = device_problem(config.device, gpu_count() if self.gpus is None else min(self.gpus, gpu_count()))
            yield from [("device", problem)] if problem else []
        if config.env.name in EXTRAS:
            yield from _unplayable(config)


def device_problem(name: str, gpus: int) -> str | None:
    """Return why a run that sees so many GPUs cannot compute on a device; None where it can."""
    number = int(name.partition(":")[2] or 0) if name.startswith("cuda") else -1
    if number < gpus:
        return None
    if gpus == 0:
        return f"need cpu or auto (a GPU where there is one), got {name}: there is no GPU here that torch can use"
    seen = f"a run sees {gpus} GPU{'s' * (gpus > 1)} (CUDA_VISIBLE_DEVICES chooses which)"
    return f"need cpu, auto or cuda:N with N below {gpus}, got {name}: {seen}"


@cache
def gpu_count() -> int:
    """Return how many GPUs torch can use; it is loaded for that, and touches none of them."""
    import torch

    return torch.cuda.device_count()


def _unplayable(config: TrainingConfig) -> Iterator[Problem]:
    """Yield why an environment that comes with an extra cannot be played."""
    module, package = EXTRAS[config.env.name]
    if find_spec(module) is None:
        yield "env.name", f"{package} is not installed: {how_to_install(config.env.name)}"
        return
    made = _made_once(config.env.model_dump_json())
    if isinstance(made, EnvUnavailableError):
        yield made.key, made.message
    elif config.agent.encoder == "conv":
        problem = picture_problem(made.picture, of_codes=made.code_sizes is not None)
        yield from [("agent.encoder", problem)] if problem else []


@cache
def _made_once(env: str) -> EnvSpec | EnvUnavailableError:
    """Make an environment, given as JSON, and return what a policy has to know of it, or why that does not go."""
    from metta_sweep.envs.make import make_env

    adapter: TypeAdapter[EnvConfig] = TypeAdapter(EnvConfig)
    config = adapter.validate_json(env)
    try:
        made = make_env(config, rows=config.num_agents)
    except EnvUnavailableError as error:
        return error
    spec = made.spec
    made.close()
    return spec
