"""What changed in a CRM since the last read."""

from datetime import datetime, timedelta

from connectors.sources.crm.api import Crm, Page
from connectors.sources.crm.read import Read
from sync.errors import Unreachable

MOST_PAGES = 2_000
"""Of one question: what needs more does not come to an end."""
MOST_RECORDS = 200_000
"""That are kept; a calendar with more is not one that people meet in."""
AGAIN = 5
"""How often the records of one stamp are read at most until no more of them come."""


async def read_changes(crm: Crm, read: Read, overlap: timedelta) -> None:
    """What changed since the last read; and now and then everything that is still to come. The records come into
    `read.fresh`, what goes wrong into `read.trouble`."""
    state = read.state
    if state.watermark is not None:
        await read.attempt(_questioned(crm, read, state.watermark - overlap, None), None)
    if not read.trouble and (state.watermark is None or read.is_full):
        # Without stamps only the whole tells of a known meeting that moved into the past.
        ends_after = None if state.watermark is None and state.known else read.window.start
        await read.attempt(_questioned(crm, read, None, ends_after), None)
    read.told = frozenset(read.fresh)


async def _questioned(crm: Crm, read: Read, since: datetime | None, ends_after: datetime | None) -> None:
    """All records of one question. Where pages had to be counted some may have slipped through when others moved away,
    so these are read again until no more come."""
    for _ in range(AGAIN):
        before = len(read.fresh)
        counted = await _all_pages(crm, read, since, ends_after)
        if counted is None or len(read.fresh) == before:
            return
        since = counted


async def _all_pages(crm: Crm, read: Read, since: datetime | None, ends_after: datetime | None) -> datetime | None:
    """Read to the end. The next page is asked for by the last stamp of the one before, so that records which change
    meanwhile and move to the end let none behind them slip through; by the CRM's own counting only among records of one
    and the same stamp, or when they do not come in order.

    The first stamp among whose records pages were counted, None when none were.
    """
    after, counted = "", None
    for _ in range(MOST_PAGES):
        page = await crm.changed(since, after, ends_after)
        for record in page.records:
            if record.id:
                read.fresh[record.id] = record
            else:
                read.nameless.append(record)
        if not page.after:
            return counted
        if len(read.fresh) > MOST_RECORDS:
            raise Unreachable(f"it has more than {MOST_RECORDS} meetings")
        last = _last_stamp(page)
        if last is not None and (since is None or last > since):
            since, after = last, ""
        else:
            after = page.after
            counted = counted or (since if last is not None else None)
    raise Unreachable(f"its list does not come to an end (more than {MOST_PAGES} pages)")


def _last_stamp(page: Page) -> datetime | None:
    """The newest stamp of a page whose records are in order, None otherwise."""
    stamps = [record.updated for record in page.records]
    known = [stamp for stamp in stamps if stamp is not None]
    return known[-1] if known and len(known) == len(stamps) and known == sorted(known) else None
