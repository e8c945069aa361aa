"""How much cheaper an unchanged and a slightly changed feed are than a new one. Prints ratios of one run."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from connectors.sources.ical import IcalSettings, IcalSource
from sync.model import Window

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
EVENTS = 10_000


def feed(changed: int) -> str:
    """So many events over two years, a tenth of them weekly series; the first `changed` have another title."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//bench//EN"]
    for n in range(EVENTS):
        start = NOW + timedelta(minutes=100 * n) - timedelta(days=350)
        lines += [
            "BEGIN:VEVENT", f"UID:e{n}@example.com", f"DTSTAMP:{NOW:%Y%m%dT%H%M%SZ}",
            f"DTSTART:{start:%Y%m%dT%H%M%SZ}", "DURATION:PT1H",
            f"SUMMARY:{'Changed' if n < changed else 'Meeting'} {n}",
            "ORGANIZER;CN=Mara Vogt:mailto:mara@example.com", "ATTENDEE;CN=Jon Berg:mailto:jon@example.com",
            *(["RRULE:FREQ=WEEKLY;COUNT=60"] if n % 10 == 0 else []), "END:VEVENT",
        ]  # fmt: skip
    return "\r\n".join([*lines, "END:VCALENDAR", ""])


async def main() -> None:
    """Measure and print."""
    window = Window(NOW - timedelta(days=1), NOW + timedelta(days=30))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "feed.ics"
        source = IcalSource("bench", IcalSettings(type="ical", url=str(path)), Path(folder))
        seconds, cursor = {}, None
        for name, changed in (("new", 0), ("unchanged", 0), ("1 % changed", EVENTS // 100)):
            path.write_text(feed(changed), newline="")
            began = time.perf_counter()
            snapshot = await source.fetch(cursor, window, frozenset())
            seconds[name] = time.perf_counter() - began
            cursor = snapshot.cursor or cursor
            print(f"{name:12} {seconds[name]:6.2f} s  {len(snapshot.meetings)} meetings")
        for name in ("unchanged", "1 % changed"):
            print(f"{name}: {seconds['new'] / seconds[name]:.1f} times cheaper than new")


asyncio.run(main())
