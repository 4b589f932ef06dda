"""Controllers of several machines, their mirrors and the server: one sweep together."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from metta_sweep.errors import RequestError
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.state import SweepState
from metta_sweep.track import import_sweep
from metta_sweep.track.labels import number_of
from metta_sweep.track.share.claims import ALONE_FROM
from metta_sweep.track.share.peers import PATIENCE_S
from tests.track.comparing import assert_run
from tests.track.test_whole_sweep import SweepOnDisk, environ_of, short_runs

pytestmark = [pytest.mark.slow]
SHARED = ("run=shared", "wandb=online", "wandb.share=true", "wandb.alert=[finished]")


class Machine:
    """A machine with a data directory of its own and a controller."""

    def __init__(self, server, tmp_path, name, *words):
        self.data = tmp_path / name
        self.environ = {**environ_of(server, tmp_path), "DATA_DIR": str(self.data)}
        self.sweep = SweepOnDisk(SweepPaths(self.data, "shared"))
        self.log = tmp_path / f"{name}.log"
        self.cwd, self.words = tmp_path, [*SHARED, *words]
        self.process = None

    def start(self):
        line = [sys.executable, "-m", "metta_sweep.commands", "run", *self.words]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(line, cwd=self.cwd, env=self.environ, stdout=log, stderr=log)
        return self

    def wait(self, seconds=280):
        assert self.process.wait(seconds) == 0, self.log.read_text()
        return self

    def die(self):
        """Lose power: the controller, its mirror and its runs end at once."""
        self.process.kill()
        self.process.wait()
        for process in psutil.process_iter():
            try:
                if process.pid != psutil.Process().pid and str(self.data) in str(process.environ()):
                    process.kill()
            except psutil.Error:
                continue

    @property
    def state(self) -> SweepState:
        return self.sweep.state

    def own(self):
        """Return the rollouts that it did itself and that are over."""
        return [rollout for rollout in self.state.decided_rollouts if not rollout.machine]


def until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_at_work(machine):
    """Return whether a run of its own is alive there."""
    return machine.sweep.paths.journal.exists() and bool(machine.state.live_runs)


def trained(server):
    return {run.display_name: run for run in server.world.runs.values() if run.job_type == "train"}


def learned(machine):
    """Return what its Protein knows, by run id."""
    state = machine.state
    return {state.rollouts[k].run_ids: (o.params, o.metric, o.cost_s) for k, o in state.observations.items()}


def test_two_machines_do_exactly_what_was_asked_for_and_know_the_same(server, tmp_path, no_process_left):
    chosen = short_runs(tmp_path, rollouts=6, seconds=1.0, machines=2)
    one, two = (Machine(server, tmp_path, name, chosen).start() for name in ("one", "two"))
    one.wait(), two.wait()
    mine, others = ([rollout.run_ids for rollout in machine.own()] for machine in (one, two))
    assert mine
    assert others
    assert sorted([*mine, *others]) == [(f"shared.r.{k}",) for k in range(6)]
    assert len(one.state.decided_rollouts) == len(two.state.decided_rollouts) == 6
    assert learned(one) == learned(two)
    sweep = next(iter(server.world.sweeps.values()))  # both may have registered at once: the first is the sweep
    assert sweep.state == "FINISHED"
    assert [alert["title"] for alert in server.world.alerts] == ["shared: finished"]
    assert one.state.instructed is None
    assert two.state.instructed is None
    assert sorted(trained(server)) == [f"shared.r.{k}" for k in range(6)]
    for machine in (one, two):
        for rollout in machine.own():
            (run_id,) = rollout.run_ids
            assert_run(trained(server)[run_id], run_id, machine.sweep, sweep.sweep_id, group=number_of(run_id))
    with pytest.raises(RequestError, match=r"wandb\.share=true"):
        import_sweep(f"tester/metta-sweep/{sweep.sweep_id}", SweepPaths(tmp_path / "x", "shared"), environ=one.environ)
    origins = [rollout.suggestion.origin for machine in (one, two) for rollout in machine.own()]
    assert origins.count("center") == 1


@pytest.mark.long
def test_the_end_of_one_machine_is_not_the_end_of_the_others(server, tmp_path, no_process_left):
    chosen = short_runs(tmp_path, rollouts=9, seconds=3.0)
    one, two = (Machine(server, tmp_path, name, chosen).start() for name in ("one", "two"))
    until(lambda: is_at_work(two) and is_at_work(one))
    one.process.send_signal(signal.SIGINT)
    one.process.wait(200)
    sweep = next(iter(server.world.sweeps.values()))
    assert sweep.state == "RUNNING"
    two.wait()
    assert two.state.instructed is None
    assert two.state.counted_rollouts == len(two.state.decided_rollouts) == 9
    assert sweep.state == "FINISHED"


@pytest.mark.long
def test_what_a_dead_machine_has_left_is_done_by_the_other_and_not_again_when_it_returns(
    server, tmp_path, no_process_left
):
    chosen = short_runs(tmp_path, rollouts=5, seconds=4.0)
    one, two = (Machine(server, tmp_path, name, chosen, "wandb.gone_after=5s").start() for name in ("one", "two"))
    until(lambda: is_at_work(two) and is_at_work(one))
    two.die()
    one.wait()
    assert one.state.counted_rollouts == len(one.state.decided_rollouts) == 5
    two.start().wait()
    assert two.state.counted_rollouts == len(two.state.decided_rollouts) == 5
    assert len(two.state.rollouts) == 6
    assert learned(one) == learned(two)
    done = [run.display_name for run in trained(server).values() if run.state in ("finished", "failed")]
    assert len(done) == 5


@pytest.mark.long
def test_without_w_and_b_each_goes_on_alone_and_they_are_merged_later(server, tmp_path, no_process_left):
    chosen = short_runs(tmp_path, rollouts=6, seconds=1.0)
    one, two = (Machine(server, tmp_path, name, chosen).start() for name in ("one", "two"))
    until(lambda: is_at_work(two) and is_at_work(one))
    back = server.away_for(PATIENCE_S + 20)
    one.wait(), two.wait()
    back.join()
    alone = [r.run_ids[0] for m in (one, two) for r in m.own() if number_of(r.run_ids[0]) >= ALONE_FROM]
    assert alone
    assert len(alone) == len(set(alone))
    for machine in (one, two):
        line = [sys.executable, "-m", "metta_sweep.commands", "sync", "shared"]
        subprocess.run(line, cwd=tmp_path, env=machine.environ, check=True, timeout=120)
    third = Machine(server, tmp_path, "three", chosen, "rollout_count=30").start()
    until(lambda: third.sweep.paths.journal.exists() and set(alone) <= set(third.state.runs))
    third.die()
