"""Telling a vendor's own spelling of a text from another text."""

from datetime import timedelta, timezone

import pytest

from sync.echo import as_sent, echoes, same_text
from sync.model import Session
from tests.unit.builders import HOUR, SOON


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Weekly", "Weekly"),
        ("", ""),
        ("R&D", "R&amp;D"),
        ("R&D", "R&amp;amp;D"),  # escaped by one layer and again by the next
        ("R&D", "R&amp;amp;amp;D"),
        ("It's", "It&#39;s"),
        ('"Hi"', "&quot;Hi&quot;"),
        ("R&amp;D", "R&D"),  # and unescaped on the way in
        ("<b>Now</b>", "Now"),
        ("<b>Now</b>", "&lt;b&gt;Now&lt;/b&gt;"),
        ("one<br>two", "one two"),
        ("one  two", "one two"),
        ("one two", " one\ttwo \r\n"),
        ("one\u00a0two", "one two"),
        ("one two", "one&nbsp;two"),
        ("e\u0301t\u00e9", "\u00e9te\u0301"),  # composed and decomposed
        ("2 < 3 > 1", "2 &lt; 3 &gt; 1"),
    ],
)
def test_a_spelling_of_the_same_text_is_the_same_whichever_way_round(sent: str, shown: str) -> None:
    assert same_text(sent, shown)
    assert same_text(shown, sent)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("Weekly", "Weekly 2"),
        ("Weekly", "weekly"),
        ("Weekly", ""),
        ("onetwo", "one two"),
        ("2 < 3", "2  3"),  # a sign of comparison is no tag
        ("1 < 2 and 3 > 2", "1 2"),
        ("a<1>b", "a b"),  # nor is what no tag can be called
        ("Q&A", "QA"),
        ("\ufb01ne", "fine"),  # equal in looks only
        ("R&D", "R&amp;amp;amp;amp;D"),  # nobody escapes that often
        ("Caf\u00e9", "Cafe"),
        ("Weekly \U0001f600", "Weekly ?"),
    ],
)
def test_another_text_is_another_text(sent: str, shown: str) -> None:
    assert not same_text(sent, shown)
    assert not same_text(shown, sent)


SENT = {"title": "R&D", "start": "2026-11-24T06:00:00Z", "end": "2026-11-24T07:00:00Z"}


def test_what_is_spelled_otherwise_counts_as_it_was_sent() -> None:
    session = Session("s1", title="R&amp;D", start=SOON, end=SOON + HOUR)
    assert as_sent(SENT, session) == SENT
    assert echoes(SENT, session) == {"title": "R&amp;D"}


def test_what_is_shown_as_sent_is_no_echo() -> None:
    session = Session("s1", title="R&D", start=SOON, end=SOON + HOUR)
    assert (as_sent(SENT, session), echoes(SENT, session)) == (SENT, {})


def test_what_differs_is_shown_as_it_is_and_is_no_echo_either() -> None:
    session = Session("s1", title="R&amp;E", start=SOON + HOUR)
    assert as_sent(SENT, session) == {"title": "R&amp;E", "start": "2026-11-24T07:00:00Z"}
    assert echoes(SENT, session) == {}


def test_what_the_vendor_does_not_show_is_neither_taken_as_sent_nor_as_empty() -> None:
    assert as_sent(SENT, Session("s1")) == {}
    assert echoes(SENT, Session("s1")) == {}


def test_what_was_never_sent_is_shown_but_is_no_echo_of_anything() -> None:
    session = Session("s1", title="R&amp;D")
    assert as_sent({}, session) == {"title": "R&amp;D"}
    assert echoes({}, session) == {}


def test_a_time_in_another_zone_is_the_same_instant() -> None:
    session = Session("s1", start=SOON.astimezone(timezone(timedelta(hours=-5))))
    assert as_sent(SENT, session) == {"start": SENT["start"]}
    assert echoes(SENT, session) == {}
