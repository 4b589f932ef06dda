"""Runs on a Ray cluster, an existing one or one that is started for the sweep."""
