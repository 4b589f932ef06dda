"""Where a sweep is kept: its paths, its journal, its lock, its run directories."""
