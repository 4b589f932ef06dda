"""The check of a machine's arithmetic notices a core that computes something else."""

from __future__ import annotations

import numpy as np

from metta_sweep.optimize.protein import self_check
from metta_sweep.optimize.protein.posterior import Posterior


def test_core_and_gpytorch_agree_to_rounding():
    fine, detail = self_check.check_arithmetic()
    assert fine, detail


def test_a_library_that_computes_wrongly_is_noticed(monkeypatch):
    exact = Posterior.predict

    def off(self, points):
        mean, variance = exact(self, points)
        return mean + 1e-4 * np.ones_like(mean), variance

    monkeypatch.setattr(Posterior, "predict", off)
    fine, detail = self_check.check_arithmetic()
    assert not fine
    assert "computes wrongly" in detail
