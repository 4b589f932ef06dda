"""Runs as threads of this very process: calls of a Python function, gone with it."""
