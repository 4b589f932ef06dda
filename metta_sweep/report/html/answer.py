"""The answer: what a reader of a report came for, before any plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from metta_sweep.report.advice import IDLE
from metta_sweep.report.best import Winner, found_by, score_in_words
from metta_sweep.report.calibration import cost_of
from metta_sweep.report.confirmed import chance_best, luck, progress_of, stale_note, worth
from metta_sweep.report.html.gather import Gathered
from metta_sweep.report.html.sections import run_link, table
from metta_sweep.report.html.tags import Content, Markup, tag
from metta_sweep.report.next_step import next_step, standing
from metta_sweep.report.recommended import recommended_lines
from metta_sweep.report.rows import SweepRows
from metta_sweep.report.surrogate import Surrogate
from metta_sweep.report.text import totals
from metta_sweep.report.tradeoff import bounds_in_words, by_first, choices, front_in_short, no_best
from metta_sweep.report.wording import duration, number, plain, progress_in_short

MOST_NAMED = 5
"""Parameters whose importance the answer tells."""


def answer(found: Gathered) -> Markup:
    """Return what a reader came for: the best, how certain it is, what it cost, what to do next."""
    return tag(
        "section",
        tag("h2", "The answer", id="answer"),
        tag("p", standing(found.rows, found.place), ". ", _dashboard(found.rows), class_="standing"),
        _best(found),
        _cards(found),
        _advice(found),
        _command(found),
        class_="answer",
    )


def _best(found: Gathered) -> Iterator[Content]:
    winner, rows = found.winner, found.rows
    if rows.front:
        yield from _front(found)
        return
    if winner is None and (why := no_best(rows)):
        yield tag("p", f"There is no best: {why}.", class_="lead")
        return
    if winner is None:
        yield tag("p", "No rollout has a score yet.", class_="lead")
        return
    better = "larger" if rows.spec.goal.sign > 0 else "smaller"
    kept = f" with {bounds_in_words(rows.spec)}" if rows.spec.bounds else ""
    yield tag(
        "p",
        f"The best {rows.spec.metric}{kept} ({better} is better): ",
        tag("strong", score_in_words(rows, winner)),
        ", by run ",
        run_link(found, winner.run.run_id),
        ".",
        class_="lead",
    )
    yield from _expected(found) if winner.confirmed is None else [tag("p", luck(winner.confirmed))]
    yield from _confirmation(found)
    if rows.spec.command:
        yield table(("Parameter", "Best"), [(change.name, plain(change.best)) for change in winner.changes])
    yield from [] if rows.spec.command else _changes(winner)
    if mattered := what_mattered(found.surrogate, rows.short):
        yield tag("p", mattered)
    yield tag("p", f"Found by {found_by(rows, winner)}.")


def _changes(winner: Winner) -> Iterator[Content]:
    """Yield what the best changes in the base config, and what was searched and left as it is."""
    changed = [change for change in winner.changes if change.base != change.best]
    same = [f"{change.name}={plain(change.best)}" for change in winner.changes if change.base == change.best]
    if changed:
        yield table(
            ("Parameter", "Base config", "Best"),
            [(c.name, "not set" if c.base is None else plain(c.base), plain(c.best)) for c in changed],
            caption="What the best changes in the base config",
        )
    if same:
        yield tag("p", f"Searched and left as it is: {', '.join(same)}.")


def _front(found: Gathered) -> Iterator[Content]:
    """Yield the points of which none is better in everything, and how one of them is chosen."""
    rows = found.rows
    yield tag("p", f"There is no one best but a {front_in_short(rows)}, to {rows.spec.aim}.", class_="lead")
    metrics, ordered = list(rows.spec.told_metrics), by_first(rows)
    names = list(rows.short)
    lines = [
        (
            str(row.index),
            row.runs[0].run_id,
            *(number(row.values[name]) for name in metrics),
            *(plain(row.params[name]) if name in row.params else "" for name in names),
        )
        for row in ordered
    ]
    head = ("Rollout", "Run", *metrics, *(rows.short[name] for name in names))
    yield table(head, lines, caption="None of these is better in one metric without being worse in another")
    yield tag("p", "To choose one of them, type one of:")
    yield tag("pre", tag("code", "\n".join(choices(rows, found.place))), tabindex="0")


def what_mattered(surrogate: Surrogate | None, short: Mapping[str, str]) -> str:
    """Return in a sentence which parameters mattered and how certain that is; empty where the model cannot tell."""
    every = () if surrogate is None else surrogate.importances
    if all(one.high < IDLE for one in every):
        return ""  # the model saw nothing but noise
    shown = [
        f"{short.get(one.name, one.name)} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})"
        for one in every[:MOST_NAMED]
    ]
    if not shown:
        return ""
    more = f" and {len(every) - len(shown)} more with less" if len(every) > len(shown) else ""
    return f"What mattered, as shares of the score's variation by the model: {', '.join(shown)}{more}."


def _confirmation(found: Gathered) -> Iterator[Content]:
    """Yield what each point gave that was run again on fresh seeds."""
    rows, verdict = found.rows, found.rows.verdict
    if verdict is None:
        return
    shown = [
        (
            str(one.rollout),
            number(one.searched),
            "none" if one.mean is None else number(one.mean),
            "failed on a fresh seed" if one.failed else f"breaks {one.breaks}" if one.breaks else worth(one),
            chance_best(one),
            str(one.scored),
        )
        for one in verdict.points
    ]
    head = (
        "Rollout",
        "In the search",
        "Mean of fresh runs",
        "Less the luck of the pick",
        "Chance of being best",
        "Fresh runs",
    )
    yield table(head, shown, caption=f"Confirmation: {progress_of(verdict)}")
    if note := stale_note(rows):
        yield tag("p", note)


def _expected(found: Gathered) -> Iterator[Markup]:
    """Yield what the model makes of the winner: a best of many is lucky, its neighbours are not."""
    said = found.surrogate.winner if found.surrogate is not None else None
    if said is None:
        return
    text = (
        f"By the model, which knows every rollout, many runs of it would average {number(said.mean)} "
        f"(90% interval {number(said.low)} to {number(said.high)})."
    )
    yield tag("p", text)
    if again := " ".join(line.strip() for line in recommended_lines(found.rows)):
        yield tag("p", f"{again}.")


def _dashboard(rows: SweepRows) -> Content:
    """Return a link to the sweep's page at W&B; anything that is not a web address is left out."""
    if not rows.dashboard.startswith(("https://", "http://")):
        return None
    return tag("a", "Its page at W&B", href=rows.dashboard)


def _cards(found: Gathered) -> Markup:
    rows, best = found.rows, found.winner
    failed = sum(len(row.run_ids) for row in rows.failures)
    cards = (
        ("Rollouts", progress_in_short(rows.decided, rows.spec.rollout_count, rows.unspent).replace("/", " of ")),
        ("Runs", totals(rows)),
        ("A run of the best", "none" if best is None else duration(cost_of(best.rollout))),
        ("All runs", duration(rows.cost_s)),
        ("Sweep time", duration(rows.elapsed_s)),
        ("Failed runs", str(failed)),
    )
    return tag("dl", [tag("div", tag("dt", name), tag("dd", value)) for name, value in cards], class_="cards")


def _advice(found: Gathered) -> Content:
    if not found.advice:
        return None
    return [
        tag("h3", "What to try next"),
        tag("ul", [tag("li", sentence) for sentence in found.advice]),
    ]


def _command(found: Gathered) -> Content:
    step = next_step(found.rows, found.place)
    return [
        tag("p", f"To {step.purpose}, type:"),
        tag(
            "div",
            tag("pre", tag("code", step.command), tabindex="0"),
            tag("button", "Copy", type="button", class_="copy"),
            class_="command",
        ),
    ]
