"""A small regression, logged as Lightning's CSVLogger does: lightning_logs/version_K/metrics.csv with blank cells."""

import argparse
import csv
from pathlib import Path

import numpy as np


class CSVLogger:
    def __init__(self, root: str) -> None:
        versions = [int(path.name.removeprefix("version_")) for path in Path(root).glob("version_*")]
        self.folder = Path(root) / f"version_{max(versions, default=-1) + 1}"
        self.folder.mkdir(parents=True)
        self.rows, self.keys = [], []

    def log_metrics(self, metrics: dict, step: int) -> None:
        self.rows.append({**metrics, "step": step})
        self.keys += [key for key in self.rows[-1] if key not in self.keys]

    def save(self) -> None:
        with (self.folder / "metrics.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self.keys)
            writer.writeheader()
            writer.writerows(self.rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--max_epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    x = rng.standard_normal((512, 10))
    y = x @ rng.standard_normal(10) + 0.1 * rng.standard_normal(512)
    w, v, step = np.zeros(10), np.zeros(10), 0
    logger = CSVLogger("lightning_logs")
    for epoch in range(args.max_epochs):
        for start in range(0, 384, args.batch_size):
            rows = slice(start, start + args.batch_size)
            error = x[rows] @ w - y[rows]
            v = args.momentum * v - args.lr * x[rows].T @ error / len(error)
            w, step = w + v, step + 1
        logger.log_metrics({"train_loss": float(np.mean(error**2)), "epoch": epoch}, step)
        logger.log_metrics({"val_loss": float(np.mean((x[384:] @ w - y[384:]) ** 2)), "epoch": epoch}, step)
        logger.save()


if __name__ == "__main__":
    main()
