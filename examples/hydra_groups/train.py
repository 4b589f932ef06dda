"""Fit a noisy curve with a model that a config group chooses, and return the error on held-out points."""

import hydra
import numpy as np
from omegaconf import DictConfig


def features(x: np.ndarray, model: DictConfig) -> np.ndarray:
    if model.name == "polynomial":
        return np.vander(x, model.degree + 1)
    centers = np.linspace(-1, 1, model.centers)
    return np.exp(-(((x[:, None] - centers) / model.width) ** 2))


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(cfg: DictConfig) -> float:
    rng = np.random.default_rng(cfg.seed)
    x = rng.uniform(-1, 1, cfg.points)
    y = np.sin(6 * x) + 0.1 * rng.standard_normal(cfg.points)
    train, test = slice(0, cfg.points // 2), slice(cfg.points // 2, None)
    phi = features(x, cfg.model)
    ridge = cfg.ridge * np.eye(phi.shape[1])
    weights = np.linalg.solve(phi[train].T @ phi[train] + ridge, phi[train].T @ y[train])
    return float(np.mean((phi[test] @ weights - y[test]) ** 2))


if __name__ == "__main__":
    main()
