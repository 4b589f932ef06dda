"""Where a sweep searches: scales, parameters, conditions, constraints, and the space they make."""

from metta_sweep.space.parameter import Choice, Condition, Interval, Parameter
from metta_sweep.space.reading import Tied
from metta_sweep.space.scales import SCALES
from metta_sweep.space.search_space import SearchSpace

DISTRIBUTIONS = tuple(SCALES)
"""Names of the distributions that a parameter may have."""

__all__ = ["DISTRIBUTIONS", "Choice", "Condition", "Interval", "Parameter", "SearchSpace", "Tied"]
