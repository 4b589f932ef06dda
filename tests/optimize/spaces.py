"""Search spaces that between them have everything a space can have."""

from __future__ import annotations

from metta_sweep.space import SearchSpace


def between(low, high, distribution="uniform", **more):
    return {"min": low, "max": high, "distribution": distribution, **more}


PLAIN = {"x": between(0.0, 1.0), "rate": between(1e-5, 1e-1, "log_normal")}
EVERYTHING = {
    "t.rate": between(1e-5, 1e-1, "log_normal"),
    "t.batch": between(32, 4096, "uniform_pow2"),
    "t.part": between(16, 1024, "uniform_pow2"),
    "t.half": {"expr": "${t.batch} // 2"},
    "t.kind": {"values": ["adam", "sgd", "lion"]},
    "t.memory": {"values": [True, False]},
    "t.size": between(1, 9, "int_uniform", when={"t.memory": True}),
    "t.discount": between(0.9, 0.999, "logit_normal"),
}
RULES = ["t.part <= t.batch", "t.rate * t.batch < 10"]
NARROW = {"a": between(0.0, 1.0), "b": between(0.0, 1.0), "n": between(1, 50, "int_uniform")}
NARROW_RULES = ["a + b < 0.2", "n % 7 == 0"]
TINY = {"kind": {"values": ["a", "b"]}, "n": between(1, 3, "int_uniform")}


def plain():
    return SearchSpace.parse(PLAIN)


def everything():
    return SearchSpace.parse(EVERYTHING, RULES)


def narrow():
    """Return a space of which about 0.3% is feasible."""
    return SearchSpace.parse(NARROW, NARROW_RULES)


def tiny():
    """Return a space of six points."""
    return SearchSpace.parse(TINY)
