"""The tasks ask what they claim to ask."""

from collections import deque

import numpy as np
import pytest

from metta_sweep.envs.altar_game import AltarGame
from metta_sweep.envs.config import CogevalEnv
from metta_sweep.envs.grid import EAST, NORTH, SOUTH, USE, WEST
from metta_sweep.envs.make import make_env
from metta_sweep.envs.tasks import TASKS
from metta_sweep.envs.vec_env import Step
from tests.envs.games import altar

MOVES = {NORTH: (-1, 0), SOUTH: (1, 0), WEST: (0, -1), EAST: (0, 1)}


def cogeval(*tasks):
    return CogevalEnv(name="cogeval", tasks=tasks or tuple(TASKS))


def path(rows, start, symbol):
    """Return the shortest actions from a place to using the nearest object with a symbol, and where they end."""
    seen, queue = {start}, deque([(start, [])])
    while queue:
        (y, x), actions = queue.popleft()
        for action, (dy, dx) in MOVES.items():
            place = (y + dy, x + dx)
            character = rows[place[0]][place[1]]
            if character == symbol:
                return [*actions, action, USE], (y, x)
            if character in ".@" and place not in seen:
                seen.add(place)
                queue.append((place, [*actions, action]))
    raise AssertionError(f"no way from {start} to {symbol}")


def starts(rows):
    return [(y, x) for y, row in enumerate(rows) for x, character in enumerate(row) if character == "@"]


@pytest.mark.parametrize("task", TASKS)
def test_every_map_is_a_valid_game_that_looks_like_the_shipped_altar_game(task):
    game = AltarGame(**TASKS[task])
    assert list(game.problems(1)) == []
    assert {game.appearance()} == {cogeval(other).appearance() for other in TASKS}


@pytest.mark.parametrize("task", ["corridor", "rooms", "t_maze"])
def test_the_goal_can_be_reached_in_time_from_every_start_of_every_map(task):
    game = AltarGame(**TASKS[task])
    for rows in game.map.drawings:
        for start in starts(rows):
            actions, _ = path(rows, start, "a")
            assert len(actions) <= game.max_steps


@pytest.mark.parametrize(("task", "hearts"), [("craft", 1), ("patience", 2)])
def test_the_whole_chain_can_be_done_in_time(task, hearts):
    config = cogeval(task)
    env = make_env(config, rows=1)
    (rows,) = config.games()[0].map.drawings
    out = Step.empty(env.spec)
    env.reset(3, out.observations)
    place = divmod(int(np.flatnonzero(env._inside == env._position[0, 0])[0]), len(rows[0]))
    for symbol in "mga" * hearts:
        actions, place = path(rows, place, symbol)
        for action in actions:
            env.step(np.array([action]), out)
        while not out.rewards[0]:
            env.step(np.array([USE]), out)
            assert not out.truncations[0], "no time left"
        if symbol == "m":
            y, x = place[0] + MOVES[actions[-2]][0], place[1] + MOVES[actions[-2]][1]
            rows = [*rows[:y], rows[y][:x] + "#" + rows[y][x + 1 :], *rows[y + 1 :]]
    while not out.truncations[0]:
        env.step(np.array([0]), out)
    assert env.drain().stats["heart.get"][0] == hearts


def test_at_the_fork_of_the_t_maze_neither_the_cue_nor_the_goal_can_be_seen():
    game = AltarGame(**TASKS["t_maze"])
    far = game.view // 2
    for rows in game.map.drawings:
        fork = (1, len(rows[0]) // 2)
        for y, row in enumerate(rows):
            for x, character in enumerate(row):
                if character in "ga":
                    assert max(abs(y - fork[0]), abs(x - fork[1])) > far


def t_mazes():
    """Yield each map of the t_maze with a start, and the columns of its fork, its cue and its goal."""
    for rows in AltarGame(**TASKS["t_maze"]).map.drawings:
        cue, goal = (next(row.index(symbol) for row in rows if symbol in row) for symbol in "ga")
        for start in starts(rows):
            yield rows, start, start[1], cue, goal


def test_the_cue_of_the_t_maze_is_on_the_side_of_the_goal_and_seen_at_the_start():
    far = AltarGame(**TASKS["t_maze"]).view // 2
    for rows, (y, x), fork, cue, goal in t_mazes():
        (row,) = (k for k, line in enumerate(rows) if "g" in line)
        assert (cue < fork) == (goal < fork)
        assert max(abs(row - y), abs(cue - x)) <= far


def test_there_is_time_for_the_right_way_of_the_t_maze_and_none_for_both():
    game = AltarGame(**TASKS["t_maze"])
    for _, (y, _), fork, _, goal in t_mazes():
        arm = abs(goal - fork)
        right_way = (y - 1) + (arm - 1) + 1  # up, along, use
        to_see_that_nothing_is_there = arm - game.view // 2
        assert right_way <= game.max_steps < right_way + 2 * to_see_that_nothing_is_there


def test_nothing_in_the_hand_can_stand_for_a_memory_of_the_cue():
    game = AltarGame(**TASKS["t_maze"])
    assert game.objects["generator"].inputs
    assert not any("m" in "".join(rows) for rows in game.map.drawings)


def test_the_right_way_of_the_t_maze_is_paid_and_the_wrong_one_is_not():
    for went, paid in ((WEST, 1.0), (EAST, 0.0)):
        env = make_env(cogeval("t_maze"), rows=40)
        out = Step.empty(env.spec)
        env.reset(0, out.observations)
        west = env._object_cell[:, -1] - env._base < env._position[:, 0] - env._base - 3 * env._pitch
        west &= (env._object_cell[:, -1] - env._base) % env._pitch < (env._position[:, 0] - env._base) % env._pitch
        fork_row = env._object_cell[:, -1] // env._pitch
        total = np.zeros(40)
        while not out.terminals.any():
            at_fork = env._position[:, 0] // env._pitch == fork_row
            along = env._cells[env._position[:, 0] + env._delta[went - NORTH]] == 0
            env.step(np.where(~at_fork, NORTH, np.where(along, went, USE)), out)
            total += out.rewards
        assert set(total[west]) == {paid}
        assert set(total[~west]) == {1.0 - paid}


@pytest.mark.parametrize("task", ["rooms", "t_maze"])
def test_every_map_of_a_task_is_played(task):
    config = cogeval(task)
    env = make_env(config, rows=60)
    env.reset(0, Step.empty(env.spec).observations)
    goals = {int(cell - base) for cell, base in zip(env._object_cell[:, -1], env._base, strict=True)}
    assert len(goals) == len(config.games()[0].map.drawings)


def test_environments_are_shared_out_evenly():
    env = make_env(cogeval(), rows=13)
    assert sorted(part.spec.rows for part in env.parts) == [2, 2, 3, 3, 3]
    assert env.spec.rows == 13


def test_a_mixture_plays_as_its_parts_do():
    config = cogeval("rooms", "craft")
    env = make_env(config, rows=8)
    parts = [make_env(cogeval(task), rows=4) for task in ("rooms", "craft")]
    out, outs = Step.empty(env.spec), [Step.empty(part.spec) for part in parts]
    env.reset(5, out.observations)
    for part, own in zip(parts, outs, strict=True):
        part.reset(5, own.observations)
    rng = np.random.default_rng(0)
    cuts = 0
    for _ in range(100):
        actions = rng.integers(0, 6, 8)
        truncated = env.step(actions, out)
        own_cuts = [part.step(actions[4 * k : 4 * k + 4], outs[k]) for k, part in enumerate(parts)]
        for name in ("observations", "rewards", "terminals", "truncations"):
            joined = np.concatenate([getattr(own, name) for own in outs])
            np.testing.assert_array_equal(getattr(out, name), joined)
        expected = [row + 4 * k for k, cut in enumerate(own_cuts) if cut for row in cut.rows]
        assert expected == ([] if truncated is None else truncated.rows.tolist())
        cuts += len(expected)
    assert cuts > 0
    drained, own = env.drain(), [part.drain() for part in parts]
    assert sorted(drained.rows) == sorted([*own[0].rows, *(own[1].rows + 4)])
    assert drained.stats["reward"].sum() == pytest.approx(sum(part.stats["reward"].sum() for part in own))


def test_a_restored_mixture_plays_on_as_the_one_it_was_taken_from():
    env, twin = make_env(cogeval(), rows=10), make_env(cogeval(), rows=10)
    out, twin_out = Step.empty(env.spec), Step.empty(env.spec)
    env.reset(0, out.observations, stagger=True)
    rng = np.random.default_rng(0)
    for _ in range(40):
        env.step(rng.integers(0, 6, 10), out)
    twin.restore(env.state(), twin_out.observations)
    for _ in range(40):
        actions = rng.integers(0, 6, 10)
        env.step(actions, out)
        twin.step(actions, twin_out)
        np.testing.assert_array_equal(out.observations, twin_out.observations)


def test_parts_that_look_different_do_not_mix():
    from metta_sweep.envs.mixture import Mixture

    with pytest.raises(ValueError, match="same observations"):
        Mixture([make_env(altar(), rows=2), make_env(altar(view=7), rows=2)])


def test_agents_that_start_anywhere_play_the_same_maps_as_those_of_the_task():
    for task in TASKS:
        asked = [CogevalEnv(name="cogeval", tasks=(task,), starts=starts) for starts in ("task", "anywhere")]
        assert not list(asked[1].problems())
        shipped, spread = (each.games()[0] for each in asked)
        assert spread.appearance() == shipped.appearance()
        for own, free in zip(shipped.map.drawings, spread.map.drawings, strict=True):
            assert [row.replace("@", ".") for row in own] == [row.replace("@", ".") for row in free]
            assert not any("." in row for row in free)


def test_mixed_starts_are_the_tasks_own_in_about_half_of_the_episodes() -> None:
    config = CogevalEnv(name="cogeval", tasks=("t_maze",), starts="mixed")
    assert not list(config.problems())
    env = make_env(config, rows=400)
    env.reset(0, Step.empty(env.spec).observations)
    cell = env._position[:, 0] - env._base
    row = (cell // env._pitch) - AltarGame(**TASKS["t_maze"]).view // 2
    at_cue = (row >= 4).sum()  # the task starts below the fork, anywhere is mostly in the arms
    assert 200 < at_cue < 320
