"""What goes back to the CRM: the join link, and what came of the session.

A record is read right before it is written, because what a person wrote in between must stay; and read again behind,
because a CRM may take a field that it then drops.
"""

import html
import re
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from connectors.answers import place
from connectors.sources.http_json.calls import Calls
from connectors.sources.http_json.expressions import Unanswerable, search, truth
from connectors.sources.http_json.lines import LABELS, written
from connectors.sources.http_json.mapping import as_text
from connectors.sources.http_json.profile import Send
from connectors.sources.http_json.settings import HttpJsonSettings
from connectors.sources.http_json.templates import USABLE_ID, Values, fill, names_in
from connectors.sources.http_json.write_tables import ArtifactNote, JoinPlace, Upload
from sync.errors import Refused
from sync.outlets import Archived

LONGEST_NAME = 200

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,100}/[A-Za-z0-9!#$&^_.+-]{1,100}")


class Writing:
    """Writes to the records of one source."""

    def __init__(self, settings: HttpJsonSettings, calls: Calls) -> None:
        self._settings = settings
        self._calls = calls
        self._here = place(settings.url)

    async def link(self, id_: str, link: str, former: str) -> bool:
        """See `sync.outlets.WritableSource.write_link`: into the first place that is free, and out of the others."""
        first = self._settings.join_place
        if first is None:
            return False
        record = await self._record(id_)
        wanted, ours = link, {former, link} - {""}
        for one in _places(first):
            if wanted and one.current is not None and _text(one.current, record) not in {"", *ours}:
                continue
            await self._put(one, id_, record, wanted, ours)
            wanted = ""
        if wanted:
            raise Refused(f"{self._here}: somebody else's text stands where the link would go; it is left as it is")
        return True

    async def artifact(self, id_: str, artifact: Archived, *, doubted: bool) -> bool:
        """See `sync.outlets.WritableSource.add_artifact`."""
        write = self._settings.write
        table = write.document if artifact.content is not None and write.document is not None else write.recording
        if table is None:
            return False
        values: dict[str, Any] = {"id": self._usable(id_), **_facts(artifact)}
        if doubted and await self._was_added(table, id_, values):
            return True
        if table.upload is not None:
            values |= await self._uploaded(table.upload, values)
        if not table.names() & self._settings.text_fields.keys():
            await self._calls.write(table, _escaped(table, values))
            return True
        texts = self._texts(await self._record(id_))
        escaped = _escaped(table, values)
        call, filled, changes = _filled(table, {**texts, **escaped}, texts, "url", str(escaped["url"]), ())
        if changes:
            await self._calls.write(call, filled)
        return True

    async def _put(self, table: JoinPlace, id_: str, record: Any, link: str, ours: Collection[str]) -> None:
        """Make this place say `link`, or nothing of ours when that is empty."""
        texts = self._texts(record)
        if table.current is not None:
            now = _text(table.current, record)
            if now == link or (not link and now not in ours):
                return
            call: Send = table
            values: dict[str, Any] = {**texts, "id": id_, "join_url": link}
        else:
            shown, ours = _shown(table, link), {_shown(table, one) for one in ours}
            call, values, changes = _filled(table, {**texts, "id": id_}, texts, "join_url", shown, ours)
            if not changes:
                return
        await self._calls.write(call, values)
        if link and table.verify is not None:
            there = await self._record(id_)
            if not truth(table.verify, there, {"id": id_, "join_url": _shown(table, link)}):
                raise Refused(f"{self._here}: the link was taken, but the record does not show it (verify)")

    async def _record(self, id_: str) -> Any:
        """The record as it is now. Raises Gone when there is none."""
        table = self._settings.record
        heard = await self._calls.read(table, {"id": self._usable(id_)})
        try:
            return search(table.item, heard.document)
        except Unanswerable:
            return None

    async def _was_added(self, table: ArtifactNote, id_: str, values: Values) -> bool:
        if table.look is None or table.once_key is None:
            return False
        heard = await self._calls.read(table.look, {"id": id_})
        key = fill(table.once_key, values)
        try:
            items = search(table.look.items, heard.document)
        except Unanswerable:
            items = None
        return bool(key) and any(key in text for text in _all_texts(items))

    async def _uploaded(self, table: Upload, values: Values) -> dict[str, str]:
        """What the first call gives for the second one."""
        answer = await self._calls.write(table, values)
        given = {name: _text(expression, answer) for name, expression in table.gives.items()}
        if not all(given.values()):
            raise Refused(f"{self._here}: the file was taken, but the answer does not say what it is called")
        return given

    def _texts(self, record: Any) -> dict[str, str]:
        return {name: _text(expression, record) for name, expression in self._settings.text_fields.items()}

    def _usable(self, id_: str) -> str:
        if not USABLE_ID.fullmatch(id_):
            raise Refused(f"{self._here}: the record's id holds characters that cannot be asked for")
        return id_


def _places(first: JoinPlace) -> Iterator[JoinPlace]:
    one: JoinPlace | None = first
    while one is not None:
        yield one
        one = one.otherwise


def _filled(
    table: Send,
    values: Mapping[str, Any],
    texts: Collection[str],
    mark: str,
    value: str,
    former: Collection[str],
) -> tuple[Send, dict[str, Any], bool]:
    """The call with its lines written, the values that go with it, and whether it would change anything.

    A text that is composed here becomes a value of its own: it may hold what looks like a name.
    """
    composed: dict[str, str] = {}
    changes: list[bool] = []

    def walk(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: walk(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [walk(inner) for inner in part]
        if not isinstance(part, str) or mark not in set(names_in(part)):
            return part
        text = written(part, values, texts, mark, value, former)
        changes.append([values[name] for name in set(names_in(part)) & set(texts)] != [text])
        name = f"composed_{len(composed)}"
        composed[name] = text
        return f"${{{name}}}"

    call = table.model_copy(update={"body": walk(table.body)})
    return call, {**values, mark: value, **composed}, any(changes) or not changes


def _facts(artifact: Archived) -> dict[str, Any]:
    """What templates may say of an artifact. Its name is only a name: no folders, no control characters."""
    name = re.split(r"[/\\]", artifact.name)[-1]
    name = "".join(one for one in name if one.isprintable()).strip(". ")[-LONGEST_NAME:]
    return {
        "label": LABELS[artifact.kind],
        "name": name or LABELS[artifact.kind],
        "url": artifact.url or artifact.path,
        "media_type": artifact.media_type if _MEDIA_TYPE.fullmatch(artifact.media_type) else "application/octet-stream",
        "size": str(artifact.size),
        "content": b64encode(artifact.content).decode("ascii") if artifact.content is not None else "",
    }


def _escaped(table: Send, values: Mapping[str, Any]) -> dict[str, Any]:
    if not table.html:
        return dict(values)
    return {name: html.escape(value) if isinstance(value, str) else value for name, value in values.items()}


def _shown(table: Send, text: str) -> str:
    return html.escape(text) if table.html else text


def _text(expression: str, document: Any) -> str:
    try:
        return as_text(search(expression, document))
    except Unanswerable:
        return ""


def _all_texts(document: Any) -> Iterator[str]:
    """Every text in a document."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, Mapping):
        for part in document.values():
            yield from _all_texts(part)
    elif isinstance(document, list):
        for part in document:
            yield from _all_texts(part)
