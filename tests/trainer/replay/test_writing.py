"""The page and the moving picture."""

import dataclasses
import json
import re

import numpy as np
import pytest

from metta_sweep.trainer.replay.recording import Film, Frame
from metta_sweep.trainer.replay.writing import SMALLEST, in_words, moving_picture, page
from tests.report.html.browser import ask, needs_browser
from tests.trainer.replay.gif_reader import read_gif

CHECKPOINT = {"update": 3, "config": json.dumps({"trainer": {"batch_size": 1000}})}


def frame(k, picture=True):
    shown = np.full((8, 8, 3), 10 * (k // 2), np.uint8) if picture else None
    return Frame(
        picture=shown,
        facts={"carries": f"{k} ore"},
        actions=(k % 2,),
        reward=0.5 * (k == 3),
        value=0.25 * k,
        probabilities=(0.75, 0.25),
    )


def film(name="", picture=True, length=6):
    return Film(
        name=name,
        number=2,
        action_names=("wait", "use"),
        legend={"agent": (1, 2, 3)},
        frames=tuple(frame(k, picture) for k in range(length)),
        cut=True,
    )


def test_the_page_stands_alone():
    text = page([film()], title="a run", subtitle="what it is")
    assert re.findall(r'(?:src|href)="(?!data:)[^"]', text) == []
    assert "http" not in text
    assert "<title>a run</title>" in text


def test_pictures_that_are_the_same_are_stored_once():
    text = page([film()], title="", subtitle="")
    (kept,) = json.loads(re.search(r'type="application/json">(.*?)</script>', text, re.DOTALL)[1])
    assert len(kept["pictures"]) == 3
    assert [each["picture"] for each in kept["frames"]] == [1, 1, 2, 2, 3, 3]


def test_markup_in_names_stays_text():
    evil = "</script><script>alert(1)</script>"
    text = page([film(evil)], title=evil, subtitle=evil)
    assert "<script>alert" not in text
    assert text.count("</script>") == 2


def test_words_say_which_policy_played_and_how_it_came_out():
    assert in_words([film()], CHECKPOINT) == (
        "Policy after 3,000 steps; episode 2 of the evaluation. reward 0.50 in 6 steps (cut by the time limit)."
    )
    ended = dataclasses.replace(film("craft", length=2), cut=False)
    assert in_words([film("maze"), ended], CHECKPOINT).endswith(
        "maze: reward 0.50 in 6 steps (cut by the time limit); craft: reward 0.00 in 2 steps."
    )


def test_a_small_picture_is_made_larger_for_a_gif():
    pictures, _ = read_gif(moving_picture(film()))
    assert len(pictures) == 6
    assert pictures[0].shape == (SMALLEST, SMALLEST, 3)
    assert (pictures[4] == 20).all()


def test_without_pictures_there_is_no_gif():
    assert moving_picture(film(picture=False)) is None


LOOK = """
const look = () => ({
  facts: document.getElementById("facts").textContent, shown: !document.getElementById("picture").hidden,
  choice: document.getElementById("choice").hidden, bars: document.querySelectorAll(".bar").length,
});
const before = look();
for (let k = 0; k < 3; k++) document.getElementById("on").click();
const after = look();
const select = document.getElementById("film");
select.value = select.options.length - 1;
select.onchange();
return [before, after, look()];
"""


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("films", [[film()], [film("one"), film("two", picture=False, length=2)]], ids=["one", "two"])
def test_the_page_plays_in_a_browser_without_an_error_or_a_request(films, tmp_path):
    file = tmp_path / "replay.html"
    file.write_text(page(films, title="run", subtitle="words"))
    found = ask(file, LOOK)
    assert found["problems"] == []
    assert [name for name in found["requests"] if not name.startswith("data:")] == []
    before, after, last = found["answer"]
    assert before["facts"].startswith("step1 of 6carries0 oreactionwaitreward0.00")
    assert after["facts"].startswith("step4 of 6carries3 oreactionusereward0.50so far0.50value0.75")
    assert (before["bars"], before["shown"], before["choice"]) == (2, True, len(films) == 1)
    assert last["shown"] is (len(films) == 1)
    assert last["facts"].startswith(f"step1 of {len(films[-1].frames)}")
