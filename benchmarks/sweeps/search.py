"""One sweep: runs one after the other until the training time is spent, and the policy that would be deployed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.sweeps.contenders import Contender, OurProtein
from benchmarks.sweeps.tasks import Task
from benchmarks.sweeps.training import Report, Run, deployed
from metta_sweep.trainer.policy import Policy

SEARCHED, CONFIRMED = 0.7, 3
"""With confirmation: share of the time for the search, then fresh seeds of each of the best few points."""


@dataclass(kw_only=True)
class Known:
    """One run of a sweep."""

    params: dict[str, Any]
    reports: list[Report]
    end: str
    """``finished``, ``ended``, ``diverged``, or ``cut`` where the time was over."""
    policy: Policy | None
    at_s: float
    """Training time that the sweep had spent by then."""


@dataclass(kw_only=True)
class Sweep:
    """What a sweep did."""

    task: Task
    seed: int
    runs: list[Known] = field(default_factory=list)
    spent_s: float = 0.0
    """CPU-seconds of training and evaluation."""
    ask_s: float = 0.0
    """CPU-seconds in which the contender chose points."""
    judge_s: float = 0.0
    """CPU-seconds in which it judged and learned."""
    path: list[dict[str, float]] = field(default_factory=list)
    """Each policy that would be deployed from some time on, and what it is worth."""

    @property
    def finished(self) -> dict[int, Known]:
        """Return the runs that came to their end."""
        return {number: run for number, run in enumerate(self.runs) if run.end == "finished"}

    def train(self, params: dict[str, Any], contender: Contender | None, until_s: float) -> Known:
        """Do one run: as far as the contender wants it, and the time reaches."""
        number = len(self.runs)
        run, end = Run(self.task.config(params, 1000 * self.seed + number)), "finished"
        for _, _, cost_s in run.train():
            if self.spent_s + cost_s > until_s:
                end = "cut"
                break
            if contender is not None and run.reports[-1][0] < 1.0 and self._ends(contender, number, params, run):
                end = "ended"
                break
        end = "diverged" if run.diverged else end
        self.spent_s = until_s if end == "cut" else self.spent_s + run.cost_s
        known = Known(params=params, reports=run.reports, end=end, policy=run.policy, at_s=self.spent_s)
        self.runs.append(known)
        return known

    def _ends(self, contender: Contender, number: int, params: dict[str, Any], run: Run) -> bool:
        started = time.process_time()
        found = contender.ends(number, params, run.reports)
        self.judge_s += time.process_time() - started
        return found

    def teach(self, contender: Contender) -> None:
        """Tell the contender of the last run."""
        started, number = time.process_time(), len(self.runs) - 1
        run = self.runs[-1]
        if run.end == "diverged":
            contender.failed(number, run.params)
        elif run.end == "finished":
            contender.finished(number, run.params, run.reports)
        elif run.end == "ended":
            contender.ended(number, run.params, run.reports)
        self.judge_s += time.process_time() - started

    def ask(self, contender: Contender) -> dict[str, Any]:
        """Return the contender's next point."""
        started = time.process_time()
        params = contender.ask(len(self.runs), [])
        self.ask_s += time.process_time() - started
        return params

    def deploy(self, number: int) -> None:
        """Write down that this run's policy would be deployed from now on."""
        run = self.runs[number]
        assert run.policy is not None
        value, error = deployed(run.policy, self.task.config(run.params, 0), self.task.fresh_episodes)
        told = {"at_s": run.at_s, "run": number, "reported": run.reports[-1][1], "value": value, "error": error}
        self.path.append({name: round(each, 4) for name, each in told.items()})


def search(task: Task, contender: Contender, seed: int) -> tuple[Sweep, Sweep | None]:
    """Spend a task's time; for Protein with runs ended early, also as it is with confirmation from 70% on."""
    sweep, confirmed = Sweep(task=task, seed=seed), None
    best = -np.inf
    while sweep.spent_s < task.budget_s:
        run = sweep.train(sweep.ask(contender), contender, task.budget_s)
        sweep.teach(contender)
        if run.end == "finished" and run.reports[-1][1] > best:
            best = run.reports[-1][1]
            sweep.deploy(len(sweep.runs) - 1)
        if confirmed is None and sweep.spent_s >= SEARCHED * task.budget_s and is_confirmed(contender):
            confirmed = confirm(sweep, contender)
    return sweep, confirmed


def is_confirmed(contender: Contender) -> bool:
    """Return whether the same search is also done with confirmation."""
    return isinstance(contender, OurProtein) and contender.ends_early


def confirm(sweep: Sweep, contender: OurProtein) -> Sweep:
    """Return a sweep that goes on otherwise: with fresh seeds of the best points, one after the other."""
    own = Sweep(task=sweep.task, seed=sweep.seed, runs=list(sweep.runs), path=list(sweep.path))
    own.spent_s, own.ask_s, own.judge_s = sweep.spent_s, sweep.ask_s, sweep.judge_s
    finished = sweep.finished
    scores = {number: run.reports[-1][1] for number, run in finished.items()}
    chosen = contender.most_promising({number: run.params for number, run in finished.items()}, scores, CONFIRMED)
    fresh: dict[int, list[int]] = {number: [] for number in chosen}
    while chosen and own.spent_s < own.task.budget_s:
        for number in chosen:
            run = own.train(own.runs[number].params, None, own.task.budget_s)
            if run.end == "finished":
                fresh[number].append(len(own.runs) - 1)
    means = {of: np.mean([own.runs[each].reports[-1][1] for each in them]) for of, them in fresh.items() if them}
    if means:
        winner = max(means, key=lambda of: means[of])
        own.deploy(max([winner, *fresh[winner]], key=lambda each: own.runs[each].reports[-1][1]))
        own.path[-1]["at_s"] = own.task.budget_s
    return own


def summary(sweep: Sweep, contender: Contender) -> dict[str, Any]:
    """Return what is kept of a sweep."""
    predicted = contender.predicted if isinstance(contender, OurProtein) else {}
    return {
        "task": sweep.task.name,
        "seed": sweep.seed,
        "budget_s": sweep.task.budget_s,
        "ask_s": round(sweep.ask_s, 2),
        "judge_s": round(sweep.judge_s, 2),
        "path": sweep.path,
        "runs": [_kept(run, predicted.get(number)) for number, run in enumerate(sweep.runs)],
    }


def _kept(run: Known, said: Any) -> dict[str, Any]:
    kept: dict[str, Any] = {"params": {name: _short(value) for name, value in run.params.items()}, "end": run.end}
    kept["reports"] = [[share, round(reward, 4), round(cost_s, 3)] for share, reward, cost_s in run.reports]
    if said is not None:
        kept["predicted"] = [_short(each) for each in (said.score_low, said.score, said.score_high)]
        kept["predicted_cost"] = [_short(each) for each in (said.cost_low, said.cost, said.cost_high)]
    return kept


def _short(value: Any) -> Any:
    return float(f"{value:.5g}") if isinstance(value, float) else value
