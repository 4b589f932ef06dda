"""Fit a noisy curve with a small network; every setting stands in a YAML file."""

import argparse
from pathlib import Path

import numpy as np
import yaml

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--config", required=True)
config = yaml.safe_load(Path(parser.parse_args().config).read_text())

rng = np.random.default_rng(config["seed"])
x = rng.uniform(-1, 1, (400, 1))
y = np.sin(6 * x) + 0.1 * rng.standard_normal(x.shape)
train, val = slice(0, 200), slice(200, 400)
width, optim = config["model"]["width"], config["optim"]
w, b = 3 * rng.standard_normal((1, width)), 3 * rng.standard_normal(width)
out, velocity = np.zeros((width, 1)), np.zeros((width, 1))
for epoch in range(config["epochs"]):
    h = np.tanh(x @ w + b)
    gradient = h[train].T @ (h[train] @ out - y[train]) / 200 + optim["weight_decay"] * out
    velocity = optim["momentum"] * velocity - optim["lr"] * gradient
    out += velocity
    error = (h @ out - y) ** 2
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: train loss {error[train].mean():.4f}, val loss {error[val].mean():.4f}", flush=True)
