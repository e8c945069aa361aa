"""The Apache OpenMeetings connector (REST, 6.0 to 9.x).

A session is a room with one appointment of the daemon's own user; its reference is the room's id. The room is made by
get-or-create under a key derived from the marker, which is the one creation that can be repeated; the appointment is
found through its room. Changes are full replacements: what is there is read first and sent back whole.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, SecretStr

from connectors.base import VendorConnector, clear_text, wire_for
from connectors.settings import VendorPlugin, VendorSettings
from connectors.vendors.openmeetings_api import OpenMeetingsApi
from connectors.vendors.openmeetings_calls import OpenMeetingsCalls
from connectors.vendors.openmeetings_rows import AppointmentRow, RoomRow
from connectors.vendors.openmeetings_wire import (
    LONGEST_TEXT,
    content,
    document_key,
    external_id,
    file_type,
    guest,
    member,
    number,
    parts,
    wall,
)
from sync.errors import Gone, Refused, UnknownOutcome
from sync.model import (
    Artifact,
    Capabilities,
    Document,
    Finding,
    Invitee,
    Limits,
    Meeting,
    Participant,
    PersonalLink,
    Role,
    Session,
    Window,
)
from sync.ports import Connector, Download, Listing

LOGIN_TIMEOUT = timedelta(seconds=30)
"""The least time that a login gets: from 9.0.0 on a wrong password is answered after 6 to 15 seconds."""
SUPPORTED = (6, 0, 0)
ROOM_FOR = 50
"""People that a room takes at least (what the server itself gives to rooms of appointments; its default is 4)."""
A_DAY = timedelta(days=1)
MOST_DOUBLES = 20

_FIELDS = frozenset({"title", "start", "end", "description", "location"})


class OpenMeetingsSettings(VendorSettings):
    """`[vendors.<name>]` with type = "openmeetings"; `url` is the root, such as http://host:5080/openmeetings.

    `room_type` is that of new rooms, and part of the key under which they are found: it is not to be changed while
    there are sessions. `invitation` is how long personal links work: "endless" as long as the room, "period" from
    five minutes before the meeting to its end.
    """

    type: Literal["openmeetings"]
    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)
    room_type: Literal["CONFERENCE", "PRESENTATION", "INTERVIEW"] = "CONFERENCE"
    invitation: Literal["endless", "period"] = "endless"


class OpenMeetingsConnector(VendorConnector):
    """One user of one OpenMeetings server. See `sync.ports.Connector` for what each method promises."""

    capabilities = Capabilities(
        name="Apache OpenMeetings",
        session="scheduled",
        marker="external_id",
        holds=_FIELDS,
        update=_FIELDS,
        create_is_idempotent=True,
        create_invites=True,
        roles=frozenset({Role.PARTICIPANT}),
        change_role=False,
        vendor_mail=True,
        mails_besides="changes of title, text, place and time, cancellations, a reminder 15 minutes before the start",
        personal_links=True,
        mints_links=True,
        host_links=True,
        recordings_pull=True,
        documents_push=True,
        attach_again=True,
        limits=Limits(title=LONGEST_TEXT),
    )

    def __init__(self, api: OpenMeetingsApi, *, url: str, room_type: str, invitation: str) -> None:
        self._api = api
        self._calls = OpenMeetingsCalls(api)
        self._url = url
        self._room_type = room_type
        self._period = invitation == "period"
        if self._period:
            self.capabilities = replace(self.capabilities, personal_relinks_on=frozenset({"start", "end"}))

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in afresh, look at the version, and use each right once."""
        version = await self._calls.verify(self._room_type)
        findings = list(clear_text(self._url))
        if _version(version) < SUPPORTED:
            message = f"OpenMeetings {version[:20]} cannot tell rooms apart by their keys: 6.0.0 is needed"
            findings.append(Finding("version-unsupported", message))
        return tuple(findings)

    # Sessions

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """The room under the marker's key, then its appointment. What is there already stays as it is.

        A room without an appointment is left of an attempt that was interrupted: it is brought in line.
        """
        wanted = {"name": meeting.title, "comment": marker, "appointment": True, "isPublic": False}
        made = {**wanted, "allowRecording": True, "capacity": max(ROOM_FOR, len(meeting.participants) + 1)}
        room = await self._calls.make_room(self._room_type, external_id(marker), made)
        appointment = await self._calls.appointment(room.id)
        if appointment is None:
            if (room.name, room.comment, room.appointment) != (meeting.title, marker, True):
                await self._calls.save_room({**room.replaced(), **wanted})
            appointment = await self._calls.save_appointment(
                {
                    **content(meeting),
                    "room": {"id": room.id, "type": room.type},
                    "reminder": "ICAL" if mail else "NONE",
                    "languageId": 1,
                    "meetingMembers": [member(one) for one in meeting.participants],
                }
            )
        return appointment.session(marker, self._url)

    async def get(self, ref: str) -> Session | None:
        """The session; a room without an appointment is none, nor is an appointment whose room was deleted."""
        room_id, double = parts(ref)
        appointment = await self._calls.appointment(room_id)
        if appointment is not None and double is not None:
            appointment = next((one for one in await self._doubles(appointment) if one.id == double), None)
        if appointment is None or (room := await self._calls.room(room_id)) is None:
            return None
        return replace(appointment.session(room.marker, self._url), ref=ref)

    async def find(self, marker: str) -> tuple[Session, ...]:
        """The session under the marker's key, and further appointments of the same room as sessions of their own.

        Those are what a request leaves that takes effect when it has been given up and made again.
        """
        room = await self._keyed(marker)
        appointment = await self._calls.appointment(room.id) if room else None
        if appointment is None:
            return ()
        doubles = await self._doubles(appointment)
        sessions = [one.session(marker, self._url) for one in (appointment, *doubles)]
        return (
            sessions[0],
            *(replace(s, ref=f"{s.ref}.{one.id}") for s, one in zip(sessions[1:], doubles, strict=True)),
        )

    async def list(self, window: Window) -> Listing:
        """The user's own appointments, one of each room; the server's idea of a range is widened and narrowed here."""
        rows = await self._calls.appointments(window.start - A_DAY, window.end + A_DAY)
        first = {row.room.id: row for row in reversed(rows)}
        near = [row for row in rows if first[row.room.id] is row and window.overlaps(row.start, row.end)]
        return Listing(tuple(row.session(row.room.marker, self._url) for row in near), complete=True)

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """The room's name first, the appointment last: that one is what shows whether all is done."""
        wanted = changed & _FIELDS
        if not wanted:
            return
        appointment, room = await self._present(ref)
        if "title" in wanted and room.name != meeting.title:
            await self._calls.save_room(room.replaced(name=meeting.title))
        fields = {name: value for name, value in content(meeting).items() if name in wanted}
        if "start" in wanted:
            fields["reminderEmailSend"] = False  # the reminder belongs to the new time
        await self._calls.save_appointment(appointment.replaced(**fields))

    async def delete(self, ref: str) -> None:
        """The appointment (whose deletion tells the people), then the room."""
        room_id, double = parts(ref)
        if double is not None:
            await self._delete_double(room_id, double)
            return
        for _ in range(MOST_DOUBLES):
            appointment = await self._calls.appointment(room_id)
            if appointment is None:
                break
            await self._calls.delete_appointment(appointment.id)
        await self._calls.delete_room(room_id)

    # People

    async def invitees(self, ref: str) -> tuple[Invitee, ...]:
        """The members of the appointment, without its owner."""
        appointment = await self._calls.appointment(number(ref))
        return tuple(one.invitee() for one in appointment.guests) if appointment else ()

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """One more member; the others keep their ids. Whether the server mails is a matter of the appointment."""
        appointment, _ = await self._present(ref)
        if present := appointment.invited(participant.email):
            return present
        members = [*({"id": one.id} for one in appointment.meeting_members), member(participant)]
        reminder = "ICAL" if mail else "NONE"
        saved = await self._calls.save_appointment(appointment.replaced(members=members, reminder=reminder))
        invited = saved.invited(participant.email)
        if invited is None:
            raise UnknownOutcome("POST calendar: the answer lacks the new participant")
        return invited

    async def uninvite(self, ref: str, invitee: str) -> None:
        """One member less. An invitation link that the person has keeps working: the server cannot withdraw it."""
        leaving = number(invitee)
        appointment = await self._calls.appointment(number(ref))
        if appointment is None or leaving not in {one.id for one in appointment.meeting_members}:
            return
        members = [{"id": one.id} for one in appointment.meeting_members if one.id != leaving]
        await self._calls.save_appointment(appointment.replaced(members=members))

    async def personal_link(self, ref: str, meeting: Meeting, participant: Participant) -> PersonalLink:
        """An invitation for the participant's address. Its times are on the server's clock, without a zone."""
        appointment, room = await self._present(ref)
        first, last = participant.first_and_last_name()
        invite: dict[str, Any] = {
            "firstname": first,
            "lastname": last,
            "email": participant.email,
            "roomId": room.id,
            "valid": "PERIOD" if self._period else "ENDLESS",
            "subject": "",
            "message": "",
            "passwordProtected": False,
        }
        if self._period:
            # The echo's offsets are those of the server's zone at the very times that are to be written.
            for name, time, echo in (
                ("validFrom", meeting.start, appointment.start),
                ("validTo", meeting.end, appointment.end),
            ):
                invite[name] = wall(time, echo.tzinfo)
        return PersonalLink(f"{self._url}/hash?invitation={await self._calls.invitation(invite)}&language=1")

    async def host_link(self, ref: str) -> str:
        """A moderator's way in: it works once, for about half an hour."""
        _, room = await self._present(ref)
        options = {"roomId": room.id, "moderator": True, "showAudioVideoTest": True, "allowRecording": True}
        key = await self._calls.entrance(guest("Host", f"host-{room.id}"), options)
        return f"{self._url}/hash?secure={key}&language=1"

    # Artifacts

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """The room's recordings; they outlive the room."""
        return tuple(row.artifact(ref) for row in await self._calls.recordings(number(ref)))

    def download(
        self, artifact: Artifact, *, start: int = 0, validator: str = ""
    ) -> AbstractAsyncContextManager[Download]:
        """The recording's film. Each attempt needs a hash of its own, which works once."""
        return self._calls.film(number(artifact.ref), start, validator)

    async def attach(self, ref: str, document: Document) -> str:
        """Upload into the user's home, then move into the room: an upload cannot name a room.

        A file that an earlier attempt left is known by its external id, and is not uploaded again.
        """
        if not document.content:
            raise Refused(f"the document {document.name[:40]!r} has no content")
        appointment, room = await self._present(ref)
        key = document_key(room.id, document)
        files = await self._calls.files(room.id)
        for there in files.room_home:
            if there.external_id == key:
                return str(there.id)
        file = next((one for one in files.user_home if one.external_id == key), None)
        if file is None:
            owner = appointment.owner.id if appointment.owner else None
            details = {"name": document.name[:LONGEST_TEXT], "type": file_type(document.media_type)}
            file = await self._calls.upload({**details, "externalId": key, "ownerId": owner}, document.content)
        await self._calls.move_into_room(room.id, file.id)
        return str(file.id)

    # Parts

    async def _keyed(self, marker: str) -> RoomRow | None:
        """The marker's room; that there is none is believed when it is said twice."""
        key = external_id(marker)
        return await self._calls.room_by_key(self._room_type, key) or await self._calls.room_by_key(
            self._room_type, key
        )

    async def _present(self, ref: str) -> tuple[AppointmentRow, RoomRow]:
        """Raises Gone when there is no such session."""
        room_id = number(ref)
        appointment = await self._calls.appointment(room_id)
        room = await self._calls.room(room_id) if appointment else None
        if appointment is None or room is None:
            raise Gone(f"room {room_id} has no appointment of ours (any more)", 404)
        return appointment, room

    async def _doubles(self, first: AppointmentRow) -> tuple[AppointmentRow, ...]:
        rows = await self._calls.appointments(first.start - A_DAY, first.end + A_DAY)
        return tuple(row for row in rows if row.room.id == first.room.id and row.id != first.id)

    async def _delete_double(self, room: int, double: int) -> None:
        """A second appointment is hidden by an update, because its deletion would take the room along."""
        first = await self._calls.appointment(room)
        for one in await self._doubles(first) if first else ():
            if one.id == double:
                await self._calls.save_appointment(one.replaced(members=[], deleted=True))


def connect(settings: OpenMeetingsSettings, locked: bool) -> Connector:
    """A connector for the user; a locked one cannot write."""
    patient = settings.model_copy(update={"timeout": max(settings.timeout, LOGIN_TIMEOUT)})
    api = OpenMeetingsApi(
        wire_for(settings, locked),
        wire_for(patient, locked),
        url=settings.url,
        username=settings.username,
        secret=settings.password.get_secret_value(),
    )
    return OpenMeetingsConnector(api, url=settings.url, room_type=settings.room_type, invitation=settings.invitation)


plugin = VendorPlugin(OpenMeetingsSettings, connect, OpenMeetingsConnector.capabilities)


def _version(text: str) -> tuple[int, ...]:
    """`9.1.0-SNAPSHOT` is (9, 1, 0); the server may also say 10 for 10.0; what is no version is taken for a new one."""
    numbers = [int(part) for part in text.partition("-")[0].split(".") if part.isdecimal()]
    return (*numbers, 0, 0, 0)[:3] if numbers else SUPPORTED
