"""A run from its first step, or its last checkpoint, to its result."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from metta_sweep import result
from metta_sweep.envs.make import make_env
from metta_sweep.envs.vec_env import VecEnv
from metta_sweep.result import RunPaths
from metta_sweep.trainer.checkpoint import CheckpointError, CheckpointFolder, load, put_weights
from metta_sweep.trainer.config import ConfigError, TrainingConfig, flatten
from metta_sweep.trainer.diagnostics import TrainingEpisodes, diagnose, measured
from metta_sweep.trainer.evaluate import Evaluator
from metta_sweep.trainer.metrics import OF_LEARNING, Judge
from metta_sweep.trainer.normalizing import RewardScale
from metta_sweep.trainer.playing import Player
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import Batch, Learner, UpdateReport, make_batch
from metta_sweep.trainer.team import Team
from metta_sweep.trainer.trajectories import Trajectories

_BY_REWARD = Judge()


class DivergedError(ArithmeticError):
    """A gradient, a weight or a metric is not finite."""


class InterruptedRunError(Exception):
    """The run was asked to stop; its checkpoint is written."""


class Training:
    """The one owner of what changes during a run.

    Args:
        config: What to do.
        run_dir: Where metrics, checkpoints and the result go.
        device: Where the network computes.
        tell: Called with one line for a person at each evaluation.
        team: The other processes of the run, if there are any.
        judge: Which of two evaluations is the better one, for the best checkpoint.

    Raises:
        ConfigError: The rows cannot be shared out evenly among the team.
        EnvUnavailableError: The environment cannot be made on this machine.
    """

    def __init__(
        self,
        config: TrainingConfig,
        run_dir: Path,
        device: torch.device,
        tell: Callable[[str], None],
        team: Team | None = None,
        judge: Judge = _BY_REWARD,
    ) -> None:
        self._config, self._paths, self._device, self._tell = config, RunPaths(run_dir), device, tell
        self._clock = time.monotonic()
        self._team, self._judge = team or Team(), judge
        env = _make_share(config, self._team)
        self.policy = Policy(config, env.spec, torch.Generator().manual_seed(config.seed)).to(device)
        self._learner = Learner(self.policy, config.trainer, self._team)
        self._player = Player(
            env,
            self.policy,
            steps=config.trainer.num_steps,
            device=device,
            team=self._team,
            most=config.trainer.forward_pass_minibatch_target_size,
            decide=self._learner.playing.step,
        )
        self._reward_scale = (
            RewardScale(env.spec.rows, config.trainer.gamma) if config.trainer.normalize_reward else None
        )
        self._generator = torch.Generator(device).manual_seed(config.seed)
        self._evaluator = Evaluator(config, device)
        self._eval_s = 0.0
        self._checkpoints = CheckpointFolder(self._paths.checkpoints)
        self.update = 0
        self._elapsed_s = 0.0
        self._best = -math.inf
        self._metrics: dict[str, float] = {}
        self._measured: dict[str, float] = {}
        self._episodes = TrainingEpisodes()
        env.reset(config.seed, self._player.first_observations, stagger=True)

    @property
    def step(self) -> int:
        """Agent-steps done."""
        return self.update * self._config.trainer.batch_size

    def run(self, stopping: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """Train to the end and write the result; return the final metrics.

        Args:
            stopping: Asked after each update; True writes a checkpoint and ends the run early.

        Raises:
            DivergedError: Something is not finite.
            InterruptedRunError: ``stopping`` said so.
        """
        intervals, last = self._config.intervals, self._config.num_updates
        while self.update < last:
            due = intervals["evaluate_interval"].due(self.update + 1)
            self.learn(measure=due or measured(self.update + 1, last))
            if self._measured and not due and self._team.leads:
                result.report_metrics(self._measured, step=self.step, run_dir=self._paths.root)
            best = self._team.any(self._team.leads and self._evaluate()) if due else False
            stop = self._team.any(stopping()) and self.update < last
            if best or stop or intervals["checkpoint_interval"].due(self.update):
                self._save(best=best)
            if stop:
                raise InterruptedRunError(f"stopped at step {self.step}")
        self._player.env.close()
        self._evaluator.close()
        if self._team.leads:
            result.finish_metrics(
                self._metrics, cost_s=self._cost_s(), eval_s=self._eval_s, steps=self.step, run_dir=self._paths.root
            )
        self._team.wait()
        return self._metrics

    def resume(self) -> bool:
        """Continue from the newest checkpoint, if there is one.

        Raises:
            CheckpointError: It belongs to a run of other settings.
        """
        content = self._checkpoints.latest()
        if content is None:
            return False
        differences = _differences(_with_defaults(content["config"]), self._config.model_dump(mode="json"))
        if differences:
            belongs = f"{self._checkpoints.root}: the checkpoints belong to a run with another config"
            raise CheckpointError(f"{belongs} ({'; '.join(differences)}): need that one, or another run_dir")
        if content["team"] != self._team.size:
            kept = f"{self._checkpoints.root}: the checkpoints belong to a run of {content['team']} processes"
            raise CheckpointError(f"{kept}, this one has {self._team.size}")
        self._restore(content)
        if self._team.leads:
            self._forget_evaluations_after(self.step)
        self._team.wait()
        return True

    def learn(self, *, measure: bool = False) -> None:
        """Play a batch and learn from it.

        Args:
            measure: Measure how the learning goes afterwards.
        """
        began_s = time.monotonic()
        self._player.collect(self._generator)
        self._check_played(self._player.trajectories)
        self._episodes.add(self._player.env.drain())
        if self._reward_scale is not None:
            self._reward_scale.rescale(self._player.trajectories, self._team)
        if self.update == 0:
            self._count_observations()
        batch = make_batch(self._player, self._config.trainer, self._device)
        progress, played = self.update / self._config.num_updates, self._player.trajectories
        report = self._learner.update(batch, self._generator, progress=progress, played=played)
        took_s = time.monotonic() - began_s
        self.update += 1
        if not math.isfinite(report.gradient_norm):
            raise DivergedError(f"the gradient is {report.gradient_norm} at step {self.step}")
        self._measured = self._measure(batch, report, took_s) if measure else {}
        if self.update > 1:
            self._count_observations()

    def _check_played(self, kept: Trajectories) -> None:
        """Refuse numbers that nothing can be learned from."""
        seen = kept.observations if self._player.env.spec.numbers else kept.rewards
        for name, values in (("an observation", seen), ("a reward", kept.rewards)):
            if not bool(torch.isfinite(values).all()):
                steps = f"steps {self.step} and {self.step + self._config.trainer.batch_size}"
                raise DivergedError(f"{name} of the environment is not finite (NaN or infinite), between {steps}")

    def _measure(self, batch: Batch, report: UpdateReport, took_s: float) -> dict[str, float]:
        """Return what is reported of the learning."""
        found = diagnose(self.policy, batch, self._config.trainer, self._team) | self._episodes.measure(self._team)
        found["samples_per_s"] = self._config.trainer.batch_size / took_s
        whole = report.metrics() | {f"train/{name}": value for name, value in found.items()}
        self._check_finite(whole)
        return whole

    def _check_finite(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise DivergedError(f"{name} is {value} at step {self.step}")

    def _count_observations(self) -> None:
        """Let normalization know what was seen, after learning from it; the first batch is counted before.

        A fresh policy is almost even whatever it sees, so that its probabilities hold all the same.
        """
        if self.policy.seen is not None:
            self.policy.seen.add(self._player.trajectories.observations[:-1].flatten(0, 1), self._team)

    def _evaluate(self) -> bool:
        """Evaluate and report; return whether it was the best so far."""
        if not all(bool(torch.isfinite(weight).all()) for weight in self.policy.parameters()):
            raise DivergedError(f"weights are not finite at step {self.step}")
        began_s = time.monotonic()
        played = self._evaluator.evaluate(self.policy)
        self._eval_s += time.monotonic() - began_s
        self._check_finite(played)
        result.report_metrics({**played, **self._measured}, step=self.step, run_dir=self._paths.root)
        repeatable = {name: value for name, value in self._measured.items() if name in OF_LEARNING}
        self._metrics = {**played, **repeatable}
        reward, error = self._metrics["reward"], self._metrics["reward_se"]
        total = self._config.num_updates * self._config.trainer.batch_size
        self._tell(f"step {self.step}/{total}  reward {reward:.3f} +/- {error:.3f}  {self._cost_s():.1f} s")
        score = self._judge.score(self._metrics)
        best, self._best = score > self._best, max(score, self._best)
        return best

    def _cost_s(self) -> float:
        """Return the seconds of training and evaluation over all attempts."""
        return self._elapsed_s + time.monotonic() - self._clock

    def _save(self, *, best: bool) -> None:
        """Write a checkpoint: first what the other processes add, then the checkpoint itself."""
        if not self._team.leads:
            self._checkpoints.save_part(self._own_rows(), step=self.step, rank=self._team.rank)
        self._team.wait()
        if self._team.leads:
            self._checkpoints.save(self._content() | self._own_rows(), step=self.step, best=best)
        self._team.wait()

    def _own_rows(self) -> dict[str, Any]:
        """Return where the rows of this process stand."""
        return {
            "env": {name: torch.from_numpy(array) for name, array in self._player.env.state().items()},
            "memory": list(self._player.memory),
            "starts": self._player.trajectories.starts[-1],
            "episodes": self._episodes.state(),
            "returns": None if self._reward_scale is None else self._reward_scale.returns,
        }

    def _content(self) -> dict[str, Any]:
        return {
            "team": self._team.size,
            "config": self._config.model_dump_json(),
            "update": self.update,
            "elapsed_s": self._cost_s(),
            "eval_s": self._eval_s,
            "best": self._best,
            "metrics": self._metrics,
            "policy": self.policy.state_dict(),
            "optimizer": self._learner.optimizer.state_dict(),
            "generator": self._generator.get_state(),
            "reward_scale": None if self._reward_scale is None else self._reward_scale.moments.state_dict(),
        }

    def _restore(self, content: dict[str, Any]) -> None:
        self.update, self._best, self._metrics = content["update"], content["best"], content["metrics"]
        self._elapsed_s, self._eval_s = content["elapsed_s"], content["eval_s"]
        put_weights(self.policy, content["policy"], self._checkpoints.root)
        self._learner.optimizer.load_state_dict(content["optimizer"])
        self._generator.set_state(content["generator"])
        rows = content if self._team.leads else load(self._checkpoints.part(self.step, self._team.rank))
        state = {name: np.asarray(array) for name, array in rows["env"].items()}
        self._player.env.restore(state, self._player.first_observations)
        self._player.remember(tuple(part.to(self._device) for part in rows["memory"]))
        self._player.trajectories.starts[-1] = rows["starts"]
        self._episodes.restore(rows["episodes"])
        if self._reward_scale is not None:
            self._reward_scale.moments.load_state_dict(content["reward_scale"])
            self._reward_scale.returns.copy_(rows["returns"])

    def _forget_evaluations_after(self, step: int) -> None:
        """Drop the lines of evaluations that will be made again, so that each step is reported once."""
        if not self._paths.metrics.exists():
            return
        lines = self._paths.metrics.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        beside = self._paths.metrics.with_name(f".{self._paths.metrics.name}")
        beside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        beside.replace(self._paths.metrics)


def _make_share(config: TrainingConfig, team: Team) -> VecEnv:
    """Return the environments of this process."""
    agents = config.env.num_agents
    if config.rows // agents % team.size:
        message = f"batch_size / num_steps / env.num_agents must be a multiple of the {team.size} processes"
        raise ConfigError([("trainer.batch_size", message)])
    held = team.share(config.rows // agents)
    workers, groups = config.trainer.num_workers, config.trainer.async_factor
    return make_env(config.env, rows=len(held) * agents, first=held.start, workers=workers, groups=groups)


def _with_defaults(kept: str) -> dict[str, Any]:
    """Return the config of a checkpoint, with what settings mean that are younger than it."""
    try:
        return TrainingConfig.model_validate_json(kept).model_dump(mode="json")
    except ValidationError:
        return dict(json.loads(kept))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words where two configs differ."""
    old, new = dict(flatten(before)), dict(flatten(now))
    changed = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return [f"{key} was {old.get(key)}, is {new.get(key)}" for key in changed]


def _step_of(line: str) -> float:
    """Return the step of a line of metrics; a torn line has none."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
