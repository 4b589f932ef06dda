"""W&B alerts of what was asked for, each thing once, and of nothing that was known before."""

from __future__ import annotations

import pytest

from metta_sweep.config.settings import WandbSettings
from metta_sweep.secrecy import Redaction
from metta_sweep.track import Mode, start_mirror
from metta_sweep.track.alerts import TITLE_LIMIT, Alerts, known
from metta_sweep.track.errors import TryLaterError
from tests.factories import History
from tests.track.told import NO_SECRETS, ToldSweep, environment

ALL = ("finished", "failed", "best")


class Remembering:
    """Takes alerts, or does not."""

    def __init__(self):
        self.told, self.fails = [], False

    def ask_once(self, query, **said):
        if self.fails:
            raise TryLaterError("not now")
        self.told.append(said)


@pytest.fixture
def service():
    return Remembering()


def there(run_id):
    return f"{run_id or 'overview'}-cafe"


def alerts(service, history, kinds=ALL, redaction=NO_SECRETS):
    told = known(history.state)
    return Alerts(service, kinds, redaction, told=told, remember=told.add)


def test_a_new_best_is_told_once_and_the_first_result_is_none(service):
    history = History()
    made = alerts(service, history)
    for value, told in ((1.0, 0), (0.5, 0), (2.0, 1), (3.0, 2), (2.5, 2)):
        history.rollout(value)
        for _ in range(2):
            made.turn(history.state, there)
        assert len(service.told) == told
    assert service.told[-1]["title"] == "my_test: new best reward 3"
    assert service.told[-1]["run"] == "my_test.r.3-cafe"
    assert "rollout 3 (my_test.r.3)" in service.told[-1]["text"]


def test_what_was_known_at_the_start_is_not_told(service):
    history = History().rollout(1.0).stop()
    made = alerts(service, history)
    made.turn(history.state, there)
    assert service.told == []


@pytest.mark.parametrize(
    ("rule", "kind", "severity"),
    [("rollout_count", "finished", "INFO"), ("target", "finished", "INFO"), ("failed", "failed", "ERROR")],
)
def test_the_end_is_told_as_what_it_is(service, rule, kind, severity):
    history = History().rollout(1.0)
    made = alerts(service, history)
    history.stop(rule)
    for _ in range(2):
        made.turn(history.state, there)
    (told,) = service.told
    assert (told["title"], told["severity"], told["run"]) == (f"my_test: {kind}", severity, "overview-cafe")
    assert "Best reward: 1, rollout 0" in told["text"]


@pytest.mark.parametrize("rule", ["stopped", "interrupted"])
def test_an_end_that_a_person_asked_for_is_not_told(rule):
    assert known(History().rollout(1.0).stop(rule).state) == {"best 0"}


def test_only_what_was_asked_for_is_told(service):
    history = History().rollout(1.0)
    made = alerts(service, history, kinds=("failed",))
    history.rollout(2.0).stop()
    made.turn(history.state, there)
    assert service.told == []


def test_what_was_not_taken_is_told_later(service):
    history = History().rollout(1.0)
    made = alerts(service, history)
    history.rollout(2.0)
    made.turn(history.state, lambda run_id: None)
    service.fails = True
    with pytest.raises(TryLaterError):
        made.turn(history.state, there)
    service.fails = False
    made.turn(history.state, there)
    assert len(service.told) == 1


def test_titles_are_as_short_as_the_service_wants_and_secrets_stay_here(service):
    key = "sk-0123456789abcdefghijklmnop"
    history = History(name="n" * 90).rollout(1.0)
    made = alerts(service, history, redaction=Redaction.of_environment({"MY_API_KEY": key}))
    history.rollout(2.0, params={"trainer.tag": key})
    made.turn(history.state, there)
    assert len(service.told[0]["title"]) == TITLE_LIMIT
    assert key not in str(service.told)


@pytest.mark.long
def test_a_sweep_that_ends_is_alerted_of_at_the_service(server, tmp_path):
    sweep = ToldSweep(tmp_path, rollout_count=2).whole_run(1.0)
    mirror = start_mirror(sweep.paths, WandbSettings(alert=ALL), Mode.ONLINE, environment(server))
    sweep.whole_run(2.0).history.stop()
    sweep.close()
    assert "all there" in mirror.stop(60)
    titles = [alert["title"] for alert in server.world.alerts]
    assert "my_test: finished" in titles
    assert len(titles) == len(set(titles))
