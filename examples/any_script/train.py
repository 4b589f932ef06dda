"""Fit y = sin(3x) with a polynomial by stochastic gradient descent. Knows nothing of any sweep."""

import argparse
import json
import math
import random
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--momentum", type=float, default=0.9)
parser.add_argument("--degree", type=int, default=3)
parser.add_argument("--epochs", type=int, default=60)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--output", default="result.json")
args = parser.parse_args()

rng = random.Random(args.seed)
train = [(x, math.sin(3 * x) + rng.gauss(0, 0.1)) for x in (rng.uniform(-1, 1) for _ in range(128))]
test = [(x / 50, math.sin(3 * x / 50)) for x in range(-50, 51)]
weights, velocity = [0.0] * (args.degree + 1), [0.0] * (args.degree + 1)


def predict(x):
    return sum(w * x**power for power, w in enumerate(weights))


for _ in range(args.epochs):
    for x, y in rng.sample(train, len(train)):
        error = predict(x) - y
        for power in range(args.degree + 1):
            velocity[power] = args.momentum * velocity[power] - args.lr * error * x**power
            weights[power] += velocity[power]

loss = sum((predict(x) - y) ** 2 for x, y in test) / len(test)
print(f"loss {loss:.5f}")
Path(args.output).write_text(json.dumps({"metrics": {"loss": loss}}))
