"""The grid game once more, one map and one cell at a time: slow, obvious, and what the engine must equal."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from metta_sweep.envs.altar_game import AltarGame

STEPS = {1: (-1, 0), 2: (1, 0), 3: (0, -1), 4: (0, 1)}


@dataclass
class Thing:
    name: str
    ready_at: int = 0
    uses: int = 0


@dataclass
class Agent:
    y: int
    x: int
    facing: int = 1
    carried: dict = field(default_factory=dict)
    stats: dict = field(default_factory=dict)

    def count(self, name, amount=1):
        self.stats[name] = self.stats.get(name, 0) + amount


class SlowGame:
    """One episode on one map; ``walls`` is a set of (y, x), ``things`` maps (y, x) to a name."""

    def __init__(self, game: AltarGame, height, width, walls, things, agents):
        self.game, self.height, self.width, self.walls = game, height, width, walls
        self.things = {place: Thing(name) for place, name in things.items()}
        self.agents = [Agent(y, x) for y, x in agents]
        self.tick = 0
        self.items = sorted({i for o in game.objects.values() for i in (*o.inputs, *o.outputs)})

    def step(self, actions):
        rewards = [self.act(agent, action) for agent, action in zip(self.agents, actions, strict=True)]
        self.tick += 1
        return rewards, self.tick >= self.game.max_steps

    def act(self, agent, action):
        if action == 0:
            agent.count("action.noop")
        elif action in STEPS:
            agent.facing = action
            place = self.ahead(agent)
            if self.is_free(place):
                agent.y, agent.x = place
                agent.count("action.move")
            else:
                agent.count("action.move.blocked")
        else:
            agent.count("action.use")
            thing = self.things.get(self.ahead(agent))
            if thing is not None:
                return self.use(agent, thing)
        return 0.0

    def ahead(self, agent):
        dy, dx = STEPS[agent.facing]
        return agent.y + dy, agent.x + dx

    def is_free(self, place):
        return (
            place not in self.walls
            and place not in self.things
            and all((agent.y, agent.x) != place for agent in self.agents)
        )

    def use(self, agent, thing):
        kind = self.game.objects[thing.name]
        if self.is_busy(thing):
            return 0.0
        after = dict(agent.carried)
        for item, amount in kind.inputs.items():
            if after.get(item, 0) < amount:
                return 0.0
            after[item] -= amount
        for item, amount in kind.outputs.items():
            after[item] = after.get(item, 0) + amount
        if any(amount > self.game.inventory_limit for amount in after.values()):
            return 0.0
        agent.carried = after
        thing.uses += 1
        thing.ready_at = self.tick + 1 + kind.cooldown
        agent.count(f"action.use.{thing.name}")
        for item, amount in kind.inputs.items():
            agent.count(f"{item}.put", amount)
        for item, amount in kind.outputs.items():
            agent.count(f"{item}.get", amount)
        reward = sum(self.game.rewards.get(item, 0.0) * amount for item, amount in kind.outputs.items())
        agent.count("reward", reward)
        return reward

    def is_busy(self, thing):
        kind = self.game.objects[thing.name]
        return self.tick < thing.ready_at or (kind.hp > 0 and thing.uses >= kind.hp)

    def code(self, y, x):
        names = list(self.game.objects)
        if (y, x) in self.walls:
            return 1
        if any((agent.y, agent.x) == (y, x) for agent in self.agents):
            return 2
        if (y, x) in self.things:
            thing = self.things[y, x]
            return 3 + 2 * names.index(thing.name) + self.is_busy(thing)
        return 0

    def observation(self, agent):
        r = self.game.view // 2
        seen = [self.code(agent.y + dy, agent.x + dx) for dy in range(-r, r + 1) for dx in range(-r, r + 1)]
        return np.array([*seen, *(agent.carried.get(item, 0) for item in self.items), agent.facing - 1], np.uint8)
