"""What is in W&B at the end equals the journal, field by field."""

from __future__ import annotations

import pytest

from metta_sweep.track import sync
from tests.track.comparing import assert_mirrored
from tests.track.told import ToldSweep, environment


def told(tmp_path):
    """A sweep with every outcome: finished, failed, retried, interrupted, waiting."""
    sweep = ToldSweep(tmp_path, rollout_count=5)
    sweep.whole_run(2.5).whole_run(3.5, params={"trainer.learning_rate": 0.005, "trainer.gamma": 0.97})
    history = sweep.history
    history.suggest(origin="sobol").start(2)
    sweep.write().run_dir(2)
    sweep.report(2, 0.1)
    history.fail(2)
    history.suggest().start(3)
    sweep.write().run_dir(3)
    sweep.report(3, 1.0, 2.0)
    history.fail(3, "killed", "killed by SIGKILL").start(3)
    sweep.write().report(3, 2.1, 3.0, first_step=1024)
    sweep.finish(3, 3.0)
    history.suggest().start(4)
    sweep.write().run_dir(4)
    sweep.report(4, 0.7)
    history.interrupt(4)
    history.stop("interrupted", "Ctrl-C")
    return sweep.close()


@pytest.mark.slow
def test_everything_is_there_after_sync(server, tmp_path):
    sweep = told(tmp_path)
    report = sync(sweep.paths, environ=environment(server), timeout_s=240)
    assert server.errors == []
    assert report.complete, report.line
    assert_mirrored(server, sweep)
