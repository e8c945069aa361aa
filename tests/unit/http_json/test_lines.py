"""A line of ours comes and goes; what people wrote stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.http_json.lines import without, written

TEMPLATE = "${description}\n\nJoin: ${join_url}"
A, B = "https://meet.example/a", "https://meet.example/b"


def put(text: str, link: str, *former: str, template: str = TEMPLATE) -> str:
    return written(template, {"description": text}, ["description"], "join_url", link, former)


@pytest.mark.parametrize(
    ("text", "link", "former", "result"),
    [
        ("", A, "", f"Join: {A}"),
        ("hello", A, "", f"hello\n\nJoin: {A}"),
        (f"hello\n\nJoin: {A}", A, "", f"hello\n\nJoin: {A}"),
        (f"hello\n\nJoin: {A}", B, A, f"hello\n\nJoin: {B}"),
        (f"hello\n\nJoin: {A}\nbye", B, A, f"hello\n\nbye\n\nJoin: {B}"),
        (f"hello\n\nJoin: {A}\nbye", A, "", f"hello\n\nJoin: {A}\nbye"),
        (f"hello\n\nJoin: {A}", "", A, "hello"),
        (f"Join: {A}", "", A, ""),
        (f"see {A} there", B, A, f"see {A} there\n\nJoin: {B}"),
        ("Join: https://zoom.us/j/1", A, "", f"Join: https://zoom.us/j/1\n\nJoin: {A}"),
        (f"hello\r\n\r\nJoin: {A}\r\nbye", "", A, "hello\r\n\r\nbye"),
        (f"Join: {A}\nbye", "", A, "bye"),
        ("hello\n", "", A, "hello\n"),
    ],
)
def test_a_line_of_ours_is_put_replaced_and_taken(text: str, link: str, former: str, result: str) -> None:
    assert put(text, link, former) == result


def test_lines_of_html_are_lines_too() -> None:
    template = "${description}<br>Join: ${join_url}"
    assert put("hello", A, template=template) == f"hello<br>Join: {A}"
    assert put(f"hello<BR/>Join: {A}<br />bye", B, A, template=template) == f"hello<br />bye<br>Join: {B}"


@given(st.text(max_size=60))
def test_putting_twice_is_putting_once_and_taking_brings_the_text_back(text: str) -> None:
    once = put(text, A)
    assert put(once, A) == once
    assert once.endswith(f"Join: {A}")
    if once != text:
        assert put(once, "", A).strip() == text.strip()
        assert put(put(once, B, A), "", B).strip() == text.strip()


@given(st.text(max_size=60))
def test_what_is_not_ours_is_left_to_the_letter(text: str) -> None:
    assert without(text, {f"Join: {A}"}) == text


def test_names_in_a_text_are_only_text() -> None:
    assert put("${join_url} ${id}", A) == f"${{join_url}} ${{id}}\n\nJoin: {A}"
