"""CRMs by profile over loopback HTTP with a person at them, and the sources that read them; tests move the time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.simulators.dolibarr import DolibarrSimulator
from connectors.simulators.espocrm import EspoCrmSimulator
from connectors.simulators.faults import Fault
from connectors.simulators.stage import Reply, Request
from connectors.sources.crm.poller import CrmSource
from connectors.sources.http_json import HttpJsonCrm, HttpJsonSettings
from tests.contract.source import HOUR, NOW, START, Reader

KINDS = {"500": "500_before", "401": "401_before", "hang": "hang_before"}


class ProfileScene:
    """What both have in common. Implements the half of `CrmScene` that is about the server and its clock."""

    looks = 2
    page = 5

    def __init__(self, simulator: Any, url: str) -> None:
        self.simulator = simulator
        self.url = url
        self.server_now = NOW
        self.slept: list[float] = []
        self.held: list[str] | None = None
        simulator.options = replace(simulator.options, clock=lambda: self.server_now)
        simulator.faults.clear()
        simulator.reset()

    def settings(self, **more: Any) -> HttpJsonSettings:
        given = {"timeout": "1s", "changed": {"paging": {"size": self.page}}, **self.simulator.table(self.url)}
        return HttpJsonSettings.model_validate({**given, **more})

    def crm(self, *, locked: bool = False, **more: Any) -> HttpJsonCrm:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)

        return HttpJsonCrm("crm", self.settings(**more), locked=locked, now=lambda: NOW, sleep=sleep)

    def source(self, **more: Any) -> CrmSource:
        return CrmSource("crm", self.settings(**more), self.crm(**more), now=lambda: NOW)

    def contact(self, email: str, name: str) -> str:
        first, _, last = name.partition(" ")
        contact: str = self.simulator.add_contact(email, first, last)
        return contact

    def delete(self, uid: str) -> None:
        self.simulator.delete(uid)

    def hide(self, uid: str) -> None:
        self.simulator.hide(uid)

    def show(self, uid: str) -> None:
        self.simulator.hide(uid, hidden=False)

    def invite(self, uid: str, email: str, name: str) -> None:
        self.simulator.invite(uid, self.contact(email, name))

    def tick(self, seconds: float) -> None:
        self.server_now += timedelta(seconds=seconds)

    def skew(self, hours: float) -> None:
        self.server_now += timedelta(hours=hours)

    def begin(self) -> Callable[[], None]:
        self.held = []

        def commit() -> None:
            for uid in self.held or ():
                self.show(uid)
            self.held = None

        return commit

    def holding(self, uid: str) -> str:
        """The first that is added in a long transaction is not shown until its end."""
        if self.held == []:
            self.held.append(uid)
            self.hide(uid)
        return uid

    def during_reads(self, act: Callable[[], None], after: int) -> None:
        answer, answered = self.simulator.answer, 0

        def counting(request: Request) -> Reply:
            nonlocal answered
            reply: Reply = answer(request)
            answered += 1
            if answered == after:
                del self.simulator.answer
                act()
            return reply

        self.simulator.answer = counting

    @contextmanager
    def breaking(self, kind: str, after: int = 0) -> Iterator[None]:
        self.simulator.faults.add(Fault(KINDS.get(kind, kind), times=1000, after=after))
        yield
        self.simulator.faults.clear()
        self.simulator.faults.release()

    def asked(self, resource: str) -> list[dict[str, Any]]:
        """The parameters of the requests for a resource so far."""
        return [entry.params for entry in self.simulator.requests if entry.resource == resource]


class EspoScene(ProfileScene):
    """Implements `CrmScene` for EspoCRM."""

    simulator: EspoCrmSimulator
    page = 2

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        contacts = [self.contact(email, name) for email, name in people]
        uid = self.simulator.add_meeting(title, naive(start), naive(start + HOUR), contacts=contacts)
        return self.holding(uid)

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        fields = {"name": title} if title is not None else {}
        if start is not None:
            fields |= {"dateStart": naive(start), "dateEnd": naive(start + HOUR)}
        self.simulator.change(uid, **fields)

    def cancel(self, uid: str) -> None:
        self.simulator.cancel(uid)

    def many(self, count: int) -> None:
        for n in range(count):
            self.add(str(n), START + timedelta(minutes=4) * n)


class DolibarrScene(ProfileScene):
    """Implements `CrmScene` for Dolibarr, which knows no cancelled meetings."""

    simulator: DolibarrSimulator

    def add(self, title: str, start: datetime, *, people: Sequence[tuple[str, str]] = ()) -> str:
        contacts = [self.contact(email, name) for email, name in people]
        uid = self.simulator.add_meeting(title, epoch(start), epoch(start + HOUR), contacts=contacts)
        return self.holding(uid)

    def change(self, uid: str, *, title: str | None = None, start: datetime | None = None) -> None:
        fields: dict[str, Any] = {"label": title} if title is not None else {}
        if start is not None:
            fields |= {"datep": epoch(start), "datef": epoch(start + HOUR)}
        self.simulator.change(uid, **fields)

    def cancel(self, uid: str) -> None:
        raise NotImplementedError

    def many(self, count: int) -> None:
        self.page = 100
        for n in range(count):
            if n % 10 == 0:
                self.tick(6)
            self.add(str(n), START + timedelta(minutes=4) * n)


def scene_source(reader: Reader) -> CrmSource:
    """The reader's source, which can be written."""
    assert isinstance(reader.source, CrmSource)
    return reader.source


def naive(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def epoch(instant: datetime) -> int:
    return int(instant.timestamp())
