"""What the poller asks of one CRM. Each CRM implements `Crm` in a package of its own beside this one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sync.model import Finding, Meeting, Participant
from sync.outlets import Archived


@dataclass(frozen=True, slots=True)
class Record:
    """One meeting as the CRM has it now.

    `id` is the CRM's own, by which it is asked for again; "" when not even that could be read. `updated` is the CRM's
    own stamp of its last change (UTC, whatever the clock here says), None when it has none. Exactly one of these is
    given: the `meeting`, without participants where `Crm.people` reads them; `problem`, why it cannot be read; or
    `private`: it is not for our eyes, so nothing is done about it. `uid` is what its meetings are called where that is
    not the id, and it has no meeting that says so.
    """

    id: str
    updated: datetime | None
    meeting: Meeting | None = None
    problem: str = ""
    private: bool = False
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of records, sorted by `updated` as far as the CRM can. `after` asks for the next one ("": this is the
    last)."""

    records: tuple[Record, ...]
    after: str = ""


class Crm(Protocol):
    """One account with a CRM. Reads raise OutsideError for what the outside does, and give only what a well-formed
    answer said; writes are those of `sync.outlets.WritableSource`, by the record's id."""

    batch: int
    """How many ids `people` and `existing` take at once."""

    async def check(self) -> tuple[Finding, ...]:
        """Log in, and say what a person should know (a key that expires soon, a right that is missing)."""
        ...

    async def notices(self) -> tuple[Finding, ...]:
        """What a person should know before it is too late (a key that expires soon). Asked now and then; cheap."""
        ...

    async def changed(self, since: datetime | None, after: str, ends_after: datetime | None) -> Page:
        """The records that changed at `since` or later (the CRM's clock; None: ever), cancelled and archived ones too,
        oldest change first; with `after` the page behind an earlier one of the same question. With `ends_after` only
        those that end at that time or later are of interest: a CRM that cannot tell gives more."""
        ...

    async def people(self, ids: Sequence[str]) -> Mapping[str, tuple[Participant, ...]]:
        """The participants of these records as they are now. One that is left out keeps those that its record names."""
        ...

    async def existing(self, ids: Sequence[str]) -> Collection[str]:
        """Those of `ids` that the CRM shows now. Raises when it did not answer for all of them."""
        ...

    async def write_link(self, id: str, link: str, former: str) -> bool:  # noqa: A002 - as everywhere here
        """See `sync.outlets.WritableSource`."""
        ...

    async def add_artifact(self, id: str, artifact: Archived, *, doubted: bool) -> bool:  # noqa: A002
        """See `sync.outlets.WritableSource`."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
