"""An optimizer in a process of its own: the controller stays small, and a thought takes no time from watching runs.

What takes no time is answered here; the process is started one suggestion before it is needed, so that it loads
while a run goes on. The two talk in lines of JSON, a question and an answer at a time. An optimizer is pure, so a
process that died is replaced by one that is told the same history. It ends with its controller: it sees its input end.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

from metta_sweep.decoding import decode
from metta_sweep.errors import MettaSweepError, Problem, RequestError
from metta_sweep.optimize.port import (
    CanJudge,
    CanPair,
    CanReconsider,
    CurvePoint,
    Expectation,
    Insight,
    Measured,
    Outlook,
    Recommendation,
    SearchTask,
    Suggestion,
    expectations_of,
    insight_of,
    recommendation_of,
)
from metta_sweep.optimize.registry import from_json, kind_of, to_json

STARTS = 2
"""How often a process is started for one suggestion before its death is reported."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""The cores are the runs'; the matrices here are too small for more than one thread."""


class OptimizerDiedError(MettaSweepError):
    """The optimizer's process died, and so did the one that replaced it."""


class InvalidSuggestionError(MettaSweepError):
    """An optimizer suggested a point that may not be run."""


class OptimizerProcess:
    """An optimizer as the loop sees it; its twin in another process does the thinking.

    Args:
        name: The optimizer's name in the registry.
        task: What it is made for.

    Raises:
        RequestError: There is no such optimizer.
    """

    def __init__(self, name: str, task: SearchTask) -> None:
        self._kind = kind_of(name)
        self._task = task
        self._space = task.space
        self._optimizer = self._kind.make(task)
        self._identity = to_json(name, task)
        self._lessons: list[dict[str, Any]] = []
        self._told = 0
        self._closed = False
        self._twin: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the twin, for whoever measures or watches it; None while none is needed."""
        return self._twin.pid if self._twin else None

    def observe(
        self,
        params: Mapping[str, Any],
        score: Measured,
        cost: float,
        noise: Measured | None = None,
        curve: Sequence[CurvePoint] = (),
    ) -> None:
        """Learn what a rollout gave; the twin is told with the next question."""
        self._optimizer.observe(params, score, cost, noise, curve)
        seen = {"score": score, "cost": cost, "noise": noise, "curve": [list(point) for point in curve]}
        self._lessons.append({"params": dict(params), **seen})

    def observe_by_seed(
        self, params: Mapping[str, Any], scores: Mapping[int, float], cost: float, curve: Sequence[CurvePoint] = ()
    ) -> None:
        """Learn what a rollout gave by seed, where :attr:`has_pairs`; the twin is told with the next question."""
        if isinstance(self._optimizer, CanPair):
            self._optimizer.observe_by_seed(params, scores, cost, curve)
            by_seed = [[seed, score] for seed, score in scores.items()]  # a key of JSON is a text
            seen = {"by_seed": by_seed, "cost": cost, "curve": [list(point) for point in curve]}
            self._lessons.append({"params": dict(params), **seen})

    def observe_failure(self, params: Mapping[str, Any]) -> None:
        """Learn that the parameters do not work; the twin is told with the next question."""
        self._optimizer.observe_failure(params)
        self._lessons.append({"params": dict(params)})

    def forget(self) -> None:
        """Begin at nothing again; a twin that was told is ended, and the next question starts another."""
        self._optimizer = self._kind.make(self._task)
        if self._lessons and self._twin is not None:
            _end_twin(self._twin)
            self._twin = None
        self._lessons, self._told = [], 0

    @property
    def has_pairs(self) -> bool:
        """Whether the optimizer itself compares points on the seeds that they share."""
        return isinstance(self._optimizer, CanPair)

    @property
    def has_curve_model(self) -> bool:
        """Whether the optimizer itself can tell from a curve how a run will end."""
        return isinstance(self._optimizer, CanJudge)

    def observe_partial(self, params: Mapping[str, Any], curve: Sequence[CurvePoint]) -> None:
        """Learn of a run that was ended early; an optimizer without a model of curves does not."""
        if isinstance(self._optimizer, CanJudge):
            self._optimizer.observe_partial(params, curve)
            self._lessons.append({"params": dict(params), "curve": [list(point) for point in curve]})

    def outlook(
        self,
        params: Mapping[str, Any],
        curve: Sequence[CurvePoint],
        pending: Sequence[Mapping[str, Any]] = (),
        *,
        min_share: float,
        min_full_runs: int,
    ) -> Outlook | None:
        """Return what is expected of a run that is on its way; None where the optimizer has no model of curves.

        Raises:
            RequestError: A point is outside the space.
            OptimizerDiedError: The process died twice over the same question.
        """
        if not isinstance(self._optimizer, CanJudge):
            return None
        asked = {"params": dict(params), "curve": [list(point) for point in curve], "pending": _plain(pending)}
        limits = {"min_share": min_share, "min_full_runs": min_full_runs}
        told: Outlook = decode(Outlook, self._answered({"outlook": {**asked, **limits}})["outlook"])
        return told

    def reconsider(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Outlook]:
        """Return what is thought by now of runs that were ended; empty where the optimizer has no model of curves.

        Raises:
            RequestError: A point is outside the space.
            OptimizerDiedError: The process died twice over the same question.
        """
        if not isinstance(self._optimizer, CanReconsider):
            return []
        return [decode(Outlook, told) for told in self._answered({"reconsider": _plain(points)})["outlooks"]]

    def suggest(self, pending: Sequence[Mapping[str, Any]] = ()) -> Suggestion:
        """Return the next point to run.

        Raises:
            RequestError: A point is outside the space.
            OptimizerDiedError: The process died twice over the same question.
            InvalidSuggestionError: The point is outside the space or breaks a rule: it is never launched.
        """
        if not self._is_quick(len(pending), 0):
            return self._checked(self._think(pending))
        if not self._is_quick(len(pending), 1):
            self._twin = self._twin or self._start()
        return self._checked(self._optimizer.suggest(pending))

    def expect(self, points: Sequence[Mapping[str, Any]]) -> Sequence[Expectation] | None:
        """Return what many runs of each point would give; worked out here, where nothing waits once the search is over.

        Raises:
            RequestError: A point is outside the space.
        """
        return expectations_of(self._optimizer, points)

    def recommend(self, points: Sequence[Mapping[str, Any]]) -> Recommendation | None:
        """Return which of the points to train again; worked out here, where nothing waits once the search is over.

        Raises:
            RequestError: A point is outside the space.
        """
        return recommendation_of(self._optimizer, points)

    def insight(self, points: Sequence[Mapping[str, Any]]) -> Insight | None:
        """Return what the model has learned; worked out here.

        Raises:
            RequestError: A point is outside the space.
        """
        return insight_of(self._optimizer, points)

    def close(self) -> None:
        """End the process, also in the middle of a thought."""
        self._closed = True
        if self._twin is not None:
            _end_twin(self._twin)

    def _checked(self, found: Suggestion) -> Suggestion:
        try:
            wrong = "" if self._space.is_feasible(found.params) else "it breaks a constraint"
        except RequestError as error:
            wrong = str(error)
        if wrong:
            raise InvalidSuggestionError(
                f"{self._kind.name} suggested {dict(found.params)}, which may not be run: {wrong}"
            )
        return found

    def _is_quick(self, pending: int, ahead: int) -> bool:
        return self._kind.is_quick(self._optimizer, pending, ahead)

    def _think(self, pending: Sequence[Mapping[str, Any]]) -> Suggestion:
        suggestion: Suggestion = decode(Suggestion, self._answered({"pending": _plain(pending)})["suggestion"])
        return suggestion

    def _answered(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the twin's answer.

        Raises:
            RequestError: The question is about no point of the space.
            OptimizerDiedError: The process died twice over it.
        """
        status = 0
        for _ in range(STARTS):
            twin = self._twin = self._twin or self._start()
            answer = self._ask(twin, question)
            if answer is not None and "problems" in answer:
                raise RequestError(*(Problem(**problem) for problem in answer["problems"]))
            if answer is not None:
                return answer
            status = _end_twin(twin)
            if self._closed:
                break
            self._twin, self._told = None, 0
        raise OptimizerDiedError(
            f"the optimizer's process ended with status {status} while it worked out an answer; what it said "
            "last, if anything, stands above. Everything found so far is kept: the same command goes on"
        )

    def _start(self) -> subprocess.Popen[str]:
        twin = _start_twin()
        _say(twin.stdin, self._identity)
        return twin

    def _ask(self, twin: subprocess.Popen[str], question: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the twin's answer, or None where it died before it gave one."""
        news = self._lessons[self._told :]
        _say(twin.stdin, {"lessons": news, **question})
        assert twin.stdout is not None  # it was opened as a pipe
        line = twin.stdout.readline()
        if not line.endswith("\n"):
            return None
        self._told += len(news)
        answer: dict[str, Any] = json.loads(line)
        return answer


def _start_twin() -> subprocess.Popen[str]:
    """Start a twin in a session of its own: Ctrl-C is for the controller, which then ends it in order."""
    return subprocess.Popen(
        [sys.executable, "-m", "metta_sweep.optimize.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**ONE_THREAD, **os.environ},
        start_new_session=True,
        text=True,
    )


def _end_twin(twin: subprocess.Popen[str]) -> int:
    """End a process that may have ended by itself, and return its exit status."""
    twin.kill()
    with contextlib.suppress(BrokenPipeError), twin:
        twin.wait()
    return twin.returncode


def answer_all(questions: IO[str], answers: IO[str]) -> None:
    """Be the twin: read an identity, then answer questions until there are no more."""
    opening = questions.readline()
    if not opening:
        return  # the sweep did not need it after all
    kind, task = from_json(json.loads(opening))
    kind.prepare()
    optimizer = kind.make(task)
    for line in questions:
        question = json.loads(line)
        try:
            for lesson in question["lessons"]:
                _learn(optimizer, lesson)
            answer = _answer(optimizer, question)
        except RequestError as error:
            answer = {"problems": [asdict(problem) for problem in error.problems]}
        _say(answers, answer)


def _learn(optimizer: Any, lesson: Mapping[str, Any]) -> None:
    if "score" in lesson:
        optimizer.observe(**lesson)
    elif "by_seed" in lesson:
        optimizer.observe_by_seed(lesson["params"], dict(lesson["by_seed"]), lesson["cost"], lesson["curve"])
    elif "curve" in lesson:
        optimizer.observe_partial(**lesson)
    else:
        optimizer.observe_failure(**lesson)


def _answer(optimizer: Any, question: Mapping[str, Any]) -> dict[str, Any]:
    if "outlook" in question:
        return {"outlook": asdict(optimizer.outlook(**question["outlook"]))}
    if "reconsider" in question:
        return {"outlooks": [asdict(told) for told in optimizer.reconsider(question["reconsider"])]}
    return {"suggestion": asdict(optimizer.suggest(question["pending"]))}


def _plain(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(params) for params in points]


def _say(stream: IO[str] | None, words: Mapping[str, Any]) -> None:
    """Write one line; a reader that is gone shows when its answer is read."""
    assert stream is not None  # it was opened as a pipe
    try:
        stream.write(json.dumps(words) + "\n")
        stream.flush()
    except BrokenPipeError:
        return


def main() -> None:
    """Answer on what was standard output; whatever a library prints goes to the controller's error output."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    answer_all(sys.stdin, answers)


if __name__ == "__main__":
    main()
