"""What the engine of profiles writes: whatever is in a link, a text or an id, it stays what it is."""

import json
from typing import Any

import pytest

from connectors.simulators.stage import Reply, Request, json_reply
from sync.errors import Refused, UnknownOutcome
from tests.contract.http_json_script import ITEM, crm, value

JOIN = {
    "path": "/meetings/${id}",
    "body": {"text": "${description}\n\nJoin: ${join_url}"},
    "verify": "contains(text, '${join_url}')",
}


@pytest.mark.parametrize("link", ["https://meet.example/\"}&a='b\\", "https://meet.example/${description}", "x\r\ny'"])
async def test_an_odd_link_is_only_a_text(link: str) -> None:
    record = {**ITEM, "text": "mine ${join_url} and ${id}"}

    def answers(request: Request) -> Reply:
        if request.method == "PUT":
            record.update(json.loads(request.body))
        return json_reply(200, record)

    with crm(answers, write={"join_url": JOIN}) as (one, _):
        assert await one.write_link("7", link, "")
        await one.close()
    assert record["text"] == f"mine ${{join_url}} and ${{id}}\n\nJoin: {link}"
    assert record["id"] == 7


async def test_the_record_is_read_right_before_it_is_written() -> None:
    texts = iter(["old", "a person was here"])
    written: list[Any] = []

    def answers(request: Request) -> Reply:
        if request.method == "PUT":
            written.append(json.loads(request.body))
            return json_reply(200, {})
        text = written[-1]["text"] if written else next(texts)
        return json_reply(200, {**ITEM, "text": text})

    with crm(answers, write={"join_url": JOIN}) as (one, _):
        next(texts)
        assert await one.write_link("7", "https://meet.example/a", "")
        await one.close()
    assert written == [{"text": "a person was here\n\nJoin: https://meet.example/a"}]


async def test_a_write_that_is_dropped_in_silence_is_refused() -> None:
    with crm(lambda request: json_reply(200, {**ITEM, "text": "x"}), write={"join_url": JOIN}) as (one, _):
        with pytest.raises(Refused, match="does not show it"):
            await one.write_link("7", "https://meet.example/a", "")
        await one.close()


async def test_a_place_that_somebody_else_uses_is_left_as_it_is() -> None:
    join = {"path": "/meetings/${id}", "body": {"room": "${join_url}"}, "current": "room"}
    with crm(lambda request: json_reply(200, {**ITEM, "room": "Room 1"}), write={"join_url": join}) as (one, script):
        with pytest.raises(Refused, match="left as it is"):
            await one.write_link("7", "https://meet.example/a", "")
        await one.close()
    assert not script.writes


async def test_without_a_place_nothing_is_written() -> None:
    with crm(lambda request: value()) as (one, script):
        assert not await one.write_link("7", "https://meet.example/a", "")
        await one.close()
    assert script.seen == []


@pytest.mark.parametrize("id_", ["../7", "7/x", "7?a=b", "", "7) or (1"])
async def test_an_id_that_leads_elsewhere_is_refused_before_anything_is_sent(id_: str) -> None:
    with crm(lambda request: json_reply(200, ITEM), write={"join_url": JOIN}) as (one, script):
        with pytest.raises(Refused):
            await one.write_link(id_, "https://meet.example/a", "")
        await one.close()
    assert script.seen == []


async def test_a_write_is_not_redirected_and_not_repeated() -> None:
    write = {"join_url": {"path": "/meetings/${id}", "body": {"text": "${description}\nJoin: ${join_url}"}}}

    def answers(request: Request) -> Reply:
        if request.method == "GET":
            return json_reply(200, ITEM)
        return Reply(307, b"", {"location": "/elsewhere"})

    with crm(answers, write=write) as (one, script):
        with pytest.raises(UnknownOutcome):
            await one.write_link("7", "https://meet.example/a", "")
        await one.close()
    assert [(request.method, request.path) for request in script.seen] == [
        ("GET", "/meetings/7"),
        ("PUT", "/meetings/7"),
    ]
