"""Onstream: recordings come out as media or as a note that refers to them, documents go in by their address."""

import json
import socket
from dataclasses import replace
from typing import Any, get_args

import pytest

from connectors import downloads
from connectors.simulators.faults import Fault
from connectors.simulators.media import MP4, Resumes, film
from connectors.simulators.onstream import OnstreamSimulator
from connectors.vendors.onstream import plugin
from sync.errors import (
    CredentialsRefused,
    Gone,
    OutsideError,
    RateLimited,
    Refused,
    UnknownOutcome,
    Unreachable,
    WritesLocked,
)
from sync.model import Artifact, Document
from sync.ports import Connector
from tests.contract.connector import NO_EFFECT, UNKNOWN_AFTER, UNKNOWN_BEFORE, everything_said
from tests.contract.connector_base import MARKER, SHORT, ConnectorFixtures, Factory, a_meeting
from tests.contract.downloads import (
    Receiver,
    a_whole_that_is_asked_for_more_comes_again,
    another_version_begins_anew,
    breaks_anywhere,
    content,
)
from tests.contract.test_onstream import OnstreamBase, settings
from tests.unit.scripted_server import reply, serving

FILM = film(bytes(range(256)) * 400)
PAPER = Document("Slides & notes.pdf", "application/pdf", url="https://files.example.com/s3cret?key=a&b=c")
NOT_YET = "its link does not answer yet"


async def recording(connector: Connector, session: int = 1) -> Artifact:
    (one,) = await connector.artifacts(str(session))
    return one


async def noted(connector: Connector, artifact: Artifact, **more: Any) -> tuple[dict[str, Any], str]:
    """The note, and what is still to come."""
    async with connector.download(artifact, **more) as download:
        body = b"".join([chunk async for chunk in download.chunks])
        assert (download.start, download.size, download.validator) == (0, len(body), "")
        assert download.media_type == "application/json"
        return json.loads(body), download.more


class TestRecordings(OnstreamBase, ConnectorFixtures):
    """What is behind a recording's link."""

    @pytest.mark.parametrize(
        "media_type", ["video/mp4", "Video/WebM; codecs=x", "audio/mpeg", "application/octet-stream", "application/zip"]
    )
    async def test_a_link_that_answers_with_media_gives_the_media(
        self, connector: Connector, sim: OnstreamSimulator, media_type: str
    ) -> None:
        sim.add_recording(1, content=FILM, media_type=media_type)
        one = await recording(connector)
        assert await content(connector, one) == FILM
        async with connector.download(one) as download:
            assert (download.more, download.media_type) == ("", media_type.partition(";")[0].lower())
            assert download.validator

    @pytest.mark.parametrize(
        "media",
        [
            {"page": True},
            {"content": "<!DOCTYPE html><html><body>Play</body></html>", "media_type": "video/mp4"},
            {"content": "\ufeff\n <HTML><body>Play</body></HTML>", "media_type": "application/octet-stream"},
            {"content": FILM, "media_type": "text/html"},
            {"content": '{"error": "no"}', "media_type": "application/json"},
            {"content": FILM, "media_type": ""},
            {"content": b"", "media_type": "video/mp4"},
            {"content": FILM, "password": "pass-of-the-recording"},
        ],
        ids=["a page", "a page called a film", "a page in capitals", "called a page", "json", "", "empty", "password"],
    )
    async def test_anything_else_is_referred_to(
        self, connector: Connector, sim: OnstreamSimulator, media: dict[str, Any]
    ) -> None:
        sim.add_recording(1, title="Zürich — Q4", **media)
        one = await recording(connector)
        said, more = await noted(connector, one)
        assert list(said.items()) == [
            ("kind", "recording"),
            ("vendor", "Onstream"),
            ("id", "1"),
            ("session_id", "1"),
            ("title", "Zürich — Q4"),
            ("link", one.link),
            ("duration_s", 25.88),
            ("created", "2026-12-01T10:00:00Z"),
        ]
        assert more == ""
        async with connector.download(one) as download:
            body = b"".join([chunk async for chunk in download.chunks])
        assert b"pass-of-the-recording" not in body
        assert "Zürich".encode() in body
        assert body.startswith(b'{\n  "kind": "recording",\n')

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    @pytest.mark.parametrize("status", [401, 403, 404, 410])
    async def test_a_link_that_refuses_is_referred_to_and_asked_again(
        self, make: Factory, sim: OnstreamSimulator, status: int, host: str
    ) -> None:
        connector = make(allow_private=True)
        sim.add_recording(1, content=FILM)
        one = await recording(connector)
        one = replace(one, link=(one.link or "").replace("127.0.0.1", host))
        sim.faults.add(Fault(f"{status}_before", resource="play"))
        assert (await noted(connector, one))[1] == f"its link is refused for now ({status})"
        assert await content(connector, one) == FILM

    async def test_a_link_that_is_asked_wrongly_is_referred_to_for_good(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_recording(1, content=FILM)
        sim.faults.add(Fault("400_before", resource="play"))
        assert (await noted(connector, await recording(connector)))[1] == ""

    @pytest.mark.parametrize("kind", ["500_before", "503_before", "429", "reset_before", "hang_before"])
    async def test_a_link_that_does_not_answer_now_is_referred_to_for_the_time_being(
        self, make: Factory, sim: OnstreamSimulator, kind: str
    ) -> None:
        connector = make(timeout=SHORT)
        sim.add_recording(1, content=FILM)
        one = await recording(connector)
        sim.faults.add(Fault(kind, resource="play"))
        assert (await noted(connector, one))[1] == NOT_YET
        assert await content(connector, one) == FILM

    async def test_a_link_to_where_nobody_answers_and_one_to_a_private_place(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        links = {
            "http://127.0.0.1:1/play/acme/1": NOT_YET,
            "https://recordings.example.com/play/acme/1": NOT_YET,
            "http://127.0.0.9/play/acme/1": "",
            "http://169.254.169.254/latest/meta-data": "",
            "http://exa mple/play/acme/1": "",
        }
        for number, link in enumerate(links, 1):
            sim.add_recording(number, recording_link=link)
        monkeypatch.setattr(socket, "getaddrinfo", _only_numbers(socket.getaddrinfo))
        for number, (link, more) in enumerate(links.items(), 1):
            said, come = await noted(connector, await recording(connector, number))
            assert (said["link"], come) == (link, more)
        assert "play" not in {entry.resource for entry in sim.requests}

    async def test_a_recording_without_a_link_is_looked_at_again(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_recording(1, recording_link="", creation_date="")
        said, more = await noted(connector, await recording(connector))
        assert (said["link"], said["created"], more) == (None, None, "it has no link yet")

    async def test_a_user_in_a_link_is_not_kept(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.add_recording(1, recording_link="http://user:pw@127.0.0.9/play/acme/1?a=b")
        said, _ = await noted(connector, await recording(connector))
        assert said["link"] == "http://127.0.0.9/play/acme/1?a=b"

    async def test_media_that_is_too_large_is_referred_to(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sim.add_recording(1, content=FILM)
        genuine = downloads.receiving

        def small(*args: Any, **options: Any) -> Any:
            return genuine(*args, **{**options, "most": len(FILM) - 1})

        monkeypatch.setattr("connectors.http.receiving", small)
        assert (await noted(connector, await recording(connector)))[1] == ""

    @pytest.mark.parametrize("resumes", get_args(Resumes))
    async def test_media_that_breaks_off_anywhere_is_gone_on_with(
        self, connector: Connector, sim: OnstreamSimulator, resumes: Resumes
    ) -> None:
        sim.options.resumes = resumes
        sim.add_recording(1, content=FILM)
        await breaks_anywhere(connector, await recording(connector), sim, "play", FILM)

    async def test_media_that_changed_or_is_there_already_begins_anew(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_recording(1, content=FILM)
        one, other = await recording(connector), film(b"other" * 9000)
        await a_whole_that_is_asked_for_more_comes_again(connector, one, FILM)

        def change() -> bytes:
            sim.change_recording(1, other)
            return other

        await another_version_begins_anew(connector, one, sim, "play", change, 5000)

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
    async def test_media_that_has_begun_is_not_replaced_because_of_an_answer(
        self, connector: Connector, sim: OnstreamSimulator, status: int
    ) -> None:
        sim.add_recording(1, content=FILM)
        receiver = Receiver(connector, await recording(connector))
        sim.faults.add(Fault("cut", resource="play", at=5000), Fault(f"{status}_before", resource="play"))
        for _ in range(2):
            with pytest.raises(Unreachable):
                await receiver.go_on()
            assert receiver.content == FILM[:5000]
        await receiver.go_on()
        assert (receiver.starts, receiver.content) == ([0, 5000], FILM)

    async def test_media_that_has_begun_is_not_replaced_by_a_page_or_for_a_private_link(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_recording(1, content=FILM)
        one = await recording(connector)
        receiver = Receiver(connector, one)
        sim.faults.add(Fault("cut", resource="play", at=5000))
        with pytest.raises(Unreachable):
            await receiver.go_on()
        for instead in (None, b"<!DOCTYPE html><html><body>Play</body></html>", b""):
            sim.change_recording(1, instead)
            with pytest.raises(Unreachable, match="something else"):
                await receiver.go_on()
        with pytest.raises(Unreachable, match="private"):
            async with connector.download(
                replace(one, link="http://127.0.0.9/play"), start=5000, validator=receiver.validator
            ):
                pass
        assert receiver.content == FILM[:5000]
        sim.change_recording(1, FILM)
        await receiver.go_on()
        assert (receiver.starts, receiver.content) == ([0, 5000], FILM)


ROWS = reply(body=b'[{"id": 7, "session_id": 1}]')
PAGE = reply(404, b"<html><body>Not found</body></html>", content_type="text/html")
ABSENT = reply(404)
LET_IN = reply(body=b'{"authenticated": 1}')


@pytest.mark.parametrize(
    ("answers", "refs"),
    [
        ([ABSENT, LET_IN, ABSENT], []),
        ([reply(404, b'{"status": false}'), LET_IN, reply(410)], []),
        ([reply(body=b"[]"), LET_IN, reply(body=b'{"recordings": []}')], []),
        ([PAGE, LET_IN, ABSENT], []),
        ([ABSENT, LET_IN, ROWS, ABSENT], ["7"]),
        ([PAGE, LET_IN, ROWS, ABSENT], ["7"]),
        ([reply(body=b"{}"), LET_IN, ROWS, ABSENT], ["7"]),
        ([reply(body=b'{"recordings": null}'), LET_IN, ROWS, ABSENT], ["7"]),
        ([ROWS, PAGE, LET_IN, ROWS, ABSENT], ["7"]),
        ([ROWS, ABSENT], ["7"]),
        ([ROWS, reply(body=b"{}")], ["7"]),
    ],
)
async def test_no_recordings_is_what_the_service_says_itself_and_twice(answers: list[bytes], refs: list[str]) -> None:
    async with serving(*answers, reply(500)) as server:
        connector = plugin.connect(settings(server.url), False)
        assert [one.ref for one in await connector.artifacts("1")] == refs
        assert len(server.heads) == len(answers)
        await connector.close()


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([PAGE, LET_IN, PAGE], Unreachable),
        ([ABSENT, LET_IN, PAGE], Unreachable),
        ([ABSENT, LET_IN, reply(404, b'"text"')], Unreachable),
        ([reply(body=b"{}"), LET_IN, reply(body=b"{}")], Unreachable),
        ([ABSENT, LET_IN, reply(body=b'{"recordings": null}')], Unreachable),
        ([ABSENT, LET_IN, reply(body=b'{"recordings": {"recording": null}}')], Unreachable),
        ([ROWS, PAGE, LET_IN, ROWS, PAGE], Unreachable),
        ([ABSENT, reply(body=b'{"authenticated": 0}')], CredentialsRefused),
        ([ABSENT, reply(401)], CredentialsRefused),
    ],
)
async def test_no_recordings_is_not_what_anybody_else_says(answers: list[bytes], error: type[OutsideError]) -> None:
    async with serving(*answers, reply(500)) as server:
        connector = plugin.connect(settings(server.url), False)
        with pytest.raises(error):
            await connector.artifacts("1")
        assert len(server.heads) == len(answers)
        await connector.close()


def _only_numbers(genuine: Any) -> Any:
    """Names are unknown here: no test asks a name server."""

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if str(host).endswith(".example.com"):
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return genuine(host, *args, **options)

    return getaddrinfo


class TestDocuments(OnstreamBase, ConnectorFixtures):
    """PUT file and PUT file_in_session, which the vendor calls experimental."""

    async def test_a_document_goes_in_by_its_address(self, make: Factory, sim: OnstreamSimulator) -> None:
        connector = make(experimental=True)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        ref = await connector.attach(created.ref, PAPER)
        assert sim.documents_of(created.ref) == [{"name": PAPER.name, "url": PAPER.url, "bytes": None}]
        added, shared = (entry for entry in sim.writes if entry.resource.startswith("file"))
        assert (added.method, shared.method) == ("PUT", "PUT")
        assert added.params == {"file_link": PAPER.url, "is_url": 1, "file_description": PAPER.name}
        assert shared.params == {"file_id": ref, "session_id": int(created.ref), "is_auto_opening": 0}

    async def test_a_long_name_is_cut_to_what_the_server_takes(self, make: Factory, sim: OnstreamSimulator) -> None:
        connector = make(experimental=True)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.attach(created.ref, Document("ü" * 300, "application/pdf", url=PAPER.url))
        assert [one["name"] for one in sim.documents_of(created.ref)] == ["ü" * 255]

    async def test_documents_are_for_those_who_allow_experiments(self, make: Factory, sim: OnstreamSimulator) -> None:
        assert plugin.capabilities.documents_push
        assert plugin.capabilities.documents_by_url
        assert not plugin.capabilities.attach_again
        assert make(experimental=True).capabilities == plugin.capabilities
        connector = make()
        assert not connector.capabilities.documents_push
        with pytest.raises(Refused, match="experimental"):
            await connector.attach("1", PAPER)
        with pytest.raises(Refused, match="no address"):
            await make(experimental=True).attach("1", Document("a.pdf", "application/pdf", b"content"))
        assert sim.requests == []

    async def test_a_locked_connector_sends_nothing(self, make: Factory, sim: OnstreamSimulator) -> None:
        created = await make().create(a_meeting(), MARKER, mail=False)
        before = len(sim.requests)
        with pytest.raises(WritesLocked) as caught:
            await make(experimental=True, locked=True).attach(created.ref, PAPER)
        assert "s3cret" not in everything_said(caught.value)
        assert len(sim.requests) == before

    @pytest.mark.parametrize("kind", [*UNKNOWN_BEFORE, *UNKNOWN_AFTER, "empty"])
    async def test_only_the_second_call_can_leave_something_in_the_session(
        self, make: Factory, sim: OnstreamSimulator, kind: str
    ) -> None:
        connector = make(experimental=True, timeout=SHORT if kind.startswith("hang") else "5s")
        created = await make().create(a_meeting(), MARKER, mail=False)
        wanted: dict[str, type[OutsideError]] = {"file": Unreachable, "file_in_session": UnknownOutcome}
        for resource, error in wanted.items():
            sim.faults.add(Fault(kind, resource=resource))
            with pytest.raises(OutsideError) as caught:
                await connector.attach(created.ref, PAPER)
            assert type(caught.value) is error
            assert "s3cret" not in everything_said(caught.value)
        assert len(sim.documents_of(created.ref)) == (0 if kind in UNKNOWN_BEFORE else 1)
        assert [entry.resource for entry in sim.writes[1:]] == ["file", "file", "file_in_session"]

    @pytest.mark.parametrize("kind", NO_EFFECT)
    async def test_a_refused_call_had_no_effect(self, make: Factory, sim: OnstreamSimulator, kind: str) -> None:
        connector = make(experimental=True)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for resource in ("file", "file_in_session"):
            sim.faults.add(Fault(kind, resource=resource))
            with pytest.raises((Refused, CredentialsRefused, RateLimited)) as caught:
                await connector.attach(created.ref, PAPER)
            assert type(caught.value) is NO_EFFECT[kind]
        assert sim.documents_of(created.ref) == []

    async def test_a_session_that_is_gone_takes_nothing(self, make: Factory, sim: OnstreamSimulator) -> None:
        connector = make(experimental=True)
        with pytest.raises(Gone):
            await connector.attach("77", PAPER)
        for ref in ("", "../1", "x"):
            with pytest.raises(Refused):
                await connector.attach(ref, PAPER)


def test_a_stand_in_has_a_film_that_looks_like_one() -> None:
    kinds, rest = [], MP4
    while rest:
        length = int.from_bytes(rest[:4], "big")
        assert 8 <= length <= len(rest)
        kinds.append(rest[4:8])
        rest = rest[length:]
    assert kinds == [b"ftyp", b"moov", b"mdat"]
