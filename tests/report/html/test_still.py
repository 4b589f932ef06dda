"""The answer without scripts: it needs nothing but itself, and shows every point that has a place."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from metta_sweep.report import Place
from metta_sweep.report.html.figure import Figure, axis, line, points
from metta_sweep.report.html.gather import gather_answer
from metta_sweep.report.html.still import answer_page, still
from tests.factories import Directories, History, guide_history
from tests.report.simulated import simulated


def page(history: History) -> str:
    place = Place(paths=Directories(history.name), cwd=Path("/lab"), python="python", controller="")
    return answer_page(gather_answer(history.state, place, "https://wandb.ai/me/p/runs/{run}-cafe"))


def shapes(figure: Figure, name: str) -> list[dict[str, str]]:
    svg = still(figure).partition("<svg")[2].partition("</svg>")[0]
    root = ElementTree.fromstring(f"<svg{svg}</svg>")  # our own text
    return [element.attrib for element in root.iter() if element.tag.endswith(name)]


def drawn(x: list[float], y: list[float | None], **layout: object) -> Figure:
    marks = points("p", x, y, color="@ok", symbol="circle", rollouts=list(range(len(x))))
    return Figure(key="k", title="t & u", caption="c", data=[marks], layout={"xaxis": axis("x"), **layout})


def test_the_answer_runs_no_script_and_loads_nothing() -> None:
    said = page(guide_history())
    assert "<script" not in said
    assert "src=" not in said
    assert "The answer" in said
    assert 'href="https://wandb.ai/me/p/runs/' in said
    assert "metta-sweep report my_test" in said


def test_a_sweep_without_a_result_has_an_answer_too() -> None:
    said = page(History().suggest().start(0))
    assert "No rollout has a score yet." in said
    assert "<svg" not in said


def test_every_plot_of_a_real_sweep_is_well_formed() -> None:
    said = page(simulated(12))
    assert said.count("<svg") == said.count("</svg>") == 3


def test_larger_is_further_up_and_to_the_right() -> None:
    first, second = shapes(drawn([1.0, 2.0], [5.0, 7.0]), "circle")
    assert float(first["cx"]) < float(second["cx"])
    assert float(first["cy"]) > float(second["cy"])


def test_what_has_no_place_is_left_out() -> None:
    assert len(shapes(drawn([1.0, 2.0, 3.0], [5.0, None, 7.0]), "circle")) == 2
    assert len(shapes(drawn([-1.0, 10.0, 100.0], [1.0, 2.0, 3.0], xaxis=axis("x", type="log")), "circle")) == 2
    assert len(shapes(drawn([1.0, 2.0], [1.0, 900.0], yaxis=axis("y", range=[0.0, 2.0])), "circle")) == 1


@pytest.mark.parametrize("y", [[3.0, 3.0], [1e-300, 1e300], [0.0, 0.0], [-1e9, 1e-9]])
def test_any_range_has_its_ticks(y: list[float | None]) -> None:
    assert len(shapes(drawn([1.0, 2.0], y), "circle")) == 2
    assert len(shapes(drawn([1.0, 2.0], y), "text")) < 25


def test_the_best_so_far_is_drawn_in_steps() -> None:
    figure = Figure(
        key="k", title="t", caption="c", data=[line("l", [1, 2], [1.0, 2.0], color="@best", line={"shape": "hv"})]
    )
    (way,) = shapes(figure, "path")
    assert (way["d"].count("H"), way["d"].count("V")) == (1, 1)
