"""Logistic regression by gradient descent, logged to Weights & Biases."""

import argparse

import numpy as np
import wandb

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--weight-decay", type=float, default=1e-3)
parser.add_argument("--epochs", type=int, default=50)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

wandb.init(project="logistic-regression", config=vars(args))
rng = np.random.default_rng(args.seed)
x = rng.standard_normal((400, 20))
y = x @ rng.standard_normal(20) + rng.standard_normal(400) > 0
train, val = slice(0, 200), slice(200, 400)
w = np.zeros(20)
for epoch in range(args.epochs):
    p = 1 / (1 + np.exp(-x @ w))
    w -= args.lr * (x[train].T @ (p - y)[train] / 200 + args.weight_decay * w)
    loss = -np.mean(np.log(np.where(y, p, 1 - p)[val] + 1e-9))
    wandb.log({"epoch": epoch, "val/loss": loss, "val/accuracy": np.mean((p > 0.5) == y, where=np.arange(400) >= 200)})
wandb.finish()
