"""What the Onstream server accepts in a parameter ("Onstream API v2 document", the methods' tables of arguments)."""

import re
from datetime import datetime
from typing import Any

from connectors.simulators.onstream_format import Problem, integer, text, truth

GROUPS = {1: "moderators", 2: "participants", 3: "observers"}
DATETIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")
CUSTOM = re.compile(r"^custom[1-9]\d*$")

Params = dict[str, Any]


def chosen(row: dict[str, Any], params: Params) -> dict[str, Any]:
    """The fields that `return` names; all of them without it."""
    names = params.get("return")
    return {name: row[name] for name in names.split(";") if name in row} if names else row


def wall_time(value: Any) -> str:
    """A date and time exactly as documented."""
    wall = str(value)
    try:
        if not DATETIME.match(wall):
            raise Problem(400, "start_time must be YYYY-MM-DD HH:MM:SS")
        datetime.strptime(wall, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - wall time, only checked
    except ValueError:
        raise Problem(400, "start_time is not a date") from None
    return wall


def custom(value: Any) -> dict[str, str]:
    """custom_data: an object or a list of objects, names customN, values of at most 200 characters."""
    items = value if isinstance(value, list) else [value]
    merged: dict[str, str] = {}
    for item in items:
        if not isinstance(item, dict):
            raise Problem(400, "custom_data must hold objects")
        for name, content in item.items():
            if not CUSTOM.match(name) or not isinstance(content, str | int) or len(str(content)) > 200:
                raise Problem(400, "custom_data holds what it must not")
            merged[name] = str(content)
    return merged


def people(value: Any) -> list[Params]:
    """invited_participants."""
    if not isinstance(value, list | None) or not all(isinstance(item, dict) for item in value or []):
        raise Problem(400, "invited_participants must be a list of objects")
    return [person(item) for item in value or []]


def person(params: Params) -> Params:
    """Somebody to invite; mailed unless told otherwise."""
    email = text(params, "email")
    if "@" not in email:
        raise Problem(400, "email is not an address")
    return {
        "email": email,
        "first_name": str(params.get("first_name", "")),
        "last_name": str(params.get("last_name", "")),
        "role": role_of(params),
        "mail": truth(params.get("send_email_invitation", True)),
    }


def role_of(params: Params) -> int:
    """A role's number; participant when none is given."""
    role = integer(params, "role", 2)
    if role not in GROUPS:
        raise Problem(400, "role must be 1, 2 or 3")
    return role
