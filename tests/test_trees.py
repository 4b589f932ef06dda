"""Dotted paths of nested mappings; the choice of a config group is a text with keys inside of it."""

from __future__ import annotations

from metta_sweep.trees import MISSING, get, leaves, nested, put


def test_what_is_inside_of_a_chosen_group_stands_beside_it_and_is_found():
    tree = {}
    put(tree, "model", "mlp")
    put(tree, "model.width", 3)
    put(tree, "a.b", 1)
    assert tree == {"model": "mlp", "model.width": 3, "a": {"b": 1}}
    assert dict(leaves(tree)) == {"model": "mlp", "model.width": 3, "a.b": 1}
    assert [get(tree, path) for path in ("model", "model.width", "a.b", "a")] == ["mlp", 3, 1, {"b": 1}]
    assert get(tree, "model.depth") is MISSING


def test_dotted_keys_become_mappings_but_for_those_inside_of_a_text():
    assert nested({"model": "mlp", "model.width": 3, "a.b": 1}) == {"model": "mlp", "model.width": 3, "a": {"b": 1}}


def test_anything_else_in_the_way_is_replaced():
    tree = {"a": None}
    put(tree, "a.b", 1)
    assert tree == {"a": {"b": 1}}
