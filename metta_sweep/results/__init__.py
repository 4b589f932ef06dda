"""Where a run's numbers come from: readers of what trainers write, and the process that uses them beside a run."""
