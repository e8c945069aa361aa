"""livedigital's settings, and the reading of answers in every shape that is known or feared."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital import plugin
from connectors.vendors.livedigital_marks import NameMarks, RedirectMarks
from connectors.vendors.livedigital_settings import LivedigitalSettings
from connectors.vendors.livedigital_wire import Record, Room, Unreadable

ID = "64b6544f7b3b4f29d70afec2"
COMMON = {"type": "livedigital", "url": "https://api.example", "front_url": "https://front.example", "space": "S"}
TOKEN = {"access_token": "t0ken"}
GRANTS = {"client_id": "c", "client_secret": "s3cret", "username": "a@example.com", "password": "p4ss"}
SERVED = "Tue, 01 Dec 2026 12:00:00 GMT"
NOON = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
LIFE = timedelta(days=5)


def settings(**more: Any) -> LivedigitalSettings:
    given = {**COMMON, **TOKEN, **more}
    return LivedigitalSettings.model_validate({name: value for name, value in given.items() if value != "-"})


# Settings


def test_the_defaults_are_the_careful_ones() -> None:
    plain = settings()
    assert (plain.create_space, plain.public, plain.guest_links, plain.marker) == (False, False, True, "redirect_url")
    assert (plain.guest_link_life, plain.retention, plain.lists_are_whole) == (LIFE, None, False)
    assert plugin.settings is LivedigitalSettings


def test_there_is_one_way_in() -> None:
    assert settings(access_token="-", **GRANTS).username == "a@example.com"
    with pytest.raises(ValidationError, match=r"access_token: missing \(or give client_id, client_s"):
        settings(access_token="-")
    for name in GRANTS:
        rest = {key: value for key, value in GRANTS.items() if key != name}
        with pytest.raises(ValidationError, match=rf"access_token: missing \(or give {name}\)"):
            settings(access_token="-", **rest)
        with pytest.raises(ValidationError, match=f"access_token: it and {name} exclude each other"):
            settings(**{name: GRANTS[name]})


@pytest.mark.parametrize("name", ["access_token", "client_secret", "password", "client_id", "username"])
@pytest.mark.parametrize("value", ["", " "])
def test_nothing_that_is_needed_may_be_empty(name: str, value: str) -> None:
    given = {name: value} if name == "access_token" else {"access_token": "-", **GRANTS, name: value}
    with pytest.raises(ValidationError):
        settings(**given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("username", "acme"),
        ("url", "https://api.example/v1"),
        ("url", "https://api.example/v1/"),
        ("front_url", ""),
        ("front_url", "front.example"),
        ("front_url", "https://u:p@front.example"),
        ("front_url", "https://front.example/?a=b"),
        ("space", ""),
        ("space", "  "),
        ("guest_link_life", "59s"),
        ("guest_link_life", "31d"),
        ("guest_link_life", 5),
        ("retention", "soon"),
        ("marker", "title"),
        ("access_token", "two words"),
        ("access_token", "line\r\nX-Injected: yes"),
        ("access_token", "tøken"),
        ("unknown", 1),
    ],
)
def test_what_cannot_be_meant_is_refused_without_showing_secrets(name: str, value: Any) -> None:
    given = {"access_token": "-", **GRANTS} if name == "username" else {}
    with pytest.raises(ValidationError) as caught:
        settings(**(given | {name: value}))
    for secret in ("t0ken", "s3cret", "p4ss", "two words", "X-Injected", "tøken", "u:p@"):
        assert secret not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    shown = repr(settings(access_token="-", **GRANTS)) + repr(settings())
    for secret in ("t0ken", "s3cret", "p4ss"):
        assert secret not in shown
    assert settings(front_url="https://front.example//").front_url == "https://front.example"


# Lists and rows


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"null",
        b'"ok"',
        b"{}",
        b'{"items":null}',
        b'{"items":{}}',
        b'{"items":["x"]}',
        b"[" * 99999,
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_cannot_be_read_is_not_an_empty_list(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.page(body)


def test_a_list_may_be_bare_and_a_total_may_be_odd() -> None:
    assert wire_format.page(b"[]").items == []
    assert wire_format.page(b'[{"id":1}]').total is None
    for total in (b"null", b'"7"', b"-1", b"true", b"7.5"):
        assert wire_format.page(b'{"items":[],"total":' + total + b"}").total is None
    assert wire_format.page(b'{"items":[],"total":7}').total == 7


@pytest.mark.parametrize("ref", [None, 1, "", "x" * 24, ID.upper(), ID + "0", ID + "\n", "../" + ID])
def test_a_row_without_a_proper_id_is_unreadable(ref: Any) -> None:
    with pytest.raises(Unreadable):
        wire_format.parsed(Room, {"id": ref})


def test_one_odd_field_does_not_make_a_room_unreadable() -> None:
    odd = {
        "id": ID,
        "name": 7,
        "alias": "../x",
        "redirectUrl": [],
        "createdAt": "soon",
        "lastCallAt": "9999-12-31T00:00Z",
    }
    room = wire_format.parsed(Room, odd)
    assert (room.name, room.alias, room.redirect_url, room.created, room.last_call) == (None,) * 5
    assert room.held == odd
    assert wire_format.parsed(Room, {"id": ID, "held": 3}).held == {"id": ID, "held": 3}


def test_a_full_replacement_holds_settings_only() -> None:
    held = {
        "id": ID,
        "alias": "a",
        "name": "Old",
        "isPublic": True,
        "isChatAllowed": False,
        "isSomethingNewAllowed": True,
        "isOddAllowed": "yes",
        "isFavorite": True,
        "type": "webinar",
        "templateId": ID,
        "parentRoomId": ID,
        "redirectUrl": None,
        "joinSettings": {"fields": []},
        "createdAt": "2026-12-01T12:00:00.000Z",
    }
    assert wire_format.parsed(Room, held).edited({"name": "New"}, public=False) == {
        "name": "New",
        "isPublic": True,
        "isChatAllowed": False,
        "isSomethingNewAllowed": True,
        "type": "webinar",
        "joinSettings": {"fields": []},
    }
    assert wire_format.parsed(Room, {"id": ID}).edited({"name": "N"}, public=False) == {"name": "N", "isPublic": False}


def test_a_recording_that_ends_before_it_begins_has_no_length() -> None:
    row = {"id": ID, "startedAt": "2026-12-01T12:00:00Z", "finishedAt": "2026-12-01T11:00:00Z", "fileSize": -1}
    record = wire_format.parsed(Record, row)
    assert (record.seconds, record.size) == (0.0, None)
    assert wire_format.parsed(Record, {"id": ID}).seconds is None


# Markers


def test_a_marker_survives_whatever_is_in_it() -> None:
    marks = RedirectMarks("https://front.example")
    for marker in ("convener:6f1d2a", "a b/c?d=e&f#g%41", "日本"):
        fields = marks.new("T", marker)
        room = wire_format.parsed(Room, {"id": ID, **fields})
        assert marks.marker(room) == marker
        assert marks.carries(room, marker)
        assert not marks.carries(room, marker + "0")
        assert fields["redirectUrl"].startswith("https://front.example/#convener=")


def test_a_name_that_lost_its_token_is_left_without_one() -> None:
    marks = NameMarks()
    room = wire_format.parsed(Room, {"id": ID, "name": "Renamed by hand"})
    assert (marks.marker(room), marks.title(room)) == (None, "Renamed by hand")
    assert marks.renamed(room, "New") == {"name": "New"}
    assert not marks.carries(room, "any")


# Links


def link(**claims: Any) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"https://front.example/room/a?participantName=x&accessToken=h.{part}.s"


@pytest.mark.parametrize(
    ("url", "served", "expires"),
    [
        (link(exp=NOON.timestamp() + 3600), SERVED, NOON + timedelta(hours=1)),
        (link(exp=NOON.timestamp() + 86400 * 9), SERVED, NOON + LIFE),
        (link(exp=NOON.timestamp() + 3600), "", NOON + timedelta(hours=1)),
        (link(exp=NOON.timestamp() - 3600), SERVED, NOON + LIFE),
        (link(), SERVED, NOON + LIFE),
        (link(exp=True), SERVED, NOON + LIFE),
        (link(exp=1e300), SERVED, NOON + LIFE),
        (link(exp="soon"), "", None),
        ("https://front.example/room/a?accessToken=opaque", SERVED, NOON + LIFE),
        ("https://front.example/room/a?accessToken=h.%ff.s", "", None),
        ("https://front.example/room/a", "not a date", None),
    ],
)
def test_a_link_ends_at_the_earlier_of_what_is_known(url: str, served: str, expires: datetime | None) -> None:
    assert wire_format.link_expiry(url, served, LIFE) == expires


@pytest.mark.parametrize(
    "body", [b"https://x.example/a.mp4\n", b'"https://x.example/a.mp4"', b'{"url":"https://x.example/a.mp4"}']
)
def test_the_address_of_a_recording_in_all_shapes(body: bytes) -> None:
    assert wire_format.download_address(body) == "https://x.example/a.mp4"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"javascript:x", b"file:///etc/passwd", b'{"url":7}', b'"', b"\xff", b"{}"]
)
def test_what_is_no_address_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.download_address(body)


def test_an_alias_is_quoted_and_an_odd_one_is_none() -> None:
    assert wire_format.room_link("https://f.example", "EGB_-9") == "https://f.example/room/EGB_-9"
    for alias in ("a/b", "a?b", "", "x" * 65, None):
        assert wire_format.parsed(Room, {"id": ID, "alias": alias}).alias is None


def test_the_days_to_ask_for_are_few_and_the_newest() -> None:
    assert wire_format.days_of_calls([]) == []
    assert wire_format.days_of_calls([NOON]) == [f"2026-{day}T12:00:00.000Z" for day in ("12-02", "12-01", "11-30")]
    assert len(wire_format.days_of_calls([NOON - timedelta(days=3 * n) for n in range(99)])) == wire_format.MAX_DAYS


# Words


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"message":"No\\n way","code":"x"}', "No way – x"),
        (b'{"error":"invalid_grant","error_description":"Invalid credentials"}', "Invalid credentials – invalid_grant"),
        (b'{"message":"see https://x.example/?t=s3cret"}', "see …"),
        (b'{"message":"s3cret is wrong"}', "… is wrong"),
        (b'{"message":["a"],"code":7}', ""),
        (b"<html>", ""),
        (b"[]", ""),
    ],
)
def test_what_a_refusal_says_is_short_and_harmless(body: bytes, said: str) -> None:
    assert wire_format.refusal(body, ["s3cret"]) == said


def test_a_secret_at_the_cut_of_a_long_message_does_not_come_out_in_part() -> None:
    said = wire_format.refusal(json.dumps({"message": "x" * 197 + "s3cret"}).encode(), ["s3cret"])
    assert said == "x" * 197 + "…"


@pytest.mark.parametrize("body", [b"", b" ", b"OK", b"ok", b'"ok"', b"{}", b'{"id":"1"}', b"[]", b"true"])
def test_an_edit_is_done_when_its_status_says_so(body: bytes) -> None:
    assert wire_format.is_done(body)


@pytest.mark.parametrize("body", [b"<html>", b"{", b'{"error":"no"}', b"no", b"false"])
def test_an_edit_is_not_done_when_something_else_answers(body: bytes) -> None:
    assert not wire_format.is_done(body)
