"""A mirror beside a sweep that goes on: live metrics, states, restarts, and nothing left behind."""

from __future__ import annotations

import time

import psutil
import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import Mode, start_mirror, sync
from tests.track.comparing import assert_mirrored
from tests.track.told import ToldSweep, environment

pytestmark = pytest.mark.slow


def wait_for(condition, mirror=None, seconds=40.0):
    """Wait until something holds, as a controller does: glancing at the mirror."""
    lines, deadline = [], time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, lines
        lines += mirror.poll() if mirror is not None else []
        time.sleep(0.02)
    return lines


@pytest.fixture
def start(server, tmp_path, no_process_left):
    """Starts mirrors, and ends them where a test does not come to do so."""
    started = []

    def start(sweep):
        env = environment(server, TMPDIR=str(tmp_path))
        started.append(start_mirror(sweep.paths, WandbSettings(tags=("nightly",)), Mode.ONLINE, env))
        return started[-1]

    yield start
    for mirror in started:
        mirror.stop(1.0)


def remote(server, number=0):
    return next((r for r in server.world.runs.values() if r.display_name == f"my_test.r.{number}"), None)


def test_a_run_is_seen_while_it_goes_on_and_whole_at_the_end(server, tmp_path, start):
    sweep = ToldSweep(tmp_path, rollout_count=2)
    mirror = start(sweep)
    sweep.history.suggest().start(0)
    sweep.write().run_dir(0)
    sweep.report(0, 0.5)
    lines = wait_for(lambda: remote(server) is not None and len(remote(server).history) == 1, mirror)
    assert remote(server).state == "running"
    sweep.report(0, 0.9, first_step=1024)
    wait_for(lambda: len(remote(server).history) == 2, mirror)
    sweep.finish(0, 1.5).whole_run(2.5).history.stop()
    sweep.close()
    wait_for(lambda: mirror.registration is not None, mirror)
    (sweep_id,) = server.world.sweeps
    assert mirror.registration["sweep_id"] == sweep_id
    assert [line for line in lines if line.startswith("W&B: http")] == [f"W&B: {mirror.registration['url']}"]
    assert mirror.stop(20).startswith("W&B: 2 runs, all there")
    assert "nightly" in remote(server).tags
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_a_retried_attempt_continues_the_same_run(server, tmp_path, start):
    sweep = ToldSweep(tmp_path, rollout_count=1)
    mirror = start(sweep)
    sweep.history.suggest().start(0)
    sweep.write().run_dir(0)
    sweep.report(0, 0.5)
    wait_for(lambda: remote(server) is not None and remote(server).history, mirror)
    sweep.history.fail(0, "killed", "killed by SIGKILL")
    sweep.write()
    wait_for(lambda: remote(server).state == "preempted", mirror)
    sweep.history.start(0)
    sweep.write().report(0, 0.6, 0.8)
    wait_for(lambda: len(remote(server).history) == 3, mirror)
    assert remote(server).state == "running"
    sweep.finish(0, 0.8).close()
    mirror.stop(20)
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_a_mirror_whose_controller_dies_lets_go_and_the_next_one_goes_on(server, tmp_path, start):
    sweep = ToldSweep(tmp_path, rollout_count=1)
    mirror = start(sweep)
    sweep.history.suggest().start(0)
    sweep.write().run_dir(0)
    sweep.report(0, 0.5)
    wait_for(lambda: remote(server) is not None and remote(server).history, mirror)
    process = mirror._process
    mirror._release()
    process.wait(20)
    assert remote(server).state == "preempted"
    again = start(sweep)
    sweep.report(0, 0.7, first_step=1024).finish(0, 0.9).close()
    again.stop(20)
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_the_journal_keeps_the_id_and_a_new_start_uses_it(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0)
    environ = environment(server)
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    (sweep.paths.root / "wandb.json").unlink()
    sweep.whole_run(2.0).close()
    assert sync(sweep.paths, environ=environ, timeout_s=240).complete
    assert len(server.world.sweeps) == 1
    assert_mirrored(server, sweep)


@pytest.mark.long
def test_a_training_process_with_gpus_is_watched_by_the_client(server, tmp_path, start):
    sweep = ToldSweep(tmp_path, rollout_count=1)
    sweep.history.suggest().start(0)
    root = sweep.write().run_dir(0)
    (root / "attempts").mkdir()
    (root / "attempts" / "my_test.r.0.a1.start.json").write_text(
        f'{{"gpus": ["0"], "child": {{"pid": {psutil.Process().pid}}}}}'
    )
    mirror = start(sweep)
    wait_for(lambda: remote(server) is not None and remote(server).count("wandb-events.jsonl") > 0, mirror, 180)
    sweep.report(0, 1.0).finish(0, 1.0).close()
    mirror.stop(20)
    assert any("proc.cpu" in line for line in remote(server).lines["wandb-events.jsonl"].values())
