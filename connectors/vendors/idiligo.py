"""The Idiligo connector (InsideService20).

A session is a call: a run of a script, without title or time, that cannot be found, changed or removed. It has one
guest. What it does have is fields of the script's own, which are filled from the configured templates, through the
call's public id; that one is known from the participants' link only.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.base import VendorConnector, clear_text, wire_for
from connectors.settings import VendorPlugin, VendorSettings
from connectors.vendors import idiligo_templates as templates
from connectors.vendors.idiligo_api import IdiligoApi
from connectors.vendors.idiligo_templates import ClientLink
from connectors.vendors.idiligo_wire import call_id
from sync.errors import Gone, OutsideError, Refused, Unreachable
from sync.model import (
    Artifact,
    Capabilities,
    Document,
    Finding,
    Invitee,
    Limits,
    Meeting,
    Participant,
    Role,
    Session,
)
from sync.ports import Connector, Download


class IdiligoSettings(VendorSettings):
    """`[vendors.<name>]` with type = "idiligo".

    The account logs in with its password or with an authorization ticket. `traject` is the code of the script.
    `values` are templates for the script's fields, by the fields' names; `upload_node` names its node for documents.
    `client_url` is where participants go, `return_url` where the organizer's browser goes afterwards.
    """

    type: Literal["idiligo"]
    api_key: SecretStr = Field(min_length=1)
    username: str = Field(min_length=1)
    password: SecretStr | None = Field(default=None, min_length=1)
    ticket: SecretStr | None = Field(default=None, min_length=1)
    traject: str = Field(min_length=1)
    values: dict[str, str] = Field(default_factory=dict)
    upload_node: str | None = Field(default=None, min_length=1)
    client_url: str = "{url}/client?id={public_id}"
    return_url: str = ""

    @field_validator("values")
    @classmethod
    def _value_templates(cls, value: dict[str, str]) -> dict[str, str]:
        for name, template in value.items():
            if not name.strip():
                raise ValueError("a field of the script needs a name")
            try:
                templates.fields_of(template, templates.FIELDS)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return value

    @field_validator("client_url")
    @classmethod
    def _link_template(cls, value: str) -> str:
        ClientLink(value, "https://host")
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.password is None and self.ticket is None:
            raise ValueError("password: missing (or give a ticket)")
        if self.password is not None and self.ticket is not None:
            raise ValueError("ticket: there is a password as well; only one of them is possible")
        return self


def capabilities_for(held: frozenset[str] = frozenset(), *, upload_node: bool = False) -> Capabilities:
    """What a call can hold is what the values' templates use; documents need a node to go to."""
    return Capabilities(
        name="Idiligo",
        session="call",
        marker="none",
        holds=held,
        set_after_create=held,
        update=held,
        reads_back=False,
        delete=False,
        list=False,
        uninvite=False,
        change_role=False,
        roles=frozenset({Role.PARTICIPANT}),
        hosts_apart=True,
        list_invitees=False,
        host_links=True,
        documents_push=upload_node,
        documents_by_url=True,
        attach_again=True,
        documents_pull=True,
        limits=Limits(participants=1),
    )


class IdiligoConnector(VendorConnector):
    """One Idiligo account and script. See `sync.ports.Connector` for what each method promises."""

    capabilities = capabilities_for()

    def __init__(self, api: IdiligoApi, settings: IdiligoSettings) -> None:
        self._api = api
        self._url = settings.url
        self._traject = settings.traject
        self._values = settings.values
        self._node = settings.upload_node
        self._return_url = settings.return_url
        self._link = ClientLink(settings.client_url, settings.url)
        self.capabilities = capabilities_for(templates.held_by(settings.values), upload_node=self._node is not None)

    async def close(self) -> None:
        """Let go of connections."""
        await self._api.close()

    async def check(self) -> tuple[Finding, ...]:
        """Log in afresh: there is nothing that could be looked at besides."""
        await self._api.enter_afresh()
        return clear_text(self._url)

    async def create(self, meeting: Meeting, marker: str, *, mail: bool) -> Session:
        """CreateCall. The link is asked for at once, but the call is there whether or not it is given."""
        ref = await self._api.create_call(self._traject)
        try:
            return await self.get(ref)
        except OutsideError:
            return Session(ref)

    async def get(self, ref: str) -> Session:
        """The call's link, from a public id that is generated now. Whether there is such a call is not told: an unknown
        one is an error like any other."""
        return Session(ref, join_url=self._link.to(await self._api.public_id(call_id(ref))))

    async def update(self, ref: str, meeting: Meeting, changed: frozenset[str], *, join_url: str | None = None) -> None:
        """SetValues with all values: they are set, not added to."""
        call_id(ref)
        if not (changed and self._values):
            return
        if not join_url:
            raise Unreachable("the call's public id is not known yet: its values can be set when it has a join link")
        public_id = self._link.public_id(join_url)
        if public_id is None:
            raise Refused("the call's link was not made from client_url: there is no public id to be read in it")
        texts = templates.texts_of(meeting, join_url)
        values = [(name, templates.filled(template, texts)) for name, template in self._values.items()]
        await self._api.set_values(public_id, values)

    async def invite(self, ref: str, participant: Participant, *, mail: bool) -> Invitee:
        """CreateContact and SetContact: a call has one contact, so this one replaces the former."""
        call = call_id(ref)
        contact = await self._api.create_contact(participant.email, *participant.first_and_last_name())
        await self._api.set_contact(call, contact)
        return Invitee(contact, participant.email, Role.PARTICIPANT, participant.name)

    async def host_link(self, ref: str) -> str:
        """GetAgentUrl: it logs the organizer in, so it is a secret."""
        return await self._api.agent_url(call_id(ref), self._return_url)

    async def artifacts(self, ref: str) -> tuple[Artifact, ...]:
        """GetAttachments: what was uploaded, generated or signed. Kept by Idiligo for some time only."""
        return tuple(one.artifact(ref) for one in await self._api.attachments(call_id(ref)))

    @asynccontextmanager
    async def download(self, artifact: Artifact, *, start: int = 0, validator: str = "") -> AsyncIterator[Download]:
        """The attachment's content. Its address changes with time, so it is asked for anew."""
        present = {one.ref: one.link for one in await self.artifacts(artifact.session_ref)}
        link = present.get(artifact.ref)
        if link is None:
            raise Gone(f"attachment {artifact.ref} is not there any more")
        async with self._api.stream(link, start, validator) as download:
            yield download

    async def attach(self, ref: str, document: Document) -> str:
        """AddDocumentFromUrl and SetDocumentToUploadAction: Idiligo fetches the document by itself. The node has one
        document, so setting it again does no harm."""
        call = call_id(ref)
        if self._node is None:
            raise self._lacking("takes documents only in the script's upload_node, which is not configured")
        if document.url is None:
            raise Refused(f"{document.name[:80]!r} has no address that Idiligo could fetch it from")
        number = await self._api.add_document(document.url, document.name, self._node)
        await self._api.set_document(call, self._node, number)
        return number


def connect(settings: IdiligoSettings, locked: bool) -> Connector:
    """A connector for the account; a locked one cannot write."""
    return IdiligoConnector(api_for(settings, locked), settings)


def api_for(settings: IdiligoSettings, locked: bool) -> IdiligoApi:
    """The account's operations. With a ticket it is Impersonate that gives the token, in the same way as Login."""
    operation, name, secret = ("Login", "password", settings.password)
    if settings.ticket is not None:
        operation, name, secret = ("Impersonate", "ticket", settings.ticket)
    key, word = settings.api_key.get_secret_value(), secret.get_secret_value() if secret else ""
    login = (operation, (("apikey", key), ("username", settings.username), (name, word)))
    return IdiligoApi(wire_for(settings, locked), url=settings.url, login=login, secrets=(key, word))


_EVERYTHING = frozenset(name for name in templates.FIELDS.values() if name)
plugin = VendorPlugin(IdiligoSettings, connect, capabilities_for(_EVERYTHING, upload_node=True))
