"""Laws of runs that are stopped early: who judges, when, what it costs, what it teaches, what kills do to it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from metta_sweep.config.settings import ConfirmSettings, EarlyStopSettings, LimitSettings
from metta_sweep.optimize.port import CanJudge, Outlook, RunAction
from metta_sweep.optimize.stopping import by_median, halving
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.judging import length_of
from metta_sweep.sweep.records import Run, RunState
from metta_sweep.sweep.state import SweepState
from tests.sweep.simulation import ControllerKilled, CountingOptimizer, Outcome, SimulatedMachine, World, spec

TEN = 10.0
HALVING = EarlyStopSettings(policy="halving", min_full_runs=2)
MODEL = EarlyStopSettings(min_full_runs=2)


def trained(final: float, *, names: tuple[str, ...] = ("reward",)) -> Outcome:
    """A run of ten seconds and a hundred steps whose metric grows evenly."""
    reports = tuple((float(k), 10 * k, dict.fromkeys(names, final * k / 10)) for k in range(1, 11))
    return Outcome(seconds=TEN, metrics={"reward": final}, reports=reports)


def goods_and_bads(run_id, attempt, config):
    """The first two runs are good; of the others every second is bad."""
    number = int(run_id.rpartition(".")[2])
    return trained(1.0 if number < 2 else -1.0 if number % 2 else 2.0 + number / 100)


def asked(early_stop=HALVING, **changes):
    return spec(early_stop=early_stop, training={"trainer": {"total_timesteps": 100}}, **changes)


def states(state):
    return [run.state for run in state.runs.values()]


class Seer(CountingOptimizer):
    """Has a model: it stops whatever has not come above zero."""

    def outlook(self, params, curve, pending=(), *, min_share, min_full_runs):
        self.curves.append(curve)
        action = RunAction.STOP if curve[-1][1] < 0.0 else RunAction.CONTINUE
        return Outlook(action=action, final=(-1.0, -2.0, 0.0), chance=0.02, reason="expects little")

    def observe_partial(self, params, curve):
        self.failed.append(("partial", params, tuple(curve)))


def test_a_run_that_will_not_win_is_ended_and_is_neither_a_failure_nor_a_score():
    world = World(goods_and_bads)
    world.control(asked(rollout_count=4))
    state = world.recorder.state
    lost = state.runs["s.r.3"]
    assert lost.state is RunState.STOPPED_EARLY
    assert lost.failure is None
    assert lost.metrics is None
    assert lost.share == pytest.approx(0.2)
    assert lost.cost_s < 0.3 * TEN
    assert 3 not in state.observations
    assert world.optimizer.failed == []
    assert world.machine.cancelled == ["s.r.3.a1"]


@pytest.mark.slow
def test_what_is_saved_tries_more_points_and_the_whole_never_takes_more_than_was_asked_for():
    world = World(goods_and_bads)
    stop = world.control(asked(rollout_count=8))
    state = world.recorder.state
    assert len(state.rollouts) > 8
    assert 7.0 < state.full_rollouts <= 8.0
    assert "8 whole ones" in stop.reason.message


def test_patience_is_in_whole_rollouts_too():
    world = World(lambda run_id, attempt, config: trained(2.0 if run_id in ("s.r.0", "s.r.1") else -1.0))
    stop = world.control(asked(rollout_count=50, limits=LimitSettings(patience=3)))
    state = world.recorder.state
    later = state.rollouts[1:]
    assert stop.reason.rule == "patience"
    assert stop.reason.message == f"no improvement in {len(later)} rollouts"
    assert len(later) > 3
    assert state.whole(later) == pytest.approx(3.0, abs=1.0)
    assert state.whole(later[:-1]) < 3.0 <= state.whole(later) + 1e-6


def test_without_early_stopping_the_count_is_exact_and_nobody_is_judged():
    world = World(goods_and_bads)
    world.control(asked(early_stop=None, rollout_count=8))
    assert states(world.recorder.state) == [RunState.FINISHED] * 8
    assert world.recorder.state.full_rollouts == 8


def test_a_model_is_asked_after_every_report_and_taught_what_was_ended():
    world = World(goods_and_bads, makes=Seer)
    assert isinstance(Seer(), CanJudge)
    world.control(asked(MODEL, rollout_count=4))
    run = world.recorder.state.runs["s.r.3"]
    assert run.state is RunState.STOPPED_EARLY
    assert run.judgement is not None
    assert (run.judgement.chance, run.judgement.final) == (0.02, (-1.0, -2.0, 0.0))
    kind, params, curve = world.optimizer.failed[0]
    assert (kind, params["trainer.x"]) == ("partial", 3)
    assert [share for share, _, _ in curve] == pytest.approx([0.1])


def test_nobody_is_judged_before_enough_runs_are_known_to_their_end():
    world = World(lambda run_id, attempt, config: trained(-1.0), makes=Seer)
    world.control(asked(EarlyStopSettings(min_full_runs=3), rollout_count=4))
    assert states(world.recorder.state)[:3] == [RunState.FINISHED] * 3


def test_nobody_is_judged_before_the_least_share():
    world = World(goods_and_bads, makes=Seer)
    world.control(asked(EarlyStopSettings(min_full_runs=2, min_share=0.45), rollout_count=4))
    assert world.recorder.state.runs["s.r.3"].share == pytest.approx(0.5)


def test_a_run_whose_length_is_not_known_is_judged_by_those_that_finished_or_by_what_it_says_itself():
    def script(run_id, attempt, config):
        number = int(run_id.rpartition(".")[2])
        told = trained(1.0 if number < 2 else -1.0)
        said = tuple((s, step, {**metrics, "share": step / 100}) for s, step, metrics in told.reports)
        return replace(told, reports=said)

    world = World(script)
    world.control(spec(early_stop=HALVING, command=("train",), rollout_count=3))
    assert world.recorder.state.runs["s.r.2"].state is RunState.STOPPED_EARLY


@pytest.mark.parametrize(
    ("done", "length"),
    [
        ([(100, 10, 0.5), (300, 30, 0.4)], 200.0),
        ([(101, 10, 0.5), (300, 30, 0.4)], 201.0),  # whole episodes
        ([(100, 10, 0.5), (110, 30, 0.4)], 105.0),  # ended by itself
        ([(100, 10, 0.5), (100, 30, 0.4)], 100.0),
        ([(100, 100, 0.5), (101, 101, 0.505)], 100.5),  # hardly told apart
        ([(100, 10, 0.5)], 100.0),
        ([(100, True, 0.5), (300, None, 0.4)], 200.0),
        ([], None),
    ],
)
def test_a_parameter_to_which_runs_took_steps_in_proportion_says_how_long_they_are(done, length):
    points = [{"epochs": epochs, "lr": lr} for _, epochs, lr in done] + [{"epochs": 20, "lr": 0.1}]
    rollouts = [SimpleNamespace(suggestion=SimpleNamespace(params=point)) for point in points]
    runs = [Run(run_id=f"s.r.{at}", rollout=at, seed=at) for at in range(len(points))]
    over = [replace(runs[at], metrics={"reward": 1.0}, steps=steps) for at, (steps, _, _) in enumerate(done)]
    state = SimpleNamespace(
        spec=spec(command=("train",)), rollouts=rollouts, runs={run.run_id: run for run in (*over, runs[-1])}
    )
    assert length_of(state, runs[-1]) == (None if length is None else pytest.approx(length, rel=0.01))


def test_a_run_that_says_nothing_of_its_length_goes_on():
    world = World(goods_and_bads)
    world.control(spec(early_stop=HALVING, command=("train",), rollout_count=4))
    assert set(states(world.recorder.state)) == {RunState.FINISHED}


def test_of_several_samples_those_that_wait_are_not_started_once_one_has_lost():
    world = World(goods_and_bads)
    world.control(asked(rollout_count=3, num_samples=2))
    state = world.recorder.state
    lost = next(r for r in state.rollouts if any(x.state is RunState.STOPPED_EARLY for x in state.runs_of(r)))
    others = [run for run in state.runs_of(lost) if run.state is not RunState.STOPPED_EARLY]
    assert all(run.state in (RunState.FINISHED, RunState.WAITING) for run in others)
    assert state.is_decided(lost)


def test_runs_that_confirm_are_never_judged():
    class Doubter(Seer):
        def outlook(self, *args, **kwargs):
            return Outlook(action=RunAction.STOP, final=(0.0, 0.0, 0.0), chance=0.0, reason="never")

    world = World(lambda *_: trained(1.0), makes=Doubter)
    world.control(asked(MODEL, rollout_count=3, confirm=ConfirmSettings(top_k=1, seeds=2)))
    confirming = [run for run in world.recorder.state.runs.values() if run.confirms]
    assert [run.state for run in confirming] == [RunState.FINISHED] * 2


def test_a_run_that_leaves_its_result_before_it_ends_has_finished(monkeypatch):
    monkeypatch.setattr(SimulatedMachine, "cancel", lambda self, handle, grace_s: None)
    world = World(goods_and_bads)
    world.control(asked(rollout_count=4))
    assert states(world.recorder.state) == [RunState.FINISHED] * 4


@pytest.mark.long
def test_however_often_the_controller_is_killed_a_judged_run_ends_once_and_its_state_is_told_again():
    whole = World(goods_and_bads)
    whole.control(asked(rollout_count=5))
    appends = whole.journal.appends
    for at in range(1, appends + 1):
        for after in (True, False):
            world = World(goods_and_bads)
            world.journal.kill_at, world.journal.kill_after_store = at, after
            with pytest.raises(ControllerKilled):
                world.control(asked(rollout_count=5))
            world.journal.kill_at = None
            world.control(asked(rollout_count=5))
            state = world.recorder.state
            assert RunState.FAILED not in states(state)
            assert state.full_rollouts <= 5.0
            again = SweepState.fold(map(from_json, world.journal.read()))
            assert states(again) == states(state)
            assert again.full_rollouts == state.full_rollouts


def asking(monkeypatch, *, sees):
    """Make runs ask whether they are to stop; those that see it end two seconds later, with a result."""
    told = {}

    def ask_to_stop(self, run_id):
        told.setdefault(run_id, self.clock.seconds)
        return True

    monkeypatch.setattr(SimulatedMachine, "ask_to_stop", ask_to_stop)
    monkeypatch.setattr(SimulatedMachine, "saw_stop", lambda self, run_id: sees and run_id in told)
    return told


def test_a_run_that_asks_whether_it_is_to_stop_is_not_sent_a_signal_and_its_result_is_no_final_score(monkeypatch):
    told = asking(monkeypatch, sees=True)
    world = World(goods_and_bads)
    world.control(asked(rollout_count=4))
    assert list(told) == ["s.r.3"]
    assert world.machine.cancelled == []
    assert world.recorder.state.runs["s.r.3"].state is RunState.STOPPED_EARLY


def test_a_run_that_asks_and_does_not_end_is_sent_a_signal_after_the_grace(monkeypatch):
    asking(monkeypatch, sees=False)
    world = World(goods_and_bads)
    world.control(asked(rollout_count=4), exit_grace_s=3.0)
    run = world.recorder.state.runs["s.r.3"]
    assert world.machine.cancelled == ["s.r.3.a1"]
    assert run.state is RunState.STOPPED_EARLY
    assert 0.5 * TEN < run.cost_s < TEN


def test_a_run_that_was_at_its_end_before_it_could_see_that_it_is_to_stop_has_finished(monkeypatch):
    asking(monkeypatch, sees=False)
    world = World(goods_and_bads)
    world.control(asked(rollout_count=4))
    assert states(world.recorder.state) == [RunState.FINISHED] * 4


class Repenting(Seer):
    """Thinks better of whatever it has stopped once it has seen four scores."""

    def reconsider(self, points):
        action = RunAction.CONTINUE if len(self.observed) >= 4 else RunAction.PAUSE
        return [Outlook(action=action, final=(0.0, -1.0, 1.0), chance=0.4, reason="40% by now") for _ in points]


class Every:
    def __contains__(self, run_id):
        return True


EVERY = Every()


def repenting(early_stop=MODEL, *, checkpointed=EVERY, rollout_count=6, **changes):
    world = World(goods_and_bads, makes=Repenting)
    world.machine.checkpointed = checkpointed
    world.control(asked(early_stop, rollout_count=rollout_count, **changes))
    return world


def test_a_run_that_was_ended_goes_on_once_the_model_thinks_better_of_it():
    world = repenting()
    state = world.recorder.state
    run = state.runs["s.r.3"]
    assert "s.r.3.a2" in world.machine.started
    assert run.ended_before is not None
    assert run.ended_before.share == pytest.approx(0.1)
    assert (run.state, run.judgement) == (RunState.STOPPED_EARLY, run.judgement)  # it was judged again, for good
    assert [start for start in world.machine.started if start.startswith("s.r.3.")] == ["s.r.3.a1", "s.r.3.a2"]
    assert state.total_cost_s == pytest.approx(sum(one.cost_s for one in state.runs.values()))
    again = SweepState.fold(map(from_json, world.journal.read()))
    assert states(again) == states(state)
    assert again.total_cost_s == pytest.approx(state.total_cost_s)


def test_a_run_that_goes_on_to_its_end_is_a_whole_run_and_is_taught_as_one():
    def script(run_id, attempt, config):
        return trained(3.0) if attempt > 1 else goods_and_bads(run_id, attempt, config)

    world = World(script, makes=Repenting)
    world.machine.checkpointed = EVERY
    world.control(asked(MODEL, rollout_count=6))
    state = world.recorder.state
    run = state.runs["s.r.3"]
    assert (run.state, run.share) == (RunState.FINISHED, 1.0)
    assert state.observations[3].metric == 3.0
    assert state.incumbent.rollout == 3
    assert state.full_rollouts <= 6.0
    assert 3.0 in [metric for _, metric, *_ in world.optimizer.observed]


def test_with_several_slots_nothing_goes_untaught_while_a_run_goes_on():
    world = World(goods_and_bads, makes=Repenting, slots=3)
    world.machine.checkpointed = EVERY
    world.control(asked(MODEL, rollout_count=9))
    state = world.recorder.state
    assert [start for start in world.machine.started if start.endswith(".a2")]
    taught = {params["trainer.x"] for params, *_ in world.optimizer.observed}
    partly = {params["trainer.x"] for _, params, _ in world.optimizer.failed}
    for rollout in state.decided_rollouts:
        (run,) = state.runs_of(rollout)
        assert rollout.suggestion.params["trainer.x"] in (taught if run.state is RunState.FINISHED else partly)


@pytest.mark.parametrize(
    ("early_stop", "checkpointed", "changes"),
    [
        (MODEL, (), {}),
        (replace(MODEL, resume=False), EVERY, {}),
        (HALVING, EVERY, {}),
        (MODEL, EVERY, {"num_samples": 2, "rollout_count": 3}),
    ],
)
def test_no_run_goes_on_that_has_no_checkpoint_or_is_not_to(early_stop, checkpointed, changes):
    world = repenting(early_stop, checkpointed=checkpointed, **changes)
    assert not [start for start in world.machine.started if start.endswith(".a2")]


@pytest.mark.slow
def test_a_trainer_of_ones_own_goes_on_where_a_person_says_that_it_can():
    changes = {"command": ("train",), "training": {}}
    for resume, goes_on in ((None, False), (True, True)):
        world = World(goods_and_bads, makes=Repenting)
        early_stop = replace(MODEL, resume=resume, total_steps=100)
        world.control(spec(early_stop=early_stop, rollout_count=6, **changes))
        assert ("s.r.3.a2" in world.machine.started) is goes_on


@pytest.mark.slow
def test_however_often_the_controller_is_killed_a_run_goes_on_once():
    whole = repenting()
    for at in range(1, whole.journal.appends + 1):
        world = World(goods_and_bads, makes=Repenting)
        world.machine.checkpointed = EVERY
        world.journal.kill_at = at
        with pytest.raises(ControllerKilled):
            world.control(asked(MODEL, rollout_count=6))
        world.journal.kill_at = None
        world.control(asked(MODEL, rollout_count=6))
        state = world.recorder.state
        assert RunState.FAILED not in states(state)
        assert state.full_rollouts <= 6.0
        assert state.total_cost_s == pytest.approx(sum(one.cost_s for one in state.runs.values()))


def test_halving_looks_at_its_rungs_alone():
    others = [[(0.1, 0.0), (0.2, 1.0), (0.5, 2.0), (1.0, 3.0)]] * 3
    assert halving([(0.1, -9.0)], others) is None
    assert "at 20%" in (halving([(0.1, 0.0), (0.2, 0.5)], others) or "")
    assert halving([(0.2, 1.0), (0.4, 0.0)], others) is None
    assert "at 50%" in (halving([(0.2, 1.0), (0.5, 0.0)], others) or "")
    assert halving([(0.2, 0.0)], []) is None


def test_the_median_rule_compares_the_best_with_means():
    others = [[(0.1, 0.0), (0.2, 1.0), (1.0, 3.0)]] * 3
    assert by_median([(0.1, 0.6), (0.2, 0.4)], others) is None
    assert "below the median of 3 runs" in (by_median([(0.1, 0.0), (0.2, 0.4)], others) or "")
    assert by_median([(0.2, -1.0)], [[(0.1, 0.0)]]) is None
