"""The whole training config: what may be set for a run, and what makes an answer valid.

Light: pydantic and the standard library. The sweep checks a config by these rules and keeps Protein away from points
that they refuse (:mod:`~metta_sweep.trainer.schema`); the trainer reads the same rules when a run starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from metta_sweep.envs.altar_game import Problem, Settings
from metta_sweep.envs.config import ENV_NAMES, EXTRAS, AltarEnv, CogevalEnv, EnvConfig, PongEnv
from metta_sweep.expression import Expression
from metta_sweep.trainer.filters import GRID, least_side
from metta_sweep.trainer.intervals import Interval
from metta_sweep.trainer.simulations import Positive, SimConfig, simulation_problems

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
NonNegative = Annotated[float, Field(ge=0.0)]
AboveZero = Annotated[float, Field(gt=0.0)]
Schedule = Literal["constant", "linear", "cosine"]
LEAST_VIEW = least_side(GRID)
"""Side of the smallest view that convolutions leave something of."""


class OptimizerConfig(Settings):
    """Adam with decoupled weight decay (Kingma and Ba, 2015; Loshchilov and Hutter, 2019), or Muon beside it."""

    kind: Literal["adam", "muon"] = "adam"
    """muon: hidden matrices by Muon (Jordan et al., 2024), all other weights by Adam."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.95
    """Decay of Muon's mean of the gradient; only with kind: muon."""
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """Decay of the mean of the gradient."""
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    """Decay of the mean of its square."""
    eps: AboveZero = 1e-5
    """Added to the root of that square."""
    weight_decay: NonNegative = 0.0
    """Share of a weight that a step with learning rate 1 would remove."""


class TrainerConfig(Settings):
    """PPO and how long it goes on."""

    total_timesteps: Positive = 100_000
    """Agent-steps to train for; the last update completes its batch."""
    batch_size: Positive = 2048
    """Agent-steps that an update learns from."""
    minibatch_size: Positive = 512
    """Agent-steps in one optimizer step."""
    num_steps: Positive = 32
    """Length of a trajectory: batch_size / num_steps agents play side by side."""
    update_epochs: Positive = 4
    """Passes over a batch."""
    learning_rate: AboveZero = 0.003
    """Step size of Adam; with a schedule, where it starts."""
    learning_rate_schedule: Schedule = "linear"
    """How the step size goes to zero over the run, if it does."""
    learning_rate_warmup: Fraction = 0.0
    """Share of the run in which the step size rises to what the schedule says (Goyal et al., 2017, section 2.2)."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """Which optimizer, and the rest of it."""
    gamma: Fraction = 0.99
    """Discount of a step."""
    gae_lambda: Fraction = 0.95
    """Decay of generalized advantage estimation."""
    vtrace: bool = False
    """From the second pass on, advantages by V-trace (Espeholt et al., 2018) of the policy as it is then."""
    vtrace_rho_clip: AboveZero = 1.0
    """Largest ratio of probabilities that an error of the values counts with; only with vtrace."""
    vtrace_c_clip: AboveZero = 1.0
    """Largest ratio that what follows counts with; only with vtrace."""
    priority_alpha: Fraction = 0.0
    """Draw segments with probabilities of this power of their |advantage| (Schaul et al., 2016); 0: each once."""
    priority_beta: Fraction = 0.2
    """How much of the bias is taken out at first, all of it at the end; only with priority_alpha."""
    normalize_advantage: bool = True
    """Advantages of a minibatch to mean 0 and deviation 1."""
    normalize_reward: bool = False
    """Learn from rewards over the running deviation of discounted returns; metrics count rewards as they are."""
    normalize_observation: bool = False
    """Observations of numbers to mean 0 and deviation 1, by running statistics; codes and pictures stay as they are."""
    clip_coef: AboveZero = 0.2
    """How far the ratio of probabilities counts."""
    value_clip: AboveZero | None = None
    """How far a value may move in one update; null: as far as it wants."""
    value_coef: NonNegative = 0.5
    """Weight of the value loss."""
    entropy_coef: NonNegative = 0.01
    """Weight of the entropy bonus; with a schedule, where it starts."""
    entropy_coef_schedule: Schedule = "constant"
    """How that weight goes to zero over the run, if it does: a policy that has to explore first may end certain."""
    max_grad_norm: AboveZero | None = 0.5
    """Longest gradient; null: any."""
    target_kl: AboveZero | None = None
    """An update ends early once its policy has moved this far (nats); null: never."""
    use_lstm: bool = False
    """Give the network a memory of the episode."""
    lstm_hidden_size: Positive = 128
    """Size of that memory; only with use_lstm."""
    bptt_horizon: Positive = 16
    """Steps that gradients go back in time; only with use_lstm."""
    evaluate_interval: Positive | None = None
    """Updates between evaluations, or agent-steps where the run has fewer updates; null: ten a run."""
    checkpoint_interval: Positive | None = None
    """The same between checkpoints; the last update is always followed by an evaluation and a checkpoint."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the network's matrix products; the rest always has 32 bits. bfloat16 is for GPUs, and for CPUs with AMX."""
    compile: bool = False
    """Compile what learns with torch.compile: half a minute or more at the start, for large networks on GPUs."""
    c_kernel: bool = True
    """Have the inner loops of small networks on the CPU compiled by this machine's C compiler, where it has one."""
    num_workers: Positive = 1
    """Processes for gymnasium's and mettagrid's environments, threads for Atari's; the native ones ignore it."""
    async_factor: Positive = 1
    """Groups that those environments are split into: one steps in its workers while the policy decides for another."""
    forward_pass_minibatch_target_size: Positive | None = None
    """Agents that the policy decides for at once while it plays; null: all of a group."""


class AgentConfig(Settings):
    """The network: a torso of equal layers under a policy head and a value head, or one torso each."""

    encoder: Literal["auto", "dense", "conv"] = "auto"
    """Its first layer; auto: convolutions on pictures, a dense layer on everything else, cells of a grid too."""
    hidden_size: Positive = 128
    """Width of a layer."""
    num_layers: Positive = 2
    """Layers of the torso."""
    activation: Literal["tanh", "relu"] = "tanh"
    """What follows each layer."""
    separate_value: bool = False
    """Give the value a torso of its own, so that its errors do not move the policy's."""
    action_bounds: Literal["clip", "tanh"] = "clip"
    """How actions of numbers are kept within their bounds: cut off there, or squashed."""
    log_std_init: float = 0.0
    """Logarithm of the deviation that actions of numbers start with; half of the way between their bounds is 1."""


class TrainingConfig(Settings):
    """Everything that a run depends on."""

    run: str | None = None
    """Name of the run, for people."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides the weights, the episodes of training and every draw."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    """Where the network computes: cpu, cuda, cuda:N, or auto (a GPU if there is one)."""
    trainer: TrainerConfig = TrainerConfig()
    """PPO."""
    env: EnvConfig
    """The game."""
    agent: AgentConfig = AgentConfig()
    """The network."""
    sim: SimConfig = SimConfig()
    """The evaluation."""

    @property
    def rows(self) -> int:
        """Agents that play side by side in training."""
        return self.trainer.batch_size // self.trainer.num_steps

    @property
    def num_updates(self) -> int:
        """Updates that a run makes."""
        return -(-self.trainer.total_timesteps // self.trainer.batch_size)

    @property
    def intervals(self) -> Mapping[str, Interval]:
        """When to evaluate and when to write a checkpoint, by key."""
        asked = {name: getattr(self.trainer, name) for name in ("evaluate_interval", "checkpoint_interval")}
        size, updates = self.trainer.batch_size, self.num_updates
        return {name: Interval(every=every, batch_size=size, num_updates=updates) for name, every in asked.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRule:
    """What must hold between keys."""

    expression: str
    """True for a valid config; reads dotted paths."""
    message: str
    """The rule in words."""
    key: str
    """The key to look at first."""


_NATIVE = f"env.name not in {tuple(EXTRAS)}"
RULES = (
    ConfigRule(
        key="trainer.minibatch_size",
        expression="trainer.batch_size % trainer.minibatch_size == 0",
        message="batch_size must be a multiple of minibatch_size",
    ),
    ConfigRule(
        key="trainer.num_steps",
        expression="trainer.batch_size % (trainer.num_steps * env.num_agents) == 0",
        message="batch_size must be a multiple of num_steps times env.num_agents",
    ),
    ConfigRule(
        key="trainer.num_workers",
        expression=f"{_NATIVE} or "
        "trainer.batch_size // (trainer.num_steps * env.num_agents) % trainer.num_workers == 0",
        message="batch_size / num_steps / env.num_agents, the environments, must be a multiple of num_workers",
    ),
    ConfigRule(
        key="trainer.async_factor",
        expression=f"{_NATIVE} or trainer.num_workers % trainer.async_factor == 0",
        message="num_workers must be a multiple of async_factor: each group has workers of its own",
    ),
    ConfigRule(
        key="trainer.bptt_horizon",
        expression="not trainer.use_lstm or trainer.num_steps % trainer.bptt_horizon == 0",
        message="with use_lstm, num_steps must be a multiple of bptt_horizon",
    ),
    ConfigRule(
        key="trainer.bptt_horizon",
        expression="not trainer.use_lstm or trainer.minibatch_size % trainer.bptt_horizon == 0",
        message="with use_lstm, minibatch_size must be a multiple of bptt_horizon",
    ),
)


class ConfigError(ValueError):
    """A config is invalid; ``problems`` lists every key with the rule that it breaks."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{key}: {message}" for key, message in problems))


def parse(config: Mapping[str, Any]) -> TrainingConfig:
    """Return the validated config.

    Raises:
        ConfigError: Keys are missing, unknown, out of range or at odds with each other.
    """
    try:
        parsed = TrainingConfig.model_validate(config)
    except ValidationError as error:
        raise ConfigError([_in_words(details) for details in _errors(error)]) from error
    problems = [(f"env.{key}", message) for key, message in parsed.env.problems()]
    problems += list(_broken_rules(parsed))
    problems = problems or list(_problems_of_parts(parsed))
    if problems:
        raise ConfigError(problems)
    return parsed


def _problems_of_parts(config: TrainingConfig) -> Iterator[Problem]:
    """Yield what is wrong between groups that are right by themselves."""
    if isinstance(config.env, CogevalEnv) and config.rows < len(config.env.tasks):
        yield "env.tasks", f"need an environment a task (batch_size / num_steps of them), got {config.rows}"
    if config.agent.encoder == "conv":
        yield from _picture_problems(config.env)
    try:
        yield from simulation_problems(config.sim, config.env)
    except ValidationError as error:
        yield from ((f"sim.simulations.*.env.{key}", rule) for key, rule in map(_in_words, _errors(error)))


def _picture_problems(env: EnvConfig) -> Iterator[Problem]:
    """Yield why convolutions cannot be used; what gymnasium's environments show is known once they are made."""
    if isinstance(env, PongEnv):
        yield "agent.encoder", "pong shows no picture: need dense or auto"
    if isinstance(env, AltarEnv) and env.game.view < LEAST_VIEW:
        yield "agent.encoder", f"convolutions need env.game.view of at least {LEAST_VIEW}, got {env.game.view}"


def _errors(error: ValidationError) -> list[Mapping[str, Any]]:
    return [dict(details) for details in error.errors(include_url=False)]


def _in_words(details: Mapping[str, Any]) -> Problem:
    """Turn one of pydantic's errors into a key and a rule."""
    places = list(details["loc"])
    if details["type"].startswith("union_tag"):
        return ".".join([*places, "name"]), f"need one of {details['ctx'].get('expected_tags', ENV_NAMES)}"
    start = 1 if places[:1] == ["env"] else 0
    if places[start : start + 1] and places[start] in ENV_NAMES:
        del places[start]  # the tag that pydantic puts where the kinds of environment part
    key = ".".join(str(part) for part in places)
    if details["type"] == "extra_forbidden":
        return key, "unknown key"
    if details["type"] == "missing":
        return key, "missing"
    if details["type"] == "model_type":
        return key, f"need a mapping of settings, got {details['input']!r}"
    if key == "device":
        return key, f"need auto, cpu, cuda or cuda:N, got {details['input']!r}"
    return key, f"{details['msg']}, got {details['input']!r}"


def _broken_rules(config: TrainingConfig) -> Iterator[Problem]:
    values = dict(flatten(config.model_dump()))
    for rule in RULES:
        expression = Expression.parse(rule.expression)
        if not expression(values):
            got = ", ".join(f"{name}={values[name]}" for name in sorted(expression.names))
            yield rule.key, f"{rule.message}, got {got}"


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings by dotted path."""
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
