"""The ISL Groop connector (ISL Online Conference Proxy, "JSON API (deprecated)").

To remember: nothing can be changed once it is made, and nothing can be found again but by the session's name. So our
marker stands in the name, in a short form that people see, unless the caller hands in no marker.
"""

from collections.abc import Collection
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from connectors.base import VendorConnector, clear_text, wire_for
from connectors.settings import StrictSettings, VendorPlugin, VendorSettings
from connectors.vendors import isl_groop_wire as wire_format
from connectors.vendors.isl_groop_api import Denied, IslApi, LoginExpired
from connectors.vendors.isl_groop_wire import Encoding, SessionRow, checked_code
from sync.errors import Gone, Unreachable
from sync.model import Capabilities, Finding, Invitee, Meeting, Participant, Session, Window
from sync.ports import Connector, Listing, Unfindable

_NAME = r"^[A-Za-z0-9_.]+$"


class Functions(StrictSettings):
    """The names of the API's functions: the server may be older or newer than the document.

    Those of `add_registered_user` and `delete` are deduced from the others: the document shows none.
    """

    login: str = Field(default="Login.login", pattern=_NAME)
    logout: str = Field(default="Login.logout", pattern=_NAME)
    get_info: str = Field(default="ISLGroop.Session.getInfo", pattern=_NAME)
    create: str = Field(default="ISLGroop.Session.create", pattern=_NAME)
    join: str = Field(default="ISLGroop.Session.join", pattern=_NAME)
    add_registered_user: str = Field(default="ISLGroop.Session.addRegisteredUser", pattern=_NAME)
    delete: str = Field(default="ISLGroop.Session.delete", pattern=_NAME)


class IslGroopSettings(VendorSettings):
    """`[vendors.<name>]` with type = "isl-groop".

    `encoding` of the requests: tried out at the first login when it is not set. `join_url` is a template with
    {server}, {session_code} and {join_uid}; the API gives no links. `send_start_time` sends the start as seconds since
    1970, which is a guess: the document does not say how. `lang` is the language of the server's texts.
    """

    type: Literal["isl-groop"]
    username: str = Field(min_length=1)
    password: SecretStr = Field(min_length=1)
    encoding: Encoding | None = None
    join_url: str | None = None
    functions: Functions = Functions()
    send_start_time: bool = False
    lang: str = Field(default="en", pattern=r"^[A-Za-z][A-Za-z_-]{1,15}$")

    @field_validator("join_url")
    @classmethod
    def _link_template(cls, value: str | None) -> str | None:
        if value is not None:
            wire_format.link_fields(value)
        return value


def capabilities_for(*, send_start_time: bool = False, link_fields: Collection[str] = ()) -> Capabilities:
    """What an account can hold and do. Starts are sent by a setting, and never shown again; personal links need a
    template with {join_uid}."""
    return Capabilities(
        name="ISL Groop",
        session="scheduled",
        marker="title",
        holds=frozenset({"title", "start"} if send_start_time else {"title"}),
        uninvite=False,
        change_role=False,
        list_invitees=False,
        vendor_mail=True,
        personal_links="join_uid" in link_fields,
    )


class IslGroopConnector(VendorConnector):
    """One ISL Groop account. See `sync.ports.Connector` for what each method promises."""

    capabilities = capabilities_for()

    def __init__(self, api: IslApi, *, url: str, join_url: str | None, send_start_time: bool = False) -> None:
        self._api = api
        self._url = url
        self._template = join_url or ""
        self._fields = wire_format.link_fields(join_url) if join_url else set()
        self._send_start_time = send_start_time
        self.capabilities = capabilities_for(send_start_time=send_start_time, link_fields=self._fields)

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in, list, log out: the document tells to do so after every upgrade of the server."""
        await self._api.verify()
        if self._template:
            return clear_text(self._url)
        message = "the API gives no join links: without join_url (a template) nobody gets one"
        return (*clear_text(self._url), Finding("no-join-url", message))

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """Session.create. When the login had ended meanwhile, the marker is looked for before the second try."""
        args: dict[str, object] = {"session_name": wire_format.marked(meeting.title, marker)}
        if self._send_start_time:
            args["start_time"] = int(meeting.start.timestamp())
        try:
            code = await self._api.create(args)
        except LoginExpired:
            with self._api.settling("create"):
                found = await self._look(marker) if marker else ()
            if found:
                return found[0]
            code = await self._api.create(args)
        return Session(ref=code, join_url=self._public_link(code))

    async def get(self, ref: str) -> Session | None:
        """The session by its code."""
        row = await self._api.session(checked_code(ref))
        return self._session(row) if row else None

    async def find(self, marker: str) -> tuple[Session, ...] | Unfindable:
        """The account's sessions with the marker in their name, by code: their age is not shown. Absence is
        concluded from two looks only."""
        if not marker:
            return Unfindable("the session's name carries no marker of ours, and nothing else can be searched")
        return await self._look(marker) or await self._look(marker)

    async def list(self, window: Window) -> Listing:
        """All sessions of the account: none shows a time, and there is no paging."""
        rows = await self._api.owned()
        return Listing(tuple(self._session(row) for row in _by_code(rows)), complete=True)

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """Nothing can be changed."""
        if changed:
            raise self._lacking("cannot change a session")

    async def delete(self, ref: str) -> None:
        """Session.delete. An error is success when the session is not there any more."""
        code = checked_code(ref)
        try:
            try:
                await self._api.delete(code)
            except LoginExpired:
                await self._api.delete(code)
        except Denied:
            with self._api.settling("delete"):
                left = await self._api.session(code)
            if left:
                raise

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """addRegisteredUser; the same person again gets a second uid. Only the uid's own link is personal."""
        code, args = checked_code(ref), wire_format.person(participant, mail=mail)
        try:
            try:
                uid = await self._api.add_registered_user(code, args)
            except LoginExpired:
                uid = await self._api.add_registered_user(code, args)
        except Denied as error:
            with self._api.settling("add_registered_user"):
                left = await self._api.session(code)
            if left is None:
                raise Gone(str(error)) from None
            raise
        own = wire_format.link(self._template, self._url, code, uid) if "join_uid" in self._fields else None
        return Invitee(uid, participant.email, participant.role, participant.name, own)

    async def _look(self, marker: str) -> tuple[Session, ...]:
        """The sessions with the marker as far as one look shows them."""
        wanted, rows = wire_format.token(marker), await self._api.owned()
        found = [row for row in rows if row.session_name and wire_format.unmarked(row.session_name)[1] == wanted]
        if not found and any(row.session_name is None for row in rows):
            raise Unreachable("sessions are shown without their names: nothing is concluded about the marker")
        return tuple(self._session(row, marker) for row in _by_code(found))

    def _session(self, row: SessionRow, marker: str | None = None) -> Session:
        """In convener's terms. A name shows a marker's short form only: the marker is said where it is known."""
        title = None if row.session_name is None else wire_format.unmarked(row.session_name)[0]
        return Session(row.session_code, title, join_url=self._public_link(row.session_code), marker=marker)

    def _public_link(self, code: str) -> str | None:
        """The link for everybody, None when the template makes personal ones only."""
        if "session_code" not in self._fields:
            return None
        return wire_format.link(self._template, self._url, code)


def connect(settings: IslGroopSettings, locked: bool) -> Connector:
    """A connector for the account; a locked one cannot write."""
    api = IslApi(
        wire_for(settings, locked),
        url=settings.url,
        username=settings.username,
        secret=settings.password.get_secret_value(),
        functions=settings.functions.model_dump(),
        encoding=settings.encoding,
        lang=settings.lang,
    )
    return IslGroopConnector(
        api, url=settings.url, join_url=settings.join_url, send_start_time=settings.send_start_time
    )


plugin = VendorPlugin(IslGroopSettings, connect, capabilities_for(link_fields={"session_code", "join_uid"}))


def _by_code(rows: list[SessionRow]) -> list[SessionRow]:
    return sorted(rows, key=lambda row: row.session_code)
