"""The rules of the altar game as they are asked for: objects, items, map; validated where they are made.

Light: pydantic and the standard library only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Problem: TypeAlias = tuple[str, str]
"""A dotted key, relative to the model that found it, and the rule that its value breaks."""

WALL, FLOOR, AGENT = "#", ".", "@"
"""Characters of an ASCII map that are no objects; a space is floor too."""


class Settings(BaseModel):
    """Base of every part of the training config: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ObjectConfig(Settings):
    """A kind of object that agents can use: it turns inputs into outputs."""

    count: int | None = Field(default=None, ge=0)
    """How many a map has; null: one on a random map, as many as are drawn on an ASCII map."""
    symbol: str = Field(default="", max_length=1)
    """Its character on an ASCII map; empty: the first letter of its name."""
    inputs: Mapping[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Items that a use takes from the agent."""
    outputs: Mapping[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    """Items that a use gives to the agent."""
    cooldown: int = Field(default=0, ge=0)
    """Ticks after a use during which it cannot be used again."""
    hp: int = Field(default=0, ge=0)
    """Uses before it is spent; 0: unlimited."""


class MapConfig(Settings):
    """The map of a game."""

    width: int = Field(default=9, ge=3, le=128)
    """Cells from west to east, with the outer walls; an ASCII map brings its own."""
    height: int = Field(default=9, ge=3, le=128)
    """Cells from north to south, with the outer walls."""
    rooms: int = Field(default=1, ge=1, le=16)
    """Rooms along each side of a random map, with a door at a random place of each wall between two of them."""
    walls: int = Field(default=0, ge=0)
    """Single walls strewn over a random map."""
    ascii: str | tuple[str, ...] | None = None
    """A drawn map instead of a random one, one line a row of cells; of several, each episode draws one."""

    @property
    def drawings(self) -> list[list[str]]:
        """The ASCII maps, as rows."""
        drawn = (self.ascii,) if isinstance(self.ascii, str) else self.ascii or ()
        return [[line for line in text.splitlines() if line.strip()] for text in drawn]


class AltarGame(Settings):
    """Rules of the altar game: ore from mines, batteries from generators, hearts from altars."""

    max_steps: int = Field(default=64, ge=1)
    """Ticks after which an episode ends."""
    limit: Literal["truncation", "terminal"] = "truncation"
    """What the end by max_steps means to learning: the game was cut and would have gone on, so that what comes after
    counts; or time is part of the task, and nothing comes after."""
    view: int = Field(default=11, ge=3, le=31)
    """Side of the square that an agent sees around itself; odd."""
    inventory_limit: int = Field(default=5, ge=1, le=255)
    """How many of one item an agent can carry."""
    map: MapConfig = MapConfig()
    """Where it is played."""
    rewards: Mapping[str, float] = Field(default_factory=dict)
    """Reward for each item that an agent gets from an object."""
    objects: Mapping[str, ObjectConfig]
    """Kinds of objects by name."""

    def problems(self, num_agents: int) -> Iterator[Problem]:
        """Yield what no single field can know."""
        if self.view % 2 == 0:
            yield "view", f"need an odd number, got {self.view}"
        if 3 + 2 * len(self.objects) > 255:
            yield "objects", f"need at most 126 kinds, got {len(self.objects)}"
        yield from self._item_problems()
        yield from (
            self._drawn_problems(num_agents) if self.map.ascii is not None else self._random_problems(num_agents)
        )

    def _item_problems(self) -> Iterator[Problem]:
        given = {item for kind in self.objects.values() for item in kind.outputs}
        for name, kind in self.objects.items():
            if not kind.inputs and not kind.outputs:
                yield f"objects.{name}", "need inputs or outputs: an object that takes and gives nothing has no use"
            for way, items in (("inputs", kind.inputs), ("outputs", kind.outputs)):
                for item, amount in items.items():
                    if amount > self.inventory_limit:
                        yield f"objects.{name}.{way}.{item}", f"need at most inventory_limit, got {amount}"
            for item in sorted(set(kind.inputs) - given):
                yield f"objects.{name}.inputs.{item}", "no object gives this item"
        for item in sorted(set(self.rewards) - given):
            yield f"rewards.{item}", "no object gives this item"

    def _random_problems(self, num_agents: int) -> Iterator[Problem]:
        width, height, inner_walls = self.map.width - 2, self.map.height - 2, self.map.rooms - 1
        least = 2 * inner_walls + 3
        if min(self.map.width, self.map.height) < least:
            yield "map.rooms", f"need at least {least} cells each way, got {self.map.width}x{self.map.height}"
            return
        room = (width - inner_walls) * (height - inner_walls)
        things = num_agents + self.map.walls + sum(1 if o.count is None else o.count for o in self.objects.values())
        if things > room:
            yield "map", f"need room for {things} agents, walls and objects, got {room} cells inside the walls"

    def _drawn_problems(self, num_agents: int) -> Iterator[Problem]:
        drawings = self.map.drawings
        if not drawings:
            yield "map.ascii", "need at least one map"
        for rows in drawings:
            yield from self._drawing_problems(rows, num_agents)
        symbols = set(self.symbols().values())
        alike = {(len(rows), len(rows[0]), *sorted(_things(rows, symbols).items())) for rows in drawings if rows}
        if len(alike) > 1:
            yield "map.ascii", "need maps of one size with the same number of each object"

    def _drawing_problems(self, rows: list[str], num_agents: int) -> Iterator[Problem]:
        symbols = self.symbols()
        seen = Counter("".join(rows))
        if not rows or len({len(row) for row in rows}) > 1 or min(len(rows), len(rows[0])) < 3:
            yield "map.ascii", "need at least 3 rows of at least 3 characters, all of one length"
            return
        edge = rows[0] + rows[-1] + "".join(row[0] + row[-1] for row in rows)
        if set(edge) != {WALL}:
            yield "map.ascii", f"need walls ({WALL}) all around"
        if self.map.walls or self.map.rooms > 1:
            yield "map.walls" if self.map.walls else "map.rooms", "an ASCII map draws its own walls: need none beside"
        if seen[AGENT] < num_agents:
            yield "map.ascii", f"need {num_agents} places for agents ({AGENT}), got {seen[AGENT]}"
        if len(set(symbols.values())) < len(symbols) or set(symbols.values()) & {WALL, FLOOR, AGENT, " "}:
            yield "objects", f"need a symbol of its own for each kind, got {symbols}"
        for unknown in sorted(set(seen) - set(symbols.values()) - {WALL, FLOOR, AGENT, " "}):
            yield "map.ascii", f"no object has the symbol {unknown!r}; known: {', '.join(symbols.values())}"
        for name, kind in self.objects.items():
            if kind.count is not None and kind.count != seen[symbols[name]]:
                rule = f"need the {seen[symbols[name]]} of the ASCII map (or null), got {kind.count}"
                yield f"objects.{name}.count", rule

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation."""
        return "grid", self.view, self.inventory_limit, tuple(self.objects), self.items()

    def items(self) -> tuple[str, ...]:
        """Return all that objects take or give, in alphabetical order."""
        return tuple(sorted({item for kind in self.objects.values() for item in (*kind.inputs, *kind.outputs)}))

    def symbols(self) -> dict[str, str]:
        """Return each kind's character on an ASCII map."""
        return {name: kind.symbol or name[:1] for name, kind in self.objects.items()}


def _things(rows: list[str], symbols: set[str]) -> Counter[str]:
    return Counter(character for row in rows for character in row if character in symbols)
