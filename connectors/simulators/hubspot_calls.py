"""The calls that the HubSpot stand-in answers."""

from typing import Any
from urllib.parse import parse_qs

from connectors.simulators.hubspot_rules import (
    KINDS,
    OWNERS,
    READS,
    WRITES,
    Problem,
    body_of,
    checked,
    inputs_of,
    permit,
    stamp,
)
from connectors.simulators.hubspot_search import KEYS, search
from connectors.simulators.hubspot_state import Account, SimObject
from connectors.simulators.stage import Request

MOST_IN_BATCH, MOST_ASSOCIATIONS = 100, 1000
NOTE_TYPES = {202: "contacts"}
"""What a note can be associated with when it is made, by the association's type."""


class Calls:
    """One request of the account. `effects` is how many it has had."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._options = account.options
        self.effects = 0

    def dispatch(self, request: Request) -> tuple[int, Any]:
        """The status and the JSON body of the answer. Raises Problem."""
        match _route(request.path, self._options.versions):
            case ("owners",):
                return self._owners(request)
            case ("associations", one, other, "batch", "read") if one in KINDS and other in KINDS:
                return self._associations(request, one, other)
            case ("objects", kind, "search") if kind in KINDS and request.method == "POST":
                permit(READS, self._options.scopes)
                return 200, search(kind, self._account.indexed(kind), body_of(request, KEYS), self._options.page)
            case ("objects", kind, "batch", "read") if kind in KINDS and request.method == "POST":
                return self._batch(request, kind)
            case ("objects", kind) if kind in KINDS and request.method == "GET":
                return self._list(request, kind)
            case ("objects", "notes") if request.method == "POST":
                return self._note(request)
            case ("objects", kind, id_) if kind in KINDS and request.method in ("GET", "PATCH"):
                return self._one(request, kind, id_)
        raise Problem(404, "resource not found", "OBJECT_NOT_FOUND")

    def _owners(self, request: Request) -> tuple[int, Any]:
        permit(OWNERS, self._options.scopes)
        query, limit = _query(request, {"limit", "after", "archived", "email"}, 500)
        archived = query.get("archived") == "true"
        found = [owner for owner in self._account.owners.values() if owner.archived == archived]
        page, paging = _page(found, query, limit)
        return 200, {"results": [owner.row(self._account.now()) for owner in page], **paging}

    def _associations(self, request: Request, kind: str, other: str) -> tuple[int, Any]:
        permit(READS, self._options.scopes)
        results, errors = [], []
        for one in inputs_of(body_of(request, frozenset({"inputs"})), MOST_ASSOCIATIONS):
            first, most = int(one.get("after") or 0), self._options.association_page
            seen = self._account.get(kind, one["id"])
            linked = self._account.linked(seen.id, other) if seen else []
            if not linked:
                what = {"fromObjectId": [one["id"]], "fromObjectType": [kind[:-1]], "toObjectType": [other[:-1]]}
                message = f"No {other[:-1]} is associated with {kind[:-1]} {one['id']}."
                errors.append(_missing(message, what, subCategory="crm.associations.NO_ASSOCIATIONS_FOUND"))
                continue
            kinds = [{"category": "HUBSPOT_DEFINED", "typeId": 200, "label": None}]
            to = [{"toObjectId": str(ref), "associationTypes": kinds} for ref in linked[first : first + most]]
            row: dict[str, Any] = {"from": {"id": one["id"]}, "to": to}
            if first + most < len(linked):
                row["paging"] = {"next": {"after": str(first + most)}}
            results.append(row)
        return self._of_batch(results, errors)

    def _batch(self, request: Request, kind: str) -> tuple[int, Any]:
        permit(READS, self._options.scopes)
        body = body_of(request, frozenset({"inputs", "properties", "propertiesWithHistory", "idProperty"}))
        archived = parse_qs(request.query).get("archived") == ["true"]
        ids = [one["id"] for one in inputs_of(body, MOST_IN_BATCH)]
        found = {id_: self._account.get(kind, id_, archived=archived) for id_ in ids}
        gone = [id_ for id_, one in found.items() if one is None]
        what = f"Could not get some {kind[:-1].upper()} objects"
        message = f"{what}, they may be deleted or not exist. Check that ids are valid."
        results = [one.row(body.get("properties", [])) for one in found.values() if one is not None]
        return self._of_batch(results, [_missing(message, {"ids": gone})] if gone else [])

    def _of_batch(self, results: list[Any], errors: list[Any]) -> tuple[int, Any]:
        now = stamp(self._account.now())
        whole = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        return (207, {**whole, "numErrors": len(errors), "errors": errors}) if errors else (200, whole)

    def _list(self, request: Request, kind: str) -> tuple[int, Any]:
        permit(READS, self._options.scopes)
        query, limit = _query(request, {"limit", "after", "archived", "properties", "associations"}, 100)
        found = self._account.all(kind, archived=query.get("archived") == "true")
        page, paging = _page(found, query, limit)
        return 200, {"results": [one.row(query.get("properties", "").split(",")) for one in page], **paging}

    def _one(self, request: Request, kind: str, id_: str) -> tuple[int, Any]:
        permit(READS if request.method == "GET" else WRITES, self._options.scopes)
        one = self._account.get(kind, id_)
        if one is None:
            raise Problem(404, f"Object not found.  objectId are usually numeric. {id_}", "OBJECT_NOT_FOUND")
        if request.method == "GET":
            query, _ = _query(request, {"properties", "archived", "associations"}, 100)
            return 200, one.row(query.get("properties", "").split(","))
        fields = checked(kind, body_of(request, frozenset({"properties"})).get("properties"))
        self._validate()
        self.effects += 1
        kept = {name: value for name, value in fields.items() if name not in self._options.drop_writes}
        return 200, self._account.change(one.id, kept).row(fields)

    def _note(self, request: Request) -> tuple[int, Any]:
        permit(WRITES, self._options.scopes)
        body = body_of(request, frozenset({"properties", "associations"}))
        fields = checked("notes", body.get("properties"))
        if not fields.get("hs_timestamp"):
            raise Problem(400, "Error creating NOTE. Some required properties were not set.")
        others = [self._noted(one) for one in body.get("associations", [])]
        self._validate()
        self.effects += 1
        note = self._account.add("notes", fields)
        for other in others:
            self._account.link(note.id, other.id)
        return 201, note.row(fields)

    def _noted(self, association: Any) -> SimObject:
        try:
            id_, types = str(association["to"]["id"]), association["types"]
            kind = NOTE_TYPES[types[0]["associationTypeId"]]
            found = self._account.get(kind, id_) if types[0]["associationCategory"] == "HUBSPOT_DEFINED" else None
        except (KeyError, TypeError, IndexError):
            found = None
        if found is None:
            raise Problem(400, "No association of this type exists between NOTE and the object")
        return found

    def _validate(self) -> None:
        if self._options.refuse_writes:
            raise Problem(400, self._options.refuse_writes)


def _route(path: str, versions: tuple[str, ...]) -> tuple[str, ...]:
    """The parts of a path behind its version, () where there is no such version."""
    match path.strip("/").split("/"):
        case ["crm", ("objects" | "associations" | "owners") as part, version, *rest] if version in versions:
            return (part, *rest)
        case ["crm", "v3", ("objects" | "owners") as part, *rest]:
            return (part, *rest)
        case ["crm", "v4", "associations", *rest]:
            return ("associations", *rest)
    return ()


def _query(request: Request, known: set[str], most: int) -> tuple[dict[str, str], int]:
    if request.method != "GET":
        raise Problem(405, "Method Not Allowed")
    query = {name: ",".join(values) for name, values in parse_qs(request.query).items()}
    limit = query.get("limit", "10")
    if query.keys() - known or not limit.isdigit() or not 0 < int(limit) <= most:
        raise Problem(400, f"Invalid query: {', '.join(sorted(query))}; the limit must be between 1 and {most}")
    return query, int(limit)


def _page(found: list[Any], query: dict[str, str], limit: int) -> tuple[list[Any], dict[str, Any]]:
    """A page of things that have growing ids; `after` is the last one that was shown."""
    rest = [one for one in found if one.id > int(query.get("after") or 0)]
    page = rest[:limit]
    return page, {"paging": {"next": {"after": str(page[-1].id), "link": "?after"}}} if len(rest) > limit else {}


def _missing(message: str, context: dict[str, list[str]], **more: str) -> dict[str, Any]:
    return {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": context, **more}
