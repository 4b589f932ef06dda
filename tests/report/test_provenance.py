"""With which code the winner was made: that of the start that started its run, whatever came later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from metta_sweep.report import Place
from metta_sweep.report.best import best
from metta_sweep.report.html import sections
from metta_sweep.report.provenance import code_in_words, different_starts, restore_command
from metta_sweep.sweep.records import CodeRevision
from tests.factories import Directories, History
from tests.report.html.pages import gathered

PLACE = Place(paths=Directories(), cwd=Path("/lab"), python="python", controller="")
RUN = "my_test.r.0"
CLEAN = CodeRevision(commit="a" * 40)
DIRTY = CodeRevision(commit="b" * 40, changed=("train.py",), untracked=("new.py", "x/"), diff="code/0123456789ab.diff")


def told(history: History, form: str = "text") -> str:
    return best(history.state, paths=PLACE.paths, form=form, place=PLACE)


def twice() -> History:
    """A first start with a clean tree that has the best, a second one with changes."""
    history = History(code=CLEAN).rollout(0.9)
    history.code = DIRTY
    return history.ask(rollout_count=5).rollout(0.5)


def test_a_clean_tree_is_named_by_its_commit():
    assert code_in_words(CLEAN, PLACE, RUN) == "git aaaaaaaaaaaa; nothing changed"
    assert restore_command(CLEAN, PLACE, RUN) == "git checkout aaaaaaaaaaaa"


def test_changes_are_named_with_where_they_are_kept_and_how_to_have_them_again():
    kept = "train_dir/sweep/my_test/code/0123456789ab.diff"
    assert code_in_words(DIRTY, PLACE, RUN) == (
        f"git bbbbbbbbbbbb; 1 file changed (train.py), kept in {kept}; 2 untracked, not kept (new.py, x/)"
    )
    assert restore_command(DIRTY, PLACE, RUN) == f"git checkout bbbbbbbbbbbb && git apply {kept}"


def test_what_is_left_out_is_said():
    words = code_in_words(CodeRevision(commit="c", changed=("w.bin",), unkept=("w.bin",), unlisted=7), PLACE, RUN)
    assert words == "git c; 1 file changed (w.bin); not kept, since binary or too large: w.bin; 7 more of either kind"


def test_no_repository_is_said():
    history = History(code=CodeRevision(unknown="the trainer is in no git repository")).rollout(0.9)
    assert "Code: git revision not known: the trainer is in no git repository\n" in told(history)
    assert "git checkout" not in told(history)


def test_the_winner_comes_with_the_code_that_started_it():
    assert "Code: git aaaaaaaaaaaa; nothing changed\n" in told(twice())
    assert "Code: git bbbbbbbbbbbb" in told(twice().rollout(0.95))
    assert json.loads(told(twice(), "json"))["code"]["commit"] == "a" * 40


def test_the_file_for_hydra_has_the_provenance_in_its_head():
    head = told(twice().rollout(0.95), "hydra").split("\n\n")[0]
    assert all(line.startswith("# ") for line in head.splitlines())
    assert "# The best of sweep my_test: run my_test.r.2, seed 2" in head
    assert "# Made with: metta_sweep 0.1.0" in head
    assert "# Code: git bbbbbbbbbbbb; 1 file changed" in head


def test_a_repository_elsewhere_is_named_and_has_its_code_again_from_anywhere():
    code = replace(DIRTY, folder="/home/me/my trainer")
    assert "git bbbbbbbbbbbb of /home/me/my trainer; " in code_in_words(code, PLACE, RUN)
    checkout, apply = restore_command(code, PLACE, RUN).split(" && ")
    assert checkout == "git -C '/home/me/my trainer' checkout bbbbbbbbbbbb"
    assert apply.startswith("git -C '/home/me/my trainer' apply /")


def test_a_run_that_was_started_again_belongs_to_the_later_start():
    history = History(code=CLEAN).suggest().start(0).interrupt(0)
    history.code = DIRTY
    history.ask().start(0).finish(0, 0.5)
    assert history.state.start_of(history.state.runs[RUN]) == history.events[5]


def test_starts_that_change_nothing_are_told_once():
    history = twice().ask().ask()
    assert [start.code for start in different_starts(history.state)] == [CLEAN, DIRTY]
    history.code = CLEAN
    assert len(different_starts(history.ask().state)) == 3


def test_the_page_has_a_line_for_each_start_that_changed_something():
    said = str(sections.configuration(gathered(twice().ask())))
    assert said.count("git aaaaaaaaaaaa; nothing changed") == 1
    assert said.count("git bbbbbbbbbbbb; 1 file changed") == 1
    assert "git checkout bbbbbbbbbbbb &amp;&amp; git apply" in said


def test_a_name_of_a_file_cannot_steer_a_terminal():
    code = CodeRevision(commit="c", untracked=("\x1b[31mred",))
    assert "\x1b" not in code_in_words(code, PLACE, RUN)
