"""HubSpot's CRM API over HTTP: paths, the key, answers and refusals.

Source: the OpenAPI descriptions of version 2026-09 (CRM: Meetings, Contacts, Notes, Associations, CRM Owners). A batch
of which a part could not be read is answered with 207 and `errors`. By document only: no real account was recorded.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from connectors.answers import Answer, place, raise_for_status
from connectors.http import Wire
from connectors.sources.hubspot.pace import LONGEST_WAIT, Pace, pause
from connectors.sources.hubspot.settings import HubspotSettings
from sync.errors import CredentialsRefused, Gone, RateLimited, Refused, UnknownOutcome, Unreachable

BATCH = 100
"""Ids in one batch; the largest that all batch reads take."""
MAX_BYTES = 64 * 1024 * 1024
"""Of one answer: 200 meetings may have 65,536 characters of description each."""
ATTEMPTS = 3
"""At a read that HubSpot puts off."""
_URL = re.compile(r"https?://[^\s\"'<>]+", re.IGNORECASE)
_LOCKED = (423, 477)
"""The record is locked for some seconds; the account is being moved: nothing was done, and it may work later."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Where the API's parts are, in one version of it."""

    objects: str
    associations: str
    owners: str

    @classmethod
    def of(cls, version: str) -> "Paths":
        """The dated paths, or those before them."""
        if version == "v3":
            return cls("/crm/v3/objects", "/crm/v4/associations", "/crm/v3/owners")
        return cls(f"/crm/objects/{version}", f"/crm/associations/{version}", f"/crm/owners/{version}")


class Api:
    """The calls that the source needs. Reads raise what `Wire.read` raises, writes what `Wire.write` raises; both say
    Refused in HubSpot's own words."""

    def __init__(self, settings: HubspotSettings, *, locked: bool, pace: Pace) -> None:
        self.paths = Paths.of(settings.version)
        self.pace = pace
        self._root = settings.url
        self._token = settings.token
        self._wire = Wire(
            timeout=settings.timeout.total_seconds(),
            max_bytes=MAX_BYTES,
            concurrency=4,
            locked=locked,
            allow_private=settings.allow_private,
        )

    async def close(self) -> None:
        """Let go of connections."""
        await self._wire.close()

    async def search(self, kind: str, question: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /crm/objects/{version}/{kind}/search`: an answer with `results` and `paging`."""
        return _with_results(await self._read("POST", f"{self.paths.objects}/{kind}/search", question, search=True))

    async def listed(self, path: str, **parameters: str) -> tuple[dict[str, Any], Answer]:
        """`GET` of a list: an answer with `results` and `paging`, and the whole of it."""
        answer = await self._ask("GET", f"{path}?{urlencode(parameters)}", None, search=False)
        return _with_results(_document(answer, write=False)), answer

    async def batch(self, kind: str, ids: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The records of `ids` (at most BATCH) that HubSpot shows, by id."""
        body = {"inputs": [{"id": id_} for id_ in ids], "properties": list(properties)}
        answer = _whole(await self._read("POST", f"{self.paths.objects}/{kind}/batch/read", body))
        rows = [row for row in answer["results"] if isinstance(row, dict) and not row.get("archived")]
        return {str(row.get("id", "")): row for row in rows}

    async def associated(self, kind: str, to: str, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The ids of the `to` records that belong to each of these (at most BATCH), in the order of the ids."""
        found: dict[str, set[str]] = {id_: set() for id_ in ids}
        inputs = [{"id": id_} for id_ in ids]
        while inputs:
            url = f"{self.paths.associations}/{kind}/{to}/batch/read"
            answer = _whole(await self._read("POST", url, {"inputs": inputs}))
            inputs = []
            for row in answer["results"]:
                origin, others, after = _association(row)
                new = others - found.setdefault(origin, set())
                found[origin] |= new
                if after and new:
                    inputs.append({"id": origin, "after": after})
        return {id_: tuple(sorted(found[id_], key=_by_number)) for id_ in ids}

    async def create(self, kind: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /crm/objects/{version}/{kind}`, once; the record that was made."""
        return await self._write("POST", f"{self.paths.objects}/{kind}", body)

    async def update(self, kind: str, id_: str, properties: Mapping[str, str]) -> dict[str, Any]:
        """`PATCH /crm/objects/{version}/{kind}/{id}`, once; the record as it is then."""
        return await self._write(
            "PATCH", f"{self.paths.objects}/{kind}/{quote(id_, safe='')}", {"properties": properties}
        )

    async def _read(self, method: str, path: str, body: Mapping[str, Any], *, search: bool = False) -> dict[str, Any]:
        return _document(await self._ask(method, path, body, search=search), write=False)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None, *, search: bool) -> Answer:
        url = self._root + path
        content = None if body is None else json.dumps(body).encode()
        for attempt in range(1, ATTEMPTS + 1):
            await self.pace.turn(search=search)
            answer = await self._wire.read(
                url, method=method, headers=self._headers(), content=content, raw_status=True
            )
            self.pace.heard(answer.headers)
            if answer.status != 429:
                break
            policy, wait = self._policy(answer)
            if policy == "DAILY" or wait > LONGEST_WAIT or attempt == ATTEMPTS:
                break
            await self.pace.sleep(wait)
        self._judge(answer, f"{method} {place(url)}", write=False)
        return answer

    async def _write(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        url = self._root + path
        await self.pace.turn()
        answer = await self._wire.write(
            url, method=method, headers=self._headers(), content=json.dumps(body).encode(), raw_status=True
        )
        self.pace.heard(answer.headers)
        self._judge(answer, f"{method} {place(url)}", write=True)
        return _document(answer, write=True)

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._token.get_secret_value()}",
            "Accept": "application/json",
            "Content-Type": "application/json",
        }

    def _judge(self, answer: Answer, what: str, *, write: bool) -> None:
        """Raise what the status says, with HubSpot's own message; 2xx passes."""
        status = answer.status
        if 200 <= status < 300:
            return
        message = f"{what}: answered {status}{self._told(answer)}"
        if status in (401, 403):
            raise CredentialsRefused(message)
        if status == 429:
            raise RateLimited(message, self._policy(answer)[1])
        if status in _LOCKED:
            raise Unreachable(message)
        if status in (404, 410):
            raise Gone(message, status)
        if 400 <= status < 500 and status != 408:
            raise Refused(message, status)
        raise_for_status(answer, write=write, what=what)

    def _policy(self, answer: Answer) -> tuple[str, float]:
        """Which limit was reached, and how many seconds that lasts."""
        policy = str(_error(answer).get("policyName", "")).upper()
        return policy, pause(answer, policy)

    def _told(self, answer: Answer) -> str:
        """HubSpot's message in short, with the rights that are missing; without addresses and without the key."""
        error = _error(answer)
        text = str(error.get("message") or "")
        scopes = list(dict.fromkeys(_scopes(error)))
        if scopes:
            text = f"the key lacks the scope {', '.join(scopes)}"
        text = _URL.sub(lambda found: place(found[0]), " ".join(text.split()))
        text = text.replace(self._token.get_secret_value(), "…")
        return f": {text[:300]}" if text else ""


def _by_number(id_: str) -> tuple[int, str]:
    return (int(id_) if id_.isascii() and id_.isdigit() else 0, id_)


def _document(answer: Answer, *, write: bool) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    error: type[UnknownOutcome | Unreachable] = UnknownOutcome if write else Unreachable
    raise error(f"{place(answer.url)}: the answer is no JSON object")


def _with_results(document: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(document.get("results"), list):
        raise Unreachable("HubSpot's answer has no list of results")
    return document


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    """A batch's answer. What does not exist is left out of it, and named among its errors: any other error there says
    that something was not read."""
    _with_results(document)
    errors = document.get("errors") or []
    bad = [one for one in errors if not (isinstance(one, dict) and one.get("category") == "OBJECT_NOT_FOUND")]
    if bad or document.get("status", "COMPLETE") != "COMPLETE":
        raise Unreachable("HubSpot could not read the whole of a batch")
    return document


def _association(row: Any) -> tuple[str, set[str], str]:
    """Whose associations they are, the others' ids (`toObjectId`; `id` in v3), and where the rest of them begins."""
    try:
        others = {str(one.get("toObjectId") or one["id"]) for one in row["to"]}
        return str(row["from"]["id"]), others, next_page(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise Unreachable("HubSpot's answer has associations of another shape") from error


def next_page(document: Mapping[str, Any]) -> str:
    """`paging.next.after`, "" on the last page."""
    paging = document.get("paging") or {}
    following = paging.get("next") or {} if isinstance(paging, dict) else {}
    return str(following.get("after") or "") if isinstance(following, dict) else ""


def _error(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _scopes(error: Mapping[str, Any]) -> Iterator[str]:
    """The rights that a refusal names, in the context of its details or in its own."""
    details = error.get("errors")
    holders: list[Any] = [*details, error] if isinstance(details, list) else [error]
    for one in holders:
        context = one.get("context") if isinstance(one, dict) else None
        if not isinstance(context, dict):
            continue
        for name in ("requiredGranularScopes", "requiredScopes", "missingScopes"):
            named = context.get(name)
            yield from (str(scope) for scope in named) if isinstance(named, list) else ()
