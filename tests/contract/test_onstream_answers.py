"""Onstream's settings, and the reading of answers in every shape that is known or feared."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.vendors import onstream_wire
from connectors.vendors.onstream_wire import Unreadable
from connectors.vendors.onstream_zones import ZONES
from sync.model import Role
from tests.contract.test_onstream import PASSWORD, settings

# Settings


def test_the_zone_codes_are_the_documented_ones() -> None:
    assert len(ZONES) == 40
    assert ZONES["UM35"] == timedelta(hours=-3, minutes=-30)
    assert ZONES["UP875"] == timedelta(hours=8, minutes=45)
    for code in ("CET", "UP75", "UTC+2", "utc", ""):
        with pytest.raises(ValidationError, match="UM12, UM11"):
            settings("https://x.example", timezone=code)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x.example",
        "x.example",
        "https:///path",
        "https://u:p@x.example",
        "https://x.example/?a=b",
        "http://x:port",
    ],
)
def test_a_url_that_cannot_be_a_servers_root_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(url)
    assert url not in str(caught.value)


def test_a_secret_is_neither_empty_nor_shown() -> None:
    with pytest.raises(ValidationError):
        settings("https://x.example", password="")
    assert PASSWORD not in repr(settings("https://x.example/"))
    assert settings("https://x.example//").url == "https://x.example"


# Reading answers


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'[{"id":', b"null", b'"text"', b'[{"topic":"no id"}]', b'[{"id":false}]']
)
def test_what_cannot_be_read_is_not_an_empty_list(body: bytes) -> None:
    with pytest.raises(Unreadable):
        onstream_wire.session_rows(body)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"sessions":[]}', b'{"sessions":""}', b'{"sessions":{"session":[]}}'])
def test_an_empty_list_has_many_forms(body: bytes) -> None:
    assert onstream_wire.session_rows(body) == []


def test_one_odd_row_does_not_hide_the_others() -> None:
    odd = {
        "id": "7",
        "topic": [],
        "start_time": "0000-00-00 00:00:00",
        "duration": "soon",
        "session_link": "javascript:x",
    }
    rows = onstream_wire.session_rows(json.dumps([odd, {"id": 8, "custom_data": {"custom1": 42}}]).encode())
    sessions = [row.session("UTC") for row in rows]
    assert (sessions[0].title, sessions[0].start, sessions[0].join_url) == (None, None, None)
    assert sessions[1].marker == "42"


@pytest.mark.parametrize(
    "groups",
    [
        {"moderators": [{"id": "4", "email": "Cesc@Example.com"}]},
        {"moderators": {"item": {"id": 4, "email": "cesc@example.com"}}, "participants": "", "observers": []},
        {"xml": {"moderators": {"item": [{"id": 4, "email": " cesc@example.com"}]}}},
        {"moderators": {"id": 4, "email": "cesc@example.com"}},
    ],
)
def test_invitees_in_all_shapes(groups: dict[str, Any]) -> None:
    (one,) = onstream_wire.invitees(json.dumps(groups).encode())
    assert (one.ref, one.email, one.role) == ("4", "cesc@example.com", Role.MODERATOR)


@pytest.mark.parametrize("body", [b'{"error":"no"}', b"<xml/>", b'[{"id":1}]', b'{"moderators":[{"email":"a@b"}]}'])
def test_invitees_that_cannot_be_read_are_not_nobody(body: bytes) -> None:
    with pytest.raises(Unreadable):
        onstream_wire.invitees(body)


@pytest.mark.parametrize(
    ("body", "ref"),
    [
        (b'{"id":"12","message":"Session added"}', "12"),
        (b'[{"id":12}]', "12"),
        (b'{"xml":{"id":12}}', "12"),
        (b'{"id":false}', None),
        (b'{"id":0}', None),
        (b'{"id":null}', None),
        (b"{}", None),
        (b"12", None),
        (b"", None),
    ],
)
def test_the_id_that_a_write_answers_with(body: bytes, ref: str | None) -> None:
    assert onstream_wire.new_id(body) == ref


def test_the_number_at_the_end_of_a_location() -> None:
    for location in ("https://x/api/2/me/session/id/12", "/api/2/me/session/12/", "/session/id/12/format/json"):
        assert onstream_wire.id_at_the_end(location) == "12"
    for location in ("", "https://x/api/2/me/session", "/session/id/abc12"):
        assert onstream_wire.id_at_the_end(location) is None


def test_what_a_refusal_says_is_short_and_without_addresses() -> None:
    said = {"status": False, "error": "No,\n see https://x.example/go/SECRET " + "x" * 300}
    text = onstream_wire.refusal(json.dumps(said).encode())
    assert text.startswith("No, see … xxx")
    assert len(text) == 200
    assert onstream_wire.refusal(b"<html>") == ""
