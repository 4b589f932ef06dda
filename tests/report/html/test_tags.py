import html
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metta_sweep.report.html.tags import Markup, json_island, tag


@given(st.text())
def test_text_never_becomes_markup(text: str) -> None:
    body = tag("p", text)
    assert "<" not in body.removeprefix("<p>").removesuffix("</p>")
    assert tag("p", tag("b", text)).startswith("<p><b>")


@given(st.text())
def test_an_attribute_never_ends_early(text: str) -> None:
    found = re.fullmatch(r'<a title="([^"]*)"></a>', tag("a", title=text), re.DOTALL)
    assert found is not None
    assert html.unescape(found[1]) == html.unescape(html.escape(text))


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.integers(-5, 5) | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_an_island_reads_back_and_holds_no_markup(value: object) -> None:
    island = json_island("x", value)
    body = island.removeprefix('<script type="application/json" id="x">').removesuffix("</script>")
    assert not set("<>&") & set(body)
    assert json.loads(body) == value


def test_numbers_keep_six_digits_and_lose_what_json_lacks() -> None:
    assert "[0.123457,null,null,131072]" in json_island("x", [0.123456789, float("nan"), float("inf"), 131072])


def test_attributes_that_are_none_or_false_are_left_out() -> None:
    assert tag("input", type="search", class_="a", hidden=False, disabled=True, title=None) == Markup(
        '<input type="search" class="a" disabled>'
    )
