"""A HubSpot account over loopback HTTP with a person at it, and the source that reads it, with time that tests move."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from connectors.simulators.faults import Fault
from connectors.simulators.hubspot import HubspotSimulator
from connectors.simulators.hubspot_rules import Options
from connectors.simulators.stage import Reply, Request
from connectors.sources.crm.poller import CrmSource
from connectors.sources.hubspot import HubspotCrm, HubspotSettings
from connectors.sources.hubspot.pace import Pace
from tests.contract.source import HOUR, NOW, START

KEY = "pat-eu1-0123abcd"
KINDS = {"500": "500_before", "401": "401_before", "hang": "hang_before"}


class Time:
    """A clock that only moves when somebody sleeps; `slept` are the waits (seconds)."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


class HubspotScene:
    """Implements `CrmScene`. What is deleted is deleted for good; the recycle bin has tests of its own."""

    looks = 2
    page = 5

    def __init__(self, simulator: HubspotSimulator, url: str) -> None:
        self.simulator = simulator
        self.url = url
        self.time = Time()
        self.server_now = NOW
        self.held: list[str] | None = None
        simulator.options = Options(clock=lambda: self.server_now, page=self.page)
        simulator.faults.clear()
        simulator.reset()

    def settings(self, **more: Any) -> HubspotSettings:
        given = {"type": "hubspot", "url": self.url, "token": KEY, "timeout": "1s", **more}
        return HubspotSettings.model_validate(given)

    def crm(self, *, locked: bool = False, **more: Any) -> HubspotCrm:
        pace = Pace(self.time, self.time.sleep)
        return HubspotCrm("hub", self.settings(**more), locked=locked, pace=pace, now=lambda: self.server_now)

    def source(self, **more: Any) -> CrmSource:
        return CrmSource("hub", self.settings(**more), self.crm(**more), now=lambda: NOW)

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        contacts = [self.contact(email, name) for email, name in people]
        uid = self.simulator.add_meeting(title, start, start + HOUR, contacts=contacts)
        if self.held == []:
            self.held.append(uid)
            self.simulator.withhold(uid)
        return uid

    def contact(self, email: str, name: str) -> str:
        first, _, last = name.partition(" ")
        return self.simulator.add_contact(email, first, last)

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        fields: dict[str, Any] = {"hs_meeting_title": title} if title is not None else {}
        if start is not None:
            fields |= {"hs_meeting_start_time": start, "hs_meeting_end_time": start + HOUR, "hs_timestamp": start}
        self.simulator.change_meeting(uid, **fields)

    def cancel(self, uid: str) -> None:
        self.simulator.cancel_meeting(uid)

    def delete(self, uid: str) -> None:
        self.simulator.purge_meeting(uid)

    def many(self, count: int) -> None:
        self.simulator.options.page = 200
        for n in range(count):
            if n % 10 == 0:
                self.tick(6)
            self.add(str(n), START + timedelta(minutes=4) * n)

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        self.simulator.faults.add(Fault(KINDS.get(kind, kind), times=1000, after=after))
        yield
        self.simulator.faults.clear()
        self.simulator.faults.release()

    def hide(self, uid: str) -> None:
        self.simulator.hide_meeting(uid)

    def show(self, uid: str) -> None:
        self.simulator.hide_meeting(uid, hidden=False)

    def invite(self, uid: str, email: str, name: str) -> None:
        self.simulator.invite(uid, self.contact(email, name))

    def tick(self, seconds: float) -> None:
        self.server_now += timedelta(seconds=seconds)
        self.time.seconds += seconds

    def skew(self, hours: float) -> None:
        self.server_now += timedelta(hours=hours)

    def begin(self) -> Callable[[], None]:
        self.held = []

        def commit() -> None:
            for uid in self.held or ():
                self.simulator.withhold(uid, withheld=False)
            self.held = None

        return commit

    def during_reads(self, act: Callable[[], None], after: int) -> None:
        answer, answered = self.simulator.answer, 0

        def counting(request: Request) -> Reply:
            nonlocal answered
            reply = answer(request)
            answered += 1
            if answered == after:
                del self.simulator.answer  # type: ignore[method-assign]
                act()
            return reply

        self.simulator.answer = counting  # type: ignore[method-assign]

    def asked(self, resource: str) -> list[dict[str, Any]]:
        """The parameters of the requests for a resource so far."""
        return [entry.params for entry in self.simulator.requests if entry.resource == resource]
