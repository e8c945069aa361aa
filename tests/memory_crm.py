"""A CRM in memory that can be read and written: a `Source` and a `WritableSource`, for tests of what it gets back."""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from sync.errors import Refused
from sync.model import Document, Finding, Meeting, MeetingKey, Window
from sync.outlets import Archived
from sync.ports import Fetched
from sync.snapshot import Snapshot, Trouble


class Killed(BaseException):
    """The process dies here."""


@dataclass
class MemoryCrm:
    """`meetings` by UID, as people see them there: with our links in them. A link has its place in the location, or in
    the description when `place` says so, or nowhere (""). `errors` are raised by the next writes, those of `late` after
    their effect."""

    name: str = "sales"
    meetings: dict[str, Meeting] = field(default_factory=dict)
    place: str = "location"
    errors: list[BaseException] = field(default_factory=list)
    late: list[BaseException] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    files: dict[str, list[Archived]] = field(default_factory=dict)
    trouble: Trouble = Trouble.NONE

    def add(self, meeting: Meeting) -> None:
        self.meetings[meeting.key.uid] = meeting

    def change(self, uid: str, **values: Any) -> None:
        """As a person in the CRM does."""
        self.meetings[uid] = replace(self.meetings[uid], **values)

    def shown(self, uid: str) -> str:
        text: str = getattr(self.meetings[uid], self.place or "location")
        return text

    def told(self) -> list[tuple[str, ...]]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    # What a source does

    async def check(self) -> tuple[Finding, ...]:
        return ()

    async def fetch(self, _cursor: bytes | None, window: Window, known: Collection[MeetingKey]) -> Snapshot:
        if self.trouble is Trouble.UNREADABLE:
            return Snapshot("sales", window, trouble=self.trouble, reason="no answer")
        inside = (m for m in self.meetings.values() if m.key in known or window.overlaps(m.start, m.end))
        return Snapshot("sales", window, tuple(inside), asked=frozenset(known), cursor=b"x")

    async def document(self, document: Document, _validator: str) -> Fetched | None:
        return Fetched(document)

    async def close(self) -> None:
        pass

    # What a source that can be written does

    async def write_link(self, key: MeetingKey, link: str, former: str) -> bool:
        self.calls.append((key.uid, link, former))
        self._fail(self.errors)
        if not self.place:
            return False
        here, new = (f"Join: {one}" if one and self.place == "description" else one for one in (former, link))
        text = self.shown(key.uid)
        if new and new in text.split("\n"):
            pass
        elif here and here in text.split("\n"):
            text = "\n".join(line for line in (new if line == here else line for line in text.split("\n")) if line)
        elif new and self.place == "description":
            text = f"{text}\n\n{new}" if text else new
        elif new and text:
            raise Refused("somebody wrote something else there")
        elif new:
            text = new
        self.change(key.uid, **{self.place: text})
        self._fail(self.late)
        return True

    async def add_artifact(self, key: MeetingKey, artifact: Archived, *, doubted: bool) -> bool:
        self.calls.append((key.uid, artifact.name, "doubted" if doubted else ""))
        self._fail(self.errors)
        if not self.place:
            return False
        there = self.files.setdefault(key.uid, [])
        if not (doubted and artifact.name in {one.name for one in there}):
            there.append(artifact)
        self._fail(self.late)
        return True

    def _fail(self, errors: list[BaseException]) -> None:
        if errors:
            raise errors.pop(0)
