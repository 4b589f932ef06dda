"""The confirm command: the best of a sweep that is there are run again on fresh seeds; its search stays as it is."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from metta_sweep.commands.controller import compose, run_sweep
from metta_sweep.errors import RequestError
from metta_sweep.report.reading import state_of
from metta_sweep.store.paths import SweepPaths


def confirm_sweep(paths: SweepPaths, console: Console, *, top_k: int, seeds: int) -> int:
    """Run the best points of a sweep again, started as the sweep's own command starts runs.

    Args:
        paths: The sweep.
        console: Where progress is shown.
        top_k: How many points.
        seeds: Runs a point on average.

    Returns:
        The exit code, as of the sweep's own command.

    Raises:
        RequestError: A number is wrong, no rollout has a score, or the sweep's own command can no longer be composed.
    """
    for key, value in (("--top-k", top_k), ("--seeds", seeds)):
        if value < 1:
            raise RequestError.of(f"need a whole number of at least 1, got {value}", key=key)
    state = state_of(paths)
    if state.incumbent is None:
        raise RequestError.of(f"{paths.name} has no rollout with a score yet: there is nothing to confirm", key="NAME")
    words = state.asked.words if state.asked is not None else ()
    if not words:
        fix = f"add confirm: {{top_k: {top_k}, seeds: {seeds}}} under sweep: in its file, and start that"
        raise RequestError.of("the command that started this sweep is not known", key=paths.name, fix=fix)
    spec = state.spec
    asked = replace(
        compose(words),
        data_dir=paths.data_dir,
        metric=spec.metric,
        goal=spec.goal.value,
        rollout_count=spec.rollout_count,
        num_samples=spec.num_samples,
        limits=spec.limits,
        confirm={"top_k": top_k, "seeds": seeds, "only": True},
    )
    return run_sweep(asked, words, console)
