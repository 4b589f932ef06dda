import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from metta_sweep.goal import Goal
from metta_sweep.report.html import sections
from metta_sweep.report.html.answer import answer
from metta_sweep.report.html.data import sweep_data
from tests.factories import History, guide_history, prediction
from tests.report.html.pages import gathered, page
from tests.report.simulated import simulated


def island(content: str, identifier: str) -> dict[str, Any]:
    found = re.search(rf'<script type="application/json" id="{identifier}">(.*?)</script>', content)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def test_the_answer_tells_what_the_best_changes_and_what_it_leaves() -> None:
    training = {"trainer": {"learning_rate": 0.001, "batch_size": 64, "gamma": 0.99}}
    point = {"trainer.learning_rate": 0.002, "trainer.batch_size": 64, "trainer.gamma": 0.99}
    said = answer(gathered(History(asked={"training": training}).rollout(0.5, params=point)))
    assert "<tr><td>trainer.learning_rate</td><td>0.001</td><td>0.002</td></tr>" in said
    assert "Searched and left as it is: trainer.batch_size=64, trainer.gamma=0.99." in said


def test_the_best_says_which_way_is_better_and_not_that_it_is_the_extreme() -> None:
    assert "The best reward (larger is better): " in answer(gathered(History().rollout(0.5)))
    assert "The best loss (smaller is better): " in answer(
        gathered(History(metric="loss", goal=Goal.MINIMIZE).rollout(0.5))
    )


def test_links_lead_from_the_page_to_the_runs() -> None:
    found = gathered(guide_history())
    assert sections.runs_link(found) == "runs/"
    elsewhere = replace(found, page_dir=Path("/lab/out"))
    assert sections.runs_link(elsewhere) == "../train_dir/sweep/my_test/runs/"


def test_failures_are_a_table_with_their_evidence_folded() -> None:
    history = History().suggest().start(0).fail(0, "oom", "no memory", detail="Traceback\n  deep <inside>")
    said = str(sections.failures(gathered(history)))
    assert "<td>oom</td><td>1 run failed</td><td>no memory</td>" in said
    assert "deep &lt;inside&gt;" in said
    assert sections.failures(gathered(guide_history())) is None


def test_the_configuration_of_the_best_is_shown_resolved() -> None:
    history = History(asked={"training": {"trainer": {"gamma": 0.9}}}).rollout(0.5, params={"trainer.gamma": 0.95})
    said = sections.configuration(gathered(history))
    assert "Resolved training config of the best" in said
    assert "gamma: 0.95" in said
    assert "metta_sweep 0.1.0" in said


def test_the_pages_data_holds_every_rollout_and_run_once() -> None:
    history = simulated(30)
    told = sweep_data(gathered(history))
    state = history.state
    assert [run[0] for run in told["runs"]] == list(state.runs)
    assert len(told["rollouts"]) == 30
    for (origin, mean, failure, values), rollout in zip(told["rollouts"], state.rollouts, strict=True):
        assert origin == rollout.suggestion.origin
        assert (mean is None) == (failure is not None)
        assert len(values) == len(told["params"])


def test_values_that_are_no_numbers_are_words_in_the_data() -> None:
    history = History().rollout(0.5, params={"a.on": True, "a.none": None, "a.name": "x", "a.rate": 0.5})
    (rollout,) = sweep_data(gathered(history))["rollouts"]
    assert rollout[3] == ["true", None, "x", 0.5]


def test_the_islands_of_a_page_read_back() -> None:
    content = page(simulated(12))
    figures, sweeps = island(content, "figures"), island(content, "sweeps")
    assert {"s0-by_rollout", "s0-pareto", "s0-parallel", "s0-importance"} <= set(figures)
    assert list(sweeps) == ["s0-"]
    ids = re.findall(r'id="(s0-[a-z_0-9]+)" class="plot"', content)
    assert sorted(ids) == sorted(figures)


def test_a_plot_with_nothing_to_show_is_left_out() -> None:
    keys = set(island(page(History().rollout(0.5, predicted=prediction())), "figures"))
    assert "s0-predictions" in keys
    assert not {"s0-importance", "s0-curves"} & keys


def test_the_answer_says_what_mattered_and_how_sure_that_is() -> None:
    said = str(answer(gathered(simulated(40))))
    assert re.search(r"What mattered, as shares of .*: learning_rate \d+% \(\d+% to \d+%\), ", said)
    assert "and 1 more with less" in said
    assert "What mattered" not in str(answer(gathered(guide_history())))


def test_the_answer_says_what_a_run_of_the_best_costs() -> None:
    said = str(answer(gathered(guide_history())))
    assert "<dt>A run of the best</dt><dd>10 s</dd>" in said
    assert "<dt>A run of the best</dt><dd>none</dd>" in str(answer(gathered(History())))


def test_fresh_runs_are_marked_where_their_point_was_found() -> None:
    told = History().rollout(0.5).rollout(0.9).choose(1, 0).again(1, 0.6, 0.7).again(0, 0.5, 0.4).stop("confirm")
    figures = island(page(told), "figures")
    for key in ("s0-by_rollout", "s0-by_cost"):
        (fresh,) = (trace for trace in figures[key]["data"] if trace["name"] == "on fresh seeds")
        assert fresh["rollouts"] == [1, 0]
        assert fresh["y"][0] - fresh["error_y"]["arrayminus"][0] < 0.65 < fresh["y"][0] + fresh["error_y"]["array"][0]
    assert not any(
        trace["name"] == "on fresh seeds" for trace in island(page(guide_history()), "figures")["s0-by_cost"]["data"]
    )


def test_one_wild_interval_does_not_flatten_the_plot_of_predictions() -> None:
    history = History(asked={"rollout_count": 19})
    for k in range(10):
        low = -1e11 if k == 3 else 0.1
        history.rollout(0.5 + 0.01 * k, predicted=replace(prediction(0.5), score_low=low))
    figure = island(page(history), "figures")["s0-predictions"]
    low, high = figure["layout"]["xaxis"]["range"]
    assert -5 < low < 0.1 < 0.7 < high < 5
