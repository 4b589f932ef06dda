"""What is said of a run that was ended on its way."""

from __future__ import annotations

from metta_sweep.report.rows import RunRow
from metta_sweep.report.wording import duration, printable


def stopped_early_in_words(run: RunRow) -> str:
    """Return how far a run came that was stopped early, why it was, and what that saved."""
    why = "" if run.judgement is None else f": {printable(run.judgement.reason)}"
    saved = f"{duration(run.cost_s)} instead of about {duration(run.whole_cost_s)}"
    return f"stopped early at {run.share:.0%}{why}; {saved}"
