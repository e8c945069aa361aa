"""A stand-in for the Idiligo service (InsideService20.asmx): stateful and strict, for tests and trying out.

    sim = IdiligoSimulator(username="acme", password="secret", public_ids="same")
    with serve_in_thread(sim.app) as served:
        sim.table(served.url)                # the [vendors.<name>] table that reaches it
    sim.calls, sim.contacts, sim.documents, sim.requests, sim.writes, sim.changes
    sim.faults.add(Fault("reset_after", resource="CreateCall"))

Control over HTTP (state, faults, reset, seed) is described in `stage.py`; `POST /_sim/seed` takes
`{"calls": [{"traject"}], "attachments": [{"call", "description", "content", "sign"}]}`, every field but call optional.
Resources, as faults and the log name them, are the operations: Login, Impersonate, CreateContact, CreateCall,
SetContact, GetAgentUrl, GetPublicCallId, SetValues, AddDocumentFromUrl, SetDocumentToUploadAction, GetAttachments; and
"file" for the download of an attachment, "unknown" for anything else.

What it does follows the Idiligo API page and the framework's binding of parameters: every declared one must be there,
names of operations are case-sensitive, errors are a 500 with a text. Where both are silent, the stand-in takes the
harsher way: error texts repeat what was sent, GetPublicCallId makes a new id each time and forgets the former one,
markup in parameters is refused, addresses of attachments end with the next look. Nobody is ever mailed.
"""

import copy
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from connectors.simulators import media
from connectors.simulators.idiligo_account import Account, Options, SimAttachment, SimCall, SimContact
from connectors.simulators.idiligo_binding import OPERATIONS, Problem, bound, failure, rendered
from connectors.simulators.stage import Logged, Reply, Request
from connectors.simulators.stand_in import StandIn

SERVICE = "/insideservice20.asmx/"
WRITES = (
    "CreateContact",
    "CreateCall",
    "SetContact",
    "GetPublicCallId",
    "SetValues",
    "AddDocumentFromUrl",
    "SetDocumentToUploadAction",
)


class IdiligoSimulator(StandIn):
    """The service with one account; `options` are the fields of `idiligo_account.Options`."""

    options_type = Options
    options: Options

    def table(self, url: str) -> dict[str, Any]:
        """The configuration of a vendor that reaches this stand-in at `url`."""
        table: dict[str, Any] = {
            "type": "idiligo",
            "url": url,
            "api_key": self.options.api_key,
            "username": self.username,
            "password": self.password,
            "traject": self.options.trajects[0],
        }
        if self.options.upload_nodes:
            table["upload_node"] = self.options.upload_nodes[0]
        return table

    # What tests look at

    @property
    def calls(self) -> dict[int, SimCall]:
        """The calls by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.calls)

    @property
    def contacts(self) -> dict[int, SimContact]:
        """The contacts by id, as copies."""
        with self._lock:
            return copy.deepcopy(self._account.contacts)

    @property
    def documents(self) -> dict[int, dict[str, str]]:
        """The documents that were fetched, by id: url, filename, externalId."""
        with self._lock:
            return copy.deepcopy(self._account.documents)

    def documents_of(self, session: int | str) -> list[dict[str, Any]]:
        """The documents that lie in a call's Upload nodes: name, address and length in bytes (not known here)."""
        with self._lock:
            there = [self._account.documents[ref] for ref in self._account.calls[int(session)].uploads.values()]
            return [{"name": one["filename"], "url": one["url"], "bytes": None} for one in there]

    @property
    def secrets(self) -> set[str]:
        """Every token, agent's ticket and key of a file that was handed out."""
        with self._lock:
            return set(self._account.handed_out)

    def effects(self, operation: str) -> int:
        """How many requests of one operation had an effect."""
        with self._lock:
            return self._effects.count(operation)

    def add_session(self, traject: str | None = None) -> int:
        """A call that somebody else made; its id."""
        with self._lock:
            return self._account.add_call(traject or self.options.trajects[0], foreign=True)

    def add_attachment(self, call: int, description: str = "Report.pdf", content: str = "PDF", **more: Any) -> int:
        """Something that came up in a call; `sign` while it waits for a signature, `url` if it is kept elsewhere."""
        with self._lock:
            ref = self._account.next_id()
            self._account.calls[call].attachments.append(SimAttachment(ref, description, content, **more))
            return ref

    def sign(self, call: int, attachment: int, content: str | None = None) -> None:
        """Somebody signs it, which may change its content."""
        with self._lock:
            for one in self._account.calls[call].attachments:
                if one.id == attachment:
                    one.sign, one.signed = False, True
                    one.content = one.content if content is None else content

    def change_attachment(self, call: int, attachment: int, content: str) -> None:
        """Somebody puts something else in its place."""
        with self._lock:
            for one in self._account.calls[call].attachments:
                if one.id == attachment:
                    one.content = content

    def end_tokens(self) -> None:
        """Every token that was handed out is void from now on."""
        with self._lock:
            self._account.tokens.clear()

    def is_write(self, entry: Logged) -> bool:
        """By the operation: every request is a POST."""
        return entry.resource in WRITES

    # What the stage calls

    def resource(self, request: Request) -> str:
        """The operation."""
        if request.path.startswith("/files/"):
            return "file"
        name = request.path[len(SERVICE) :] if request.path.lower().startswith(SERVICE) else ""
        return name if name in OPERATIONS else "unknown"

    def params(self, request: Request) -> dict[str, Any]:
        """The parameters, with lists for those that came more than once, without secrets."""
        source = request.query if request.method == "GET" else request.body.decode("utf-8", "replace")
        shown: dict[str, Any] = {}
        for name, value in parse_qsl(source, keep_blank_values=True):
            text = "…" if name.lower() in ("token", "password", "ticket", "apikey") else value
            if name in ("names", "values"):
                shown.setdefault(name, []).append(text)
            else:
                shown[name] = text
        return shown

    def state(self) -> dict[str, Any]:
        """Everything, as JSON types."""
        with self._lock:
            return {
                "calls": [asdict(one) for one in self._account.calls.values()],
                "contacts": [asdict(one) for one in self._account.contacts.values()],
                "documents": [{"id": ref, **one} for ref, one in self._account.documents.items()],
                **super().state(),
            }

    def seed(self, things: dict[str, Any]) -> None:
        """Calls and attachments as if somebody else had made them."""
        for fields in things.get("calls", []):
            self.add_session(**fields)
        for fields in things.get("attachments", []):
            self.add_attachment(**fields)

    def reset(self) -> None:
        """An empty account."""
        super().reset()
        with self._lock:
            self._account = Account(self.username, self.password, self.options)
            self._effects: list[str] = []

    def answer(self, request: Request) -> Reply:
        """Serve one request."""
        with self._lock:
            if self.resource(request) == "file":
                content = self._account.file(request.path.removeprefix("/files/"))
                if content is None:
                    return Reply(404)
                return media.served(request, content, "application/pdf", self.options.resumes)
            if not request.path.lower().startswith(SERVICE):
                return Reply(404, b"<html><title>404</title></html>", {"content-type": "text/html"})
            name = request.path[len(SERVICE) :]
            try:
                arguments = bound(name, request, validated=self.options.validates)
                result = self._account.run(name, arguments, request.base)
            except Problem as problem:
                return failure(problem, self.options.errors)
            if name in WRITES:
                self._effects.append(name)
                self._changes += 1
            return rendered(result, roots=self.options.roots, bom=self.options.bom)
