"""What a person sees of the environments."""

import numpy as np
import pytest

from metta_sweep.envs.config import AtariEnv, GymnasiumEnv, PongEnv
from metta_sweep.envs.make import make_env
from metta_sweep.envs.pictures import AGENT_COLOR, FLOOR, KIND_COLORS, OTHER_COLOR, TILE, WALL_COLOR, Viewable
from metta_sweep.envs.vec_env import Step
from tests.envs.games import OBJECTS, altar

WAIT, NORTH, SOUTH, WEST, EAST, USE = range(6)
DRAWN = {"view": 11, "map": {"ascii": "#######\n#@.mga#\n#..m..#\n#######"}}


def started(config, rows=1):
    env = make_env(config, rows=rows)
    out = Step.empty(env.spec)
    env.reset(0, out.observations)
    return env, out


def tile(picture, row, column):
    return picture[TILE * row : TILE * (row + 1), TILE * column : TILE * (column + 1)]


def middle(picture, row, column):
    return tuple(int(part) for part in tile(picture, row, column)[TILE // 2 - 1, TILE // 2 - 1])


def shows(picture, row, column, color):
    return bool((tile(picture, row, column) == color).all(-1).any())


def act(env, out, *actions):
    for action in actions:
        env.step(np.full(env.spec.rows, action), out)


def test_everything_on_a_map_stands_where_it_is_and_has_the_color_of_the_legend():
    env, _ = started(altar(**DRAWN))
    picture = env.picture(0)
    assert picture.shape == (4 * TILE, 7 * TILE, 3)
    assert middle(picture, 1, 1) == env.legend["agent"] == AGENT_COLOR
    assert middle(picture, 1, 2) == FLOOR
    assert middle(picture, 0, 0) == env.legend["wall"] == WALL_COLOR
    for column, name in ((4, "generator"), (3, "mine")):
        assert shows(picture, 1, column, env.legend[name])
    assert [env.legend[name] for name in OBJECTS] == list(KIND_COLORS[: len(OBJECTS)])


def test_the_agent_moves_and_its_eye_shows_where_it_faces():
    env, out = started(altar(**DRAWN))
    act(env, out, EAST)
    picture = env.picture(0)
    assert middle(picture, 1, 1) == FLOOR
    looks = []
    for action in (NORTH, SOUTH, WEST, EAST):
        twin, there = started(altar(map={"ascii": "#####\n#.@.#\n#mg.#\n#m.a#\n#####"}))
        act(twin, there, action)
        looks.append(twin.picture(0).tobytes())
    assert len(set(looks)) == 4


def test_an_object_that_cannot_be_used_is_hollow_and_what_is_carried_is_told():
    env, out = started(altar(**DRAWN))
    assert env.facts(0) == {"carries": "nothing"}
    full = tile(env.picture(0), 1, 3).copy()
    act(env, out, EAST, USE)
    assert env.facts(0) == {"carries": "1 ore"}
    hollow = tile(env.picture(0), 1, 3)
    assert not np.array_equal(full, hollow)
    assert middle(env.picture(0), 1, 3) == FLOOR
    act(env, out, WAIT)
    np.testing.assert_array_equal(tile(env.picture(0), 1, 3), full)


def test_what_the_agent_does_not_see_is_shaded():
    env, _ = started(altar(**(DRAWN | {"view": 3})))
    picture = env.picture(0)
    assert middle(picture, 1, 2) == FLOOR
    assert sum(middle(picture, 2, 4)) < sum(FLOOR)


def test_the_first_agent_stands_out():
    env, _ = started(altar(2, map={"width": 5, "height": 4}), rows=2)
    picture = env.picture(0)
    colors = [middle(picture, row, column) for row in range(4) for column in range(5)]
    assert (colors.count(AGENT_COLOR), sum(1 for color in colors if color == OTHER_COLOR)) == (1, 1)


def test_each_environment_has_a_picture_of_its_own():
    env, _ = started(altar(), rows=3)
    assert len({env.picture(k).tobytes() for k in range(3)}) == 3


def test_a_picture_changes_nothing():
    env, twin = (started(altar(), rows=2) for _ in range(2))
    env[0].picture(0)
    act(*env, EAST, USE)
    act(*twin, EAST, USE)
    np.testing.assert_array_equal(env[1].observations, twin[1].observations)


def test_the_paddles_and_the_ball_of_pong_are_drawn_where_they_are():
    env, out = started(PongEnv(name="pong"))
    before = env.picture(0)
    act(env, out, 2, 2, 2)
    after = env.picture(0)

    def rows_of(picture, name):
        return np.flatnonzero((picture == env.legend[name]).all(-1).any(1))

    assert rows_of(after, "agent").mean() > rows_of(before, "agent").mean() + 5
    assert abs(rows_of(before, "ball").mean() - before.shape[0] / 2) < 2
    assert env.facts(0) == {"score": "0 won, 0 lost"}


def test_a_gymnasium_environment_is_drawn_only_where_it_was_asked_to_be():
    pytest.importorskip("gymnasium")
    plain, _ = started(GymnasiumEnv(name="gymnasium", id="FrozenLake-v1"))
    text, _ = started(GymnasiumEnv(name="gymnasium", id="CartPole-v1"))
    assert plain.picture(0) is None
    assert plain.action_names == ("0", "1", "2", "3")
    assert len(text.facts(0)["sees"].split()) == 4


def test_the_newest_screen_of_an_emulator_is_its_picture():
    pytest.importorskip("ale_py")
    env, out = started(AtariEnv(name="atari"))
    act(env, out, 0)
    picture = env.picture(0)
    assert picture.shape == (84, 84, 3)
    np.testing.assert_array_equal(picture[:, :, 0].reshape(-1), out.observations[0, -84 * 84 :])
    assert env.action_names[:2] == ("noop", "fire")


@pytest.mark.parametrize("config", [altar(), PongEnv(name="pong")], ids=lambda config: config.name)
def test_there_is_a_word_for_every_action(config):
    env, _ = started(config)
    assert isinstance(env, Viewable)
    assert len(env.action_names) == env.spec.actions.size
