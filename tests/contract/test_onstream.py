"""The Onstream connector against its stand-in: the common suite, and what is special about this vendor."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.simulators.faults import Fault
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread
from connectors.vendors import onstream_api, onstream_wire
from connectors.vendors.onstream import OnstreamSettings, plugin
from connectors.vendors.onstream_wire import Unreadable
from connectors.vendors.onstream_zones import ZONES
from sync.errors import CredentialsRefused, Refused, Unreachable
from sync.model import Participant, Role, Window
from sync.ports import Connector
from tests.contract.connector_base import MARKER, NOON, PEOPLE, BasicSuite, ConnectorFixtures, Factory, a_meeting
from tests.contract.connector_suite import ConnectorSuite

USERNAME = "acme & søn"
PASSWORD = "p4ss:wörd/&"
DAY = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12))


def settings(url: str, **more: Any) -> OnstreamSettings:
    given = {"type": "onstream", "url": url, "username": USERNAME, "password": PASSWORD}
    return OnstreamSettings.model_validate(given | more)


class OnstreamBase:
    """The fixtures for both kinds of tests."""

    session_resource = "session"
    invitee_resource = "invitee"
    look_resource = "sessions"
    secrets = (PASSWORD,)

    @pytest.fixture
    def sim(self) -> OnstreamSimulator:
        return OnstreamSimulator(USERNAME, PASSWORD)

    def new_connector(self, url: str, *, locked: bool, timeout: str, **more: Any) -> Connector:
        return plugin.connect(settings(url, timeout=timeout, **more), locked)


class TestOnstream(OnstreamBase, ConnectorSuite):
    """The common suite."""

    def all_secrets(self, sim: OnstreamSimulator) -> tuple[str, ...]:
        links = [one.personal_session_link for session in sim.sessions.values() for one in session.invitees]
        return (*self.secrets, *links)


class TestOnstreamWithOtherManners(OnstreamBase, BasicSuite):
    """A server that gives two rows at most, in another shape, and no custom_data in lists."""

    @pytest.fixture
    def sim(self) -> OnstreamSimulator:
        return OnstreamSimulator(USERNAME, PASSWORD, max_count=2, shape="bare", list_custom_data=False)


class TestOnstreamAlone(OnstreamBase, ConnectorFixtures):
    """What is special about Onstream."""

    # Requests

    async def test_a_create_is_exactly_one_put(self, connector: Connector, sim: OnstreamSimulator) -> None:
        await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        (request,) = sim.requests
        assert (request.method, request.resource, request.status) == ("PUT", "session", 201)
        assert request.params["custom_data"] == [{"custom1": MARKER}]
        assert [one["send_email_invitation"] for one in request.params["invited_participants"]] == [False] * 3
        assert request.params["invited_participants"][0] == {
            "email": "ada@example.com",
            "first_name": "Ada",
            "last_name": "King Lovelace",
            "role": 1,
            "send_email_invitation": False,
        }

    async def test_a_meeting_without_people_sends_no_list_of_them(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        await connector.create(a_meeting(), MARKER, mail=True)
        assert "invited_participants" not in sim.requests[0].params

    async def test_an_edit_never_sends_participants_and_only_what_changed(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        moved = a_meeting("New", start=NOON + timedelta(hours=2), minutes=30, participants=PEOPLE)
        await connector.update(created.ref, moved, frozenset({"title"}))
        await connector.update(created.ref, moved, frozenset({"end"}))
        title, time = (entry.params for entry in sim.writes[1:])
        assert title == {"id": 1, "topic": "New"}
        assert time == {"id": 1, "start_time": "2026-12-01 14:00:00", "duration": 30, "timezone": "UTC"}
        assert len(sim.invitees(1)) == 3

    async def test_a_role_change_forbids_the_mail_that_is_the_default(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        await connector.change_role(created.ref, "1", Participant("ada@example.com", role=Role.OBSERVER))
        assert sim.writes[-1].params == {"session_id": 1, "user_id": 1, "role": 3, "send_email_invitation": False}

    async def test_a_delete_names_the_id_in_path_and_body(self, connector: Connector, sim: OnstreamSimulator) -> None:
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        assert sim.writes[-1].params == {"id": 1}
        assert not sim.sessions

    @pytest.mark.parametrize(("seconds", "minutes"), [(0, 1), (1, 1), (60, 1), (61, 2), (5400, 90), (-60, 1)])
    async def test_durations_are_whole_minutes_rounded_up(
        self, connector: Connector, sim: OnstreamSimulator, seconds: int, minutes: int
    ) -> None:
        await connector.create(a_meeting(minutes=seconds / 60), MARKER, mail=False)
        assert sim.sessions[1].duration == minutes

    @pytest.mark.parametrize(
        ("code", "wall"),
        [
            ("UTC", "2026-12-01 12:00:00"),
            ("UP1", "2026-12-01 13:00:00"),
            ("UM95", "2026-12-01 02:30:00"),
            ("UP575", "2026-12-01 17:45:00"),
            ("UP1275", "2026-12-02 00:45:00"),
            ("UM12", "2026-12-01 00:00:00"),
            ("UP14", "2026-12-02 02:00:00"),
        ],
    )
    async def test_times_go_out_and_come_back_in_the_accounts_zone(
        self, make: Factory, sim: OnstreamSimulator, code: str, wall: str
    ) -> None:
        sim.options.timezone = code
        connector = make(timezone=code)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert sim.sessions[1].start_time == wall
        assert sim.writes[0].params["timezone"] == code
        got = await connector.get(created.ref)
        assert got is not None
        assert (got.start, got.end) == (NOON, NOON + timedelta(hours=1))
        assert await connector.check() == ()

    # Looking

    @pytest.mark.parametrize("max_count", [None, 1, 7])
    async def test_every_session_is_seen_whatever_the_server_gives_at_once(
        self, connector: Connector, sim: OnstreamSimulator, max_count: int | None
    ) -> None:
        sim.options.max_count = max_count
        oldest = sim.add_session(topic="Oldest", custom_data={"custom1": MARKER})
        for number in range(15 if max_count else 205):
            sim.add_session(custom_data={"custom1": f"other-{number}"})
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [str(oldest.id)]
        listing = await connector.list(DAY)
        assert len(listing.sessions) == len(sim.sessions)
        assert listing.complete

    async def test_paging_that_does_not_advance_is_no_proof_of_absence(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.paging = False
        sim.add_session()
        with pytest.raises(Unreachable, match="does not advance"):
            await connector.find(MARKER)
        listing = await connector.list(DAY)
        assert (len(listing.sessions), listing.complete) == (1, False)

    async def test_paging_without_end_is_no_proof_of_absence(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(onstream_api, "MAX_PAGES", 2)
        sim.options.max_count = 1
        for _ in range(3):
            sim.add_session()
        with pytest.raises(Unreachable, match="more than 2 pages"):
            await connector.find(MARKER)
        assert not (await connector.list(DAY)).complete

    async def test_a_404_on_the_way_is_not_taken_for_the_end(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.max_count = 1
        sim.add_session(custom_data={"custom1": MARKER})
        for _ in range(3):
            sim.add_session()
        for after in (0, 2):
            sim.faults.add(Fault("404_before", resource="sessions", after=after))
            found = await connector.find(MARKER)
            assert isinstance(found, tuple)
            assert len(found) == 1
        sim.faults.add(Fault("404_before", resource="sessions", after=7))  # in the second look
        assert not (await connector.list(DAY)).complete

    async def test_no_sessions_is_believed_only_of_an_account_that_is_let_in(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.authenticated = 0
        with pytest.raises(CredentialsRefused):
            await connector.find(MARKER)
        sim.options.authenticated = 1
        sim.faults.add(Fault("404_before", resource="authverify", times=9))
        with pytest.raises(Refused):
            await connector.find(MARKER)

    @pytest.mark.parametrize("shape", ["list", "sessions", "sessions.session", "session", "bare"])
    @pytest.mark.parametrize("custom_shape", ["object", "list", "text"])
    async def test_all_known_shapes_of_answers_are_read(
        self, connector: Connector, sim: OnstreamSimulator, shape: Any, custom_shape: Any
    ) -> None:
        sim.options.shape, sim.options.custom_shape = shape, custom_shape
        created = await connector.create(a_meeting("One"), MARKER, mail=False)
        for _ in range(2):
            got = await connector.get(created.ref)
            assert got is not None
            assert (got.title, got.marker, got.start) == ("One", MARKER, NOON)
            assert await connector.find(MARKER) == (got,)
            sim.add_session()

    async def test_custom_data_that_lists_leave_out_is_looked_up(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.options.list_custom_data = False
        sim.add_session()
        created = await connector.create(a_meeting(), MARKER, mail=False)
        found = await connector.find(MARKER)
        assert isinstance(found, tuple)
        assert [one.ref for one in found] == [created.ref]

    async def test_titles_come_back_as_the_server_says_them(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.escape_topics = True
        created = await connector.create(a_meeting("R&D"), MARKER, mail=False)
        got = await connector.get(created.ref)
        assert got is not None
        assert got.title == "R&amp;D"

    async def test_gone_is_as_good_as_not_found(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.gone_status = 410
        created = await connector.create(a_meeting(), MARKER, mail=False)
        await connector.delete(created.ref)
        await connector.delete(created.ref)
        assert await connector.get(created.ref) is None
        assert await connector.invitees(created.ref) == ()

    async def test_an_id_that_is_no_number_is_refused_before_anything_is_sent(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        for ref in ("1/../2", "", "-1", "²"):
            for call in (connector.get(ref), connector.delete(ref), connector.recordings(ref)):
                with pytest.raises(Refused):
                    await call
        assert sim.requests == []

    # Answers to writes

    async def test_the_id_of_a_new_session_may_be_in_the_location_only(
        self, connector: Connector, sim: OnstreamSimulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(onstream_wire, "new_id", lambda body: None)
        created = await connector.create(a_meeting(), MARKER, mail=False)
        assert created.ref == "1"

    async def test_a_refusal_says_why_in_one_line(self, connector: Connector, sim: OnstreamSimulator) -> None:
        with pytest.raises(Refused, match=r"answered 400: topic is required$") as caught:
            await connector.create(a_meeting("  "), MARKER, mail=False)
        assert caught.value.status == 400
        sim.options.duplicate_invitee = "conflict"
        created = await connector.create(a_meeting(participants=PEOPLE), MARKER, mail=False)
        with pytest.raises(Refused, match="already invited"):
            await connector.invite(created.ref, PEOPLE[0], mail=False)

    async def test_inviting_an_address_twice_shows_as_two_entries(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        created = await connector.create(a_meeting(participants=PEOPLE[:1]), MARKER, mail=False)
        await connector.invite(created.ref, PEOPLE[0], mail=False)
        people = await connector.invitees(created.ref)
        assert isinstance(people, tuple)
        assert [one.email for one in people] == ["ada@example.com"] * 2

    # Recordings

    async def test_recordings_of_the_session_and_no_others(self, connector: Connector, sim: OnstreamSimulator) -> None:
        sim.options.max_count = 2
        for session in (1, 2, 1, 1):
            sim.add_recording(session, title=f"Of {session}")
        assert await connector.recordings("3") == ()
        found = await connector.recordings("1")
        assert [one.ref for one in found] == ["1", "3", "4"]
        assert found[0].duration == 25.88
        assert found[0].created == datetime(2026, 12, 1, 10, 0, tzinfo=UTC)
        assert found[0].link is not None
        assert found[0].link not in repr(found[0])

    # Check

    async def test_another_zone_than_the_configured_one_is_a_finding(
        self, connector: Connector, sim: OnstreamSimulator
    ) -> None:
        sim.add_session(timezone="UP2")
        (finding,) = await connector.check()
        assert finding.code == "zone-mismatch"
        assert "UP2" in finding.message

    @pytest.mark.parametrize("answer", [0, False, "0", "false"])
    async def test_authverify_may_deny_with_a_200(
        self, connector: Connector, sim: OnstreamSimulator, answer: Any
    ) -> None:
        sim.options.authenticated = answer
        with pytest.raises(CredentialsRefused):
            await connector.check()

    async def test_a_wrong_api_version_is_reported(self, make: Factory) -> None:
        with pytest.raises(Refused):
            await make(api_version=9).check()

    async def test_a_password_in_clear_text_is_a_finding(self) -> None:
        for url, expected in {
            "http://meet.example.com": True,
            "https://meet.example.com": False,
            "http://localhost:80": False,
            "http://[::1]:80": False,
            "http://192.0.2.1": True,
        }.items():
            connector: Any = plugin.connect(settings(url), True)
            assert connector._clear_text is expected
            await connector.close()


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
    "body", [b"", b"<html></html>", b'[{"id":', b'"text"', b'[{"topic":"no id"}]', b'[{"id":false}]']
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


# The stand-in itself


@contextmanager
def served(sim: OnstreamSimulator) -> Iterator[httpx.Client]:
    with serve_in_thread(sim.app) as server:
        base = f"{server.url}/api/2/{sim.username}/"
        with httpx.Client(base_url=base, auth=(sim.username, sim.password), trust_env=False) as client:
            yield client


def test_the_stand_in_is_as_strict_as_the_document() -> None:
    good = {"topic": "T", "duration": "60", "start_time": "2026-12-01 09:00:00"}
    sim = OnstreamSimulator()
    with served(sim) as client:
        for params, status in (
            (good, 201),
            ({**good, "duration": "abcd"}, 400),
            ({**good, "start_time": "2026-12-01T09:00:00Z"}, 400),
            ({**good, "start_time": "2026-13-01 09:00:00"}, 400),
            ({key: text for key, text in good.items() if key != "topic"}, 400),
        ):
            assert client.put("session", data=params).status_code == status
        raw = "input_type=json&rest_data=" + json.dumps({**good, "topic": "R&D"})
        assert client.put("session", content=raw).status_code == 400
        long = json.dumps({**good, "custom_data": [{"custom1": "x" * 201}]})
        assert client.put("session", data={"input_type": "json", "rest_data": long}).status_code == 400
        assert client.patch("session").status_code == 405
        assert client.put("recording").status_code == 405
        assert client.get("sessions/offset/abcd").status_code == 400
        assert client.get("recordings").status_code == 404
        assert client.get("nonsense").status_code == 404
        denied = client.get("authverify", auth=("acme", "no"))
        assert (denied.status_code, denied.headers["www-authenticate"][:5]) == (401, "Basic")
        assert client.get("session/id/1").text.startswith("<?xml")
        assert client.get("session/id/1/format/json").json()[0]["duration"] == "60"
        assert client.get("session/id/1", headers={"Accept": "application/json"}).json()[0]["id"] == "1"
        assert "topic" not in client.get("sessions/return/id;duration/format/json").json()[0]
    assert sim.changes == 1


def test_the_stand_in_mails_and_replaces_like_the_original() -> None:
    sim = OnstreamSimulator()
    people = [{"email": "a@example.com"}, {"email": "b@example.com", "send_email_invitation": False}]
    session = {"topic": "T", "duration": 60, "start_time": "2026-12-01 09:00:00", "invited_participants": people}
    with served(sim) as client:

        def call(method: str, resource: str, data: dict[str, Any]) -> int:
            form = {"input_type": "json", "rest_data": json.dumps(data)}
            return client.request(method, resource, data=form).status_code

        assert call("PUT", "session", session) == 201
        assert [(mail.email, mail.kind) for mail in sim.mails] == [("a@example.com", "PUT session")]
        assert call("POST", "session", {"id": 1, "invited_participants": people[1:]}) == 200
        assert [one.email for one in sim.invitees(1)] == ["b@example.com"]
        assert call("PUT", "invitee", {"session_id": 1, "email": "c@example.com"}) == 201
        assert call("POST", "invitee", {"session_id": 1, "user_id": sim.invitees(1)[0].id, "role": 1}) == 200
        assert [mail.kind for mail in sim.mails[1:]] == ["PUT invitee", "POST invitee"]
        assert call("PUT", "file", {"file_link": "https://x.example/a.pdf", "is_url": 1}) == 201
        assert call("PUT", "file_in_session", {"file_id": 1, "session_id": 1}) == 201
        assert sim.sessions[1].files == [1]


def test_the_stand_in_is_controlled_over_http() -> None:
    sim = OnstreamSimulator()
    with served(sim) as client:
        root = str(client.base_url).partition("/api")[0]
        seed = {"sessions": [{"topic": "Theirs"}], "recordings": [{"session_id": 1}]}
        assert client.post(f"{root}/_sim/seed", json=seed).status_code == 200
        assert client.post(f"{root}/_sim/faults", json=[{"kind": "500_before", "resource": "sessions"}]).is_success
        assert client.post(f"{root}/_sim/faults", json=[{"kind": "nonsense"}]).status_code == 400
        assert client.get("sessions").status_code == 500
        state = client.get(f"{root}/_sim/state").json()
        assert state["sessions"][0]["topic"] == "Theirs"
        assert state["requests"][0]["fault"] == "500_before"
        assert state["faults"] == []
        assert client.post(f"{root}/_sim/reset").is_success
        assert client.get(f"{root}/_sim/state").json()["sessions"] == []
