"""Tables of the early-stopping benchmark.

    python -m benchmarks.early_stopping.tables --out DIR [--write]

With ``--write`` the results go to ``results.json`` and the tables to ``RESULTS.md`` beside this file; without ``--out``
the tables are made of ``results.json``. Contenders are compared on the tasks and seeds that all of them have.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.early_stopping.contenders import CONTENDERS
from benchmarks.early_stopping.simulate import MARKS

HERE = Path(__file__).parent
REFERENCE = "protein"
LEVEL = 0.02
"""Difference in regret within which two contenders are level on a task."""
Row = Mapping[str, Any]
Rows = Mapping[tuple[str, int], Row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    rows = read(told.out) if told.out else json.loads((HERE / "results.json").read_text())
    text = "# Early stopping at equal money\n" + "".join(
        table(workers, _by_contender(rows, workers)) for workers in sorted({row["workers"] for row in rows})
    )
    print(text)
    if told.write:
        (HERE / "RESULTS.md").write_text(text)
        lines = ",\n".join(json.dumps(row) for row in rows)
        (HERE / "results.json").write_text(f"[\n{lines}\n]\n")


def read(folder: Path) -> list[Row]:
    """Return all results of a folder."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _by_contender(rows: Sequence[Row], workers: int) -> dict[str, Rows]:
    found: dict[str, dict[tuple[str, int], Row]] = {}
    for row in rows:
        if row["workers"] == workers:
            found.setdefault(row["contender"], {})[row["task"], row["seed"]] = row
    return {name: found[name] for name in CONTENDERS if name in found}


def table(workers: int, found: Mapping[str, Rows]) -> str:
    """Return the tables of all contenders on what they have in common."""
    common = sorted(set.intersection(*(set(rows) for rows in found.values())))
    tasks, seeds = {task for task, _ in common}, {seed for _, seed in common}
    reference = found.get(REFERENCE, {})
    head = [
        "contender",
        *(f"{mark}" for mark in MARKS),
        "recommended",
        "confirmed",
        "better / worse",
        "tried",
        "best 5% ended",
    ]
    lines = [
        "",
        f"## {workers} at a time: {len(tasks)} tasks x {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'}",
        "",
        "Normalized regret after the money of so many full runs, mean over all; in brackets the standard error at 50.",
        f"Better and worse: tasks against `{REFERENCE}` at 50, by more than {LEVEL} of regret.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    lines += [_line(name, rows, reference, common) for name, rows in found.items()]
    if reference:
        lines += ["", *_money(found, reference, common)]
    return "\n".join(lines) + "\n"


def _line(name: str, rows: Rows, reference: Rows, common: Sequence[tuple[str, int]]) -> str:
    regrets = [f"{np.mean([rows[key]['regret'][str(mark)] for key in common]):.3f}" for mark in MARKS]
    last = [rows[key]["regret"][str(MARKS[-1])] for key in common]
    regrets[-1] += f" ({np.std(last, ddof=1) / np.sqrt(len(last)):.3f})"
    advised = [rows[key].get("recommended") for key in common]
    recommended = "-" if None in advised else f"{np.mean(advised):.3f}"
    confirmed = f"{np.mean([rows[key]['confirmed'] for key in common]):.3f}"
    tried = f"{np.mean([rows[key]['tried'] for key in common]):.0f}"
    ended = sum(rows[key]["top_ended"] for key in common) / sum(rows[key]["top"] for key in common)
    told = _better_and_worse(rows, reference, common) if reference else "-"
    return "| " + " | ".join([f"`{name}`", *regrets, recommended, confirmed, told, tried, f"{ended:.0%}"]) + " |"


def _better_and_worse(rows: Rows, reference: Rows, common: Sequence[tuple[str, int]]) -> str:
    gains = [
        _mean(reference, task, common) - _mean(rows, task, common) for task in sorted({task for task, _ in common})
    ]
    return f"{sum(gain > LEVEL for gain in gains)} / {sum(gain < -LEVEL for gain in gains)}"


def _mean(rows: Rows, task: str, common: Sequence[tuple[str, int]]) -> float:
    return float(np.mean([rows[key]["regret"][str(MARKS[-1])] for key in common if key[0] == task]))


def _money(found: Mapping[str, Rows], reference: Rows, common: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the money to the reference's regret at the end: of the mean over tasks, and the mean over tasks of it."""
    last = MARKS[-1]
    yield f"Money to the regret that `{REFERENCE}` has at {last}, in full runs ({last} where it is never reached):"
    yield ""
    yield "| contender | the mean regret reaches its mean | task by task, mean |"
    yield "|---|---|---|"
    tasks = sorted({task for task, _ in common})
    for name, rows in found.items():
        alone = [_first(rows, reference, [key for key in common if key[0] == task]) for task in tasks]
        yield f"| `{name}` | {_first(rows, reference, common)} | {np.mean(alone):.0f} |"


def _first(rows: Rows, reference: Rows, keys: Sequence[tuple[str, int]]) -> int:
    goal = np.mean([reference[key]["regret"][str(MARKS[-1])] for key in keys])
    spent = (money for money in range(1, MARKS[-1]) if np.mean([_at(rows[key], money) for key in keys]) <= goal)
    return next(spent, MARKS[-1])


def _at(row: Row, money: float) -> float:
    regret = 1.0
    for at, value in row["path"]:
        if at <= money:
            regret = value
    return regret


if __name__ == "__main__":
    main()
