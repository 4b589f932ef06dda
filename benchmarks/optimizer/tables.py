"""Tables and a plot of what ``benchmarks.optimizer.run`` left in a folder.

    python -m benchmarks.optimizer.tables --out DIR [--write]

With ``--write`` the results are kept beside this file: ``results.json``, ``RESULTS.md`` and, where matplotlib is
installed, ``results.png``.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
MARKS = (10, 25, 50)
Row = dict[str, Any]


def curve(rows: list[Row]) -> np.ndarray:
    """Return the regret of the run with the best observed score, after each run; 1 before any success."""
    best, regret, out = -math.inf, 1.0, []
    for row in rows:
        if row["score"] is not None and row["score"] > best:
            best, regret = row["score"], row["regret"]
        out.append(regret)
    return np.array(out)


def money(rows: list[Row]) -> np.ndarray:
    """Return the seconds spent after each run."""
    return np.cumsum([row["cost"] for row in rows])


def load(folder: Path, outstanding: int) -> dict[str, dict[str, dict[int, list[Row]]]]:
    """Return rows by peer, problem and seed."""
    found: dict[str, dict[str, dict[int, list[Row]]]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(folder.glob(f"*.{outstanding}.json")):
        record = json.loads(path.read_text())
        record_rows = record["rows"]
        found[record["peer"]][f"{record['family']}/{record['problem']}"][record["seed"]] = record_rows
    return found


def mean_by_family(found: Any, peer: str, measure: Callable[[list[Row]], float]) -> dict[str, float]:
    """Return the mean of a measure over seeds, then over the problems of each family."""
    by_family = defaultdict(list)
    for problem, seeds in found[peer].items():
        by_family[problem.split("/")[0]].append(float(np.mean([measure(rows) for rows in seeds.values()])))
    return {family: float(np.mean(values)) for family, values in by_family.items()}


def table(title: str, found: Any, measure: Callable[[list[Row]], float], families: Iterable[str]) -> list[str]:
    families = list(families)
    lines = [
        f"### {title}",
        "",
        f"| peer | {' | '.join(families)} | mean | seeds |",
        "|---" * (len(families) + 3) + "|",
    ]
    rows = []
    for peer in found:
        means = mean_by_family(found, peer, measure)
        if not set(families) <= set(means):
            continue
        values = [means[family] for family in families]
        seeds = min(len(each) for each in found[peer].values())
        rows.append((float(np.mean(values)), peer, values, seeds))
    for mean, peer, values, seeds in sorted(rows):
        cells = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {peer} | {cells} | {mean:.3f} | {seeds} |")
    return [*lines, ""]


def duplicates(rows: list[Row]) -> float:
    return len(rows) - len({json.dumps(row["params"], sort_keys=True) for row in rows})


def failed(rows: list[Row]) -> float:
    return float(np.mean([row["score"] is None for row in rows]))


def inside(rows: list[Row]) -> float:
    known = [row["inside"] for row in rows if row.get("inside") is not None]
    return float(np.mean(known)) if known else math.nan


def reach(found: Any, families: Iterable[str]) -> list[str]:
    """Runs and money that Protein needs to reach the best peer's final mean regret."""
    lines = ["### Protein against the best peer", ""]
    lines += [
        "| family | best peer | its regret at 50 | Protein's at 50 | Protein reaches it after | share of its money |"
    ]
    lines += ["|---|---|---|---|---|---|"]
    peers = [peer for peer in found if not peer.startswith("protein")]
    for family in families:
        ends = {peer: mean_by_family(found, peer, lambda rows: curve(rows)[-1]).get(family, math.inf) for peer in peers}
        best = min(ends, key=lambda peer: ends[peer])
        ours = mean_curve(found, "protein", family)
        hits = np.flatnonzero(ours <= ends[best])
        runs = str(int(hits[0]) + 1) if len(hits) else "not in 50"
        share = money_share(found, best, family)
        lines.append(f"| {family} | {best} | {ends[best]:.3f} | {ours[-1]:.3f} | {runs} | {share} |")
    return [*lines, ""]


def mean_curve(found: Any, peer: str, family: str) -> np.ndarray:
    by_problem = [
        np.mean([curve(rows) for rows in seeds.values()], axis=0)
        for problem, seeds in found[peer].items()
        if problem.split("/")[0] == family
    ]
    return np.mean(by_problem, axis=0)


def money_share(found: Any, best: str, family: str) -> str:
    """Return Protein's money to the best peer's final regret, as a share of what the peer spent, mean over problems."""
    shares = []
    for problem, seeds in found[best].items():
        if problem.split("/")[0] != family:
            continue
        goal = np.mean([curve(rows)[-1] for rows in seeds.values()])
        spent = np.mean([money(rows)[-1] for rows in seeds.values()])
        ours = list(found["protein"].get(problem, {}).values())
        at = [next((money(rows)[i] for i, r in enumerate(curve(rows)) if r <= goal), math.inf) for rows in ours]
        shares.append(float(np.median(at)) / spent)
    return f"{np.mean(shares):.2f}" if np.isfinite(np.mean(shares)) else "not in 50"


def report(folder: Path) -> tuple[str, dict[str, Any]]:
    found = load(folder, 1)
    families = [f for f in dict.fromkeys(p.split("/")[0] for p in found["protein"]) if f != "measured"]
    everything = list(dict.fromkeys(p.split("/")[0] for p in found["protein"]))
    lines: list[str] = []
    for mark in MARKS:
        title = f"Mean normalized regret after {mark} runs"
        lines += table(title, found, lambda rows, mark=mark: curve(rows)[mark - 1], everything)
    lines += reach(found, everything)
    lines += table("Share of failed runs", found, failed, ["failing"])
    lines += table("Duplicate points in 50 runs", found, duplicates, families)
    lines += table("Share of results inside the 90% interval", {"protein": found["protein"]}, inside, everything)
    parallel = load(folder, 4)
    if "protein" in parallel:
        shown = list(dict.fromkeys(p.split("/")[0] for p in parallel["protein"]))
        lines += table("With 4 runs outstanding: regret after 50", parallel, lambda rows: curve(rows)[-1], shown)
    summary = {
        peer: {
            problem: [curve(rows).round(4).tolist() for rows in seeds.values()] for problem, seeds in problems.items()
        }
        for peer, problems in found.items()
    }
    return "\n".join(lines), summary


def plot(folder: Path, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    found = load(folder, 1)
    families = list(dict.fromkeys(p.split("/")[0] for p in found["protein"]))
    figure, axes = plt.subplots(2, (len(families) + 1) // 2, figsize=(15, 6), sharex=True)
    for axis, family in zip(axes.flat, families, strict=False):
        for peer in found:
            if any(problem.split("/")[0] == family for problem in found[peer]):
                style = {"color": "black", "linewidth": 2.2} if peer == "protein" else {"linewidth": 1.1}
                axis.plot(range(1, 51), np.maximum(mean_curve(found, peer, family), 1e-3), label=peer, **style)
        axis.set(title=family, yscale="log")
    axes.flat[0].legend(fontsize=7)
    figure.supxlabel("runs")
    figure.supylabel("normalized regret")
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text, summary = report(args.out)
    print(text)
    if args.write:
        (HERE / "RESULTS.md").write_text(text + "\n")
        (HERE / "results.json").write_text(json.dumps(summary) + "\n")
        plot(args.out, HERE / "results.png")


if __name__ == "__main__":
    main()
