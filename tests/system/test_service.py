"""The service as a real process: what wakes it, what it reads again, and how it ends."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.serve import serve_in_thread
from daemon.commands.start import toml_table
from tests.calendars import entries
from tests.system.process import Done, convener, start
from tests.world import World

SECRET = "a-secret-of-the-hook"
TIMEOUT_STOP = 60.0
"""Seconds, as in the unit."""

SERVICE = """\
[daemon]
listen = "127.0.0.1:0"
drain = "{drain}"
"""


def first() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


class Running:
    """`convener run` in a world's folder."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.process = start(world.folder, "run")

    @property
    def log(self) -> list[dict[str, Any]]:
        with suppress(FileNotFoundError):
            return Done(None, "", (self.world.folder / "stderr.txt").read_text()).log
        return []

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]

    def until(self, holds: Callable[[], Any], patience: float = 30) -> Any:
        """What `holds` gives once it is true."""
        ends = time.monotonic() + patience
        while not (found := holds()):
            assert time.monotonic() < ends, self.log[-15:]
            assert self.process.is_alive(), self.log[-15:]
            time.sleep(0.02)
        return found

    def told(self, name: str, number: int = 1) -> dict[str, Any]:
        """The line, once the event has been logged so often."""
        line: dict[str, Any] = self.until(lambda: self.events(name)[number - 1 : number])[0]
        return line

    def signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def stop(self, patience: float = TIMEOUT_STOP) -> float:
        """Seconds until it ended by SIGTERM."""
        began = time.monotonic()
        self.signal(signal.SIGTERM)
        self.process.join(patience)
        assert self.process.exitcode == 0, self.log[-15:]
        return time.monotonic() - began


@contextmanager
def running(world: World, *, drain: str = "40s", **tables: str) -> Iterator[Running]:
    configure(world, drain=drain, **tables)
    world.publish()
    service = Running(world)
    try:
        yield service
    finally:
        service.process.kill()
        service.process.join()


def configure(world: World, *, drain: str = "40s", more: str = "", **tables: str) -> None:
    world.configure(**({"vendor": 'settle = "2s"', "source": 'poll = "1h"'} | tables))
    path = world.folder / "convener.toml"
    path.write_text(SERVICE.format(drain=drain) + path.read_text() + more)


def test_a_changed_calendar_file_is_looked_at_at_once_and_not_at_the_next_poll(world: World) -> None:
    world.entries = entries(2, first=first())
    with running(world) as service:
        service.told("run.finished")
        new = world.folder / "sales.new"
        for number in (3, 4):  # written over, and put in place of the old one
            world.entries = entries(number, first=first())
            if number == 3:
                world.publish()
            else:
                old = (world.folder / "sales.ics").read_bytes()
                world.publish()
                new.write_bytes((world.folder / "sales.ics").read_bytes())
                (world.folder / "sales.ics").write_bytes(old)
                new.rename(world.folder / "sales.ics")
            service.until(lambda number=number: len(world.sim.sessions) == number)
        assert service.events("run.hinted")[0]["reason"] == "its calendar file changed"


def test_a_hook_with_the_secret_brings_a_pass_and_one_without_brings_none(world: World) -> None:
    world.entries = entries(1, first=first())
    with running(world, source=f'poll = "1h"\nhook_secret = "{SECRET}"') as service:
        address = service.told("web.started")["listen"]
        service.told("run.finished")

        def post(secret: str) -> int:
            headers = {"Authorization": f"Bearer {secret}"}
            request = Request(f"http://{address}/hooks/sales", data=b"{}", headers=headers, method="POST")
            try:
                with urlopen(request, timeout=10) as answer:
                    return int(answer.status)
            except HTTPError as error:
                return error.code

        assert post("not the secret at all") == 401
        assert post(SECRET) == 202
        service.told("run.finished", 2)
        assert [line["route"] for line in service.events("run.hinted")] == ["sales"]
        assert SECRET not in (world.folder / "stderr.txt").read_text()


def test_sighup_takes_a_valid_configuration_over_and_refuses_an_invalid_one(world: World) -> None:
    world.entries = entries(1, first=first())
    with running(world) as service:
        service.told("run.finished")
        path = world.folder / "convener.toml"
        good = path.read_text()
        path.write_text(good.replace("poll", "pol"))
        service.signal(signal.SIGHUP)
        assert 'did you mean "poll"?' in service.told("daemon.reload_refused")["reason"]
        extra = good + '[routes.more]\nsource = "sales"\nvendor = "main"\n[routes.more.match]\nsummary = "Nothing"\n'
        path.write_text(extra.replace('listen = "127.0.0.1:0"', 'listen = ""'))
        service.signal(signal.SIGHUP)
        assert service.told("daemon.reloaded")["routes"] == 2
        service.until(lambda: {"sales", "more"} == {line["route"] for line in service.events("run.finished")})
        path.write_text(
            extra.replace("sqlite:", "nonsense:").replace("[daemon]", 'database = "sqlite:////no/x.db"\n[daemon]')
        )
        service.signal(signal.SIGHUP)
        assert "/no/x.db" in service.told("daemon.reload_refused", 2)["reason"]
        path.write_text(extra)
        service.signal(signal.SIGHUP)
        service.told("daemon.reloaded", 2)
        assert service.stop() < 10
    assert len(world.sim.sessions) == 1


def test_sigterm_in_the_middle_of_200_meetings_ends_in_time_and_the_next_start_settles_every_open_intent(
    world: World,
) -> None:
    world.entries = entries(200, first=first())
    world.sim.faults.add(Fault("hang_after", method="PUT", times=1, after=20, delay=30))
    with running(world, drain="2s", vendor='settle = "0s"\ntimeout = "20s"', route='ahead = "60d"') as service:
        service.until(lambda: len(world.sim.sessions) > 22)
        took = service.stop()
        assert took < TIMEOUT_STOP / 2
        assert len(service.events("daemon.abandoned")) == 1
        made = len(world.sim.sessions)
    assert made < 200
    world.sim.faults.clear()
    again = convener(world.folder, "status", "--json").document["routes"][0]
    assert again["open_intents"] == 1, "the call that was broken off"
    service = Running(world)
    try:
        service.told("run.finished")
        assert service.events("intent.settled")
        service.until(lambda: len(world.sim.sessions) == 200, 60)
        service.stop()
    finally:
        service.process.kill()
    assert len({session.topic for session in world.sim.sessions.values()}) == 200
    assert convener(world.folder, "status", "--json").document["routes"][0]["open_intents"] == 0


def test_a_vendor_that_hangs_leaves_the_others_at_full_speed(world: World) -> None:
    other = OnstreamSimulator(username="acme", password="secret")
    with ExitStack() as stack:
        url = stack.enter_context(serve_in_thread(other.app)).url
        more = toml_table("vendors.other", other.table(url)) + '\n[routes.other]\nsource = "sales"\nvendor = "other"\n'
        other.faults.add(Fault("hang_before", times=10**6))
        world.entries = entries(1, first=first())
        service = stack.enter_context(running(world, drain="1s", more=more, source='poll = "1s"'))
        for number in range(2, 6):
            world.entries = entries(number, first=first())
            world.publish()
            began = time.monotonic()
            service.until(lambda number=number: len(world.sim.sessions) == number)
            assert time.monotonic() - began < 15, "the other vendor's time-out is 30 s"
        assert {line["route"] for line in service.events("run.finished")} == {"sales"}
        assert service.stop() < TIMEOUT_STOP / 2


def test_while_a_command_works_on_a_route_its_pass_is_put_off_and_the_log_says_so(world: World) -> None:
    world.entries = entries(3, first=first())
    world.sim.faults.add(Fault("hang_before", method="PUT", times=1, delay=4))
    configure(world, vendor='settle = "0s"')
    world.publish()
    command = start(world.folder, "reconcile")
    ends = time.monotonic() + 20
    while not world.sim.requests and time.monotonic() < ends:
        time.sleep(0.01)
    with running(world, vendor='settle = "0s"') as service:
        missed = service.told("run.missed")
        assert missed["route"] == "sales"
        command.join(60)
        service.told("run.finished")
        assert len(world.sim.sessions) == 3


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_it_ends_with_0_and_says_so(world: World, name: str) -> None:
    with running(world) as service:
        service.told("run.finished")
        service.signal(getattr(signal, name))
        service.process.join(20)
        assert (service.process.exitcode, len(service.events("daemon.stopped"))) == (0, 1)


def test_what_cannot_be_watched_is_said_and_watched_when_it_can(world: World, tmp_path: Path) -> None:
    folder = world.folder / "feeds-of-others"
    world.entries = entries(1, first=first())
    with running(world) as service:
        service.told("run.finished")
        path = world.folder / "convener.toml"
        path.write_text(path.read_text().replace('url = "sales.ics"', f'url = "{folder}/sales.ics"'))
        service.signal(signal.SIGHUP)
        assert service.told("watch.failed")["folder"] == str(folder)
        for number in (1, 2):  # made, and put in place of the one that was watched
            fresh = world.folder / "fresh"
            fresh.mkdir()
            world.entries = entries(number, first=first())
            world.publish()
            (world.folder / "sales.ics").rename(fresh / "sales.ics")
            if folder.exists():
                folder.rename(world.folder / "old")
            fresh.rename(folder)
            service.until(lambda number=number: len(world.sim.sessions) == number)
        assert service.told("watch.recovered")["folder"] == str(folder)


def test_a_file_behind_links_is_watched_where_it_is_as_kubernetes_puts_it(world: World) -> None:
    for number in (1, 2):
        (world.folder / f"v{number}").mkdir()
        world.entries = entries(number, first=first())
        world.publish()
        (world.folder / "sales.ics").rename(world.folder / f"v{number}" / "sales.ics")
    (world.folder / "..data").symlink_to("v1")
    with running(world, source='poll = "1h"') as service:
        (world.folder / "sales.ics").unlink()
        (world.folder / "sales.ics").symlink_to("..data/sales.ics")
        service.until(lambda: len(world.sim.sessions) == 1)
        (world.folder / "..new").symlink_to("v2")
        (world.folder / "..new").rename(world.folder / "..data")
        service.until(lambda: len(world.sim.sessions) == 2)


def test_a_configuration_that_is_gone_is_refused_and_the_routes_stay(world: World) -> None:
    world.entries = entries(1, first=first())
    with running(world, source='poll = "1s"') as service:
        service.told("run.finished")
        path = world.folder / "convener.toml"
        text = path.read_text()
        path.unlink()
        service.signal(signal.SIGHUP)
        assert "no such configuration file" in service.told("daemon.reload_refused")["reason"]
        number = len(service.events("run.finished"))
        service.told("run.finished", number + 2)
        path.write_text(text)
        service.signal(signal.SIGHUP)
        assert service.told("daemon.reloaded")["routes"] == 1


def test_a_source_that_hangs_delays_no_other_route_at_a_reload_and_no_stop(world: World) -> None:
    world.entries = entries(1, first=first())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/slow.ics"
        more = f'[sources.slow]\ntype = "ical"\nurl = "{url}"\nallow_private = true\n'
        more += '[routes.slow]\nsource = "slow"\nvendor = "main"\n'
        with running(world, source='poll = "1s"', more=more) as service:
            service.told("run.finished", 2)
            path = world.folder / "convener.toml"
            path.write_text(path.read_text().replace("[daemon]", '[daemon]\ndrift_every = "9h"'))
            began = time.monotonic()
            service.signal(signal.SIGHUP)
            service.told("daemon.reloaded")
            number = len(service.events("run.finished"))
            service.told("run.finished", number + 2)
            assert time.monotonic() - began < 15, "the source's time-out is 30 s, and the drain 40 s"
            assert service.stop() < 15
            assert service.events("daemon.abandoned") == []


def test_writes_that_wait_for_their_turn_leave_the_line_at_a_stop(world: World) -> None:
    world.entries = entries(30, first=first())
    with running(world, vendor='settle = "0s"\nrate = 0.2') as service:
        service.until(lambda: world.sim.requests)
        asked = len(world.sim.writes)
        assert service.stop() < 15
        assert len(world.sim.writes) <= asked + 1
        assert service.events("daemon.abandoned") == []
    assert convener(world.folder, "status", "--json").document["routes"][0]["open_intents"] == 0


def test_a_silent_vendor_is_noticed_after_three_calls(world: World) -> None:
    world.entries = entries(30, first=first())
    world.sim.faults.add(Fault("hang_before", times=10**6))
    with running(world, vendor='settle = "0s"\ntimeout = "1s"') as service:
        service.told("vendor.unreachable")
        assert len(world.sim.requests) <= 4
        world.sim.faults.clear()
        service.until(lambda: len(world.sim.sessions) == 30)
        service.told("vendor.recovered")


def test_a_taken_address_is_tried_again_by_a_reload_and_the_one_before_is_kept_meanwhile(world: World) -> None:
    with running(world) as service, socket.create_server(("127.0.0.1", 0)) as taken:
        before = service.told("web.started")["listen"]
        port = taken.getsockname()[1]
        path = world.folder / "convener.toml"
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        service.signal(signal.SIGHUP)
        service.told("web.failed")
        with urlopen(f"http://{before}/healthz", timeout=10) as answer:
            assert answer.status == 200
        taken.close()
        service.signal(signal.SIGHUP)
        assert service.told("web.started", 2)["listen"] == f"127.0.0.1:{port}"
