"""The livedigital connector (the "MoodHood" platform, also sold under other names).

Facts are from the platform's public guides (moodhoodhelp.github.io and the integration guides of livedigital and its
white labels). The ones to remember: a room has no time, PUT replaces all of its settings, and a personal link lives
five days at most, cannot be listed and cannot be taken back.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal

from connectors.base import VendorConnector, clear_text, wire_for
from connectors.settings import VendorPlugin
from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital_api import Found, LivedigitalApi
from connectors.vendors.livedigital_auth import Bearer, Grants, PersonalToken
from connectors.vendors.livedigital_hooks import verify
from connectors.vendors.livedigital_marks import Marks, NameMarks, RedirectMarks
from connectors.vendors.livedigital_records import Leavings
from connectors.vendors.livedigital_settings import LivedigitalSettings
from connectors.vendors.livedigital_space import SpaceFinder
from connectors.vendors.livedigital_wire import Room, Unreadable
from sync.errors import Gone, Refused, UnknownOutcome, Unreachable
from sync.model import (
    Artifact,
    Capabilities,
    Finding,
    Limits,
    Meeting,
    Participant,
    PersonalLink,
    Role,
    Session,
    Window,
    content_digest,
)
from sync.ports import Connector, Download, Listing, Unfindable

HOST = "Host"
HOST_LINK_LIFE = timedelta(hours=12)


def capabilities_of(
    *,
    guest_links: bool = True,
    guest_link_life: timedelta = wire_format.TTL_LONGEST,
    marker: Literal["redirect_url", "name"] = "redirect_url",
    attendance: bool = True,
    retention: timedelta | None = None,
) -> Capabilities:
    """What an account can hold and do under these settings."""
    return Capabilities(
        name="livedigital",
        session="room",
        marker="title" if marker == "name" else "metadata",
        holds=frozenset({"title"}),
        update=frozenset({"title"}),
        invite=False,
        uninvite=False,
        change_role=False,
        list_invitees=False,
        roles=frozenset({Role.MODERATOR, Role.PARTICIPANT}),
        personal_links=guest_links,
        mints_links=guest_links,
        host_links=True,
        recordings_pull=True,
        attendance_pull=attendance,
        retention=retention,
        limits=Limits(link_life=guest_link_life if guest_links else None),
    )


class LivedigitalConnector(VendorConnector):
    """The rooms of one space. See `sync.ports.Connector` for what each method promises."""

    capabilities = capabilities_of()

    def __init__(self, api: LivedigitalApi, settings: LivedigitalSettings) -> None:
        self.capabilities = capabilities_of(
            guest_links=settings.guest_links,
            guest_link_life=settings.guest_link_life,
            marker=settings.marker,
            attendance=settings.attendance,
            retention=settings.retention,
        )
        self._api = api
        self._settings = settings
        self._spaces = SpaceFinder(api, settings.space, create=settings.create_space)
        self._leavings = Leavings(api, attendance=settings.attendance)
        self._marks: Marks = NameMarks() if settings.marker == "name" else RedirectMarks(settings.front_url)

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in, find the space, and see whether its rooms can all be listed."""
        await self._api.verify_afresh()
        self._spaces.forget()
        findings = list(clear_text(self._settings.url))
        if not (self._settings.public or self._settings.guest_links):
            message = "rooms are private and nobody gets a personal link: people have to be let in by hand"
            findings.append(Finding("private-rooms-without-guest-links", message))
        space = await self._spaces.id()
        if space is None:
            message = f'there is no space "{self._settings.space}" yet: the first meeting makes it'
            findings.append(Finding("space-missing", message))
        elif lacking := (await self._rooms(space)).lacking:
            findings.append(Finding("list-cut-short", f"{lacking}; a creation that got lost cannot be looked for"))
        return tuple(findings)

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """POST room (section "createRoom"); only what is ours is said, the rest is the server's to choose."""
        space = await self._spaces.made()
        data = {"isPublic": self._settings.public, **self._marks.new(meeting.title, marker)}
        answer, _ = await self._api.create("room", "spaces", space, "rooms", data=data)
        try:
            return self._session(wire_format.parsed(Room, answer))
        except Unreadable:
            raise UnknownOutcome("POST room: the answer names no id") from None

    async def get(self, ref: str) -> Session | None:
        """The room with its link. None only when the server says so twice, with a look at the space in between: a
        stray 404 (a proxy's, a server that is starting) must not turn into "gone"."""
        wanted = _id(ref)
        space = await self._spaces.id()
        if space is None:
            return None
        try:
            return self._session(await self._room(space, wanted))
        except Gone:
            self._spaces.forget()
            space = await self._spaces.id()
        try:
            return self._session(await self._room(space, wanted)) if space else None
        except Gone:
            return None

    async def find(self, marker: str) -> tuple[Session, ...] | Unfindable:
        """All rooms with the marker. There is no search: all of the space are looked at.

        Paging by offset skips rows when others are deleted meanwhile, so absence is concluded from two looks only; and
        never from a list that cannot be read to its end, which finds but proves nothing.
        """
        for _ in range(2):
            found = await self._look()
            if rooms := [room for room in found.rows.values() if self._marks.carries(room, marker)]:
                return tuple(self._session(room, marker) for room in _oldest_first(rooms))
            if found.lacking:
                return Unfindable(found.lacking)
        return ()

    async def list(self, window: Window) -> Listing:
        """All rooms of the space: they have no time. Read twice: only what kept still is complete."""
        first, found = await self._look(), await self._look()
        complete = not found.lacking and first.rows.keys() <= found.rows.keys()
        return Listing(tuple(self._session(room) for room in _oldest_first(found.rows.values())), complete)

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """PUT room, a full replacement: everything that the room shows is sent back, so that what somebody else
        has set survives."""
        if "title" not in changed:
            return
        space, wanted = await self._space_of(ref), _id(ref)
        room = await self._room(space, wanted)
        data = room.edited(self._marks.renamed(room, meeting.title), public=self._settings.public)
        await self._api.replace("room", "spaces", space, "rooms", wanted, data=data)

    async def delete(self, ref: str) -> None:
        """DELETE room; the guides advise it once records and reports have been fetched."""
        wanted = _id(ref)
        if space := await self._spaces.id():
            await self._api.remove("room", "spaces", space, "rooms", wanted)

    async def personal_link(self, ref: str, meeting: Meeting, participant: Participant) -> PersonalLink:
        """A link for one person that can be used more than once (section "roomGenerateAccess")."""
        name = participant.name.strip() or participant.email.partition("@")[0]
        person = content_digest("livedigital", participant.email)[:24]
        return await self._access(ref, name, person, participant.role, self._settings.guest_link_life)

    async def host_link(self, ref: str) -> str:
        """The same for whoever runs the meeting: half a day long, as a moderator."""
        life = min(HOST_LINK_LIFE, self._settings.guest_link_life)
        person = content_digest("livedigital", HOST, ref)[:24]
        return (await self._access(ref, HOST, person, Role.MODERATOR, life)).url

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """Recordings, and one attendance report for each call."""
        space = await self._space_of(ref)
        return await self._leavings.of(space, await self._room(space, _id(ref)))

    @asynccontextmanager
    async def download(self, artifact: Artifact, *, start: int = 0, validator: str = "") -> AsyncIterator[Download]:
        """The recording's media or the call's report."""
        room, ref = _id(artifact.session_ref), _id(artifact.ref)
        space = await self._space_of(room)
        if artifact.kind == "attendance":
            yield await self._leavings.report(space, room, ref)
            return
        async with self._leavings.media(space, room, ref, start, validator) as download:
            yield download

    async def _access(self, ref: str, name: str, person: str, role: Role, life: timedelta) -> PersonalLink:
        """`person` is the same for the same somebody, so that a report counts them once however many links they
        were given. The link ends by the server's clock; a link of unknown end would never be renewed."""
        space, wanted = await self._space_of(ref), _id(ref)
        data = {
            "username": name,
            "role": "moderator" if role is Role.MODERATOR else "user",
            "externalUserId": person,
            "ttl": int(life.total_seconds()),
            "isPermanent": True,
        }
        path = ("spaces", space, "rooms", wanted, "generate-access")
        answer, served = await self._api.create("personal link", *path, data=data)
        try:
            url = wire_format.web_address(answer.get("url"))
        except Unreadable:
            raise UnknownOutcome("POST personal link: the answer holds no link") from None
        expires = wire_format.link_expiry(url, str(served.headers.get("date", "")), life)
        if expires is None:
            raise UnknownOutcome("POST personal link: the answer does not tell how long the link lives")
        return PersonalLink(url, expires)

    async def _space_of(self, ref: str) -> str:
        """The space, for a room that must be in it."""
        _id(ref)
        space = await self._spaces.id()
        if space is None:
            raise Gone(f"room {ref}: its space does not exist", 404)
        return space

    async def _room(self, space: str, wanted: str) -> Room:
        answer = await self._api.read("room", "spaces", space, "rooms", wanted)
        try:
            room = wire_format.parsed(Room, answer)
        except Unreadable as error:
            raise Unreachable(f"GET room: unreadable answer ({error})") from None
        if room.id != wanted:
            raise Unreachable(f"room {wanted}: the server answers with another one")
        return room

    async def _look(self) -> Found[Room]:
        """All rooms, each with the field that may hold a marker.

        Lists may show less of a room than the room itself. Where not a single one shows the field, each is asked.
        """
        space = await self._spaces.id()
        if space is None:
            return Found({}, "")
        found = await self._rooms(space)
        if not all(self._marks.may_hide(room) for room in found.rows.values()):
            return found
        whole = await asyncio.gather(*(self._still_there(space, ref) for ref in found.rows))
        return Found({room.id: room for room in whole if room is not None}, found.lacking)

    async def _still_there(self, space: str, ref: str) -> Room | None:
        try:
            return await self._room(space, ref)
        except Gone:
            return None

    async def _rooms(self, space: str) -> Found[Room]:
        try:
            return await self._api.read_all(Room, "rooms", "spaces", space, "rooms")
        except Gone:
            self._spaces.forget()
            raise Unreachable("GET rooms: the space is gone") from None

    def _session(self, room: Room, marker: str | None = None) -> Session:
        """The room in convener's terms; `marker` where it is known better than the room shows it."""
        return Session(
            ref=room.id,
            title=self._marks.title(room),
            join_url=wire_format.room_link(self._settings.front_url, room.alias) if room.alias else None,
            marker=marker or self._marks.marker(room),
        )


def connect(settings: LivedigitalSettings, locked: bool) -> Connector:
    """A connector for the account; a locked one cannot write."""
    wire = wire_for(settings, locked)
    bearer: Bearer
    if settings.access_token is not None:
        bearer = PersonalToken(settings.access_token.get_secret_value(), settings.url)
    else:
        client = (settings.client_id or "", _plain(settings.client_secret))
        user = (settings.username or "", _plain(settings.password))
        bearer = Grants(wire, url=settings.url, client=client, user=user)
    api = LivedigitalApi(wire, bearer, url=settings.url, lists_are_whole=settings.lists_are_whole)
    return LivedigitalConnector(api, settings)


plugin = VendorPlugin(LivedigitalSettings, connect, LivedigitalConnector.capabilities, verify)


def _plain(secret: Any) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _id(ref: str) -> str:
    """A room's id. Raises Refused for anything else, before it gets anywhere."""
    if not wire_format.ID.fullmatch(ref):
        raise Refused(f"{ref[:40]!r} is not a livedigital id, which has 24 hexadecimal digits")
    return ref


def _oldest_first(rooms: Any) -> list[Room]:
    """By the time of creation where it is shown; ids begin with it, too."""
    return sorted(rooms, key=lambda room: (room.created.timestamp() if room.created else 0.0, room.id))
