"""The bundled trainer: PPO on vectorized environments. Imports nothing of the sweep but its two shared files."""
