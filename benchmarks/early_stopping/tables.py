"""Tables of the early-stopping benchmark.

    python -m benchmarks.early_stopping.tables --out DIR [--write]

With ``--write`` the results go to ``results.json`` and the tables to ``RESULTS.md`` beside this file. Contenders are
compared on the tasks and seeds that all of them have.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.early_stopping.contenders import CONTENDERS
from benchmarks.early_stopping.simulate import MARKS

HERE = Path(__file__).parent
REFERENCE = "protein"
Rows = Mapping[tuple[str, int], Mapping[str, Any]]


def read(folder: Path) -> dict[str, dict[tuple[str, int], dict[str, Any]]]:
    """Return the results of each contender by task and seed."""
    found: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        row = json.loads(path.read_text())
        found.setdefault(row["contender"], {})[row["task"], row["seed"]] = row
    return {name: found[name] for name in CONTENDERS if name in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    told = parser.parse_args()
    found = read(told.out)
    text = table(found)
    print(text)
    if told.write:
        (HERE / "RESULTS.md").write_text(text)
        rows = [row for rows in found.values() for row in rows.values()]
        lines = ",\n".join(json.dumps(row) for row in rows)
        (HERE / "results.json").write_text(f"[\n{lines}\n]\n")


def table(found: Mapping[str, Rows]) -> str:
    """Return the table of all contenders on what they have in common."""
    common = sorted(set.intersection(*(set(rows) for rows in found.values())))
    tasks, seeds = {task for task, _ in common}, {seed for _, seed in common}
    head = ["contender", *(f"{mark}" for mark in MARKS), "50, confirmed", "better / worse", "tried", "best 5% ended"]
    lines = [
        "# Early stopping at equal money",
        "",
        f"Normalized regret after the money of so many full runs, mean over {len(tasks)} tasks x {len(seeds)} seeds",
        f"that all contenders have; better and worse: tasks against `{REFERENCE}` at 50, by more than .02 of regret.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    lines += [_line(name, rows, found.get(REFERENCE, {}), common) for name, rows in found.items()]
    money = [_money(name, rows, found.get(REFERENCE, {}), common) for name, rows in found.items()]
    lines += ["", f"Money to the mean regret that `{REFERENCE}` has at 50, in full runs:", "", *filter(None, money)]
    latency = found.get("protein_outlook", {})
    if latency:
        mean = 1e3 * float(np.mean([row["judge_cpu"] for row in latency.values()]))
        lines += [
            "",
            f"An outlook took {mean:.0f} ms of CPU on average (the fit is shared by the judgements of one run).",
        ]
    return "\n".join(lines) + "\n"


def _line(name: str, rows: Rows, reference: Rows, common: list[tuple[str, int]]) -> str:
    regrets = [f"{np.mean([rows[key]['regret'][str(mark)] for key in common]):.3f}" for mark in MARKS]
    confirmed = f"{np.mean([rows[key]['confirmed'] for key in common]):.3f}"
    tried = f"{np.mean([rows[key]['tried'] for key in common]):.0f}"
    ended = sum(rows[key]["top_ended"] for key in common) / sum(rows[key]["top"] for key in common)
    told = _better_and_worse(rows, reference, common) if reference else "-"
    return "| " + " | ".join([f"`{name}`", *regrets, confirmed, told, tried, f"{ended:.0%}"]) + " |"


def _better_and_worse(rows: Rows, reference: Rows, common: list[tuple[str, int]]) -> str:
    tasks = sorted({task for task, _ in common})
    gains = []
    for task in tasks:
        keys = [key for key in common if key[0] == task]
        last = str(MARKS[-1])
        gains.append(np.mean([reference[key]["regret"][last] - rows[key]["regret"][last] for key in keys]))
    return f"{sum(gain > 0.02 for gain in gains)} / {sum(gain < -0.02 for gain in gains)}"


def _money(name: str, rows: Rows, reference: Rows, common: list[tuple[str, int]]) -> str | None:
    """Return when the mean regret first is what the reference's is at the end."""
    if not reference:
        return None
    goal = np.mean([reference[key]["regret"][str(MARKS[-1])] for key in common])
    for money in range(1, MARKS[-1] + 1):
        if np.mean([_at(rows[key], money) for key in common]) <= goal:
            return f"- `{name}`: {money}"
    return f"- `{name}`: more than {MARKS[-1]}"


def _at(row: Mapping[str, Any], money: float) -> float:
    regret = 1.0
    for at, value in row["path"]:
        if at <= money:
            regret = value
    return regret


if __name__ == "__main__":
    main()
