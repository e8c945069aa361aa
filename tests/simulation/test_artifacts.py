"""Whole passes at each vendor's stand-in: documents go in with the session, what it left comes out after its end."""

import base64
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from connectors.simulators.faults import Fault
from connectors.simulators.idiligo import IdiligoSimulator
from connectors.simulators.isl_groop import IslGroopSimulator
from connectors.simulators.livedigital import LivedigitalSimulator
from connectors.simulators.media import film
from connectors.simulators.onstream import OnstreamSimulator
from connectors.simulators.openmeetings import OpenMeetingsSimulator
from connectors.simulators.serve import serve_in_thread
from sync.ledger.records import PulledState
from sync.report import Exit
from tests.calendars import Entry
from tests.clock import START
from tests.world import World, a_world

FILM = film(bytes(range(256)) * 800, seconds=1800)
PAPER = b"%PDF-1.7 an offer"
NOTES = b"1. Hello\n2. Good-bye\n"
SOON = START + timedelta(hours=1)


def leaves_recording(sim: Any, session: str) -> None:
    sim.add_recording(int(session), content=FILM)


def leaves_record(sim: LivedigitalSimulator, session: str) -> None:
    sim.add_recording(session, content=FILM)


def leaves_attachment(sim: IdiligoSimulator, session: str) -> None:
    sim.add_attachment(int(session), "Offer.pdf", PAPER.decode())


EXTRAS = {"onstream": "experimental = true"}

VENDORS: dict[str, tuple[Callable[..., Any], list[str], Callable[[Any, str], None] | None, list[bytes]]] = {
    "onstream": (OnstreamSimulator, ["offer.pdf"], leaves_recording, [FILM]),
    "openmeetings": (OpenMeetingsSimulator, ["notes.txt", "offer.pdf"], leaves_recording, [FILM]),
    "idiligo": (IdiligoSimulator, ["offer.pdf"], leaves_attachment, [PAPER]),
    "livedigital": (LivedigitalSimulator, [], leaves_record, [FILM]),
    "isl-groop": (IslGroopSimulator, [], None, []),
}
"""For each vendor: its stand-in, the documents that it takes, how a session leaves something, and what comes out."""


async def papers(scope: Any, receive: Any, send: Any) -> None:
    """A web server with one document."""
    headers = [(b"content-type", b"application/pdf"), (b"content-length", str(len(PAPER)).encode()), (b"etag", b'"1"')]
    known = dict(scope["headers"]).get(b"if-none-match") == b'"1"'
    await send({"type": "http.response.start", "status": 304 if known else 200, "headers": [] if known else headers})
    await send({"type": "http.response.body", "body": b"" if known else PAPER})


@pytest.fixture(params=VENDORS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, World]]:
    make, *_ = VENDORS[request.param]
    with a_world(tmp_path, make) as world, serve_in_thread(papers) as served:
        if hasattr(world.sim.options, "clock"):
            world.sim.options.clock = world.clock.now
        world.configure('settle = "0s"\n' + EXTRAS.get(request.param, ""), source="allow_private = true")
        inline = base64.b64encode(NOTES).decode()
        extra = (
            f"ATTACH;FMTTYPE=application/pdf;FILENAME=offer.pdf:{served.url}/offer.pdf",
            f"ATTACH;FMTTYPE=text/plain;FILENAME=notes.txt;ENCODING=BASE64;VALUE=BINARY:{inline}",
        )
        world.entries = {"one": Entry("one@example.com", SOON, title="One", extra=extra)}
        yield request.param, world


def stored(world: World, ending: str = "") -> list[bytes]:
    files = [file for file in (world.folder / "archive").rglob(f"*{ending}") if file.is_file()]
    return [file.read_bytes() for file in files if file.name != "meeting.json"]


async def test_documents_go_in_once_and_what_was_left_comes_out_once(place: tuple[str, World]) -> None:
    vendor, world = place
    _, taken, leave, left = VENDORS[vendor]
    assert (await world.plan()).exit() is Exit.DONE
    assert world.sim.writes == []
    assert (await world.reconcile()).exit() is Exit.DONE
    (link,) = (await world.links()).values()
    if taken:
        assert sorted(row["name"] for row in world.sim.documents_of(str(link.session))) == taken
    writes = len(world.sim.writes)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert len(world.sim.writes) == writes, "nothing is handed over twice"
    if leave is None:
        return
    leave(world.sim, str(link.session))
    world.clock.advance(hours=2, minutes=4)
    asked = len(world.sim.requests)
    assert (await world.reconcile()).exit() is Exit.DONE
    assert len(world.sim.requests) == asked, "it is not five minutes after the end yet"
    world.clock.advance(minutes=1)
    report = await world.reconcile()
    assert report.exit() is Exit.DONE
    assert sorted(map(len, stored(world))) == sorted(map(len, left))
    assert {sha256(one).digest() for one in stored(world)} == {sha256(one).digest() for one in left}
    asked = len(world.sim.requests)
    for _ in range(3):
        world.clock.advance(hours=12)
        await world.reconcile()
    assert len(world.sim.requests) == asked, "what was found is not looked for again"
    assert {sha256(one).digest() for one in stored(world)} == {sha256(one).digest() for one in left}


@pytest.mark.parametrize("kind", ["500_before", "garbage", "empty", "truncate", "reset_after", "429"])
async def test_trouble_while_looking_costs_nothing_but_time(place: tuple[str, World], kind: str) -> None:
    vendor, world = place
    _, _, leave, left = VENDORS[vendor]
    await world.reconcile()
    if leave is None:
        pytest.skip("nothing is left there")
    (link,) = (await world.links()).values()
    leave(world.sim, str(link.session))
    world.clock.advance(hours=2, minutes=5)
    world.sim.faults.add(Fault(kind, times=3, retry_after=1))
    for _ in range(6):
        report = await world.reconcile()
        world.clock.advance(minutes=1)
    assert report.exit() is Exit.DONE
    assert {sha256(one).digest() for one in stored(world)} == {sha256(one).digest() for one in left}
    assert all(record.state is PulledState.STORED for record in await pulled(world))


@pytest.mark.parametrize("resumes", ["etag", "modified", "never"])
@pytest.mark.parametrize("block", range(2))
async def test_downloads_cut_at_any_byte_end_with_the_right_checksums(tmp_path: Path, resumes: str, block: int) -> None:
    """Over real HTTP, nine break points in each of six runs: the first nine answers are all cut."""
    dice = random.Random(f"{resumes} {block}")
    with a_world(tmp_path, resumes=resumes) as world:
        world.configure('settle = "0s"')
        world.entries = {str(n): Entry(f"{n}@example.com", SOON, title=str(n)) for n in range(9)}
        await world.reconcile()
        films = [film(dice.randbytes(dice.choice((1, 5_000, 300_000)))) for _ in world.entries]
        wanted = sorted(sha256(one).hexdigest() for one in films)
        for ref, content in enumerate(films, 1):
            world.sim.add_recording(ref, content=content)
            world.sim.faults.add(Fault("cut", resource="play", at=dice.randrange(min(map(len, films)))))
        world.clock.advance(hours=2, minutes=5)
        for _ in range(4):
            await world.reconcile()
            assert {sha256(one).hexdigest() for one in stored(world, ".mp4")} <= set(wanted), "never half of one"
        assert world.sim.faults.pending() == ()
        assert sorted(sha256(one).hexdigest() for one in stored(world)) == wanted
        assert all(record.state is PulledState.STORED for record in await pulled(world))


async def pulled(world: World) -> list[Any]:
    async def use(inside: Any) -> Any:
        return await inside.ledger.artifacts.pulled("sales")

    found: list[Any] = await world.open(use)
    return found
