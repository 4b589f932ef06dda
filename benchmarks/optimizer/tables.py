"""Tables and a plot of what ``benchmarks.optimizer.run`` left in a folder.

    python -m benchmarks.optimizer.tables --out DIR [--write]

With ``--write`` the results are kept beside this file: ``results.json``, ``RESULTS.md`` and ``results.svg``.
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

from benchmarks.optimizer.drawing import draw

HERE = Path(__file__).parent
HEAD = """# Results of the optimizer benchmark

Made by `python -m benchmarks.optimizer.tables --out DIR --write`. The problems, the commands that fill the folder, how
to read this, and where Protein is not ahead: [README.md](README.md).

"""
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
    for problem in {problem for problems in found.values() for problem in problems}:
        everything = [row for peer in found.values() for rows in peer.get(problem, {}).values() for row in rows]
        logs = [math.log(row["cost"]) for row in everything if row["score"] is not None]
        low, high = min(logs), max(logs)
        for row in everything:
            row["cost_share"] = (math.log(row["cost"]) - low) / max(1e-9, high - low)
    return found


def mean_by_family(found: Any, peer: str, measure: Callable[[list[Row]], float]) -> dict[str, float]:
    """Return the mean of a measure over seeds, then over the problems of each family."""
    by_family = defaultdict(list)
    for problem, seeds in found[peer].items():
        by_family[problem.split("/")[0]].append(float(np.mean([measure(rows) for rows in seeds.values()])))
    return {family: float(np.mean(values)) for family, values in by_family.items()}


def table(title: str, found: Any, measure: Callable[[list[Row]], float], families: Iterable[str]) -> list[str]:
    """Mean of a measure by family, of the peers that ran on every problem of the families that Protein ran on."""
    families = list(families)
    needed = {problem for problem in found["protein"] if problem.split("/")[0] in families}
    lines = [
        f"### {title}",
        "",
        f"| peer | {' | '.join(families)} | mean | seeds |",
        "|---" * (len(families) + 3) + "|",
    ]
    rows = []
    for peer in found:
        if not needed <= set(found[peer]):
            continue
        means = mean_by_family(found, peer, measure)
        values = [means[family] for family in families]
        seeds = min(len(found[peer][problem]) for problem in needed)
        rows.append((float(np.mean(values)), peer, values, seeds))
    for mean, peer, values, seeds in sorted(rows):
        cells = " | ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {peer} | {cells} | {mean:.3f} | {seeds} |")
    return [*lines, ""]


def hypervolume(rows: list[Row]) -> float:
    """Return the area that the score/cost front covers: 1 - regret against log cost, both from 0 to 1."""
    front = sorted((row["cost_share"], 1.0 - min(1.0, row["regret"])) for row in rows if row["score"] is not None)
    area, best, at = 0.0, 0.0, 0.0
    for share, gain in front:
        if gain > best:
            area += best * (share - at)
            best, at = gain, share
    return area + best * (1.0 - at)


def at_money(rows: list[Row], spent: float) -> float:
    """Return the regret when so many seconds were spent."""
    done = int(np.searchsorted(money(rows), spent, side="right"))
    return float(curve(rows)[done - 1]) if done else 1.0


def money_table(found: Any, families: Iterable[str]) -> list[str]:
    """Regret after a quarter, half and all of the money that 50 runs of random search cost."""
    lines = ["### Regret against money: shares of what 50 random runs cost", ""]
    lines += ["| problem | peer | 1/8 | 1/4 | 1/2 | 1 | hypervolume |", "|---|---|---|---|---|---|---|"]
    for problem in [each for each in found["random"] if each.split("/")[0] in set(families)]:
        whole = float(np.mean([money(rows)[-1] for rows in found["random"][problem].values()]))
        rows_of = []
        for peer, problems in found.items():
            runs = list(problems.get(problem, {}).values())
            if runs:
                cells = [np.mean([at_money(rows, share * whole) for rows in runs]) for share in (0.125, 0.25, 0.5, 1.0)]
                rows_of.append((cells[1], peer, cells, np.mean([hypervolume(rows) for rows in runs])))
        for _, peer, cells, area in sorted(rows_of):
            lines.append(f"| {problem} | {peer} | {' | '.join(f'{cell:.3f}' for cell in cells)} | {area:.3f} |")
    return [*lines, ""]


def by_problem(found: Any, mark: int) -> list[str]:
    """Mean regret a problem, with the number of seeds of each peer; shows peers that ran on some problems only."""
    peers = list(found)
    lines = [f"### Mean normalized regret after {mark} runs, by problem (seeds)", ""]
    lines += [f"| problem | {' | '.join(peers)} |", "|---" * (len(peers) + 1) + "|"]
    for problem in dict.fromkeys(problem for peer in ("protein", *peers) for problem in found[peer]):
        cells = []
        for peer in peers:
            runs = list(found[peer].get(problem, {}).values())
            cells.append(f"{np.mean([curve(rows)[mark - 1] for rows in runs]):.3f} ({len(runs)})" if runs else "-")
        lines.append(f"| {problem} | {' | '.join(cells)} |")
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
    heads = ["family", "best peer (seeds)", "its regret at 50", "Protein's at 50", "Protein reaches it after"]
    lines += [f"| {' | '.join(heads)} | share of its money |", "|---|---|---|---|---|---|"]
    peers = [peer for peer in found if not peer.startswith("protein") and len(found[peer]) == len(found["protein"])]
    for family in families:
        ends = {peer: mean_by_family(found, peer, lambda rows: curve(rows)[-1]).get(family, math.inf) for peer in peers}
        best = min(ends, key=lambda peer: ends[peer])
        ours = mean_curve(found, "protein", family)
        hits = np.flatnonzero(ours <= ends[best])
        runs = str(int(hits[0]) + 1) if len(hits) else "not in 50"
        share = money_share(found, best, family)
        seeds = min(len(each) for each in found[best].values())
        lines.append(f"| {family} | {best} ({seeds}) | {ends[best]:.3f} | {ours[-1]:.3f} | {runs} | {share} |")
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
    lines += money_table(found, ["cost"])
    lines += table("Share of failed runs", found, failed, ["failing"])
    lines += table("Duplicate points in 50 runs", found, duplicates, families)
    lines += table("Share of results inside the 90% interval", {"protein": found["protein"]}, inside, everything)
    lines += by_problem(found, 50)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    text, summary = report(args.out)
    print(text)
    if args.write:
        (HERE / "RESULTS.md").write_text(HEAD + text + "\n")
        (HERE / "results.json").write_text(json.dumps(summary) + "\n")
        (HERE / "results.svg").write_text(draw(summary), encoding="utf-8")


if __name__ == "__main__":
    main()
