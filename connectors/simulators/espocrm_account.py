"""What the EspoCRM stand-in holds, and how the server shows it: the very fields of recorded answers, in their order.

A created record, one that is read or was changed, and one in a list are shown with different fields, as the real server
does it; an answer to a change still shows the values that are computed, as they were before.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

Record = dict[str, Any]

_STAMP = "%Y-%m-%d %H:%M:%S"
_CUSTOM = "description"
"""The field behind which fields of one's own are shown."""

_LISTED = (
    "id name deleted status dateStart dateEnd isAllDay duration description createdAt modifiedAt dateStartDate "
    "dateEndDate parentId parentType parentName accountId accountName createdById createdByName modifiedById "
    "modifiedByName assignedUserId assignedUserName"
)
_PEOPLE = "usersIds usersNames usersColumns contactsIds contactsNames contactsColumns leadsIds leadsNames leadsColumns"
_FOLLOWED = "teamsIds teamsNames isFollowed followersIds followersNames"
_MAIL = (
    "emailAddressIsOptedOut emailAddressIsInvalid phoneNumberIsOptedOut phoneNumberIsInvalid emailAddressData "
    "phoneNumberData"
)

SHOWN = {
    ("Role", "created"): (
        "id name deleted assignmentPermission userPermission messagePermission portalPermission "
        "groupEmailAccountPermission exportPermission massUpdatePermission dataPrivacyPermission "
        "followerManagementPermission auditPermission mentionPermission data createdAt modifiedAt"
    ),
    ("User", "created"): (
        "id name deleted userName type authMethod apiKey lastName isActive createdAt modifiedAt lastAccess "
        f"targetListIsOptedOut {_MAIL} defaultTeamName teamsIds teamsNames teamsColumns rolesIds rolesNames portalsIds "
        "portalsNames portalRolesIds portalRolesNames contactName accountsIds accountsNames avatarId avatarName "
        "createdById createdByName dashboardTemplateName workingTimeCalendarName layoutSetName"
    ),
    ("Contact", "created"): (
        "id name deleted firstName lastName emailAddress doNotCall accountIsInactive createdAt modifiedAt "
        f"hasPortalUser targetListIsOptedOut {_MAIL} accountName accountsIds accountsNames accountsColumns "
        f"campaignName createdById createdByName modifiedByName assignedUserName {_FOLLOWED}"
    ),
    ("Contact", "read"): (
        "id name deleted salutationName firstName lastName title description emailAddress phoneNumber doNotCall "
        "addressStreet addressCity addressState addressCountry addressPostalCode accountIsInactive accountType "
        f"createdAt modifiedAt hasPortalUser middleName {_MAIL} accountId accountName accountsIds accountsNames "
        "accountsColumns campaignId campaignName createdById createdByName modifiedById modifiedByName assignedUserId "
        "assignedUserName teamsIds teamsNames portalUserId portalUserName originalLeadId originalLeadName isFollowed "
        "followersIds followersNames"
    ),
    ("Meeting", "created"): (
        "id name deleted status dateStart dateEnd isAllDay duration reminders description createdAt modifiedAt "
        f"parentName accountName {_PEOPLE} createdById createdByName modifiedByName assignedUserId assignedUserName "
        f"{_FOLLOWED}"
    ),
    ("Meeting", "read"): (
        "id name deleted status dateStart dateEnd isAllDay duration reminders description createdAt modifiedAt "
        f"dateStartDate dateEndDate parentId parentType parentName accountId accountName {_PEOPLE} createdById "
        f"createdByName modifiedById modifiedByName assignedUserId assignedUserName {_FOLLOWED}"
    ),
    ("Meeting", "listed"): _LISTED,
    ("Note", "created"): (
        "id deleted post data type isInternal createdAt modifiedAt parentId parentType parentName relatedName "
        "attachmentsIds attachmentsNames createdById createdByName modifiedByName attachmentsTypes"
    ),
    ("Attachment", "created"): (
        "id name deleted type size field isBeingUploaded createdAt role storage storageFilePath global parentType "
        "parentName relatedType relatedName createdById createdByName"
    ),
}
_ALWAYS_SELECTED = frozenset({"id", "parentName", "createdById"})
_FALSE = re.compile(r"deleted|doNotCall|hasPortalUser|is[A-Z]\w*|\w+Is[A-Z]\w*|global")
_UNKNOWN_WHEN_READ = frozenset({"accountIsInactive", "phoneNumberIsOptedOut", "phoneNumberIsInvalid"})
_OPTIONAL = frozenset({"parentType", "relatedType"})


class Account:
    """The records of one EspoCRM, by type and id. `clock` gives the server's time (UTC)."""

    def __init__(self, clock: Callable[[], datetime], custom: Iterable[str] = ()) -> None:
        self.clock = clock
        self.custom = tuple(custom)
        self.records: dict[str, dict[str, Record]] = {name: {} for name in ("Role", "User", "Contact", "Lead")}
        self.records |= {"Meeting": {}, "Note": {}, "Attachment": {}}
        self.hidden: set[str] = set()
        self._next = 0
        self.admin = self.create("User", {"userName": "admin", "lastName": "Admin", "type": "admin"}, None)
        self.sync = self.create("User", {"userName": "sync", "lastName": "Sync", "type": "api"}, self.admin)

    def create(self, kind: str, given: Record, by: Record | None) -> Record:
        """A new record with what is given."""
        now = self.stamp()
        self._next += 1
        record = {
            "id": f"6b0250{self._next:011x}",
            "createdAt": now,
            "modifiedAt": now,
            "createdById": by["id"] if by else None,
            "createdByName": by["name"] if by else None,
            **given,
        }
        record["name"] = given.get("name") or _name(kind, given)
        if given.get("type") == "api":
            record["lastName"] = given["userName"]
        if kind == "Meeting":
            self._attended(record)
        if kind == "Attachment":
            record |= {"size": len(b64decode(given["file"].partition(",")[2])), "storage": "EspoUploadDir"}
        self.records[kind][record["id"]] = record
        return record

    def change(self, kind: str, id_: str, given: Record, by: Record) -> None:
        """Change what can be changed; the rest is dropped without a word, and the record counts as changed all the
        same."""
        record = self.records[kind][id_]
        writable = set(SHOWN[kind, "read"].split()) | set(self.custom)
        fixed = {"id", "createdAt", "modifiedAt", "createdById", "modifiedById", "joinUrl"}
        record |= {key: value for key, value in given.items() if key in writable - fixed}
        record |= {"modifiedAt": self.stamp(), "modifiedById": by["id"], "modifiedByName": by["name"]}

    def link(self, id_: str, kind: str, other: str, status: str = "None") -> None:
        """Make somebody an attendee (kind: users, contacts, leads), which does not count as a change."""
        self.records["Meeting"][id_]["people"][kind][other] = status

    def attendees(self, id_: str) -> list[Record]:
        """Everybody of a meeting."""
        people = self.records["Meeting"][id_]["people"]
        return [
            {
                "id": other,
                "name": one["name"],
                "emailAddress": one.get("emailAddress"),
                "acceptanceStatus": status,
                "_scope": scope,
            }
            for scope in ("User", "Contact", "Lead")
            for other, status in people[f"{scope.lower()}s"].items()
            if (one := self.records[scope].get(other)) is not None
        ]

    def contacts(self, id_: str, selected: set[str]) -> list[Record]:
        """The contacts of a meeting, newest first, as the relation's own list shows them."""
        linked = self.records["Meeting"][id_]["people"]["contacts"]
        found = []
        for contact in sorted(
            (self.records["Contact"][one] for one in linked), key=lambda one: one["id"], reverse=True
        ):
            row = {"id": contact["id"], "name": contact["name"], "emailAddress": contact.get("emailAddress")}
            row["accountIsInactive"] = None
            if "acceptanceStatus" in selected:
                row["acceptanceStatus"] = linked[contact["id"]]
            row |= {"createdAt": contact["createdAt"], "accountId": None, "accountName": None}
            found.append({**row, "createdById": contact["createdById"], "assignedUserId": None})
        return found

    def shown(self, kind: str, record: Record, view: str, viewer: Record, *, select: set[str] | None = None) -> Record:
        """The record as an answer shows it, with the selected fields only where some are."""
        names = SHOWN[kind, view].split()
        if kind == "Meeting":
            place = names.index(_CUSTOM) + 1
            names[place:place] = [name for name in self.custom if view != "created" or name in record]
            if select is not None:
                names = [name for name in SHOWN[kind, "read"].split() + list(self.custom) if _selected(name, select)]
            record = {**record, **self._meeting(record, viewer)}
        if kind == "Note":
            files = [self.records["Attachment"][one] for one in record.get("attachmentsIds", ())]
            record = {**record, "data": {}, **_files(files), "parentName": self._parent(record).get("name")}
        return {
            name: record[name] if name in record else _empty(kind, name, view)
            for name in names
            if name in record or kind != "Attachment" or name not in _OPTIONAL
        }

    def stamp(self) -> str:
        """The server's time as it writes it."""
        return self.clock().astimezone(UTC).strftime(_STAMP)

    def _attended(self, record: Record) -> None:
        """A new meeting with its people; whoever it is assigned to takes part and follows it."""
        assigned = record.get("assignedUserId")
        users = [*([assigned] if assigned else []), *record.pop("usersIds", [])]
        people = {"users": users, "contacts": record.pop("contactsIds", []), "leads": record.pop("leadsIds", [])}
        record["people"] = {kind: dict.fromkeys(ids, "None") for kind, ids in people.items()}
        record["followers"] = [assigned] if assigned else []

    def _meeting(self, record: Record, viewer: Record) -> Record:
        shown: Record = {}
        for scope in ("User", "Contact", "Lead"):
            kind = f"{scope.lower()}s"
            linked = {one: status for one, status in record["people"][kind].items() if one in self.records[scope]}
            shown[f"{kind}Ids"] = list(linked)
            shown[f"{kind}Names"] = {one: _shown_name(self.records[scope][one]) for one in linked}
            shown[f"{kind}Columns"] = {one: {"status": status} for one, status in linked.items()}
        users = self.records["User"]
        assigned = users.get(record.get("assignedUserId") or "")
        return {
            **shown,
            "duration": record.get("duration", _duration(record)),
            "assignedUserName": _shown_name(assigned) if assigned else None,
            "isFollowed": viewer["id"] in record["followers"],
            "followersIds": record["followers"],
            "followersNames": {one: _shown_name(users[one]) for one in record["followers"]},
        }

    def _parent(self, note: Record) -> Record:
        return self.records.get(note.get("parentType", ""), {}).get(note.get("parentId", ""), {})


def _name(kind: str, given: Record) -> str:
    if kind == "User" and given.get("type") == "api":
        return str(given["userName"])
    return " ".join(part for part in (given.get("firstName"), given.get("lastName")) if part)


def _shown_name(user: Record) -> str:
    return str(user["name"])


def _duration(record: Record) -> int | None:
    start, end = record.get("dateStart"), record.get("dateEnd")
    if not start or not end:
        return None
    return int((datetime.strptime(end, _STAMP) - datetime.strptime(start, _STAMP)).total_seconds())  # noqa: DTZ007


def _selected(name: str, select: set[str]) -> bool:
    group = re.sub(r"(Names|Columns)$", "Ids", name)
    return name in select | _ALWAYS_SELECTED or (group != name and group in select)


def _files(files: list[Record]) -> Record:
    return {
        "attachmentsIds": [one["id"] for one in files],
        "attachmentsNames": {one["id"]: one["name"] for one in files},
        "attachmentsTypes": {one["id"]: one["type"] for one in files},
    }


def _empty(kind: str, name: str, view: str) -> Any:
    """What a field shows that was never given."""
    if view == "read" and name in _UNKNOWN_WHEN_READ:
        return None
    if name == "emailAddressData" or name.endswith(("Ids", "Data")) or name == "reminders":
        return []
    if name.endswith(("sNames", "Columns")):
        return {}
    if name.endswith("Permission"):
        return "not-set"
    return False if _FALSE.fullmatch(name) else None
