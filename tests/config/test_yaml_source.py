"""YAML files are read with the line of every key, and nothing in them can run code or grow without bound."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.config.yaml_source import MAX_BYTES, YamlSource, brief, parse_yaml, read_yaml, shown_path
from metta_sweep.errors import RequestError

KEYS = st.text(st.characters(categories=["Ll", "Nd"]), min_size=1, max_size=5).map("k{}".format)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
TREES = st.dictionaries(
    KEYS, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))
)


def read(text: str) -> YamlSource:
    return parse_yaml(textwrap.dedent(text), shown="file.yaml")


def problem(text: str) -> str:
    source = read(text)
    assert len(source.problems) == 1
    return str(source.problems[0])


def test_every_key_has_its_line() -> None:
    source = read(
        """
        a: 1
        b:
          c.d: 2
          e: {f: 3,
              g: [4,
                  5]}
        """
    )
    assert source.lines == {"a": 2, "b": 3, "b.c.d": 4, "b.e": 5, "b.e.f": 5, "b.e.g": 6, "b.e.g.0": 6, "b.e.g.1": 7}
    assert source.line_of("b.e.g.1") == 7
    assert source.line_of("b.c.d.x.y") == 4
    assert source.line_of("z") is None


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(TREES)
def test_what_was_written_is_read(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree)
    source = parse_yaml(text, shown="")
    assert source.problems == ()
    assert source.data == tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("3", 3),
        ("'1e-5'", "1e-5"),
        ("2026-11-24", "2026-11-24"),
        ("off", False),
        ("~", None),
        (".inf", float("inf")),
        ("e5", "e5"),
        ("1e", "1e"),
    ],
)
def test_scalars_are_what_a_person_means(text: str, value: object) -> None:
    assert read(f"a: {text}").data == {"a": value}


def test_merge_keys_are_written_out_and_own_keys_win() -> None:
    source = read(
        """
        base: &base {a: 1, b: 2}
        more: &more {b: 3, c: 4}
        one: {<<: *base, b: 5}
        two: {<<: [*base, *more]}
        """
    )
    assert source.problems == ()
    assert source.data["one"] == {"a": 1, "b": 5}
    assert source.data["two"] == {"a": 1, "b": 2, "c": 4}


def test_a_key_given_twice_is_told_with_both_lines() -> None:
    assert problem("a: 1\nb: {c: 1, c: 2}\n") == "file.yaml, line 2: b.c: is given twice, first in line 2"
    assert read("a: 1\na: 2\n").data == {"a": 1}


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system ['true']", "!x 3", "!!float 3", "!!python/name:os.system"]
)
def test_tags_are_refused_whatever_they_are(tag: str) -> None:
    assert "YAML tags are not allowed" in problem(f"a: {tag}")


@pytest.mark.slow
@pytest.mark.parametrize("depth", [60, 5000, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_has_an_end(depth: int, brackets: str) -> None:
    opening = "[" if brackets == "[]" else "{a: "
    assert "levels of nesting" in problem("a: " + opening * depth)


def test_aliases_cannot_multiply_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "once aliases are written out" in problem("\n".join(lines))


def test_an_alias_inside_itself_is_refused() -> None:
    assert "would have no end" in problem("a: &x [*x]")
    assert "would have no end" in problem("a: &x {b: *x}")


def test_a_huge_number_is_told() -> None:
    assert "cannot be read as a number" in problem(f"a: {'9' * 5000}")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: 1\n" * (MAX_BYTES // 5 + 1))
    with pytest.raises(RequestError, match="need at most 256 KiB"):
        read_yaml(path, shown="large.yaml")
    path.write_bytes(b"a: " + b"x" * (MAX_BYTES - 3))
    assert read_yaml(path, shown="large.yaml").problems == ()


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for name in ("missing.yaml", ".", "x" * 300, "a\x00b"):
        with pytest.raises(RequestError, match="cannot be read"):
            read_yaml(tmp_path / name, shown="file.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path, shown="").data == {"a": 1, "b": 2}


def test_the_package_header_is_seen() -> None:
    assert read("# @package _global_\na: 1").at_root
    assert not read("# package _global_\na: 1").at_root


def test_names_are_shown_relative_to_the_working_directory(tmp_path: Path) -> None:
    assert shown_path(tmp_path / "a" / "b.yaml", tmp_path) == "a/b.yaml"
    assert shown_path(Path("/x/b.yaml"), tmp_path) == "/x/b.yaml"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        ("x", "the text 'x'"),
        ({}, "an empty mapping"),
        ({"a": 1}, "a mapping with the keys a"),
        ([1], "the list [1]"),
        (3, "3"),
    ],
)
def test_a_value_is_shown_with_its_kind(value: object, text: str) -> None:
    assert brief(value) == text
    assert len(brief(str(value) * 1000)) < 100
