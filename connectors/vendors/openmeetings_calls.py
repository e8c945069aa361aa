"""The calls of OpenMeetings that convener makes, one method each, with what is known of their answers."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from json import dumps
from typing import Any

from connectors.downloads import looked_into
from connectors.vendors import openmeetings_rows as rows
from connectors.vendors import openmeetings_wire as wire_format
from connectors.vendors.openmeetings_api import BrokenOff, Failed, OpenMeetingsApi
from connectors.vendors.openmeetings_rows import AppointmentRow, FileRow, FilesRow, RecordingRow, RoomRow
from connectors.vendors.openmeetings_wire import EXTERNAL_TYPE, stamp
from sync.errors import CredentialsRefused, Gone, Unreachable
from sync.ports import Download

INTO_THE_ROOM = -2
MP4_HEAD = b"....ftyp"
"""What an MP4 begins with, its length field left open."""
_NOT_THERE = "Bad id"


class OpenMeetingsCalls:
    """The server's services, as far as they are used."""

    def __init__(self, api: OpenMeetingsApi) -> None:
        self._api = api

    # Rooms (service room)

    async def room_by_key(self, kind: str, key: str) -> RoomRow | None:
        """The room with that key, None when there is none; the address without `room` makes nothing."""
        return await self._api.read(_room, "room", kind, EXTERNAL_TYPE, key)

    async def make_room(self, kind: str, key: str, fields: dict[str, Any]) -> RoomRow:
        """The room with that key, made when there is none: the one creation that can be repeated.

        A room that is there comes as it is, whatever `fields` say.
        """
        query = {"room": dumps({**fields, "type": kind})}
        return await self._api.write(_room, "GET", "room", kind, EXTERNAL_TYPE, key, query=query)

    async def room(self, number: int) -> RoomRow | None:
        """A room by its id.

        One that does not exist makes the server stumble, as any defect of its own would. So it is taken for absent
        only when it stumbles twice and says in between that it is well.
        """
        try:
            return await self._api.read(_room, "room", number)
        except Failed:
            await self._api.healthy()
        try:
            return await self._api.read(_room, "room", number)
        except Failed:
            return None

    async def save_room(self, room: dict[str, Any]) -> None:
        """Replace a room with all of its fields."""
        await self._api.write(_room, "POST", "room", form={"room": room})

    async def delete_room(self, number: int) -> None:
        """Remove a room; one that is not there is a success for the server, too."""
        await self._api.order("DELETE", "room", number)

    async def invitation(self, invite: dict[str, Any]) -> str:
        """The hash of a new invitation; everything goes in the query. The server does not mail it."""
        query = {"invite": dumps(invite), "sendmail": "false"}
        return await self._api.order("POST", "room", "hash", query=query)

    # Appointments (service calendar)

    async def appointment(self, room: int) -> AppointmentRow | None:
        """The user's own appointment of a room. Nothing is believed only when the server says so twice."""
        for _ in range(2):
            found = await self._api.read(_appointment, "calendar", "room", room)
            if found is not None:
                return found
        return None

    async def appointments(self, start: datetime, end: datetime) -> list[AppointmentRow]:
        """The user's own appointments that touch the time, by id; those that others invited them to are left out."""
        found = await self._api.read(_appointments, "calendar", stamp(start), stamp(end))
        if found is None:
            raise Unreachable("the server lists no appointments: not even an empty list")
        return sorted((row for row in found if not row.connected_event), key=lambda row: row.id)

    async def save_appointment(self, appointment: dict[str, Any]) -> AppointmentRow:
        """A new appointment, or with an id the replacement of one with all of its fields."""
        return await self._api.write(_appointment, "POST", "calendar", form={"appointment": appointment})

    async def delete_appointment(self, number: int) -> None:
        """Remove an appointment; gone already is success."""
        try:
            await self._api.order("DELETE", "calendar", number)
        except BrokenOff as error:
            if error.result.message != _NOT_THERE:
                raise

    # Hashes (service user)

    async def entrance(self, guest: dict[str, str], options: dict[str, Any]) -> str:
        """A hash that lets a guest in once. It is made in a session of its own, which the guest takes over."""
        sid = await self._api.fresh_sid()
        user = {**guest, "externalType": EXTERNAL_TYPE}
        return await self._api.order("POST", "user", "hash", form={"user": user, "options": options}, sid=sid)

    # Recordings and files (services record and file)

    async def recordings(self, room: int) -> list[RecordingRow]:
        """The recordings of a room, also of one that is deleted."""
        found = await self._api.read(_recordings, "record", "room", room)
        if found is None:
            raise Unreachable("the server lists no recordings: not even an empty list")
        return [row for row in found if row.room_id == room]

    @asynccontextmanager
    async def film(self, recording: int, start: int, validator: str) -> AsyncIterator[Download]:
        """A recording's film, by a hash that is made for this once. Raises Unreachable when what comes is no film from
        its beginning, such as a page to log in."""
        async with AsyncExitStack() as opened:
            try:
                download = await opened.enter_async_context(self._by_hash(recording, start, validator))
            except Gone:
                if not start:
                    raise
                # asking for the rest in vain has used up the hash
                download = await opened.enter_async_context(self._by_hash(recording, 0, ""))
            if not download.start:
                head, download = await opened.enter_async_context(looked_into(download, len(MP4_HEAD)))
                if head[4:8] != MP4_HEAD[4:]:
                    raise Unreachable("the recording that came is no MP4")
            yield download

    @asynccontextmanager
    async def _by_hash(self, recording: int, start: int, validator: str) -> AsyncIterator[Download]:
        key = await self.entrance(wire_format.guest("Archive", "archive"), {"recordingId": recording})
        async with self._api.stream("recordings", "mp4", key, start=start, validator=validator) as download:
            yield download

    async def files(self, room: int) -> FilesRow:
        """What lies in the user's home and in the room."""
        found = await self._api.read(_files, "file", "room", room)
        if found is None:
            raise Unreachable("the server lists no files: not even an empty list")
        return found

    async def upload(self, details: dict[str, Any], content: bytes) -> FileRow:
        """A new file in the home of its owner: the call loses the room that it is told."""
        boundary = uuid.uuid4().hex
        body = wire_format.multipart(boundary, details, content)
        return await self._api.write(_file, "POST", "file", upload=(f"multipart/form-data; boundary={boundary}", body))

    async def move_into_room(self, room: int, file: int) -> None:
        """Put a file where the people of the room find it."""
        await self._api.write(_file, "POST", "file", "move", room, file, INTO_THE_ROOM)

    # Account

    async def verify(self, kind: str) -> str:
        """Log in afresh and use each right that is needed, without effect; the server's version."""
        version = await self._api.verify()
        looks: dict[str, Callable[[], Awaitable[object]]] = {
            "ROOM": lambda: self._api.read(_appointment, "calendar", "room", 0),
            "SOAP": lambda: self.room_by_key(kind, wire_format.external_id("check")),
        }
        for right, look in looks.items():
            try:
                await look()
            except CredentialsRefused as error:
                raise CredentialsRefused(f"{error} (it lacks {right})") from None
        return version


def _room(body: bytes) -> RoomRow:
    return rows.one(RoomRow, "roomDTO", body)


def _appointment(body: bytes) -> AppointmentRow:
    return rows.one(AppointmentRow, "appointmentDTO", body)


def _appointments(body: bytes) -> list[AppointmentRow]:
    return rows.many(AppointmentRow, "appointmentDTO", body)


def _recordings(body: bytes) -> list[RecordingRow]:
    return rows.many(RecordingRow, "recordingDTO", body)


def _file(body: bytes) -> FileRow:
    return rows.one(FileRow, "fileItemDTO", body)


def _files(body: bytes) -> FilesRow:
    return rows.one(FilesRow, "fileExplorerObject", body)
