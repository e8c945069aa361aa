"""ISL Groop's settings, join links, markers in titles, and the reading of answers."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from connectors.vendors import isl_groop_wire as wire_format
from connectors.vendors.isl_groop import IslGroopConnector, plugin
from connectors.vendors.isl_groop_wire import Unreadable
from tests.contract.test_isl_groop import PASSWORD, settings

URL = "https://server98.islonline.net"


def test_the_defaults_are_those_of_the_document() -> None:
    names = settings(URL).functions
    assert (names.login, names.get_info) == ("Login.login", "ISLGroop.Session.getInfo")
    assert settings(URL).encoding is None
    assert not settings(URL).send_start_time
    assert not IslGroopConnector.capabilities.personal_links
    assert plugin.capabilities.personal_links, "with a join_url for each"
    assert (plugin.capabilities.marker, plugin.capabilities.update) == ("title", frozenset())


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("encoding", "xml", "'json' or 'form'"),
        ("functions", {"creat": "X.y"}, "creat"),
        ("functions", {"create": "X.y#SID"}, "pattern"),
        ("password", "", "at least 1"),
        (
            "join_url",
            "{server}/{session}",
            "{session} is not a field of a join link; there are {server}, {session_code}",
        ),
        ("join_url", "{server}/{session_code!r}", "not a field"),
        ("join_url", "{server}/{session_code.x}", "not a field"),
        ("join_url", "{server}/{}", "not a field"),
        ("join_url", "{server}/{session_code", "expected '}'"),
        ("join_url", "{server}/the-same-for-all", "must use {session_code} or {join_uid}"),
        ("join_url", "javascript:{session_code}", "must begin with"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_reason(key: str, value: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(URL, **{key: value})
    assert said in str(caught.value)


def test_the_password_is_not_shown() -> None:
    assert PASSWORD not in repr(settings(URL))


def test_a_link_is_encoded_where_it_is_filled_in() -> None:
    assert wire_format.link("{server}/j/{session_code}?u={join_uid}", URL, "1-2", "a&b/c") == f"{URL}/j/1-2?u=a%26b%2Fc"


@pytest.mark.parametrize("title", ["Weekly", "", "Weekly ", "Weekly [cv-1]", "x [cv-0123456789ab]", "a\nb"])
def test_a_marker_goes_in_and_comes_out_of_a_title(title: str) -> None:
    name = wire_format.marked(title, "marker")
    assert wire_format.unmarked(name) == (title, wire_format.token("marker"))
    assert wire_format.unmarked(name + " \n") == (title, wire_format.token("marker"))
    assert len(name) - len(title) == 18
    assert wire_format.marked(title, "") == title
    assert wire_format.token("marker") != wire_format.token("marker2")


def test_both_encodings_hold_the_same() -> None:
    args = {"user": "\\\\corp\\me", "pwd": "a&b+c%#é"}
    as_json = json.loads(wire_format.body("json", "Login.login", None, "en", args))
    form = parse_qs(wire_format.body("form", "X.y", "SID#1", "en", args).decode())
    assert as_json == {"fn": "Login.login", "lang": "en", "args": args}
    assert form["fn"] == ["X.y#SID#1"]
    assert json.loads(form["args"][0]) == args


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b"<html>", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        wire_format.json_object(body)


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"sid": ""}, "sid"),
        ({"sid": False}, "sid"),
        ({"sessions": {}}, "sessions"),
        ({"sessions": [{"session_name": "no code"}]}, "sessions"),
        ({"session_code": "../1"}, "session_code"),
        ({"uid": None}, "uid"),
        ({}, "uid"),
    ],
)
def test_what_lacks_its_documented_content_is_unreadable(data: dict[str, Any], key: str) -> None:
    with pytest.raises(Unreadable):
        wire_format.expected(data, key)


def test_more_than_the_document_shows_does_no_harm() -> None:
    rows = wire_format.expected({"sessions": [{"session_code": 7, "session_name": 8, "owner": {}}], "x": 1}, "sessions")
    assert [(row.session_code, row.session_name) for row in rows] == [("7", None)]


@pytest.mark.parametrize(
    ("data", "denial"),
    [
        ({}, False),
        ({"error": None, "errors": []}, False),
        ({"result": {"code": "OK"}}, False),
        ({"result": {"code": 0}}, False),
        ({"result": True}, False),
        ({"error": "no"}, True),
        ({"errors": ["no"]}, True),
        ({"exception": {}, "fault": 1}, True),
        ({"result": {"code": "INVALID"}}, True),
    ],
)
def test_a_denial_is_known_by_its_keys(data: dict[str, Any], denial: bool) -> None:
    assert wire_format.denies(data) is denial


def test_what_an_error_says_is_short_and_without_secrets() -> None:
    data = {
        "error": {"text": ["No\n", "ISLGroop.Session.create#ABCDEFGH failed for p4ss, see https://x.example/SECRET"]}
    }
    assert wire_format.said(data, ["p4ss", ""]) == "No ISLGroop.Session.create#… failed for …, see …"
    assert len(wire_format.said({"message": "x" * 999}, [])) == 200
    assert wire_format.said({"status": 1}, []) == ""
