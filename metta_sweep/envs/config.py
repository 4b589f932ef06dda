"""What may be set of an environment: the ``env`` group, validated where it is made.

Light: pydantic and the standard library only, so that a sweep can check a config without loading numpy's users.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field

from metta_sweep.envs.altar_game import AltarGame, Problem, Settings
from metta_sweep.envs.tasks import TASKS, with_starts


class AltarEnv(Settings):
    """The altar game on a grid."""

    name: Literal["altar"]
    """Which environment."""
    num_agents: int = Field(default=1, ge=1, le=64)
    """Agents that share a map."""
    game: AltarGame
    """Its rules."""

    def problems(self) -> Iterator[Problem]:
        """Yield what no single field can know."""
        yield from ((f"game.{key}", rule) for key, rule in self.game.problems(self.num_agents))

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation; equal for games that one policy can play."""
        return self.game.appearance()


class PongGame(Settings):
    """Rules of Pong; lengths in court lengths, speeds in court lengths a step."""

    max_steps: int = Field(default=1000, ge=1)
    """Steps after which an episode is cut."""
    points: int = Field(default=5, ge=1)
    """Points that are played for."""
    paddle_size: float = Field(default=0.2, gt=0.0, lt=1.0)
    """Length of a paddle."""
    paddle_speed: float = Field(default=0.04, gt=0.0, le=1.0)
    """How far the agent's paddle moves in a step."""
    opponent_speed: float = Field(default=0.02, ge=0.0, le=1.0)
    """How far the opponent's paddle can move in a step."""
    ball_speed: float = Field(default=0.03, gt=0.0, le=0.3)
    """Speed of a serve; a rally makes it up to three times as fast."""


class PongEnv(Settings):
    """Pong against a paddle that follows the ball."""

    name: Literal["pong"]
    """Which environment."""
    num_agents: Literal[1] = 1
    """One: the opponent is part of the game."""
    game: PongGame = PongGame()
    """Its rules."""

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: each field knows its limits."""
        yield from ()

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation."""
        return ("pong",)


class CogevalEnv(Settings):
    """Cognitive tasks on the grid, side by side."""

    name: Literal["cogeval"]
    """Which environment."""
    num_agents: Literal[1] = 1
    """Agents of one environment."""
    tasks: tuple[str, ...] = tuple(TASKS)
    """Which tasks; the environments are shared out among them."""
    starts: Literal["task", "anywhere", "mixed"] = "task"
    """Where agents start in training: as the task has it, on any floor (exploring starts: Sutton and Barto, 2018,
    section 5.3), or either way, episode by episode. They are evaluated where the task has them start."""

    def as_evaluated(self) -> Self:
        """Return the tasks with their own starts."""
        return self.model_copy(update={"starts": "task"})

    def problems(self) -> Iterator[Problem]:
        """Yield what no single field can know."""
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            yield "tasks", "need at least one task, each once"
        for task in self.tasks:
            if task not in TASKS:
                yield "tasks", f"need tasks out of {', '.join(TASKS)}, got {task!r}"

    def games(self) -> list[AltarGame]:
        """Return the rules of each task."""
        return [AltarGame(**with_starts(task, self.starts)) for task in self.tasks]

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation: all tasks look alike."""
        return self.games()[0].appearance()


class GymnasiumEnv(Settings):
    """Any environment that gymnasium knows."""

    name: Literal["gymnasium"]
    """Which environment."""
    num_agents: Literal[1] = 1
    """Agents of one environment."""
    id: str = Field(min_length=1)
    """As ``gymnasium.make`` takes it: ``CartPole-v1``."""
    options: Mapping[str, Any] = Field(default_factory=dict)
    """Keyword arguments for ``gymnasium.make``."""

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: gymnasium alone can judge an id, when the environment is made."""
        yield from ()

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation."""
        return "gymnasium", self.id


class AtariEnv(Settings):
    """An Atari game, with the usual preprocessing."""

    name: Literal["atari"]
    """Which environment."""
    num_agents: Literal[1] = 1
    """Agents of one emulator."""
    id: str = Field(default="pong", min_length=1)
    """The game as ale-py names it."""
    frame_skip: int = Field(default=4, ge=1, le=60)
    """Frames that an action is held for; the last two are merged."""
    stack: int = Field(default=4, ge=1, le=16)
    """Screens in an observation."""
    size: int = Field(default=84, ge=36, le=210)
    """Side of a screen in pixels."""
    noop_max: int = Field(default=30, ge=0)
    """Frames of doing nothing, at most, before an episode begins."""
    sticky_actions: float = Field(default=0.0, ge=0.0, le=1.0)
    """Chance that a frame repeats the action before."""
    max_frames: int = Field(default=108_000, ge=1)
    """Frames after which an episode is cut."""
    clip_rewards: bool = True
    """Learn from the signs of rewards; statistics count the score."""
    full_action_space: bool = False
    """All 18 actions instead of those that do something in the game."""

    def problems(self) -> Iterator[Problem]:
        """Yield nothing: ale-py alone knows which games it has, when the environment is made."""
        yield from ()

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation, and what an action means."""
        return "atari", self.id, self.stack, self.size, self.full_action_space


MOST_VIEW = 15
"""Side of the largest view that mettagrid's tokens can tell the places of."""


class MettagridEnv(Settings):
    """The altar game on mettagrid's engine."""

    name: Literal["mettagrid"]
    """Which environment."""
    num_agents: int = Field(default=1, ge=1, le=64)
    """Agents that share a map."""
    game: AltarGame
    """Its rules; those that mettagrid cannot follow are refused."""

    def problems(self) -> Iterator[Problem]:
        """Yield what no single field can know, and what mettagrid does not have."""
        yield from ((f"game.{key}", rule) for key, rule in self.game.problems(self.num_agents))
        if self.game.view > MOST_VIEW:
            yield "game.view", f"need at most {MOST_VIEW} on mettagrid, got {self.game.view}"
        if self.game.map.ascii is not None or self.game.map.rooms > 1:
            yield "game.map.ascii" if self.game.map.rooms == 1 else "game.map.rooms", "mettagrid gets open random maps"
        for name, kind in self.game.objects.items():
            for key, value in (("hp", kind.hp), ("cooldown", kind.cooldown)):
                if value:
                    yield f"game.objects.{name}.{key}", f"mettagrid has no {key}: need 0, got {value}"

    def items(self) -> tuple[str, ...]:
        """Return the items of the game in alphabetical order."""
        return self.game.items()

    def appearance(self) -> tuple[object, ...]:
        """Return what decides the shape of an observation."""
        return "mettagrid", *self.game.appearance()


class EnvUnavailableError(ValueError):
    """An environment cannot be made on this machine, or not for this trainer; says the key and why."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(key, message)
        self.key, self.message = key, message


EXTRAS: Mapping[str, tuple[str, str]] = {
    "gymnasium": ("gymnasium", "gymnasium"),
    "atari": ("ale_py", "ale-py"),
    "mettagrid": ("mettagrid", "mettagrid"),
}
"""Environments that need an extra of the same name: the module, and the package that it comes in."""

ENV_NAMES = ("altar", "pong", "cogeval", "atari", "gymnasium", "mettagrid")
"""What ``env.name`` can be."""

EnvConfig: TypeAlias = Annotated[
    AltarEnv | PongEnv | CogevalEnv | AtariEnv | GymnasiumEnv | MettagridEnv, Field(discriminator="name")
]
"""The ``env`` group; ``name`` says which."""
