"""The state behind the Idiligo stand-in, and what each operation does to it (Idiligo API page, sections 1 to 9)."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote

from connectors.simulators.idiligo_binding import Nil, Problem
from connectors.simulators.media import Resumes

TOKEN_LIFE = timedelta(hours=24)

Arguments = dict[str, Any]


@dataclass
class SimContact:
    """One contact; an address may have many."""

    id: int
    email: str
    first_name: str
    last_name: str


@dataclass
class SimAttachment:
    """One attachment. `url` is where it is kept elsewhere, else this server serves `content`. `sign`: somebody is to
    sign it; `signed`: somebody has."""

    id: int
    description: str
    content: str
    sign: bool = False
    url: str | None = None
    preview: str | None = None
    signed: bool = False


@dataclass
class SimCall:
    """One call. `public_ids` are all that were ever made; the last one is good."""

    id: int
    traject: str
    foreign: bool = False
    contact: int | None = None
    public_ids: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, int] = field(default_factory=dict)
    attachments: list[SimAttachment] = field(default_factory=list)


@dataclass
class Options:
    """How this service behaves where real ones may differ; may be changed while it runs.

    `api_key` and `ticket` are the account's. `trajects` are the codes of its scripts, `upload_nodes` the names of their
    Upload nodes. `public_ids`: whether a second GetPublicCallId gives a "new" id (the former is forgotten) or the
    "same". `refusal` is the answer to a login that is not accepted. `errors` is how much an error tells. `roots` is the
    element that numbers come in, `bom` puts a byte-order mark in front. `validates`: markup in parameters is refused.
    `one_token`: a login voids the tokens before it. Tokens live for 24 hours on the `clock`. `resumes` is how an
    attachment's download can be gone on with.
    """

    api_key: str = "key-of-acme"
    ticket: str = "ticket-of-acme"
    trajects: tuple[str, ...] = ("intake",)
    upload_nodes: tuple[str, ...] = ("contract",)
    public_ids: Literal["new", "same"] = "new"
    refusal: Literal["text", "nil", "empty"] = "text"
    errors: Literal["message", "trace", "suppressed"] = "message"
    roots: Literal["long", "string"] = "long"
    bom: bool = False
    validates: bool = True
    resumes: Resumes = "etag"
    one_token: bool = False
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


class Account:
    """One account's tokens, calls, contacts and documents."""

    def __init__(self, username: str, password: str, options: Options) -> None:
        self.options = options
        self.calls: dict[int, SimCall] = {}
        self.contacts: dict[int, SimContact] = {}
        self.documents: dict[int, dict[str, str]] = {}
        self.tokens: dict[str, datetime] = {}
        self.handed_out: set[str] = set()
        self._username = username
        self._password = password
        self._files: dict[str, SimAttachment] = {}
        self._last = 1000

    def next_id(self) -> int:
        """Numbers are never used again."""
        self._last += 1
        return self._last

    def run(self, name: str, arguments: Arguments, base: str) -> Any:
        """Do it; None for operations without result. Raises Problem."""
        if name in ("Login", "Impersonate"):
            return self._login(name, arguments)
        self._admit(arguments["token"])
        match name:
            case "CreateContact":
                return self._create_contact(arguments)
            case "CreateCall":
                return self._create_call(arguments)
            case "SetContact":
                return self._set_contact(arguments)
            case "GetAgentUrl":
                return self._agent_url(arguments, base)
            case "GetPublicCallId":
                return self._public_id(arguments)
            case "SetValues":
                return self._set_values(arguments)
            case "AddDocumentFromUrl":
                return self._add_document(arguments)
            case "SetDocumentToUploadAction":
                return self._set_document(arguments)
            case _:
                return self._attachments(arguments, base)

    # The token

    def _login(self, name: str, arguments: Arguments) -> Any:
        word, wanted = ("password", self._password) if name == "Login" else ("ticket", self.options.ticket)
        if (arguments["apikey"], arguments["username"], arguments[word]) != (
            self.options.api_key,
            self._username,
            wanted,
        ):
            if self.options.refusal == "text":
                raise Problem(f"Access denied for key {arguments['apikey']} with {arguments[word]}")
            return Nil() if self.options.refusal == "nil" else ""
        if self.options.one_token:
            self.tokens.clear()
        token = self._secret()
        self.tokens[token] = self.options.clock()
        return token

    def _admit(self, token: str) -> None:
        since = self.tokens.get(token)
        if since is None or self.options.clock() - since >= TOKEN_LIFE:
            raise Problem(f"Token {token} is not valid")

    # Calls and contacts

    def _create_contact(self, arguments: Arguments) -> int:
        if "@" not in arguments["email"]:
            raise Problem("The address is not valid")
        ref = self.next_id()
        self.contacts[ref] = SimContact(ref, arguments["email"], arguments["firstName"], arguments["lastName"])
        return ref

    def _create_call(self, arguments: Arguments) -> int:
        if arguments["trajectCode"] not in self.options.trajects:
            raise Problem(f"There is no script {arguments['trajectCode']}")
        return self.add_call(arguments["trajectCode"])

    def add_call(self, traject: str, *, foreign: bool = False) -> int:
        """A new call."""
        ref = self.next_id()
        self.calls[ref] = SimCall(ref, traject, foreign)
        return ref

    def _set_contact(self, arguments: Arguments) -> None:
        call = self._call(arguments)
        if arguments["contactId"] not in self.contacts:
            raise Problem("There is no such contact")
        call.contact = arguments["contactId"]

    def _agent_url(self, arguments: Arguments, base: str) -> str:
        call = self._call(arguments)
        return f"{base}/agent?call={call.id}&ticket={self._secret()}&returnUrl={quote(arguments['returnUrl'], safe='')}"

    def _public_id(self, arguments: Arguments) -> str:
        call = self._call(arguments)
        if not call.public_ids or self.options.public_ids == "new":
            call.public_ids.append(secrets.token_urlsafe(8) + "/+=")
        return call.public_ids[-1]

    def _set_values(self, arguments: Arguments) -> None:
        names, values, wanted = arguments["names"], arguments["values"], arguments["publicId"]
        call = next((one for one in self.calls.values() if one.public_ids[-1:] == [wanted]), None)
        if call is None:
            raise Problem("There is no such call")
        if len(names) != len(values):
            raise Problem("names and values differ in number")
        call.values |= dict(zip(names, values, strict=True))

    def _call(self, arguments: Arguments) -> SimCall:
        if arguments["callId"] not in self.calls:
            raise Problem(f"There is no call {arguments['callId']}, says https://idiligo.example/help?token=SECRET")
        return self.calls[arguments["callId"]]

    # Documents

    def _add_document(self, arguments: Arguments) -> int:
        if not arguments["url"].startswith(("http://", "https://")) or not arguments["filename"]:
            raise Problem("The document cannot be fetched")
        ref = self.next_id()
        self.documents[ref] = {key: arguments[key] for key in ("url", "filename", "externalId")}
        return ref

    def _set_document(self, arguments: Arguments) -> str:
        call, document = self._call(arguments), self.documents.get(arguments["documentId"])
        node = arguments["externalId"]
        if document is None or document["externalId"] != node or node not in self.options.upload_nodes:
            raise Problem("There is no such document or no such Upload node")
        call.uploads[node] = arguments["documentId"]
        return "done"

    def _attachments(self, arguments: Arguments, base: str) -> list[dict[str, Any]]:
        """With new addresses each time."""
        call, rows = self._call(arguments), []
        mine = [id(one) for one in call.attachments]
        self._files = {key: one for key, one in self._files.items() if id(one) not in mine}
        for one in call.attachments:
            key = self._secret()
            self._files[key] = one
            row = {
                "Id": one.id,
                "Description": one.description,
                "Url": f"{base}/files/{key}" if one.url is None else one.url,
                "Preview": one.preview,
                "Attach": True,
                "Size": f"{len(one.content)} bytes",
                "Date": "1-12-2026 10:00",
                "SignUrl": f"{base}/sign/{key}" if one.sign else None,
                "SignStatus": 2 if one.signed else int(one.sign),
            }
            rows.append(row)
        return rows

    def file(self, key: str) -> bytes | None:
        """What is behind an attachment's present address."""
        one = self._files.get(key)
        return None if one is None else one.content.encode()

    def _secret(self) -> str:
        made = secrets.token_hex(12)
        self.handed_out.add(made)
        return made
