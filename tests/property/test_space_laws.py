"""Laws of every search space, and of every mapping that is none."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.errors import RequestError
from metta_sweep.space import SearchSpace

finite = st.floats(-1e6, 1e6, allow_nan=False)


@st.composite
def numbers(draw):
    kind = draw(st.sampled_from(["uniform", "log_normal", "uniform_pow2", "int_uniform", "logit_normal"]))
    if kind == "uniform_pow2":
        low = draw(st.integers(0, 20))
        return {"distribution": kind, "min": 2**low, "max": 2 ** (low + draw(st.integers(1, 12)))}
    if kind == "int_uniform":
        low = draw(st.integers(-1000, 1000))
        return {"distribution": kind, "min": low, "max": low + draw(st.integers(1, 3000))}
    if kind == "logit_normal":
        low = draw(st.floats(1e-6, 0.9))
        return {"distribution": kind, "min": low, "max": draw(st.floats(low + 1e-3, 0.9999))}
    low = draw(st.floats(1e-9, 1e3) if kind == "log_normal" else st.floats(-1e6, 1e6))
    high = low * draw(st.floats(1.01, 1e6)) if kind == "log_normal" else low + draw(st.floats(1e-3, 1e6))
    return {"distribution": kind, "min": low, "max": high, "integer": False}


scalars = st.one_of(st.booleans(), st.integers(-9, 9), st.text("abc", min_size=1, max_size=3), st.none())
choices = st.builds(
    lambda options, ordered: {"values": options, "ordered": ordered},
    st.lists(scalars, min_size=1, max_size=5, unique_by=lambda value: (type(value) is bool, value)),
    st.booleans(),
)


@st.composite
def spaces(draw):
    leaves = draw(st.lists(st.one_of(numbers(), choices), min_size=1, max_size=6))
    parameters = {f"group.p{i}": leaf for i, leaf in enumerate(leaves)}
    names = list(parameters)
    for i, name in enumerate(names[1:], start=1):
        parents = [other for other in names[:i] if "values" in parameters[other]]
        if parents and draw(st.booleans()):
            parent = draw(st.sampled_from(parents))
            parameters[name] = {
                **parameters[name],
                "when": {parent: draw(st.sampled_from(parameters[parent]["values"]))},
            }
    return SearchSpace.parse(parameters)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_decoding_and_encoding_returns_to_the_same_point(space, seed):
    codes = space.sample(5, np.random.default_rng(seed))
    for row in codes:
        params = space.decode(row)
        again = space.encode(params)
        np.testing.assert_allclose(again, row, atol=1e-7)
        twice = space.decode(again)
        assert twice.keys() == params.keys()
        for name, value in params.items():
            assert type(twice[name]) is type(value)
            assert twice[name] == value or abs(twice[name] - value) <= 1e-7 * max(1e-9, abs(value))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 2**32 - 1))
def test_snapping_twice_is_snapping_once_and_stays_inside(space, seed):
    rng = np.random.default_rng(seed)
    snapped = space.snap(rng.uniform(-0.5, 3.0, size=(8, space.dim)))
    np.testing.assert_allclose(space.snap(snapped), snapped, atol=1e-12)
    for row in snapped:
        space.encode(space.decode(row))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(spaces())
def test_bounds_decode_to_themselves_exactly(space):
    for code in (0.0, 1.0):
        params = space.decode(np.full(space.dim, code))
        for parameter in space.parameters:
            domain = parameter.domain
            if parameter.name in params and hasattr(domain, "low"):
                assert params[parameter.name] == (domain.high if code else domain.low)


KEYS = ["min", "max", "distribution", "mean", "scale", "values", "ordered", "when", "expr", "x"]
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    ["min", "max", "distribution", "mean", "scale", "values", "ordered", "when", "expr", "x"]
                ),
                st.text(max_size=4),
                st.integers(),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(junk, st.one_of(junk, st.lists(st.text(max_size=10), max_size=3)))
def test_no_mapping_at_all_gives_anything_but_a_space_or_a_request_error(parameters, constraints):
    with contextlib.suppress(RequestError):
        SearchSpace.parse(parameters, constraints)


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "distribution": st.sampled_from(["uniform", "log_normal", "uniform_pow2", "int_uniform", "logit_normal"]),
            "min": st.one_of(finite, st.integers(), junk),
            "max": st.one_of(finite, st.integers(), junk),
            "mean": st.one_of(finite, junk),
            "scale": st.one_of(finite, junk, st.sampled_from(["auto", "time"])),
            "integer": st.booleans(),
            "when": junk,
        },
    )
)
def test_no_definition_of_a_number_gives_anything_but_a_space_or_a_request_error(leaf):
    with contextlib.suppress(RequestError):
        space = SearchSpace.parse({"x": leaf})
        space.encode(space.center())
