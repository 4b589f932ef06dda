"""Whatever is asked, the answer is a request or one error with its problems: never another exception."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metta_sweep.config.ask import ask
from metta_sweep.config.asked import Asked
from metta_sweep.errors import RequestError
from metta_sweep.optimize.registry import read_optimizer
from metta_sweep.trainer.schema import schema

CONFIGS = Path(__file__).parents[2] / "configs"
WRONG = sorted((Path(__file__).parent / "wrong").glob("*.yaml"))
SHIPPED = sorted((CONFIGS / "sweep").glob("*.yaml"))

WORDS = """
rollout_count num_samples sweep defaults parameters metric goal constraints protein limits command trainer env agent
learning_rate trainer.batch_size trainer.gamma min max mean scale distribution log_normal uniform_pow2 values when
expr ordered integer wall_time run_time deadline target patience reward maximize override /env: altar _self_
${trainer.gamma} ${oc.env:HOME} ${ss:log,1,2} ${now:x} ??? null true 1e-5 0 -1 .nan .inf 3 64 hardware user macbook
""".split()  # noqa: SIM905  # a list would take a page
SOME_WORD = st.sampled_from(WORDS)
LEAVES = st.one_of(
    SOME_WORD, st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.integers(10**30, 10**31)
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SOME_WORD | st.text(max_size=4), inner, max_size=4),
)
SWEEPS = st.fixed_dictionaries({}, optional={word: TREES for word in ("sweep", "defaults", "rollout_count")}) | TREES
BLOCKS = st.dictionaries(SOME_WORD, TREES, max_size=5).map(lambda sweep: {"sweep": sweep})
PARAMETERS = st.dictionaries(SOME_WORD, st.dictionaries(SOME_WORD, LEAVES, max_size=5), max_size=3).map(
    lambda parameters: {"sweep": {"parameters": parameters}}
)
OVERRIDES = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.builds("{}{}={}".format, st.sampled_from(["", "+", "++", "~"]), SOME_WORD, SOME_WORD),
        st.builds("{}={}".format, SOME_WORD, st.text(max_size=8)),
        st.builds("{}.{}={}".format, SOME_WORD, SOME_WORD, LEAVES),
        st.builds("sweep.{}.{}={}".format, SOME_WORD, SOME_WORD, SOME_WORD),
    ),
    max_size=4,
)


def is_answered(content: bytes, overrides: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        (cwd / "asked.yaml").write_bytes(content)
        words = ["run=test", "++sweep_params=asked.yaml", *overrides]
        try:
            asked = ask(words, training=schema, cwd=cwd, optimizer=read_optimizer)
        except RequestError as error:
            told = error
        else:
            assert isinstance(asked, Asked)
            return
    assert told.problems
    assert all(problem.message for problem in told.problems)
    assert all(line.isprintable() for line in str(told).split("\n"))


def dumped(tree: Any) -> bytes:
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def mutated(content: bytes, seed: int) -> bytes:
    """Return a file in which a few lines are cut, doubled, moved or garbled."""
    rng = random.Random(seed)
    lines = content.split(b"\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        line = bytearray(lines[at])
        deed = rng.randrange(6)
        if deed == 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif deed == 1 and len(lines) > 1:
            del lines[at]
        elif deed == 2 and line:
            line[rng.randrange(len(line))] = rng.choice(b" :{}[]&*!#'\"$\t0-\xff\x00.a")
            lines[at] = bytes(line)
        elif deed == 3:
            lines[at] = b"  " + lines[at]
        elif deed == 4:
            word = rng.choice(WORDS).encode()
            lines[at] = lines[at].partition(b":")[0] + b": " + word
        else:
            lines[at] = lines[at].lstrip()
    return b"\n".join(lines)


few = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
texts = st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=100)
trees = st.one_of(SWEEPS, BLOCKS, PARAMETERS).map(dumped)
edits = st.builds(mutated, st.sampled_from([path.read_bytes() for path in [*SHIPPED, *WRONG]]), st.integers(0, 10**9))
GOOD = (CONFIGS / "sweep" / "my_test_sweep.yaml").read_bytes()


@pytest.mark.slow
@few
@given(texts)
def test_any_text_is_answered(content: bytes) -> None:
    is_answered(content, [])


@pytest.mark.slow
@few
@given(trees)
def test_any_tree_is_answered(content: bytes) -> None:
    is_answered(content, [])


@pytest.mark.slow
@few
@given(edits)
def test_any_slip_of_the_hand_is_answered(content: bytes) -> None:
    is_answered(content, [])


@pytest.mark.slow
@few
@given(OVERRIDES)
def test_any_command_line_is_answered(overrides: list[str]) -> None:
    is_answered(GOOD, overrides)


@pytest.mark.slow
@pytest.mark.parametrize("group", ["user", "hardware", "experiment", "trainer", "env", "launcher", "wandb", "protein"])
def test_a_group_that_is_left_out_is_answered(group: str) -> None:
    is_answered(b"", [f"{group}=null"])


@pytest.mark.slow
@many
@given(st.one_of(texts, trees, edits), OVERRIDES)
def test_any_request_is_answered(content: bytes, overrides: list[str]) -> None:
    is_answered(content, overrides)
