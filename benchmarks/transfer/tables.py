"""What was measured, as tables: regret after some runs, against a sweep that begins with nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKS = (1, 3, 5, 10)
DRAWS = 2000
Results = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""By arm, task and seed: the regret after each run."""


def tables(results: Results) -> str:
    """Return the mean regret of each arm, its ratio to cold with a 90% interval over the seeds, and every task's."""
    seeds = min(len(found) for of in results.values() for found in of.values())
    return "\n".join([*_means(results, seeds), "", *_by_task(results, seeds), ""])


def _means(results: Results, seeds: int) -> Iterator[str]:
    yield f"{len(results['cold'])} tasks x {seeds} seeds; in brackets the ratio to cold and its 90% interval over seeds"
    yield ""
    yield f"| | {' | '.join(f'after {mark}' for mark in MARKS)} | CPU seconds a sweep |"
    yield f"|---|{'---|' * (len(MARKS) + 1)}"
    cold = _regrets(results["cold"], seeds)
    for arm, of in results.items():
        found = _regrets(of, seeds)
        cells = [f"{found[..., mark - 1].mean():.3f}{_ratio(arm, found, cold, mark)}" for mark in MARKS]
        cpu_s = np.mean([run["cpu_s"] for by_seed in of.values() for run in by_seed.values()])
        yield f"| `{arm}` | {' | '.join(cells)} | {cpu_s:.1f} |"


def _ratio(arm: str, found: NDArray[Any], cold: NDArray[Any], mark: int) -> str:
    if arm == "cold":
        return ""
    ratio = found[..., mark - 1].mean() / cold[..., mark - 1].mean()
    low, high = _interval(found[..., mark - 1], cold[..., mark - 1])
    return f" ({ratio:.2f}, {low:.2f} to {high:.2f})"


def _interval(found: NDArray[Any], cold: NDArray[Any]) -> tuple[float, float]:
    """Return the 90% interval of the ratio of means: a bootstrap over the seeds of each task, the tasks as they are."""
    rng = np.random.default_rng(0)
    drawn = [(_resampled(found, rng).mean(), _resampled(cold, rng).mean()) for _ in range(DRAWS)]
    low, high = np.quantile([above / below for above, below in drawn], [0.05, 0.95])
    return float(low), float(high)


def _resampled(regrets: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    return np.take_along_axis(regrets, rng.integers(regrets.shape[1], size=regrets.shape), axis=1)


def _by_task(results: Results, seeds: int) -> Iterator[str]:
    yield f"| after {MARKS[-1]} | {' | '.join(f'`{arm}`' for arm in results)} |"
    yield f"|---|{'---|' * len(results)}"
    for task in results["cold"]:
        cells = [f"{_regrets({task: of[task]}, seeds)[..., MARKS[-1] - 1].mean():.2f}" for of in results.values()]
        yield f"| `{task}` | {' | '.join(cells)} |"


def _regrets(of: Mapping[str, Mapping[str, Any]], seeds: int) -> NDArray[Any]:
    """Return the regrets ``(tasks, seeds, runs)``."""
    return np.array([[by_seed[str(seed)]["regret"] for seed in range(seeds)] for by_seed in of.values()])
