"""What single runs did: learning curves, predictions held against outcomes, and how the slots were used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metta_sweep.report.calibration import calibration, coverage, verdict
from metta_sweep.report.html.figure import EXPECTED_ENDS, Figure, axis, label, line, points, window
from metta_sweep.report.rows import RunRow, SweepRows
from metta_sweep.report.wording import count, duration, number
from metta_sweep.result import Evaluation
from metta_sweep.sweep.records import AttemptState
from metta_sweep.sweep.state import SweepState

MOST_CURVES = 40
"""Learning curves that are drawn: the ten best runs, and an even share of the rest."""
BEST_CURVES = 10
"""Of these, the best ones."""
_CURVES = {
    "best run": ("@best", 3.0, "solid"),
    "next best": ("@ok", 1.4, "solid"),
    "others": ("@muted", 1.0, "dot"),
}
MOST_STEPS = 200
"""Points of a curve that are drawn."""


def runs_to_draw(rows: SweepRows) -> list[RunRow]:
    """Return the runs whose curves are drawn: the best ones first."""
    scored = [(rows.spec.goal.score(run.metric), run) for run in rows.runs if run.metric is not None]
    ordered = [run for _, run in sorted(scored, key=lambda pair: -pair[0])]
    others = ordered[BEST_CURVES:] + [run for run in rows.runs if run.metric is None and run.attempts]
    step = max(1, -(-len(others) // (MOST_CURVES - BEST_CURVES)))
    return ordered[:BEST_CURVES] + others[::step]


def learning_curves(rows: SweepRows, evaluations: Mapping[str, Sequence[Evaluation]]) -> Figure | None:
    """Return the metric over training steps, or None where no run reported on the way."""
    metric, best = rows.spec.metric, rows.best_run
    data: list[dict[str, Any]] = []
    for place, run in enumerate(runs_to_draw(rows)):
        curve = [(one.step, one.metrics[metric]) for one in evaluations.get(run.run_id, ()) if metric in one.metrics]
        if len(curve) < 2:
            continue
        is_best = best is not None and run.run_id == best.run_id
        group = "best run" if is_best else "next best" if place < BEST_CURVES and run.metric is not None else "others"
        is_first = all(one["name"] != group for one in data)
        data.append({**_curve(run, curve, group), "legendgroup": group, "showlegend": is_first})
    if not data:
        return None
    drawn = len(data)
    data += _expected_ends([run for run in runs_to_draw(rows) if evaluations.get(run.run_id)])
    return Figure(
        key="curves",
        title="Learning curves",
        caption=f"{count(drawn, 'run')} that reported on the way, the best drawn through, others dotted. "
        "Where the best still improve at the end, longer training would pay."
        + (f" {EXPECTED_ENDS}" if rows.ended_runs else ""),
        data=data,
        layout={"xaxis": axis("training steps"), "yaxis": axis(metric)},
    )


def _expected_ends(runs: Sequence[RunRow]) -> list[dict[str, Any]]:
    """Return one trace of what was expected of runs when they were stopped early, with 90% intervals; or none."""
    judged = [run for run in runs if run.judgement is not None and run.judgement.final is not None]
    ends = [(run.judgement.steps, *run.judgement.final) for run in judged if run.judgement and run.judgement.final]
    if not ends:
        return []
    told = [f"{label(run.run_id)}<br>expected {number(end[1])}" for run, end in zip(judged, ends, strict=True)]
    bars = {
        "type": "data",
        "array": [high - value for _, value, _, high in ends],
        "arrayminus": [value - low for _, value, low, _ in ends],
        "thickness": 1,
        "width": 0,
        "color": "@band_line",
    }
    xs, ys = [steps for steps, *_ in ends], [value for _, value, *_ in ends]
    name = "expected when stopped"
    return [points(name, xs, ys, color="@muted", symbol="circle-open", text=told, error_y=bars)]


def _curve(run: RunRow, curve: Sequence[tuple[int, float]], group: str) -> dict[str, Any]:
    color, width, dash = _CURVES[group]
    shown = curve[:: max(1, len(curve) // MOST_STEPS)]
    told = [f"{label(run.run_id)}<br>step {step}: {number(value)}" for step, value in shown]
    xs, ys = [step for step, _ in shown], [value for _, value in shown]
    trace = line(group, xs, ys, color=color, line={"width": width, "dash": dash})
    return {**trace, "text": told, "hoverinfo": "text"}


def predictions(rows: SweepRows) -> Figure | None:
    """Return outcomes against what was predicted, or None where nothing was."""
    pairs = [(row, row.suggestion.predicted, row.mean) for row in rows.rollouts]
    known = [(row, said, mean) for row, said, mean in pairs if said is not None and mean is not None]
    if not known:
        return None
    said = [one for _, one, _ in known]
    seen = [one.score for one in said] + [mean for _, _, mean in known]
    ends = [min(seen), max(seen)]
    frame, _ = window([*seen, *(bound for one in said for bound in (one.score_low, one.score_high))])
    cut = 0 if frame is None else sum(one.score_low < frame[0] or one.score_high > frame[1] for one in said)
    warning = verdict(calibration(rows))
    return Figure(
        key="predictions",
        title="Predicted and actual",
        caption="A point on the diagonal came out as predicted; the bars are the 90% intervals. "
        f"{coverage(calibration(rows))}."
        + (f" {warning}." if warning else "")
        + (f" {count(cut, 'bar')} reach far beyond the frame." if cut else ""),
        data=[
            line("as predicted", ends, ends, color="@muted", line={"dash": "dash"}),
            points(
                "rollouts",
                [one.score for one in said],
                [mean for _, _, mean in known],
                color="@ok",
                symbol="circle",
                rollouts=[row.index for row, _, _ in known],
                error_x={
                    "type": "data",
                    "array": [one.score_high - one.score for one in said],
                    "arrayminus": [one.score - one.score_low for one in said],
                    "thickness": 1,
                    "width": 0,
                    "color": "@band_line",
                },
            ),
        ],
        layout={
            "xaxis": axis(f"predicted {rows.spec.metric}", range=frame),
            "yaxis": axis(f"actual {rows.spec.metric}", range=window(mean for _, _, mean in known)[0]),
        },
    )


# --------------------------------------------------------------------- slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One attempt in one slot."""

    slot: int
    """0 for the first; an attempt takes the first slot that is free."""
    run_id: str
    """The run."""
    start_s: float
    """Sweep time, seconds."""
    end_s: float
    """Sweep time, seconds."""
    failed: bool
    """Whether it ended without a result."""


def spans(state: SweepState) -> list[Span]:
    """Return when each attempt held a slot, by sweep time; one that is alive holds it until now."""
    found: list[Span] = []
    free_at: list[float] = []
    for start_s, end_s, run_id, failed in sorted(_attempts(state)):
        slot = next((place for place, free_s in enumerate(free_at) if free_s <= start_s + 1e-3), len(free_at))
        free_at[slot:] = [end_s] if slot == len(free_at) else [end_s, *free_at[slot + 1 :]]
        found.append(Span(slot=slot, run_id=run_id, start_s=start_s, end_s=end_s, failed=failed))
    return found


def _attempts(state: SweepState) -> Iterator[tuple[float, float, str, bool]]:
    for run in state.runs.values():
        for attempt in run.attempts:
            end_s = state.elapsed_s if attempt.state.is_live else attempt.started_s + attempt.wall_s
            yield attempt.started_s, end_s, run.run_id, attempt.state is AttemptState.FAILED


def idle_share(found: Sequence[Span]) -> float:
    """Return the share of slot time, from the first start to the last end, in which no attempt ran."""
    if not found:
        return 0.0
    whole = max(span.end_s for span in found) - min(span.start_s for span in found)
    slots = 1 + max(span.slot for span in found)
    busy = sum(span.end_s - span.start_s for span in found)
    return max(0.0, 1.0 - busy / (slots * whole)) if whole > 0 else 0.0


def slots(state: SweepState) -> Figure | None:
    """Return what ran where and when, or None where nothing ran."""
    found = spans(state)
    if not found:
        return None
    amount = 1 + max(span.slot for span in found)
    groups = (("finished or running", "@ok", "", False), ("failed", "@bad", "x", True))
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "base": [span.start_s for span in chosen],
            "x": [span.end_s - span.start_s for span in chosen],
            "y": [f"slot {span.slot}" for span in chosen],
            "marker": {"color": color, "line": {"width": 1, "color": "@surface"}, "pattern": {"shape": pattern}},
            "text": [f"{label(span.run_id)}<br>{duration(span.end_s - span.start_s)}" for span in chosen],
            "textposition": "none",
            "hovertemplate": "%{text}<extra></extra>",
        }
        for name, color, pattern, failed in groups
        if (chosen := [span for span in found if span.failed is failed])
    ]
    return Figure(
        key="slots",
        title="Use of the slots",
        caption=f"Attempts by sweep time, in {count(amount, 'slot')}; {idle_share(found):.0%} of the slot time was "
        "idle (suggesting, starting, waiting).",
        data=data,
        layout={
            "barmode": "overlay",
            "xaxis": axis("sweep time (seconds)"),
            "yaxis": {"automargin": True, "autorange": "reversed", "type": "category"},
        },
        height=120 + 34 * min(amount, 24),
    )
