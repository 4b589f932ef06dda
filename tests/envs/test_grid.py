"""The engine against the slow game, and the laws of every vectorized environment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.envs.grid import EMPTY
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import Step
from tests.envs.games import OBJECTS, altar
from tests.envs.reference_grid import SlowGame

DRAWN = """
#######
#@.m.@#
#.#g#.#
#@.a.m#
#######
"""


def slow_copy(env, config, index):
    """Read the map that the engine laid out for one environment, at the start of an episode."""
    grid, layout = env, env._layout
    cells = grid._cells.reshape(env._envs, -1)[index][grid._inside].reshape(layout.height, layout.width)
    places = {grid._inside[k]: divmod(k, layout.width) for k in range(layout.height * layout.width)}
    base, names = grid._base[index], list(config.game.objects)
    kinds = [names[kind] for kind in grid._kind_of]
    things = {places[c - base]: name for c, name in zip(grid._object_cell[index], kinds, strict=True)}
    agents = [places[c - base] for c in grid._position[index]]
    walls = {(y, x) for y, x in np.ndindex(cells.shape) if cells[y, x] == 1}
    return SlowGame(config.game, layout.height, layout.width, walls, things, agents)


def play_both(config, seed, steps):
    agents = config.num_agents
    env = make_env(config, rows=3 * agents)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    games = [slow_copy(env, config, e) for e in range(3)]
    rng = np.random.default_rng(seed)
    used = 0
    for _ in range(steps):
        seen = np.stack([game.observation(agent) for game in games for agent in game.agents])
        np.testing.assert_array_equal(out.observations, seen)
        actions = np.where(rng.random(3 * agents) < 0.4, 5, rng.integers(0, 6, 3 * agents))
        truncated = env.step(actions, out)
        results = [game.step(actions[e * agents : (e + 1) * agents]) for e, game in enumerate(games)]
        np.testing.assert_allclose(out.rewards, np.concatenate([rewards for rewards, _ in results]), rtol=1e-6)
        over = np.repeat([over for _, over in results], agents)
        np.testing.assert_array_equal(out.truncations, over)
        assert not out.terminals.any()
        if truncated is not None:
            last = [game.observation(agent) for game in games for agent in game.agents]
            np.testing.assert_array_equal(truncated.observations, np.stack(last)[truncated.rows])
            used += check_stats(env.drain(), games)
            games = [slow_copy(env, config, e) if over[e * agents] else games[e] for e in range(3)]
    return used


def check_stats(episodes, games):
    agents = [agent for game in games for agent in game.agents]
    length = games[0].game.max_steps
    for k, row in enumerate(episodes.rows):
        for name, values in episodes.stats.items():
            expected = length if name == "episode_length" else agents[row].stats.get(name, 0)
            assert values[k] == pytest.approx(expected), name
    return sum(values.sum() for name, values in episodes.stats.items() if name.startswith("action.use."))


@pytest.mark.slow
@pytest.mark.parametrize("num_agents", [1, 3])
@pytest.mark.parametrize(
    "game", [{}, {"map": {"width": 9, "height": 8, "rooms": 3, "walls": 1}, "view": 7}, {"map": {"ascii": DRAWN}}]
)
def test_the_engine_plays_like_the_obvious_game(num_agents, game):
    config = altar(num_agents, **game)
    assert list(config.problems()) == []
    assert play_both(config, seed=3, steps=160) > 0


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    num_agents=st.integers(1, 3),
    cooldown=st.integers(0, 4),
    hp=st.integers(0, 3),
    limit=st.integers(2, 4),
    amount=st.integers(1, 2),
)
def test_the_engine_plays_like_the_obvious_game_whatever_the_rules(seed, num_agents, cooldown, hp, limit, amount):
    mine = {"outputs": {"ore": amount}, "cooldown": cooldown, "hp": hp}
    altar_kind = {"inputs": {"ore": 2}, "outputs": {"heart": 1}, "cooldown": cooldown, "hp": hp}
    config = altar(
        num_agents,
        objects={"mine": mine, "altar": altar_kind},
        rewards={"heart": 1.0},
        inventory_limit=limit,
        max_steps=15,
        map={"width": 5, "height": 4},
    )
    play_both(config, seed, steps=45)


def trace(config, rows=8, steps=90, seed=0):
    """Return all that random play shows, as bytes."""
    env = make_env(config, rows=rows * config.num_agents)
    out = Step.empty(env.spec)
    env.reset(seed, out.observations)
    rng = np.random.default_rng(1)
    seen = [out.observations.tobytes()]
    for _ in range(steps):
        env.step(np.where(rng.random(env.spec.rows) < 0.4, 5, rng.integers(0, 6, env.spec.rows)), out)
        seen += [out.observations.tobytes(), out.rewards.tobytes(), out.truncations.tobytes()]
    return b"".join(seen)


def objects(name, **changes):
    return {"objects": OBJECTS | {name: OBJECTS[name] | changes}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"num_agents": 2},
        {"max_steps": 41},
        {"view": 7},
        {"inventory_limit": 1},
        {"map": {"width": 7, "height": 5}},
        {"map": {"width": 6, "height": 6}},
        {"map": {"width": 6, "height": 5, "walls": 1}},
        {"map": {"width": 6, "height": 5, "rooms": 2}},
        {"map": {"ascii": "#######\n#@mmga#\n#.....#\n#######"}},
        {"rewards": {"ore": 0.2, "battery": 0.5, "heart": 1.0}},
        objects("mine", count=1),
        objects("mine", cooldown=2),
        objects("mine", cooldown=0),
        objects("mine", hp=1),
        objects("mine", outputs={"ore": 2}),
        objects("generator", inputs={"ore": 2}),
        objects("generator", cooldown=1),
        objects("altar", hp=1),
        objects("altar", hp=0),
        objects("altar", cooldown=4),
    ],
    ids=str,
)
def test_every_setting_of_the_game_changes_the_game(change):
    crowded = {"map": {"width": 5, "height": 4}, "max_steps": 45}
    room = {"map": {"width": 6, "height": 5}, "max_steps": 40} if "map" in change or "max_steps" in change else crowded
    plain, changed = altar(**room), altar(**(room | change))
    assert list(changed.problems()) == []
    assert trace(plain, rows=64) != trace(changed, rows=64)


def test_the_symbol_of_an_object_decides_where_an_ascii_map_has_it():
    drawn = {"map": {"ascii": "#####\n#@xy#\n#####"}}
    kinds = {"mine": {"outputs": {"ore": 1}}, "well": {"outputs": {"water": 1}}}

    def with_symbols(mine, well):
        marked = {"mine": kinds["mine"] | {"symbol": mine}, "well": kinds["well"] | {"symbol": well}}
        return altar(objects=marked, rewards={"ore": 1.0}, **drawn)

    assert trace(with_symbols("x", "y")) != trace(with_symbols("y", "x"))


def test_the_same_seed_gives_the_same_game_and_another_seed_another():
    assert trace(altar(), seed=5) == trace(altar(), seed=5)
    assert trace(altar(), seed=5) != trace(altar(), seed=6)


def test_a_restored_environment_plays_on_as_the_one_it_was_taken_from():
    config = altar(2)
    env, twin = make_env(config, rows=8), make_env(config, rows=8)
    out, twin_out = Step.empty(env.spec), Step.empty(env.spec)
    env.reset(0, out.observations, stagger=True)
    rng = np.random.default_rng(0)
    for _ in range(33):
        env.step(rng.integers(0, 6, 8), out)
    twin.restore(env.state(), twin_out.observations)
    env.drain()
    np.testing.assert_array_equal(out.observations, twin_out.observations)
    for _ in range(60):
        actions = rng.integers(0, 6, 8)
        env.step(actions, out)
        twin.step(actions, twin_out)
        np.testing.assert_array_equal(out.observations, twin_out.observations)
        np.testing.assert_array_equal(out.rewards, twin_out.rewards)
    stats, twin_stats = env.drain().stats, twin.drain().stats
    assert len(stats["reward"]) == 12
    for name, values in stats.items():
        np.testing.assert_array_equal(values, twin_stats[name])


def test_a_copied_state_does_not_change_with_play():
    env = make_env(altar(), rows=4)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    state = env.state()
    before = {name: array.copy() for name, array in state.items()}
    env.step(np.full(4, 4), out)
    for name, array in state.items():
        np.testing.assert_array_equal(array, before[name])


def test_an_episode_of_one_environment_does_not_depend_on_how_many_there_are():
    few, many = make_env(altar(), rows=2), make_env(altar(), rows=9)
    seen, seen_by_many = Step.empty(few.spec).observations, Step.empty(many.spec).observations
    few.reset(7, seen)
    many.reset(7, seen_by_many)
    np.testing.assert_array_equal(seen, seen_by_many[:2])


def test_environments_of_two_processes_are_those_of_one():
    config = altar(2)
    whole, low, high = (make_env(config, rows=rows, first=first) for rows, first in ((12, 0), (4, 0), (8, 2)))
    outs = [Step.empty(env.spec) for env in (whole, low, high)]
    for env, out in zip((whole, low, high), outs, strict=True):
        env.reset(3, out.observations, stagger=True)
    rng = np.random.default_rng(0)
    for _ in range(60):
        actions = rng.integers(0, 6, 12)
        for env, out, part in zip((whole, low, high), outs, (actions, actions[:4], actions[4:]), strict=True):
            env.step(part, out)
        joined = np.concatenate([outs[1].observations, outs[2].observations])
        np.testing.assert_array_equal(outs[0].observations, joined)


def test_a_limit_that_is_part_of_the_task_is_a_terminal_and_changes_nothing_else():
    cut, ended = (make_env(altar(2, max_steps=5, limit=limit), rows=8) for limit in ("truncation", "terminal"))
    outs = Step.empty(cut.spec), Step.empty(cut.spec)
    for env, out in zip((cut, ended), outs, strict=True):
        env.reset(3, out.observations)
    rng = np.random.default_rng(0)
    for t in range(1, 16):
        actions = rng.integers(0, 6, 8)
        truncated, none = cut.step(actions, outs[0]), ended.step(actions, outs[1])
        assert none is None
        assert (truncated is not None) == (t % 5 == 0)
        assert not outs[1].truncations.any()
        assert not outs[0].terminals.any()
        np.testing.assert_array_equal(outs[0].truncations, outs[1].terminals)
        np.testing.assert_array_equal(outs[0].observations, outs[1].observations)
    drained = [env.drain().stats for env in (cut, ended)]
    for name, values in drained[0].items():
        np.testing.assert_array_equal(values, drained[1][name])


def test_staggered_first_episodes_end_at_different_times_and_say_how_long_they_were():
    env = make_env(altar(max_steps=16), rows=8)
    out = Step.empty(env.spec)
    env.reset(0, out.observations, stagger=True)
    ended = []
    for _ in range(16):
        env.step(np.zeros(8, np.int64), out)
        ended.append(int(out.truncations.sum()))
    assert sum(ended) == 8
    assert max(ended) <= 2
    lengths = np.sort(env.drain().stats["episode_length"])
    np.testing.assert_array_equal(np.flatnonzero(ended) + 1, np.unique(lengths))


def test_things_of_a_random_map_stand_on_cells_of_their_own_inside_the_walls():
    env = make_env(altar(2, map={"width": 6, "height": 5, "walls": 2}), rows=400)
    env.reset(0, Step.empty(env.spec).observations)
    cells = env._cells.reshape(200, -1)[:, env._inside]
    assert ((cells == 1).sum(1) == 18 + 2).all()
    assert ((cells == 2).sum(1) == 2).all()
    assert ((cells >= 3).sum(1) == 4).all()
    inside = cells.reshape(200, 5, 6)[:, 1:-1, 1:-1]
    busy = (inside != EMPTY).mean(0)
    assert busy.min() > 0.45
    assert busy.max() < 0.85


@pytest.mark.parametrize(("width", "height", "rooms"), [(9, 9, 2), (13, 10, 3), (7, 5, 2)])
def test_every_room_can_be_reached_through_doors_that_are_never_in_the_same_places(width, height, rooms):
    board = {"width": width, "height": height, "rooms": rooms}
    config = altar(objects={"mine": {"outputs": {"ore": 1}}}, rewards={}, map=board)
    env = make_env(config, rows=100)
    env.reset(0, Step.empty(env.spec).observations)
    walls = (env._cells.reshape(100, -1)[:, env._inside] == 1).reshape(100, height, width)
    doors = 2 * rooms * (rooms - 1)
    lines = rooms + 1
    assert (walls.sum((1, 2)) == lines * (width + height) - lines**2 - doors).all()
    assert len({one.tobytes() for one in walls}) > 3
    for one in walls:
        assert flooded(one) == (~one).sum()


def flooded(walls):
    """Count the cells that can be reached from some free one."""
    seen, waiting = set(), [tuple(np.argwhere(~walls)[0])]
    while waiting:
        y, x = waiting.pop()
        if (y, x) not in seen and not walls[y, x]:
            seen.add((y, x))
            waiting += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    return len(seen)


def test_observed_codes_stay_within_the_sizes_that_are_declared():
    env = make_env(altar(2), rows=20)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    rng = np.random.default_rng(0)
    for _ in range(100):
        env.step(rng.integers(0, 6, 20), out)
        assert (out.observations < np.array(env.spec.code_sizes)).all()


def test_rows_that_do_not_fill_whole_environments_are_refused():
    with pytest.raises(ValueError, match="multiple of 2"):
        make_env(altar(2), rows=3)
