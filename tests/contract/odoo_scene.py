"""An Odoo stand-in with a person at it, for the tests of the source."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from connectors.http import Wire
from connectors.simulators.faults import Fault
from connectors.simulators.odoo import OdooSimulator, Transaction
from connectors.simulators.serve import serve_in_thread
from connectors.simulators.stage import Reply, Request, json_reply
from connectors.sources.crm.poller import CrmSource
from connectors.sources.odoo import OdooCrm, OdooSettings
from connectors.sources.odoo.server import OdooServer
from tests.contract.source import HOUR, NOW, START

FAULTS = {"500": "500_before", "401": "401_before", "hang": "hang_before"}


class OdooScene:
    """The stand-in of one version, served at `url`; its clock stands still until it is moved."""

    looks = 2
    timeout = "5s"

    def __init__(self, version: int, page: int = 5) -> None:
        self.page = page
        self.now = NOW
        self.sim = OdooSimulator(version=version, clock=lambda: self.now)
        self.url = ""
        self._slow: Transaction | None = None

    def settings(self, **more: Any) -> OdooSettings:
        table = {**self.sim.table(self.url), "timeout": self.timeout, **more}
        return OdooSettings.model_validate({name: value for name, value in table.items() if value is not None})

    def crm(self, *, locked: bool = False, **more: Any) -> OdooCrm:
        """The account, with pages of a few records."""
        settings = self.settings(**more)
        return OdooCrm(
            "sales",
            OdooServer(Wire(timeout=settings.timeout.total_seconds(), locked=locked), settings),
            url=settings.url,
            zone=ZoneInfo(settings.timezone),
            keyed=settings.api_key is not None,
            page=self.page,
            now=lambda: NOW,
        )

    def source(self, **more: Any) -> CrmSource:
        return CrmSource("sales", self.settings(**more), self.crm(**more))

    # The person

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        return (self._slow or self.sim).add_meeting(title, start, people=people)

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        times = {"start": start, "stop": start + HOUR} if start else {}
        self.sim.change_meeting(uid, **({"name": title} if title else {}), **times)

    def cancel(self, uid: str) -> None:
        self.sim.cancel_meeting(uid)

    def delete(self, uid: str) -> None:
        self.sim.delete_meeting(uid)

    def hide(self, uid: str) -> None:
        self.sim.hide_meeting(uid)

    def show(self, uid: str) -> None:
        self.sim.show_meeting(uid)

    def invite(self, uid: str, email: str, name: str) -> None:
        self.sim.invite(uid, email, name)

    def many(self, count: int) -> None:
        self.sim.add_meetings(count, START, timedelta(minutes=4))

    # The server

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._slow = None

    def skew(self, hours: float) -> None:
        self.now += timedelta(hours=hours)

    def begin(self) -> Callable[[], None]:
        self._slow = self.sim.begin()
        return self._slow.commit

    def during_reads(self, act: Callable[[], None], after: int) -> None:
        left = [after]
        answer = self.sim.answer

        def counted(request: Request) -> Reply:
            reply = answer(request)
            left[0] -= 1
            if left[0] == 0:
                act()
            return reply

        self.sim.answer = counted  # type: ignore[method-assign]

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        self.sim.faults.add(Fault(FAULTS.get(kind, kind), times=10_000, after=after))
        try:
            yield
        finally:
            self.sim.faults.clear()
            self.sim.faults.release()

    # What tests ask

    @property
    def asked(self) -> list[str]:
        """What was asked for, in order."""
        return [entry.resource for entry in self.sim.requests]

    def recorded(self) -> list[Request]:
        """The whole requests, from now on."""
        heard: list[Request] = []
        answer = self.sim.answer

        def noted(request: Request) -> Reply:
            heard.append(request)
            return answer(request)

        self.sim.answer = noted  # type: ignore[method-assign]
        return heard

    def say(self, resource: str, status: int, body: Any, times: int = 1) -> None:
        """Answer the next requests for a resource so."""
        left, answer = [times], self.sim.answer

        def instead(request: Request) -> Reply:
            if self.sim.resource(request) == resource and left[0]:
                left[0] -= 1
                return json_reply(status, body)
            return answer(request)

        self.sim.answer = instead  # type: ignore[method-assign]


@contextmanager
def served(version: int, **options: Any) -> Iterator[OdooScene]:
    """A scene whose stand-in is being served."""
    scene = OdooScene(version)
    for name, value in options.items():
        setattr(scene.sim.options, name, value)
    scene.sim.reset()
    with serve_in_thread(scene.sim.app) as server:
        scene.url = server.url
        yield scene


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """A time in December 2026."""
    return datetime(2026, 12, day, hour, minute, tzinfo=UTC)
