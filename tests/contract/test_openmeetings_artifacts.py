"""OpenMeetings: recordings come out, documents go in."""

from typing import get_args

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.media import MP4, Resumes, film
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from sync.errors import Gone, OutsideError, Refused, UnknownOutcome, Unreachable, WritesLocked
from sync.model import Document
from sync.ports import Connector
from tests.contract.connector_base import MARKER, PEOPLE, ConnectorFixtures, Factory, a_meeting
from tests.contract.downloads import (
    Receiver,
    a_whole_that_is_asked_for_more_comes_again,
    another_version_begins_anew,
    breaks_anywhere,
    content,
)
from tests.contract.test_openmeetings import OpenMeetingsBase

MEETING = a_meeting(participants=PEOPLE)


FILM = film(bytes(range(256)) * 400)


class TestOpenMeetingsArtifacts(OpenMeetingsBase, ConnectorFixtures):
    """Recordings and documents."""

    async def test_recordings_of_the_room_say_whether_they_are_ready(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        assert await connector.artifacts(created.ref) == ()
        ready = sim.add_recording(1, name="2026")
        (only,) = await connector.artifacts(created.ref)
        assert (only.ref, only.name, only.ready, only.more) == (str(ready.id), "2026", True, "")
        assert (only.media_type, only.duration, only.created) == ("video/mp4", 17 * 60, ready.start)
        for status in ("RECORDING", "CONVERTING", "ERROR", "NONE"):
            sim.add_recording(1, status=status)
        sim.add_recording(2)
        sim.add_recording(None)
        found = await connector.artifacts(created.ref)
        assert [one.ready for one in found] == [True, False, False, False, False]
        assert [bool(one.more) for one in found] == [False, True, True, True, True]
        assert "could not" in found[3].more
        await connector.delete(created.ref)
        assert len(await connector.artifacts(created.ref)) == 5

    async def test_a_download_uses_up_a_hash_of_a_session_of_its_own(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        film = MP4 + bytes(300_000)
        sim.add_recording(1, content=film)
        (one,) = await connector.artifacts(created.ref)
        for _ in range(2):
            assert await content(connector, one) == film
        assert sum(entry.resource == "login" for entry in sim.requests) == 3
        assert await connector.get(created.ref) is not None
        assert 500 not in {entry.status for entry in sim.requests}

    @pytest.mark.parametrize(
        ("kind", "error"),
        [
            ("garbage", Unreachable),
            ("empty", Unreachable),
            ("truncate", Unreachable),
            ("reset_after", Unreachable),
            ("404_before", Gone),
            ("500_before", Unreachable),
        ],
    )
    async def test_what_is_not_the_whole_film_is_an_error(
        self, connector: Connector, sim: OpenMeetingsSimulator, kind: str, error: type[OutsideError]
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        sim.add_recording(1)
        (one,) = await connector.artifacts(created.ref)
        sim.faults.add(Fault(kind, resource="recording"))
        with pytest.raises(error) as caught:
            await content(connector, one)
        for secret in sim.secrets:
            assert secret not in str(caught.value)
        assert await content(connector, one) == MP4

    @pytest.mark.parametrize("resumes", get_args(Resumes))
    async def test_a_film_that_breaks_off_anywhere_is_gone_on_with(
        self, connector: Connector, sim: OpenMeetingsSimulator, resumes: Resumes
    ) -> None:
        sim.options.resumes = resumes
        await connector.create(MEETING, MARKER, mail=False)
        sim.add_recording(1, content=FILM)
        (one,) = await connector.artifacts("1")
        await breaks_anywhere(connector, one, sim, "recording", FILM)

    async def test_a_film_that_changed_or_is_there_already_begins_anew(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.create(MEETING, MARKER, mail=False)
        number, other = sim.add_recording(1, content=FILM).id, film(b"other" * 9000)
        (one,) = await connector.artifacts("1")
        await a_whole_that_is_asked_for_more_comes_again(connector, one, FILM)

        def change() -> bytes:
            sim.change_recording(number, content=other)
            return other

        await another_version_begins_anew(connector, one, sim, "recording", change, 5000)
        sim.change_recording(number, status="ERROR")
        with pytest.raises(Gone):
            await content(connector, one)

    async def test_the_rest_of_a_film_need_not_look_like_one(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        await connector.create(MEETING, MARKER, mail=False)
        sim.add_recording(1, content=FILM)
        (one,) = await connector.artifacts("1")
        receiver = Receiver(connector, one)
        sim.faults.add(Fault("cut", resource="recording", at=5000))
        with pytest.raises(Unreachable):
            await receiver.go_on()
        sim.faults.add(Fault("garbage", resource="recording"))
        with pytest.raises(Unreachable, match="no MP4"):
            await receiver.go_on()
        await receiver.go_on()
        assert (receiver.starts, receiver.content) == ([0, 5000], FILM)

    @pytest.mark.parametrize("kind", ["500_before", "garbage", "empty", "404_before"])
    async def test_recordings_that_cannot_be_listed_are_not_none(
        self, connector: Connector, sim: OpenMeetingsSimulator, kind: str
    ) -> None:
        sim.faults.add(Fault(kind, resource="record.room", times=9))
        with pytest.raises(Unreachable):
            await connector.artifacts("1")

    # Documents

    async def test_a_document_is_uploaded_and_moved_into_the_room(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        body = b'\r\n--edge\r\nContent-Disposition: form-data; name="file"\r\n\r\n\x00\xff' * 3
        pdf = Document('a "b" & Zürich.pdf', "application/pdf", body)
        ref = await connector.attach(created.ref, pdf)
        (file,) = sim.files.values()
        assert (str(file.id), file.name, file.type, file.content) == (ref, pdf.name, "PRESENTATION", body)
        assert (file.room_id, file.owner_id) == (1, None)
        assert sim.documents_of(created.ref) == [{"name": pdf.name, "url": None, "bytes": len(body)}]
        await connector.attach(created.ref, Document("a.png", "image/png", b"png"))
        await connector.attach(created.ref, Document("a.mp4", "video/mp4", b"mp4"))
        assert [one.type for one in sim.files.values()] == ["PRESENTATION", "IMAGE", "VIDEO"]

    @pytest.mark.parametrize("resource", ["file.add", "file.move"])
    @pytest.mark.parametrize("kind", ["500_before", "500_after", "reset_after", "garbage"])
    async def test_a_document_of_unknown_outcome_is_not_uploaded_twice(
        self, connector: Connector, sim: OpenMeetingsSimulator, resource: str, kind: str
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        slides = Document("slides.pdf", "application/pdf", b"%PDF")
        sim.faults.add(Fault(kind, resource=resource))
        with pytest.raises(UnknownOutcome):
            await connector.attach(created.ref, slides)
        ref = await connector.attach(created.ref, slides)
        assert await connector.attach(created.ref, slides) == ref
        assert [(str(one.id), one.room_id) for one in sim.files.values()] == [(ref, 1)]

    async def test_a_server_without_converters_stores_the_document_all_the_same(
        self, connector: Connector, sim: OpenMeetingsSimulator
    ) -> None:
        created = await connector.create(MEETING, MARKER, mail=False)
        sim.options.converters = False
        with pytest.raises(UnknownOutcome, match="soffice"):
            await connector.attach(created.ref, Document("a.odt", "application/odt", b"odt"))
        await connector.attach(created.ref, Document("a.odt", "application/odt", b"odt"))
        assert len(sim.files) == 1

    async def test_a_document_without_content_or_session_is_refused(
        self, make: Factory, sim: OpenMeetingsSimulator
    ) -> None:
        connector = make()
        created = await connector.create(MEETING, MARKER, mail=False)
        with pytest.raises(Refused, match="no content"):
            await connector.attach(created.ref, Document("a.pdf", "application/pdf", url="https://x.example/a.pdf"))
        slides = Document("a.pdf", "application/pdf", b"%PDF")
        with pytest.raises(WritesLocked):
            await make(locked=True).attach(created.ref, slides)
        sim.remove_session(1)
        with pytest.raises(Gone):
            await connector.attach(created.ref, slides)
        assert sim.files == {}
