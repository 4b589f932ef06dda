"""Runs on this machine: a fork server that has torch loaded, GPU slots, process groups."""
