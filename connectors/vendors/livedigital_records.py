"""What calls leave in a room: recordings and reports (sections "getRecords", "analyticsCalls" and following)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from connectors.answers import Answer
from connectors.downloads import at_once
from connectors.vendors import livedigital_wire as wire_format
from connectors.vendors.livedigital_api import LivedigitalApi
from connectors.vendors.livedigital_wire import Call, Record, Room, Unreadable
from sync.errors import Refused, Unreachable
from sync.model import Artifact
from sync.ports import Download


class Leavings:
    """Looks for them and fetches them. `attendance`: whether reports are wanted."""

    def __init__(self, api: LivedigitalApi, *, attendance: bool) -> None:
        self._api = api
        self._attendance = attendance

    async def of(self, space: str, room: Room) -> tuple[Artifact, ...]:
        """Recordings first, each kind oldest first. A look that failed raises."""
        records, lacking = await self._records(space, room)
        calls = await self._calls(space, room, records) if self._attendance else []
        found = await _all(self._recording(space, room, record) for record in records)
        if lacking:
            if not found:
                raise Unreachable(lacking)
            found[-1] = _and_more(found[-1], "there are more recordings than the server lists")
        return (*found, *(_report(room, call) for call in calls))

    async def report(self, space: str, room: str, ref: str) -> Download:
        """The report of a call, as JSON."""
        query = {"roomId": room, "callId": ref, "format": "json"}
        answer = await self._api.fetch("report", "spaces", space, "analytics", "report", query=query)
        try:
            wire_format.json_value(answer.body)
        except Unreadable as error:
            raise Unreachable(f"GET report: unreadable answer ({error})") from None
        return at_once(answer.body, "application/json")

    @asynccontextmanager
    async def media(self, space: str, room: str, ref: str, start: int, validator: str) -> AsyncIterator[Download]:
        """The media of a recording, from an address that is asked for now."""
        address = self._media(await self._link(space, room, ref))
        async with AsyncExitStack() as opened:
            try:
                download = await opened.enter_async_context(self._api.stream(address, start, validator))
            except Refused as error:
                if error.status not in (401, 403):
                    raise
                # it says so to a link that has run out, and nothing about the account: nothing of it was sent
                raise Unreachable(f"recording {ref}: its link is not accepted") from None
            yield download

    async def _records(self, space: str, room: Room) -> tuple[list[Record], str]:
        found = await self._api.read_all(Record, "records", "spaces", space, "rooms", room.id, "records")
        wanted = [record for record in found.rows.values() if not record.failed]
        return sorted(wanted, key=lambda record: record.id), found.lacking

    async def _recording(self, space: str, room: Room, record: Record) -> Artifact:
        """Ready when it has finished and its download answers."""
        more = ""
        if record.finished is None:
            more = "the recording has not finished"
        elif not await self._answers(space, room.id, record.id):
            more = "the recording cannot be downloaded yet"
        return Artifact(
            kind="recording",
            ref=record.id,
            session_ref=room.id,
            name=record.name or "",
            media_type="video/mp4",
            size=record.size,
            duration=record.seconds,
            created=record.started or record.created,
            ready=not more,
            more=more,
        )

    async def _answers(self, space: str, room: str, ref: str) -> bool:
        """Whether this one can be had. Trouble with it says nothing about the others, which must not wait for it;
        a login that is not accepted and a limit concern all of them: these are raised."""
        try:
            self._media(await self._link(space, room, ref))
        except (Refused, Unreachable):  # Gone, too
            return False
        return True

    async def _link(self, space: str, room: str, ref: str) -> Answer:
        """Section "RedirectToDownloadRoomRecord": an address for 24 hours, as text or, by its name, a redirect."""
        path = ("spaces", space, "rooms", room, "records", "download", ref)
        return await self._api.fetch("recording", *path, redirect=True)

    def _media(self, answer: Answer) -> str:
        try:
            if 300 <= answer.status < 400:
                here = answer.url.join(str(answer.headers.get("location", "")))
                return wire_format.web_address(str(here) if "location" in answer.headers else None)
            return wire_format.download_address(answer.body)
        except Unreadable as error:
            raise Unreachable(f"GET recording: unreadable answer ({error})") from None

    async def _calls(self, space: str, room: Room, records: list[Record]) -> list[Call]:
        """The calls of the days on which the room is known to have been used.

        They are listed by day only (section "analyticsCalls"), and the days are known from the room's last call
        and its recordings: an earlier call that was not recorded is not seen.
        """
        instants = [room.last_call, *(time for record in records for time in (record.started, record.finished))]
        calls: dict[str, Call] = {}
        for day in wire_format.days_of_calls(instant for instant in instants if instant):
            query = {"roomId": room.id, "date": day}
            try:
                path = ("spaces", space, "analytics", "calls")
                answer = await self._api.fetch("calls", *path, query=query)
                items = wire_format.page(answer.body).items
                found = [wire_format.parsed(Call, item) for item in items if item.get("roomId", room.id) == room.id]
            except Unreadable as error:
                raise Unreachable(f"GET calls: unreadable answer ({error})") from None
            except Refused as error:
                raise Refused(f"{error} (attendance = false leaves reports out)", error.status) from None
            calls |= {call.id: call for call in found}
        return sorted(calls.values(), key=lambda call: call.id)


def _report(room: Room, call: Call) -> Artifact:
    started = call.started
    return Artifact(
        kind="attendance",
        ref=call.id,
        session_ref=room.id,
        name=f"attendance {started:%Y-%m-%d %H-%M}" if started else "attendance",
        media_type="application/json",
        duration=(call.finished - started).total_seconds() if started and call.finished else None,
        created=started,
        ready=call.finished is not None,
        more="" if call.finished else "the call has not ended",
    )


async def _all(looks: Iterable[Awaitable[Artifact]]) -> list[Artifact]:
    """What they find, in their order. Raises what the first of them raises, when none is under way any more."""
    found: list[Artifact] = []
    for one in await asyncio.gather(*looks, return_exceptions=True):
        if isinstance(one, BaseException):
            raise one
        found.append(one)
    return found


def _and_more(artifact: Artifact, why: str) -> Artifact:
    return replace(artifact, more="; ".join(text for text in (artifact.more, why) if text))
