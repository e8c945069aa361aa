"""The engine of profiles against servers that answer as tests say: what it asks, what it believes, what it refuses."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import pytest

from connectors.simulators.stage import Reply, Request, json_reply
from sync.errors import CredentialsRefused, RateLimited, Refused, Unreachable
from tests.contract.http_json_script import BASE, ITEM, crm, value
from tests.contract.source import NOW

# Pages


async def test_pages_are_counted_by_records() -> None:
    rows = [{**ITEM, "id": n} for n in range(5)]

    def answers(request: Request) -> Reply:
        skip = int(parse_qs(request.query)["skip"][0])
        return value(*rows[skip : skip + 2])

    with crm(answers) as (one, _):
        first = await one.changed(NOW, "", None)
        second = await one.changed(NOW, first.after, None)
        third = await one.changed(NOW, second.after, None)
        await one.close()
    assert [[record.id for record in page.records] for page in (first, second, third)] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]
    assert third.after == ""


async def test_pages_are_followed_by_a_mark_in_the_answer() -> None:
    changed = {
        "path": "/meetings",
        "query": {"since": "${since}", "cursor": "${cursor}"},
        "items": "value",
        "paging": {"kind": "cursor", "cursor": "next"},
    }

    def answers(request: Request) -> Reply:
        cursor = dict(parse_qsl(request.query)).get("cursor")
        following = {None: "a&b=c", "a&b=c": "end"}.get(cursor)
        return json_reply(200, {"value": [{**ITEM, "id": cursor or "first"}], "next": following})

    with crm(answers, changed=changed) as (one, _):
        first = await one.changed(NOW, "", None)
        second = await one.changed(NOW, first.after, None)
        third = await one.changed(NOW, second.after, None)
        await one.close()
    assert (first.after, second.after, third.after) == ("a&b=c", "end", "")


async def test_pages_are_followed_by_an_address_of_the_same_server_only() -> None:
    changed = {
        "path": "/meetings",
        "query": {"since": "${since}"},
        "items": "value",
        "paging": {"kind": "link", "link": '"@odata.nextLink"'},
    }
    links = ["/meetings?page=2", "https://evil.example/meetings", "/meetings?page=2"]

    def answers(request: Request) -> Reply:
        return json_reply(200, {"value": [ITEM], "@odata.nextLink": links.pop(0)})

    with crm(answers, changed=changed) as (one, script):
        first = await one.changed(NOW, "", None)
        with pytest.raises(Refused, match="another server"):
            await one.changed(NOW, first.after, None)
        with pytest.raises(Unreachable, match="leads to itself"):
            await one.changed(NOW, first.after, None)
        await one.close()
    assert script.seen[1].query == "page=2"
    assert script.seen[1].headers["x-key"] == "s3cret-key"


async def test_counting_pages_comes_to_an_end() -> None:
    with crm(lambda request: value(ITEM, ITEM)) as (one, _):
        with pytest.raises(Unreachable, match="does not come to an end"):
            await one.changed(NOW, "1000000", None)
        await one.close()


async def test_what_is_over_is_passed_over_until_something_is_to_come() -> None:
    def row(n: int) -> dict[str, Any]:
        day = datetime(2026, 11, 1, 9, tzinfo=UTC) + timedelta(days=n)
        return {**ITEM, "id": n, "from": day.isoformat(), "to": day.isoformat(), "changed": day.isoformat()}

    rows = [row(n) for n in range(30)]

    def answers(request: Request) -> Reply:
        query = dict(parse_qsl(request.query))
        later = [
            one for one in rows if datetime.fromisoformat(one["changed"]) >= datetime.fromisoformat(query["since"])
        ]
        return value(*later[int(query["skip"]) :][:2])

    with crm(answers) as (one, _):
        page = await one.changed(None, "", NOW)
        assert [record.id for record in page.records] == ["22"]
        everything = await one.changed(None, "", None)
        await one.close()
    assert [record.id for record in everything.records] == ["0", "1"]


# What is believed


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"<html></html>", {"content-type": "text/html"}),
        Reply(200, b""),
        Reply(200, b"null"),
        Reply(200, b"[" * 100_000),
        Reply(200, b'{"value": {}}'),
        Reply(200, b'{"valeu": []}'),
        Reply(200, b"9" * 10_000),
        Reply(204),
        Reply(404, b"{}"),
        Reply(500),
    ],
)
async def test_what_is_no_list_is_no_answer(reply: Reply) -> None:
    with crm(lambda request: reply) as (one, _):
        with pytest.raises((Unreachable, Refused)):
            await one.changed(NOW, "", None)
        with pytest.raises((Unreachable, Refused)):
            await one.existing(["7"])
        await one.close()


async def test_an_answer_that_is_too_large_is_given_up() -> None:
    with crm(lambda request: Reply(200, b'{"value": ["' + b"x" * (17 * 1024 * 1024) + b'"]}')) as (one, _):
        with pytest.raises(Unreachable, match="larger than"):
            await one.changed(NOW, "", None)
        await one.close()


@pytest.mark.parametrize("where", ["all", "one"])
async def test_a_200_may_say_that_it_is_an_error(where: str) -> None:
    more: dict[str, Any] = {"error_when": "error"}
    if where == "one":
        more = {"changed": {**BASE["changed"], "error_when": "error"}}
    with crm(lambda request: json_reply(200, {"value": [], "error": {"code": 200}}), **more) as (one, _):
        with pytest.raises(Unreachable, match="error_when"):
            await one.changed(NOW, "", None)
        await one.close()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"from": None}, "start is null"),
        ({"to": ""}, "end is null"),
        ({"to": False}, "end is null"),
        ({"from": "tomorrow"}, "start is not a time"),
        ({"to": "2026-12-01T08:00:00Z"}, "ends before it starts"),
        ({"from": "2199-01-01T00:00:00Z", "to": "2199-01-01T00:00:00Z"}, "limits.horizon"),
        ({"id": "7) or (1:=:1"}, "its id holds characters"),
        ({"id": "../7"}, "its id holds characters"),
    ],
)
async def test_a_record_that_cannot_be_read_is_rejected_with_the_reason(wrong: dict[str, Any], problem: str) -> None:
    with crm(lambda request: value({**ITEM, **wrong}, ITEM)) as (one, _):
        bad, good = (await one.changed(NOW, "", None)).records
        await one.close()
    assert problem in bad.problem
    assert bad.id == str(wrong.get("id", 7))
    assert good.meeting is not None


@pytest.mark.parametrize("id_", [None, "", False, [], {}, 1.5])
async def test_a_record_without_an_id_has_none(id_: Any) -> None:
    with crm(lambda request: value({**ITEM, "id": id_})) as (one, _):
        (record,) = (await one.changed(NOW, "", None)).records
        await one.close()
    assert (record.id, record.problem[:14]) == ("", "the id is null")


async def test_private_records_are_left_alone_and_texts_come_as_they_are() -> None:
    table = {
        **BASE["map"],
        "private": "secret",
        "cancelled": "state == 'off'",
        "tentative": "maybe",
        "location": "room",
    }
    odd = {"title": '${id} "x" {y}', "text": "a ${join_url}\r\nb", "room": 12, "state": "off", "maybe": True}
    rows = value({**ITEM, "secret": True}, {**ITEM, **odd})
    with crm(lambda request: rows, map=table) as (one, _):
        private, shown = (await one.changed(NOW, "", None)).records
        await one.close()
    assert private.private
    assert private.meeting is None
    assert shown.meeting is not None
    assert (shown.meeting.title, shown.meeting.description) == ('${id} "x" {y}', "a ${join_url}\r\nb")
    assert (shown.meeting.location, shown.meeting.cancelled, shown.meeting.tentative) == ("12", True, True)


async def test_ids_that_cannot_be_asked_for_prove_nothing() -> None:
    with crm(lambda request: value({"id": 7})) as (one, script):
        assert set(await one.existing(["7", "8", "9) or (1:=:1"])) == {"7", "9) or (1:=:1"}
        await one.close()
    assert parse_qsl(script.seen[0].query) == [("id", "7,8")]


# The way there


async def test_a_redirect_is_followed_within_the_server_only() -> None:
    with crm(lambda request: value(ITEM)) as (other, elsewhere):
        target = other._settings.url

        def answers(request: Request) -> Reply:
            where = {"/meetings": "/moved?since=x", "/out": f"{target}/meetings"}.get(request.path)
            return Reply(302, b"", {"location": where}) if where else value(ITEM)

        with crm(answers) as (one, script):
            assert (await one.changed(NOW, "", None)).records[0].id == "7"
            await one.close()
        assert [request.path for request in script.seen] == ["/meetings", "/moved"]
        with crm(answers, changed={**BASE["changed"], "path": "/out"}) as (one, _):
            with pytest.raises(Refused, match="another server"):
                await one.changed(NOW, "", None)
            await one.close()
        assert elsewhere.seen == []
        await other.close()


async def test_a_read_waits_as_asked_and_no_longer_than_is_bearable() -> None:
    replies = [Reply(429, b"", {"retry-after": "3"}), Reply(429), value(ITEM), Reply(429, b"", {"retry-after": "300"})]
    with crm(lambda request: replies.pop(0)) as (one, script):
        assert (await one.changed(NOW, "", None)).records
        assert script.slept == [3.0, 2.0]
        with pytest.raises(RateLimited) as told:
            await one.changed(NOW, "", None)
        await one.close()
    assert told.value.retry_after == 300


async def test_the_requests_of_a_day_are_counted() -> None:
    with crm(lambda request: value(ITEM), limits={"daily": 2}) as (one, script):
        await one.changed(NOW, "", None)
        await one.existing(["7"])
        with pytest.raises(RateLimited, match=r"limits\.daily") as told:
            await one.changed(NOW, "", None)
        await one.close()
    assert len(script.seen) == 2
    assert told.value.retry_after == 12 * 3600


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"kind": "bearer", "secret": "tok"}, "Bearer tok"),
        ({"kind": "basic", "username": "us", "secret": "pw"}, "Basic dXM6cHc="),
        ({"kind": "none"}, None),
    ],
)
async def test_who_we_are_is_said_as_the_profile_says(auth: dict[str, str], header: str | None) -> None:
    with crm(lambda request: value(), auth=auth) as (one, script):
        await one.changed(NOW, "", None)
        await one.close()
    assert script.seen[0].headers.get("authorization") == header


async def test_a_token_is_fetched_once_and_anew_when_it_has_run_out() -> None:
    tokens = ["one", "two"]
    valid = {"Bearer one"}
    auth = {
        "kind": "oauth2-client-credentials",
        "client_id": "us",
        "secret": "p&w",
        "token_url": "/token",
        "scope": "a",
    }

    def answers(request: Request) -> Reply:
        if request.path == "/token":
            return json_reply(200, {"access_token": tokens.pop(0), "expires_in": 3600})
        return value(ITEM) if request.headers["authorization"] in valid else Reply(401)

    with crm(answers, auth=auth) as (one, script):
        for _ in range(2):
            await one.changed(NOW, "", None)
        valid.symmetric_difference_update({"Bearer one", "Bearer two"})
        await one.changed(NOW, "", None)
        valid.clear()
        tokens.append("three")
        with pytest.raises(CredentialsRefused):
            await one.changed(NOW, "", None)
        await one.close()
    asked = [parse_qsl(request.body.decode()) for request in script.seen if request.path == "/token"]
    assert len(asked) == 3
    assert asked[0] == [
        ("grant_type", "client_credentials"),
        ("client_id", "us"),
        ("client_secret", "p&w"),
        ("scope", "a"),
    ]


async def test_a_refused_login_is_not_tried_again() -> None:
    auth = {"kind": "oauth2-client-credentials", "client_id": "us", "secret": "no", "token_url": "/token"}
    with crm(lambda request: json_reply(401, {"error": "invalid_client"}), auth=auth) as (one, script):
        for _ in range(3):
            with pytest.raises(CredentialsRefused) as told:
                await one.changed(NOW, "", None)
        await one.close()
    assert len(script.seen) == 1
    assert "no token" in str(told.value)


async def test_no_error_shows_a_secret_a_path_or_what_was_asked() -> None:
    for reply in (
        Reply(401),
        Reply(404),
        Reply(400),
        Reply(500),
        Reply(200, b"x"),
        Reply(302, b"", {"location": "//x.y"}),
    ):
        with crm(lambda request, reply=reply: reply) as (one, _):  # type: ignore[misc]
            with pytest.raises(Exception) as told:
                await one.changed(NOW, "", None)
            await one.close()
        assert not any(part in str(told.value) for part in ("s3cret", "/meetings", "since", "x.y"))


# Questions by POST


async def test_a_question_may_be_a_document() -> None:
    changed = {
        "method": "POST",
        "path": "/search",
        "body": {
            "filters": [{"name": "changed", "op": "GTE", "value": "${since}"}],
            "limit": "${size}",
            "after": "${offset}",
        },
        "since_format": "epoch-ms",
        "items": "value",
    }
    exists = {"method": "POST", "path": "/batch", "body": {"inputs": [{"id": "${ids}"}]}, "items": "value[].id"}
    with crm(lambda request: value(ITEM), changed=changed, exists=exists) as (one, script):
        await one.changed(NOW, "", None)
        assert set(await one.existing(["7", "8"])) == {"7"}
        await one.close()
    assert json.loads(script.seen[0].body) == {
        "filters": [{"name": "changed", "op": "GTE", "value": str(int(NOW.timestamp() * 1000))}],
        "limit": 100,
        "after": 0,
    }
    assert json.loads(script.seen[1].body) == {"inputs": [{"id": "7"}, {"id": "8"}]}
    assert script.seen[0].headers["content-type"] == "application/json"
