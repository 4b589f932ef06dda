"""A sweep over a function in an ``async`` program."""

from __future__ import annotations

import asyncio

import pytest

import metta_sweep
from metta_sweep.sweep.records import RunState
from tests.function.functions import SPACE, slow


def asked(tmp_path, **other):
    asked = {"name": "mine", "metric": "loss", "goal": "minimize", "rollout_count": 4, "optimizer": "random"}
    return asked | {"data_dir": tmp_path, "progress": False, **other}


def test_coroutines_run_beside_each_other_on_the_caller_s_event_loop(tmp_path):
    async def program():
        together, loop = asyncio.Barrier(2), asyncio.get_running_loop()

        async def train(config, trial):
            assert asyncio.get_running_loop() is loop
            await asyncio.wait_for(together.wait(), 20)
            trial.report(1, loss=1.0)
            return config["x"] ** 2

        return await metta_sweep.run_async(train, SPACE, **asked(tmp_path, max_parallel=2))

    sweep = asyncio.run(program())
    assert [run.state for run in sweep.state.runs.values()] == [RunState.FINISHED] * 4


def test_a_cancelled_task_leaves_a_sweep_that_goes_on(tmp_path):
    async def program():
        task = asyncio.create_task(metta_sweep.run_async(slow, SPACE, **asked(tmp_path)))
        while not (tmp_path / "sweep/mine/runs/mine.r.0/metrics.jsonl").exists():
            await asyncio.sleep(0.01)  # the loop is free meanwhile
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(program())
    left = metta_sweep.Sweep.open("mine", data_dir=tmp_path)
    assert (left.state.stopped.rule, left.state.runs["mine.r.0"].state) == ("interrupted", RunState.WAITING)
