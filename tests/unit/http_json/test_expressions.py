"""Values stand in an expression's literals, and are never a part of the expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.sources.http_json.expressions import Unanswerable, names_of, search, truth


@given(st.text(max_size=30) | st.sampled_from(["'", "' || `true` || '", "\\'", "`1`", "${join_url}"]))
def test_a_value_is_only_a_value(value: str) -> None:
    document = {"description": f"Join: {value}"}
    assert truth("contains(description, '${join_url}')", document, {"join_url": value})
    assert search("'${join_url}'", document, {"join_url": value}) == value
    assert not truth("description == '${join_url}'", document, {"join_url": value})


@pytest.mark.parametrize(
    ("expression", "holds"),
    [("a", True), ("zero", True), ("no", False), ("empty", False), ("none", False), ("gone", False), ("a.b.c", False)],
)
def test_truth_is_that_of_jmespath(expression: str, holds: bool) -> None:
    assert truth(expression, {"a": "x", "zero": 0, "no": False, "empty": "", "none": []}) is holds


def test_what_cannot_be_answered_is_an_error_and_does_not_hold() -> None:
    with pytest.raises(Unanswerable):
        search("contains(description, 'x')", {"description": None})
    assert not truth("contains(description, 'x')", {"description": None})


def test_names_stand_in_literals_only() -> None:
    assert names_of("contains(a, '${join_url}') && b == '${id}'") == {"join_url", "id"}
    with pytest.raises(ValueError, match="literal"):
        names_of('"${join_url}"')
