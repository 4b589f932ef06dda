"""The exception line is found in the tracebacks of every tool, and two failures are the same whatever values they hold."""

# ruff: noqa: E501  logs as their tools print them

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.sweep.failures import Ending, failure_of
from metta_sweep.sweep.ports import JobState, JobStatus
from metta_sweep.sweep.records import Failure, FailureClass
from metta_sweep.sweep.tracebacks import LONGEST_MESSAGE, last_raised, last_words, without_values

PLAIN = """\
step 1
Traceback (most recent call last):
  File "train.py", line 3, in <module>
    main()
    ^^^^^^
ValueError: need 3 layers
got 2
"""
CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in f
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 2, in f
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x7 and 8x2)
"""
HYDRA = """\
Error executing job with overrides: ['lr=0.1']
Traceback (most recent call last):
  File "train.py", line 9, in main
    raise ValueError("lr=0.1 is too big")
ValueError: lr=0.1 is too big

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""
HYDRA_OVERRIDE = """\
Could not override 'x'.
To append to your config use +x=1
Key 'x' is not in struct
    full_key: x
    object_type=dict

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""
HYDRA_CONFIG = """\
Cannot find primary config 'nope'. Check that it's in your config search path.

Config search path:
\tprovider=hydra, path=pkg://hydra.conf

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""
HYDRA_TARGET = """\
Error executing job with overrides: []
Traceback (most recent call last):
  File "a.py", line 4, in __init__
ValueError: need a positive number

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "a.py", line 8, in main
hydra.errors.InstantiationException: Error in call to target 'a.Net':
ValueError('need a positive number')
full_key: model

Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.
"""
TORCHRUN = """\
[rank0]: Traceback (most recent call last):
[rank0]:   File "train.py", line 5, in <module>
[rank0]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.
E1124 08:00:00.000 12 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 0
Traceback (most recent call last):
  File "/usr/bin/torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
"""
DATA_WORKER = """\
Traceback (most recent call last):
  File "train.py", line 5, in <module>
RuntimeError: Caught OSError in DataLoader worker process 0.
Original Traceback (most recent call last):
  File "loader.py", line 5, in get
OSError: image file is truncated (3 bytes not processed)
"""
JAX = """\
jax.errors.SimplifiedTraceback: For simplicity, JAX has removed its internal frames from the traceback of the following exception.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "train.py", line 5, in <module>
TypeError: dot_general requires contracting dimensions to have the same shape, got (3,) and (4,).
--------------------
For simplicity, JAX has removed its internal frames from the traceback of the following exception.
"""
JAX_BEFORE = """\
Traceback (most recent call last):
  File "train.py", line 5, in <module>
FloatingPointError: invalid value (nan) encountered in jit(step)

Traceback (most recent call last):
  File "train.py", line 5, in f
jax._src.source_info_util.JaxStackTraceBeforeTransformation: FloatingPointError: invalid value (nan)

The preceding stack trace is the source of the JAX operation.
"""
RICH = """\
\x1b[31m╭─────── \x1b[0m\x1b[1;31mTraceback \x1b[0m\x1b[1;2;31m(most recent call last)\x1b[0m\x1b[31m ──────╮\x1b[0m
│ /home/me/train.py:3 in <module>     │
│ ❱ 3 main()                          │
╰─────────────────────────────────────╯
\x1b[1;91mZeroDivisionError: \x1b[0mdivision by zero
"""
GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "a.py", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "a.py", line 1, in <module>
    | ValueError: one
    +------------------------------------
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (PLAIN, "ValueError: need 3 layers"),
        (CHAINED, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x7 and 8x2)"),
        (HYDRA, "ValueError: lr=0.1 is too big"),
        (HYDRA_TARGET, "hydra.errors.InstantiationException: Error in call to target 'a.Net': "
         "ValueError('need a positive number')"),
        (TORCHRUN, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."),
        (DATA_WORKER, "OSError: image file is truncated (3 bytes not processed)"),
        (JAX, "TypeError: dot_general requires contracting dimensions to have the same shape, got (3,) and (4,)."),
        (JAX_BEFORE, "FloatingPointError: invalid value (nan) encountered in jit(step)"),
        (RICH, "ZeroDivisionError: division by zero"),
        (GROUP, "ValueError: one"),
    ],
)  # fmt: skip
def test_the_exception_of_the_last_traceback_is_found(log, line):
    assert last_raised(log).line == line
    assert last_raised(f"noise\n{log}more noise\n").line == line


def test_hydras_own_errors_are_told_from_one_another():
    override, config = last_raised(HYDRA_OVERRIDE).line, last_raised(HYDRA_CONFIG).line
    assert override.startswith("Could not override 'x'.")
    assert config.startswith("Cannot find primary config 'nope'.")
    assert len({without_values(line) for line in (override, config, last_raised(HYDRA).line)}) == 3


@pytest.mark.parametrize("log", ["", "fine\n", "Traceback (most recent call last):\n", "Traceback (most recent call"])
def test_without_a_whole_traceback_there_is_none(log):
    assert last_raised(log) is None


@given(st.text(alphabet=st.sampled_from("Traceback (mostlrcn:)\n |+╭│'\"`#0123456789abcdef./\\[]\x1b"), max_size=400))
def test_no_log_is_too_odd(log):
    raised = last_raised(log)
    assert raised is None or len(raised.line) <= LONGEST_MESSAGE
    assert len(last_words(log)) <= LONGEST_MESSAGE
    without_values(log)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("exit 2: a: error: argument --depth: invalid int value: '6.5'", "exit 2: a: error: argument --depth: invalid int value: '3.25'"),
        ("RuntimeError: shapes cannot be multiplied (64x7 and 8x2)", "RuntimeError: shapes cannot be multiplied (32x9 and 8x2)"),
        ("OSError: no such file: /tmp/a/b.pt", "OSError: no such file: /scratch/c.pt"),
        ('KeyError: "layer.3"', 'KeyError: "layer.12.x"'),
        ("E: got tensor([1.5e-3, nan])", "E: got tensor([7, 2.25, 3])"),
        ("E: lr=-1e-05 is bad", "E: lr=3.25E+02 is bad"),
        ("E: job 3f2a9c81 died at 0x7ffe", "E: job 99aa0011 died at 0x1000"),
    ],
)  # fmt: skip
def test_failures_are_the_same_whatever_values_they_hold(one, other):
    first, second = (Failure(kind=FailureClass.CRASH, message=message) for message in (one, other))
    assert first.signature == second.signature


def test_failures_of_another_class_or_exception_are_others():
    said = {("crash", "ValueError: a"), ("crash", "TypeError: a"), ("crash", "ValueError: b"), ("no_result", "a")}
    assert len({Failure(kind=FailureClass(kind), message=message).signature for kind, message in said}) == 4


def ended(log, code=1, number=None):
    return Ending(status=JobStatus(state=JobState.EXITED, code=code, signal=number), log_tail=log)


@pytest.mark.parametrize("word", ["torch.OutOfMemoryError: CUDA out of memory", "cannot allocate memory",
                                  "Read-only file system", "FloatingPointError: x", "No space left on device"])  # fmt: skip
def test_the_last_traceback_decides_and_a_word_further_up_does_not(word):
    caught = f"Traceback (most recent call last):\n  File x\n{word}\nhandled: {word}; going on with a smaller batch\n"
    assert failure_of(ended(caught + PLAIN), "r").kind is FailureClass.CRASH
    assert failure_of(ended(f"{word}\n" * 3 + PLAIN), "r").message == "exit 1: ValueError: need 3 layers"
    assert failure_of(ended(f"step 1\n{word}\n"), "r").kind is not FailureClass.CRASH


def test_a_mark_of_the_trainer_counts_where_no_traceback_follows_it():
    assert failure_of(ended(PLAIN + "invalid_config: batch 7\n"), "r").kind is FailureClass.INVALID_CONFIG
    assert failure_of(ended("diverged: early\n" + PLAIN), "r").kind is FailureClass.CRASH


def test_what_a_native_crash_prints_after_a_caught_traceback_is_heard():
    log = PLAIN + "terminate called after throwing an instance of 'std::bad_alloc'\n"
    assert failure_of(ended(log, code=None, number=6), "r").kind is FailureClass.OOM
    assert failure_of(ended(log), "r").kind is FailureClass.CRASH


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ImportError: libgomp.so.1: cannot allocate memory in static TLS block", "crash"),
        ("OverflowError: Python int too large to convert to C long", "crash"),
        ("OverflowError: cannot convert float infinity to integer", "diverged"),
        ("ValueError: Expected parameter loc to satisfy Real(), but found invalid values:\ntensor([nan, nan])", "diverged"),
        ("jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 3 bytes.", "oom"),
        ("OSError: [Errno 30] Read-only file system: 'outputs'", "infrastructure"),
    ],
)  # fmt: skip
def test_an_exception_line_has_its_class(line, kind):
    assert failure_of(ended(f"Traceback (most recent call last):\n  File x\n{line}\n"), "r").kind == kind
