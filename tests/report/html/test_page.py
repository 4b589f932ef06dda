import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from metta_sweep.config.settings import ConfirmSettings
from metta_sweep.goal import Goal
from metta_sweep.report.html.page import POLICY
from metta_sweep.report.html.writing import default_file, write_report
from tests.factories import History, guide_history, prediction
from tests.report.disk import kept
from tests.report.html.browser import ask, needs_browser
from tests.report.html.pages import page, written
from tests.report.simulated import simulated

EVERY_PLOT = """
await drawAll();
const plots = [...document.querySelectorAll(".plot")];
return {
  plots: plots.length,
  empty: plots.filter((plot) => !plot.querySelector(".main-svg")).map((plot) => plot.id),
  rows: document.querySelectorAll("table.runs tbody tr").length,
};
"""


def failed_sweep() -> History:
    history = History()
    for number in range(3):
        history.suggest().start(number).fail(number, "crash", "exit 1: boom", detail="Traceback\nboom")
    return history.stop("failed", "the same failure 3 times in a row")


def hostile_sweep() -> History:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    parameters = {f"a.{bad}": {"values": [bad, "b"]}, "a.rate": {"min": 0.1, "max": 1.0, "distribution": "uniform"}}
    history = History(metric=bad, asked={"parameters": parameters, "training": {bad: bad}, "rollout_count": 9})
    for k in range(6):
        history.rollout(0.1 * k, params={f"a.{bad}": bad, "a.rate": 0.1 + 0.1 * k}, origin=bad, reason=bad)
    return history.suggest({f"a.{bad}": "b", "a.rate": 0.5}).start(6).fail(6, "crash", bad, detail=bad)


def wild_sweep() -> History:
    """Intervals that reach to the end of the world, and an outcome that does."""
    history = History(asked={"rollout_count": 19})
    for k in range(10):
        low, high = (-1e11 if k == 3 else -math.inf if k == 4 else 0.1), (1e300 if k == 5 else 1.0)
        said = replace(prediction(0.5), score_low=low, score_high=high)
        history.rollout(1e283 if k == 6 else 0.5 + 0.01 * k, predicted=said)
    return history


def confirmed_sweep() -> History:
    asked = {"rollout_count": 2, "confirm": ConfirmSettings(top_k=2, seeds=2)}
    return History(asked=asked).rollout(0.5).rollout(0.9).choose(1, 0)


SWEEPS: dict[str, Callable[[], History]] = {
    "no rollout": History,
    "one run": lambda: History().rollout(0.5),
    "all failed": failed_sweep,
    "all equal": lambda: (
        History(asked={"rollout_count": 9}).rollout(0.5).rollout(0.5).rollout(0.5).rollout(0.5).rollout(0.5)
    ),
    "NaN": lambda: History().rollout(math.nan).rollout(0.5),
    "running": lambda: History(asked={"rollout_count": 9}).rollout(0.5).suggest().start(1),
    "wild predictions": wild_sweep,
    "confirming": lambda: confirmed_sweep().again(1, 0.4),
    "confirmed": lambda: confirmed_sweep().again(1, 0.4, 0.5).again(0, 0.5, 0.45).stop("confirm"),
    "samples": lambda: History(asked={"num_samples": 2, "rollout_count": 9}).rollout(0.5, 0.6).rollout(0.1, 0.3),
    "minimize": lambda: simulated(25, goal=Goal.MINIMIZE),
    "twenty parameters": lambda: simulated(25, extra=14),
    "markup": hostile_sweep,
    "external command": lambda: History(asked={"command": ("python", "x.py"), "training": {}}).rollout(0.5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SWEEPS)
def test_every_sweep_has_a_page_that_stands_alone(name: str) -> None:
    content = page(SWEEPS[name]())
    without_plotly = re.sub(r"<script>/\*\*.*?</script>", "", content, flags=re.DOTALL)
    assert POLICY in without_plotly.replace("&#x27;", "'")
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", without_plotly)
    assert len(content) < 6_000_000
    assert "The answer" in content


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(list(SWEEPS)[k::3], id=", ".join(list(SWEEPS)[k::3]), marks=[pytest.mark.long][:k])
        for k in range(3)
    ],
)
def test_every_plot_is_drawn_without_an_error_or_a_request(names: list[str], tmp_path: Path) -> None:
    """Several sweeps stand on one page: to start a browser takes longer than to draw them."""
    found = ask(written(tmp_path, *(SWEEPS[name]() for name in names)), EVERY_PLOT)
    assert found["problems"] == []
    assert found["requests"] == []
    assert found["answer"]["empty"] == []


@pytest.mark.long
@needs_browser
def test_several_sweeps_share_their_axes(tmp_path: Path) -> None:
    first, second = simulated(20, name="first"), simulated(30, name="second", seed=1)
    found = ask(written(tmp_path, first, second), EVERY_PLOT)
    assert found["problems"] == []
    assert found["answer"]["rows"] == 50
    assert found["answer"]["empty"] == []


def test_sweeps_beside_each_other_say_which_best_is_confirmed() -> None:
    over = confirmed_sweep().again(1, 0.4, 0.5).again(0, 0.3, 0.2).stop("confirm")
    content = page(over, History(name="other").rollout(0.7))
    beside = content[content.index("Side by side") : content.index("The answer")]
    assert re.search(r"<td>my_test</td><td>0\.\d+ \(90% interval [-\d.]+ to [\d.]+\), confirmed</td>", beside)
    assert "<td>other</td><td>0.7, not confirmed</td>" in beside
    assert "<code>metta-sweep report my_test other</code>" in content


@pytest.mark.long
@needs_browser
def test_everything_that_can_be_pressed_or_scrolled_is_reached_by_the_keyboard(tmp_path: Path) -> None:
    script = """
    const all = [...document.querySelectorAll("a[href], button, input, summary")];
    const reached = (element) => { element.focus(); return document.activeElement === element; };
    const wide = [...document.querySelectorAll("body *")].filter((element) =>
      element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "auto");
    document.querySelector(".skip").focus();
    return { first: all[0].className, missed: all.filter((element) => !reached(element)).map((e) => e.outerHTML),
             deaf: wide.filter((element) => element.tabIndex < 0).map((element) => element.className) };
    """
    found = ask(written(tmp_path, simulated(25, extra=14)), script)["answer"]
    assert found == {"first": "skip", "missed": [], "deaf": []}


@pytest.mark.slow
@needs_browser
def test_the_table_sorts_by_value_and_filters(tmp_path: Path) -> None:
    script = """
    const all = (selector) => [...document.querySelectorAll("table.runs " + selector)];
    const column = (name) => all("thead th").findIndex((head) => head.textContent === name);
    const read = (name) => all("tbody tr:not([hidden])").map((row) => row.cells[column(name)].textContent);
    const press = (name) => document.querySelectorAll("table.runs thead th button")[column(name)].click();
    press("reward"); const rising = read("reward");
    press("reward"); const falling = read("reward");
    press("Run"); const runs = read("Run");
    const filter = document.querySelector(".filter");
    filter.value = "failed"; filter.dispatchEvent(new Event("input"));
    return { rising, falling, runs, failed: read("State"),
             sorted: document.querySelectorAll("th[aria-sort=ascending]").length };
    """
    history = simulated(40).ask(rollout_count=99)
    point = {**history.state.rollouts[0].suggestion.params, "trainer.batch_size": 512}
    history.suggest(point).start(40).fail(40)
    found = ask(written(tmp_path, history), script)["answer"]
    numbers = [float(value) for value in found["rising"] if value]
    assert numbers == sorted(numbers)
    assert [float(value) for value in found["falling"] if value] == numbers[::-1]
    assert found["falling"][-1] == ""
    assert found["runs"] == [f"my_test.r.{k}" for k in range(41)]
    assert set(found["failed"]) == {"failed"}
    assert found["sorted"] == 1


@pytest.mark.long
@needs_browser
def test_light_and_dark_are_one_press_apart(tmp_path: Path) -> None:
    script = """
    await drawAll();
    const seen = () => [document.documentElement.dataset.theme, getComputedStyle(document.body).backgroundColor,
                        document.querySelector(".plot .xtitle").style.fill];
    const before = seen(); document.getElementById("theme").click(); await new Promise((done) => setTimeout(done, 500));
    return [before, seen()];
    """
    before, after = ask(written(tmp_path, simulated(20)), script)["answer"]
    assert {before[0], after[0]} == {"light", "dark"}
    assert before[1] != after[1]
    assert before[2] != after[2]


@pytest.mark.long
@needs_browser
def test_a_thousand_runs_fit_in_six_megabytes_and_open(tmp_path: Path) -> None:
    out = written(tmp_path, simulated(1000, extra=14))
    assert out.stat().st_size < 6_000_000
    found = ask(out, "return document.querySelectorAll('table.runs tbody tr').length;")
    assert found["problems"] == []
    assert found["answer"] == 1000


def test_the_answer_comes_first_and_holds_the_true_figures() -> None:
    content = page(guide_history())
    answer = content[content.index("The answer") : content.index("How it went")]
    assert "The best reward (larger is better): " in answer
    assert "<strong>3.89 (one run" in answer
    assert "metta-sweep confirm my_test" in answer
    assert 'href="runs/my_test.r.2/"' in answer


def test_markup_in_names_stays_text() -> None:
    content = page(hostile_sweep())
    assert "<script>alert" not in content
    assert "<img" not in content[: content.index("/**")]


def test_a_report_is_written_into_the_sweeps_folder_whole(tmp_path: Path) -> None:
    paths = kept(guide_history(), tmp_path)
    out = default_file([paths])
    size = write_report([paths], out)
    assert out == paths.root / "report.html"
    assert out.stat().st_size == size
    assert [path.name for path in out.parent.glob(".report*")] == []
