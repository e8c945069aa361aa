"""The words of a plan: what a step does, what it means for the join link, how it stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sync.model import Finding, Meeting, MeetingKey, Participant, content_digest


class Action(StrEnum):
    """What a step does. The last three concern one participant."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    CANCEL = "cancel"
    INVITE = "invite"
    UNINVITE = "uninvite"
    ROLE = "role"


class LinkEffect(StrEnum):
    """What a step does to the join link."""

    NEW = "new"
    KEPT = "kept"
    RETIRED = "retired"
    NONE = "none"


class Result(StrEnum):
    """How a step stands."""

    PLANNED = "planned"
    DONE = "done"
    HELD = "held"
    FAILED = "failed"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field's value before (None: there was none) and after."""

    name: str
    before: str | None
    after: str | None


def names_of(fields: list[FieldDiff]) -> str:
    """`title, start and end`."""
    return _listed([one.name for one in fields])


def with_articles(fields: list[FieldDiff]) -> str:
    """`a title and an end`."""
    return _listed([f"{'an' if one.name[0] in 'aeiou' else 'a'} {one.name}" for one in fields])


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


@dataclass(frozen=True, slots=True)
class Change:
    """One step for one meeting. `wish` is the meeting as the vendor shall hold it (None for a removal by
    absence); `person` the participant concerned; `by_absence` whether the guard counts it;
    `unsupported` whether the vendor has no call for it, so that everything stays as it is."""

    key: MeetingKey
    action: Action
    reason: str
    link: LinkEffect
    title: str
    start: datetime
    result: Result = Result.PLANNED
    session: str | None = None
    person: Participant | None = None
    fields: tuple[FieldDiff, ...] = ()
    findings: tuple[Finding, ...] = ()
    wish: Meeting | None = None
    by_absence: bool = False
    unsupported: bool = False

    @property
    def identity(self) -> str:
        """Digest of what the step does, equal for equal steps of two plans."""
        fields = [(f.name, f.before, f.after) for f in self.fields]
        who = (self.person.email, self.person.role.value) if self.person else ""
        return content_digest(self.key, self.action, self.link, self.session, who, fields)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in the order in which they are taken, and how many meetings need none."""

    changes: tuple[Change, ...]
    noop: int = 0
    quarantined: int = 0

    @property
    def digest(self) -> str:
        """Equal for plans that do the same."""
        return content_digest(*sorted(change.identity for change in self.changes))
