"""Who does what in a shared sweep, whatever the order of events: exact totals, no number twice, nothing lost."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import metta_sweep
from metta_sweep.store.journal import read_events
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.labels import number_of
from metta_sweep.track.share.board import Board
from metta_sweep.track.share.claims import ALONE_FROM, alone_number, wanted
from metta_sweep.track.share.peers import PATIENCE_S
from tests.sweep.simulation import SimulatedClock
from tests.track.together import CENTER, GONE_AFTER_S, DictServer, Member


@pytest.fixture
def clock():
    return SimulatedClock()


@pytest.fixture
def member(tmp_path, clock):
    """Makes machines of one sweep and closes their journals."""
    made = []

    def make(server, name="one", **asked):
        made.append(Member(tmp_path / name, server, clock, **asked))
        return made[-1]

    yield make
    for each in made:
        each.close()


def work(members, clock, rng, until, limit=4000):
    """Let machines do their steps in any order until something holds."""
    for _ in range(limit):
        if until():
            return
        clock.sleep(rng.uniform(0, 0.3))
        one = rng.choice(members)
        rng.choice([one.mirror, one.control, one.publish])()
    raise AssertionError([(m.state.counted_rollouts, m.started) for m in members])


def finished(server):
    return sorted(number for number, run in server.runs.items() if run.seal is not None)


def learned(member):
    state = member.state
    return {state.rollouts[k].run_ids: (o.params, o.metric, o.cost_s, o.noise) for k, o in state.observations.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("faults", [0.0, 0.15])
def test_the_total_is_exact_and_no_number_is_used_twice(member, clock, seed, faults):
    server, rng = DictServer(seed, faults=faults), random.Random(seed)
    members = [member(server, name, rollout_count=9) for name in ("one", "two", "three")]
    work(members, clock, rng, lambda: all(m.is_done for m in members))
    used = [number for m in members for number in m.started]
    assert len(used) == len(set(used)) == 9
    assert finished(server) == sorted(used)
    assert learned(members[0]) == learned(members[1]) == learned(members[2])
    assert len(learned(members[0])) == 9


@pytest.mark.slow
def test_a_rollout_of_several_samples_is_claimed_and_learned_as_one(member, clock):
    server = DictServer()
    members = [member(server, name, rollout_count=4, num_samples=3) for name in ("one", "two")]
    work(members, clock, random.Random(5), lambda: all(m.is_done for m in members))
    assert sorted(number for m in members for number in m.started) == [0, 3, 6, 9]
    assert finished(server) == list(range(12))
    assert learned(members[0]) == learned(members[1])
    assert all(noise is not None for _, _, _, noise in learned(members[0]).values())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_a_dead_machine_has_left_is_done_by_the_others_exactly_once(member, clock, seed):
    server, rng = DictServer(seed), random.Random(seed)
    dead, *rest = (member(server, name, rollout_count=8) for name in ("dead", "two", "three"))
    work([dead, *rest], clock, rng, lambda: bool(dead.state.live_runs))
    work(rest, clock, rng, lambda: all(m.is_done for m in rest))
    assert len(finished(server)) == 8
    lost = [number for number in dead.started if number not in finished(server)]
    assert lost
    dead.begin()
    work([dead, *rest], clock, rng, lambda: dead.is_done)
    assert len(finished(server)) == 8
    assert learned(dead) == learned(rest[0])


def test_one_that_says_goodbye_is_not_waited_for(member, clock):
    server, rng = DictServer(), random.Random(1)
    gone, stays = (member(server, name, rollout_count=4) for name in ("gone", "stays"))
    work([gone, stays], clock, rng, lambda: bool(gone.state.live_runs))
    gone.sharing.stop(left=True)
    began_s = clock.monotonic_s()
    work([stays], clock, rng, lambda: stays.is_done)
    assert clock.monotonic_s() - began_s < GONE_AFTER_S
    stays.publish()
    assert len(finished(server)) == 4


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_only_the_last_that_leaves_ends_the_sweep_for_all(member, clock, order):
    server, rng = DictServer(), random.Random(3)
    members = [member(server, name, rollout_count=6) for name in ("one", "two", "three")]
    work(members, clock, rng, lambda: all(m.state.rollouts for m in members))
    for m in members:
        m.sharing.turn()
    leaving = [members[k].sharing for k in order]
    assert not any(sharing.is_last for sharing in leaving)
    for sharing in leaving:
        sharing.stop(left=True)
    assert [sharing.is_last for sharing in leaving] == [False, False, True]


def test_one_that_was_held_to_be_gone_keeps_what_it_is_running(member, clock):
    server, rng = DictServer(), random.Random(2)
    slow, other = (member(server, name, rollout_count=3) for name in ("slow", "other"))
    work([slow, other], clock, rng, lambda: bool(slow.state.live_runs))
    work([other], clock, rng, lambda: other.is_done)
    other.publish()
    slow.mirror()
    clock.sleep(1)
    slow.peers.tick()
    assert slow.state.live_runs
    slow.control()
    slow.publish()
    assert len(finished(server)) == 4
    assert all(run.metrics is not None for run in slow.state.runs.values())


def test_without_w_and_b_a_machine_goes_on_alone_after_a_while_and_they_are_merged_later(member, clock):
    server, rng = DictServer(), random.Random(3)
    one, two = (member(server, name, rollout_count=6) for name in ("one", "two"))
    work([one, two], clock, rng, lambda: bool(one.state.decided_rollouts and two.state.decided_rollouts))
    server.is_away = True
    work([one], clock, rng, lambda: one.is_done)
    alone = [number for number in one.started if number >= ALONE_FROM]
    assert alone
    assert not {n for n in two.started if n >= ALONE_FROM}
    server.is_away = False
    work([one, two], clock, rng, lambda: two.is_done)
    assert {f"s.r.{number}" for number in alone} <= set(two.state.runs)
    assert len(set(one.started + two.started)) == len(one.started + two.started)


def test_a_short_absence_of_w_and_b_costs_no_exactness(member, clock):
    server, rng = DictServer(), random.Random(4)
    one = member(server, rollout_count=5)
    work([one], clock, rng, lambda: len(one.state.decided_rollouts) == 2)
    server.is_away = True
    began_s = clock.monotonic_s()
    while clock.monotonic_s() - began_s < PATIENCE_S - 10:
        clock.sleep(1)
        one.mirror()
        one.control()
    server.is_away = False
    work([one], clock, rng, lambda: one.is_done)
    assert all(number < ALONE_FROM for number in one.started)


def test_a_mirror_that_starts_again_goes_on_with_the_claims_in_hand(member, clock):
    server = DictServer()
    one = member(server, rollout_count=5)
    one.mirror()
    before = Board.read(one.paths)
    one.begin_mirror()
    one.mirror()
    after = Board.read(one.paths)
    assert list(after.in_hand) == list(before.in_hand)
    assert after.in_hand
    assert after.beat > before.beat
    assert len(server.runs) == len(before.in_hand)


def test_pages_of_which_nothing_will_change_are_not_read_again(member, clock):
    server = DictServer(page=4)
    one = member(server, rollout_count=14)
    work([one], clock, random.Random(0), lambda: one.is_done)
    assert max(int(after or 0) for after in server.looks) >= 8
    clock.sleep(10)
    server.looks.clear()
    one.mirror()
    assert None not in server.looks
    assert len(server.looks) <= 2


def test_points_of_others_are_told_and_the_first_of_them_is_the_center(member, clock):
    server = DictServer()
    one, two = (member(server, name, rollout_count=5) for name in ("one", "two"))
    for each in (one, two):
        each.mirror()
        each.peers.tick()
    assert list(two.peers.points()) == [CENTER]
    one.control()
    one.mirror()
    clock.sleep(6)
    two.mirror()
    two.peers.tick()
    assert list(two.peers.points()) == [{"trainer.x": 0.0}]


def test_a_journal_that_tells_of_other_machines_is_read_as_any_other(member, clock):
    server = DictServer()
    members = [member(server, name, rollout_count=4) for name in ("one", "two")]
    work(members, clock, random.Random(7), lambda: all(m.is_done for m in members))
    for each in members:
        again = SweepState.fold(map(from_json, read_events(each.paths)))
        assert again.observations == each.state.observations
        told = [rollout for rollout in again.rollouts if rollout.machine]
        assert {number_of(rollout.run_ids[0]) for rollout in told}.isdisjoint(each.started)


def test_numbers_of_being_alone_are_nobody_elses():
    numbers = {alone_number(machine, count) for machine in ("00000000", "00000001", "ffffffff") for count in range(50)}
    assert len(numbers) == 150
    assert min(numbers) >= ALONE_FROM
    assert all(len(f"{'n' * 100}.r.{number}-01234567") <= 128 for number in numbers)


@pytest.mark.parametrize(
    ("free", "samples", "left", "count"), [(1, 1, 99, 2), (4, 1, 99, 5), (4, 3, 99, 3), (1, 1, 2, 1), (0, 1, 99, 1)]
)
def test_one_claim_more_than_needed_is_in_hand_until_the_end_is_near(free, samples, left, count):
    assert wanted(free_runs=free, slots=4, samples=samples, machines=2, left=left) == count


def test_the_share_stands_behind_its_port():
    package = Path(metta_sweep.__file__).parent
    files = (path for path in package.rglob("*.py") if "track.share" in path.read_text("utf-8"))
    knowing = {str(path.relative_to(package)) for path in files if path.parent != package / "track" / "share"}
    assert knowing == {"track/companion.py", "track/mirror.py"}
