"""Event files of real writers, held against the tensorboard package's own reading of them."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from metta_sweep.results.framing import masked_crc32c
from metta_sweep.results.tensorboard import TensorboardReader
from tests.results.conftest import values_of

tensorboard = pytest.importorskip("tensorboard")
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402  skipped without it
from tensorboard.compat.proto.event_pb2 import Event  # noqa: E402
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata  # noqa: E402
from tensorboard.compat.proto.tensor_pb2 import TensorProto  # noqa: E402
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto  # noqa: E402


def record(event):
    data = event.SerializeToString()
    head = struct.pack("<Q", len(data))
    return head + struct.pack("<I", masked_crc32c(head)) + data + struct.pack("<I", masked_crc32c(data))


def scalar(tag, value, step, wall_s=1000.0):
    return Event(wall_time=wall_s, step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))


def tensor(tag, step, **held):
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"))
    value = Summary.Value(tag=tag, metadata=metadata, tensor=TensorProto(**held))
    return Event(wall_time=1.0, step=step, summary=Summary(value=[value]))


@pytest.fixture
def log(source):
    """Return a source, its reader and the event file of a writer that has yet to begin."""
    here = source(path="runs/**", wanted={"loss": "charts/loss"})
    (here.cwd / "runs" / "a").mkdir(parents=True)
    return here, TensorboardReader(here), here.cwd / "runs" / "a" / "events.out.tfevents.1700000000.host.4242.0"


@pytest.mark.slow
def test_what_torch_writes_is_read_as_tensorboard_reads_it(source):
    from torch.utils.tensorboard import SummaryWriter

    here = source(path="runs/**")
    reader = TensorboardReader(here)
    folder = here.cwd / "runs" / "CartPole-v1__ppo__1"
    writer = SummaryWriter(str(folder))
    writer.add_text("hyperparameters", "|param|value|\n|-|-|\n|lr|0.1|")
    for step in range(50):
        writer.add_scalar("charts/episodic_return", step * 1.5, step)
        writer.add_scalar("losses/value_loss", math.exp(-step), step, new_style=True)
        writer.add_histogram("weights", np.array([1.0, 2.0, step]), step)
    writer.close()
    points = list(reader.read(final=True))
    theirs = EventAccumulator(str(folder))
    theirs.Reload()
    for tag in theirs.Tags()["scalars"]:
        assert values_of(points, tag) == [(event.step, event.value) for event in theirs.Scalars(tag)]
    assert len(values_of(points, "losses/value_loss")) == 50
    assert set(reader.seen.names) == {"charts/episodic_return", "losses/value_loss"}


def test_a_file_that_grows_is_read_as_far_as_it_is_whole(log):
    _, reader, path = log
    content = record(Event(wall_time=1.0, file_version="brain.Event:2")) + record(scalar("charts/loss", 0.5, 10))
    tail = record(scalar("charts/loss", 0.25, 20))
    path.write_bytes(content + tail[:9])
    points = list(reader.read(final=False))
    assert values_of(points) == [(10.0, 0.5)]
    assert points[0].at_s == 1000.0
    path.write_bytes(content + tail)
    assert values_of(reader.read(final=True)) == [(20.0, 0.25)]


def test_a_torn_tail_ends_cleanly(log):
    here, reader, path = log
    path.write_bytes(record(scalar("charts/loss", 0.5, 10)) + record(scalar("charts/loss", 0.25, 20))[:-7])
    assert values_of(reader.read(final=True)) == [(10.0, 0.5)]
    assert here.notes.fault == ""


def test_what_comes_before_damage_is_taken_and_the_damage_is_said(log):
    here, reader, path = log
    path.write_bytes(record(scalar("charts/loss", 0.5, 10)) + b"\xff" * 40 + record(scalar("charts/loss", 9.0, 20)))
    assert values_of(reader.read(final=True)) == [(10.0, 0.5)]
    assert "is damaged" in " ".join(here.notes.news())


@pytest.mark.parametrize(
    ("held", "value"),
    [
        ({"dtype": 1, "float_val": [0.5]}, 0.5),
        ({"dtype": 2, "double_val": [0.1]}, 0.1),
        ({"dtype": 3, "int_val": [-7]}, -7.0),
        ({"dtype": 9, "int64_val": [1 << 40]}, float(1 << 40)),
        ({"dtype": 1, "tensor_content": struct.pack("<f", 0.25)}, 0.25),
        ({"dtype": 2, "tensor_content": struct.pack("<d", math.inf)}, math.inf),
        ({"dtype": 1, "float_val": []}, 0.0),
        ({"dtype": 7, "string_val": [b"text"]}, None),
        ({"dtype": 1, "tensor_content": struct.pack("<3f", 1, 2, 3)}, None),
        (
            {"dtype": 1, "float_val": [1, 2], "tensor_shape": TensorShapeProto(dim=[TensorShapeProto.Dim(size=2)])},
            None,
        ),
    ],
)
def test_scalars_are_read_from_tensors_as_tf2_writes_them(log, held, value):
    _, reader, path = log
    path.write_bytes(record(tensor("charts/loss", 3, **held)))
    assert values_of(reader.read(final=True)) == ([] if value is None else [(3.0, value)])


def test_two_processes_that_log_one_tag_are_two_places(log):
    _, reader, path = log
    path.write_bytes(record(scalar("charts/loss", 0.5, 10)))
    path.with_name("events.out.tfevents.1700000000.host.4243.0").write_bytes(record(scalar("charts/loss", 0.7, 10)))
    assert {point.place for point in reader.read(final=True)} == {"runs/a (process 4242)", "runs/a (process 4243)"}


def test_a_writer_that_begins_a_new_file_stays_one_place(log):
    _, reader, path = log
    path.write_bytes(record(scalar("charts/loss", 0.5, 10)))
    path.with_name("events.out.tfevents.1700000009.host.4242.1").write_bytes(record(scalar("charts/loss", 0.7, 20)))
    assert {point.place for point in reader.read(final=True)} == {"runs/a (process 4242)"}


def test_a_negative_step_and_nan_are_read(log):
    _, reader, path = log
    path.write_bytes(record(scalar("charts/loss", math.nan, -1)))
    ((step, value),) = values_of(reader.read(final=True))
    assert step == -1.0
    assert math.isnan(value)
