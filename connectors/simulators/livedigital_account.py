"""The state behind the livedigital stand-in, and what each call of the API does to it.

One public method per call, with the ids out of the path first. Each gives what the answer shows and raises Problem
for everything that the server refuses. Sections are those of the public guides.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.simulators import livedigital_rules as rules
from connectors.simulators.livedigital_state import (
    Guest,
    Options,
    Problem,
    SimCall,
    SimRecord,
    SimRoom,
    SimSpace,
    instant,
)
from connectors.simulators.livedigital_tokens import jwt
from connectors.simulators.stage import Request

LINK_LIFE = timedelta(hours=24)
"""How long a record's address can be used (section "RedirectToDownloadRoomRecord")."""


class Account:
    """One user's spaces, rooms, guests, records, calls and webhooks."""

    def __init__(self, email: str, options: Options) -> None:
        self.email = email
        self.options = options
        self.spaces: dict[str, SimSpace] = {}
        self.rooms: dict[str, SimRoom] = {}
        self.guests: list[Guest] = []
        self.records: dict[str, SimRecord] = {}
        self.calls: dict[str, SimCall] = {}
        self.links: dict[str, tuple[str, datetime]] = {}
        self._count = 0

    def next_id(self) -> str:
        """As MongoDB makes them: seconds, machine, counter; later ones are greater."""
        self._count += 1
        return f"{int(self.options.clock().timestamp()):08x}5d11c0ffee{self._count:06x}"

    def me(self, request: Request) -> dict[str, Any]:
        """Section "getMe"."""
        return {"id": "5d11c0ffee5d11c0ffee0000", "email": self.email, "username": "Stand-in"}

    # Spaces

    def get_spaces(self, request: Request) -> dict[str, Any]:
        """Those of the user."""
        return self._listed([{"id": one.id, "name": one.name} for one in self.spaces.values()], request)

    def post_space(self, request: Request) -> dict[str, Any]:
        """Section "createSpace": isPublic has to be true."""
        data = rules.body(request)
        rules.only(data, "name", "isPublic", "description", "logo")
        if data.get("isPublic") is not True:
            raise Problem(422, "isPublic must be true")
        return {"id": self.add_space(rules.text(data, "name")).id}

    def add_space(self, name: str) -> SimSpace:
        """Keep one more."""
        space = SimSpace(self.next_id(), name, self.email)
        self.spaces[space.id] = space
        return space

    def space(self, ref: str) -> SimSpace:
        """One of the spaces."""
        if rules.identifier(ref, "spaceId") not in self.spaces:
            raise Problem(404, "Space not found")
        return self.spaces[ref]

    # Rooms

    def get_rooms(self, request: Request, space: str) -> dict[str, Any]:
        """Those of a space."""
        ref = self.space(space).id
        rows = [self._row(room) for room in self.rooms.values() if room.space == ref]
        if self.options.short_lists:
            rows = [{name: row[name] for name in ("id", "alias", "name")} for row in rows]
        return self._listed(rows, request)

    def get_room(self, request: Request, space: str, room: str) -> dict[str, Any]:
        """One of them."""
        return self._row(self.room(space, room))

    def post_room(self, request: Request, space: str) -> dict[str, Any]:
        """Section "createRoom"."""
        ref, settings = self.space(space).id, rules.room_settings(rules.body(request))
        if self.options.choke_on and self.options.choke_on in settings["name"]:
            raise Problem(500, "Internal error", "internal")
        room = self.add_room(ref, settings)
        return {"id": room.id, "alias": room.alias, "channelId": room.id[::-1]}

    def put_room(self, request: Request, space: str, room: str) -> dict[str, Any]:
        """Section "updateRoom": a full replacement."""
        one, settings = self.room(space, room), rules.room_settings(rules.body(request))
        if "type" in rules.body(request) and settings["type"] != one.settings["type"]:
            raise Problem(422, "type cannot be changed")
        one.settings = settings
        return self._row(one)

    def delete_room(self, request: Request, space: str, room: str) -> None:
        """Section "deleteRoom"."""
        del self.rooms[self.room(space, room).id]

    def add_room(self, space: str, settings: dict[str, Any], owner: str | None = None) -> SimRoom:
        """Keep one more."""
        room = SimRoom(
            id=self.next_id(),
            alias=secrets.token_urlsafe(8),
            space=space,
            owner=owner or self.email,
            created=self.options.clock(),
            settings=settings,
        )
        self.rooms[room.id] = room
        return room

    def room(self, space: str, ref: str) -> SimRoom:
        """One of the space's rooms."""
        owner = self.space(space).id
        room = self.rooms.get(rules.identifier(ref, "roomId"))
        if room is None or room.space != owner:
            raise Problem(404, "Room not found")
        return room

    def post_access(self, request: Request, space: str, room: str) -> dict[str, Any]:
        """Section "roomGenerateAccess": for whoever made the room."""
        one = self.room(space, room)
        told = rules.access(rules.body(request), self.options.longest_link)
        if one.owner != self.email:
            raise Problem(403, "You may not let anybody into this room", "room_forbidden")
        expires = self.options.clock() + timedelta(seconds=told.pop("ttl"))
        claims: dict[str, Any] = {"aud": "guest", "jti": len(self.guests)}
        if self.options.dated:
            claims["exp"] = int(expires.timestamp())
        address = f"{self.options.front}/room/{one.alias}?participantName={quote(told['name'], safe='')}"
        guest = Guest(room=one.id, expires=expires, url=f"{address}&accessToken={jwt(claims)}", **told)
        self.guests.append(guest)
        return {"url": guest.url}

    def _row(self, room: SimRoom) -> dict[str, Any]:
        """A room with everything that the server shows of it (section "createRoom", the long sample)."""
        row = {
            "id": room.id,
            "appId": room.id[:23] + "a",
            "channelId": room.id[::-1],
            "alias": room.alias,
            "spaceId": room.space,
            "templateId": None,
            "parentRoomId": None,
            "isFavorite": False,
            "breakoutRooms": {"status": "disabled"},
            "roleInRoom": "role_room_owner",
            "createdAt": instant(room.created),
            "lastCallAt": instant(room.last_call),
            **room.settings,
        }
        if self.options.hide_redirect:
            del row["redirectUrl"]
        return {name: value for name, value in row.items() if value is not None} if self.options.omit_nulls else row

    # Records

    def get_records(self, request: Request, space: str, room: str) -> dict[str, Any]:
        """Section "getRecords"."""
        one = self.room(space, room)
        if not self.options.records:
            raise Problem(403, "Not part of the plan", "plan_forbidden")
        rows = [self._record_row(record, space) for record in self.records.values() if record.room == one.id]
        return self._listed(rows, request)

    def get_download(self, request: Request, space: str, room: str, record: str) -> str:
        """Section "RedirectToDownloadRoomRecord": the address."""
        one = self.room(space, room)
        found = self.records.get(rules.identifier(record, "recordId"))
        if found is None or found.room != one.id or found.content is None:
            raise Problem(404, "Record not found")
        key = secrets.token_urlsafe(12)
        self.links[key] = (found.id, self.options.clock() + LINK_LIFE)
        base = request.base
        if self.options.media_host:
            port = urlsplit(base).port
            base = f"http://{self.options.media_host}" + (f":{port}" if port else "")
        return f"{base}/media/{key}/record.mp4"

    def media(self, request: Request, key: str, name: str) -> bytes:
        """A record's file. No credentials belong here."""
        if "authorization" in request.headers:
            raise Problem(400, "credentials do not belong here", "credentials_sent")
        ref, expires = self.links.get(key, ("", self.options.clock()))
        if ref not in self.records or expires <= self.options.clock():
            raise Problem(403, "This address has expired", "expired")
        return self.records[ref].content or b""

    def _record_row(self, record: SimRecord, space: str) -> dict[str, Any]:
        return {
            "id": record.id,
            "name": record.name,
            "fileSize": len(record.content or b""),
            "roomId": record.room,
            "spaceId": space,
            "callId": record.call,
            "state": record.state,
            "createdAt": instant(record.created),
            "startedAt": instant(record.started),
            "finishedAt": instant(record.finished),
        }

    # Calls

    def get_calls(self, request: Request, space: str) -> dict[str, Any]:
        """Section "analyticsCalls": the calls of a room that began on the (UTC) day of `date`."""
        told = self._analytics(request, space, "roomId", "date")
        room, wanted = self.room(space, told.get("roomId", "")), rules.day(told.get("date")).date()
        calls = [call for call in self.calls.values() if call.room == room.id and call.started.date() == wanted]
        return {"items": [_call_row(call) for call in calls]}

    def get_report(self, request: Request, space: str) -> dict[str, Any]:
        """Section "getRoomAnalyticsReport"."""
        told = self._analytics(request, space, "roomId", "callId", "format")
        room = self.room(space, told.get("roomId", ""))
        call = self.calls.get(rules.identifier(told.get("callId"), "callId"))
        if told.get("format") != "json":
            raise Problem(422, "this stand-in writes json")
        if call is None or call.room != room.id or call.finished is None:
            raise Problem(404, "Call not found")
        return {"call": _call_row(call), "participants": call.people}

    def _analytics(self, request: Request, space: str, *names: str) -> dict[str, str]:
        self.space(space)
        if not self.options.analytics:
            raise Problem(403, "Not part of the plan", "plan_forbidden")
        return rules.query(request, *names)

    # Webhooks

    def get_webhook(self, request: Request, space: str) -> dict[str, Any]:
        """Section "getWebhook": without the secret."""
        hook = self._webhook(space)
        return {"url": hook["url"], "isActive": hook["isActive"]}

    def post_webhook(self, request: Request, space: str) -> dict[str, Any]:
        """Section "createWebhook"; a second one is refused."""
        one, data = self.space(space), rules.body(request)
        rules.only(data, "url")
        url = rules.web_address(data.get("url"), "url")
        if one.webhook is not None:
            raise Problem(409, "There is a webhook already", "webhook_exists")
        one.webhook = {"url": url, "secret": secrets.token_urlsafe(24), "isActive": True}
        return dict(one.webhook)

    def put_webhook(self, request: Request, space: str) -> dict[str, Any]:
        """Section "updateWebhook"."""
        hook, data = self._webhook(space), rules.body(request)
        rules.only(data, "url", "isActive")
        hook |= {"url": rules.web_address(data.get("url"), "url"), "isActive": rules.boolean(data, "isActive", True)}
        return {"url": hook["url"], "isActive": hook["isActive"]}

    def put_secret(self, request: Request, space: str) -> dict[str, Any]:
        """Section "refreshSecret"."""
        hook = self._webhook(space)
        hook["secret"] = secrets.token_urlsafe(24)
        return dict(hook)

    def delete_webhook(self, request: Request, space: str) -> None:
        """Section "deleteWebhook"."""
        self._webhook(space)
        self.spaces[space].webhook = None

    def _webhook(self, space: str) -> dict[str, Any]:
        hook = self.space(space).webhook
        if hook is None:
            raise Problem(404, "There is no webhook")
        return hook

    def _listed(self, rows: list[dict[str, Any]], request: Request) -> dict[str, Any]:
        """The rows in the manner that the options ask for."""
        options, told = self.options, rules.query(request, "limit", "offset")
        if told and options.refuse_paging:
            raise Problem(422, "unknown parameter")
        if options.paging in ("limit_offset", "no_total"):
            if not all(value.isdigit() for value in told.values()):
                raise Problem(422, "limit and offset are numbers")
            first = int(told.get("offset", 0))
            shown = rows[first : first + min(int(told.get("limit", options.page)), options.page)]
        else:
            shown = rows if options.paging == "none" else rows[: options.page]
        return {"items": shown, **({} if options.paging in ("no_total", "mute") else {"total": len(rows)})}


def _call_row(call: SimCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "roomId": call.room,
        "active": call.finished is None,
        "participantsCount": len(call.people),
        "startedAt": instant(call.started),
        "finishedAt": instant(call.finished),
    }
