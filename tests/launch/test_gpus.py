from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.errors import RequestError
from metta_sweep.launch.local.gpus import GpuLeases, visible_gpus
from metta_sweep.sweep.ports import LaunchError


@pytest.mark.parametrize(
    ("variable", "gpus"),
    [
        ("0", ("0",)),
        ("2, 0", ("2", "0")),
        ("GPU-8932f937,GPU-1", ("GPU-8932f937", "GPU-1")),
        ("", ()),
        ("-1", ()),
        ("1,-1,2", ("1",)),
    ],
)
def test_the_users_choice_of_gpus_is_read_as_cuda_reads_it(variable, gpus):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": variable}) == gpus


def test_without_a_choice_every_device_of_the_machine_is_visible(tmp_path):
    for name in ("nvidia0", "nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ("0", "2", "10")
    assert visible_gpus({}, tmp_path / "none") == ()


@pytest.mark.parametrize(
    ("gpus", "per_run", "capacity"),
    [(2, 1, 2), (4, 2, 2), (3, 2, 1), (2, 0.5, 4), (1, 1 / 3, 3), (2, 0.4, 4), (0, 0, None)],
)
def test_the_capacity_is_what_fits(gpus, per_run, capacity):
    assert GpuLeases(tuple(map(str, range(gpus))), per_run).capacity == capacity


@pytest.mark.parametrize(
    ("gpus", "per_run", "words"),
    [((), 1, "no GPU is visible"), (("0",), 2, "allows 0"), (("0", "1"), 1.5, "whole number"), ((), -1, "got -1")],
)
def test_what_cannot_be_had_is_refused_with_what_can(gpus, per_run, words):
    with pytest.raises(RequestError) as refused:
        GpuLeases(gpus, per_run)
    [problem] = refused.value.problems
    assert problem.key == "launcher.gpus_per_run"
    assert words in problem.message
    assert problem.fix


@settings(deadline=None)
@given(
    gpus=st.integers(1, 4),
    per_run=st.sampled_from([0.25, 1 / 3, 0.5, 1.0, 2.0]),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=40),
)
def test_no_gpu_is_ever_given_away_more_than_once_over(gpus, per_run, steps):
    if per_run > gpus:
        return
    leases, held = GpuLeases(tuple(map(str, range(gpus))), per_run), {}
    for take, number in steps:
        name = f"a{number}"
        if not take:
            leases.release(name)
            held.pop(name, None)
        elif len(held) < leases.capacity or name in held:
            held[name] = leases.lease(name)
            assert len(set(held[name])) == max(1, int(per_run))
        else:
            with pytest.raises(LaunchError, match="taken"):
                leases.lease(name)
        load = Counter(gpu for given_to in held.values() for gpu in given_to)
        assert all(count * min(per_run, 1) <= 1 + 1e-6 for count in load.values())


def test_shares_are_spread_over_the_gpus():
    leases = GpuLeases(("0", "1"), 0.5)
    assert sorted(leases.lease(f"a{number}") for number in range(4)) == [("0",), ("0",), ("1",), ("1",)]
    assert [leases.lease("a0"), leases.lease("a1")] == [("0",), ("1",)]


def test_what_an_earlier_controller_gave_away_counts():
    leases = GpuLeases(("0", "1"), 1)
    leases.keep("old", ("0",))
    assert leases.lease("new") == ("1",)
    leases.release("old")
    assert leases.lease("newer") == ("0",)


def test_a_run_without_gpus_is_given_none():
    assert GpuLeases((), 0).lease("a") is None
