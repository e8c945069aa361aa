"""One read of a CRM while it is under way."""

from collections.abc import Awaitable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from connectors.sources.crm.api import Record
from connectors.sources.crm.state import State
from sync.errors import OutsideError
from sync.model import Meeting, MeetingKey, Window

T = TypeVar("T")

FULL_EVERY = 24
"""How many reads there are from one that reads everything to the next, for what the CRM failed to say."""


@dataclass(slots=True)
class Read:
    """What came so far, and what went wrong. `known` are the keys with a session. `counts`: this look is one of those
    that have to miss a record; `sweeps`: it asks for everybody who takes part and for all that is known.

    `told` are the records that were said to have changed, `fresh` these and those whose participants were read again,
    `nameless` those without an id. `trouble` makes it a partial read.
    """

    state: State
    window: Window
    known: frozenset[MeetingKey]
    counts: bool
    sweeps: bool
    before: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    fresh: dict[str, Record] = field(default_factory=dict)
    nameless: list[Record] = field(default_factory=list)
    trouble: str = ""

    @property
    def is_full(self) -> bool:
        """Whether it reads everything that is to come."""
        return self.state.reads % FULL_EVERY == 0

    @property
    def everything(self) -> dict[str, Record]:
        """All records by id, as they are known now."""
        return {**self.state.known, **self.fresh}

    def relevant(self) -> dict[str, Meeting]:
        """The meetings of which anything may follow now, by id."""
        return {
            id_: one.meeting
            for id_, one in self.everything.items()
            if one.meeting is not None and not one.meeting.cancelled and self.matters(one.meeting)
        }

    def matters(self, meeting: Meeting) -> bool:
        """Whether it has a session, or a part in the window."""
        return meeting.key in self.known or self.window.overlaps(meeting.start, meeting.end)

    async def attempt(self, work: Awaitable[T], otherwise: T) -> T:
        """The work's result; what fails makes the read a partial one."""
        try:
            return await work
        except OutsideError as error:
            self.trouble = self.trouble or str(error)
            return otherwise


def batches(ids: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """So many at a time."""
    return (ids[first : first + size] for first in range(0, len(ids), size))


def keys_of(records: Iterable[Record]) -> Collection[MeetingKey]:
    """The keys of those that are meetings."""
    return {record.meeting.key for record in records if record.meeting is not None}
