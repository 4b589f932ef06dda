"""Protein as a package of OptunaHub: the sampler itself is in metta-sweep."""

from metta_sweep.optuna import ProteinSampler

__all__ = ["ProteinSampler"]
