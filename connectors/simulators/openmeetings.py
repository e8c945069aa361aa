"""A stand-in for the Apache OpenMeetings server (REST, 6.0 to 9.x): stateful and strict.

    sim = OpenMeetingsSimulator(username="soap", password="Secret1!", version="8.1.0", zone="America/New_York")
    with serve_in_thread(sim.app) as served:
        ...                                  # the vendor's table is sim.table(served.url)
    sim.rooms, sim.appointments, sim.mails, sim.requests, sim.writes, sim.changes, sim.effects("calendar.create")
    sim.enter(link)                          # somebody opens an invitation or a host link
    sim.faults.add(Fault("reset_after", resource="calendar.create"))

Control over HTTP (state, faults, reset, seed) is described in `stage.py`; `POST /_sim/seed` takes
`{"sessions": [{"title", "start", "end", "external_id", "external_type"}], "recordings": [{"room_id", "name",
"status"}]}`, times in ISO 8601, every field but room_id optional. Resources, as faults and the log name them:

    login  version  health
    room.find  room.create (GET by key, without and with `room`)  room.get  room.update (POST)  room.delete  room.hash
    calendar.room  calendar.list  calendar.create  calendar.update (POST with an id)  calendar.delete
    user.hash  record.room  recording (the download)  file.room  file.add  file.move  file.delete

What it does follows the public sources of Apache OpenMeetings. Options are those of `openmeetings_state.Options`.
"""

import time
from collections import Counter
from copy import deepcopy
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, TypeVar

from connectors.simulators import openmeetings_calendar as calendar
from connectors.simulators import openmeetings_doors as doors
from connectors.simulators.media import MP4
from connectors.simulators.openmeetings_calls import WRITES, served, target
from connectors.simulators.openmeetings_doors import Entered
from connectors.simulators.openmeetings_rooms import new_room
from connectors.simulators.openmeetings_state import (
    Mail,
    Options,
    SimAppointment,
    SimFile,
    SimRecording,
    SimRoom,
    SimUser,
    Store,
)
from connectors.simulators.stage import Logged, Reply, Request
from connectors.simulators.stand_in import StandIn

CONTEXT = "/openmeetings"
_Kept = TypeVar("_Kept")


class OpenMeetingsSimulator(StandIn):
    """The server with one account for the daemon; `options` are the fields of `openmeetings_state.Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The keys of a `[vendors.<name>]` table that reaches this stand-in, served at `url`."""
        given = {"username": self.username, "password": self.password}
        return {"type": "openmeetings", "url": url.rstrip("/") + CONTEXT, **given}

    # What tests look at

    @property
    def rooms(self) -> dict[int, SimRoom]:
        """All rooms by id, deleted ones included, as copies."""
        return self._copy(self._store.rooms)

    @property
    def appointments(self) -> dict[int, SimAppointment]:
        """All appointments by id, deleted ones included, as copies."""
        return self._copy(self._store.appointments)

    @property
    def users(self) -> dict[int, SimUser]:
        """All users by id, as copies; the first one is the account."""
        return self._copy(self._store.users)

    @property
    def files(self) -> dict[int, SimFile]:
        """All files by id, as copies."""
        return self._copy(self._store.files)

    def documents_of(self, session: int | str) -> list[dict[str, Any]]:
        """The documents that went into a room: name, address (none here) and length in bytes."""
        there = [one for one in self.files.values() if one.room_id == int(session) and not one.deleted]
        return [{"name": one.name, "url": None, "bytes": len(one.content)} for one in there]

    @property
    def mails(self) -> list[Mail]:
        """Every mail so far, those to the owner included."""
        return self._copy(self._store.mails)

    def is_write(self, entry: Logged) -> bool:
        """Methods do not tell: a GET makes rooms, and a POST logs in."""
        return entry.resource in WRITES

    def effects(self, resource: str) -> int:
        """How many requests to the resource had an effect."""
        with self._lock:
            return self._effects[resource]

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every sid and hash handed out so far."""
        with self._lock:
            return (*self._store.sids, *self._store.hashes, *self._store.invitations)

    # What somebody else does

    def add_user(self, **fields: Any) -> SimUser:
        """Another user of the server; the names are those of SimUser."""
        with self._lock:
            return deepcopy(self._store.add_user(**fields))

    def add_session(
        self,
        title: str = "Foreign",
        start: datetime | str = "2026-12-01T09:00:00+00:00",
        end: datetime | str = "2026-12-01T10:00:00+00:00",
        *,
        external_id: str | None = None,
        external_type: str = "moodle",
        **more: Any,
    ) -> SimAppointment:
        """An appointment with its room, by default of another system; `more` are fields of SimAppointment."""
        with self._lock:
            keys = {"externalId": external_id, "externalType": external_type if external_id else None}
            room = new_room(self._store, {"name": title, "type": "CONFERENCE", "appointment": True, **keys})
            room.foreign = True
            first, last = (datetime.fromisoformat(time) if isinstance(time, str) else time for time in (start, end))
            given: dict[str, Any] = {"owner_id": self._store.account.id, "reminder": "NONE", **more}
            number = self._store.next_id("appointment")
            one = SimAppointment(id=number, title=title, start=first, end=last, room_id=room.id, **given)
            self._store.appointments[number] = one
            return deepcopy(one)

    def remove_session(self, room: int) -> None:
        """Somebody deletes the room's appointments, and the room."""
        with self._lock:
            self.remove_room(room)
            for one in self._store.appointments.values():
                one.deleted = one.deleted or one.room_id == room

    def remove_room(self, room: int) -> None:
        """Somebody deletes the room alone."""
        with self._lock:
            self._store.rooms[room].deleted = True

    def change_room(self, room: int, **fields: Any) -> None:
        """Somebody edits the room; the names are those of SimRoom."""
        with self._lock:
            for name, value in fields.items():
                setattr(self._store.rooms[room], name, value)

    def change_appointment(self, number: int, **fields: Any) -> None:
        """Somebody edits the appointment, or adds another of the same room; the names are those of SimAppointment."""
        with self._lock:
            for name, value in fields.items():
                setattr(self._store.appointments[number], name, value)

    def add_recording(self, room_id: int | None, **fields: Any) -> SimRecording:
        """A recording of the room; ready unless `status` says otherwise."""
        start = datetime.fromisoformat("2026-12-01T09:00:00+00:00")
        given = {"name": "Recording", "status": "PROCESSED", "start": start, "content": MP4}
        with self._lock:
            number = self._store.next_id("recording")
            one = SimRecording(
                **{**given, "end": start + timedelta(minutes=17), "room_id": room_id, "id": number, **fields}
            )
            self._store.recordings[number] = one
            return deepcopy(one)

    def change_recording(self, number: int, **fields: Any) -> None:
        """Something happens to the recording; the names are those of SimRecording."""
        with self._lock:
            for name, value in fields.items():
                setattr(self._store.recordings[number], name, value)

    def add_file(self, **fields: Any) -> SimFile:
        """A file, by default in the account's home."""
        with self._lock:
            given = {"name": "file", "type": "PRESENTATION", "owner_id": self._store.account.id}
            one = SimFile(**{**given, "id": self._store.next_id("file"), **fields})
            self._store.files[one.id] = one
            return deepcopy(one)

    def expire(self) -> None:
        """All sessions end at once."""
        with self._lock:
            self._store.sids.clear()

    def enter(self, link: str) -> Entered | None:
        """Somebody opens a personal or a host link; None when they are not let in."""
        with self._lock:
            return doors.enter(self._store, link)

    def remind(self) -> None:
        """The server's reminder job runs."""
        with self._lock:
            calendar.remind(self._store)

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The short name of the call."""
        return target(request, CONTEXT).resource

    def params(self, request: Request) -> dict[str, Any]:
        """What the request says, without sid and password."""
        return target(request, CONTEXT).shown()

    def state(self) -> dict[str, Any]:
        """Everything but sids and hashes, as JSON types."""
        with self._lock:
            store = self._store
            tables: dict[str, Any] = {
                "rooms": store.rooms,
                "appointments": store.appointments,
                "users": store.users,
                "recordings": store.recordings,
                "files": store.files,
            }
            rows = {name: [_json_types(asdict(one)) for one in table.values()] for name, table in tables.items()}
            return {**rows, "mails": [asdict(mail) for mail in store.mails], **super().state()}

    def seed(self, things: dict[str, Any]) -> None:
        """Sessions and recordings as if somebody else had made them."""
        for fields in things.get("sessions", []):
            self.add_session(**fields)
        for fields in things.get("recordings", []):
            self.add_recording(**fields)

    def reset(self) -> None:
        """A server just installed."""
        with self._lock:
            super().reset()
            self._store = Store(self.username, self.password, self.options)
            self._effects: Counter[str] = Counter()

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        call = target(request, CONTEXT)
        with self._lock:
            self._store.touched = False
            reply = served(self._store, call)
            self._effects[call.resource] += self._store.touched
            self._changes += self._store.touched
        if call.resource == "login" and b"error.bad.credentials" in reply.body and self.options.penalty:
            time.sleep(self.options.penalty)
        return reply

    def _copy(self, value: _Kept) -> _Kept:
        with self._lock:
            return deepcopy(value)


def _json_types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _json_types(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_json_types(inner) for inner in value]
    if isinstance(value, bytes):
        return len(value)
    return value.isoformat() if isinstance(value, datetime) else value
