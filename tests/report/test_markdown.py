import html
import re

from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.report.markdown import code, escape
from tests.factories import History
from tests.report.test_summary import summarize


@given(st.text("".join(map(chr, range(32, 127)))))
def test_escaped_text_reads_back_as_it_was(text: str) -> None:
    assert html.unescape(re.sub(r"\\([\\`*_\[\]|~])", r"\1", escape(text))) == text


@given(st.text(alphabet="`ab ", min_size=1))
def test_a_code_span_is_fenced_by_more_ticks_than_it_holds(text: str) -> None:
    span = code(text)
    fence = re.match("`+", span)
    assert fence is not None
    assert fence[0] not in span[len(fence[0]) : -len(fence[0])].strip(" ") or text.strip("`") == ""


def test_an_underscore_inside_a_word_is_left_as_it_is() -> None:
    assert escape("learning_rate _x_") == "learning_rate \\_x\\_"


def test_every_row_of_the_table_has_as_many_cells_as_its_head() -> None:
    history = (
        History(asked={"rollout_count": 9}).rollout(0.5, params={"a.x": "a|b"}).suggest({"a.y": 1}).start(1).fail(1)
    )
    lines = [line for line in summarize(history, "markdown").splitlines() if line.startswith("|")]
    cells = [
        len(re.findall(r"(?<!\\)\|", line)) for line in lines if "Parameter" not in line and "trainer." not in line
    ]
    assert cells[0] == cells[1] == cells[2] == cells[3]
