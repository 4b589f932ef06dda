"""Muon against torch's own, and what it is for."""

import pytest
import torch
from torch import nn

from metta_sweep.envs.make import make_env
from metta_sweep.trainer.config import TrainerConfig, parse
from metta_sweep.trainer.optimizers import Muon, hidden_matrices, make_optimizer, orthogonal
from metta_sweep.trainer.parameters import flattened, gradient_of
from metta_sweep.trainer.policy import Policy
from metta_sweep.trainer.ppo import annealed, warmup
from tests.trainer.configs import parsed, shipped


def matrices(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((8, 5), (5, 12))]


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon to compare with")
def test_muon_steps_as_torchs_own_does():
    mine, theirs = matrices(), matrices()
    settings = {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.1}
    one = Muon(mine, **settings)
    other = torch.optim.Muon(theirs, nesterov=True, adjust_lr_fn="match_rms_adamw", **settings)
    for step in range(4):
        for left, right in zip(mine, theirs, strict=True):
            left.grad = torch.randn(left.shape, generator=torch.Generator().manual_seed(step))
            right.grad = left.grad.clone()
        one.step()
        other.step()
    for left, right in zip(mine, theirs, strict=True):  # torch's iterates in 16 bits
        torch.testing.assert_close(left, right, atol=3e-3, rtol=0)


@pytest.mark.parametrize("shape", [(6, 6), (20, 4), (4, 20)])
def test_the_step_has_the_directions_of_the_gradient_and_nearly_equal_lengths(shape):
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 1e-3
    left, _, right = torch.linalg.svd(gradient, full_matrices=False)
    step = orthogonal(gradient)
    lengths = torch.linalg.svdvals(step)
    assert ((lengths > 0.6) & (lengths < 1.3)).all()
    along = left.T @ step @ right.T
    torch.testing.assert_close(along, torch.diag(along.diagonal()), atol=1e-4, rtol=0)


def network(**changes):
    config = parsed(agent__num_layers=3, trainer__use_lstm=True, **changes)
    return Policy(config, make_env(config.env, rows=2).spec, torch.Generator().manual_seed(0))


def muons(policy):
    by_id = {id(parameter): name for name, parameter in policy.named_parameters()}
    return {by_id[id(matrix)] for matrix in hidden_matrices(policy)}


def test_only_hidden_matrices_are_muons():
    own = {"layers.0.weight", "layers.1.weight", "memory.inputs.weight", "memory.recurrent"}
    assert muons(network(agent__separate_value=True)) == own | {f"critic.{name}" for name in own}


def test_the_layer_that_sees_is_not_hidden_and_the_one_behind_convolutions_is():
    numbers = parse(shipped(env="pong"))
    policy = Policy(numbers, make_env(numbers.env, rows=2).spec, torch.Generator().manual_seed(0))
    assert muons(policy) == {"layers.0.weight"}
    assert muons(network(agent__encoder="conv")) >= {"layers.0.weight", "encoder.around.out.weight"}
    assert not {"encoder.rest.weight", "heads.weight"} & muons(network(agent__encoder="conv"))


@pytest.mark.parametrize("kind", ["adam", "muon"])
def test_every_weight_moves_and_an_optimizer_goes_on_from_its_state(kind):
    config = TrainerConfig(optimizer={"kind": kind})
    runs = []
    for interrupted in (False, True):
        policy = network()
        vector = flattened(policy)
        before, optimizer = vector.detach().clone(), make_optimizer(policy, vector, config)
        for step in range(4):
            gradient_of(vector).copy_(torch.randn(vector.shape, generator=torch.Generator().manual_seed(step)))
            if interrupted and step == 2:
                state = optimizer.state_dict()
                optimizer = make_optimizer(policy, vector, config)
                optimizer.load_state_dict(state)
            optimizer.step()
        assert (vector != before).float().mean() > 0.99
        runs.append(vector.detach().clone())
    assert torch.equal(*runs)


def test_the_learning_rate_rises_over_its_share_of_the_run_and_is_never_zero():
    config = TrainerConfig(total_timesteps=1000, batch_size=100, learning_rate_warmup=0.4)
    factors = [warmup(config, update / 10) for update in range(10)]
    assert factors == pytest.approx([0.25, 0.5, 0.75] + [1.0] * 7)
    assert warmup(TrainerConfig(), 0.0) == 1.0
    assert warmup(TrainerConfig(total_timesteps=1000, batch_size=100, learning_rate_warmup=0.01), 0.0) == 1.0


def test_the_entropy_bonus_follows_its_schedule_to_zero_and_stays_without_one() -> None:
    always, linear, cosine = (
        TrainerConfig(entropy_coef=0.04, entropy_coef_schedule=name) for name in ("constant", "linear", "cosine")
    )
    assert annealed(always, 0.75) is always
    assert [annealed(linear, share).entropy_coef for share in (0.0, 0.75, 1.0)] == pytest.approx([0.04, 0.01, 0.0])
    assert [annealed(cosine, share).entropy_coef for share in (0.0, 0.5, 1.0)] == pytest.approx([0.04, 0.02, 0.0])
