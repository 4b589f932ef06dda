"""How well Protein's surrogate ranks points that it has not seen, without running a search.

OMP_NUM_THREADS=1 python -m benchmarks.optimizer.ranking --out FILE [--measured DIR] [--families rl,noisy] [--seeds 10]

The surrogate of the score is fitted to 20 random points, to 50, and to 50 that were found (20 random ones and 30 around
the best so far). It is asked about 150 points of the whole space and 150 around the best that it knows. Kept of each
fit: the rank correlation with what the points truly give, over the space and near the best, and the regret of the ten
points that it ranks first. Each fit is done twice, to scores with their noise and to scores without it: the difference
is what noise costs. ``--against FILE`` compares with what another version wrote, by pairs.
"""

from __future__ import annotations

import argparse
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.optimizer.measured import measured
from benchmarks.optimizer.problems import PROBLEMS
from metta_sweep.optimize.protein.history import CodedObservation, History
from metta_sweep.optimize.protein.kernel import Geometry
from metta_sweep.optimize.protein.model import MetricModel
from metta_sweep.space import SearchSpace

HISTORIES = {"20 random": (20, 0), "50 random": (50, 0), "50 found": (20, 30)}
"""Random points, and points around the best so far."""
ASKED, AROUND, AT_ONCE, TOP = 150, 4, 5, 10
MEASURES = ("space", "near", "regret")
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Landscape:
    """A problem and its space."""

    problem: Any
    space: SearchSpace

    @classmethod
    def of(cls, problem: Any) -> Landscape:
        return cls(problem=problem, space=SearchSpace.parse(problem.parameters, problem.constraints))

    def score(self, codes: np.ndarray, rng: np.random.Generator) -> float:
        """Return what a run at codes gives; NaN where it fails."""
        score, _, failed = self.problem.evaluate(self.space.decode(codes), rng)
        return math.nan if failed else score

    def worth(self, points: np.ndarray) -> np.ndarray:
        """Return what codes ``(n, d)`` give without noise, as a negative regret; NaN where they fail."""
        return np.array([-self.problem.regret(self.space.decode(codes)) for codes in points])

    def around(self, points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return points ``(count, d)`` of which about two parameters differ from one of those given."""
        near = points[rng.integers(len(points), size=20 * count)]
        moved = np.clip(near + 0.15 * rng.standard_normal(near.shape), 0.0, None)
        fresh = self.space.sample(len(near), rng)
        unordered = [parameter.domain.is_unordered for parameter in self.space.parameters]
        moved = np.where(unordered, fresh, np.minimum(moved, 1.0))
        chosen = rng.random(near.shape) < 2.0 / max(2, self.space.dim)
        snapped = self.space.snap(np.where(chosen, moved, near))
        return snapped[self.space.satisfied(snapped)][:count]


def known(landscape: Landscape, random: int, found: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return points that were run ``(n, d)`` and their scores ``(n,)``."""
    points = landscape.space.sample(random, rng)
    scores = np.array([landscape.score(codes, rng) for codes in points])
    while len(points) < random + found:
        best = points[np.argsort(-np.nan_to_num(scores, nan=-np.inf))[:AROUND]]
        more = landscape.around(best, AT_ONCE, rng)
        points = np.concatenate([points, more])
        scores = np.append(scores, [landscape.score(codes, rng) for codes in more])
    worked = np.isfinite(scores)
    return points[worked], scores[worked]


def measures(landscape: Landscape, name: str, seed: int) -> Iterator[Row]:
    """Yield what is kept of the fits to one history."""
    rng = np.random.default_rng([zlib.crc32(f"{landscape.problem.name} {name}".encode()), seed])
    points, scores = known(landscape, *HISTORIES[name], rng)
    near = landscape.around(points[np.argsort(-scores)[:AROUND]], ASKED, rng)
    asked = np.concatenate([landscape.space.sample(ASKED, rng), near])
    worth = landscape.worth(asked)
    for taught, targets in (("noisy", scores), ("exact", landscape.worth(points))):
        said = expected(landscape.space, points, targets, asked, seed)
        works = np.isfinite(worth)
        first = np.argsort(-said[works])[:TOP]
        row = {"problem": landscape.problem.name, "family": landscape.problem.family, "history": name, "seed": seed}
        row |= {"taught": taught, "space": agreement(said[:ASKED], worth[:ASKED])}
        yield row | {"near": agreement(said[ASKED:], worth[ASKED:]), "regret": -float(worth[works][first].mean())}


def expected(space: SearchSpace, points: np.ndarray, scores: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """Return what a surrogate of scores at points expects of other points."""
    seen = (CodedObservation(codes=tuple(at), score=float(y), cost=1.0) for at, y in zip(points, scores, strict=True))
    history, nothing = History.of(seen, space.dim), np.empty((0, space.dim))
    model = MetricModel.fit(Geometry.of(space), history, nothing, 6, np.random.default_rng(seed))
    return model.observed.mean(asked).mean(0)


def agreement(said: np.ndarray, worth: np.ndarray) -> float:
    """Return the rank correlation where there is anything to rank, else NaN."""
    works = np.isfinite(worth)
    ranks = [said[works], worth[works]]
    return float(spearmanr(*ranks).statistic) if all(len(np.unique(each)) > 1 for each in ranks) else math.nan


def mean(values: Iterable[float]) -> str:
    """Return a mean and its standard error."""
    finite = [value for value in values if math.isfinite(value)]
    return f"{np.mean(finite):+.3f} ± {np.std(finite, ddof=1) / math.sqrt(len(finite)):.3f}" if len(finite) > 1 else "-"


def told(rows: list[Row], before: list[Row]) -> str:
    """Return a table by family and history: the mean measures, or how they differ from those before."""
    at = {(row["problem"], row["history"], row["seed"], row["taught"]): row for row in before}
    groups = defaultdict(list)
    for row in rows:
        other = at.get((row["problem"], row["history"], row["seed"], row["taught"]))
        if not before or other is not None:
            values = [row[key] - (other[key] if other else 0.0) for key in MEASURES]
            groups[row["family"], row["history"], row["taught"]].append(values)
    lines = [
        "| family | history | scores | over the space | near the best | regret of the first ten | fits |",
        "|---" * 7 + "|",
    ]
    for group, values in groups.items():
        lines.append(f"| {' | '.join([*group, *map(mean, zip(*values, strict=True))])} | {len(values)} |")
    return "\n".join(lines)


def read(path: Path | None) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path and path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="one line a fit; what it holds already is not done again"
    )
    parser.add_argument("--measured", type=Path, help="folder of the measured tuning data")
    parser.add_argument("--families", default="", help="all by default")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--against", type=Path, help="what another version wrote")
    args = parser.parse_args()
    wanted = {each for each in args.families.split(",") if each}
    problems = [*PROBLEMS, *(measured(args.measured) if args.measured else [])]
    chosen = [each for each in problems if not wanted or each.family in wanted]
    landscapes = [
        Landscape(problem=each, space=SearchSpace.parse(each.parameters, each.constraints)) for each in chosen
    ]
    done = {(row["problem"], row["history"], row["seed"]) for row in read(args.out)}
    for seed in range(args.seeds):
        for landscape in landscapes:
            for name in HISTORIES:
                if (landscape.problem.name, name, seed) not in done:
                    rows = list(measures(landscape, name, seed))
                    with args.out.open("a") as file:
                        file.writelines(json.dumps(row) + "\n" for row in rows)
    print(told(read(args.out), read(args.against)))


if __name__ == "__main__":
    main()
