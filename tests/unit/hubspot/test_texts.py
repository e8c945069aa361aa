"""Descriptions as text, and our line in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.hubspot.texts import has_line, text_of, with_line, without_line

LINK = "https://join.example/j/1?a=1&b=2"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", ""),
        ("plain\n  two & more\n", "plain\n  two & more"),
        ("Q&amp;A, 1 < 2", "Q&A, 1 < 2"),
        ("<p>One</p><p>Two<br>Three</p>", "One\nTwo\nThree"),
        ("<div>a\n  b</div>", "a b"),
        ("<ul><li>x</li><li>y &lt;z&gt;</li></ul>", "x\ny <z>"),
        ("<style>p {}</style><script>x()</script>seen", "seen"),
        ('<a href="https://x.example/y">here</a>', "here https://x.example/y"),
        ('<a href="https://x.example/y">https://x.example/y</a>', "https://x.example/y"),
        ('<a href="javascript:x()">here</a>', "here"),
        ("<p>unclosed <b>tags", "unclosed tags"),
    ],
)
def test_a_description_is_read_as_lines(body: str, text: str) -> None:
    assert text_of(body) == text


@pytest.mark.parametrize("body", ["", "plain", "two\nlines", "<p>html</p>", "<p>html</p>\n", "text with <b>bold</b>"])
def test_our_line_is_one_of_its_own_and_goes_without_a_trace(body: str) -> None:
    written = with_line(body, LINK)
    assert has_line(written, LINK)
    assert text_of(written).split("\n")[-1] == f"Join: {LINK}"
    assert [line for line in text_of(written).split("\n")[:-1] if line] == [
        line for line in text_of(body).split("\n") if line
    ]
    assert without_line(written, LINK) == body
    assert not has_line(body, LINK)


def test_another_mention_of_the_link_is_not_ours() -> None:
    for body in (f"see {LINK} for more", f"Join: {LINK} today", f"<p>Please Join: {LINK}</p>", f"Join: {LINK}3"):
        assert without_line(body, LINK) == body
        assert not has_line(body, LINK)
    assert without_line("anything", "") == "anything"


@given(st.text(alphabet="ab <>/&;p\n\"'=", max_size=60))
def test_any_text_is_the_same_after_our_line_came_and_went(body: str) -> None:
    assert without_line(with_line(body, LINK), LINK) == body
    text_of(body)
