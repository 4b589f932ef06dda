"""Whoever made a handle is asked about it, whatever starts runs today; launchers come from other packages too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from metta_sweep.errors import RequestError
from metta_sweep.launch import launchers as module
from metta_sweep.launch.launchers import Launchers
from metta_sweep.launch.registry import LauncherKind, kinds, settings_by_kind
from metta_sweep.store.journal import read_events
from metta_sweep.store.paths import SweepPaths
from metta_sweep.sweep.events import from_json
from metta_sweep.sweep.ports import Handle, JobSpec, JobState, JobStatus, LaunchError
from metta_sweep.sweep.state import SweepState
from tests.sweep.simulation import World, always, spec

RUNNING, EXITED = JobStatus(state=JobState.RUNNING), JobStatus(state=JobState.EXITED, code=0)


class Fake:
    """A launcher that says the same of every handle, and remembers what it was asked."""

    def __init__(self, kind: str, status: JobStatus = RUNNING) -> None:
        self.kind, self.status = kind, status
        self.polled: list[list[str]] = []
        self.cancelled: list[str] = []
        self.found: list[str] = []
        self.is_closed = False

    def capacity(self) -> int:
        return 2

    def submit(self, spec: JobSpec) -> Handle:
        return {"launcher": self.kind, "attempt_id": spec.attempt_id}

    def poll(self, handles: Sequence[Handle]) -> list[JobStatus]:
        self.polled.append([handle["attempt_id"] for handle in handles])
        return [self.status] * len(handles)

    def cancel(self, handle: Handle, grace_s: float) -> None:
        self.cancelled.append(handle["attempt_id"])

    def find(self, spec: JobSpec) -> Handle | None:
        self.found.append(spec.attempt_id)
        return self.submit(spec)

    def close(self) -> None:
        self.is_closed = True


def job(attempt_id: str, launcher: str = "") -> JobSpec:
    return JobSpec(attempt_id=attempt_id, command=("true",), run_dir=Path("/nowhere"), launcher=launcher)


def handle(kind: str, attempt_id: str) -> Handle:
    return {"launcher": kind, "attempt_id": attempt_id}


class Kinds:
    """Stands for the registry: launchers that follow, and how often each was made."""

    def __init__(self) -> None:
        self.followers = {"slurm": Fake("slurm", EXITED), "ray": Fake("ray")}
        self.made: list[str] = []
        self.away = {"gone"}

    def follow(self, kind: str) -> Fake:
        self.made.append(kind)
        if kind in self.away:
            raise RequestError.of("no cluster answers", key="launcher")
        return self.followers[kind]

    def __call__(self) -> dict[str, LauncherKind]:
        names = {*self.followers, *self.away}
        return {
            name: LauncherKind(
                name=name,
                settings=settings_by_kind()["local"],
                start=lambda order: None,
                follow=lambda folder, handle, name=name: self.follow(name),
            )
            for name in names
        }


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Kinds:
    found = Kinds()
    settings_by_kind()
    monkeypatch.setattr(module, "following", found)
    return found


def test_each_launcher_is_asked_once_for_its_own_handles_and_answers_come_in_order(registry, tmp_path):
    local = Fake("local")
    all_of_them = Launchers(tmp_path, "local", local)
    asked = [handle("slurm", "a"), handle("local", "b"), handle("slurm", "c"), handle("ray", "d")]
    assert all_of_them.poll(asked) == [EXITED, RUNNING, EXITED, RUNNING]
    assert (local.polled, registry.followers["slurm"].polled) == ([["b"]], [["a", "c"]])
    all_of_them.poll(asked)
    assert sorted(registry.made) == ["ray", "slurm"]
    all_of_them.cancel(handle("ray", "d"), 1.0)
    assert (registry.followers["ray"].cancelled, local.cancelled) == (["d"], [])
    all_of_them.close()
    assert all(each.is_closed for each in (local, *registry.followers.values()))


def test_an_attempt_is_found_by_the_launcher_that_was_about_to_get_it(registry, tmp_path):
    local = Fake("local")
    all_of_them = Launchers(tmp_path, "local", local)
    assert all_of_them.find(job("a", "slurm")) == handle("slurm", "a")
    assert all_of_them.find(job("b")) == handle("local", "b")
    assert (registry.followers["slurm"].found, local.found) == (["a"], ["b"])


def test_a_launcher_that_cannot_be_reached_says_why_and_is_not_tried_at_every_look(registry, tmp_path):
    all_of_them = Launchers(tmp_path, "local", Fake("local"))
    found = all_of_them.find(job("a", "gone"))
    [status] = all_of_them.poll([found])
    assert (status.state, status.is_over) == (JobState.UNKNOWN, False)
    assert status.reason == "launcher gone cannot be reached from here: launcher: no cluster answers"
    all_of_them.poll([found])
    assert registry.made == ["gone"]


def test_a_launcher_that_is_not_installed_any_more_is_unknown_and_says_so(registry, tmp_path):
    [status] = Launchers(tmp_path, "local", Fake("local")).poll([handle("other", "a")])
    assert status.state is JobState.UNKNOWN
    assert "launcher other cannot be reached from here: there is none of that name" in status.reason


def test_who_only_looks_starts_nothing(tmp_path):
    looking = Launchers(tmp_path / "launch")
    run = {"launcher": "local", "attempt_id": "s.r.0.a1", "run_dir": str(tmp_path), "gpus": [], "server": ""}
    assert [status.state for status in looking.poll([run])] == [JobState.LOST]
    assert looking.capacity() == 0
    assert not (tmp_path / "launch").exists()
    with pytest.raises(LaunchError):
        looking.submit(job("a"))


# ---------------------------------------------------------------- what the person is told


def test_what_is_not_known_for_a_while_is_told_once_with_its_reason_and_told_again_when_it_is_known():
    world = World(always(1.0, seconds=60.0))
    began, unknown = world.clock.seconds, JobStatus(state=JobState.UNKNOWN, reason="SLURM does not answer")
    world.machine.says = lambda: unknown if 5 < world.clock.seconds - began < 40 else None
    world.control(spec(rollout_count=1))
    told = [event for event in world.journal.events if event["kind"] == "attempt_unknown"]
    assert [event["reason"] for event in told] == ["SLURM does not answer", ""]
    assert 15 <= told[0]["elapsed_s"] <= 17
    assert not world.recorder.state.runs["s.r.0"].attempts[-1].unknown


def test_a_moment_of_not_knowing_is_not_told():
    world = World(always(1.0, seconds=30.0))
    began = world.clock.seconds
    world.machine.says = lambda: (
        JobStatus(state=JobState.UNKNOWN, reason="x") if 5 < world.clock.seconds - began < 12 else None
    )
    world.control(spec(rollout_count=1))
    assert "attempt_unknown" not in [event["kind"] for event in world.journal.events]


# ---------------------------------------------------------------- launchers of other packages

TOY = '''
"""A launcher from another package: each attempt is run at once, one after the other."""

import subprocess
from dataclasses import dataclass

from metta_sweep.config.settings import LauncherSettings, Text
from metta_sweep.launch.registry import LauncherKind
from metta_sweep.sweep.ports import JobState, JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ToySettings(LauncherSettings):
    kind: str = "toy"
    greeting: Text = "hello"


class ToyLauncher:
    def __init__(self, greeting=""):
        self.greeting = greeting

    def capacity(self):
        return 1

    def submit(self, spec):
        environment = {**__import__("os").environ, **spec.env, "METTA_SWEEP_RUN_DIR": str(spec.run_dir)}
        done = subprocess.run(spec.command, env=environment)
        (spec.run_dir / "toy").write_text(self.greeting)
        return {"launcher": "toy", "attempt_id": spec.attempt_id, "code": done.returncode}

    def poll(self, handles):
        return [JobStatus(state=JobState.EXITED, code=handle.get("code", 1)) for handle in handles]

    def cancel(self, handle, grace_s):
        pass

    def find(self, spec):
        return None

    def close(self):
        pass


KIND = LauncherKind(
    name="toy",
    settings=ToySettings,
    start=lambda order: ToyLauncher(order.settings.greeting),
    follow=lambda folder, handle: ToyLauncher(),
)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the toy: a module, and an entry point that names it."""
    folder = tmp_path / "site"
    info = folder / "toy_launcher-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "toy_launcher.py").write_text(TOY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-launcher\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[metta_sweep.launchers]\ntoy = toy_launcher:KIND\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    kinds.cache_clear()
    yield folder
    kinds.cache_clear()
    sys.modules.pop("toy_launcher", None)


def test_a_launcher_of_another_package_is_found_with_its_settings(toy):
    assert list(kinds()) == ["local", "slurm", "ray", "toy"]
    assert settings_by_kind()["toy"](greeting="hi").max_parallel == 1


@pytest.mark.parametrize(
    ("point", "told"),
    [
        ("toy = nothing_here:KIND", "'toy' of another package cannot be used: ModuleNotFoundError"),
        ("toy = toy_launcher:TOO_SHORT", "cannot be used: AttributeError"),
        ("toy = toy_launcher:ToyLauncher", "need a LauncherKind, got type"),
        ("local = toy_launcher:KIND", "its name is taken"),
    ],
)
def test_one_that_cannot_be_used_is_named(toy, point, told):
    (toy / "toy_launcher-1.0.dist-info" / "entry_points.txt").write_text(f"[metta_sweep.launchers]\n{point}\n")
    kinds.cache_clear()
    with pytest.raises(RequestError, match=told):
        kinds()


@pytest.mark.slow
def test_a_sweep_runs_on_it_and_goes_on_with_another_launcher(toy, tmp_path):
    (tmp_path / "toy_sweep.yaml").write_text(
        "rollout_count: 1\nsweep:\n  metric: score\n  parameters:\n    x: {distribution: uniform, min: 0.0, max: 1.0}\n"
    )
    (tmp_path / "trial.py").write_text("import metta_sweep\nmetta_sweep.finish(score=1.0)\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        given = ("run=t", "++sweep_params=toy_sweep.yaml", "wandb=off", f"command={sys.executable} trial.py")
        line = [sys.executable, "-m", "metta_sweep.commands", "run", *given, *words]
        return subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    done = run("launcher.kind=toy", "+launcher.greeting=servus")
    assert done.returncode == 0, done.stdout + done.stderr
    paths = SweepPaths(tmp_path / "train_dir", "t")
    assert (paths.run("t.r.0").root / "toy").read_text() == "servus"
    more = run("rollout_count=2")
    assert more.returncode == 0, more.stdout + more.stderr
    state = SweepState.fold(map(from_json, read_events(paths)))
    assert [run.attempts[-1].launcher for run in state.runs.values()] == ["toy", "local"]
    wrong = run("launcher.kind=toy", "+launcher.greting=x")
    assert (wrong.returncode, "did you mean greeting?" in wrong.stderr) == (2, True)
