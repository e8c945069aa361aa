"""Values go into their places and nowhere else, whatever is in them."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.http_json.templates import (
    USABLE_ID,
    Unfit,
    fill,
    fill_header,
    fill_json,
    fill_path,
    fill_query,
    names_in,
)

ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "${id}",
        "${ids}",
        '"',
        "',",
        "&a=b",
        "#x",
        "../..",
        "a/b",
        "\r\nX-Evil: 1",
        "%2e%2e",
        "\\",
        "\x00",
        "}{",
        "?",
        ";",
    ]
)


@given(ANYTHING, ANYTHING)
def test_a_value_never_changes_the_shape_of_a_query(one: str, two: str) -> None:
    query = fill_query({"where[0][value]": "${a}", "f": "(t:${a}:${b})", "c": "1"}, {"a": one, "b": two})
    assert parse_qsl(query, keep_blank_values=True) == [
        ("where[0][value]", one),
        ("f", f"(t:{one}:{two})"),
        ("c", "1"),
    ]


@given(ANYTHING)
def test_a_value_never_leads_to_another_path(value: str) -> None:
    try:
        path = fill_path("/api/v1/Meeting/${id}/attendees", {"id": value})
    except Unfit:
        return
    split = urlsplit(f"https://crm.example{path}")
    assert (split.query, split.fragment, split.hostname) == ("", "", "crm.example")
    before, segment, behind = split.path.rpartition("/attendees")[0].rpartition("/")[0], split.path.split("/")[4], 6
    assert before == "/api/v1/Meeting"
    assert unquote(segment) == value
    assert len(split.path.split("/")) == behind


@given(ANYTHING, st.lists(ANYTHING, max_size=5))
def test_a_value_never_changes_the_shape_of_a_document(value: str, ids: list[str]) -> None:
    template = {"a": "x ${id} y", "b": [{"c": "${id}"}, 1, None, True], "ids": "${ids}", "in": [{"id": "${ids}"}]}
    filled = json.loads(json.dumps(fill_json(template, {"id": value, "ids": ids})))
    assert filled == {
        "a": f"x {value} y",
        "b": [{"c": value}, 1, None, True],
        "ids": ids,
        "in": [{"id": one} for one in ids],
    }


@given(ANYTHING)
def test_a_value_never_becomes_another_header(value: str) -> None:
    try:
        text = fill_header("key ${id}", {"id": value})
    except Unfit:
        return
    assert text == f"key {value}"
    assert not set(text) & set("\r\n\x00")


@given(ANYTHING)
def test_what_a_value_holds_is_not_filled_again(value: str) -> None:
    assert fill("${id}", {"id": value}) == value


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a\\b", "../x", "a..b", "/", "\ud800"])
def test_what_cannot_stand_in_a_path_is_refused(value: str) -> None:
    with pytest.raises(Unfit) as told:
        fill_path("/Meeting/${id}", {"id": value})
    assert not value.strip("./") or value not in str(told.value)


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "\x00", "€", "\x7f"])
def test_what_cannot_stand_in_a_header_is_refused(value: str) -> None:
    with pytest.raises(Unfit):
        fill_header("${id}", {"id": value})


@pytest.mark.parametrize(
    ("id_", "usable"),
    [
        ("6b0250038f7411dce", True),
        ("7", True),
        ("11a71596-83e7-624d-c792-5ab9006dd493", True),
        ("2-20261202090000", True),
        ("AAMk_=+a.b", True),
        ("1) or (t.id:>:0", False),
        ("1,2", False),
        ("'", False),
        ("a/b", False),
        ("..", False),
        (".", False),
        ("a..b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
        ("", False),
        ("x" * 201, False),
    ],
)
def test_ids_that_mean_something_elsewhere_are_not_usable(id_: str, usable: bool) -> None:
    assert (USABLE_ID.fullmatch(id_) is not None) is usable


def test_ids_are_repeated_under_a_list_key_and_joined_elsewhere() -> None:
    ids = {"ids": ["1", "2"]}
    assert fill_query({"v[]": "${ids}", "w": "${ids}", "f": "(in:${ids})"}, ids) == (
        "v%5B%5D=1&v%5B%5D=2&w=1%2C2&f=%28in%3A1%2C2%29"
    )
    assert fill_json({"a": "${ids}", "b": ["${ids}"], "c": "in ${ids}"}, ids) == {
        "a": ["1", "2"],
        "b": ["1", "2"],
        "c": "in 1,2",
    }


def test_what_has_no_value_now_is_left_out() -> None:
    assert fill_query({"limit": "${size}", "cursor": "${cursor}"}, {"size": 5, "cursor": None}) == "limit=5"
    assert fill_json({"limit": "${size}", "after": "${cursor}"}, {"size": 5, "cursor": None}) == {"limit": 5}


@pytest.mark.parametrize("template", ["${", "${Id}", "${a b}", "$${id} ${", {"${id}": "x"}])
def test_what_only_looks_like_a_name_is_an_error(template: Any) -> None:
    with pytest.raises(ValueError, match="name"):
        list(names_in(template))
