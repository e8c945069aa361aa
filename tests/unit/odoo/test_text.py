"""HTML as plain text, and a line of ours in a description that a person wrote."""

import time

import pytest

from connectors.sources.odoo.text import line_of, plain_text, with_line, without_line

LINK = "https://meet.example/j/1?a=b&c=d"
LINE = line_of(LINK)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("just text", "just text"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<div>a<br>b<br/>c</div>", "a\nb\nc"),
        ("a\n  b\tc&nbsp;d", "a b c d"),
        ("<ul><li>x</li><li>y</li></ul>", "x\n\ny"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2 &#8364; &eacute;", "1 < 2 && 3 > 2 € é"),
        ('<a href="https://zoom.us/j/1">Join</a>', "Join (https://zoom.us/j/1)"),
        ("<a href='https://zoom.us/j/1'>https://zoom.us/j/1</a>", "https://zoom.us/j/1"),
        ('<a href="mailto:ada@client.example">Ada</a>', "Ada"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<a class="b" href="https://x.example/?a=1&amp;b=2">x</a>', "x (https://x.example/?a=1&b=2)"),
        ("<style>p {color: red}</style><script>if (a < b) {}</script>seen", "seen"),
        ("<!-- comment --><?xml ?><!DOCTYPE html>seen", "seen"),
        ("a < b and <3", "a < b and <3"),
        ("<p>one<p><p></p><p></p><p>two", "one\n\ntwo"),
        ("<b>bold</b><i>italic</i>", "bolditalic"),
    ],
)
def test_html_is_what_a_reader_sees(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    "piece", ["<a", "<!--", "<![CDATA[", "&", "<a x='", '<p a="', "</", "<a href=x>", "<script>", "< ", "&#1;", "<p>"]
)
def test_html_of_any_kind_takes_no_longer_than_its_length_warrants(piece: str) -> None:
    began = time.process_time()
    plain_text(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("markup", [False, True])
@pytest.mark.parametrize("before", ["", "Agenda", "Agenda\n\nmore", "Join: https://meet.example/j/1"])
def test_a_line_that_is_put_in_can_be_taken_out_and_nothing_else_with_it(before: str, markup: bool) -> None:
    given = f"<p>{before}</p>" if markup and before else before
    after = with_line(given, LINE, markup=markup)
    assert LINE in (plain_text(after) if markup else after).split("\n")
    assert without_line(after, LINE, markup=markup) == given
    assert without_line(given, LINE, markup=markup) == given


@pytest.mark.parametrize(
    "held",
    [
        '<p>Join: <a href="https://meet.example/j/1?a=b&amp;c=d" target="_blank">https://meet.example/j/1?a=b&amp;c=d</a></p>',
        "<div>Join: https://meet.example/j/1?a=b&amp;c=d</div>",
        '<p style="margin:0">\nJoin: https://meet.example/j/1?a=b&amp;c=d </p>',
    ],
)
def test_a_line_that_the_server_wrote_anew_is_still_ours(held: str) -> None:
    assert without_line(f"<p>Agenda</p>{held}", LINE, markup=True) == "<p>Agenda</p>"


def test_a_longer_link_that_begins_like_ours_is_left() -> None:
    for text, markup in ((f"Join: {LINK}0", False), (f"<p>Join: {LINK.replace('&', '&amp;')}0</p>", True)):
        assert without_line(text, LINE, markup=markup) == text


@pytest.mark.parametrize("blank", ["&nbsp;", "&#160;", "\u00a0", " &nbsp;"])
def test_our_line_is_taken_out_whatever_blank_an_editor_made_of_ours(blank: str) -> None:
    text = f"<p>Bring the offer</p><p>Join:{blank}https://j.example/1&nbsp;</p>"
    assert without_line(text, line_of("https://j.example/1"), markup=True) == "<p>Bring the offer</p>"
