"""How often evaluations and checkpoints come."""

import pytest

from metta_sweep.trainer.config import parse
from metta_sweep.trainer.intervals import Interval
from metta_sweep.trainer.schema import schema
from tests.trainer.configs import put, shipped
from tests.trainer.test_config import GUIDE_FIRST, GUIDE_SECOND


def due(every, batch_size, num_updates):
    interval = Interval(every=every, batch_size=batch_size, num_updates=num_updates)
    return [update for update in range(1, num_updates + 1) if interval.due(update)]


@pytest.mark.parametrize(
    ("every", "batch_size", "num_updates", "updates"),
    [
        (2, 64, 5, [2, 4, 5]),
        (5, 64, 5, [5]),
        (100, 64, 5, [2, 4, 5]),  # agent-steps 128, 256, 320
        (64, 64, 5, [1, 2, 3, 4, 5]),
        (63, 64, 5, [5]),  # longer than the run as updates, shorter than an update as steps
        (10**9, 64, 5, [5]),
        (None, 64, 20, list(range(2, 21, 2))),
        (None, 64, 3, [1, 2, 3]),
    ],
)
def test_an_interval_counts_updates_or_agent_steps_where_the_run_has_fewer_updates(
    every, batch_size, num_updates, updates
):
    assert due(every, batch_size, num_updates) == updates


@pytest.mark.parametrize(
    ("guide", "batch_size", "evaluations", "checkpoints"),
    [
        *((GUIDE_FIRST, batch_size, 10, 5) for batch_size in (32, 64, 128, 256)),
        (GUIDE_SECOND, 32, 7, 4),
        (GUIDE_SECOND, 64, 4, 2),
        (GUIDE_SECOND, 128, 2, 1),
    ],
)
def test_the_guides_examples_have_curves_and_checkpoints(guide, batch_size, evaluations, checkpoints):
    config = parse(put(shipped(), guide | {"trainer.batch_size": batch_size}))
    counts = [
        sum(config.intervals[name].due(update) for update in range(1, config.num_updates + 1))
        for name in ("evaluate_interval", "checkpoint_interval")
    ]
    assert counts == [evaluations, checkpoints]


def test_without_an_interval_every_run_has_ten_evaluations():
    for updates in (10, 49, 1000):
        assert len(due(None, 2048, updates)) == 10


def test_an_interval_beyond_the_run_is_noted():
    changes = {"trainer.total_timesteps": 20480, "trainer.evaluate_interval": 50, "trainer.checkpoint_interval": 30000}
    notes = dict(schema.notes(put(shipped(), changes)))
    assert "50 updates exceed the run, which has 10 updates of 2048 steps" in notes["trainer.evaluate_interval"]
    assert notes["trainer.checkpoint_interval"].startswith("30000 agent-steps exceed the run")
    assert schema.notes(shipped()) == []
    assert schema.notes({}) == []
