"""Protein: the cost-aware Gaussian-process optimizer. No disk, no network, no clock, no global random numbers.

Notation, the same in every file of this package:

========  ===================  ==========================================================================
symbol    shape                meaning
========  ===================  ==========================================================================
d                              number of parameters
n, m                           numbers of observations and of candidate points
H                              number of hyperparameter samples
x         (d,)                 a point, as codes of the space: 0 to 1, or the index of a category
X         (n, d)               observed points
y         (n,)                 observed scores after the output transform: larger is better, about N(0, 1)
l         (H, d)               lengthscales, in codes
s2        (H,)                 signal variance
t2        (H,)                 noise variance of one observation
r2        (n, m)               squared scaled distance: sum of ((x_i - x'_i) / l_i)^2; 1/l_i^2 between categories
K         (n, n)               covariance of the observations, noise included
L         (n, n)               lower Cholesky factor of K
mu, var   (m,)                 posterior mean and variance of the noise-free value
f*                             the incumbent: best posterior mean of the observed points
========  ===================  ==========================================================================
"""

from metta_sweep.optimize.port import Prediction, Suggestion
from metta_sweep.optimize.protein.protein import Protein
from metta_sweep.optimize.protein.settings import ProteinSettings

__all__ = ["Prediction", "Protein", "ProteinSettings", "Suggestion"]
