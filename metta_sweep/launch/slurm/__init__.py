"""Runs as SLURM jobs, by its own commands."""
