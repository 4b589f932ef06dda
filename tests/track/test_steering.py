"""The buttons of W&B do here what they say, and what happens here is shown there."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import Instructed, SweepStopped
from metta_sweep.sweep.ports import Instruction
from metta_sweep.track import Mode, start_mirror, steering
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.steering import Decision, Steering, decide, state_here
from tests.factories import History
from tests.track.comparing import assert_mirrored
from tests.track.server import Fault
from tests.track.server.loopback import KEY
from tests.track.test_live import remote, wait_for
from tests.track.test_whole_sweep import SweepOnDisk, environ_of, short_runs
from tests.track.told import ToldSweep, environment


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"here": "RUNNING", "before": "", "there": "PENDING", "known": ""}, Decision(push="RUNNING")),
        ({"here": "RUNNING", "before": "", "there": "FINISHED", "known": ""}, Decision(push="RUNNING")),
        ({"here": "RUNNING", "before": "", "there": "RUNNING", "known": ""}, Decision()),
        ({"here": "RUNNING", "before": "RUNNING", "there": "RUNNING", "known": "RUNNING"}, Decision()),
        (
            {"here": "RUNNING", "before": "RUNNING", "there": "PAUSED", "known": "RUNNING"},
            Decision(heard=Instruction.PAUSE),
        ),
        ({"here": "PAUSED", "before": "RUNNING", "there": "PAUSED", "known": "PAUSED"}, Decision()),
        (
            {"here": "PAUSED", "before": "PAUSED", "there": "RUNNING", "known": "PAUSED"},
            Decision(heard=Instruction.WORK),
        ),
        (
            {"here": "RUNNING", "before": "RUNNING", "there": "RUNNING", "known": "FINISHED"},
            Decision(heard=Instruction.WORK),
        ),
        (
            {"here": "RUNNING", "before": "RUNNING", "there": "CANCELED", "known": "RUNNING"},
            Decision(heard=Instruction.STOP_NOW),
        ),
        (
            {"here": "RUNNING", "before": "RUNNING", "there": "FINISHED", "known": "PAUSED"},
            Decision(heard=Instruction.STOP),
        ),
        ({"here": "PAUSED", "before": "RUNNING", "there": "RUNNING", "known": "RUNNING"}, Decision(push="PAUSED")),
        ({"here": "FINISHED", "before": "RUNNING", "there": "RUNNING", "known": "RUNNING"}, Decision(push="FINISHED")),
        ({"here": "RUNNING", "before": "RUNNING", "there": "CRASHED", "known": "RUNNING"}, Decision()),
    ],
)
def test_who_changed_the_state_decides(states, expected):
    assert decide(**states) == expected


@pytest.mark.parametrize(
    ("instruction", "source", "rule", "expected"),
    [
        (None, "", None, "RUNNING"),
        ("pause", "command line", None, "PAUSED"),
        ("work", "W&B", None, "RUNNING"),
        ("stop", "W&B", None, "RUNNING"),
        (None, "", "rollout_count", "FINISHED"),
        (None, "", "interrupted", "PAUSED"),
        ("stop", "command line", "stopped", "PAUSED"),
        ("stop", "W&B", "stopped", "FINISHED"),
        ("stop_now", "W&B", "stopped", "CANCELED"),
    ],
)
def test_the_state_that_is_shown(instruction, source, rule, expected):
    history = History().rollout(1.0)
    if instruction is not None:
        history.events.append(Instructed(instruction=instruction, source=source))
    if rule is not None:
        history.events.append(SweepStopped(rule=rule, message=""))
    assert state_here(history.state) == expected


def test_both_sides_follow_each_other(server, monkeypatch):
    monkeypatch.setattr(steering, "LOOK_S", 0.0)
    text = "method: custom\nparameters: {lr: {min: 0.0, max: 1.0}}\n"
    sweep = server.world.upsert_sweep({"config": text, "projectName": "p"})
    heard = []
    graphql = GraphQL(server.url, KEY, entity="tester", project="p")
    side, history = Steering(graphql, sweep.sweep_id, known="", hear=heard.append), History().rollout(1.0)
    side.turn(history.state)
    assert (sweep.state, heard) == ("RUNNING", [])
    sweep.state = "PAUSED"
    side.turn(history.state)
    history.events.append(Instructed(instruction="pause", source="W&B"))
    side.turn(history.state)
    assert (sweep.state, heard) == ("PAUSED", [Instruction.PAUSE])
    history.events.append(Instructed(instruction="work", source="command line"))
    side.turn(history.state)
    assert sweep.state == "RUNNING"
    again = Steering(graphql, sweep.sweep_id, known=side.known, hear=heard.append)
    sweep.state = "CANCELED"
    again.turn(history.state, listens=False)
    assert (sweep.state, heard) == ("CANCELED", [Instruction.PAUSE])


def test_a_machine_that_joins_others_does_as_was_asked_of_them(server):
    sweep = server.world.upsert_sweep(
        {"config": "method: custom\nparameters: {lr: {min: 0.0, max: 1.0}}\n", "projectName": "p"}
    )
    sweep.state, heard = "PAUSED", []
    graphql, state = GraphQL(server.url, KEY, entity="tester", project="p"), History().rollout(1.0).state
    Steering(graphql, sweep.sweep_id, known="", hear=heard.append).turn(state, joins=True)
    assert (sweep.state, heard) == ("PAUSED", [Instruction.PAUSE])
    Steering(graphql, sweep.sweep_id, known="", hear=heard.append).turn(state)
    assert (sweep.state, heard) == ("RUNNING", [Instruction.PAUSE])


@pytest.mark.long
def test_stop_on_a_run_reaches_the_controller_and_the_mirror_lives(server, tmp_path, no_process_left):
    sweep = ToldSweep(tmp_path, rollout_count=2)
    mirror = start_mirror(sweep.paths, WandbSettings(), Mode.ONLINE, environment(server, TMPDIR=str(tmp_path)))
    sweep.history.suggest().start(0)
    sweep.write().run_dir(0)
    sweep.report(0, 0.5)
    wait_for(lambda: remote(server) is not None and len(remote(server).history) == 1, mirror)
    process = mirror._process
    remote(server).stopped = True
    step = 1024

    def heard():
        nonlocal step
        step += 512
        sweep.report(0, 0.5, first_step=step)
        time.sleep(0.5)
        return mirror.link.stopped_runs == ("my_test.r.0",)

    wait_for(heard, mirror, 90)
    sweep.history.fail(0, "stopped", "stopped from W&B")
    sweep.write().whole_run(2.0).history.stop()
    sweep.close()
    assert mirror._process is process
    assert mirror.stop(30, runs=2).startswith("W&B: 2 runs, all there")
    assert remote(server).state == "failed"
    (there,) = server.world.sweeps.values()
    assert there.state == "FINISHED"
    assert_mirrored(server, sweep)


@pytest.mark.long
@pytest.mark.slow
def test_a_sweep_obeys_stop_on_a_run_pause_resume_and_cancel(server, tmp_path, no_process_left):
    server.faults.order(Fault(kind="delay", delay_s=0.3, chance=0.3))
    chosen, environ = short_runs(tmp_path, rollouts=40, seconds=60.0), environ_of(server, tmp_path)
    line = [sys.executable, "-m", "metta_sweep.commands", "run", "run=steered", chosen, "wandb=online"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    paths = SweepPaths(tmp_path / "data", "steered")
    process = subprocess.Popen(line, cwd=tmp_path, env=environ, **silent)

    def until(condition, seconds=120):
        deadline = time.monotonic() + seconds
        while not condition():
            assert process.poll() is None or seconds == 0
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def told():
        events = read_events(paths) if paths.journal.exists() else []
        return [(e["instruction"], e["source"]) for e in events if e["kind"] == "instructed"]

    until(lambda: any(run.history for run in server.world.runs.values()))
    (there,) = server.world.sweeps.values()
    run = next(run for run in server.world.runs.values() if run.history)
    run.stopped = True
    until(lambda: ("end_run", "W&B") in told())
    there.state = "PAUSED"
    until(lambda: ("pause", "W&B") in told())
    there.state = "RUNNING"
    until(lambda: ("work", "W&B") in told())
    there.state = "CANCELED"
    process.wait(120)
    state = SweepOnDisk(paths).state
    assert told()[-1] == ("stop_now", "W&B")
    assert [r.failure.message for r in state.runs.values() if r.failure] == ["stopped from W&B"]
    assert there.state == "CANCELED"
    assert_mirrored(server, SweepOnDisk(paths))
