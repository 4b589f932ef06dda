"""What the mirror decides to send, against a client that only remembers."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from metta_sweep.sweep.events import RunDiscarded, RunRestored, RunRetried
from metta_sweep.track.client import WandbPath
from metta_sweep.track.errors import TryLaterError
from metta_sweep.track.feed import Feed
from metta_sweep.track.mirroring import SEND_LIMIT, Mirroring
from metta_sweep.track.ranges import identity_of
from metta_sweep.track.server import SentRun
from metta_sweep.track.sources import RunSources
from tests.track.told import NO_SECRETS, ToldSweep


@dataclass
class Remembered:
    """A run as the client's double keeps it."""

    client: RememberingClient
    wandb_id: str
    rows: list = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    files: dict = field(default_factory=dict)
    state: str = "running"
    opened: int = 0
    log: str = ""
    log_bytes: int = 0
    usage: list = field(default_factory=list)
    tags: tuple = ()
    has_stats: bool = False

    def send_log(self, text, *, there):
        self.log += text

    def send(self, rows):
        self.rows += rows[len(self.rows) :]

    def close(self, *, summary, files, folder, exit_code):
        self.state = "finished" if exit_code == 0 else "failed"
        self.files.update(files)
        if not self.client.loses:
            self.summary = summary

    def pause(self):
        self.state = "preempted"


@dataclass
class RememberingClient:
    """A server that works at once, or loses summaries."""

    is_offline: bool = False
    loses: bool = False
    stubborn: bool = False
    runs: dict[str, Remembered] = field(default_factory=dict)
    place: WandbPath = field(default_factory=lambda: WandbPath(entity="e", project="p", sweep_id="s"))
    folder: Path = Path()

    def open_run(self, facts, origin, *, is_new, pid=None):
        assert is_new == (facts.wandb_id not in self.runs)
        run = self.runs.setdefault(facts.wandb_id, Remembered(self, facts.wandb_id))
        run.state, run.opened = "running", run.opened + 1
        return run

    def discard_local(self, wandb_id):
        """There is nothing local."""

    def sent_runs(self):
        return {
            r.wandb_id: SentRun(
                wandb_id=r.wandb_id,
                name="",
                state=r.state,
                config={},
                summary=r.summary,
                tags=r.tags,
                files=frozenset(r.files),
            )
            for r in self.runs.values()
        }

    def runs_there(self, wandb_ids):
        return {name: there for name, there in self.sent_runs().items() if name in wandb_ids}

    def change_runs(self, runs):
        if self.stubborn:
            raise TryLaterError("not now")
        for there in runs:
            self.runs[there.wandb_id].summary = there.summary
            self.runs[there.wandb_id].tags = there.tags

    def send_usage(self, wandb_id, rows):
        self.runs[wandb_id].usage = rows

    def annotate(self, facts, seal, *, creates):
        if facts.wandb_id not in self.runs and not creates:
            return False
        run = self.runs.setdefault(facts.wandb_id, Remembered(self, facts.wandb_id))
        run.state = "finished" if facts.exit_code == 0 else "failed"
        own = {**facts.summary["metta_sweep"], "seal": seal}
        run.summary = {**facts.summary, **run.summary, "metta_sweep": own}
        return True

    def ids_there(self, wandb_ids):
        return set(wandb_ids) & self.runs.keys()


class Bench:
    """A told sweep, and mirrors of it one after another."""

    def __init__(self, folder):
        self.sweep = ToldSweep(folder)
        self.client = RememberingClient()
        self.work = folder / "work"
        self.mirror = self.start()

    def start(self, *, compare=False):
        feed = Feed(self.sweep.paths)
        feed.follow()
        sources = RunSources(paths=self.sweep.paths, feed=feed, redaction=NO_SECRETS)
        self.mirror = Mirroring(sources, self.client, work=self.work)
        self.feed = feed
        if self.client.is_offline:
            self.mirror.begin_offline()
        else:
            self.mirror.begin(self.client.sent_runs(), compare=compare)
        return self.mirror

    def tick(self):
        self.sweep.write()
        self.feed.follow()
        self.mirror.tick()
        return self

    def remote(self, number=0):
        return next((r for r in self.client.runs.values() if r.wandb_id.startswith(f"my_test.r.{number}-")), None)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.sweep.close()


def test_a_run_that_waits_for_its_first_attempt_is_not_shown(bench):
    bench.sweep.history.suggest()
    bench.tick()
    assert bench.client.runs == {}


def test_a_living_run_is_opened_once_and_sent_as_it_reports(bench):
    bench.sweep.history.suggest().start(0)
    bench.sweep.run_dir(0)
    bench.tick().tick()
    bench.sweep.report(0, 1.0)
    bench.tick()
    assert (bench.remote().opened, len(bench.remote().rows), bench.remote().state) == (1, 1, "running")


def test_a_run_between_attempts_is_let_go_once(bench):
    bench.sweep.history.suggest().start(0).fail(0, "killed", "killed by SIGKILL")
    bench.tick().tick().tick()
    assert (bench.remote().opened, bench.remote().state) == (1, "preempted")
    bench.sweep.history.start(0)
    bench.tick()
    assert (bench.remote().opened, bench.remote().state) == (2, "running")


def test_a_run_is_whole_only_once_it_is_proven(bench):
    bench.sweep.whole_run(1.0)
    bench.tick()
    assert (bench.mirror.whole, bench.mirror.is_settled) == (set(), False)
    bench.mirror.prove()
    assert (bench.mirror.whole, bench.mirror.is_settled) == ({"my_test.r.0"}, True)
    bench.tick()
    assert bench.remote().opened == 1


def test_what_does_not_arrive_is_sent_again_and_then_said(bench):
    bench.client.loses = True
    bench.sweep.whole_run(1.0)
    for _ in range(SEND_LIMIT - 1):
        bench.tick().mirror.prove()
    with pytest.raises(TryLaterError, match="did not arrive whole"):
        bench.tick().mirror.prove()
    bench.client.loses = False
    bench.start()
    bench.tick().mirror.prove()
    assert bench.mirror.is_settled
    assert len(bench.remote().rows) == 3


def test_a_missing_file_is_noticed(bench):
    bench.sweep.whole_run(1.0)
    bench.tick()
    bench.remote().files.clear()
    bench.mirror.prove(again=False)
    assert not bench.mirror.is_settled


@pytest.mark.parametrize("compare", [False, True])
def test_the_next_mirror_sends_what_the_last_one_died_before(bench, compare):
    bench.sweep.whole_run(1.0)
    bench.tick()
    sent = dict(bench.remote().files)
    bench.remote().files.clear()  # its summary had arrived, its files had not
    bench.start(compare=compare)
    assert not bench.mirror.whole
    bench.tick().mirror.prove()
    assert (bench.mirror.is_settled, bench.remote().files) == (True, sent)


def test_the_next_mirror_sends_nothing_that_is_whole(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    for compare in (False, True):
        bench.start(compare=compare)
        bench.tick()
        assert (bench.mirror.is_settled, bench.remote().opened) == (True, 1)


def test_a_catch_up_mends_what_was_changed_there(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.sweep.report(0, 9.0, first_step=4096)
    bench.start(compare=True)
    bench.tick()
    assert (bench.remote().opened, len(bench.remote().rows)) == (2, 4)


def test_a_run_that_was_deleted_there_is_sent_anew(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.client.runs.clear()
    bench.start()
    bench.tick().mirror.prove()
    assert (bench.mirror.is_settled, len(bench.remote().rows)) == (True, 3)


def test_a_run_that_is_there_outside_of_the_sweep_is_gone_on_with(bench):
    bench.sweep.whole_run(1.0)
    bench.remote_outside = Remembered(bench.client, f"my_test.r.0-{identity_of(bench.sweep.state.created)}")
    bench.client.runs[bench.remote_outside.wandb_id] = bench.remote_outside
    bench.feed.follow()
    bench.mirror.begin({}, compare=True)
    bench.tick().mirror.prove()
    assert bench.mirror.is_settled


def test_what_is_poorer_here_is_not_written_over_what_is_there(bench):
    bench.sweep.whole_run(1.0)
    bench.sweep.report(0, 9.0, first_step=4096)
    bench.tick().mirror.prove()
    before = dict(bench.remote().summary)
    assert before["best"] == 9.0
    shutil.rmtree(bench.sweep.paths.run("my_test.r.0").root)
    bench.start(compare=True)
    bench.tick().mirror.prove()
    assert (bench.mirror.is_settled, bench.remote().opened, bench.remote().summary) == (True, 1, before)


def test_an_outcome_that_only_the_journal_knows_is_added_to_what_is_there(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.remote().state = "running"
    bench.remote().summary["metta_sweep"] |= {"best": 9.0, "state": "running"}
    shutil.rmtree(bench.sweep.paths.run("my_test.r.0").root)
    bench.start(compare=True)
    bench.tick().mirror.prove()
    own = bench.remote().summary["metta_sweep"]
    assert (own["best"], own["state"], bench.remote().state) == (9.0, "finished", "finished")


def test_a_run_that_another_machine_did_under_the_same_number_is_left_alone(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.remote().summary["metta_sweep"]["started_at"] += 60.0
    before = dict(bench.remote().summary)
    bench.start(compare=True)
    bench.tick().mirror.prove()
    assert (bench.mirror.elsewhere, bench.mirror.is_settled) == ({"my_test.r.0"}, True)
    assert (bench.remote().opened, bench.remote().summary) == (1, before)


def test_the_times_there_are_the_trainings_own(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    run = bench.sweep.state.runs["my_test.r.0"]
    assert bench.remote().summary["_runtime"] == run.wall_s
    assert bench.remote().summary["_wandb"] == {"runtime": int(run.wall_s)}


def test_times_that_something_else_wrote_there_are_mended_by_a_catch_up(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.remote().summary["_runtime"] = 0.3
    bench.start(compare=True)
    bench.tick()
    assert not bench.mirror.is_settled
    bench.mirror.prove()
    assert bench.mirror.is_settled
    assert bench.remote().opened == 1
    assert bench.remote().summary["_runtime"] == bench.sweep.state.runs["my_test.r.0"].wall_s


def test_the_tag_of_the_best_goes_where_the_best_is(bench):
    def tagged():
        return [r.wandb_id[:11] for r in bench.client.runs.values() if "best" in r.tags]

    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    assert tagged() == ["my_test.r.0"]
    bench.sweep.whole_run(2.0).whole_run(1.5)
    bench.tick().mirror.prove()
    assert tagged() == ["my_test.r.1"]
    assert "best" not in bench.remote(0).tags


def test_a_tag_that_a_person_gave_stays_when_the_best_moves_on(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.remote(0).tags = (*bench.remote(0).tags, "mine")
    bench.sweep.whole_run(2.0)
    bench.feed.follow()
    bench.mirror.prove()
    assert ("mine" in bench.remote(0).tags, "best" in bench.remote(0).tags) == (True, False)


def test_times_and_tags_that_cannot_be_set_are_tried_a_few_times_and_keep_nothing_open(bench):
    bench.client.stubborn = True
    bench.sweep.whole_run(1.0)
    bench.tick()
    for _ in range(SEND_LIMIT - 1):
        with pytest.raises(TryLaterError):
            bench.mirror.prove()
        assert not bench.mirror.is_settled
    bench.mirror.prove()
    assert bench.mirror.is_settled


def test_an_answer_that_cannot_be_made_is_left_out(bench):
    def fails(state, run_page):
        raise TypeError("a report's mistake")

    bench.client.run_page = lambda wandb_id: f"https://wandb.ai/{wandb_id}"
    bench.mirror._answer = fails
    assert bench.mirror._answer_page("{run}-cafe") == ""
    bench.mirror._answer = lambda state, run_page: run_page
    assert bench.mirror._answer_page("{run}-cafe") == "https://wandb.ai/{run}-cafe"


def test_runs_that_go_on_are_let_go_at_the_end(bench):
    bench.sweep.history.suggest().start(0)
    bench.tick().mirror.pause()
    assert bench.remote().state == "preempted"


def test_offline_only_finished_runs_are_written_and_none_that_was_begun_online(bench):
    bench.sweep.history.suggest().start(0)
    bench.tick().mirror.pause()
    bench.client.is_offline = True
    bench.sweep.whole_run(1.0)
    bench.sweep.history.suggest().start(2)
    bench.sweep.history.finish(0, 1.0)
    bench.sweep.write()
    bench.start()
    bench.tick().mirror.prove()
    assert (bench.remote(0).opened, bench.remote(1).opened, bench.remote(2)) == (1, 1, None)
    bench.start()
    bench.tick()
    assert bench.remote(1).opened == 1


def test_the_log_follows_as_it_grows_without_secrets(bench):
    bench.sweep.history.suggest().start(0)
    root = bench.sweep.run_dir(0)
    (root / "train.log").write_text("begins\nhalf a li")
    bench.tick()
    assert bench.remote().log == "begins\n"
    with (root / "train.log").open("a") as file:
        file.write("ne\nexport api_key=sk-0123456789abcdefghijklmn\n")
    bench.tick().tick()
    assert bench.remote().log.startswith("begins\nhalf a line\n")
    assert "sk-0123" not in bench.remote().log
    assert bench.remote().log.count("\n") == 3


def test_what_was_measured_where_the_run_was_done_is_shown(bench):
    bench.sweep.history.suggest().start(0)
    attempts = bench.sweep.run_dir(0) / "attempts"
    attempts.mkdir()
    notes = [{"t": 1005.0, "cpu": 99.5, "rss_mb": 120.0, "threads": 3, "host_memory": 40.0}, "torn"]
    (attempts / "my_test.r.0.a1.usage.jsonl").write_text("".join(json.dumps(note) + "\n" for note in notes))
    bench.sweep.finish(0, 1.0)
    bench.tick()
    (row,) = bench.remote().usage
    assert (row["system.cpu"], row["system.proc.memory.rssMB"], row["_timestamp"]) == (99.5, 120.0, 1005.0)


def joins(bench, number, kind="run"):
    """Have the run's trainer begin a W&B run of its own, as the client leaves it on disk."""
    run_id = bench.sweep.history.run(number)
    wandb_id = f"{run_id}-{identity_of(bench.sweep.state.created)}"
    (bench.sweep.paths.run(run_id).root / "wandb" / f"{kind}-20260101_000000-{wandb_id}").mkdir(parents=True)
    bench.client.runs[wandb_id] = Remembered(bench.client, wandb_id, rows=["theirs"], summary={"reward": 5.0})


def test_a_run_that_its_trainer_writes_gets_outcome_and_state_and_no_history(bench):
    bench.sweep.history.suggest().start(0)
    bench.sweep.run_dir(0)
    joins(bench, 0)
    bench.sweep.report(0, 1.0)
    bench.tick()
    assert bench.remote().opened == 0
    bench.sweep.finish(0, 1.5)
    bench.tick().mirror.prove()
    remote = bench.remote()
    assert (remote.opened, remote.rows, remote.files, remote.state) == (0, ["theirs"], {}, "finished")
    assert (remote.summary["reward"], remote.summary["score"]) == (5.0, 1.5)
    assert bench.mirror.is_settled
    bench.start(compare=True)
    assert bench.tick().mirror.is_settled


def test_a_run_that_its_trainer_has_in_another_project_is_written_from_here(bench):
    bench.sweep.history.suggest().start(0)
    bench.sweep.run_dir(0)
    joins(bench, 0)
    bench.client.runs.clear()
    bench.sweep.report(0, 1.0).finish(0, 1.5)
    bench.tick().mirror.prove()
    assert (bench.remote().opened, len(bench.remote().rows), bench.mirror.is_settled) == (1, 1, True)
    bench.start(compare=True)
    assert bench.tick().mirror.is_settled


def test_a_run_that_its_trainer_wrote_offline_is_there_with_its_outcome_before_it_is_sent(bench):
    bench.sweep.history.suggest().start(0)
    bench.sweep.run_dir(0)
    joins(bench, 0, kind="offline-run")
    bench.client.runs.clear()
    bench.sweep.finish(0, 1.5)
    bench.tick().mirror.prove()
    assert (bench.remote().opened, bench.remote().summary["score"]) == (0, 1.5)


def test_a_strangers_program_has_time_to_begin_its_own_run_before_ours_is_opened(bench):
    bench.sweep.history.asked["command"] = ("python", "train.py")
    bench.sweep.history.ask()
    bench.sweep.history.suggest().start(0)
    bench.sweep.history.events[-1] = replace(bench.sweep.history.events[-1], at=time.time())
    bench.sweep.history.events[-2] = replace(bench.sweep.history.events[-2], at=time.time())
    bench.sweep.run_dir(0)
    bench.tick()
    assert bench.client.runs == {}
    bench.sweep.report(0, 1.0)
    bench.tick()
    assert bench.remote().opened == 1


def own(bench):
    return bench.remote().summary["metta_sweep"]


def test_a_discard_and_its_reversal_reach_a_run_that_was_whole(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.sweep.history.add(RunDiscarded, run_id="my_test.r.0", why="throttled")
    bench.tick().mirror.prove()
    assert (own(bench)["discarded"], bench.mirror.is_settled, len(bench.remote().rows)) == ("throttled", True, 3)
    bench.sweep.history.add(RunRestored, run_id="my_test.r.0")
    bench.tick().mirror.prove()
    assert "discarded" not in own(bench)
    assert bench.mirror.whole == {"my_test.r.0"}


def test_a_discard_while_no_mirror_was_there_is_told_by_the_next_one(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    bench.sweep.history.add(RunDiscarded, run_id="my_test.r.0", why="throttled")
    bench.sweep.write()
    bench.start()
    assert bench.mirror.whole == set()
    bench.tick().mirror.prove()
    assert own(bench)["discarded"] == "throttled"


def test_a_run_that_is_begun_anew_is_another_one_there_and_the_old_one_is_left_as_it_is(bench):
    bench.sweep.whole_run(1.0)
    bench.tick().mirror.prove()
    before = bench.remote()
    bench.sweep.history.add(RunRetried, run_id="my_test.r.0")
    bench.tick()
    assert list(bench.client.runs.values()) == [before]
    shutil.rmtree(bench.sweep.paths.run("my_test.r.0").root)
    bench.sweep.history.start(0)
    bench.sweep.write()
    bench.sweep.run_dir(0)
    bench.sweep.report(0, 0.7, 0.8).finish(0, 0.9)
    bench.tick().mirror.prove()
    _, anew = bench.client.runs.values()
    assert anew.wandb_id == f"{before.wandb_id}.1"
    assert [row["reward"] for row in anew.rows] == [0.7, 0.8]
    assert (len(before.rows), bench.mirror.whole, bench.mirror.is_settled) == (3, {"my_test.r.0"}, True)
