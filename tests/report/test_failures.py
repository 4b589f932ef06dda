import random
from typing import Any

from metta_sweep.report.failures import failure_rows, regions
from tests.factories import History


def test_a_threshold_that_parts_failed_from_finished_points_is_named() -> None:
    failed = [{"batch": size, "rate": rate} for size, rate in ((256, 0.1), (512, 0.2), (256, 0.3))]
    finished = [{"batch": size, "rate": 0.05 * n} for n, size in enumerate((32, 64, 128, 32, 64, 128, 64), 1)]
    (found,) = regions(failed, finished)
    assert (found.name, found.failed, found.finished) == ("batch", ">= 256", "<= 128")


def test_a_value_of_a_list_that_always_fails_is_named() -> None:
    failed = [{"optimizer": "sgd"}] * 3
    finished = [{"optimizer": name} for name in ("adam", "muon", "adam", "adam", "muon")]
    (found,) = regions(failed, finished)
    assert (found.failed, found.finished) == ("= sgd", "= adam or muon")


def test_chance_alone_names_a_region_in_fewer_than_five_of_a_hundred_sweeps() -> None:
    rng = random.Random(0)

    def point() -> dict[str, Any]:
        return {f"p{k}": rng.random() for k in range(5)}

    named = sum(bool(regions([point() for _ in range(3)], [point() for _ in range(9)])) for _ in range(2000))
    assert named / 2000 <= 0.06  # 4.5% by the formula, a standard deviation of 0.5%


def test_one_failed_point_is_never_a_region() -> None:
    assert regions([{"batch": 512}], [{"batch": 32}] * 10) == ()


def test_an_absent_conditional_parameter_is_no_region() -> None:
    assert regions([{"a": 1.0, "lstm": 512}] * 3, [{"a": 1.0}] * 9) == ()


def test_retried_attempts_and_runs_that_failed_for_good_are_counted_apart() -> None:
    history = History(asked={"rollout_count": 9}).suggest().start(0).fail(0, "killed", "killed by SIGKILL").start(0)
    history.finish(0, 0.5).suggest().start(1).fail(1, "oom", "first").suggest().start(2).fail(2, "oom", "second")
    oom, killed = failure_rows(history.state)
    assert (oom.kind, oom.run_ids, oom.retried, oom.message) == ("oom", ("my_test.r.1", "my_test.r.2"), 0, "second")
    assert (killed.kind, killed.run_ids, killed.retried) == ("killed", (), 1)
