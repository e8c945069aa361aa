"""The table `[sources.<name>]` of a CRM by profile: a shipped profile, a file of one's own, or all tables in place."""

import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from connectors.addresses import is_safe
from connectors.answers import place
from connectors.settings import iana_name
from connectors.sources.crm.settings import CrmSettings
from connectors.sources.http_json.auth import Auth, folder_of
from connectors.sources.http_json.expressions import Expression
from connectors.sources.http_json.profile import (
    Attendees,
    Changed,
    Exists,
    Limits,
    MeetingMap,
    RecordRead,
    Request,
)
from connectors.sources.http_json.write_tables import JoinPlace, Write

SHIPPED = ("dolibarr", "espocrm", "pipedrive", "suitecrm")
"""The profiles that come along, which are types of sources as well."""

_ONE_LOOKUP = frozenset(Attendees.model_fields)


class HttpJsonSettings(CrmSettings):
    """A CRM's address, the account, and its profile with whatever is different here.

    `join_field` is a field of one's own for join links, `database_zone` the zone in which the CRM compares stamps.
    """

    type: Literal["http-json", "dolibarr", "espocrm", "pipedrive", "suitecrm"]
    url: str = Field(min_length=1)
    profile: str = ""
    auth: Auth
    changed: Changed
    map: MeetingMap
    attendees: dict[str, Attendees] = Field(default_factory=dict)
    exists: Exists
    record: RecordRead = RecordRead()
    write: Write = Write()
    limits: Limits = Limits()
    error_when: Expression | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    join_field: str = Field(default="", pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")
    database_zone: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_its_profile(cls, given: Any, info: ValidationInfo) -> Any:
        if not isinstance(given, dict):
            return given
        raw = dict(given)
        if "base_url" in raw:
            raw.setdefault("url", raw.pop("base_url"))
        kind, name = raw.get("type"), raw.get("profile") or ""
        if kind in SHIPPED:
            if name not in ("", kind):
                raise ValueError(f'profile: type "{kind}" has its own; use type = "http-json" for another one')
            name = kind
        merged = _merged(_profile(str(name), folder_of(info)), raw) if name else raw
        return _arranged(merged)

    @field_validator("url")
    @classmethod
    def _safe_root(cls, value: str) -> str:
        root = value.strip().rstrip("/")
        if not is_safe(root):
            raise ValueError("must begin with https:// (http:// is for this very machine alone)")
        if "@" in root.partition("://")[2] or set(root) & set("?#\\%") or ".." in root:
            raise ValueError("must be the server's root: no user, no query, no fragment")
        if place(root) == "an invalid address":
            raise ValueError("not a valid URL")
        return root

    @field_validator("database_zone")
    @classmethod
    def _known_database_zone(cls, value: str | None) -> str | None:
        if value is not None and iana_name(value) is None:
            raise ValueError('not a time zone of the IANA database; write for example "Europe/Berlin" or "UTC"')
        return value

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        if any("\r" in text or "\n" in text or "${" in text for text in value.values()):
            raise ValueError("must be plain values, without line breaks and names")
        return value

    @model_validator(mode="after")
    def _names_of_texts(self) -> Self:
        """What writes use is known: what is mapped, or named in `record`."""
        fields = self.text_fields
        for name in ("join_url", "recording", "document"):
            table = getattr(self.write, name)
            if table is not None:
                try:
                    table.check_names(fields)
                except ValueError as error:
                    raise ValueError(f"write.{name}: {error}") from None
        for request in (self.changed, self.exists, self.record, *self.attendees.values()):
            _plain_methods(request)
        return self

    @property
    def text_fields(self) -> dict[str, str]:
        """The texts of a record that writes may use: name and expression."""
        mapped = {"subject": self.map.subject, "description": self.map.description, "location": self.map.location}
        return {**{name: text for name, text in mapped.items() if text is not None}, **self.record.fields}

    @property
    def join_place(self) -> JoinPlace | None:
        """Where a join link goes, with `join_field` in the first place."""
        usual = self.write.join_url
        if not self.join_field or usual is None:
            return usual
        return JoinPlace(
            method=usual.method,
            path=usual.path,
            headers=usual.headers,
            body={self.join_field: "${join_url}"},
            current=self.join_field,
            verify=f"{self.join_field} == '${{join_url}}'",
            otherwise=usual,
        )


def _plain_methods(request: Request) -> None:
    if request.method == "GET" and request.body is not None:
        raise ValueError('a body takes method = "POST"')


def _profile(name: str, folder: Path) -> dict[str, Any]:
    """The profile of that name, or in that file. Raises ValueError."""
    if name in SHIPPED:
        return _shipped(name)
    if not name.endswith(".toml"):
        raise ValueError(f"profile: there are {', '.join(SHIPPED)}; for one of your own give the path of a .toml file")
    path = folder / Path(name).expanduser()
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"profile: {path} cannot be read ({error.strerror or type(error).__name__})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"profile: {path} is not valid TOML: {error}") from error


@cache
def _shipped(name: str) -> dict[str, Any]:
    text = files("connectors.sources.http_json").joinpath("profiles", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The one table over the other, key by key; a body is replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, dict) and isinstance(under, dict) and key != "body"
        merged[key] = _merged(under, value) if both and under is not None else value
    return merged


def _arranged(raw: dict[str, Any]) -> dict[str, Any]:
    """With the short ways of writing in their long form."""
    changed, attendees = raw.get("changed"), raw.get("attendees")
    if isinstance(changed, dict):
        changed = dict(changed)
        if "overlap" in changed:
            overlap = changed.pop("overlap")
            raw.setdefault("overlap", overlap)
        if isinstance(raw.get("database_zone"), str):
            changed["since_zone"] = raw["database_zone"]
        raw["changed"] = changed
    if isinstance(attendees, dict) and attendees.keys() & _ONE_LOOKUP:
        one = {key: value for key, value in attendees.items() if key in _ONE_LOOKUP}
        raw["attendees"] = {"all": one, **{key: value for key, value in attendees.items() if key not in one}}
    if "record" not in raw:
        read = _read_of(raw)
        if read:
            raw["record"] = {"path": read}
    elif isinstance(raw["record"], dict) and "path" not in raw["record"]:
        raw["record"] = {"path": _read_of(raw), **raw["record"]}
    return raw


def _read_of(raw: dict[str, Any]) -> str:
    """Where a record is read when nothing says so: where its join link is written."""
    write = raw.get("write")
    join = write.get("join_url") if isinstance(write, dict) else None
    found = join.get("path") if isinstance(join, dict) else None
    return found if isinstance(found, str) else ""
