"""What goes back into a meeting in Odoo: its join link, and what its session left. Nothing here mails anybody.

The link goes where there is room: the field for it (`videocall_location`, from 15 on), else the place of the meeting
when that is empty, else a line of the description. An artifact is an attachment and a note, on the meeting and on the
lead that it belongs to.
"""

import base64
import html
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from connectors.sources.odoo.rows import Row, first, text
from connectors.sources.odoo.server import OdooServer, the_number
from connectors.sources.odoo.text import line_of, plain_text, with_line, without_line
from sync.errors import Gone, OutsideError, Refused, UnknownOutcome
from sync.outlets import Archived

EVENT, LEAD = "calendar.event", "crm.lead"
NAMES_TWICE_UNTIL = 12
"""The last version whose attachments have a file name besides their name."""
ESCAPES_SINCE = 17
"""The first version that takes the text of a note for text; earlier ones take it for HTML."""

_WORDS = {"recording": "Recording", "document": "Document", "attendance": "Attendance"}


@dataclass(frozen=True, slots=True)
class WriteBack:
    """Writes into the meetings of one server; `fields` are those that its meetings have, by type."""

    server: OdooServer
    fields: Mapping[str, str]

    # The join link

    async def link(self, id_: str, link: str, former: str) -> bool:
        """See `WritableSource.write_link`. An occurrence that is no record of its own (a virtual id) has no place: what
        is written there is written to its whole series."""
        number = the_number(id_)
        row = await self._present(number, self._homes)
        vals = self._moved(row, link, former)
        if not vals:
            if former and former != link and self._stands(row, former):
                raise Refused(f"{EVENT} {number}: the former link stands in a text that somebody has changed")
            return True
        if "-" in id_:
            return False
        await self.server.write(EVENT, number, vals)
        after = await self._present(number, self._homes)
        if (link and not self._stands(after, link)) or (former and former != link and self._stands(after, former)):
            raise Refused(f"{EVENT} {number}: the server took the link and did not keep it")
        return True

    @property
    def _homes(self) -> list[str]:
        """The fields that may hold a link."""
        return [name for name in ("videocall_location", "location", "description") if name in self.fields]

    @property
    def _markup(self) -> bool:
        return self.fields.get("description") == "html"

    def _moved(self, row: Row, link: str, former: str) -> dict[str, Any]:
        """What is to be written so that `link` stands there and `former` does not; what a person wrote stays."""
        vals: dict[str, Any] = {}
        boxes = {name: text(row.get(name)) for name in self._homes if name != "description"}
        description = row.get("description") or ""
        present = bool(link) and self._stands(row, link)
        if former and former != link:
            vals = {name: False for name, value in boxes.items() if value == former}
            cleaned = without_line(description, line_of(former), markup=self._markup)
        else:
            cleaned = description
        if link and not present:
            room = next((name for name, value in boxes.items() if not value or name in vals), None)
            if room is None:
                cleaned = with_line(cleaned, line_of(link), markup=self._markup)
            else:
                vals[room] = link
        if cleaned != description:
            vals["description"] = cleaned or False
        return vals

    def _stands(self, row: Row, link: str) -> bool:
        """Whether the link stands in one of its places."""
        if link in (text(row.get("videocall_location")), text(row.get("location"))):
            return True
        description = text(row.get("description"))
        shown = plain_text(description) if self._markup else description
        return line_of(link) in (line.strip() for line in shown.split("\n"))

    # What the session left

    async def artifact(self, id_: str, artifact: Archived, *, doubted: bool) -> bool:
        """See `WritableSource.add_artifact`."""
        number = the_number(id_)
        points = [name for name in ("opportunity_id", "res_model", "res_id") if name in self.fields]
        row = await self._present(number, ["name", *points])
        done = False
        try:
            done |= await self._attach(EVENT, number, artifact, doubted=doubted)
            done |= await self._note(EVENT, number, artifact, doubted=doubted)
            if lead := _lead_of(row):
                with suppress(Refused):  # one that is gone or not ours: the meeting has it all
                    done |= await self._note(LEAD, lead, artifact, doubted=doubted)
                    done |= await self._attach(LEAD, lead, artifact, doubted=doubted)
        except OutsideError as error:
            if done and not isinstance(error, UnknownOutcome):  # a part is there: it must be looked for
                raise UnknownOutcome(str(error)) from error
            raise
        return True

    async def _attach(self, model: str, record: int, artifact: Archived, *, doubted: bool) -> bool:
        """A file where there is content, else an address where there is one; whether something was made."""
        vals: dict[str, Any] = {"name": artifact.name or _WORDS[artifact.kind]}
        if artifact.content:
            if await self.server.version() <= NAMES_TWICE_UNTIL:
                vals["datas_fname"] = vals["name"]
            vals["datas"] = base64.b64encode(artifact.content).decode("ascii")
        elif artifact.url:
            vals |= {"type": "url", "url": artifact.url}
        else:
            return False
        if doubted:
            domain = [["res_model", "=", model], ["res_id", "=", record]]
            fields = ["name", "type", "url", "mimetype", "file_size"]
            there = await self.server.search_read("ir.attachment", domain, fields)
            if any(_is_same(one, vals, len(artifact.content or b"")) for one in there):
                return False
        await self.server.create("ir.attachment", {**vals, "res_model": model, "res_id": record})
        return True

    async def _note(self, model: str, record: int, artifact: Archived, *, doubted: bool) -> bool:
        """A note that names it; whether one was made."""
        note = _note_on(artifact)
        if doubted:
            domain = [["model", "=", model], ["res_id", "=", record], ["message_type", "=", "comment"]]
            there = await self.server.search_read("mail.message", domain, ["body"])
            lines = (line for one in there for line in plain_text(text(one.get("body"))).split("\n"))
            if any(" ".join(line.split()) == note for line in lines):
                return False
        body = note if await self.server.version() >= ESCAPES_SINCE else html.escape(note, quote=False)
        await self.server.post_note(model, record, body)
        return True

    async def _present(self, number: int, fields: Collection[str]) -> Row:
        """Raises Gone."""
        rows = await self.server.read(EVENT, [number], list(fields))
        if not rows:
            raise Gone(f"{EVENT} {number}: it does not exist (any more), or it is not shown to us", 404)
        return rows[0]


def _lead_of(row: Row) -> int | None:
    """The lead that the meeting is about."""
    return first(row.get("opportunity_id")) or (first(row.get("res_id")) if row.get("res_model") == LEAD else None)


def _is_same(row: Row, vals: Mapping[str, Any], size: int) -> bool:
    """Whether an attachment is the one that would be made."""
    if row.get("name") != vals["name"]:
        return False
    return row.get("url") == vals["url"] if "url" in vals else row.get("file_size") == size


def _note_on(artifact: Archived) -> str:
    """`Recording: talk.mp4, https://…`, on one line."""
    where = artifact.url or ("attached" if artifact.content else f"in the archive: {artifact.path}")
    return " ".join(f"{_WORDS[artifact.kind]}: {artifact.name}, {where}".split())
