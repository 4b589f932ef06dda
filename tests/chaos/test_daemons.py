"""The long form of faults on clusters: what a launcher relies on goes away in the middle of a whole sweep."""

from __future__ import annotations

import pytest

from tests.chaos.test_sweep_faults import check_ended, once
from tests.contract.conftest import ray, slurm
from tests.end_to_end.conftest import HELD, sweep

__all__ = ["ray", "slurm", "sweep"]

pytestmark = pytest.mark.long


def test_a_slurmctld_that_ends_and_comes_back_costs_nothing(sweep, slurm):
    asked = sweep.write_trial(rollouts=6, trial=HELD)
    controller = sweep.start(asked, "launcher=slurm", "launcher.max_parallel=2")
    sweep.wait_for("start", 2)
    slurm.stop_controller()
    sweep.let_go()
    sweep.wait_for("end", 2)
    sweep.wait_for_output(controller, "could not be started")
    slurm.start_controller()
    output, _ = controller.communicate(timeout=200)
    assert controller.returncode == 0, output
    assert sweep.noted("start") == sweep.noted("end") == once(6)
    check_ended(sweep, 6)


def test_runs_of_a_ray_node_that_dies_are_done_elsewhere(sweep, ray):
    second = ray.join('--resources={"second": 1}')
    asked = sweep.write_trial(rollouts=6, trial=HELD)
    controller = sweep.start(asked, "launcher=ray", "launcher.max_parallel=5")
    sweep.wait_for("start", 5)  # the head has four cores: one of them is on the second node
    ray.end_node(second)
    sweep.wait_for_output(controller, "killed by")
    sweep.let_go()
    output, _ = controller.communicate(timeout=200)
    assert controller.returncode == 0, output
    assert set(sweep.noted("end")) == set(once(6))
    assert sum(sweep.noted("start").values()) == 7
    check_ended(sweep, 6, repeated=set(once(6)))
