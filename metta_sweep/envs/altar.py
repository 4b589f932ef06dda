"""The altar game: dig ore, make batteries, bring them to the altar for hearts."""

from __future__ import annotations

from collections.abc import Mapping

from metta_sweep.envs.altar_game import AltarGame, ObjectConfig
from metta_sweep.envs.grid import Grid
from metta_sweep.envs.grid_rules import Kind, Layout, Rules
from metta_sweep.envs.layouts import DrawnLayout, RandomLayout


def make_altar(game: AltarGame, *, num_agents: int, num_envs: int, first: int = 0) -> Grid:
    """Return ``num_envs`` maps of the game; rows are agents, map by map."""
    rules = compile_rules(game, num_agents)
    return Grid(rules, _layout(game, rules), num_envs, first=first)


def compile_rules(game: AltarGame, num_agents: int) -> Rules:
    """Turn names into positions: items in alphabetical order, kinds as written."""
    items = game.items()
    drawing, symbols = "".join(game.map.drawings[0]) if game.map.drawings else "", game.symbols()
    return Rules(
        kinds=tuple(
            _kind(name, kind, items, drawing.count(symbols[name]) if game.map.ascii is not None else 1)
            for name, kind in game.objects.items()
        ),
        items=items,
        rewards=tuple(game.rewards.get(item, 0.0) for item in items),
        num_agents=num_agents,
        max_steps=game.max_steps,
        limit_is_terminal=game.limit == "terminal",
        view=game.view,
        inventory_limit=game.inventory_limit,
    )


def _kind(name: str, kind: ObjectConfig, items: tuple[str, ...], count: int) -> Kind:
    def amounts(of: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(of.get(item, 0) for item in items)

    return Kind(
        name=name,
        count=count if kind.count is None else kind.count,
        inputs=amounts(kind.inputs),
        outputs=amounts(kind.outputs),
        cooldown=kind.cooldown,
        hp=kind.hp,
    )


def _layout(game: AltarGame, rules: Rules) -> Layout:
    if game.map.ascii is not None:
        return DrawnLayout(game.map.drawings, agents=rules.num_agents, symbols=list(game.symbols().values()))
    return RandomLayout(
        height=game.map.height,
        width=game.map.width,
        rooms=game.map.rooms,
        agents=rules.num_agents,
        objects=sum(kind.count for kind in rules.kinds),
        walls=game.map.walls,
    )
