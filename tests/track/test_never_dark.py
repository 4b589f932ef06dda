"""A mirror that meets a fault when it starts waits for W&B, and gets there without help; only proof is a refusal."""

from __future__ import annotations

import random
import threading
import time
from types import SimpleNamespace

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.track import Mode, controller, graphql, mirror, start_mirror
from metta_sweep.track.companion import SHORTEST_END_S
from metta_sweep.track.errors import RefusedError, TryLaterError
from metta_sweep.track.graphql import GraphQL
from metta_sweep.track.link import Link
from metta_sweep.track.watchdog import Watchdog
from tests.track.comparing import assert_mirrored
from tests.track.server import Fault
from tests.track.told import ToldSweep, environment

KILLS = 20
FAULTS = {
    "429": Fault(status=429, retry_after_s=0, times=12),
    "500": Fault(status=500, times=15),
    "503": Fault(status=503, times=10),
    "404": Fault(status=404, times=4),
    "lost": Fault(kind="lost", times=8),
    "torn": Fault(kind="torn", times=10),
    "dropped": Fault(kind="drop", times=6),
    "errors in a 200 reply": Fault(kind="errors", message="permission denied, 401 Unauthorized, 403", times=8),
    "a proxy that knows nobody": Fault(kind="page", status=403, times=5),
    "a proxy that wants a login": Fault(kind="page", status=401, times=5),
}


@pytest.fixture
def impatient(monkeypatch):
    """Have the mirror's pauses be short."""
    monkeypatch.setattr(mirror, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(mirror, "LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr(mirror, "REFUSED_PAUSE_S", 0.3)
    monkeypatch.setattr(graphql, "PAUSE_S", 0.005)


@pytest.fixture
def process(server, tmp_path, monkeypatch, impatient):
    """A mirror's life up to where it needs the client, in this process."""
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    sweep = ToldSweep(tmp_path, rollout_count=1).whole_run(1.0).close()

    def make(*, once=False, limit_s=None):
        watchdog = Watchdog(listen=False, limit_s=limit_s, end=lambda status: None)  # not this process
        made = mirror._Process(sweep.paths, Link(), watchdog, once=once)
        made._feed.follow()
        return made

    made = make
    made.paths = sweep.paths
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_it_registers_once_whatever_the_first_answers_are(server, process, name):
    server.faults.order(FAULTS[name])
    before = server.faults.happened
    client, sent = process()._connect()
    assert server.faults.happened - before >= 4
    assert (len(server.world.sweeps), sent or {}, client.entity) == (1, {}, "tester")


def test_a_server_that_is_away_for_a_moment_is_waited_for(server, process):
    server.stop()
    threading.Timer(0.3, server.start).start()
    process()._connect()
    assert len(server.world.sweeps) == 1


def test_a_rejected_key_is_said_and_tried_again_slowly(server, process, monkeypatch):
    key = "f" * 40
    monkeypatch.setenv("WANDB_API_KEY", key)
    made = process()
    thread = threading.Thread(target=made._connect, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while (Link.read(process.paths) or Link()).state != "refused":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    seen, asked = Link.read(process.paths), server.requests.total()
    assert "401" in seen.message
    assert key not in seen.message
    assert asked <= 2
    monkeypatch.setenv("WANDB_API_KEY", environment(server)["WANDB_API_KEY"])
    thread.join(20)
    assert not thread.is_alive()
    assert len(server.world.sweeps) == 1


def test_a_catch_up_with_a_rejected_key_ends_at_once(process, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    with pytest.raises(RefusedError, match="401"):
        process(once=True)._connect()


def test_an_ending_mirror_hardly_waits_for_a_server_that_never_answered(server, process, monkeypatch):
    monkeypatch.setattr(mirror, "STRANGER_S", 0.2)
    server.stop()
    began_s = time.monotonic()
    with pytest.raises(TryLaterError, match="no answer"):
        process(once=True)._connect()
    assert time.monotonic() - began_s < 10


def test_what_is_there_is_said_before_the_overview_is_drawn(process):
    def drawn():
        said.append(Link.read(process.paths).mirrored)

    said = []
    done = {"whole": {"my_test.r.0"}, "pending": 0, "stopped_runs": (), "elsewhere": set(), "is_settled": True}
    nothing = dict.fromkeys(("pause", "prove", "send_over"), lambda **asked: None)
    made = process()
    made._end(SimpleNamespace(**done, **nothing, send_overview=drawn))
    assert said == [1]


def test_what_must_not_be_done_twice_is_sent_once(server):
    asks = GraphQL(server.url, environment(server)["WANDB_API_KEY"], entity="tester", project="p")
    server.faults.order(Fault(on="Viewer", status=500, times=1))
    with pytest.raises(TryLaterError, match="HTTP 500"):
        asks.ask_once("query Viewer { viewer { id } }")
    assert server.requests["Viewer"] == 1


def test_what_may_be_done_twice_is_tried_a_few_times(impatient):
    failures = [TryLaterError("not now")] * (graphql.TRIES - 1)

    def deed():
        if failures:
            raise failures.pop()
        return "done"

    assert graphql.tried(deed) == "done"
    failures += [TryLaterError("not now")] * graphql.TRIES
    with pytest.raises(TryLaterError):
        graphql.tried(deed)
    assert not failures


def ordered(*faults):
    return lambda server: server.faults.order(*faults)


CLIENTS = ("RunResumeStatus", "UpsertBucket", "CreateRunFiles", "file_stream", "storage")
STRIKES = {
    "429": ordered(Fault(status=429, retry_after_s=1, times=12)),
    "500": ordered(Fault(status=500, times=15)),
    "lost": ordered(Fault(kind="lost", times=8)),
    "torn": ordered(Fault(kind="torn", times=10)),
    "the client's requests": ordered(*(Fault(on=operation, status=500, times=9) for operation in CLIENTS)),
    "away for 30 s": lambda server: server.away_for(30),
    "away for 75 s": lambda server: server.away_for(75),
}
PHASES = ("it starts", "a run goes on", "a run ends", "the sweep ends")


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("strike", STRIKES)
def test_a_sweep_is_whole_without_help_whatever_happens_whenever(server, tmp_path, no_process_left, strike, phase):
    back = None

    def at(now):
        nonlocal back
        back = STRIKES[strike](server) if now == phase else back

    sweep = ToldSweep(tmp_path, rollout_count=3)
    at("it starts")
    made = start_mirror(sweep.paths, WandbSettings(), Mode.ONLINE, environment(server, TMPDIR=str(tmp_path)))
    sweep.whole_run(1.0).history.suggest().start(1)
    sweep.write().run_dir(1)
    sweep.report(1, 0.5)
    glance_until(made, lambda: rows_of_the_second(server) == 1)
    at("a run goes on")
    sweep.report(1, 0.7, first_step=1024)
    glance_until(made, lambda: back is not None or rows_of_the_second(server) == 2)
    at("a run ends")
    sweep.finish(1, 2.0)
    glance_until(made, lambda: back is not None or "finished" in second(server).state)
    at("the sweep ends")
    sweep.whole_run(3.0).history.stop()
    sweep.close()
    line = made.stop(SHORTEST_END_S, runs=3)
    if back is not None:
        back.join()
    assert line.startswith("W&B: 3 runs, all there"), line
    assert_mirrored(server, sweep)


@pytest.mark.long
@pytest.mark.slow
def test_a_mirror_that_is_killed_again_and_again_needs_no_help(server, tmp_path, no_process_left, monkeypatch):
    monkeypatch.setattr(controller, "LONGEST_PAUSE_S", 0.5)
    rng, sweep = random.Random(0), ToldSweep(tmp_path, rollout_count=KILLS // 2)
    made = start_mirror(sweep.paths, WandbSettings(), Mode.ONLINE, environment(server, TMPDIR=str(tmp_path)))
    for kill in range(KILLS - 1):
        if kill % 2 == 0:
            sweep.whole_run(float(kill), evaluations=rng.randrange(1, 30))
        glance_until(made, lambda: made._process is not None)
        wait_s = rng.uniform(0.3, 5.0)
        began_s = time.monotonic()
        glance_until(made, lambda wait_s=wait_s, began_s=began_s: time.monotonic() - began_s > wait_s)
        if made._process is not None:
            made._process.kill()
    sweep.history.stop()
    sweep.close()
    glance_until(made, lambda: made._process is not None and made._process.poll() is None)
    killer = threading.Timer(0.7, made._process.kill)  # also while it sends what is left
    killer.start()
    line = made.stop(SHORTEST_END_S, runs=KILLS // 2)
    killer.join()
    assert line.startswith(f"W&B: {KILLS // 2} runs, all there"), line
    assert_mirrored(server, sweep)


def second(server):
    return next((run for run in server.world.runs.values() if run.display_name == "my_test.r.1"), None)


def rows_of_the_second(server):
    found = second(server)
    return 0 if found is None else len(found.history)


def glance_until(mirror, condition, seconds=240.0):
    """Wait until something holds, as a controller does: glancing at the mirror."""
    deadline = time.monotonic() + seconds
    while not condition():
        mirror.poll()
        assert time.monotonic() < deadline
        time.sleep(0.05)
