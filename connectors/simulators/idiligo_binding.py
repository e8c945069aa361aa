"""How an .asmx service reads a form and writes an answer (ASP.NET's HTTP POST and GET binding); state is elsewhere."""

import html
import re
from typing import Any, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from connectors.simulators.stage import Reply, Request

NAMESPACE = "http://www.idiligo.com/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
FORM = "application/x-www-form-urlencoded"

OPERATIONS: dict[str, dict[str, type]] = {
    "Login": {"apikey": str, "username": str, "password": str},
    "Impersonate": {"apikey": str, "username": str, "ticket": str},
    "CreateContact": {"token": str, "email": str, "firstName": str, "lastName": str},
    "CreateCall": {"token": str, "trajectCode": str},
    "SetContact": {"token": str, "callId": int, "contactId": int},
    "GetAgentUrl": {"token": str, "callId": int, "returnUrl": str},
    "GetPublicCallId": {"token": str, "callId": int},
    "SetValues": {"token": str, "publicId": str, "names": list, "values": list},
    "AddDocumentFromUrl": {"token": str, "url": str, "filename": str, "externalId": str},
    "SetDocumentToUploadAction": {"token": str, "callId": int, "externalId": str, "documentId": int},
    "GetAttachments": {"token": str, "callId": int},
}
"""The operations and the parameters that they declare: texts, numbers (long) and arrays of text."""

_DANGEROUS = re.compile(r"<[A-Za-z!/?]|&#")
_INTEGER = re.compile(r"^\s*[+-]?\d{1,18}\s*$")


class Problem(Exception):
    """A 500: the message, and the .NET type that a server which shows its insides puts in front."""

    def __init__(self, message: str, kind: str = "System.Exception") -> None:
        super().__init__(message)
        self.kind = kind


class Nil:
    """A null text as a result."""


def bound(name: str, request: Request, *, validated: bool) -> dict[str, Any]:
    """The operation's arguments. Raises Problem, in the framework's words."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if name not in OPERATIONS:
        raise Problem(f"{name} Web Service method name is not valid.", "System.InvalidOperationException")
    if request.method == "GET":
        source = request.query
    elif request.method != "POST":
        raise Problem("Request format is unrecognized.", "System.InvalidOperationException")
    elif given != FORM:
        raise Problem(f"Request format is invalid: {given}.", "System.InvalidOperationException")
    else:
        source = request.body.decode("utf-8", "replace")
    values: dict[str, list[str]] = {}
    for key, value in parse_qsl(source, keep_blank_values=True):
        values.setdefault(key.lower(), []).append(value)
        if validated and _DANGEROUS.search(value):
            shown = (
                f'A potentially dangerous Request.Form value was detected from the client ({key}="{value[:15]}...").'
            )
            raise Problem(shown, "System.Web.HttpRequestValidationException")
    return {key: _argument(key, kind, values.get(key.lower())) for key, kind in OPERATIONS[name].items()}


def _argument(key: str, kind: type, values: list[str] | None) -> Any:
    if values is None:
        if kind is list:
            raise Problem("Object reference not set to an instance of an object.", "System.NullReferenceException")
        raise Problem(f"Missing parameter: {key}.", "System.InvalidOperationException")
    if kind is list:
        return values
    text = ",".join(values)
    if kind is int:
        if not _INTEGER.match(text):
            detail = f"Parameter name: type ---> Input string was not in a correct format ({key})."
            raise Problem(f"Cannot convert {text} to System.Int64.\r\n{detail}", "System.ArgumentException")
        return int(text)
    return text


def failure(problem: Problem, style: Literal["message", "trace", "suppressed"]) -> Reply:
    """The answer to a request that failed; texts are HTML-encoded."""
    text = html.escape(str(problem))
    if style == "trace":
        text = f"{problem.kind}: {text}\r\n   at Inside.Service20.Run()\r\n   at System.Web.Services.Invoke()"
    elif style == "suppressed":
        text = "An error occurred on the server."
    return Reply(500, text.encode(), {"content-type": "text/plain; charset=utf-8"})


def rendered(result: Any, *, roots: Literal["long", "string"], bom: bool) -> Reply:
    """The answer: nothing for None, else XML with a root that is named by the type."""
    if result is None:
        return Reply(200)
    if isinstance(result, list):
        rows = "".join(f"<AttachmentDTO>{_members(row)}</AttachmentDTO>" for row in result)
        root = f'<ArrayOfAttachmentDTO xmlns="{NAMESPACE}">{rows}</ArrayOfAttachmentDTO>'
    elif isinstance(result, Nil):
        root = f'<string xmlns:xsi="{XSI}" xsi:nil="true" xmlns="{NAMESPACE}" />'
    else:
        name = "long" if isinstance(result, int) and roots == "long" else "string"
        root = f'<{name} xmlns="{NAMESPACE}">{escape(str(result))}</{name}>'
    body = f'<?xml version="1.0" encoding="utf-8"?>\r\n{root}'.encode("utf-8-sig" if bom else "utf-8")
    return Reply(200, body, {"content-type": "text/xml; charset=utf-8"})


def _members(row: dict[str, Any]) -> str:
    """What is null is left out."""
    texts = {key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in row.items()}
    return "".join(f"<{key}>{escape(text)}</{key}>" for key, text in texts.items() if row[key] is not None)
