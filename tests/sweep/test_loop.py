"""Laws of the loop, against a simulated machine: totals, resumption, failures, signals."""

from __future__ import annotations

import errno
import math
import signal
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metta_sweep.config.settings import ConfirmSettings, LimitSettings
from metta_sweep.errors import RequestError
from metta_sweep.goal import Goal
from metta_sweep.optimize.port import Suggestion
from metta_sweep.result import Evaluation
from metta_sweep.sweep.events import PlannedRun, RolloutSuggested, SweepAsked, from_json
from metta_sweep.sweep.loop import InterruptedSweepError
from metta_sweep.sweep.planning import planned_run
from metta_sweep.sweep.ports import JobState, JobStatus
from metta_sweep.sweep.records import RunState
from metta_sweep.sweep.state import SweepState
from tests.sweep.simulation import (
    ControllerKilled,
    Outcome,
    SimulatedMachine,
    World,
    exits,
    killed,
    random_script,
    reward,
    spec,
)


def always_one(run_id, attempt, config):
    return reward(1.0)


def test_a_sweep_does_exactly_rollout_count_rollouts():
    world = World(always_one)
    assert world.control(spec(rollout_count=5)).reason.rule == "rollout_count"
    assert world.finished_runs() == [f"s.r.{k}" for k in range(5)]
    assert len(world.optimizer.observed) == 5


def test_the_same_command_again_starts_nothing():
    world = World(always_one)
    world.control(spec())
    before = list(world.machine.started)
    assert world.control(spec()).reason.rule == "rollout_count"
    assert world.machine.started == before


def test_a_larger_count_runs_only_the_difference():
    world = World(always_one)
    world.control(spec(rollout_count=3))
    world.control(spec(rollout_count=5))
    assert world.machine.started == [f"s.r.{k}.a1" for k in range(5)]


def test_every_sample_of_a_rollout_has_a_seed_of_its_own_and_their_mean_is_learned_with_its_noise():
    seeds = {}

    def script(run_id, attempt, config):
        seeds[run_id] = config["seed"]
        return reward(float(len(seeds)))

    world = World(script)
    world.control(spec(rollout_count=2, num_samples=3))
    assert len(set(seeds.values())) == 6
    (_, score, _, noise), _ = world.optimizer.observed
    assert score == pytest.approx(2.0)
    assert noise == pytest.approx(1.0 / 3)


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("after_store", [True, False], ids=["after", "before"])
def test_a_controller_killed_at_any_append_loses_nothing_and_repeats_nothing(slots, after_store):
    undisturbed = World(always_one, slots=slots)
    undisturbed.control(spec(rollout_count=4, num_samples=2))
    for point in range(1, undisturbed.journal.appends + 1):
        world = World(always_one, slots=slots)
        world.journal.kill_at, world.journal.kill_after_store = point, after_store
        with pytest.raises(ControllerKilled):
            world.control(spec(rollout_count=4, num_samples=2))
        world.journal.kill_at = None
        world.control(spec(rollout_count=4, num_samples=2))
        assert Counter(world.machine.started) == Counter(f"s.r.{k}.a1" for k in range(8)), point
        assert sorted(world.finished_runs()) == [f"s.r.{k}" for k in range(8)]
        assert world.machine.alive == []


@pytest.mark.slow
@given(st.integers(0, 10_000), st.lists(st.integers(1, 12), max_size=12), st.integers(1, 4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_totals_are_exact_whatever_fails_and_however_often_the_controller_dies(seed, kills, slots, samples):
    asked = spec(rollout_count=6, num_samples=samples)
    world = World(random_script(seed), slots=slots)
    for appends in kills:
        world.journal.kill_at = world.journal.appends + appends
        try:
            world.control(asked)
        except ControllerKilled:
            continue
    world.journal.kill_at = None
    world.control(asked)
    state = world.recorder.state
    assert len(state.rollouts) == 6
    assert state.open_rollouts == []
    assert len(world.finished_runs()) == len(set(world.finished_runs()))
    assert max(Counter(world.machine.started).values()) == 1
    assert world.machine.alive == []
    assert world.machine.most_alive <= slots


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_replaying_the_journal_gives_the_same_state(seed, slots):
    world = World(random_script(seed), slots=slots)
    world.control(spec(rollout_count=5, num_samples=2))
    live, replayed = world.recorder.state, SweepState.fold(map(from_json, world.journal.events))
    assert repr(dict(replayed.runs)) == repr(dict(live.runs))
    assert repr(replayed.observations) == repr(live.observations)
    assert replayed.incumbent == live.incumbent
    assert replayed.total_cost_s == live.total_cost_s


def test_a_killed_run_is_retried_and_teaches_nothing():
    world = World(lambda run_id, attempt, config: killed() if attempt < 3 else reward(2.0))
    world.control(spec(rollout_count=1))
    assert world.machine.started == ["s.r.0.a1", "s.r.0.a2", "s.r.0.a3"]
    assert [score for _, score, _, _ in world.optimizer.observed] == [2.0]
    assert world.optimizer.failed == []


def test_retries_are_bounded_and_the_rollout_still_counts():
    world = World(lambda run_id, attempt, config: reward(1.0) if run_id == "s.r.0" else killed())
    world.control(spec(rollout_count=3), max_retries=2)
    assert len(world.machine.started) == 1 + 3 + 3
    assert len(world.optimizer.observed) == 1
    assert world.optimizer.failed == []


@pytest.mark.parametrize(
    "log", ["torch.OutOfMemoryError: CUDA out of memory", "diverged: loss is nan", "invalid_config: trainer.x"]
)
def test_a_failure_of_the_parameters_is_learned_and_counts_once(log):
    world = World(lambda run_id, attempt, config: exits(1, f"{log} at {run_id}"))
    world.control(spec(rollout_count=4))
    assert len(world.machine.started) == 4
    assert len(world.optimizer.failed) == 4
    assert world.optimizer.observed == []


def test_samples_are_not_spent_on_a_point_that_has_failed():
    world = World(lambda run_id, attempt, config: exits(1, "MemoryError"))
    world.control(spec(rollout_count=2, num_samples=5))
    assert world.machine.started == ["s.r.0.a1", "s.r.5.a1"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_metric_that_is_no_number_is_a_divergence_and_never_a_score(value):
    world = World(lambda run_id, attempt, config: reward(value))
    world.control(spec(rollout_count=2))
    assert world.optimizer.observed == []
    assert len(world.optimizer.failed) == 2
    assert world.recorder.state.incumbent is None


@pytest.mark.parametrize("cause", ["KeyError: 'x'", "invalid_config: device: this machine has no cuda"])
def test_the_same_crash_three_times_in_a_row_stops_the_sweep(cause):
    world = World(lambda run_id, attempt, config: exits(1, f"Traceback\n{cause}"))
    stop = world.control(spec(rollout_count=20))
    assert stop.failed
    assert cause.removeprefix("invalid_config: ") in stop.reason.message
    assert len(world.machine.started) == 3


def test_the_same_crash_is_the_same_whatever_values_its_message_holds():
    said = [f"train.py: error: argument --depth: invalid int value: '{k}.5'" for k in range(20)]
    world = World(lambda run_id, attempt, config: exits(2, f"usage: train.py\n{said[config['trainer']['x']]}"))
    stop = world.control(spec(rollout_count=20, parameters={"depth": {"min": 1, "max": 9, "distribution": "uniform"}}))
    assert stop.failed
    assert len(world.machine.started) == 3
    assert "integer: true" in stop.reason.message
    assert "depth" in stop.reason.message


ODD = ["KeyError: 'a'", "ValueError: b", "IndexError: c", "TypeError: d"]


def test_different_crashes_do_not_stop_the_sweep_and_their_points_are_avoided():
    world = World(lambda run_id, attempt, config: exits(1, ODD[int(run_id[-1])]))
    world.control(spec(rollout_count=4))
    assert world.optimizer.pending[-1] == [{"trainer.x": k} for k in range(3)]


def test_a_sweep_in_which_nothing_worked_has_failed_and_says_of_what():
    world = World(lambda run_id, attempt, config: exits(2, "python: can't open file 'nothere.py'"))
    stop = world.control(spec(rollout_count=2))
    assert stop.failed
    assert stop.reason.rule == "failed"
    assert "2 crash" in stop.reason.message
    assert "can't open file" in stop.reason.message
    world.machine.script = always_one
    assert not world.control(spec(rollout_count=2)).failed
    assert world.finished_runs() == ["s.r.0", "s.r.1"]


def test_a_cause_that_is_retried_stops_the_sweep_before_a_rollout_is_spent_while_nothing_has_ever_worked():
    broken = True
    cause = "Traceback (most recent call last):\n  x\nOSError: [Errno 30] Read-only file system: 'outputs'"
    world = World(lambda run_id, attempt, config: exits(1, cause) if broken else reward(1.0))
    stop = world.control(spec(rollout_count=4))
    assert stop.failed
    assert "Read-only file system" in stop.reason.message
    assert len(world.machine.started) == 3
    assert world.recorder.state.decided_rollouts == []
    broken = False
    assert not world.control(spec(rollout_count=4)).failed
    assert world.finished_runs() == [f"s.r.{k}" for k in range(4)]


def test_preempted_runs_do_not_stop_a_sweep_before_one_of_them_is_given_up():
    preempted = Outcome(status=JobStatus(state=JobState.EXITED, signal=signal.SIGKILL, reason="preempted"))
    world = World(lambda run_id, attempt, config: preempted if attempt < 5 else reward(1.0), slots=3)
    assert not world.control(spec(rollout_count=6)).failed
    assert len(world.finished_runs()) == 6
    world = World(lambda run_id, attempt, config: preempted)
    assert world.control(spec(rollout_count=6), max_retries=4).failed
    assert len(world.machine.started) == 5


@pytest.mark.slow
def test_failures_that_parameters_can_have_stop_a_sweep_only_after_many_points_of_which_none_worked():
    out = exits(1, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    world = World(lambda run_id, attempt, config: out)
    stop = world.control(spec(rollout_count=50))
    assert stop.failed
    assert len(world.machine.started) == 8 == len(world.optimizer.failed)
    world = World(lambda run_id, attempt, config: reward(1.0) if run_id == "s.r.0" else out)
    assert not world.control(spec(rollout_count=30)).failed
    assert len(world.machine.started) == 30


@pytest.mark.parametrize("log", ["KeyError", "invalid_config: device: no cuda"])
def test_what_stopped_a_sweep_is_done_again_and_nothing_of_it_is_learned_once_somebody_tries_again(log):
    broken = True
    world = World(lambda run_id, attempt, config: exits(1, log) if broken else reward(1.0))
    assert world.control(spec(rollout_count=6)).failed
    broken = False
    assert not world.control(spec(rollout_count=6)).failed
    assert world.finished_runs() == [f"s.r.{k}" for k in range(6)]
    assert world.optimizer.failed == []
    assert len(world.optimizer.observed) == 6
    assert SweepState.fold(map(from_json, world.journal.events)).observations.keys() == set(range(6))


def test_a_journal_of_a_version_that_did_not_do_them_again_reads_as_it_did():
    world = World(lambda run_id, attempt, config: exits(1, "KeyError") if run_id < "s.r.3" else reward(1.0))
    world.control(spec(rollout_count=6))
    world.recorder.record(SweepAsked(spec=spec(rollout_count=6), versions={}))
    suggested = RolloutSuggested(
        rollout=3,
        suggestion=Suggestion(params={"trainer.x": 3}, origin="counting"),
        runs=(PlannedRun(run_id="s.r.3", seed=3),),
        max_retries=5,
    )
    world.recorder.record(suggested)
    assert world.recorder.state.to_retry == []
    assert not world.control(spec(rollout_count=6)).failed
    assert world.finished_runs() == ["s.r.3", "s.r.4", "s.r.5"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_runs_and_the_next_start_resumes_them(number):
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=100.0), slots=2)
    stop_at = world.clock.seconds + 5
    world.interrupted = lambda: number if world.clock.seconds > stop_at else None
    with pytest.raises(InterruptedSweepError) as raised:
        world.control(spec(rollout_count=2))
    assert raised.value.exit_code == 128 + number
    assert world.machine.alive == []
    assert [run.state for run in world.recorder.state.runs.values()] == [RunState.WAITING, RunState.WAITING]
    world.interrupted = lambda: None
    world.control(spec(rollout_count=2))
    assert sorted(world.finished_runs()) == ["s.r.0", "s.r.1"]


def test_interruptions_do_not_use_up_the_retries():
    world = World(lambda run_id, attempt, config: reward(1.0, seconds=100.0))
    for _ in range(4):
        stop_at = world.clock.seconds + 5
        world.interrupted = lambda stop_at=stop_at: signal.SIGINT if world.clock.seconds > stop_at else None
        with pytest.raises(InterruptedSweepError):
            world.control(spec(rollout_count=1), max_retries=1)
    world.interrupted = lambda: None
    world.control(spec(rollout_count=1), max_retries=1)
    assert world.finished_runs() == ["s.r.0"]


def test_a_metric_that_was_mistyped_is_a_wrong_request_at_once_and_the_run_is_kept():
    world = World(always_one)
    with pytest.raises(RequestError, match="did you mean reward"):
        world.control(spec(metric="rewrad"))
    world.control(spec(metric="reward"))
    assert world.machine.started == ["s.r.0.a1", "s.r.1.a1", "s.r.2.a1"]


def test_a_metric_that_no_run_has_ever_reported_is_a_wrong_request_after_three_points():
    world = World(always_one)
    with pytest.raises(RequestError, match="reported: reward"):
        world.control(spec(metric="steps_to_solve", rollout_count=9))
    assert len(world.machine.started) == 3


@pytest.mark.parametrize("first", [0, 2])
def test_a_run_without_the_metric_has_no_score_and_the_sweep_goes_on(first):
    solved = Outcome(metrics={"steps_to_solve": 7.0, "reward": 1.0})
    world = World(lambda run_id, attempt, config: solved if int(run_id[-1]) == first else reward(0.5))
    assert not world.control(spec(metric="steps_to_solve", rollout_count=8)).failed
    assert len(world.finished_runs()) == 8
    assert len(world.optimizer.observed) == 1
    assert world.optimizer.failed == []


@pytest.mark.parametrize(("goal", "best"), [(Goal.MAXIMIZE, 2.0), (Goal.MINIMIZE, 0.0)])
def test_the_incumbent_follows_the_goal(goal, best):
    world = World(lambda run_id, attempt, config: reward(float(config["trainer"]["x"])))
    world.control(spec(goal=goal))
    assert world.recorder.state.incumbent.metric == best


def test_of_equals_the_earliest_is_the_best():
    world = World(lambda run_id, attempt, config: reward(1.0))
    world.control(spec(rollout_count=3))
    assert world.recorder.state.incumbent.rollout == 0


def test_changing_the_goal_rescores_what_is_there():
    world = World(lambda run_id, attempt, config: reward(float(config["trainer"]["x"])))
    world.control(spec(goal=Goal.MAXIMIZE))
    world.control(spec(goal=Goal.MINIMIZE))
    assert world.recorder.state.incumbent.metric == 0.0


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"wall_time_s": 4.5}, "wall_time"),
        ({"total_cost_s": 4.5}, "total_cost"),
        ({"target": 3.0}, "target"),
        ({"patience": 2}, "patience"),
        ({"deadline_s": 1_700_001_004.5}, "deadline"),
    ],
)
def test_each_stop_rule_ends_the_sweep_and_says_so(limits, rule):
    scores = [1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    world = World(lambda run_id, attempt, config: reward(scores[min(7, config["trainer"]["x"])]))
    stop = world.control(spec(rollout_count=50, limits=LimitSettings(**limits)))
    assert stop.reason.rule == rule
    assert world.journal.events[-1]["rule"] == rule
    assert 3 <= len(world.machine.started) <= 6


def test_slots_are_filled_and_protein_hears_what_is_pending():
    world = World(always_one, slots=3)
    world.control(spec(rollout_count=7))
    assert world.machine.most_alive == 3
    assert len(world.optimizer.pending[2]) == 2


def test_a_clock_that_jumps_changes_no_total_and_no_duration():
    def script(run_id, attempt, config):
        world.clock.epoch += 3600 if attempt % 2 else -7200
        return reward(1.0)

    world = World(script)
    world.control(spec(rollout_count=4, limits=LimitSettings(wall_time_s=60)))
    assert len(world.finished_runs()) == 4
    assert all(event["elapsed_s"] < 60 for event in world.journal.events)


def test_protein_hears_the_mean_learning_curve_of_all_samples_at_the_steps_they_share():
    curves = {"s.r.0": [(10, 1.0, 1.0), (20, 2.0, 2.0)], "s.r.1": [(10, 3.0, 1.0), (30, 9.0, 3.0)]}
    world = World(always_one)
    world.machine.evaluations = lambda run_id: [
        Evaluation(step=step, time_s=seconds, metrics={"reward": value})
        for step, value, seconds in curves.get(run_id, ())
    ]
    world.control(spec(rollout_count=2, num_samples=2))
    assert world.recorder.state.observations[0].curve == ((10.0, 2.0, 1.0),)
    assert world.optimizer.curves[0] == ((1.0, 2.0, 1.0),)
    replayed = SweepState.fold(map(from_json, world.journal.events))
    assert replayed.observations[0].curve == ((10.0, 2.0, 1.0),)


def test_a_long_learning_curve_is_thinned_and_points_without_a_number_are_left_out():
    world = World(always_one)
    world.machine.evaluations = lambda run_id: [
        Evaluation(step=k, time_s=float(k), metrics={"reward": math.nan if k % 2 else 1.0}) for k in range(1000)
    ]
    world.control(spec(rollout_count=1))
    curve = world.recorder.state.observations[0].curve
    assert 32 <= len(curve) <= 64
    assert all(metric == 1.0 for _, metric, _ in curve)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -3, 1e300, 10**400, "much", "3", True, [1]])
def test_what_an_older_version_stored_of_a_cost_ends_no_sweep(poison):
    world = World(always_one)
    world.control(spec(rollout_count=2))
    for event in world.journal.events:
        if event["kind"] == "run_finished":
            event["cost_s"] = event["metrics"]["other"] = poison
            event["curve"] = [[1.0, poison, 1.0], [2.0, 0.5, 2.0]]
    world.control(spec(rollout_count=4))
    assert [cost for _, _, cost, _ in world.optimizer.observed] == pytest.approx([1.0] * 4, abs=0.1)
    assert world.optimizer.curves[0][-1] == (1.0, 0.5, 2.0)
    assert all(map(math.isfinite, sum(world.optimizer.curves[0], ())))
    assert world.recorder.state.total_cost_s == pytest.approx(4.0, abs=0.2)


class FlakyStore:
    """A file system that does not let results be read for a while."""

    def __init__(self, machine, until_s):
        self.machine, self.until_s = machine, until_s

    def __call__(self, run_id):
        if self.machine.clock.seconds < self.until_s:
            raise OSError(errno.ESTALE, "Stale file handle")
        return SimulatedMachine.result(self.machine, run_id)


@pytest.mark.parametrize(("away_s", "started"), [(20.0, 1), (300.0, 2)])
def test_a_result_that_cannot_be_read_is_looked_at_again_before_its_run_is_done_again(away_s, started):
    world = World(always_one)
    world.machine.result = FlakyStore(world.machine, world.clock.seconds + away_s)
    if started > 1:
        world.machine.script = lambda run_id, attempt, config: reward(1.0, seconds=400.0 if attempt > 1 else 1.0)
    assert not world.control(spec(rollout_count=1)).failed
    assert len(world.machine.started) == started
    assert world.finished_runs() == ["s.r.0"]
    assert sum("cannot be read" in str(word) for word in world.heard) == 1


class HeldBack:
    """Peers that give out every third number, and only after a while."""

    def __init__(self, clock, known_s=5.0):
        self.clock, self.known_s, self.asked_before_s = clock, known_s, []

    def is_known(self):
        return self.clock.monotonic_s() >= self.known_s

    def claim(self, state):
        if not self.is_known():
            self.asked_before_s.append(self.clock.monotonic_s())
        return None if int(self.clock.monotonic_s()) % 2 else 3 * len(state.runs)

    def own_number(self, state):
        return 100 + len(state.runs)

    def points(self):
        return [{"trainer.lr": 0.77}]


def test_a_shared_sweep_starts_nothing_unknown_and_uses_the_numbers_that_it_is_given():
    world = World(always_one)
    peers = HeldBack(world.clock)
    world.control(spec(rollout_count=3, confirm=ConfirmSettings(top_k=1, seeds=2)), peers=peers)
    run_ids = [run.run_id for run in world.recorder.state.runs.values()]
    assert run_ids == ["s.r.0", "s.r.3", "s.r.6", "s.r.103", "s.r.104"]
    assert peers.asked_before_s == []
    assert all({"trainer.lr": 0.77} in pending for pending in world.optimizer.pending)


class ReplacedError(Exception):
    """Another controller has the sweep."""


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(asked_before=st.integers(0, 60), seed=st.integers(0, 5), signalled=st.booleans())
def test_a_controller_that_was_replaced_writes_starts_and_ends_nothing(asked_before, seed, signalled):
    world, looks = World(random_script(seed), slots=3), []

    def fence():
        looks.append((len(world.journal.events), list(world.machine.started), list(world.machine.cancelled)))
        if len(looks) > asked_before:
            raise ReplacedError

    world.fence = fence
    world.interrupted = lambda: signal.SIGTERM if signalled and len(looks) >= asked_before else None
    try:
        world.control(spec(rollout_count=6), max_retries=50)
    except ReplacedError:
        assert looks[-1] == (len(world.journal.events), world.machine.started, world.machine.cancelled)
    except InterruptedSweepError:
        assert signalled
    else:
        assert len(looks) <= asked_before
    world.fence, world.interrupted = (lambda: None), (lambda: None)
    world.control(spec(rollout_count=6), max_retries=50)
    assert len(world.recorder.state.decided_rollouts) == 6
    assert set(Counter(world.machine.started).values()) <= {1}


def test_every_run_of_a_long_sweep_has_a_seed_of_its_own():
    seeds = {planned_run(spec(seed=2**31 - 5), number).seed for number in range(10_000)}
    assert len(seeds) == 10_000
    assert max(seeds) < 2**31


def test_a_config_file_that_is_gone_refuses_the_start_and_the_next_command_goes_on(tmp_path):
    base = tmp_path / "base.yaml"
    asked = spec(command=("train.py", f"{{config:{base}}}"), rollout_count=1)
    world = World(always_one)
    world.control(asked)
    assert world.machine.started == []
    refused = [event["message"] for event in world.journal.events if "message" in event and "attempt" in event]
    assert refused
    assert all(f"{base} cannot be read" in message for message in refused)
    base.write_text("lr: 1\n")
    world.control(asked)
    assert world.finished_runs() == ["s.r.0"]
