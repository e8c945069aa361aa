"""A calendar on a real CalDAV server with a person at it, who uses a client of somebody else's making."""

import base64
import http.client
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import caldav

from connectors.sources.caldav import CalDavSettings, CalDavSource
from tests.caldav_servers import CalDavServer
from tests.contract.source import START
from tests.dav_http import Proxy

HOUR = timedelta(hours=1)


def stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def text(value: str) -> str:
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


def calendar(*parts: str) -> str:
    """The parts (whole components) as one calendar."""
    return "\r\n".join(["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//a client//EN", *parts, "END:VCALENDAR", ""])


def event(uid: str, start: datetime, *lines: str, title: str = "Demo", length: timedelta = HOUR) -> str:
    when = [f"DTSTART:{stamp(start)}", f"DTEND:{stamp(start + length)}"]
    head = ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261101T000000Z", *when, f"SUMMARY:{text(title)}"]
    return "\r\n".join([*head, *lines, "END:VEVENT"])


class CalDavScene:
    """`team` is the calendar as the person's client has it. What convener asks goes through the `proxy`."""

    looks = 1

    def __init__(self, server: CalDavServer, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.name = f"Team {uuid.uuid4().hex[:8]}"
        login = {"username": server.user, "password": server.password} if server.user else {}
        self.client: Any = caldav.DAVClient(server.url + server.principal, **login)
        self.team: Any = self.client.principal().make_calendar(name=self.name)

    def source(self, **given: object) -> CalDavSource:
        login = {"username": self.server.user, "password": self.server.password} if self.server.user else {}
        table = {"type": "caldav", "url": self.proxy.url, "calendar": self.name, "timeout": "1500ms", **login, **given}
        return CalDavSource("cal", CalDavSettings.model_validate(table))

    def put(self, *parts: str) -> None:
        """Add or replace the resource with these components."""
        self.team.add_event(calendar(*parts))

    def read(self, uid: str) -> str:
        """The resource's text, as the person's client gets it."""
        data: str = self.team.get_event_by_uid(uid).data
        return data.replace("\r\n", "\n").replace("\n ", "")

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        uid = f"{uuid.uuid4().hex}@client.example"
        self.put(event(uid, start, *(f'ATTENDEE;CN="{name}":mailto:{email}' for email, name in people), title=title))
        return uid

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        found = self.team.get_event_by_uid(uid)
        with found.edit_icalendar_component() as component:
            if title is not None:
                component["SUMMARY"] = title
            if start is not None:
                component["DTSTART"].dt, component["DTEND"].dt = start, start + HOUR
        found.save()

    def cancel(self, uid: str) -> None:
        found = self.team.get_event_by_uid(uid)
        with found.edit_icalendar_component() as component:
            component.add("STATUS", "CANCELLED")
        found.save()

    def delete(self, uid: str) -> None:
        self.team.get_event_by_uid(uid).delete()

    def many(self, count: int) -> None:
        connection = http.client.HTTPConnection(self.server.url.removeprefix("http://"), timeout=20)
        token = base64.b64encode(f"{self.server.user}:{self.server.password}".encode()).decode()
        headers = {"Content-Type": "text/calendar"} | ({"Authorization": f"Basic {token}"} if self.server.user else {})
        for n in range(count):
            body = calendar(event(f"u{n}", START + n * timedelta(minutes=4), title=str(n))).encode()
            connection.request("PUT", f"{self.team.url.path}u{n}.ics", body, headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201
        connection.close()

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        with self.proxy.breaking(kind, after):
            yield

    def close(self) -> None:
        self.team.delete()
        self.client.close()
