"""Sweep files of other tools (W&B, Hydra's Optuna and Ax sweepers, PufferLib) in the form of this project."""
