"""Every field that the page on W&B promises, one by one, of a sweep whose mirror was beside it."""

from __future__ import annotations

import json
import time

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import Mode, start_mirror
from metta_sweep.track.ranges import NO_AGENTS, identity_of
from tests.track.server.loopback import KEY
from tests.track.test_live import wait_for
from tests.track.told import ToldSweep, environment

pytestmark = pytest.mark.slow
SETTINGS = WandbSettings(tags=("nightly",), checkpoints=True)


@pytest.fixture
def mirrored(server, tmp_path, no_process_left):
    """A run that finished, one that failed and one that was retried, mirrored while they went on."""
    sweep = ToldSweep(tmp_path, rollout_count=3)
    sweep.history.suggest().start(0)
    root = sweep.write().run_dir(0, api_key="sk-0123456789abcdefghijklmn")
    (root / "attempts").mkdir()
    noted = {"t": time.time(), "cpu": 101.5, "rss_mb": 250.0, "threads": 4, "host_memory": 30.0}
    (root / "attempts" / "my_test.r.0.a1.usage.jsonl").write_text(json.dumps(noted) + "\n")
    machine = {"cpu_count": 8, "os": "Linux"}
    (root / "attempts" / "my_test.r.0.a1.start.json").write_text(json.dumps({"host": "node7", "machine": machine}))
    (root / "checkpoints").mkdir()
    (root / "checkpoints" / "step-2048.pt").write_bytes(b"weights")
    mirror = start_mirror(
        sweep.paths,
        SETTINGS,
        Mode.ONLINE,
        environment(server, TMPDIR=str(tmp_path)),
        description="Does a wider batch help?",
    )
    (root / "train.log").write_text("loading\nepoch 1\n")
    sweep.report(0, 0.5, 1.75)
    wait_for(lambda: any(run.history for run in server.world.runs.values()), mirror, 100)
    sweep.finish(0, 1.5)
    sweep.history.suggest(origin="sobol", reason="fills the space").start(1)
    sweep.write().run_dir(1)
    sweep.history.fail(1, "oom", "CUDA out of memory")
    sweep.history.suggest().start(2)
    sweep.write().run_dir(2)
    sweep.history.fail(2, "killed", "killed by SIGKILL").start(2)
    sweep.write().finish(2, 0.25)
    sweep.history.choose(0).again(0, 1.25)
    sweep.write().run_dir(3)
    sweep.history.stop()
    sweep.close()
    assert "4 runs, all there" in mirror.stop(60)
    return sweep


def test_every_field_is_there(server, mirrored):
    the_sweep(server, mirrored)
    runs = {run.display_name: run for run in server.world.runs.values()}
    assert runs.keys() == {"my_test.r.0", "my_test.r.1", "my_test.r.2", "my_test.r.3", "my_test overview"}
    what_finished(server, mirrored, runs["my_test.r.0"])
    what_failed(runs["my_test.r.1"])
    what_was_retried(runs["my_test.r.2"])
    what_confirms(runs["my_test.r.3"])
    the_overview(runs["my_test overview"])
    assert all(KEY not in run.files_text() and "sk-0123456789" not in run.files_text() for run in runs.values())


def the_sweep(server, mirrored):
    (sweep,) = server.world.sweeps.values()
    identity = identity_of(mirrored.state.created)
    assert sweep.description == (
        "Does a wider batch help?\nmy_test: 3 rollouts of 1 runs\nasked for by sweep/my_test_sweep\n"
        f"{NO_AGENTS}\nmetta_sweep identity: {identity}"
    )
    assert {name: value for name, value in sweep.config.items() if name != "description"} == {
        "name": "my_test",
        "method": "custom",
        "metric": {"name": "reward", "goal": "maximize"},
        "parameters": {
            "trainer": {
                "parameters": {
                    "learning_rate": {"distribution": "log_uniform_values", "min": 0.0001, "max": 0.01},
                    "batch_size": {"values": [32, 64, 128]},
                    "gamma": {"distribution": "uniform", "min": 0.95, "max": 0.999},
                }
            }
        },
    }


def what_finished(server, mirrored, run):
    identity = identity_of(mirrored.state.created)
    assert run.run_id == f"my_test.r.0-{identity}"
    assert (run.group, run.job_type, run.sweep) == ("my_test.rollout.0", "train", "sw000000")
    assert run.tags == ["my_test", "protein", "nightly", "best"]
    assert (run.state, run.exit_code) == ("finished", 0)
    assert run.config == {"trainer": {"learning_rate": 0.001, "batch_size": 64, "gamma": 0.99}}
    rows = [{name: value for name, value in row.items() if name != "time_s"} for row in run.history]
    assert rows == [
        {"reward": 0.5, "heart.get": 0.25, "step": 512},
        {"reward": 1.75, "heart.get": 0.875, "step": 1024},
    ]
    assert {"step", "*", "reward"} <= set(axes(run))
    assert [defined["7"] for defined in run.raw_config["_wandb"]["value"]["m"] if defined.get("1") == "reward"] == [[2]]
    summary = {name: value for name, value in run.summary.items() if not name.startswith("_")}
    own = summary.pop("metta_sweep")
    seal = own.pop("seal")
    assert len(seal) == 16
    assert own == {
        **{"identity": identity, "sweep": "my_test", "run": "my_test.r.0", "rollout": 0, "seed": 0},
        **{"origin": "protein", "predicted": None, "reason": "", "started_at": own["started_at"]},
        "state": "finished",
        "attempts": 1,
        "cost_s": 10.0,
        "wall_s": own["wall_s"],
        "score": 1.5,
        "metric": 1.5,
        "best": 1.75,
    }
    last = {"heart.get": 0.875, "step": 1024, "time_s": summary["time_s"]}
    assert summary == {"reward": 1.5, "cost_s": 10.0, "steps": 2048, "score": 1.5, "best": 1.75, **last}
    assert run.summary["_runtime"] == mirrored.state.runs["my_test.r.0"].wall_s
    assert "[redacted]" in run.files["run/config.yaml"].decode()
    assert {name for name in run.files if name.startswith("run/")} == {
        "run/config.yaml",
        "run/result.json",
    }
    assert [line.split(" ", 1)[1] for line in run.lines["output.log"].values()] == ["loading", "epoch 1"]
    metadata = json.loads(run.files["wandb-metadata.json"])
    assert (metadata["program"], run.program) == ("metta_sweep.train", "metta_sweep.train")
    readings = run.lines["wandb-events.jsonl"].values()
    assert [json.loads(line)["system.proc.memory.rssMB"] for line in readings] == [250.0]
    assert (metadata["host"], metadata["cpu_count"]) == ("node7", 8)
    (checkpoint,) = server.world.models()
    assert (checkpoint.name, checkpoint.run_id, checkpoint.committed) == ("my_test.r.0-checkpoint", run.run_id, True)
    assert list(checkpoint.files.values()) == [b"weights"]


def axes(run):
    """Return the metrics that the client was told about: ``step``, and that it is the axis of the others."""
    return [defined.get("1") or defined.get("2") for defined in run.raw_config["_wandb"]["value"]["m"]]


def what_confirms(run):
    assert (run.group, run.job_type, run.sweep) == ("my_test.rollout.0", "confirm", "sw000000")
    assert "confirmation" in run.tags
    assert run.summary["metta_sweep"]["confirms"] is True


def what_failed(run):
    assert (run.state, run.exit_code) == ("failed", 1)
    own = run.summary["metta_sweep"]
    assert (own["failure_class"], own["failure_message"], own["state"]) == ("oom", "CUDA out of memory", "failed")
    assert not {"score", "metric", "best"} & own.keys()
    assert (own["origin"], own["reason"]) == ("sobol", "fills the space")
    assert "sobol" in run.tags


def what_was_retried(run):
    assert (run.state, run.exit_code, run.summary["metta_sweep"]["attempts"]) == ("finished", 0, 2)


def the_overview(run):
    assert (run.state, run.job_type, run.sweep) == ("finished", "overview", None)
    shown = {name.partition("_")[0].rpartition("/")[2] for name in run.files if name.startswith("media/")}
    assert shown == {"answer", "rollouts"}
    assert "sweep/journal.jsonl" in run.files
    own = run.summary["metta_sweep"]
    assert (own["runs"], own["failed_runs"], own["decided"], own["best"]) == (4, 1, 3, 1.5)
