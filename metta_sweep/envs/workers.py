"""Environments in processes of their own, for those that are slow: all step at once, the trainer waits for the last.

A process holds a block of rows and answers one request at a time over a pipe; it ends when the pipe does. Signals that
ask a run to end often reach all of its processes: only the one that trains follows them, for it still has to save.
"""

from __future__ import annotations

import atexit
import multiprocessing
import pickle
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from metta_sweep.envs.vec_env import Actions, EnvSpec, Episodes, Observations, Step, Truncated, VecEnv


class WorkerDiedError(RuntimeError):
    """A process that plays environments is gone."""


class Workers:
    """A :class:`~metta_sweep.envs.vec_env.VecEnv` whose parts live in other processes.

    Args:
        makers: What makes each part, in its own process; all parts have the same number of rows.

    Side effects:
        Starts a process a part; :meth:`close` ends them.
    """

    def __init__(self, makers: Sequence[Callable[[], VecEnv]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for make in makers:
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)
        atexit.register(self._kill)  # before multiprocessing asks them by a signal that they do not follow
        part: EnvSpec = self._ask("spec", [()] * len(makers))[0]
        self._share = part.rows
        self._spec = replace(part, rows=part.rows * len(makers))

    @property
    def spec(self) -> EnvSpec:
        """Sizes and types of all rows together."""
        return self._spec

    def reset(self, seed: int, observations: Observations, *, stagger: bool = False) -> None:
        """Start every part."""
        observations[:] = np.concatenate(self._ask("reset", [(seed, stagger)] * len(self._pipes)))

    def send(self, actions: Actions) -> None:
        """Let every part begin a step, all at once."""
        self._request("step", [(part,) for part in np.split(actions, len(self._pipes))])

    def receive(self, out: Step) -> Truncated | None:
        """Wait for the slowest part."""
        cuts = []
        for k, (arrays, cut) in enumerate(self._answers()):
            block = slice(k * self._share, (k + 1) * self._share)
            for whole, part in zip(_arrays(out), arrays, strict=True):
                whole[block] = part
            if cut is not None:
                cuts.append((cut.rows + block.start, cut.observations))
        if not cuts:
            return None
        rows, last = zip(*cuts, strict=True)
        return Truncated(rows=np.concatenate(rows), observations=np.concatenate(last))

    def step(self, actions: Actions, out: Step) -> Truncated | None:
        """Play one step of every part."""
        self.send(actions)
        return self.receive(out)

    def drain(self) -> Episodes:
        """Return the episodes of all parts."""
        parts: list[Episodes] = self._ask("drain", [()] * len(self._pipes))
        rows = [part.rows + k * self._share for k, part in enumerate(parts)]
        stats = {name: np.concatenate([part.stats[name] for part in parts]) for name in parts[0].stats}
        return Episodes(rows=np.concatenate(rows), stats=stats)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the states of the parts, one after the other."""
        parts: list[dict[str, npt.NDArray[Any]]] = self._ask("state", [()] * len(self._pipes))
        return {name: np.stack([part[name] for part in parts]) for name in parts[0]}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], observations: Observations) -> None:
        """Continue from :meth:`state`."""
        parts = [({name: array[k] for name, array in state.items()},) for k in range(len(self._pipes))]
        observations[:] = np.concatenate(self._ask("restore", parts))

    def close(self) -> None:
        """End the processes."""
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(timeout=5.0)
        self._kill()
        atexit.unregister(self._kill)

    def _kill(self) -> None:
        for process in self._processes:
            process.kill()

    def _ask(self, verb: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send every part a request, then wait for the answers."""
        self._request(verb, arguments)
        return self._answers()

    def _request(self, verb: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        for k, (pipe, own) in enumerate(zip(self._pipes, arguments, strict=True)):
            try:
                pipe.send((verb, own))
            except OSError as error:
                raise self._death(k) from error

    def _answers(self) -> list[Any]:
        """Return what every part answers; an error of a part is raised here."""
        answers = [self._answer(k) for k in range(len(self._pipes))]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    def _answer(self, k: int) -> Any:
        try:
            return self._pipes[k].recv()
        except (EOFError, OSError) as error:
            raise self._death(k) from error

    def _death(self, k: int) -> WorkerDiedError:
        self._processes[k].join(timeout=5.0)
        return WorkerDiedError(
            f"worker {k} of {len(self._pipes)}, which plays environments, ended (exit code "
            f"{self._processes[k].exitcode}): what it printed is above; -9 means that it was killed, mostly for memory"
        )


def _serve(pipe: Connection, make: Callable[[], VecEnv]) -> None:
    """Answer requests until the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    try:
        env = make()
    except ValueError as error:  # what the configuration of an environment can be wrong about
        pipe.recv()
        pipe.send(error)
        return
    out = Step.empty(env.spec)
    answers: dict[str, Callable[..., Any]] = {
        "spec": lambda: env.spec,
        "reset": lambda seed, stagger: _first(env, out, seed, stagger=stagger),
        "step": lambda actions: _stepped(env, out, actions),
        "drain": env.drain,
        "state": env.state,
        "restore": lambda state: _restored(env, out, state),
    }
    while True:
        try:
            verb, arguments = pipe.recv()
        except EOFError:
            env.close()
            return
        try:
            answer = answers[verb](*arguments)
        except Exception as error:  # noqa: BLE001 - whatever an environment raises is raised where it was asked
            answer = _portable(error)
        pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """Return an exception that can be sent, with the place where it was raised; in words where it cannot."""
    place = f"in a worker that plays environments:\n{traceback.format_exc()}"
    try:
        sent: Exception = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - a foreign class can fail in any way
        sent = RuntimeError(f"{type(error).__name__}: {error}")
    sent.add_note(place)
    return sent


def _first(env: VecEnv, out: Step, seed: int, *, stagger: bool) -> Observations:
    env.reset(seed, out.observations, stagger=stagger)
    return out.observations


def _restored(env: VecEnv, out: Step, state: Mapping[str, npt.NDArray[Any]]) -> Observations:
    env.restore(state, out.observations)
    return out.observations


def _stepped(env: VecEnv, out: Step, actions: Actions) -> tuple[tuple[npt.NDArray[Any], ...], Truncated | None]:
    truncated = env.step(actions, out)
    return _arrays(out), truncated


def _arrays(out: Step) -> tuple[npt.NDArray[Any], ...]:
    return out.observations, out.rewards, out.terminals, out.truncations
