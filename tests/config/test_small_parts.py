"""The small parts: durations, nearest names, interpolations, origins."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.config.ask import in_order
from metta_sweep.config.durations import deadline_s, duration_s
from metta_sweep.config.interpolation import refused
from metta_sweep.errors import Problem
from metta_sweep.nearest import did_you_mean, nearest
from metta_sweep.trees import MISSING, get, leaves, nested, put
from tests.config.conftest import Desk


class TestDurations:
    @pytest.mark.parametrize(
        ("written", "seconds"),
        [
            (90, 90),
            (0.5, 0.5),
            ("90", 90),
            ("90s", 90),
            ("30m", 1800),
            ("1.5h", 5400),
            ("2h 15m", 8100),
            ("1d2h", 93600),
        ],
    )
    def test_as_people_write_them(self, written: object, seconds: float) -> None:
        assert duration_s(written) == seconds

    @pytest.mark.parametrize(
        "written",
        [0, -1, True, None, "", "soon", "2 weeks", "h", "5 5", "-3m", "1e5", float("inf"), float("nan"), [], 10**400],
    )
    def test_what_is_none_is_refused(self, written: object) -> None:
        with pytest.raises(ValueError, match="need a duration above zero"):
            duration_s(written)

    @given(st.integers(0, 50), st.integers(0, 59), st.integers(1, 59))
    def test_parts_add_up(self, hours: int, minutes: int, seconds: int) -> None:
        assert duration_s(f"{hours}h {minutes}m {seconds}s") == hours * 3600 + minutes * 60 + seconds

    def test_a_deadline_with_a_zone(self) -> None:
        assert deadline_s("2026-11-24T08:00+00:00") == datetime(2026, 11, 24, 8, tzinfo=UTC).timestamp()
        assert deadline_s("2026-11-24 09:00+01:00") == deadline_s("2026-11-24T08:00Z")

    def test_a_deadline_without_a_zone_is_local(self) -> None:
        assert deadline_s("2026-11-24 08:00") == datetime(2026, 11, 24, 8).astimezone().timestamp()

    @pytest.mark.parametrize("written", ["tomorrow", 3, None, "", "99999-01-01", "2026-13-01"])
    def test_what_is_no_deadline_is_refused(self, written: object) -> None:
        with pytest.raises(ValueError, match="need a date and time like"):
            deadline_s(written)


class TestNearest:
    KNOWN = ("trainer.learning_rate", "trainer.gamma", "env.game.max_steps", "metric")

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("trainer.learning_rte", "trainer.learning_rate"),
            ("learning_rate", "trainer.learning_rate"),
            ("env.max_steps", "env.game.max_steps"),
            ("metrics", "metric"),
            ("Metric", "metric"),
            ("trainer.foo", None),
            ("xyz", None),
            ("", None),
        ],
    )
    def test_a_slip_is_recognized(self, written: str, meant: str | None) -> None:
        assert nearest(written, self.KNOWN) == meant

    def test_where_nothing_is_near_the_list_is_shown(self) -> None:
        assert did_you_mean("xyz", ["b", "a"]) == "known are: a, b"
        assert did_you_mean("xyz", []) == ""
        assert "(8 more)" in did_you_mean("xyz", [f"abc{n}" for n in range(20)])

    @given(st.text(max_size=20), st.lists(st.text(max_size=10), max_size=5))
    def test_the_nearest_is_one_of_the_known(self, written: str, known: list[str]) -> None:
        assert nearest(written, known) in {None, *known}


class TestInterpolations:
    @pytest.mark.parametrize(
        "text", ["${a.b}", "${oc.env:HOME}", "${oc.env:HOME,x}", "a ${b} c", "\\${now:}", "plain", "$x"]
    )
    def test_the_harmless_ones_are_allowed(self, text: str) -> None:
        assert text == "\\${now:}" or list(refused({"a": text})) == []

    @pytest.mark.parametrize(
        "text",
        [
            "${now:%Y}",
            "${hydra:x}",
            "${eval:1}",
            "${ss:log,1,2}",
            "${oc.env:MY_TOKEN}",
            "${oc.env:A,${now:x}}",
            "${a",
            "???",
        ],
    )
    def test_the_others_are_refused(self, text: str) -> None:
        assert [path for path, _, _ in refused({"a": [text]})][:1] == ["a.0"]

    def test_expressions_are_left_alone(self) -> None:
        tree = {"expr": "${a.b} // 4", "constraints": ["${now:x} > 3"]}
        assert list(refused(tree, expressions=frozenset({"expr", "constraints"}))) == []


class TestTrees:
    def test_what_is_put_can_be_got(self) -> None:
        tree = {"a": {"b": 1}}
        put(tree, "a.c.d", 2)
        put(tree, "a.b.e", 3)
        assert tree == {"a": {"b": {"e": 3}, "c": {"d": 2}}}
        assert get(tree, "a.c.d") == 2
        assert get(tree, "a.c.x") is MISSING
        assert dict(leaves(tree)) == {"a.b.e": 3, "a.c.d": 2}

    def test_dotted_keys_become_mappings(self) -> None:
        assert nested({"a.b": 1, "a": {"c": 2, "d.e": 3}}) == {"a": {"b": 1, "c": 2, "d": {"e": 3}}}
        assert nested({"a": {"b": 1}, "a.b": 2}) == {"a": {"b": 2}}


class TestOrigins:
    SWEEP = (
        "sweep:\n  parameters:\n    trainer.gamma: {distribution: uniform, min: 0.9, max: 0.99}\n  sim.episodes: 3\n"
    )

    def test_every_value_has_a_place(self, desk: Desk) -> None:
        asked = desk.ask(self.SWEEP, "env=pong", "trainer.num_steps=16", "+hardware=macbook")
        assert set(asked.origins) >= {path for path, _ in leaves(asked.training)}
        origin = {path: (asked.origins[path].source, asked.origins[path].place) for path in asked.origins}
        assert origin["sim.episodes"] == ("sweep file", "asked.yaml, line 4")
        assert origin["trainer.num_steps"] == ("command line", "command line")
        assert origin["env.game.points"][0] == "command line"
        assert origin["env.game.points"][1].startswith("env=pong: ")
        assert origin["device"][0] == "hardware"
        assert origin["trainer.gamma"][0] == "defaults"
        assert origin["trainer.gamma"][1].endswith("configs/trainer/ppo.yaml, line 11")

    def test_problems_are_told_from_the_top_and_once(self) -> None:
        one, two = Problem(message="x", file="b.yaml", line=9), Problem(message="y", file="b.yaml", line=2)
        typed = Problem(message="z", file="command line")
        assert in_order([one, two, one, typed]) == [typed, two, one]

    def test_a_flood_is_cut(self) -> None:
        told = in_order([Problem(message=str(number)) for number in range(1000)])
        assert len(told) < 60
        assert "more" in told[-1].message

    def test_what_a_terminal_acts_upon_is_written_out(self) -> None:
        told = in_order([Problem(message="a\x1b[31mb\n", key="k\x00")])[0]
        assert (told.key, told.message) == ("k\\x00", "a\\x1b[31mb\n")
