"""The tables of a profile about what goes back to the CRM: a join link, a note about a recording, a file."""

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from connectors.settings import StrictSettings
from connectors.sources.http_json.expressions import Expression, names_of
from connectors.sources.http_json.profile import Request, Send, only
from connectors.sources.http_json.templates import names_in

OF_AN_ARTIFACT = frozenset({"id", "label", "name", "url", "media_type", "size", "content"})
"""The names for what is known of an artifact."""


class JoinPlace(Send):
    """Where a join link is put. With `current` (an expression for what stands there) the place is the link's alone, and
    is left as it is when somebody else's text stands there: then `otherwise` is the place. Without it the link gets a
    line of its own in a text. `verify` must hold for the record as it is afterwards."""

    method: Literal["POST", "PUT", "PATCH"] = "PUT"
    current: Expression | None = None
    verify: Expression | None = None
    otherwise: "JoinPlace | None" = None

    @field_validator("verify")
    @classmethod
    def _known_names(cls, value: str | None) -> str | None:
        if value is not None:
            only(names_of(value), {"id", "join_url"})
        return value

    def check_names(self, fields: Iterable[str]) -> None:
        """Raises ValueError for a name that neither a link nor a record has."""
        only(self.names(), {"id", "join_url", *fields})
        if "join_url" not in self.names():
            raise ValueError("${join_url} must stand somewhere in body or query")
        if self.otherwise is not None:
            self.otherwise.check_names(fields)


class Look(Request):
    """Where to look for what an earlier call may have added; `items` is searched for the `once_key`."""

    path: str = Field(min_length=1)
    items: Expression = "@"


class Upload(Send):
    """The first of two calls; `gives` are names for parts of its answer, which the second one may use."""

    gives: dict[str, Expression] = Field(default_factory=dict)


class ArtifactNote(Send):
    """How an artifact is added to a record. `once_key` is a text by which it is known again, in what `look` finds."""

    upload: Upload | None = None
    once_key: str | None = None
    look: Look | None = None

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if self.look is not None and self.once_key is None:
            raise ValueError("once_key: what look looks for is missing")
        return self

    def check_names(self, fields: Iterable[str]) -> None:
        """Raises ValueError for a name that neither an artifact nor a record has."""
        given = set(self.upload.gives) if self.upload is not None else set[str]()
        only(self.names(), OF_AN_ARTIFACT | given | set(fields))
        if self.upload is not None:
            only(self.upload.names(), OF_AN_ARTIFACT)
        if self.look is not None:
            only(self.look.names(), {"id"})
        only(names_in(self.once_key or ""), OF_AN_ARTIFACT)


class Write(StrictSettings):
    """What can be written: nothing, where there is no table."""

    join_url: JoinPlace | None = None
    recording: ArtifactNote | None = None
    document: ArtifactNote | None = None
