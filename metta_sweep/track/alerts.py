"""Alerts that W&B passes on to a person (mail, Slack): the sweep's end, and a new best. ``wandb.alert`` says which."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from metta_sweep.secrecy import Redaction
from metta_sweep.sweep.state import SweepState
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.steering import GOES_ON

TITLE_LIMIT = 63
"""Characters; W&B takes titles of less than 64."""

WAIT_MS = 60_000
"""Milliseconds in which W&B drops another alert of the same title: one whose reply was lost is not told twice."""

_NOTIFY = """
mutation NotifyScriptableRunAlert($entity: String!, $project: String!, $run: String!, $title: String!, $text: String!,
                                  $severity: AlertSeverity = INFO, $wait: Duration) {
  notifyScriptableRunAlert(input: {entityName: $entity, projectName: $project, runName: $run, title: $title,
                                   text: $text, severity: $severity, waitDuration: $wait}) { success }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One thing to tell."""

    title: str
    """What happened."""
    text: str
    """More of it."""
    severity: Literal["INFO", "ERROR"] = "INFO"
    """How bad it is."""
    run_id: str = ""
    """The run that it is about; empty for the sweep as a whole."""


THE_END = "end"
"""Stands for the sweep's end among what was told."""


def known(state: SweepState) -> set[str]:
    """Return what is known that may be told: ``best K`` where rollout K is the best, and the sweep's end.

    An end that a person asked for is none: the same command goes on.
    """
    is_over = state.stopped is not None and (state.stopped.rule not in GOES_ON or state.stopped.rule == "failed")
    best = set() if state.incumbent is None else {f"best {state.incumbent.rollout}"}
    return best | ({THE_END} if is_over else set())


def of_the_end(state: SweepState) -> tuple[str, Alert | None]:
    """Return the kind of the sweep's end, and what is to be told of it."""
    stopped = state.stopped
    if stopped is None:
        return "", None
    kind = "failed" if stopped.rule == "failed" else "finished"
    runs = state.runs.values()
    failed = sum(run.failure is not None for run in runs)
    text = f"{stopped.message}. {_best(state)} {len(runs)} runs, {failed} of them failed."
    severity: Literal["INFO", "ERROR"] = "ERROR" if kind == "failed" else "INFO"
    return kind, Alert(title=f"{state.spec.name}: {kind}", text=text, severity=severity)


def of_the_best(state: SweepState) -> Alert | None:
    """Return what is to be told of the best; None where there is none."""
    if state.incumbent is None:
        return None
    rollout = state.rollouts[state.incumbent.rollout]
    title = f"{state.spec.name}: new best {state.spec.metric} {state.incumbent.metric:.4g}"
    at = ", ".join(f"{name}={value}" for name, value in rollout.suggestion.params.items())
    return Alert(title=title, text=f"{_best(state)} At {at}.", run_id=rollout.run_ids[0])


def _best(state: SweepState) -> str:
    best = state.incumbent
    if state.front:
        return f"Front of {len(state.front)} points: rollouts {', '.join(str(one.rollout) for one in state.front)}."
    if best is None:
        kept = " and ".join(map(str, state.spec.bounds))
        return f"No rollout keeps {kept}." if state.has_score else "No rollout has a score."
    run_id = state.rollouts[best.rollout].run_ids[0]
    return f"Best {state.spec.metric}: {best.metric:.6g}, rollout {best.rollout} ({run_id})."


class Alerts:
    """Tells what was asked for, each thing once."""

    def __init__(
        self,
        graphql: GraphQL,
        kinds: Collection[str],
        redaction: Redaction,
        *,
        told: Collection[str],
        remember: Callable[[str], None],
    ) -> None:
        """Tell of ``kinds``.

        Args:
            graphql: Asks the service.
            kinds: What was asked for.
            redaction: Keeps secrets out.
            told: What was told since the sweep was started, see :func:`known`.
            remember: Takes down what was told.
        """
        self._graphql = graphql
        self._kinds = kinds
        self._redaction = redaction
        self._told = set(told)
        self._remember = remember

    def turn(self, state: SweepState, wandb_id: Callable[[str], str | None]) -> None:
        """Tell what is new.

        Args:
            state: The sweep.
            wandb_id: Returns the W&B id of a run, of the overview for an empty name; None where it is not there yet.

        Raises:
            TryLaterError, RefusedError: See :meth:`GraphQL.ask_once`; it is told at the next turn.
        """
        for key in known(state) - self._told:
            is_first = key != THE_END and self._told <= {THE_END}
            kind, alert = of_the_end(state) if key == THE_END else ("best", of_the_best(state))
            if is_first or kind not in self._kinds or self._tell(alert, wandb_id):
                self._told.add(key)
                self._remember(key)

    def _tell(self, alert: Alert | None, wandb_id: Callable[[str], str | None]) -> bool:
        """Tell it and return whether it could be: the run has to be there."""
        run = None if alert is None else wandb_id(alert.run_id)
        if alert is None or run is None:
            return False
        said = {"title": alert.title[:TITLE_LIMIT], "text": alert.text}
        clean = {name: self._redaction.of_text(text) for name, text in said.items()}
        self._graphql.ask_once(_NOTIFY, run=run, severity=alert.severity, wait=WAIT_MS, **clean)
        return True
