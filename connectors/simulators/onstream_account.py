"""The state behind the Onstream stand-in, and what each API method does to it.

One public method per API method ("Onstream API v2 document", the method's own section), named after it. Each
takes the parameters, gives what the answer shows and raises Problem for everything that the server refuses.
"""

import html
import json
import secrets
from typing import Any
from urllib.parse import quote

from connectors.simulators import media
from connectors.simulators import onstream_rules as rules
from connectors.simulators.onstream_format import Problem, integer, text, truth
from connectors.simulators.onstream_rules import GROUPS, Params
from connectors.simulators.onstream_state import Mail, Options, SimInvitee, SimMedia, SimSession
from connectors.simulators.stage import Reply, Request

Done = tuple[int, str]
"""What a write answers: an id and a message."""
PLAYER = b"<!DOCTYPE html>\n<html><head><title>Playback</title></head><body><div id='player'></div></body></html>\n"


class Account:
    """One account's sessions, people, recordings, files and the mails that went out."""

    def __init__(self, username: str, options: Options) -> None:
        self.username = username
        self.options = options
        self.sessions: dict[int, SimSession] = {}
        self.recordings: dict[int, dict[str, Any]] = {}
        self.media: dict[int, SimMedia] = {}
        self.files: dict[int, dict[str, Any]] = {}
        self.mails: list[Mail] = []
        self.deleted: set[int] = set()
        self._counters: dict[str, int] = {}
        self._base = "http://127.0.0.1"

    def calls(self, base: str) -> dict[str, dict[str, Any]]:
        """The API: resource -> HTTP method -> what it does. `base` is the address for links in answers."""
        self._base = base
        return {
            "authverify": {"GET": self.get_authverify},
            "session": {
                "GET": self.get_session,
                "PUT": self.put_session,
                "POST": self.post_session,
                "DELETE": self.delete_session,
            },
            "sessions": {"GET": self.get_sessions},
            "invitees": {"GET": self.get_invitees},
            "invitee": {"PUT": self.put_invitee, "POST": self.post_invitee, "DELETE": self.delete_invitee},
            "recording": {
                "GET": self.get_recording,
                "POST": self.post_recording,
                "DELETE": self.delete_recording,
            },
            "recordings": {"GET": self.get_recordings},
            "file": {"PUT": self.put_file},
            "file_in_session": {"PUT": self.put_file_in_session},
        }

    def get_authverify(self, params: Params) -> dict[str, Any]:
        """Who asks has been let in already."""
        return {"authenticated": self.options.authenticated, "message": "You are authorized to use the API"}

    # Sessions

    def get_session(self, params: Params) -> list[dict[str, Any]]:
        """One session, as a list."""
        return [rules.chosen(self._session_row(self._session(integer(params, "id"))), params)]

    def get_sessions(self, params: Params) -> list[dict[str, Any]]:
        """A page of sessions, by id."""
        rows = []
        for one in self._page(self.sessions, params):
            row = self._session_row(one)
            if not self.options.list_custom_data:
                del row["custom_data"]
            rows.append(rules.chosen(row, params))
        return rows

    def put_session(self, params: Params) -> Done:
        """A new session; everybody in invited_participants is mailed unless told otherwise."""
        for name in ("topic", "duration", "start_time"):
            if name not in params:
                raise Problem(400, f"{name} is required")
        fields = self._session_fields(params, None)
        people = rules.people(params.get("invited_participants"))
        if self.options.choke_on and self.options.choke_on in fields["topic"]:
            raise Problem(500)
        one = self.add(SimSession(**{"timezone": self.options.timezone, **fields}))
        self._invite_all(one, people, "PUT session")
        return one.id, "Session added"

    def post_session(self, params: Params) -> Done:
        """Edit a session; a list of participants replaces the present one."""
        one = self._session(integer(params, "id"))
        fields = self._session_fields(params, one)
        people = rules.people(params.get("invited_participants"))
        for name, value in fields.items():
            setattr(one, name, value)
        if "invited_participants" in params:
            one.invitees.clear()
            self._invite_all(one, people, "POST session")
        return one.id, "Session updated"

    def delete_session(self, params: Params) -> Done:
        """Delete a session."""
        one = self._session(integer(params, "id"))
        del self.sessions[one.id]
        self.deleted.add(one.id)
        return one.id, "Session was deleted"

    def add(self, session: SimSession) -> SimSession:
        """Keep a session under the next id."""
        session.id = self.next_id("session")
        session.key = secrets.token_hex(6)
        self.sessions[session.id] = session
        return session

    def _session(self, ref: int) -> SimSession:
        if ref in self.sessions:
            return self.sessions[ref]
        raise Problem(self.options.gone_status if ref in self.deleted else 404)

    def _session_fields(self, params: Params, present: SimSession | None) -> dict[str, Any]:
        """The named fields, checked; nothing is changed yet."""
        fields: dict[str, Any] = {}
        if "topic" in params:
            fields["topic"] = text(params, "topic")
        if "duration" in params:
            fields["duration"] = integer(params, "duration")
            if not fields["duration"]:
                raise Problem(400, "duration must be at least 1")
        if "start_time" in params:
            fields["start_time"] = rules.wall_time(params["start_time"])
        if "custom_data" in params:
            fields["custom_data"] = rules.custom(params["custom_data"])
        if params.get("password"):
            fields["password"] = text(params, "password")
        if params.get("friendly_url"):
            wanted = fields["friendly_url"] = text(params, "friendly_url")
            if any(one.friendly_url == wanted and one is not present for one in self.sessions.values()):
                raise Problem(409, "friendly_url is taken")
        return fields

    def _session_row(self, one: SimSession) -> dict[str, Any]:
        custom: Any = dict(one.custom_data)
        if self.options.custom_shape == "list" or not custom:
            custom = [custom] if custom else []
        elif self.options.custom_shape == "text":
            custom = json.dumps(custom)
        row = {
            "id": one.id,
            "topic": html.escape(one.topic) if self.options.escape_topics else one.topic,
            "start_time": one.start_time,
            "duration": one.duration,
            "timezone": one.timezone,
            "password": one.password,
            "session_access_code": None,
            "session_link": f"{self._base}/{quote(self.username)}/{quote(one.friendly_url or one.key)}",
            "custom_data": custom,
        }
        if not self.options.show_custom_data:
            del row["custom_data"]
        return row

    # People

    def get_invitees(self, params: Params) -> dict[str, Any]:
        """The people of a session in groups by role; {} when there is nobody."""
        one = self._session(integer(params, "id"))
        wanted = params.get("role", "all")
        if wanted not in ("all", *GROUPS.values()):
            raise Problem(400, "role is not one of all, moderators, participants, observers")
        if not one.invitees:
            return {}
        groups: dict[str, Any] = {}
        for role, group in GROUPS.items():
            rows = [_invitee_row(person) for person in one.invitees if person.role == role]
            if wanted in ("all", group) and rows:
                groups[group] = rows[0] if len(rows) == 1 and self.options.shape == "bare" else rows
        return groups

    def put_invitee(self, params: Params) -> Done:
        """Add somebody; mails unless told otherwise."""
        one = self._session(integer(params, "session_id"))
        person = self._invite(one, rules.person(params), "PUT invitee")
        return person.id, "Invitee added"

    def post_invitee(self, params: Params) -> Done:
        """Change a role; mails unless told otherwise."""
        one = self._session(integer(params, "session_id"))
        person = _invitee(one, integer(params, "user_id"))
        person.role = rules.role_of(params)
        if truth(params.get("send_email_invitation", True)):
            self.mails.append(Mail(person.email, "POST invitee", one.id))
        return person.id, "Invitation was updated"

    def delete_invitee(self, params: Params) -> Done:
        """Remove somebody."""
        one = self._session(integer(params, "session_id"))
        person = _invitee(one, integer(params, "user_id"))
        one.invitees.remove(person)
        return person.id, "Invitee deleted"

    def _invite_all(self, one: SimSession, people: list[Params], kind: str) -> None:
        for person in people:
            self._invite(one, person, kind)

    def _invite(self, one: SimSession, person: Params, kind: str) -> SimInvitee:
        same = [there for there in one.invitees if there.email.lower() == person["email"].lower()]
        if same and self.options.duplicate_invitee == "conflict":
            raise Problem(409, "already invited")
        if same and self.options.duplicate_invitee == "same":
            invitee = same[0]
        else:
            link = f"{self._base}/{quote(self.username)}/go/{secrets.token_urlsafe(9)}"
            invitee = SimInvitee(
                id=self.next_id("user"),
                email=person["email"],
                first_name=person["first_name"],
                last_name=person["last_name"],
                role=person["role"],
                personal_session_link=link,
            )
            one.invitees.append(invitee)
        if person["mail"]:
            self.mails.append(Mail(invitee.email, kind, one.id))
        return invitee

    # Recordings

    def get_recording(self, params: Params) -> list[dict[str, Any]]:
        """One recording, as a list."""
        return [rules.chosen(self._recording_row(self._recording(params)), params)]

    def get_recordings(self, params: Params) -> list[dict[str, Any]]:
        """A page of recordings, of one session when asked so."""
        found = self.recordings
        if "session" in params:
            wanted = integer(params, "session")
            found = {ref: row for ref, row in found.items() if row["session_id"] == wanted}
        return [rules.chosen(self._recording_row(row), params) for row in self._page(found, params)]

    def post_recording(self, params: Params) -> Done:
        """Edit a recording."""
        row = self._recording(params)
        for name in ("title", "description", "password", "allow_anonymous_playback"):
            row[name] = params.get(name, row[name])
        return int(row["id"]), "Recording updated"

    def delete_recording(self, params: Params) -> Done:
        """Delete a recording."""
        row = self._recording(params)
        del self.recordings[row["id"]]
        return int(row["id"]), "Recording was deleted"

    def play(self, request: Request) -> Reply:
        """What is behind a recording's link: its media, or a page that plays it, which a password always makes."""
        user, _, last = request.path.removeprefix("/play/").partition("/")
        number = last.partition("-")[0]
        ref = int(number) if number.isascii() and number.isdigit() else 0
        if user != quote(self.username) or ref not in self.media or ref not in self.recordings:
            return Reply(404, PLAYER, {"content-type": "text/html"})
        one = self.media[ref]
        if one.content is None or self.recordings[ref]["password"]:
            return Reply(200, PLAYER, {"content-type": "text/html; charset=utf-8"})
        return media.served(request, one.content, one.media_type, self.options.resumes)

    def _recording_row(self, row: dict[str, Any]) -> dict[str, Any]:
        if row["id"] not in self.media:
            return row
        return {**row, "recording_link": f"{self._base}/play/{quote(self.username)}/{row['id']}-recording"}

    def _recording(self, params: Params) -> dict[str, Any]:
        ref = integer(params, "id")
        if ref not in self.recordings:
            raise Problem(404)
        return self.recordings[ref]

    # Files (the document calls these experimental)

    def put_file(self, params: Params) -> Done:
        """Add an address to the media library; files themselves cannot be added."""
        link = text(params, "file_link")
        if not integer(params, "is_url", 0):
            raise Problem(400, "only URLs can be added")
        description = str(params.get("file_description", ""))
        if len(description) > 255:
            raise Problem(400, "file_description is too long")
        ref = self.next_id("file")
        self.files[ref] = {"id": ref, "file_link": link, "file_description": description}
        return ref, "File added"

    def put_file_in_session(self, params: Params) -> Done:
        """Associate a file with a session."""
        file_id, one = integer(params, "file_id"), self._session(integer(params, "session_id"))
        if file_id not in self.files:
            raise Problem(404)
        one.files.append(file_id)
        return self.next_id("file_in_session"), "File added to session"

    def next_id(self, kind: str) -> int:
        """The next number of its kind, from 1; numbers are never used again."""
        self._counters[kind] = self._counters.get(kind, 0) + 1
        return self._counters[kind]

    def _page(self, found: dict[int, Any], params: Params) -> list[Any]:
        count, offset = integer(params, "count", 100), integer(params, "offset", 0)
        order = params.get("order", "asc")
        if order not in ("asc", "desc"):
            raise Problem(400, "order is asc or desc")
        if self.options.max_count is not None:
            count = min(count, self.options.max_count)
        if not self.options.paging:
            offset = 0
        refs = sorted(found, reverse=order == "desc")
        return [found[ref] for ref in refs[offset : offset + count]]


def _invitee(one: SimSession, user_id: int) -> SimInvitee:
    for person in one.invitees:
        if person.id == user_id:
            return person
    raise Problem(404)


def _invitee_row(person: SimInvitee) -> dict[str, Any]:
    return {
        "id": person.id,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "personal_session_link": person.personal_session_link,
    }
