"""The Onstream Meetings connector (API v2; a white label of Digital Samba OnSync).

Facts are from the Onstream API v2 document. The one to remember: PUT creates and POST edits, so a PUT sent twice
makes two sessions, and every call that names a person mails them unless it is told not to.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.base import VendorConnector, clear_text, wire_for
from connectors.settings import VendorPlugin, VendorSettings
from connectors.vendors import onstream_wire as wire_format
from connectors.vendors.onstream_api import CutShort, OnstreamApi
from connectors.vendors.onstream_recordings import media_or_note, note
from connectors.vendors.onstream_wire import ROLES, SessionRow
from connectors.vendors.onstream_zones import ZONES
from sync.errors import Refused, UnknownOutcome, Unreachable
from sync.model import (
    Artifact,
    Capabilities,
    Document,
    Finding,
    Invitee,
    Limits,
    Meeting,
    Participant,
    Session,
    Window,
)
from sync.ports import Connector, Download, Listing

MARKER_FIELD = "custom1"
SESSION_FIELDS = "id;topic;start_time;duration;timezone;session_link;custom_data"
CHECKED_SESSIONS = 5


class OnstreamSettings(VendorSettings):
    """`[vendors.<name>]` with type = "onstream".

    Onstream reads and writes times in the zone of the account's owner and never says which one that is.
    `timezone` names it by Onstream's own code (UTC, UM12 … UP14, UM95 = -9:30, UP575 = +5:45). The account's DST
    switch must be off: it adds an hour all year round, whatever the date. A wrong code moves every meeting;
    `convener check` can only compare it with what sessions show. `experimental` allows the calls that Onstream's
    document says not to use in production yet: those for documents.
    """

    type: Literal["onstream"]
    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)
    api_version: int = Field(default=2, ge=1)
    timezone: str = "UTC"
    experimental: bool = False

    @field_validator("timezone")
    @classmethod
    def _zone_code(cls, value: str) -> str:
        if value not in ZONES:
            raise ValueError(f"not an Onstream zone code; there are {', '.join(ZONES)}")
        return value


class OnstreamConnector(VendorConnector):
    """One Onstream account. See `sync.ports.Connector` for what each method promises."""

    capabilities = Capabilities(
        name="Onstream",
        session="scheduled",
        marker="metadata",
        holds=frozenset({"title", "start", "end"}),
        update=frozenset({"title", "start", "end"}),
        create_invites=True,
        vendor_mail=True,
        personal_links=True,
        recordings_pull=True,
        documents_push=True,
        documents_by_url=True,
        limits=Limits(whole_minutes=True, min_minutes=1),
    )

    def __init__(self, api: OnstreamApi, *, url: str, zone: str, experimental: bool) -> None:
        self.capabilities = replace(self.capabilities, documents_push=experimental)
        self._api = api
        self._zone = zone
        self._url = url

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in, and compare the zone of the newest sessions with the configured one."""
        await self._api.verify()
        findings = list(clear_text(self._url))
        paging = ("count", CHECKED_SESSIONS, "offset", 0, "order", "desc", "return", "id;timezone")
        newest = await self._api.read(wire_format.session_rows, "sessions", *paging) or []
        others = sorted({row.timezone[:20] for row in newest if row.timezone and row.timezone != self._zone})
        if others:
            seen = ", ".join(others)
            findings.append(
                Finding("zone-mismatch", f'sessions show the zone {seen}, timezone is "{self._zone}": times may be off')
            )
        return tuple(findings)

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """One PUT session with the participants in it (section "PUT session")."""
        data: dict[str, Any] = {
            "topic": meeting.title,
            **wire_format.times(meeting, self._zone),
            "custom_data": [{MARKER_FIELD: marker}],
        }
        if meeting.participants:
            data["invited_participants"] = [wire_format.person(one, mail=mail) for one in meeting.participants]
        return Session(ref=await self._api.create("session", data, located=True))

    async def get(self, ref: str) -> Session | None:
        """The session with its join link, or None."""
        row = await self._row(_number(ref))
        return row.session(self._zone) if row else None

    async def find(self, marker: str) -> tuple[Session, ...]:
        """All sessions with the marker in custom1, oldest first.

        There is no search: all sessions are looked at. Paging by offset skips rows when others are deleted
        meanwhile, and a 404 stands for "none" as well as for trouble on the way: absence is concluded only
        from two looks and, when nothing at all was listed, from an account that is let in.
        """
        rows = await self._look()
        if found := await self._with_marker(rows, marker):
            return found
        return await self._with_marker(await self._look(), marker)

    async def list(self, window: Window) -> Listing:
        """The sessions that overlap the window. Read twice: only what kept still is complete."""
        try:
            first, rows = await self._look(), await self._look()
            complete = first.keys() <= rows.keys()
        except CutShort as cut:
            rows, complete = cut.rows, False
        near = {number: row for number, row in rows.items() if _overlaps(row.session(self._zone), window)}
        return Listing(await self._sessions(near), complete)

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """POST session with what changed, never with participants: a list of them would replace the present one."""
        data: dict[str, Any] = {}
        if "title" in changed:
            data["topic"] = meeting.title
        if changed & {"start", "end"}:
            data |= wire_format.times(meeting, self._zone)
        if data:
            await self._api.edit("session", {"id": _number(ref), **data})

    async def delete(self, ref: str) -> None:
        """DELETE session; the id is in the path too, because some proxies drop the body of a DELETE."""
        number = _number(ref)
        await self._api.remove("session", {"id": number}, "id", number)

    async def invitees(self, ref: str) -> tuple[Invitee, ...]:
        """Everybody, with personal links (section "GET invitees"); nobody is a 404."""
        found = await self._api.read_twice(wire_format.invitees, "invitees", "id", _number(ref), "role", "all")
        return found or ()

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """PUT invitee; the answer's id is the user's (section "PUT invitee"), the link needs `invitees`."""
        person = wire_format.person(participant, mail=mail)
        user = await self._api.create("invitee", {"session_id": _number(ref), **person})
        return Invitee(ref=user, email=participant.email, role=participant.role, name=participant.name)

    async def change_role(self, ref: str, invitee: str, participant: Participant) -> None:
        """POST invitee, which mails by default (section "POST invitee")."""
        data = {
            "session_id": _number(ref),
            "user_id": _number(invitee),
            "role": ROLES[participant.role],
            "send_email_invitation": False,
        }
        await self._api.edit("invitee", data)

    async def uninvite(self, ref: str, invitee: str) -> None:
        """DELETE invitee, parameters in the body only (section "DELETE invitee")."""
        await self._api.remove("invitee", {"session_id": _number(ref), "user_id": _number(invitee)})

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """The session's recordings (section "GET recording(s)"); they appear some time after the meeting. A
        recording must not be missed because somebody in between said "none"."""
        number = _number(ref)
        rows = await self._api.read_all_or_none(wire_format.recording_rows, "recordings", "session", number)
        mine = (row for row in rows.values() if row.session_id in (None, number))
        return tuple(row.recording(ref) for row in mine)

    def download(
        self, artifact: Artifact, *, start: int = 0, validator: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """The media that the recording's link answers with, else a document that refers to it."""
        vendor = self.capabilities.name
        if artifact.link is None:
            return nullcontext(note(artifact, vendor, more="it has no link yet"))
        return media_or_note(artifact, vendor, self._api.stream(artifact.link, start, validator), start=start)

    async def attach(self, ref: str, document: Document) -> str:
        """PUT file, which puts the address into the account's library, then PUT file_in_session (both experimental).
        The address is enough: Onstream shows what is there. A file that no session has is in nobody's way."""
        session = _number(ref)
        if not self.capabilities.documents_push:
            raise self._lacking("takes documents only by calls that its document calls experimental (see experimental)")
        if document.url is None:
            raise Refused(f"{document.name[:80]!r} has no address that Onstream could show")
        try:
            file = await self._api.create("file", wire_format.file(document.url, document.name))
        except UnknownOutcome as error:
            raise Unreachable(str(error)) from error
        await self._api.create("file_in_session", {"file_id": file, "session_id": session, "is_auto_opening": 0})
        return file

    async def _row(self, number: int) -> SessionRow | None:
        rows = await self._api.read_twice(wire_format.session_rows, "session", "id", number)
        if not rows:
            return None
        if rows[0].id != number or len(rows) > 1:
            raise Unreachable(f"session {number}: the server answers with another one")
        return rows[0]

    async def _look(self) -> dict[int, SessionRow]:
        """All sessions, newest first because offsets shift least there."""
        rows = await self._api.read_all(wire_format.session_rows, "sessions", "return", SESSION_FIELDS)
        if not rows:
            await self._api.verify()
        return rows

    async def _with_marker(self, rows: dict[int, SessionRow], marker: str) -> tuple[Session, ...]:
        return tuple(session for session in await self._sessions(rows) if session.marker == marker)

    async def _sessions(self, rows: dict[int, SessionRow]) -> tuple[Session, ...]:
        """The rows in convener's terms, oldest first; those without custom_data are looked up one by one."""
        sessions = []
        for number, listed in sorted(rows.items()):
            row = listed if listed.says_custom_data else await self._row(number)
            if row:
                sessions.append(row.session(self._zone))
        return tuple(sessions)


def connect(settings: OnstreamSettings, locked: bool) -> Connector:
    """A connector for the account; a locked one cannot write."""
    secret = settings.password.get_secret_value()
    wire = wire_for(settings, locked, auth=(settings.username, secret))
    api = OnstreamApi(wire, url=settings.url, version=settings.api_version, username=settings.username, secret=secret)
    return OnstreamConnector(api, url=settings.url, zone=settings.timezone, experimental=settings.experimental)


plugin = VendorPlugin(OnstreamSettings, connect, OnstreamConnector.capabilities)


def _number(ref: str) -> int:
    """Onstream's ids are numbers. Raises Refused for anything else, before it gets anywhere."""
    if not (ref.isascii() and ref.isdigit()):
        raise Refused(f"{ref[:40]!r} is not an Onstream id, which is a number")
    return int(ref)


def _overlaps(session: Session, window: Window) -> bool:
    return session.start is None or session.end is None or window.overlaps(session.start, session.end)
