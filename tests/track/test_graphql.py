"""The loopback server answers what was asked, exactly, and refuses what it does not know."""

from __future__ import annotations

import pytest

from tests.track.server.graphql import GraphQLError, execute, parse

ROOT = {"run": lambda name, input=None: {"name": name, "size": 3, "tags": ["a"], "input": input, "owner": {"id": 1}}}


def answer(query, **variables):
    return execute(parse(query), variables, ROOT)


def test_only_selected_fields_are_returned_under_their_aliases():
    assert answer('query Q { first: run(name: "x") { size } }') == {"first": {"size": 3}}


def test_variables_defaults_objects_and_lists_arrive_as_given():
    query = "query Q($n: String!, $k: Int = 7) { run(name: $n, input: {k: $k, l: [1, -2.5], ok: true}) { name input } }"
    assert answer(query, n="x") == {"run": {"name": "x", "input": {"k": 7, "l": [1, -2.5], "ok": True}}}


def test_fragments_named_and_inline_are_merged():
    query = 'query Q { run(name: "x") { ...F ... on Run { owner { id } } } } fragment F on Run { size tags }'
    assert answer(query) == {"run": {"size": 3, "tags": ["a"], "owner": {"id": 1}}}


def test_a_field_can_be_left_out_by_a_directive():
    query = 'query Q($w: Boolean!) { run(name: "x") { name size @include(if: $w) } }'
    assert answer(query, w=False) == {"run": {"name": "x"}}
    assert answer(query, w=True) == {"run": {"name": "x", "size": 3}}


@pytest.mark.parametrize(
    "query",
    [
        'query Q { run(name: "x") { colour } }',
        "query Q { sweep { id } }",
        'query Q { run(name: "x") { ...G } }',
        'query Q { run(name: "x") { name @skip(if: true) } }',
        "query Q { run(name: ~) }",
        "query Q { run",
    ],
)
def test_what_is_unknown_is_refused(query):
    with pytest.raises(GraphQLError):
        answer(query)
