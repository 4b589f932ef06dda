"""Run optimizers on problems; one JSON file per optimizer, problem, seed and number of outstanding runs.

    python -m benchmarks.optimizer.run --peers random,sobol,protein --seeds 5 --out DIR
    python -m benchmarks.optimizer.run --measured DIR_OF_MEASURED_DATA ...

Files that exist are kept, so that peers of several virtual environments can fill one folder, and a run that was cut
short can be taken up. ``python -m benchmarks.optimizer.tables --out DIR`` makes the tables of them.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.optimizer.measured import measured
from benchmarks.optimizer.peers import PEERS, Outcome, Task, make
from benchmarks.optimizer.problems import PROBLEMS


def trial(peer_name: str, problem: Any, seed: int, runs: int, outstanding: int) -> list[dict[str, Any]]:
    """Run one optimizer; runs finish in the order of their simulated costs."""
    peer = make(peer_name, Task(parameters=problem.parameters, constraints=problem.constraints), seed)
    clock, going, rows, tie = 0.0, [], [], 0
    while len(rows) < runs:
        while len(going) < outstanding and len(rows) + len(going) < runs:
            started = time.process_time()
            params = peer.ask()
            cpu = time.process_time() - started
            rng = np.random.default_rng([zlib.crc32(problem.name.encode()), seed, len(rows) + len(going)])
            score, cost, failed = problem.evaluate(params, rng)
            extra = _extra(getattr(peer, "last", None), score, failed)
            heapq.heappush(going, (clock + cost, tie, (score, cost, failed, cpu, extra), params))
            tie += 1
        clock, _, (score, cost, failed, cpu, extra), params = heapq.heappop(going)
        peer.tell(params, Outcome(score=score, cost=cost, failed=failed))
        regret = None if failed else problem.regret(params)
        row = {
            "params": params,
            "score": None if failed else score,
            "cost": cost,
            "regret": regret,
            "cpu_s": round(cpu, 4),
        }
        rows.append(row | extra)
    return rows


def _extra(suggestion: Any, score: float, failed: bool) -> dict[str, Any]:
    if suggestion is None or suggestion.predicted is None:
        return {}
    told = suggestion.predicted
    return {
        "origin": suggestion.origin,
        "success": told.success,
        "inside": None if failed or math.isnan(score) else bool(told.score_low <= score <= told.score_high),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="random,sobol,protein", help=f"of {','.join(PEERS)}")
    parser.add_argument("--problems", default="", help="names or families; all by default")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--outstanding", type=int, default=1)
    parser.add_argument("--measured", type=Path, help="folder of the measured tuning data")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    problems = [*PROBLEMS, *(measured(args.measured) if args.measured else [])]
    wanted = [each for each in args.problems.split(",") if each]
    problems = [problem for problem in problems if not wanted or {problem.name, problem.family} & set(wanted)]
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seeds):
        for problem in problems:
            for peer in args.peers.split(","):
                path = args.out / f"{peer}.{problem.name}.{seed}.{args.outstanding}.json"
                if path.exists():
                    continue
                started = time.process_time()
                rows = trial(peer, problem, seed, args.runs, args.outstanding)
                record = {"peer": peer, "problem": problem.name, "family": problem.family, "seed": seed}
                record |= {"outstanding": args.outstanding, "rows": rows}
                path.write_text(json.dumps(record, default=float))
                regret = min((row["regret"] for row in rows if row["regret"] is not None), default=math.inf)
                print(f"{path.stem:48s} best {regret:.3f}  {time.process_time() - started:6.1f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
