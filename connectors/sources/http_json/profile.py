"""The tables of a profile: how one CRM is asked, and what its answers mean. Data only; `crm` gives it life.

The names that templates may use are checked here, table by table, when the configuration is read.
"""

import difflib
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from connectors.settings import Duration, StrictSettings
from connectors.sources.http_json.expressions import Expression
from connectors.sources.http_json.templates import names_in
from connectors.sources.http_json.times import zone_of

MOST_IDS = 1000


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known_zone(value: str) -> str:
    zone_of(value)
    return value


Text = Annotated[str, BeforeValidator(_as_text)]
Zone = Annotated[str, BeforeValidator(_known_zone)]


class Table(StrictSettings):
    """A table that may be left out, or has a name of one's own: it names the nearest key for an unknown one itself."""

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, given: Any) -> Any:
        for key in given if isinstance(given, dict) else ():
            if key not in cls.model_fields:
                near = difflib.get_close_matches(str(key), list(cls.model_fields), 1, 0.5)
                hint = f', did you mean "{near[0]}"?' if near else f"; known are {', '.join(sorted(cls.model_fields))}"
                raise ValueError(f'"{key}" is an unknown key{hint}')
        return given


class Call(Table):
    """One call. `path` is added to the source's `url`; `query`, `headers` and `body` (JSON) are templates by value.
    `error_when` looks at the whole answer, and makes a 200 an error."""

    path: str = ""
    query: dict[str, Text] = Field(default_factory=dict)
    headers: dict[str, Text] = Field(default_factory=dict)
    body: dict[str, Any] | list[Any] | None = None
    error_when: Expression | None = None

    @field_validator("path")
    @classmethod
    def _plain_path(cls, value: str) -> str:
        if value and not value.startswith("/"):
            raise ValueError('must begin with "/"')
        if any(part in (".", "..") for part in value.split("/")) or set(value) & set("?#\\%") or "//" in value:
            raise ValueError("must be a plain path, without .., // or a query")
        return value

    @property
    def templates(self) -> tuple[Any, ...]:
        """Everything of it that may hold `${names}`."""
        return self.path, self.query, self.headers, self.body

    def names(self) -> set[str]:
        """The `${names}` that it uses. Raises ValueError."""
        return {name for template in self.templates for name in names_in(template)}


class Request(Call):
    """A call that reads. `empty_when` looks at the whole of a 404, and makes it an answer with nothing in it."""

    method: Literal["GET", "POST"] = "GET"
    empty_when: Expression | None = None


class Send(Call):
    """A call that writes. `html`: the texts that it writes are HTML, so what is put into them is escaped."""

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    path: str = Field(min_length=1)
    html: bool = False


def only(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises ValueError for a name that is not known here, and names the nearest."""
    known = sorted(known)
    for name in sorted(set(names) - set(known)):
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"did you mean ${{{near[0]}}}?" if near else f"here are {', '.join(f'${{{one}}}' for one in known)}"
        raise ValueError(f"${{{name}}} is an unknown name, {hint}")


class Paging(Table):
    """How one goes on to the next page: by counting records or pages, by a mark in the answer, or by an address."""

    kind: Literal["offset", "page", "cursor", "link"] = "offset"
    size: int = Field(default=100, ge=1, le=10_000)
    start: int = Field(default=0, ge=0, le=1)
    cursor: Expression | None = None
    link: Expression | None = None

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        for kind in ("cursor", "link"):
            if (self.kind == kind) != (getattr(self, kind) is not None):
                raise ValueError(f'{kind}: an expression for the next page, with kind = "{kind}" and only with it')
        return self


class Changed(Request):
    """The records that changed since a time, oldest change first. `since_format` is iso, epoch, epoch-ms or a pattern
    of strftime; `since_zone` is the zone in which the CRM reads it. `items` are the records of an answer."""

    path: str = Field(min_length=1)
    since_format: str = Field(default="iso", min_length=1)
    since_zone: Zone = "UTC"
    paging: Paging = Paging()
    items: Expression = "@"

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        counts = {"offset": {"offset"}, "page": {"page"}, "cursor": {"cursor"}, "link": set[str]()}[self.paging.kind]
        used = self.names()
        only(used, {"since", "size"} | counts)
        if missing := sorted(counts - used):
            raise ValueError(f"${{{missing[0]}}} must be asked for somewhere, or there is no second page")
        return self


class Exists(Request):
    """Which of the ids in `${ids}` (or the one in `${id}`) there are; `items` are their ids."""

    path: str = Field(min_length=1)
    items: Expression
    batch: int = Field(default=100, ge=1, le=MOST_IDS)

    @model_validator(mode="after")
    def _asks_for_ids(self) -> Self:
        used = self.names()
        only(used, {"id", "ids"})
        if len(used) != 1:
            raise ValueError("must ask for ${ids}, or for one ${id}")
        return self

    @property
    def one_by_one(self) -> bool:
        """Whether each id is asked for by itself."""
        return "id" in self.names()


class TimeBlock(Table):
    """How times are written: `format` is iso, epoch, epoch-ms, a pattern of strptime, or parts: then `date`, `time`
    and `duration` find what start and end are made of. `updated` is the format of the stamp when that is another one.
    `null` are values that mean nothing."""

    format: str = Field(default="iso", min_length=1)
    zone: Zone | None = None
    null: tuple[str | bool | int | float, ...] = ("", False)
    updated: str | None = Field(default=None, min_length=1)
    date: Expression | None = None
    time: Expression | None = None
    duration: Expression | None = None

    @model_validator(mode="before")
    @classmethod
    def _format_alone(cls, given: Any) -> Any:
        return {"format": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _parts_together(self) -> Self:
        if (self.format == "parts") != (self.date is not None and self.time is not None):
            raise ValueError('date and time: both are needed with format = "parts", and only with it')
        return self


class MeetingMap(StrictSettings):
    """What a record's fields are, each an expression over one record. `all_day_start` and `all_day_end` are dates (the
    last day is the one that the meeting ends on); `link` is the field where a join link is kept."""

    id: Expression = "id"
    subject: Expression | None = None
    start: Expression | None = None
    end: Expression | None = None
    updated: Expression | None = None
    cancelled: Expression | None = None
    private: Expression | None = None
    tentative: Expression | None = None
    all_day: Expression | None = None
    all_day_start: Expression | None = None
    all_day_end: Expression | None = None
    description: Expression | None = None
    location: Expression | None = None
    link: Expression | None = None
    organizer: Expression | None = None
    organizer_name: Expression | None = None
    categories: Expression | None = None
    time: TimeBlock = TimeBlock()

    @model_validator(mode="after")
    def _start_and_end(self) -> Self:
        if self.time.format != "parts" and (self.start is None or self.end is None):
            raise ValueError("start and end: both must be mapped")
        return self


class PersonMap(Table):
    """What a person's fields are. `role` gives moderator, participant or observer."""

    email: Expression = "email"
    name: Expression | None = None
    role: Expression | None = None
    language: Expression | None = None
    declined: Expression | None = None


class Resolve(Request):
    """The second step of a look-up: what stands behind the ids that the first one found, one `${id}` a call, or many
    `${ids}` at once."""

    path: str = Field(min_length=1)
    items: Expression = "@"
    id: Expression = "id"
    batch: int = Field(default=100, ge=1, le=MOST_IDS)

    @model_validator(mode="after")
    def _asks_for_ids(self) -> Self:
        only(self.names(), {"id", "ids"})
        return self


class Attendees(Request):
    """Who takes part. With `${id}` one call for each meeting, whose `items` are the people; with `${ids}` one for many,
    whose `items` are rows, each of the meeting `of` with its `people`; without a path the `people` of the record
    itself. With `resolve`, the people are ids to look up."""

    items: Expression = "@"
    of: Expression = "id"
    people: Expression | None = None
    batch: int = Field(default=100, ge=1, le=MOST_IDS)
    resolve: Resolve | None = None
    map: PersonMap = PersonMap()

    @model_validator(mode="after")
    def _asks_for_ids(self) -> Self:
        used = self.names()
        only(used, {"id", "ids"})
        if self.path and len(used) != 1:
            raise ValueError("must ask for ${ids}, or for one ${id}")
        if not self.path and self.resolve is not None:
            raise ValueError("resolve: only behind a call of its own; give a path")
        if ("ids" in used or not self.path) and self.people is None:
            raise ValueError("people: an expression for the people of one meeting is needed")
        return self

    @property
    def one_by_one(self) -> bool:
        """Whether each meeting is asked for by itself."""
        return "id" in self.names()


class RecordRead(Request):
    """One record as it is now. `fields` are texts of it that writes may use by their names."""

    item: Expression = "@"
    fields: dict[str, Expression] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        only(self.names(), {"id"})
        return self


class Limits(Table):
    """What the CRM bears. `per_second` and `daily` bound the requests (0: not), `retry_on` are the statuses of a read
    that is tried again. What starts later than `horizon` from now is not believed."""

    per_second: float | None = Field(default=None, gt=0)
    retry_on: tuple[int, ...] = (429, 502, 503)
    daily: int = Field(default=0, ge=0)
    horizon: Duration = timedelta(days=3650)
