"""The altar game on mettagrid's engine, for policies that are to live there (the extra [mettagrid], pinned exactly).

What the agent does is mettagrid's: it walks, and walking into an object uses it. What it sees are mettagrid's tokens
(place, feature, value), laid out here as planes of numbers: one for each feature, and one for each tag that a cell can
have. There is neither hp nor cooldown: such settings are refused.

Episodes are seeded one by one, from (seed, environment, episode), the map too. What is inside an engine cannot be
saved: a restored one starts its next episodes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.action_spaces import Discrete
from metta_sweep.envs.altar_game import ObjectConfig
from metta_sweep.envs.config import EnvUnavailableError, MettagridEnv
from metta_sweep.envs.pictures import Color, draw_grid, grid_legend
from metta_sweep.envs.randomness import uniforms
from metta_sweep.envs.statistics import statistics
from metta_sweep.envs.vec_env import Bytes, Doubles, EnvSpec, Episodes, Ints, Observations, Step, Truncated
from metta_sweep.extras import how_to_install

NOWHERE, EVERYWHERE = 0xFF, 0xFE
"""Places of a token that is not there, and of one that belongs to the agent, not to a cell."""
MOST_TOKENS = 255
"""Tokens of an observation; a 15 x 15 view full of walls has 225."""
COUNTS_TO = 256.0
"""What mettagrid divides amounts by; the game's own limit says more."""


class MettagridEnvs:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` of mettagrid's engines, one Python call a step each.

    Args:
        config: The game.
        num_envs: Engines.
        first: Number of the first one, where others hold those before it.

    Raises:
        EnvUnavailableError: mettagrid is not installed, or refuses the game.
    """

    def __init__(self, config: MettagridEnv, *, num_envs: int, first: int = 0) -> None:
        self._config, self._game = config, _validated(game_settings(config))
        self._agents, self._items = config.num_agents, config.items()
        self._planes = _Planes(self._game, config)
        self._numbers = np.arange(first, first + num_envs)
        rows = num_envs * config.num_agents
        self._actions = self._game.game.actions.actions()
        self._spec = EnvSpec(rows=rows, actions=Discrete(len(self._actions)), width=self._planes.width)
        self._tokens = np.zeros((rows, MOST_TOKENS, 3), np.uint8)
        self._terminals, self._truncations = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        self._rewards, self._chosen = np.zeros(rows, np.float32), np.zeros((2, rows), np.int32)
        self._engines: list[Any] = [None] * num_envs
        self._seed = np.zeros(1, np.int64)
        self._episode = np.zeros(num_envs, np.int64)
        self._returns, self._length = np.zeros(rows), np.zeros(num_envs)
        self._finished: list[tuple[Ints, Doubles]] = []

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types: planes of numbers."""
        return self._spec

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every engine's first episode; they cannot be staggered."""
        del stagger
        self._seed[0] = seed
        self._episode[:] = 0
        self._begin_all(observations)

    def step(self, actions: Ints, out: Step) -> Truncated | None:
        """Play one step of every engine, one after the other."""
        self._chosen[0] = actions
        for engine in self._engines:
            engine.step()
        self._length += 1
        self._returns += self._rewards
        out.rewards[:], out.terminals[:] = self._rewards, self._terminals
        out.truncations[:] = self._truncations & ~self._terminals
        out.observations[:] = self._planes.drawn(self._tokens)
        ended = np.flatnonzero((out.terminals | out.truncations).reshape(len(self._engines), -1).all(1))
        if not len(ended):
            return None
        cut = np.flatnonzero(out.truncations)
        last = out.observations[cut]
        for number in ended:
            self._finish(int(number))
        rows = (ended[:, None] * self._agents + np.arange(self._agents)).reshape(-1)
        out.observations[rows] = self._planes.drawn(self._tokens[rows])
        return Truncated(rows=cut, observations=last) if len(cut) else None

    def drain(self) -> Episodes:
        """Return the episodes that ended since the last call."""
        names = statistics(self._config)
        rows = np.concatenate([np.zeros(0, np.int64), *(rows for rows, _ in self._finished)])
        table = np.concatenate([np.zeros((0, len(names))), *(stats for _, stats in self._finished)])
        self._finished.clear()
        return Episodes(rows=rows, stats=dict(zip(names, table.T, strict=True)))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return which episodes are being played; how far they are cannot be saved."""
        return {"seed": self._seed.copy(), "episode": self._episode.copy()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Start the episodes after those of :meth:`state`."""
        self._seed[:] = state["seed"]
        self._episode[:] = state["episode"] + 1
        self._begin_all(observations)

    def close(self) -> None:
        """Close every engine."""
        for engine in self._engines:
            if engine is not None:
                engine.close()

    @property
    def action_names(self) -> tuple[str, ...]:
        """Words for the actions."""
        return tuple(action.name.removeprefix("move_") for action in self._actions)

    @property
    def legend(self) -> Mapping[str, Color]:
        """What the colors of a picture mean."""
        return grid_legend(tuple(self._config.game.objects))

    def picture(self, env: int) -> Bytes:
        """Return an engine's map as it stands; which way an agent looks, and how far, is not told."""
        engine, kinds = self._engines[env], list(self._config.game.objects)
        cells = np.zeros((engine.map_height, engine.map_width), np.uint8)
        agents = np.zeros((self._agents, 2), np.int64)
        for thing in engine.grid_objects().values():
            at = thing["r"], thing["c"]
            if thing["type_name"] == "agent":
                agents[thing["agent_id"]] = at
            else:
                cells[at] = 1 if thing["type_name"] == "wall" else 3 + 2 * kinds.index(thing["type_name"])
        facing, sight = np.zeros(self._agents, np.int64), np.ones(cells.shape, np.bool_)
        return draw_grid(cells, kinds=len(kinds), agents=agents, facing=facing, sight=sight)

    def facts(self, env: int) -> Mapping[str, str]:
        """Return what an engine's first agent carries."""
        carried = self._engines[env].agent(0).inventory
        return {"carries": ", ".join(f"{amount} {item}" for item, amount in carried.items() if amount) or "nothing"}

    def _begin_all(self, observations: Observations) -> None:
        self._finished.clear()
        for number in range(len(self._engines)):
            self._begin(number)
        observations[:] = self._planes.drawn(self._tokens)

    def _finish(self, number: int) -> None:
        """Count an engine's episode and begin its next."""
        rows = self._rows(number)
        gained = self._engines[number].episode_stats["agent"]
        table = np.zeros((self._agents, 2 + len(self._items)))
        table[:, 0], table[:, 1] = self._returns[rows], self._length[number]
        table[:, 2:] = [[stats.get(f"{item}.gained", 0.0) for item in self._items] for stats in gained]
        self._finished.append((np.arange(rows.start, rows.stop), table))
        self._episode[number] += 1
        self._begin(number)

    def _begin(self, number: int) -> None:
        from mettagrid.simulator import Simulation
        from mettagrid.simulator.simulator import Buffers

        rows, episode = self._rows(number), slice(number, number + 1)
        draws = uniforms(int(self._seed[0]), self._numbers[episode], self._episode[episode], 2)[0]
        engine_seed, map_seed = (int(draw * 2**31) for draw in draws)
        game = self._game.model_copy(deep=True)
        game.game.map_builder.seed = map_seed
        buffers = Buffers(
            observations=self._tokens[rows],
            terminals=self._terminals[rows],
            truncations=self._truncations[rows],
            rewards=self._rewards[rows],
            masks=np.ones(self._agents, np.bool_),
            actions=self._chosen[0, rows],
            teacher_actions=self._chosen[1, rows],
        )
        self._engines[number] = Simulation(game, seed=engine_seed, buffers=buffers)
        self._returns[rows], self._length[number] = 0.0, 0.0

    def _rows(self, number: int) -> slice:
        return slice(number * self._agents, (number + 1) * self._agents)


class _Planes:
    """Where a token's value goes in an observation of planes, and what it is divided by."""

    def __init__(self, game: Any, config: MettagridEnv) -> None:
        features = {feature.name: feature for feature in game.game.id_map().features()}
        tags = len(game.game.id_map().tag_names())
        self._side = config.game.view
        self._tag = features["tag"].id
        self._first_tag = max(feature.id for feature in features.values()) + 1
        self.width = (self._first_tag + tags) * self._side**2
        self._scale = np.ones(self._first_tag, np.float32)
        for name, feature in features.items():
            carried = name.startswith("inv:") and feature.normalization == COUNTS_TO
            self._scale[feature.id] = config.game.inventory_limit if carried else max(feature.normalization, 1.0)

    def drawn(self, tokens: Bytes) -> Observations:
        """Return (rows, width) float32 of (rows, tokens, 3) bytes; what belongs to the agent stands in the middle."""
        seen = np.zeros((len(tokens), self.width), np.float32)
        row, token = np.nonzero(tokens[:, :, 0] != NOWHERE)
        place, feature, value = tokens[row, token].T.astype(np.int64)
        middle = self._side // 2
        y, x = (np.where(place == EVERYWHERE, middle, part) for part in (place >> 4, place & 15))
        is_tag = feature == self._tag
        plane = np.where(is_tag, self._first_tag + value, feature)
        seen[row, (plane * self._side + y) * self._side + x] = np.where(is_tag, 1.0, value / self._scale[feature])
        return seen


def game_settings(config: MettagridEnv) -> dict[str, Any]:
    """Return an altar game in mettagrid's own words."""
    game, objects = config.game, config.game.objects
    counts = {name: 1 if kind.count is None else kind.count for name, kind in objects.items()}
    return {
        "num_agents": config.num_agents,
        "max_steps": game.max_steps,
        "episode_truncates": game.limit == "truncation",
        "resource_names": list(config.items()),
        "obs": {"width": game.view, "height": game.view, "num_tokens": MOST_TOKENS},
        "actions": {"change_vibe": {"enabled": False}},
        "agent": {
            "inventory": {"default_limit": game.inventory_limit},
            "rewards": {item: _reward(item, weight) for item, weight in game.rewards.items()},
        },
        "objects": {
            "wall": {"pydantic_type": "wall", "name": "wall"},
            **{name: {"name": name, "on_use_handler": _use(kind)} for name, kind in objects.items()},
        },
        "map_builder": {
            "type": "mettagrid.map_builder.random_map.RandomMapBuilder.Config",
            "width": game.map.width,
            "height": game.map.height,
            "border_width": 1,
            "agents": config.num_agents,
            "objects": {**counts, **({"wall": game.map.walls} if game.map.walls else {})},
        },
    }


def _reward(item: str, weight: float) -> dict[str, Any]:
    """Return what is paid for each of an item that an agent gets."""
    return {"reward": {"values": [{"name": f"{item}.gained", "scope": "agent"}], "weights": [weight]}}


def _use(kind: ObjectConfig) -> dict[str, Any]:
    """Return what using an object does: take the inputs, if the agent has them, and give the outputs."""
    inputs, outputs = kind.inputs, kind.outputs
    change = {item: outputs.get(item, 0) - inputs.get(item, 0) for item in {**inputs, **outputs}}
    needs = [{"filter_type": "resource", "target": "actor", "resources": dict(inputs)}] if inputs else []
    gives = [{"mutation_type": "resource_delta", "target": "actor", "deltas": change}]
    return {"filters": needs, "mutations": gives}


def _validated(settings: Mapping[str, Any]) -> Any:
    """Return mettagrid's own config of a game.

    Raises:
        EnvUnavailableError: mettagrid is not installed, or refuses it.
    """
    root = logging.getLogger()
    kept = root.level, list(root.handlers)
    try:
        from mettagrid.config.mettagrid_config import MettaGridConfig

        return MettaGridConfig.model_validate({"game": settings})
    except ImportError as error:
        message = f"mettagrid is not installed: {how_to_install('mettagrid')}"
        raise EnvUnavailableError("env.name", message) from error
    except ValueError as error:
        raise EnvUnavailableError("env.game", f"mettagrid refuses it: {error}") from error
    finally:  # to import it is to set up the root logger, which is not its to set up
        root.setLevel(kept[0])
        root.handlers[:] = kept[1]
