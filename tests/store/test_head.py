from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.store.head import Head

EVENTS = st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=8)


def digests(events):
    head, found = Head.start(), []
    for kind, body in events:
        head = head.after(kind, body)
        found.append(head.digest)
    return found


@pytest.mark.slow
@given(EVENTS)
def test_a_head_is_reached_by_its_own_journal_and_by_every_longer_one(events):
    chain = digests(events)
    for length in range(len(chain) + 1):
        assert Head.of(chain[:length]).is_reached_by(chain)
        assert Head.of(chain).is_reached_by(chain[:length]) == (length == len(chain))


@pytest.mark.slow
@given(EVENTS, EVENTS)
def test_two_histories_that_differ_anywhere_end_in_different_digests(one, other):
    assert (Head.of(digests(one)) == Head.of(digests(other))) == (one == other)


@pytest.mark.slow
@settings(deadline=None)
@given(EVENTS)
def test_a_head_comes_back_from_its_file_also_where_a_longer_one_was_there(tmp_path_factory, events):
    path = tmp_path_factory.mktemp("head") / "sweep.head"
    Head(seq=10**12, digest=b"\xff" * 32).write(path)
    head = Head.of(digests(events))
    head.write(path)
    assert Head.read(path) == head


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, 90), st.integers(0, 7))
def test_a_flipped_bit_makes_a_head_none_and_never_another(tmp_path_factory, position, bit):
    path = tmp_path_factory.mktemp("head") / "sweep.head"
    head = Head.of(digests([("k", "{}")]))
    head.write(path)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << bit
    path.write_bytes(content)
    assert Head.read(path) in (None, head)


def test_a_head_that_cannot_be_written_is_no_failure(tmp_path):
    Head.start().write(tmp_path / "no" / "folder")
    assert Head.read(tmp_path / "no" / "folder") is None
