"""What the HubSpot stand-in knows, and how it refuses: properties, limits, errors.

Source: the OpenAPI descriptions of version 2026-09 and developers.hubspot.com; error bodies as they are quoted in
public issue threads. No real account was recorded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.simulators.stage import Reply, Request, json_reply

KINDS = {
    "meetings": frozenset(
        {
            "hs_activity_type",
            "hs_attachment_ids",
            "hs_internal_meeting_notes",
            "hs_meeting_body",
            "hs_meeting_end_time",
            "hs_meeting_external_url",
            "hs_meeting_location",
            "hs_meeting_outcome",
            "hs_meeting_start_time",
            "hs_meeting_title",
            "hs_timestamp",
            "hubspot_owner_id",
        }
    ),
    "contacts": frozenset({"email", "firstname", "lastname", "phone", "company", "hubspot_owner_id"}),
    "notes": frozenset({"hs_note_body", "hs_timestamp", "hs_attachment_ids", "hubspot_owner_id"}),
}
"""The properties that can be written, by kind of object."""
STAMPS = frozenset({"hs_createdate", "hs_lastmodifieddate", "hs_object_id"})
"""Those that HubSpot keeps by itself; contacts call the second one `lastmodifieddate`, which nobody asks for here."""
TIMES = frozenset(
    {"hs_createdate", "hs_lastmodifieddate", "hs_meeting_end_time", "hs_meeting_start_time", "hs_timestamp"}
)
OUTCOMES = frozenset({"", "SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"})
OPERATORS = frozenset(
    [
        "BETWEEN",
        "CONTAINS_TOKEN",
        "EQ",
        "GT",
        "GTE",
        "HAS_PROPERTY",
        "IN",
        "LT",
        "LTE",
        "NEQ",
        "NOT_CONTAINS_TOKEN",
        "NOT_HAS_PROPERTY",
        "NOT_IN",
    ]
)
READS, WRITES, OWNERS = "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.owners.read"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CORRELATION = "aeb5f871-7f07-4993-9211-075dc63e7cbf"


class Problem(Exception):
    """A refusal, with the body that HubSpot gives it."""

    def __init__(self, status: int, message: str, category: str = "VALIDATION_ERROR", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "status": "error",
            "message": message,
            "correlationId": _CORRELATION,
            "category": category,
            **more,
        }

    def reply(self) -> Reply:
        """The answer."""
        return json_reply(self.status, self.body)


@dataclass
class Options:
    """How this account behaves where real ones may differ; may be changed while it runs.

    `clock` gives the server's time (UTC). `search_delay`: a search shows a change so long after it was made. `scopes`
    are what the key may do. `ten_seconds` and `searches` are how many requests and searches there may be in ten seconds
    and in one, `daily` in all (None: no end to them). `page` is how many rows there are on a page at most,
    `association_page` how many associations of one record. `refuse_writes` is the message of the account's own
    validation rule, `drop_writes` are properties that are not kept although the answer is 200. `versions` are the dated
    versions of the API.
    """

    clock: Any = field(default=lambda: datetime.now(UTC))
    search_delay: timedelta = timedelta(0)
    scopes: frozenset[str] = frozenset({READS, WRITES, OWNERS})
    ten_seconds: int | None = None
    searches: int | None = None
    daily: int | None = None
    page: int = 200
    association_page: int = 500
    refuse_writes: str = ""
    drop_writes: frozenset[str] = frozenset()
    versions: tuple[str, ...] = ("2026-03", "2026-09")


def authorize(request: Request, key: str) -> None:
    """Demand the key. Raises Problem."""
    given = request.headers.get("authorization", "")
    if not given:
        message = "Authentication credentials not found. This API supports OAuth 2.0 authentication"
        raise Problem(401, message, "INVALID_AUTHENTICATION")
    if given != f"Bearer {key}":
        message = "Authentication failed. The access token is not valid"
        raise Problem(401, message, "INVALID_AUTHENTICATION")


def permit(scope: str, scopes: frozenset[str]) -> None:
    """Demand a right of the key. Raises Problem."""
    if scope not in scopes:
        message = "This app hasn't been granted all required scopes to make this call."
        detail = {
            "message": "One or more of the following scopes are required.",
            "context": {"requiredGranularScopes": [scope]},
        }
        raise Problem(403, message, "MISSING_SCOPES", errors=[detail])


def body_of(request: Request, known: frozenset[str]) -> dict[str, Any]:
    """The JSON object of a request, which has no keys but the `known` ones. Raises Problem."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Problem(415, "Unsupported Media Type")
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict) or body.keys() - known:
        raise Problem(400, "Invalid input JSON on line 1, column 1: Cannot deserialize the request")
    return body


def inputs_of(body: Mapping[str, Any], most: int) -> list[dict[str, Any]]:
    """The inputs of a batch, each with its id. Raises Problem."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(
        isinstance(one, dict) and isinstance(one.get("id"), str) for one in inputs
    ):
        raise Problem(400, "Invalid input: inputs must be a list of objects with an id")
    if wrong := [one["id"] for one in inputs if not one["id"].isdigit()]:
        raise Problem(400, f"Invalid input: {wrong[0]} is not a valid object id")
    if len(inputs) > most:
        raise Problem(400, f"The maximum number of inputs supported in a batch request is {most}")
    return inputs


def checked(kind: str, properties: Any) -> dict[str, str]:
    """Properties that are written. Raises Problem."""
    if not isinstance(properties, dict):
        raise Problem(400, "Invalid input: properties must be an object")
    for name, value in properties.items():
        if name not in KINDS[kind]:
            detail = {"code": "PROPERTY_DOESNT_EXIST", "message": f'Property "{name}" does not exist'}
            raise Problem(400, f'Property values were not valid: Property "{name}" does not exist', errors=[detail])
        if not isinstance(value, str):
            raise Problem(400, f"Invalid input: {name} must be a string")
        if name == "hs_meeting_outcome" and value not in OUTCOMES:
            detail = {"code": "INVALID_OPTION", "message": f"{value} was not one of the allowed options"}
            raise Problem(
                400, f"Property values were not valid: {value} was not one of the allowed options", errors=[detail]
            )
        if name in TIMES and value and instant(value) is None:
            raise Problem(400, f"Property values were not valid: {value} was not a valid long.")
    return dict(properties)


def instant(value: str) -> int | None:
    """Milliseconds since 1970 of such a number or an ISO 8601 text with a zone, None for anything else."""
    if value.isdigit():
        return int(value)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if moment.tzinfo is None else milliseconds(moment)


def milliseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def stamp(ms: int) -> str:
    """ISO 8601 in UTC, as HubSpot writes it."""
    moment = EPOCH + timedelta(milliseconds=ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"
