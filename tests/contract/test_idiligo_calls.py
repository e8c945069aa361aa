"""What is special about Idiligo: calls and their public ids, values, the one guest, documents."""

from typing import Any, get_args

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.media import Resumes
from sync.errors import Gone, Refused, UnknownOutcome, Unreachable
from sync.model import Artifact, Document, Participant, Role
from sync.ports import Connector, Unfindable
from tests.contract.connector import everything_said
from tests.contract.connector_base import MARKER, PEOPLE, ConnectorFixtures, Factory, a_meeting
from tests.contract.downloads import (
    a_whole_that_is_asked_for_more_comes_again,
    another_version_begins_anew,
    breaks_anywhere,
    content,
)
from tests.contract.test_idiligo import GUEST, PAPER, IdiligoBase

Sim = IdiligoSimulator
TITLE = frozenset({"title"})


def called(sim: Sim) -> list[str]:
    return [entry.resource for entry in sim.requests]


class TestCalls(IdiligoBase, ConnectorFixtures):
    async def test_a_create_is_a_call_and_its_public_id_and_all_of_it_is_posted(
        self, connector: Connector, sim: Sim, url: str
    ) -> None:
        created = await connector.create(a_meeting(participants=(GUEST,)), MARKER, mail=True)
        (call,) = sim.calls.values()
        assert (created.ref, call.traject, call.contact, call.values) == (str(call.id), "intake", None, {})
        assert created.join_url == f"{url}/client?id=" + call.public_ids[0].replace("/", "%2F").replace(
            "+", "%2B"
        ).replace("=", "%3D")
        assert called(sim) == ["Login", "CreateCall", "GetPublicCallId"]
        assert {entry.method for entry in sim.requests} == {"POST"}
        assert (created.title, created.start, created.marker) == (None, None, None)

    async def test_nothing_is_ever_sent_by_get(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(participants=(GUEST,)), MARKER, mail=False)
        ref = created.ref
        await connector.update(ref, a_meeting(), TITLE, join_url=created.join_url)
        await connector.invite(ref, GUEST, mail=False)
        await connector.attach(ref, PAPER)
        await connector.host_link(ref)
        await connector.artifacts(ref)
        await connector.check()
        assert {entry.method for entry in sim.requests} == {"POST"}
        assert {entry.status for entry in sim.requests} == {200}

    @pytest.mark.parametrize("kind", ["500_before", "reset_after", "garbage", "empty", "429", "401_before"])
    async def test_a_call_whose_link_is_not_given_is_made_nevertheless(
        self, connector: Connector, sim: Sim, kind: str
    ) -> None:
        sim.faults.add(Fault(kind, resource="GetPublicCallId"))
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert created.join_url is None
        assert called(sim).count("GetPublicCallId") == 1
        got = await connector.get(created.ref)
        assert got is not None
        assert got.join_url is not None
        assert got.ref == created.ref

    @pytest.mark.parametrize("kind", ["500_before", "503_before", "reset_after", "garbage", "empty", "truncate"])
    async def test_a_link_that_is_not_given_is_never_an_unknown_outcome(
        self, connector: Connector, sim: Sim, kind: str
    ) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for resource, ask in (("GetPublicCallId", connector.get), ("GetAgentUrl", connector.host_link)):
            before = len(sim.requests)
            sim.faults.add(Fault(kind, resource=resource))
            with pytest.raises(Unreachable):
                await ask(created.ref)
            assert len(sim.requests) - before == 1

    async def test_the_public_id_is_asked_for_by_nothing_but_create_and_get(
        self, connector: Connector, sim: Sim
    ) -> None:
        created = await connector.create(a_meeting(participants=(GUEST,)), MARKER, mail=False)
        ref = created.ref
        for number in range(2):
            await connector.update(ref, a_meeting(f"No. {number}"), TITLE, join_url=created.join_url)
        await connector.invite(ref, GUEST, mail=False)
        await connector.host_link(ref)
        await connector.artifacts(ref)
        (call,) = sim.calls.values()
        assert len(call.public_ids) == 1
        again = await connector.get(ref)
        assert again is not None
        assert again.join_url != created.join_url
        with pytest.raises(UnknownOutcome, match="no such call"):
            await connector.update(ref, a_meeting("Late"), TITLE, join_url=created.join_url)
        await connector.update(ref, a_meeting("Late"), TITLE, join_url=again.join_url)

    async def test_an_unknown_call_is_an_error_and_never_gone(self, connector: Connector, sim: Sim) -> None:
        calls = (
            lambda: connector.get("987654"),
            lambda: connector.host_link("987654"),
            lambda: connector.artifacts("987654"),
        )
        for call in calls:
            with pytest.raises(Refused, match="There is no call 987654, says …") as caught:
                await call()
            assert not isinstance(caught.value, Gone)
        sim.faults.add(Fault("404_before", resource="GetPublicCallId"), Fault("404_before", resource="SetContact"))
        ref = str(sim.add_session())
        for ask in (connector.get(ref), connector.invite(ref, GUEST, mail=False)):
            with pytest.raises(Refused, match="server's root") as caught:
                await ask
            assert not isinstance(caught.value, Gone)

    @pytest.mark.parametrize("ref", ["", "../1", "-1", "1?a=b", "²", "1" * 20, "1\n"])
    async def test_a_ref_that_is_no_number_is_refused_before_anything_is_sent(
        self, connector: Connector, sim: Sim, ref: str
    ) -> None:
        calls = (
            connector.get(ref),
            connector.update(ref, a_meeting(), TITLE, join_url="http://x/client?id=1"),
            connector.invite(ref, GUEST, mail=False),
            connector.host_link(ref),
            connector.artifacts(ref),
            connector.attach(ref, PAPER),
        )
        for call in calls:
            with pytest.raises(Refused, match="is not an Idiligo call id"):
                await call
        assert sim.requests == []

    async def test_what_idiligo_cannot_do_is_said(self, connector: Connector, sim: Sim) -> None:
        assert isinstance(await connector.find(MARKER), Unfindable)
        assert isinstance(await connector.invitees("1"), Unfindable)
        for call in (connector.delete("1"), connector.uninvite("1", "2"), connector.change_role("1", "2", GUEST)):
            with pytest.raises(Refused, match=r"^Idiligo cannot"):
                await call
        assert sim.requests == []


class TestValues(IdiligoBase, ConnectorFixtures):
    async def test_all_values_are_set_whatever_changed(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        for guest, name in ((GUEST, "Grace Hopper"), (None, "")):
            meeting = a_meeting("R&D, a=b", participants=(guest,) if guest else ())
            await connector.update(created.ref, meeting, frozenset({"participant"}), join_url=created.join_url)
            (call,) = sim.calls.values()
            assert call.values == {"customer": name, "about": "R&D, a=b at 2026-12-01T12:00:00Z"}
        assert sim.writes[-1].params["names"] == ["customer", "about"]

    async def test_every_field_has_its_text(self, make: Factory, sim: Sim) -> None:
        fields = ["title", "description", "start", "end", "organizer.name", "organizer.email"]
        fields += ["participant.name", "participant.email", "url"]
        connector = make(values={field: f"{{{{{field}}}}}={{{field}}}" for field in fields})
        created = await connector.create(a_meeting(), MARKER, mail=False)
        meeting = a_meeting(
            "{title}",
            minutes=90,
            participants=(GUEST,),
            organizer="ada@example.com",
            organizer_name="Ada",
            description="line 1\nline 2",
        )
        await connector.update(created.ref, meeting, TITLE, join_url=created.join_url)
        (call,) = sim.calls.values()
        expected = ["{title}", "line 1\nline 2", "2026-12-01T12:00:00Z", "2026-12-01T13:30:00Z", "Ada"]
        expected += ["ada@example.com", "Grace Hopper", "grace@example.com", str(created.join_url)]
        assert call.values == {field: f"{{{field}}}={text}" for field, text in zip(fields, expected, strict=True)}

    @pytest.mark.parametrize(
        ("values", "held"),
        [
            ({}, set()),
            ({"a": "constant"}, {"title"}),
            ({"a": "{url}"}, {"title"}),
            ({"a": "{organizer.email} {organizer.name}", "b": "{end}"}, {"organizer", "end"}),
            ({"a": "{participant.name}{description}{start}{{title}}"}, {"participant", "description", "start"}),
        ],
    )
    async def test_what_a_call_holds_is_what_its_values_use(
        self, make: Factory, values: dict[str, str], held: set[str]
    ) -> None:
        capabilities = make(values=values).capabilities
        assert capabilities.holds == capabilities.update == capabilities.set_after_create == held

    async def test_nothing_is_sent_without_values_or_changes(self, make: Factory, sim: Sim) -> None:
        await make(values={}).update("1", a_meeting(), TITLE, join_url=None)
        await make().update("1", a_meeting(), frozenset(), join_url=None)
        assert sim.requests == []

    async def test_values_wait_for_the_public_id(self, connector: Connector, sim: Sim) -> None:
        for link in (None, ""):
            with pytest.raises(Unreachable, match="public id is not known yet"):
                await connector.update("1", a_meeting(), TITLE, join_url=link)
        with pytest.raises(Refused, match="not made from client_url"):
            await connector.update("1", a_meeting(), TITLE, join_url="https://elsewhere.example/client?id=7")
        assert sim.requests == []

    async def test_the_link_follows_its_template_there_and_back(self, make: Factory, sim: Sim) -> None:
        connector = make(client_url="https://old.example/{{x}}/{public_id}/go", values={"link": "{url}"})
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert str(created.join_url).startswith("https://old.example/{x}/")
        await connector.update(created.ref, a_meeting(), TITLE, join_url=created.join_url)
        (call,) = sim.calls.values()
        assert call.values == {"link": created.join_url}

    async def test_markup_in_values_and_names_is_made_harmless(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.invite(created.ref, Participant("x@example.com", "<b>Bo &#60; 1<2"), mail=False)
        meeting = a_meeting("<script>1 < 2 && a<b</script>", participants=(GUEST,))
        await connector.update(created.ref, meeting, TITLE, join_url=created.join_url)
        (call,), (contact,) = sim.calls.values(), sim.contacts.values()
        assert call.values["about"] == "‹script>1 < 2 && a‹b‹/script> at 2026-12-01T12:00:00Z"
        assert (contact.first_name, contact.last_name) == ("‹b>Bo", "＆#60; 1<2")


class TestPeopleAndDocuments(IdiligoBase, ConnectorFixtures):
    async def test_a_new_guest_replaces_the_former(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        refs = [(await connector.invite(created.ref, one, mail=False)).ref for one in (GUEST, Participant("j@x.org"))]
        (call,) = sim.calls.values()
        assert str(call.contact) == refs[1]
        people = [(one.email, one.first_name, one.last_name) for one in sim.contacts.values()]
        assert people == [("grace@example.com", "Grace", "Hopper"), ("j@x.org", "j", "")]
        invited = await connector.invite(created.ref, PEOPLE[0], mail=False)
        assert (invited.role, invited.personal_link) == (Role.PARTICIPANT, None)

    async def test_the_hosts_way_in_is_made_on_demand_and_never_shown(self, make: Factory, sim: Sim) -> None:
        connector = make(return_url="https://crm.example/back?a=b&c")
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert "GetAgentUrl" not in called(sim)
        link = await connector.host_link(created.ref)
        assert link.endswith("returnUrl=https%3A%2F%2Fcrm.example%2Fback%3Fa%3Db%26c")
        assert sim.requests[-1].params == {
            "token": "…",
            "callId": created.ref,
            "returnUrl": "https://crm.example/back?a=b&c",
        }
        await make(return_url="").host_link(created.ref)
        assert sim.requests[-1].params["returnUrl"] == ""
        ticket = link.partition("ticket=")[2].partition("&")[0]
        assert ticket not in repr(connector) + repr(created)

    async def test_a_document_goes_to_its_node(self, connector: Connector, sim: Sim) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        ref = await connector.attach(created.ref, PAPER)
        assert sim.documents[int(ref)] == {"url": PAPER.url, "filename": PAPER.name, "externalId": "contract"}
        assert sim.calls[int(created.ref)].uploads == {"contract": int(ref)}
        assert sim.documents_of(created.ref) == [{"name": PAPER.name, "url": PAPER.url, "bytes": None}]
        again = await connector.attach(created.ref, PAPER)
        assert sim.calls[int(created.ref)].uploads == {"contract": int(again)}

    async def test_a_document_without_address_or_node_is_refused(self, make: Factory, sim: Sim) -> None:
        with pytest.raises(Refused, match="no address"):
            await make().attach("1", Document("a.pdf", "application/pdf", b"content"))
        unable = make(upload_node=None)
        assert not unable.capabilities.documents_push
        with pytest.raises(Refused, match="upload_node"):
            await unable.attach("1", PAPER)
        assert sim.requests == []

    async def test_attachments_are_listed_and_downloaded_from_their_present_address(
        self, connector: Connector, sim: Sim
    ) -> None:
        call = sim.add_session()
        assert await connector.artifacts(str(call)) == ()
        sim.add_attachment(call, "Report & more.pdf", "the report", preview="x")
        (found,) = await connector.artifacts(str(call))
        assert (found.kind, found.name, found.ready) == ("document", "Report & more.pdf", True)
        assert (found.more, found.status) == ("", "SignStatus 0")
        assert found.link is not None
        assert found.link not in repr(found)
        assert await content(connector, found) == b"the report"

    async def test_what_waits_for_a_signature_is_there_now_and_again_when_it_is_signed(
        self, connector: Connector, sim: Sim
    ) -> None:
        call = sim.add_session()
        number = sim.add_attachment(call, "Contract.pdf", "the contract", sign=True)
        (waiting,) = await connector.artifacts(str(call))
        assert (waiting.ready, waiting.more) == (True, "it waits for a signature")
        assert waiting.status == "SignStatus 1"
        assert await content(connector, waiting) == b"the contract"
        sim.sign(call, number, "the contract, signed")
        (signed,) = await connector.artifacts(str(call))
        assert (signed.ref, signed.ready, signed.more, signed.status) == (waiting.ref, True, "", "SignStatus 2")
        assert await content(connector, signed) == b"the contract, signed"

    @pytest.mark.parametrize("resumes", get_args(Resumes))
    async def test_an_attachment_that_breaks_off_anywhere_is_gone_on_with(
        self, connector: Connector, sim: Sim, resumes: Resumes
    ) -> None:
        sim.options.resumes = resumes
        call, paper = sim.add_session(), "0123456789" * 500
        number = sim.add_attachment(call, content=paper)
        (found,) = await connector.artifacts(str(call))
        await breaks_anywhere(connector, found, sim, "file", paper.encode())
        if resumes == "never":
            return
        await a_whole_that_is_asked_for_more_comes_again(connector, found, paper.encode())

        def change() -> bytes:
            sim.change_attachment(call, number, paper[::-1])
            return paper[::-1].encode()

        await another_version_begins_anew(connector, found, sim, "file", change, 3000)

    async def test_an_attachment_that_ended_or_lies_in_a_private_place_is_not_downloaded(
        self, connector: Connector, sim: Sim
    ) -> None:
        call = sim.add_session()
        sim.add_attachment(call, url="http://192.168.0.1/secret")
        (inside,) = await connector.artifacts(str(call))
        with pytest.raises(Refused, match="private address"):
            await content(connector, inside)
        with pytest.raises(Gone):
            await content(connector, Artifact("document", "1", str(call)))

    @pytest.mark.parametrize("kind", ["500_before", "503_before", "reset_before", "truncate", "garbage", "empty"])
    async def test_a_listing_that_fails_is_never_empty(self, make: Factory, sim: Sim, kind: str) -> None:
        call = str(sim.add_session())
        connector = make(timeout="1s")
        sim.faults.add(Fault(kind, resource="GetAttachments", times=99))
        with pytest.raises(Unreachable) as caught:
            await connector.artifacts(call)
        assert "asmx" not in everything_said(caught.value)
        sim.faults.clear()
        sim.faults.add(Fault(kind, resource="GetAttachments"))
        if kind not in ("garbage", "empty"):
            assert await connector.artifacts(call) == ()

    async def test_a_document_without_a_node_in_the_script_stays_where_it_was_put(
        self, connector: Connector, sim: Sim
    ) -> None:
        sim.options.upload_nodes = ()
        ref = str(sim.add_session())
        with pytest.raises(UnknownOutcome, match="SetDocumentToUploadAction"):
            await connector.attach(ref, PAPER)
        assert len(sim.documents) == 1
        assert sim.calls[int(ref)].uploads == {}


def test_the_service_mails_nobody() -> None:
    sim: Any = IdiligoSimulator()
    assert sim.mails == []
